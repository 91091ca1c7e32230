"""Oracles: golden positions and daily ledgers, RateX's published examples, closed forms of tokens.md 11."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from yieldtrade.conventions import growth_from_apy
from yieldtrade.errors import DomainError, ExpiredError
from yieldtrade.tokens.ledger import entry_price
from yieldtrade.tokens.positions import (
    Position,
    add,
    bankruptcy_price,
    close,
    collateral_ratio,
    equity,
    liquidate,
    liquidation_distance,
    liquidation_price,
    liquidation_yield,
    max_leverage,
    open_long,
    open_short,
    settle,
    time_to_liquidation,
    time_weighted_price,
    trade_fee,
)
from yieldtrade.tokens.pricing import implied_yield_from_yt, pt_price, yt_price

GOLDEN = Path(__file__).parents[1] / "golden"
LEDGER = json.loads((GOLDEN / "ratex_ledger.json").read_text())["cases"]
PUBLISHED = json.loads((GOLDEN / "ratex_published.json").read_text())["cases"]
OPEN = {"long": open_long, "short": open_short}
SIDES = tuple(OPEN)
NO_FEE = {"yield_fee": 0, "yield_fee_base": "none"}
MCR = {"maintenance_collateral_ratio": 1.05}

sides = st.sampled_from(SIDES)
leverages = st.floats(0.5, 10.0)
marks = st.floats(0.001, 0.9)


def of_kind(cases, *kinds):
    """Return the cases of some kinds that are meant to be enforced."""
    return [case for case in cases if case["kind"] in kinds and case.get("assert", True)]


def opened(side, leverage, price, *, margin=1.0, fee=0.0, margin_accrues=False):
    """Open a position of one ST of margin, or more."""
    return OPEN[side](
        margin=margin, leverage=leverage, fill_price=price, trading_fee=fee, margin_accrues=margin_accrues
    )


@pytest.mark.parametrize("case", of_kind(LEDGER, "ledger"), ids=lambda case: case["id"])
def test_positions_run_day_by_day_as_the_golden_ledger(case):
    """Opened, settled daily and closed, a position ends on the golden balances, PnL and lowest ratio.

    The golden program divides by the ST balance even once a long's debt is repaid and so prints a negative
    lowest ratio; tokens.md 10 makes the ratio infinite there.
    """
    given_, expect = case["in"], case["expect"]
    days, tau0 = given_["days"], given_["tau0"]
    path = np.linspace(given_["implied0"], given_["implied1"], days + 1)
    position = opened(given_["side"], given_["leverage"], yt_price(path[0], tau0), fee=given_["fee"])
    assert position.yt == pytest.approx(expect["yt"], rel=1e-8)
    assert position.st == pytest.approx(expect["st_open"], rel=1e-8)
    growth, ratios, quotients = growth_from_apy(given_["realised_apy"], 1 / 365), [], []
    for day in range(1, days + 1):
        position = settle(position, growth, **NO_FEE)
        price = yt_price(path[day], tau0 - day / 365)
        ratios.append(collateral_ratio(position, price))
        assets, owed = (
            (position.yt * price, -position.st) if position.yt > 0 else (position.st, -position.yt * price)
        )
        quotients.append((assets + 1) / owed)
    assert position.st == pytest.approx(expect["st_close"], rel=1e-8, abs=1e-9)
    assert price == pytest.approx(expect["price_close"], rel=1e-8)
    closing = close(position, fraction=1, fill_price=price, trading_fee=given_["fee"])
    assert closing.realised == pytest.approx(expect["pnl_on_margin"], abs=1e-9)
    assert min(quotients) == pytest.approx(expect["min_cr"], rel=1e-8)
    if expect["min_cr"] > 0:
        assert min(ratios) == pytest.approx(expect["min_cr"], rel=1e-8)
        assert (min(ratios) < 1.05) == expect["below_maintenance"]
    else:
        assert given_["side"] == "long"
        assert [ratio == math.inf for ratio in ratios] == [quotient < 0 for quotient in quotients]


@pytest.mark.parametrize("case", of_kind(LEDGER, "position"), ids=lambda case: case["id"])
@pytest.mark.parametrize("side", SIDES)
def test_collateral_and_leverage_match_the_golden_positions(case, side):
    """Margin, collateral ratios, liquidation price, leverage limit and fee match the golden positions."""
    given_ = {name: float(value) for name, value in case["in"].items()}
    expect = {name: float(value) for name, value in case["expect"][side].items()}
    entry, twap = given_["entry_price"], given_["twap"]
    margin = float(case["expect"]["margin"])
    position = opened(side, given_["leverage"], entry, margin=margin)
    assert abs(position.yt) == pytest.approx(given_["yt"], rel=1e-12)
    assert collateral_ratio(position, entry) == pytest.approx(expect["cr_spot"], rel=1e-12)
    assert collateral_ratio(position, twap) == pytest.approx(expect["cr_twap"], rel=1e-12)
    maintenance = given_["maintenance_cr"]
    assert liquidation_price(position, maintenance_collateral_ratio=maintenance) == pytest.approx(
        expect["liquidation_price"], rel=1e-12
    )
    limit = max_leverage(
        side,
        cap=10,
        initial_collateral_ratio=1.10,
        maintenance_collateral_ratio=maintenance,
        trading_fee=0,
        leverage_buffer=1.01,
        twap=twap,
        spot=entry,
    )
    assert limit == pytest.approx(expect["max_leverage"], rel=1e-12)
    fee = trade_fee(position.yt, entry, 0.001)
    assert fee == pytest.approx(float(case["expect"]["trading_fee_0.1pct"]), rel=1e-12)


def daily_days(side, leverage, implied, tau, realised):
    """Days to liquidation under daily settlements at constant yields, or None."""
    return time_to_liquidation(
        opened(side, leverage, yt_price(implied, tau)),
        growth_path=growth_from_apy(realised, 1 / 365),
        implied_path=implied,
        tau_path=tau - np.arange(1, math.ceil(365 * tau)) / 365,
        **MCR,
        **NO_FEE,
    )


@pytest.mark.parametrize("case", of_kind(LEDGER, "liquidation_distance"), ids=lambda case: case["id"])
def test_liquidation_distances_match_the_golden_rows(case):
    """The liquidation price, its yield and the whole days to reach it match the golden rows exactly."""
    given_, expect = case["in"], case["expect"]
    side, leverage, implied, tau = (given_[name] for name in ("side", "leverage", "implied0", "tau0"))
    entry = yt_price(implied, tau)
    position = opened(side, leverage, entry)
    mcr = {"maintenance_collateral_ratio": given_["maintenance_cr"]}
    assert liquidation_price(position, **mcr) / entry == pytest.approx(expect["price_ratio"], rel=1e-12)
    assert liquidation_yield(position, tau, **mcr) == pytest.approx(expect["implied_apy"], rel=1e-8)
    for name, days in expect["days_to_liquidation"].items():
        factor = float(name.removeprefix("realised_"))
        assert daily_days(side, leverage, implied, tau, factor * implied) == days


NEVER = None
TABLE = [
    ("long", 3, 0.3, 0.25, -28.3, 20.5, (27, 59, NEVER, NEVER)),
    ("long", 5, 0.3, 0.25, -15.0, 24.8, (15, 32, NEVER, NEVER)),
    ("long", 9.5, 0.3, 0.25, -5.5, 28.1, (6, 12, NEVER, NEVER)),
    ("short", 3, 0.3, 0.25, 27.0, 40.0, (NEVER, NEVER, NEVER, 69)),
    ("short", 5, 0.3, 0.25, 14.3, 35.2, (NEVER, NEVER, NEVER, 38)),
    ("short", 9.5, 0.3, 0.25, 5.3, 31.9, (NEVER, NEVER, NEVER, 15)),
    ("long", 3, 0.12, 1.0, -28.3, 8.3, (108, 226, NEVER, NEVER)),
    ("long", 5, 0.12, 1.0, -15.0, 10.0, (58, 123, NEVER, NEVER)),
    ("long", 9.5, 0.12, 1.0, -5.5, 11.3, (22, 46, NEVER, NEVER)),
]


@pytest.mark.parametrize(("side", "leverage", "implied", "tau", "move", "at", "days"), TABLE)
def test_the_printed_liquidation_table(*, side, leverage, implied, tau, move, at, days):
    """Every cell of the table of tokens.md 11 comes out at its printed digit."""
    position = opened(side, leverage, yt_price(implied, tau))
    distance = liquidation_distance(position, implied, tau, implied_sd=0.02, **MCR)
    assert 100 * distance.price_move == pytest.approx(move, abs=0.06)
    assert 100 * distance.implied_apy == pytest.approx(at, abs=0.06)
    assert distance.yield_move == pytest.approx(distance.implied_apy - implied, rel=1e-14)
    assert distance.standard_deviations == pytest.approx(distance.yield_move / 0.02, rel=1e-14)
    found = [daily_days(side, leverage, implied, tau, factor * implied) for factor in (0, 0.5, 1, 1.5)]
    assert found == list(days)


def crossing(t, *, side, leverage, implied, realised, tau, mcr):
    """The function of tokens.md 11 whose first root is the continuous time to liquidation."""
    pt, lam, mu = pt_price(implied, tau), math.log1p(implied), math.log1p(realised)
    q = yt_price(implied, tau) / leverage
    up, down = (lam, mu) if side == "long" else (mu, lam)
    return 1 + q - mcr - pt * (math.exp(up * t) - mcr * math.exp(down * t))


@given(
    side=sides,
    leverage=st.floats(2, 9.5),
    implied=st.floats(0.05, 1.0),
    factor=st.floats(0.0, 2.0),
    tau=st.floats(0.05, 1.0),
    mcr=st.floats(1.01, 1.06),
)
def test_days_to_liquidation_bracket_the_closed_form(*, side, leverage, implied, factor, tau, mcr):
    """Daily steps find the first day on which the closed form of tokens.md 11 has turned negative."""
    realised = factor * implied
    taus = tau - np.arange(1, math.ceil(365 * tau)) / 365
    assume(taus.size and taus[-1] > 1e-4)
    found = time_to_liquidation(
        opened(side, leverage, yt_price(implied, tau)),
        growth_path=growth_from_apy(realised, 1 / 365),
        implied_path=implied,
        tau_path=taus,
        maintenance_collateral_ratio=mcr,
        **NO_FEE,
    )
    terms = {
        "side": side,
        "leverage": leverage,
        "implied": implied,
        "realised": realised,
        "tau": tau,
        "mcr": mcr,
    }
    values = [crossing(day / 365, **terms) for day in range(1, taus.size + 1)]
    assume(min(map(abs, values)) > 1e-12)
    expected = next((day for day, value in enumerate(values, start=1) if value < 0), None)
    assert found == expected


def test_a_long_paid_its_implied_yield_is_never_liquidated():
    """If the realised yield equals the implied one, a long reaches maturity at any leverage."""
    for leverage in (2, 5, 9.5):
        assert daily_days("long", leverage, 0.3, 0.25, 0.3) is None


def test_paths_of_many_positions_are_followed_at_once():
    """Positions, growth and yields broadcast; each gives the epoch it gives alone, NaN for never."""
    leverage = np.array([3.0, 5.0, 9.5])
    taus = 0.25 - np.arange(1, 91) / 365
    growth = growth_from_apy([[0.0], [0.3]], 1 / 365)[:, :, None] * np.ones(90)
    together = time_to_liquidation(
        opened("long", leverage, yt_price(0.3, 0.25)),
        growth_path=growth,
        implied_path=0.3,
        tau_path=taus,
        **MCR,
        **NO_FEE,
    )
    assert together == pytest.approx(np.array([[27, 15, 6], [math.nan] * 3]), nan_ok=True)


@pytest.mark.parametrize("case", of_kind(PUBLISHED, "leveraged_open"), ids=lambda case: case["id"])
def test_published_positions(case):
    """RateX's own 10x examples open with the published balances."""
    given_ = case["in"]
    position = OPEN[given_["side"]](
        margin=given_["margin"],
        leverage=given_["leverage"],
        fill_price=given_["yt_price"],
        trading_fee=given_["fee"],
        margin_accrues=False,
    )
    found = {"st": position.st, "yt": position.yt, "margin": position.margin}
    assert found == pytest.approx(case["expect"], abs=case["tolerance"])


@pytest.mark.parametrize("case", of_kind(PUBLISHED, "trading_fee"), ids=lambda case: case["id"])
def test_published_fee(case):
    """The fee of a 10x opening is a tenth of a percent of the ST notional, for a long and for a short."""
    given_, expected = case["in"], case["expect"]["fee_st"]
    fee = {"margin": given_["margin"], "fee": given_["fee"]}
    long = opened("long", given_["leverage"], 0.1, **fee)
    short = opened("short", given_["leverage"], 0.1, **fee)
    assert -long.st - long.yt * 0.1 == pytest.approx(expected, abs=1e-14)
    assert -short.yt * 0.1 - short.st == pytest.approx(expected, abs=1e-14)
    assert trade_fee(short.yt, 0.1, given_["fee"]) == pytest.approx(expected, abs=case["tolerance"])


@pytest.mark.parametrize(
    "case", of_kind(PUBLISHED, "yt_relative_change", "pt_cost"), ids=lambda case: case["id"]
)
def test_published_prices(case):
    """RateX's price change and its PT identity come out."""
    given_, expect = case["in"], case["expect"]
    if case["kind"] == "pt_cost":
        yield_, tau = 0.44, 0.5
        worth = given_["underlying_cost"]
        assert worth - given_["yt_sale"] == pytest.approx(expect["pt_cost"], abs=case["tolerance"])
        assert pt_price(yield_, tau) * worth == pytest.approx(expect["pt_cost"], rel=1e-12)
    else:
        before, after = (yt_price(given_[name], given_["years"]) for name in ("implied_from", "implied_to"))
        assert after / before - 1 == pytest.approx(expect["relative_change"], abs=case["tolerance"])


def test_ten_times_leverage_buys_14894_yt():
    """At the price read out of the article, one ST of margin at 10x buys 148.94 YT."""
    position = opened("long", 10, 0.0671411306566402)
    assert position.yt == pytest.approx(148.94, abs=5e-9)
    assert position.st == -10


@given(sides, leverages, marks, st.floats(0, 0.02))
def test_an_opening_conserves_value(side, leverage, price, fee):
    """Marked at its fill, a fresh position is worth its margin less the fee."""
    position = opened(side, leverage, price, margin=2.0, fee=fee)
    assert equity(position, price) == pytest.approx(2 - 2 * leverage * fee, abs=1e-13)
    assert entry_price(position.yt, position.st) == pytest.approx(
        price / (1 - fee) if side == "long" else price * (1 - fee), rel=1e-14
    )


@given(leverages, marks, marks, st.lists(st.floats(-0.1, 0.1), max_size=5), st.floats(0, 0.02))
def test_a_long_and_a_short_of_one_size_cancel(leverage, entry, exit_, growths, fee):
    """Profits of a long and a short of equal size, and the fees of both, add up to nothing."""
    long, short = opened("long", leverage, entry), opened("short", leverage, entry)
    total, grown = 0.0, math.prod(1 + g for g in growths)
    for position in (long, short):
        held = position
        for growth in growths:
            held = settle(held, growth, **NO_FEE)
        closing = close(held, fraction=1, fill_price=exit_, trading_fee=fee)
        total += closing.realised + closing.fee
        # PnL of a long is Y*(G*PT0 - PT1) before fees
        expected = position.yt * (grown * (1 - entry) - (1 - exit_))
        assert closing.realised + closing.fee == pytest.approx(expected, abs=1e-12 * abs(position.yt))
    assert total == pytest.approx(0, abs=1e-12 * long.yt)


@given(sides, leverages, marks, st.floats(1.0, 1.5))
def test_at_the_liquidation_price_the_ratio_is_the_requirement(side, leverage, entry, mcr):
    """The collateral ratio at the liquidation price is MCR, and falls below it one step beyond."""
    position = opened(side, leverage, entry)
    price = liquidation_price(position, maintenance_collateral_ratio=mcr)
    ratio_to_entry = mcr - 1 / leverage if side == "long" else (1 + 1 / leverage) / mcr
    if price is None:
        assert ratio_to_entry * entry <= 1e-15 or ratio_to_entry * entry >= 1 - 1e-15
        return
    assert price / entry == pytest.approx(ratio_to_entry, rel=1e-10, abs=1e-12)
    if price < 1:
        assert collateral_ratio(position, price) == pytest.approx(mcr, rel=1e-12)
        worse = price - 0.001 if side == "long" else price + 0.001
        if worse < 1:
            assert collateral_ratio(position, worse) < mcr


@given(sides, leverages, marks)
def test_at_the_bankruptcy_price_nothing_is_left(side, leverage, entry):
    """The equity at the bankruptcy price is nothing."""
    position = opened(side, leverage, entry)
    price = bankruptcy_price(position)
    if price is not None:
        assert equity(position, price) == pytest.approx(0, abs=1e-12 * leverage)


def test_where_no_price_liquidates_there_is_none():
    """An unlevered long, a short with a limit above 1 ST, a long owed ST and no position have no price."""
    long, short = opened("long", 0.5, 0.1), opened("short", 0.5, 0.5)
    ahead, empty = (
        Position(yt=x, st=s, margin=1.0, margin_accrues=False) for x, s in ((10.0, 2.0), (0.0, -1.0))
    )
    for position in (long, short, ahead, empty):
        assert liquidation_price(position, **MCR) is None
        assert bankruptcy_price(position) is None
        assert liquidation_yield(position, 0.2, **MCR) is None
        distance = liquidation_distance(position, 0.3, 0.2, implied_sd=0.02, **MCR)
        assert distance.price is distance.price_move is distance.standard_deviations is None
    many = opened("long", [0.5, 5.0], 0.1)
    assert liquidation_price(many, **MCR) == pytest.approx([math.nan, 0.085], nan_ok=True)
    assert liquidation_yield(many, 0.2, **MCR) == pytest.approx(
        [math.nan, implied_yield_from_yt(0.085, 0.2)], nan_ok=True
    )


def test_a_hopeless_long_has_a_price_but_no_yield():
    """A long liquidated at every price below 1 ST reports that price, which no yield reaches."""
    position = Position(yt=1.0, st=-2.0, margin=0.5, margin_accrues=False)
    assert liquidation_price(position, **MCR) == pytest.approx(1.6)
    assert liquidation_yield(position, 0.2, **MCR) is None


def test_the_ratio_is_infinite_where_nothing_is_owed():
    """A long with ST to its credit, an empty position and a short at a price of nothing owe nothing."""
    for yt, st_, price in (
        (10.0, 2.0, 0.1),
        (10.0, 0.0, 0.1),
        (0.0, 0.0, 0.1),
        (0.0, 5.0, 0.1),
        (-10.0, 1.0, 0.0),
    ):
        position = Position(yt=yt, st=st_, margin=1.0, margin_accrues=False)
        assert collateral_ratio(position, price) == math.inf
    many = Position(yt=np.array([10.0, 10.0]), st=np.array([2.0, -1.0]), margin=1.0, margin_accrues=False)
    assert collateral_ratio(many, 0.1).tolist() == [math.inf, 2.0]


def test_margin_grows_only_where_it_accrues():
    """A settlement pays the yield to the balances, and to the margin where the margin token earns it."""
    for accrues, margin in ((True, 1.02), (False, 1.0)):
        after = settle(opened("long", 5, 0.1, margin_accrues=accrues), 0.02, **NO_FEE)
        # x = 50, s = -5: s' = -5 + 45*0.02
        assert (after.yt, after.st) == (50, pytest.approx(-4.1))
        assert after.margin == pytest.approx(margin)
        assert after.margin_accrues == accrues


def test_accruing_margin_delays_liquidation():
    """The path followed at once equals settlements one by one, with margin that accrues too."""
    taus = 0.25 - np.arange(1, 91) / 365
    found = []
    for accrues in (False, True):
        position = opened("long", 3, yt_price(0.3, 0.25), margin_accrues=accrues)
        followed = time_to_liquidation(
            position, growth_path=0.0003, implied_path=0.3, tau_path=taus, **MCR, **NO_FEE
        )
        for day, tau in enumerate(taus, start=1):  # noqa: B007
            position = settle(position, 0.0003, **NO_FEE)
            if collateral_ratio(position, yt_price(0.3, tau)) < 1.05:
                break
        assert followed == day
        found.append(day)
    assert found[0] < found[1]


def test_a_part_of_a_position_is_closed():
    """Closing a share removes that share of both balances and realises k*x*(fill - entry) less the fee."""
    for side in SIDES:
        position = opened(side, 5, 0.1)
        closing = close(position, fraction=0.4, fill_price=0.12, trading_fee=0.001)
        fee = 0.4 * 50 * 0.12 * 0.001
        assert closing.fee == pytest.approx(fee)
        assert closing.realised == pytest.approx(0.4 * position.yt * (0.12 - 0.1) - fee)
        assert closing.position.yt == pytest.approx(0.6 * position.yt)
        assert closing.position.st == pytest.approx(0.6 * position.st)
        assert closing.position.margin == position.margin


def test_a_further_trade_adds_to_the_balances():
    """Adding a trade sums balances and margins, so the entry price is the average."""
    both = add(opened("long", 5, 0.1), opened("long", 5, 0.2))
    assert (both.yt, both.st, both.margin) == (75, -10, 2)
    assert entry_price(both.yt, both.st) == pytest.approx(10 / 75)


LIMITS = {"cap": 50, "initial_collateral_ratio": 1.10, "leverage_buffer": 1.01, "spot": 0.1, **MCR}


def test_a_fee_lowers_the_largest_leverage():
    """With a 0.1 % fee and the average at spot the limit is 9.90, for either side."""
    for side in SIDES:
        limit = max_leverage(side, **{**LIMITS, "cap": 10}, trading_fee=0.001, twap=0.1)
        assert limit == pytest.approx(1 / 0.101, rel=1e-12)
        assert limit == pytest.approx(9.90, abs=5e-3)


@given(sides, st.floats(0, 0.02), st.floats(0.5, 1.5))
def test_the_largest_leverage_just_meets_the_requirements(side, fee, rho):
    """Opened at the limit a position meets both requirements, the initial and the buffered, one just."""
    limit = max_leverage(side, **LIMITS, trading_fee=fee, twap=0.1 * rho)
    position = opened(side, limit, 0.1, fee=fee)
    spare = {
        "spot": collateral_ratio(position, 0.1) - 1.10,
        "twap": collateral_ratio(position, 0.1 * rho) - 1.05 * 1.01,
    }
    assert min(spare.values()) >= -1e-12
    assert limit == 50 or min(map(abs, spare.values())) <= 1e-12


def test_a_requirement_that_cannot_be_broken_does_not_bind():
    """With ICR at 1 and a generous average only the cap is left; arrays give each its own limit."""
    free = {**LIMITS, "initial_collateral_ratio": 1.0, "trading_fee": 0}
    assert max_leverage("long", **free, twap=0.2) == 50
    many = max_leverage("long", **free, twap=[0.2, 0.1])
    assert many == pytest.approx([50, 1 / (1.05 * 1.01 - 1)])


def test_what_a_liquidation_leaves():
    """The fund takes all, or half of what a market close leaves; a hole is the fund's alone."""
    position = opened("long", 5, 0.1)
    # x = 50, s = -5, M = 1: equity 0.5 at 0.09 and -1 at 0.06
    all_ = liquidate(position, price=0.09, trading_fee=0.001, liquidation_rule="take_all")
    assert (all_.to_trader, all_.to_fund, all_.fee) == (0, pytest.approx(0.5), 0)
    half = liquidate(position, price=0.09, trading_fee=0.001, liquidation_rule="half_margin")
    assert half.fee == pytest.approx(0.0045)
    assert half.to_trader == half.to_fund == pytest.approx((0.5 - 0.0045) / 2)
    for rule in ("take_all", "half_margin"):
        hole = liquidate(position, price=0.06, trading_fee=0, liquidation_rule=rule)
        assert (hole.to_trader, hole.to_fund) == (0, pytest.approx(-1))
    many = liquidate(position, price=[0.09, 0.06], trading_fee=0, liquidation_rule="half_margin")
    assert many.to_trader == pytest.approx([0.25, 0])
    assert many.to_fund == pytest.approx([0.25, -1])


def test_a_window_across_a_settlement_is_averaged_by_its_yield():
    """At one yield the plain mean mixes two epochs' prices, the price used is that of now."""
    window = time_weighted_price([0.3, 0.3], [0.25, 0.23], durations=[100, 200], tau=0.23)
    assert window.price == pytest.approx(yt_price(0.3, 0.23), rel=1e-14)
    assert window.raw == pytest.approx((yt_price(0.3, 0.25) + 2 * yt_price(0.3, 0.23)) / 3, rel=1e-14)
    moved = time_weighted_price([0.3, 0.6], [0.2, 0.2], durations=[2, 1], tau=0.2)
    assert moved.price == pytest.approx(yt_price(0.4, 0.2), rel=1e-14)


@given(st.lists(st.tuples(leverages, marks, marks), min_size=1, max_size=4), sides)
def test_arrays_of_positions_agree_with_single_positions(rows, side):
    """Many positions at once give the figures of each alone, with NaN for None."""
    leverage, entry, price = np.array(rows).T
    many = opened(side, leverage, entry)
    figures = {
        "ratio": collateral_ratio(many, price),
        "limit": liquidation_price(many, **MCR),
        "equity": equity(many, price),
        "yield": liquidation_yield(many, 0.3, **MCR),
    }
    for k, (l_, p, q) in enumerate(rows):
        one = opened(side, l_, p)
        alone = {
            "ratio": collateral_ratio(one, q),
            "limit": liquidation_price(one, **MCR),
            "equity": equity(one, q),
            "yield": liquidation_yield(one, 0.3, **MCR),
        }
        for name, value in alone.items():
            expected = math.nan if value is None else value
            assert figures[name][k] == pytest.approx(expected, rel=1e-11, abs=1e-14, nan_ok=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": 0}, "margin = 0.0 must be above 0"),
        ({"leverage": -1}, "leverage = -1.0 must be above 0"),
        ({"fill_price": 0}, r"fill_price = 0.0 ST must be in \(0, 1\)"),
        ({"fill_price": 1}, "fill_price = 1.0"),
        ({"trading_fee": 1}, "trading_fee = 1.0"),
        ({"margin": math.nan}, "margin = nan is not a finite number"),
        ({"leverage": [5, 0]}, r"leverage\[1\] = 0.0"),
    ],
)
def test_impossible_openings_are_refused(change, message):
    """A value outside its domain is refused by name, on either side."""
    terms = {
        "margin": 1,
        "leverage": 5,
        "fill_price": 0.1,
        "trading_fee": 0,
        "margin_accrues": False,
        **change,
    }
    for open_ in OPEN.values():
        with pytest.raises(DomainError, match=f"^{message}"):
            open_(**terms)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("field", ["yt", "st", "margin"])
def test_balances_that_are_not_numbers_are_refused(field, bad):
    """A position with a balance that is not finite is refused by every figure of it."""
    position = Position(**{"yt": 10.0, "st": -1.0, "margin": 1.0, "margin_accrues": False, field: bad})
    figures = (
        lambda: collateral_ratio(position, 0.1),
        lambda: equity(position, 0.1),
        lambda: liquidation_price(position, **MCR),
        lambda: settle(position, 0.01, **NO_FEE),
        lambda: add(position, position),
    )
    for figure in figures:
        with pytest.raises(DomainError, match=f"^{field}"):
            figure()


def test_other_arguments_are_checked():
    """Prices of 1 ST, unknown words, shares beyond the whole and times after maturity are refused."""
    position = opened("long", 5, 0.1)
    calls = [
        (lambda: collateral_ratio(position, 1.0), "price = 1.0 ST must be below 1"),
        (
            lambda: liquidation_price(position, maintenance_collateral_ratio=0),
            "maintenance_collateral_ratio = 0",
        ),
        (lambda: close(position, fraction=1.1, fill_price=0.1, trading_fee=0), "fraction = 1.1"),
        (lambda: close(position, fraction=0, fill_price=0.1, trading_fee=0), "fraction = 0"),
        (lambda: max_leverage("flat", **LIMITS, trading_fee=0, twap=0.1), "side = 'flat'"),
        (lambda: max_leverage("long", **LIMITS, trading_fee=0, twap=0), "twap = 0"),
        (
            lambda: liquidate(position, price=0.1, trading_fee=0, liquidation_rule="mercy"),
            "liquidation_rule = 'mercy'",
        ),
        (lambda: liquidation_yield(position, 0, **MCR), "tau = 0"),
        (
            lambda: time_to_liquidation(
                position, growth_path=0, implied_path=0.3, tau_path=0.1, **MCR, **NO_FEE
            ),
            "tau_path = 0.1",
        ),
    ]
    for call, message in calls:
        with pytest.raises(DomainError, match=f"^{message}"):
            call()
    with pytest.raises(ExpiredError):
        liquidation_yield(position, -0.1, **MCR)
