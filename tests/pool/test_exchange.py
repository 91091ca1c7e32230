"""Oracles: trades decoded from chain, the documentation's worked example, root finding, hand derivations."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq

from yieldtrade.errors import DomainError
from yieldtrade.pool.exchange import (
    close_position,
    effective_leverage,
    flat_close_fee,
    increase_position,
    is_liquidatable,
    liquidation_price,
    max_loss,
    open_position,
    position_pnl,
    settlement,
)
from yieldtrade.pool.state import PerpPosition

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "jupiter_fees.json").read_text())["cases"]
TRADES = [case for case in GOLDEN if case["kind"] == "onchain_round_trip"]
ROUND_TRIPS = [case for case in GOLDEN if case["kind"] == "round_trip"]
SIDES = ("long", "short")
RULES = {"max_leverage": 500}
NO_FEES = {"close_fee_usd": 0, "borrow_fee_usd": 0, **RULES}

sides = st.sampled_from(SIDES)
sizes = st.floats(100, 1e6)
leverages = st.floats(1.1, 100)
prices = st.floats(1, 1e5)
moves = st.floats(0.5, 1.5)
fee_shares = st.floats(0, 0.005)


def position(side="long", size=1000.0, collateral=100.0, entry=100.0, **more):
    """Return the position of the specification's example, or another."""
    return PerpPosition(side=side, size_usd=size, collateral_usd=collateral, entry_price=entry, **more)


def test_the_example_of_a_liquidation_price():
    """Size 1,000, collateral 100, entry 100, 6 bps: margin 2 and fee 0.6 leave 97.4, a move of 9.74 %."""
    fees = {"close_fee_usd": 0.6, "borrow_fee_usd": 0, **RULES}
    assert max_loss(position(), **fees) == pytest.approx(2.6, rel=1e-15)
    for side, price in (("long", 90.26), ("short", 109.74)):
        assert liquidation_price(position(side), **fees) == (pytest.approx(price, rel=1e-14), True, False)


@pytest.mark.parametrize("case", TRADES, ids=lambda case: case["id"])
def test_trades_on_chain_satisfy_the_payout_identity(case):
    """What was paid out, and whether the trade was liquidated, follow from the amounts on chain."""
    given_, expected = case["in"], case["expect"]
    settled = settlement(
        collateral_usd=given_["collateral_in_usd"],
        open_fee_usd=given_["open_fee_usd"],
        pnl_usd=given_["pnl_usd"],
        close_fee_usd=given_["close_fee_incl_borrow_usd"],
        borrow_fee_usd=0,
        size_usd=given_["size_usd"],
        max_leverage=500,
    )
    assert settled.payout_usd == pytest.approx(expected["transfer_out_usd"], abs=case["tolerance"])
    assert settled.liquidation_fee_usd == pytest.approx(given_["liquidation_fee_usd"], abs=case["tolerance"])
    assert settled.liquidated is expected["liquidated"]


@pytest.mark.parametrize("case", TRADES, ids=lambda case: case["id"])
def test_trades_on_chain_made_what_their_prices_say(case):
    """Opened and closed at the printed prices, a trade pays what it did, to the rounding of those prices."""
    given_ = case["in"]
    opened = open_position(
        given_["side"].split()[0],
        size_usd=given_["size_usd"],
        collateral_usd=given_["collateral_in_usd"],
        price=given_["entry_price"],
        open_fee_usd=given_["open_fee_usd"],
    )
    closed = close_position(
        opened, given_["exit_price"], close_fee_usd=given_["close_fee_incl_borrow_usd"], **RULES
    )
    # both prices are printed in cents
    rounding = 0.01 / given_["entry_price"] * given_["size_usd"] + case["tolerance"]
    assert closed.pnl_usd == pytest.approx(given_["pnl_usd"], abs=rounding)
    assert closed.payout_usd == pytest.approx(case["expect"]["transfer_out_usd"], abs=rounding)
    assert closed.liquidated is case["expect"]["liquidated"]
    assert closed.remaining is None


@pytest.mark.parametrize("case", ROUND_TRIPS, ids=lambda case: case["id"])
def test_the_documented_round_trip(case):
    """The documentation charges the close fee on the value and makes 95.86, the program on the size, 95.92."""
    given_, expected = case["in"], case["expect"]
    size, posted = given_["size_usd"], 500.0
    borrow = given_["utilisation"] * given_["hourly_rate"] * given_["hours"] * size
    opened = open_position(
        "long",
        size_usd=size,
        collateral_usd=posted,
        price=given_["entry_price"],
        open_fee_usd=expected["open_fee_usd"],
    )
    made = {}
    for base in ("value", "size"):
        fee = flat_close_fee(opened, given_["exit_price"], close_fee_bps=given_["fee_bps"], close_fee_on=base)
        closed = close_position(
            opened, given_["exit_price"], close_fee_usd=fee, borrow_fee_usd=borrow, **RULES
        )
        made[base] = (closed.close_fee_usd, closed.payout_usd - posted)
    assert borrow == pytest.approx(expected["borrow_fee_usd"], abs=1e-12)
    assert made["value"] == pytest.approx((expected["close_fee_usd"], expected["profit_usd"]), abs=1e-9)
    assert made["size"] == pytest.approx((0.60, 95.92), abs=1e-9)


def test_a_liquidated_trade_leaves_all_to_the_pool():
    """48.36 left is less than 52.96, a 500th of the size: nothing is paid out; before 2023-12-19 it all was."""
    amounts = {
        "collateral_usd": 300.0,
        "open_fee_usd": 15.89,
        "pnl_usd": -219.86,
        "close_fee_usd": 15.89,
        "borrow_fee_usd": 0,
        "size_usd": 26480.0,
    }
    settled = settlement(**amounts, **RULES)
    assert settled == (0, pytest.approx(48.36, abs=1e-9), 0, True)
    before = settlement(**amounts, **RULES, remainder_to="trader")
    assert before == (pytest.approx(48.36, abs=1e-9), 0, 0, True)
    one_cent_above = settlement(**{**amounts, "pnl_usd": -219.86 + 52.97 - 48.36}, **RULES)
    assert one_cent_above == (pytest.approx(52.97, abs=1e-9), 0, 0, False)


def test_the_margin_itself_is_not_yet_liquidatable():
    """Liquidation is strict: exactly a 500th of the size may be left."""
    # size 1000, entry 128: at 126 a long has lost 15.625 of 17.625
    edge = position(collateral=17.625, entry=128.0)
    assert not is_liquidatable(edge, 126.0, **NO_FEES)
    assert is_liquidatable(edge, np.nextafter(126.0, 0), **NO_FEES)
    assert is_liquidatable(edge, 126.0, **{**NO_FEES, "close_fee_usd": 1e-9})


@given(sides, sizes, leverages, prices, fee_shares, fee_shares)
def test_the_liquidation_price_is_where_the_margin_is_left(side, size, leverage, entry, close, borrow):
    """A root finder on what is left of the collateral finds the same price."""
    held = position(side, size, size / leverage, entry)
    sign = {"long": 1, "short": -1}[side]

    def spare(p):
        return size / leverage + sign * size * (p / entry - 1) - (close + borrow) * size - size / 500

    fees = {"close_fee_usd": close * size, "borrow_fee_usd": borrow * size, **RULES}
    found = liquidation_price(held, **fees)
    assert found.price == pytest.approx(brentq(spare, 0, 3 * entry, xtol=1e-12 * entry), rel=1e-9)
    assert found.exists
    assert found.past is (spare(entry) < 0)
    assert is_liquidatable(held, found.price * (1 - 1e-9 * sign), **fees)
    assert not is_liquidatable(held, found.price * (1 + 1e-9 * sign), **fees)


def test_a_position_past_liquidation_is_flagged():
    """The price is still given when it lies beyond the entry, or beyond the price now."""
    worn = {"close_fee_usd": 0.6, "borrow_fee_usd": 120, **RULES}
    # 100 - 122.6 = -22.6 of 1000: 2.26 % beyond the entry
    assert liquidation_price(position(), **worn) == (pytest.approx(102.26), True, True)
    assert liquidation_price(position("short"), **worn) == (pytest.approx(97.74), True, True)
    assert liquidation_price(position(), **NO_FEES, price=90.1).past
    assert not liquidation_price(position(), **NO_FEES, price=90.3).past
    assert not liquidation_price(position("short"), **NO_FEES, price=90.1).past


def test_a_long_that_is_fully_paid_for_has_no_liquidation_price():
    """Collateral of size and margin covers a fall to 0; a short can always be liquidated."""
    paid = {"size": 100.0, "collateral": 120.0}
    assert liquidation_price(position(**paid), **NO_FEES) == (0, False, False)
    assert liquidation_price(position("short", **paid), **NO_FEES) == (pytest.approx(219.8), True, False)


@given(sides, sizes, leverages, prices, moves, fee_shares, st.floats(0.01, 1))
def test_a_close_conserves_money(side, size, leverage, entry, move, fee, fraction):
    """Trader, pool and shortfall share out exactly the collateral and P&L of what is closed, less fees."""
    held = position(side, size, size / leverage, entry)
    closed = close_position(
        held,
        entry * move,
        close_fee_usd=fee * size * fraction,
        borrow_fee_usd=fee * size * fraction / 2,
        fraction=fraction,
        **RULES,
    )
    part = 1.0 if closed.liquidated else fraction
    sign = {"long": 1, "short": -1}[side]
    left = part * (size / leverage + sign * size * (move - 1) - 1.5 * fee * size)
    shared = closed.payout_usd + closed.liquidation_fee_usd - closed.pool_shortfall_usd
    assert shared == pytest.approx(left, rel=1e-9, abs=1e-9 * size)
    assert closed.remaining_size_usd + part * size == pytest.approx(size, rel=1e-12)
    if closed.liquidated:
        assert closed.payout_usd == 0
        assert closed.remaining is None
    else:
        assert closed.liquidation_fee_usd == closed.pool_shortfall_usd == 0


def test_a_loss_beyond_the_collateral_is_the_pools():
    """A long of ten times its collateral that falls by 15 % pays nothing and costs the pool 50.6."""
    closed = close_position(position(), 85.0, close_fee_usd=0.6, **RULES)
    assert (closed.payout_usd, closed.liquidation_fee_usd) == (0, 0)
    assert closed.pool_shortfall_usd == pytest.approx(50.6)
    assert closed.liquidated
    # half of it asked for, with half of the fee: all of it goes
    half = close_position(position(), 85.0, close_fee_usd=0.3, fraction=0.5, **RULES)
    assert half.pool_shortfall_usd == pytest.approx(50.6)
    assert (half.pnl_usd, half.close_fee_usd) == pytest.approx((-150, 0.6))
    assert half.remaining is None


def test_a_part_of_a_position_is_closed():
    """A quarter realises a quarter of the P&L, returns a quarter of the collateral and leaves the rest as it was."""
    opened = datetime(2025, 4, 13, tzinfo=UTC)
    held = position("short", borrow_index=0.25, opened_at=opened)
    closed = close_position(held, 96.0, close_fee_usd=0.15, borrow_fee_usd=0.1, fraction=0.25, **RULES)
    # P&L 40, collateral 100
    assert closed.pnl_usd == pytest.approx(10)
    assert closed.payout_usd == pytest.approx(25 + 10 - 0.25)
    rest = closed.remaining
    assert (rest.size_usd, rest.collateral_usd, rest.entry_price) == (750, 75, 100)
    assert (rest.side, rest.borrow_index, rest.opened_at) == ("short", 0.25, opened)
    last = close_position(rest, 96.0, close_fee_usd=0.45, borrow_fee_usd=0.3, **RULES)
    whole = close_position(held, 96.0, close_fee_usd=0.6, borrow_fee_usd=0.4, **RULES)
    assert closed.payout_usd + last.payout_usd == pytest.approx(whole.payout_usd, rel=1e-14)


def test_the_open_fee_can_be_paid_at_either_end():
    """Collateral stated before the open fee and after it lead to the same payout and the same rest."""
    posted = open_position("long", size_usd=1000, collateral_usd=100, price=100, open_fee_usd=0.6)
    assert posted.collateral_usd == pytest.approx(99.4)
    terms = {"close_fee_usd": 0.3, "fraction": 0.5, **RULES}
    net = close_position(posted, 104.0, **terms)
    gross = close_position(position(), 104.0, open_fee_usd=0.6, **terms)
    assert net.payout_usd == pytest.approx(gross.payout_usd, rel=1e-14)
    assert net.payout_usd == pytest.approx(49.7 + 20 - 0.3)
    assert net.remaining_collateral_usd == pytest.approx(gross.remaining_collateral_usd, rel=1e-14)


@given(sides, sizes, prices, sizes, prices, prices)
def test_an_increase_keeps_the_profit(side, size, entry, more, price, later):
    """Entered twice, a position makes at any price what its two halves would."""
    held = position(side, size, size, entry)
    added = position(side, more, more, price)
    both = increase_position(held, size_usd=more, collateral_usd=more, price=price)
    assert min(entry, price) * (1 - 1e-12) <= both.entry_price <= max(entry, price) * (1 + 1e-12)
    separate = position_pnl(held, later) + position_pnl(added, later)
    assert position_pnl(both, later) == pytest.approx(separate, rel=1e-9, abs=1e-9 * (size + more))
    assert (both.size_usd, both.collateral_usd) == (size + more, size + more)


def test_an_increase_pays_what_is_owed():
    """The open fee and the borrow fee accrued are taken from the collateral, and the index starts anew."""
    held = position(borrow_index=0.02)
    both = increase_position(
        held, size_usd=1000, collateral_usd=50, price=120, open_fee_usd=0.6, borrow_index=0.025
    )
    # the index moved by 0.005, which on 1,000 is 5 USD
    assert both.entry_price == pytest.approx(2000 / (10 + 25 / 3), rel=1e-15)
    assert both.collateral_usd == pytest.approx(144.4)
    assert both.borrow_index == 0.025
    only_collateral = increase_position(held, size_usd=0, collateral_usd=50, price=120)
    assert (only_collateral.size_usd, only_collateral.entry_price) == (1000, 100)
    assert (only_collateral.collateral_usd, only_collateral.borrow_index) == (150, 0.02)


@given(sides, sizes, leverages, prices, moves, fee_shares)
def test_the_effective_leverage_decides_liquidation(side, size, leverage, entry, move, fee):
    """Leverage is size over what is left; a position is liquidatable once it exceeds the largest allowed."""
    held = position(side, size, size / leverage, entry)
    fees = {"close_fee_usd": fee * size, "borrow_fee_usd": 0}
    now = effective_leverage(held, entry * move, **fees)
    assume(abs(now / 500 - 1) > 1e-6)
    assert (now > 500) is is_liquidatable(held, entry * move, **fees, **RULES)


def test_effective_leverage_by_hand():
    """Ten times at entry, twenty when half the collateral is lost, infinite when all is."""
    assert effective_leverage(position(), [100.0, 95.0, 90.0, 80.0]) == pytest.approx(
        [10, 20, math.inf, math.inf]
    )
    assert effective_leverage(position("short"), 90.0) == pytest.approx(5)
    assert effective_leverage(position(), 100.0, close_fee_usd=12, borrow_fee_usd=8) == pytest.approx(12.5)


def test_a_flat_fee_on_a_part():
    """6 bps of half of 1,000 are 0.30, on a value that fell by a tenth 0.27, for either side."""
    for side in SIDES:
        fee = {"close_fee_bps": 6, "fraction": 0.5}
        assert flat_close_fee(position(side), 90.0, **fee) == pytest.approx(0.30)
        assert flat_close_fee(position(side), 90.0, **fee, close_fee_on="value") == pytest.approx(0.27)


def test_arrays_of_positions_agree_with_single_positions():
    """Positions and prices in arrays give the figures of each alone."""
    size, collateral, price = [1000.0, 2000.0, 500.0], [100.0, 50.0, 600.0], [104.0, 97.0, 60.0]
    many = position(size=size, collateral=collateral)
    closing = {"close_fee_usd": 0.6, "borrow_fee_usd": 0.2, "max_leverage": 500}
    closed, limits = close_position(many, price, **closing), liquidation_price(many, **closing, price=price)
    assert closed.liquidated.tolist() == [False, True, False]
    assert limits.exists.tolist() == [True, True, False]
    for k in range(3):
        one = position(size=size[k], collateral=collateral[k])
        alone = close_position(one, price[k], **closing)
        for name in ("pnl_usd", "payout_usd", "liquidation_fee_usd", "pool_shortfall_usd", "close_fee_usd"):
            assert getattr(closed, name)[k] == pytest.approx(getattr(alone, name), rel=1e-14)
        single = liquidation_price(one, **closing, price=price[k])
        assert tuple(field[k] for field in limits) == pytest.approx(single)
        assert single.past is alone.liquidated


def test_the_rest_of_many_positions():
    """Sizes that stay open are given for each; a position of them only where all stay open, or none."""
    closing = {"close_fee_usd": 0, **RULES}
    some = close_position(position(), [104.0, 85.0], **closing, fraction=0.5)
    assert some.remaining_size_usd.tolist() == [500, 0]
    with pytest.raises(DomainError, match="remaining: of 2 positions 1 are closed"):
        _ = some.remaining
    assert close_position(position(), [104.0, 85.0], **closing).remaining is None
    rest = close_position(position(), [104.0, 96.0], **closing, fraction=[0.5, 0.75]).remaining
    assert rest.size_usd.tolist() == [500, 250]
    assert rest.collateral_usd.tolist() == [50, 25]


def test_a_fee_larger_than_the_collateral_is_refused():
    """Opening, increasing and closing refuse an open fee beyond the collateral; one just as large is accepted."""
    terms = {"size_usd": 1000, "collateral_usd": 1, "price": 100}
    with pytest.raises(DomainError, match=r"open_fee_usd = 1\.01 exceeds the collateral"):
        open_position("long", **terms, open_fee_usd=1.01)
    with pytest.raises(DomainError, match=r"open_fee_usd\[1\] = 2\.0 exceeds the collateral"):
        open_position("long", **terms, open_fee_usd=[0.6, 2])
    with pytest.raises(DomainError, match=r"open_fee_usd = 101\.5 exceeds the collateral"):
        increase_position(position(), **terms, open_fee_usd=101.5)
    with pytest.raises(DomainError, match=r"open_fee_usd = 0\.5 and the borrow fee accrued exceed"):
        increase_position(position(), **terms, open_fee_usd=0.5, borrow_index=0.1006)
    with pytest.raises(DomainError, match=r"open_fee_usd = 101\.0 exceeds the collateral"):
        close_position(position(), 100, close_fee_usd=0, open_fee_usd=101, **RULES)
    assert open_position("long", **terms, open_fee_usd=1).collateral_usd == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: open_position("flat", size_usd=1, collateral_usd=1, price=1), "side = 'flat'"),
        (
            lambda: open_position("long", size_usd=0, collateral_usd=1, price=1),
            "size_usd = 0.0 must be above 0",
        ),
        (
            lambda: open_position("long", size_usd=1, collateral_usd=-1, price=1),
            "collateral_usd = -1.0 must be 0 or more",
        ),
        (lambda: open_position("long", size_usd=1, collateral_usd=1, price=0), "price = 0.0 must be above 0"),
        (lambda: open_position("long", size_usd="1", collateral_usd=1, price=1), "size_usd holds str"),
        (lambda: position_pnl(position(), math.nan), "price = nan is not a finite number"),
        (lambda: position_pnl(position(), True), "price holds bool values"),
        (lambda: position_pnl(position(), [100, -1]), r"price\[1\] = -1.0 must be above 0"),
        (lambda: position_pnl(position(size=[1, 2]), [1, 2, 3]), "shapes do not broadcast"),
        (
            lambda: max_loss(position(), **{**NO_FEES, "max_leverage": 0}),
            "max_leverage = 0.0 must be above 0",
        ),
        (lambda: max_loss(position(), **{**NO_FEES, "close_fee_usd": -1}), "close_fee_usd = -1.0 must be 0"),
        (
            lambda: is_liquidatable(position(), 100, **{**NO_FEES, "borrow_fee_usd": math.inf}),
            "borrow_fee_usd = inf is not a finite number",
        ),
        (lambda: effective_leverage(position(), 0), "price = 0.0"),
        (lambda: close_position(position(), 100, close_fee_usd=-0.1, **RULES), "close_fee_usd = -0.1"),
        (
            lambda: close_position(position(), 100, close_fee_usd=0, fraction=0, **RULES),
            "fraction = 0.0 must be above 0 and at most 1",
        ),
        (
            lambda: close_position(position(), 100, close_fee_usd=0, fraction=[1, 1.1], **RULES),
            r"fraction\[1\] = 1.1",
        ),
        (
            lambda: close_position(position(), 100, close_fee_usd=0, remainder_to="me", **RULES),
            "remainder_to = 'me'",
        ),
        (lambda: flat_close_fee(position(), 100, close_fee_bps=-1), "close_fee_bps = -1.0"),
        (lambda: flat_close_fee(position(), 100, close_fee_bps=6, close_fee_on="x"), "close_fee_on = 'x'"),
        (
            lambda: increase_position(position(), size_usd=-1, collateral_usd=0, price=1),
            "size_usd = -1.0 must be 0 or more",
        ),
        (
            lambda: increase_position(position(), size_usd=1, collateral_usd=-1, price=1),
            "collateral_usd = -1.0 must be 0 or more",
        ),
        (
            lambda: increase_position(
                position(borrow_index=0.5), size_usd=1, collateral_usd=0, price=1, borrow_index=0.4
            ),
            "index_to = 0.4 lies below",
        ),
    ],
)
def test_invalid_input_is_refused(call, message):
    """What is no number, or outside its domain, is refused by name."""
    with pytest.raises(DomainError, match=f"^{message}"):
        call()
