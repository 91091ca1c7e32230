"""What every venue answers alike: arrays, refusals, depth, and quotes that need no numpy."""

import math
import subprocess
import sys

import numpy as np
import pytest
from amm_cases import NOW, SIDES, all_amms, clmm_amm, logit_amm, product_amm, rate_amm, yieldspace_amm
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.amm.base import Amm, Side
from yieldtrade.errors import CapacityError, ConvergenceError, DomainError
from yieldtrade.tokens.pricing import implied_yield_from_pt, implied_yield_from_yt

VENUES = [logit_amm(), clmm_amm(), rate_amm(), yieldspace_amm(fee=0.01), product_amm()]
NAMES = [type(amm).__name__ for amm in VENUES]
EACH = pytest.mark.parametrize("amm", VENUES, ids=NAMES)
NUMBERS = (
    "units",
    "st_amount",
    "gross",
    "fee",
    "fee_lp",
    "fee_protocol",
    "average_price",
    "spot_before",
    "spot_after",
    "pre_trade_yield",
    "post_trade_yield",
    "yield_impact",
    "execution_yield",
    "price_impact",
    "total_cost",
)


@settings(deadline=None, max_examples=60)
@given(all_amms(), st.sampled_from(SIDES), st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6))
def test_arrays_are_independent_trades(amm, side, shares):
    """Each element of an array is the trade that its size is alone, all from the same state."""
    sizes = np.array(shares) * amm.max_size(side).size
    together = amm.quote(side, sizes)
    for i, size in enumerate(sizes.tolist()):
        alone = amm.quote(side, size)
        for name in NUMBERS:
            theirs = getattr(together, name)
            assert theirs.shape == sizes.shape
            # impacts are small differences: their noise is that of the prices
            wanted = getattr(alone, name)
            assert theirs[i] == pytest.approx(
                wanted, rel=1e-11, abs=1e-13 * max(size, 1 / amm.tau), nan_ok=True
            )


@EACH
@pytest.mark.parametrize("side", SIDES)
def test_ends_of_the_reach_are_reached(amm, side):
    """The largest budget and the last yield give the largest size, alone and in an array."""
    most = amm.max_size(side)
    last = amm.quote(side, most.size).post_trade_yield
    family = "PT" if side.is_pt else "YT"
    for units in (
        amm.size_for_budget(side, most.st).units,
        amm.size_for_budget(side, [most.st, most.st * (1 - 1e-16)]).units,
        amm.size_for_yield(last, family).units,
        amm.size_for_yield([last, last], family).units,
    ):
        np.testing.assert_allclose(units, most.size, rtol=1e-6)


@EACH
def test_shapes_are_kept(amm):
    """Sizes of any shape give fills of that shape; a zero-dimensional array and a list are arrays too."""
    assert amm.quote("BUY_YT", np.full((2, 3), 1.0)).st_amount.shape == (2, 3)
    assert amm.quote("BUY_YT", [1.0, 2.0]).average_price.shape == (2,)
    assert np.shape(amm.quote("BUY_YT", np.array(1.0)).spot_before) == ()
    assert amm.quote("BUY_YT", np.array([])).units.shape == (0,)
    assert isinstance(amm.quote("BUY_YT", 1).st_amount, float)
    assert isinstance(amm.quote("BUY_YT", np.float64(1.0)).st_amount, float)


@EACH
@pytest.mark.parametrize("size", [-1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("unit", ["token", "st"])
def test_sizes_are_finite_and_not_negative(amm, size, unit):
    """Negative and unreadable sizes are refused by name and value, alone or in an array, in either unit."""
    with pytest.raises(DomainError, match=r"size = "):
        amm.quote("BUY_PT", size, unit)
    with pytest.raises(DomainError, match=r"size\[1\]"):
        amm.quote("BUY_PT", [0.5, size], unit)


@EACH
@pytest.mark.parametrize("size", [True, "1", None, [True], ["1"]])
def test_sizes_are_numbers(amm, size):
    """Booleans, text and nothing are no sizes."""
    with pytest.raises(DomainError, match="size"):
        amm.quote("BUY_PT", size)


@EACH
def test_bad_elements_can_be_left_out(amm):
    """With on_error="nan" a bad element is NaN in every field, the rest is priced, the venue unchanged there."""
    most = amm.max_size("SELL_YT").size
    sizes = np.array([most / 2, -1.0, math.nan, most * 2, 0.0])
    fill = amm.quote("SELL_YT", sizes, on_error="nan")
    for name in NUMBERS:
        bad = np.isnan(getattr(fill, name))
        assert bad.tolist() == [False, True, True, True, False]
    assert fill.st_amount[0] == pytest.approx(amm.quote("SELL_YT", most / 2).st_amount, rel=1e-13)
    assert fill.amm_after.implied_yield[1] == pytest.approx(amm.implied_yield, rel=1e-13)
    alone = amm.quote("SELL_YT", most * 2, on_error="nan")
    assert all(math.isnan(getattr(alone, name)) for name in NUMBERS)
    assert alone.amm_after.implied_yield == amm.implied_yield


@EACH
def test_targets_out_of_reach_name_the_interval(amm):
    """A yield that no trade reaches is refused with the yields that can be reached, and can be left out."""
    lowest = amm.quote("SELL_YT", amm.max_size("SELL_YT").size).post_trade_yield
    with pytest.raises(CapacityError) as refused:
        amm.size_for_yield(lowest - 0.01)
    assert refused.value.maximum == lowest
    assert repr(lowest) in str(refused.value)
    assert refused.value.binding == amm.max_size("SELL_YT").binding
    with pytest.raises(CapacityError, match=r"target\[1\]"):
        amm.size_for_yield([amm.implied_yield, 1e9])
    fill = amm.size_for_yield([amm.implied_yield * 1.01, 1e9, math.nan], on_error="nan")
    assert np.isnan(fill.units).tolist() == [False, True, True]
    assert math.isnan(amm.size_for_yield(1e9, on_error="nan").units)


@EACH
@pytest.mark.parametrize("target", [math.nan, math.inf, True, "0.1"])
def test_targets_are_finite_numbers(amm, target):
    """A target that is no finite number is refused by name."""
    with pytest.raises(DomainError, match="target"):
        amm.size_for_yield(target)


@EACH
def test_unknown_words_are_refused(amm):
    """Sides, tokens, units and error modes are named from fixed lists; ``exact`` needs an integer path."""
    with pytest.raises(DomainError, match="BUY_PT, SELL_PT, BUY_YT, SELL_YT"):
        amm.quote("BUY", 1.0)
    with pytest.raises(DomainError, match="token"):
        amm.spot("ST")
    with pytest.raises(DomainError, match="token"):
        amm.size_for_yield(0.1, "ST")
    with pytest.raises(DomainError, match="unit"):
        amm.quote("BUY_PT", 1.0, "usd")
    for ask in (amm.quote, amm.size_for_budget):
        with pytest.raises(DomainError, match="on_error"):
            ask("BUY_PT", 1.0, on_error="ignore")
    with pytest.raises(DomainError, match="on_error"):
        amm.size_for_yield(0.1, on_error="ignore")
    with pytest.raises(DomainError, match="exact"):
        amm.quote("BUY_PT", 1.0, exact=True)


@EACH
@pytest.mark.parametrize("side", SIDES)
def test_budgets_are_met_with_fees(amm, side):
    """The ST asked for is spent or raised, fees included, one by one and as an array."""
    budgets = np.array([1e-6, 0.1, 1.0, 10.0])
    fills = amm.size_for_budget(side, budgets)
    np.testing.assert_allclose(fills.st_amount, budgets, rtol=1e-12)
    for budget, units in zip(budgets.tolist(), fills.units.tolist(), strict=True):
        assert amm.quote(side, units).st_amount == pytest.approx(budget, rel=1e-12)
        assert amm.size_for_budget(side, budget).units == pytest.approx(units, rel=1e-12)
    with pytest.raises(CapacityError) as refused:
        amm.size_for_budget(side, amm.max_size(side).st * 1.001)
    assert refused.value.maximum == amm.max_size(side).st


def test_a_free_token_has_no_finite_impact():
    """At a yield of 0 a YT is worth nothing: any payment for it is infinitely dear, and no payment is not."""
    amm = rate_amm(implied=0.0, bounds=((0.0, 0.4, 1e6),), ln_fee_root=0.0)
    assert amm.spot("YT") == 0
    assert amm.quote("BUY_YT", 1.0).price_impact == math.inf
    assert amm.quote("BUY_YT", [1.0, 0.0]).price_impact.tolist() == [math.inf, 0.0]
    assert amm.max_size("SELL_YT").size == 0


@EACH
def test_targets_on_both_sides_give_one_fill(amm):
    """An array of targets above and below the current yield is traded the right way, element by element."""
    targets = amm.implied_yield * np.array([0.98, 1.0, 1.02])
    for family in ("PT", "YT"):
        fill = amm.size_for_yield(targets, family)
        for i in (0, 2):
            alone = amm.size_for_yield(float(targets[i]), family)
            assert fill.side[i] == alone.side
            assert fill.units[i] == pytest.approx(alone.units, rel=1e-9)
            assert fill.post_trade_yield[i] == pytest.approx(targets[i], rel=1e-10)
            assert fill.amm_after.implied_yield[i] == pytest.approx(targets[i], rel=1e-10)
        assert fill.units[1] == 0


@EACH
def test_execution_yield_is_that_of_the_average_price(amm):
    """The rate locked or paid is the implied yield of the average price."""
    for side in Side:
        fill = amm.quote(side, 1.0)
        invert = implied_yield_from_pt if side.is_pt else implied_yield_from_yt
        assert fill.execution_yield == invert(fill.average_price, amm.tau)


@EACH
def test_costs_follow_their_definitions(amm):
    """Impact and total cost compare gross and paid ST with the spot value, worse is positive."""
    for side in Side:
        size = 0.1 * amm.max_size(side).size if amm.max_size(side).binding != "none" else 1e4
        fill = amm.quote(side, size)
        sign = 1 if side.is_buy else -1
        spot_value = size * fill.spot_before
        assert fill.spot_before == amm.spot("PT" if side.is_pt else "YT")
        assert fill.spot_after == fill.amm_after.spot("PT" if side.is_pt else "YT")
        assert fill.price_impact == pytest.approx(sign * (fill.gross / spot_value - 1), abs=1e-14)
        assert fill.total_cost == pytest.approx(sign * (fill.st_amount / spot_value - 1), abs=1e-14)
        assert fill.yield_impact == fill.post_trade_yield - fill.pre_trade_yield


@EACH
def test_depth_rows_are_single_trades(amm):
    """Every reachable row is the trade to its target; the others keep their row, and say what limits them."""
    moves = (1, 10, 50, 100_000_000_000)
    rows = amm.depth(moves)
    assert [row.move_bp for row in rows] == [*(-move for move in reversed(moves)), *moves]
    for row in rows:
        assert row.target_yield == amm.implied_yield + row.move_bp * 1e-4
        assert row.side.raises_yield == (row.move_bp > 0)
        if row.reachable:
            fill = amm.quote(row.side, row.size)
            assert fill.post_trade_yield == pytest.approx(row.target_yield, rel=1e-9)
            assert (row.st_amount, row.average_price, row.fee) == (
                fill.st_amount,
                fill.average_price,
                fill.fee,
            )
            assert row.price_impact == fill.price_impact
            assert row.binding == "none"
        else:
            assert row.size is None
            assert row.st_amount is None
            assert row.binding == amm.max_size(row.side).binding
    assert not rows[0].reachable
    assert not rows[-1].reachable


@EACH
def test_depth_takes_sizes_and_the_other_token(amm):
    """A size grid is sold and bought; a size beyond the limit keeps its row."""
    too_much = 1e30
    rows = amm.depth((), sizes=(1.0, too_much), family="PT")
    assert [(row.side, row.size) for row in rows] == [
        (Side.BUY_PT, 1.0),
        (Side.BUY_PT, too_much),
        (Side.SELL_PT, 1.0),
        (Side.SELL_PT, too_much),
    ]
    assert [row.reachable for row in rows] == [True, False, True, False]
    assert rows[0].st_amount == amm.quote("BUY_PT", 1.0).st_amount
    assert rows[0].move_bp < 0 < rows[2].move_bp
    assert rows[1].move_bp is rows[1].st_amount is None


@EACH
def test_quoting_changes_nothing(amm):
    """A venue is the same value after any question, and cannot be changed."""
    before = repr(amm)
    fill = amm.quote("BUY_YT", 5.0)
    amm.depth()
    assert repr(amm) == before
    assert fill.amm_after != amm
    with pytest.raises(AttributeError):
        amm.as_of = NOW


def test_a_target_without_root_is_reported():
    """A solver that does not converge is an error of its own, not a number."""

    class Deaf(type(logit_amm())):
        """A market that answers every trade with a fee that is no number."""

        def _leg(self, side, units):
            return super()._leg(side, units)._replace(fee=math.nan)

    amm = logit_amm()
    deaf = Deaf(**{name: getattr(amm, name) for name in amm.__dataclass_fields__})
    with pytest.raises(ConvergenceError, match="st = "):
        deaf._units_for_st(Side.BUY_YT, 0.11)


def asked_of(amm: Amm) -> tuple[object, ...]:
    """Use a venue through the interface alone."""
    return amm.spot("PT"), amm.max_size("BUY_PT"), amm.quote("BUY_YT", 1.0), amm.at(NOW)


@EACH
def test_every_venue_has_the_interface(amm):
    """What the interface names is there on every venue."""
    assert len(asked_of(amm)) == 4
    assert {name for name in dir(Amm) if not name.startswith("_")} <= set(dir(amm))


def test_single_quotes_need_no_numpy():
    """Quotes, limits, inverses and depth of single numbers never import numpy or scipy."""
    code = """
import sys, datetime as d
from yieldtrade.amm.logit import LogitAmm, RawMarket
from yieldtrade.amm.logit_fixed import MarketState
from yieldtrade.amm.reference import ConstantProductAmm, YieldSpaceAmm, linear_yield_amm
from yieldtrade.amm.clmm import ClmmAmm, range_from_yields
state = MarketState(total_pt=10**21, total_sy=10**21, total_lp=10**21, scalar_root=50 * 10**18,
    expiry=1800000000, ln_fee_root=3 * 10**15, reserve_fee_percent=80, last_ln_rate=95310179804324864)
now = d.datetime.fromtimestamp(1800000000 - 15552000, d.UTC)
year = now + d.timedelta(days=365)
quarter = now + d.timedelta(days=91)
venues = [
    LogitAmm.from_raw(RawMarket(state=state, index=10**18, decimals=18), now),
    linear_yield_amm(implied_yield=0.1, yield_per_pt=1e-6, as_of=now, maturity=year),
    YieldSpaceAmm(as_of=now, maturity=quarter, st_reserve=1e6, pt_reserve=1.1e6, time_stretch=1.0,
        discount_fee=0.01),
    ConstantProductAmm(as_of=now, maturity=quarter, st_reserve=1e4, yt_reserve=1e6, trading_fee=0.001,
        lp_fee_share=0.5),
    ClmmAmm(as_of=now, maturity=quarter, epoch_anchor=now, epoch_seconds=604800.0, sqrt_price=0.15,
        ranges=(range_from_yields(0.05, 0.2, 1e6, 91 / 365, 10),), trading_fee=0.001, lp_fee_share=0.5,
        pt_management_fee=0.05, tick_spacing=10),
]
for amm in venues:
    for side in ("BUY_PT", "SELL_PT", "BUY_YT", "SELL_YT"):
        amm.quote(side, 1.0)
        amm.quote(side, 0.01, "st")
        amm.quote(side, -1.0, on_error="nan")
    amm.size_for_yield(amm.implied_yield * 1.01)
    amm.depth()
venues[0].quote("BUY_PT", 1, exact=True)
venues[-1].at(now + d.timedelta(days=8))
print([name for name in ("numpy", "scipy", "pandas") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
