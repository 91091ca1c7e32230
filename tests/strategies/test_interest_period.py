"""Interest-period arbitrage: closed form against the ledger, break-evens, decomposition, liquidation."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.interest_period import InterestPeriodArbitrage
from yieldtrade.tokens.positions import collateral_ratio, settle, time_to_liquidation
from yieldtrade.tokens.pricing import yt_price

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ratex_cycle.json").read_text())["cases"]
WEEK = 7 / 365


def cycle(side="long", *, fee=0.001, leverage=5.0, base="none", phi=0.0, **more):
    """The trade of the worked examples: 30 % implied, a quarter of a year left, held for a week."""
    values = {"implied_apy": 0.30, "tau": 0.25, "exit_tau": 0.25 - WEEK, **more}
    return InterestPeriodArbitrage(
        side=side, trading_fee=fee, leverage=leverage, yield_fee=phi, yield_fee_base=base, **values
    )


def break_evens(trade):
    """Break-even settled APY for an exit at 30, 27 and 33 %."""
    return [trade.break_even_settled(y).value for y in (0.30, 0.27, 0.33)]


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c["id"]) for c in GOLDEN if c["kind"] == "breakeven_cycle"]
)
def test_break_evens_equal_the_documented_equations(case):
    """The break-even APY of a cycle, for cash and for borrowed ST, equals the reference figures."""
    given_ = case["in"]
    hold = given_["days"] / 365
    common = {
        "implied_apy": given_["implied0"],
        "tau": given_["tau0"],
        "exit_tau": given_["tau0"] - hold,
        "fee": given_["fee"],
    }
    cash = cycle(leverage=None, base="yt_only", phi=given_["yield_fee"], **common)
    levered = cycle(**common)
    found = {
        "apy_unlevered": cash.break_even_settled(given_["implied1"]).value,
        "apy_borrowed": levered.break_even_settled(given_["implied1"]).value,
    }
    assert found == pytest.approx(case["expect"], rel=1e-8)


def test_break_even_settled_apy_of_the_worked_example():
    """Levered long, the same with a yield fee on the whole account, and short, at three exit yields."""
    assert break_evens(cycle()) == pytest.approx([0.308862, 0.733015, -0.005127], abs=1e-6)
    assert break_evens(cycle("short")) == pytest.approx([0.291203, 0.710651, -0.019124], abs=1e-6)
    net = cycle(base="net", phi=0.05)
    assert net.break_even_settled(0.30).value == pytest.approx(0.327484, abs=1e-6)


def test_break_even_of_cash_yt_in_the_worked_example():
    """YT bought with cash, against cash, without and with a fee on its yield, and against ST."""
    cash = cycle(leverage=None)
    assert break_evens(cash) == pytest.approx([0.286713, 0.673785, -0.004806], abs=1e-6)
    taxed = cycle(leverage=None, base="yt_only", phi=0.05)
    assert break_evens(taxed) == pytest.approx([0.303855, 0.719540, -0.005058], abs=1e-6)
    # held against ST, the profit is flat where the yield is 30.8857 %
    around = [
        cash.against_underlying(Scenario(settled_apy=a, exit_implied=0.30)) for a in (0.308856, 0.308858)
    ]
    assert around[0] < 0 < around[1]


def test_without_fees_and_move_the_levered_break_even_is_the_implied_yield():
    """A free trade at an unchanged implied yield breaks even when exactly that yield settles."""
    for side in ("long", "short"):
        assert cycle(side, fee=0.0).break_even_settled(0.30).value == pytest.approx(0.30, rel=1e-12)


def test_break_even_exit_and_days_of_the_worked_example():
    """Exit implied yield for three settled yields, and days until a yield of 34 % has paid the fees."""
    exits = [cycle().break_even_exit(a).value for a in (0.34, 0.40, 0.50)]
    assert exits == pytest.approx([0.297460, 0.292742, 0.285345], abs=1e-6)
    days = cycle().break_even_days(0.34)
    assert (days.status, days.iterations > 0) == ("value", True)
    assert days.value == pytest.approx(1.618798, abs=1e-6)


def test_levered_positions_of_the_worked_example():
    """Five times levered long and short: YT held, ST at exit, profit."""
    long, short = cycle(), cycle("short")
    assert (long.entry_price, long.position.yt) == pytest.approx((0.063486, 78.678464), abs=1e-6)
    grown = settle(long.position, 1.5**WEEK - 1, yield_fee=0.0, yield_fee_base="none")
    assert grown.st == pytest.approx(-4.424840, abs=1e-6)
    assert long.pnl(Scenario(settled_apy=0.5, exit_implied=0.30)) == pytest.approx(0.193854, abs=1e-6)
    assert -short.position.yt == pytest.approx(78.757221, abs=1e-6)
    grown = settle(short.position, 1.2**WEEK - 1, yield_fee=0.0, yield_fee_base="none")
    assert grown.st == pytest.approx(4.736633, abs=1e-6)
    assert short.pnl(Scenario(settled_apy=0.2, exit_implied=0.30)) == pytest.approx(0.104061, abs=1e-6)


def test_fee_free_cash_edge_of_the_worked_example():
    """Bought at 30 %, receiving 50 %, left at 30 %: 0.002587 ST a YT, 4.0744 % of its cost."""
    trade = cycle(fee=0.0, leverage=None)
    carry = trade.against_underlying(Scenario(settled_apy=0.5, exit_implied=0.30))
    assert carry / trade.position.yt == pytest.approx(0.002587, abs=1e-6)
    assert carry / trade.margin == pytest.approx(0.040744, abs=1e-6)


def test_decomposition_of_the_worked_example():
    """Per YT from 30 to 27 % implied with 34 % settled: decay, move, yield, carry and their sum."""
    trade = cycle(fee=0.0)
    scenario = Scenario(settled_apy=0.34, exit_implied=0.27)
    parts = {name: part / trade.position.yt for name, part in trade.decomposition(scenario).items()}
    expected = {
        "decay": -0.004724,
        "implied_move": -0.005086,
        "yield": 0.005629,
        "carry": -0.000357,
        "fees": 0.0,
    }
    assert parts == pytest.approx(expected, abs=1e-6)
    assert sum(parts.values()) == pytest.approx(-0.004539, abs=1e-6)


trades = st.builds(
    cycle,
    st.sampled_from(["long", "short"]),
    fee=st.floats(0, 0.01),
    leverage=st.floats(0.5, 10),
    base=st.sampled_from(["none", "yt_only", "net"]),
    phi=st.floats(0, 0.2),
    implied_apy=st.floats(0.01, 30.0),
)


@settings(deadline=None)
@given(trades, st.floats(-0.2, 30.0), st.floats(0.0, 30.0))
def test_decomposition_adds_up_to_the_profit(trade, settled, exit_implied):
    """Decay, move, yield, carry and fees add up to the profit, whatever the yields."""
    scenario = Scenario(settled_apy=settled, exit_implied=exit_implied)
    total = math.fsum(trade.decomposition(scenario).values())
    assert total == pytest.approx(trade.pnl(scenario), abs=1e-12 * (1 + abs(trade.position.yt)))


@settings(deadline=None)
@given(
    st.sampled_from(["long", "short"]),
    st.sampled_from(["none", "yt_only"]),
    st.floats(-0.3, 3.0),
    st.floats(0.01, 3.0),
    st.floats(0, 0.01),
)
def test_closed_form_equals_the_ledger_day_by_day(side, base, settled, exit_implied, fee):
    """Settling every day, by hand, and closing with a fee gives the profit of the closed form."""
    trade = cycle(side, fee=fee, base=base, phi=0.05)
    x, s = trade.position.yt, trade.position.st
    g = (1 + settled) ** (1 / 365) - 1
    for _ in range(7):
        s += s * g + x * g * (0.95 if base == "yt_only" else 1.0)
    close = 1 - (1 + exit_implied) ** -(0.25 - WEEK)
    profit = s + x * close - fee * abs(x) * close
    found = trade.pnl(Scenario(settled_apy=settled, exit_implied=exit_implied))
    assert found == pytest.approx(profit, abs=1e-9 * (1 + abs(x)))


@settings(deadline=None)
@given(trades, st.floats(0.0, 5.0))
def test_at_a_break_even_the_profit_is_nothing(trade, exit_implied):
    """Whatever break-even has a value leaves no profit; one without a value says never or always."""
    found = trade.break_even_settled(exit_implied)
    # nearer to the loss of everything one plus the rate has no digits left
    if found.value is not None and -0.99 < found.value < 1e3:
        profit = trade.pnl(Scenario(settled_apy=found.value, exit_implied=exit_implied))
        assert profit == pytest.approx(0.0, abs=1e-9 * (1 + abs(trade.position.yt)))
        # the move of the break-even for one point, against solving for it again
        there = trade.break_even_settled(exit_implied + 0.01).value
        if there is not None:
            moved = trade.mark_risk(exit_implied, found.value)
            assert moved == pytest.approx(abs(there - found.value), rel=1e-6, abs=1e-9)
    assert (found.value is None) == (found.status in ("never", "always"))
    assert bool(found.reason) == (found.value is None)


@settings(deadline=None)
@given(trades, st.floats(0.0, 3.0))
def test_break_even_exit_leaves_no_profit(trade, settled):
    """Leaving at the break-even implied yield neither wins nor loses."""
    found = trade.break_even_exit(settled)
    if found.value is not None and found.value < 1e6:
        profit = trade.pnl(Scenario(settled_apy=settled, exit_implied=found.value))
        assert profit == pytest.approx(0.0, abs=1e-9 * (1 + abs(trade.position.yt)))


@settings(deadline=None)
@given(trades, st.floats(0.0, 3.0))
def test_break_even_days_is_the_first_moment_without_loss(trade, settled):
    """Stepping through the holding until then finds no earlier moment without loss."""
    trade = replace(trade, yield_fee_base="none", yield_fee=0.0)
    days = trade.break_even_days(settled)
    limit = trade.tau * 365 if days.value is None else days.value
    if days.status == "always" or limit < 1e-3:
        return
    for day in np.linspace(0.01, 0.99, 60) * limit:
        now = replace(trade, exit_tau=trade.tau - day / 365)
        assert now.pnl(Scenario(settled_apy=settled, exit_implied=trade.implied_apy)) < 1e-9


@settings(deadline=None)
@given(st.sampled_from(["long", "short"]), st.floats(0.02, 3.0), st.floats(0.0, 0.009))
def test_the_break_even_moves_against_the_trader_as_the_fee_grows(side, exit_implied, fee):
    """More fee, and a long needs a higher settled yield, a short a lower one."""
    cheap, dear = (cycle(side, fee=f).break_even_settled(exit_implied).value for f in (fee, fee + 0.001))
    if cheap is not None and dear is not None:
        assert (dear - cheap) * cycle(side).sign > 0


@settings(deadline=None)
@given(st.floats(0.05, 1.0), st.floats(0.1, 3.0), st.floats(0.0, 0.009))
def test_profit_of_cash_yt_falls_with_fees_and_grows_with_the_margin(settled, exit_implied, fee):
    """More trading or yield fee, less profit; twice the margin, twice the profit."""
    scenario = Scenario(settled_apy=settled, exit_implied=exit_implied)
    profit = cycle(fee=fee, leverage=None, base="yt_only", phi=0.05).pnl(scenario)
    assert cycle(fee=fee + 0.001, leverage=None, base="yt_only", phi=0.05).pnl(scenario) < profit
    assert cycle(fee=fee, leverage=None, base="yt_only", phi=0.06).pnl(scenario) < profit
    twice = cycle(fee=fee, leverage=None, base="yt_only", phi=0.05, margin=2.0).pnl(scenario)
    assert twice == pytest.approx(2 * profit, rel=1e-12, abs=1e-15)


def test_gradient_is_the_slope_of_the_profit():
    """The derivatives agree with central differences."""
    scenario = Scenario(settled_apy=0.34, exit_implied=0.28)
    for trade in (
        cycle(),
        cycle("short", base="net", phi=0.05),
        cycle(leverage=None, base="yt_only", phi=0.05),
    ):
        for name, slope in trade.gradient(scenario).items():
            up, down = (replace(scenario, **{name: getattr(scenario, name) + h}) for h in (1e-5, -1e-5))
            assert slope == pytest.approx((trade.pnl(up) - trade.pnl(down)) / 2e-5, rel=1e-6)


def test_arrays_and_numbers_give_the_same_profit():
    """A row of scenarios is priced like each of them."""
    settled, exits = np.array([0.1, 0.34, 0.9]), np.array([0.2, 0.3, 0.4])
    together = cycle().pnl(Scenario(settled_apy=settled, exit_implied=exits))
    alone = [
        cycle().pnl(Scenario(settled_apy=a, exit_implied=y))
        for a, y in zip(settled.tolist(), exits.tolist(), strict=True)
    ]
    assert together.tolist() == pytest.approx(alone, rel=1e-14)


def test_a_round_trip_without_costs_and_time_is_worth_nothing():
    """Bought and sold within a second at one yield and without fee, nothing is won or lost."""
    trade = cycle(fee=0.0, exit_tau=0.25 - 1 / 31_536_000)
    assert trade.pnl(Scenario(settled_apy=0.30, exit_implied=0.30)) == pytest.approx(0.0, abs=1e-9)


def test_held_to_maturity_the_yt_ends_at_nothing():
    """To maturity the profit does not depend on an exit yield, and there is none to break even at."""
    trade = cycle(exit_tau=0.0, leverage=None)
    assert trade.pnl(Scenario(settled_apy=0.34)) == trade.pnl(Scenario(settled_apy=0.34, exit_implied=0.9))
    assert trade.break_even_exit(0.34).value is None
    assert trade.break_even_exit(0.34).reason


def test_naive_edge_is_the_difference_of_the_yields():
    """Forecast less implied for a long, the reverse for a short."""
    assert cycle().naive(0.34) == pytest.approx(0.04)
    assert cycle("short").naive(0.34) == pytest.approx(-0.04)


def test_a_levered_trade_has_no_outlay_to_compare_with_st():
    """Against the underlying a levered profit is the profit itself."""
    scenario = Scenario(settled_apy=0.34, exit_implied=0.30)
    assert cycle().against_underlying(scenario) == cycle().pnl(scenario)


def test_cash_yt_cannot_be_liquidated():
    """Nothing is owed, so there is no trigger, no clock and no barrier."""
    trade = cycle(leverage=None, maintenance_ratio=None)
    assert (trade.liquidation_price(), trade.liquidation_implied(), trade.liquidation_clock()) == (
        None,
        None,
        {},
    )
    assert trade.liquidation_barrier(0.3, 0.1, 0.1) == -math.inf
    assert cycle("short").liquidation_barrier(0.3, 0.1, 0.1) == math.inf


@pytest.mark.parametrize(
    ("side", "leverage", "implied", "price_ratio"),
    [
        ("long", 3, 0.204740, 0.716667),
        ("long", 5, 0.248441, 0.85),
        ("long", 9.5, 0.280700, 0.944737),
        ("short", 5, 0.351601, 1.142857),
        ("short", 9.5, 0.318720, 1.052632),
    ],
)
def test_liquidation_trigger_of_the_worked_example(side, leverage, implied, price_ratio):
    """The YT price and implied yield that liquidate, at 30 % and a quarter of a year left."""
    trade = cycle(side, fee=0.0, leverage=leverage, maintenance_ratio=1.05)
    assert trade.liquidation_price() / trade.entry_price == pytest.approx(price_ratio, abs=1e-6)
    assert trade.liquidation_implied() == pytest.approx(implied, abs=1e-6)


def test_liquidation_clock_of_the_worked_example():
    """Days until liquidation when nothing, half, all and one and a half of the implied yield settles."""
    days = [
        list(cycle(side, fee=0.0, leverage=leverage, maintenance_ratio=1.05).liquidation_clock().values())
        for side, leverage in (("long", 5), ("long", 9.5), ("short", 5))
    ]
    assert days == [[15, 32, None, None], [6, 12, None, None], [None, None, None, 38]]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["long", "short"]),
    st.floats(1.0, 9.0),
    st.floats(0.05, 1.0),
    st.booleans(),
    st.floats(0.0, 0.002),
)
def test_liquidation_clock_agrees_with_the_daily_ledger(side, leverage, implied, accrues, fee):
    """The root of the two exponentials falls on the day on which a daily ledger is first below maintenance."""
    trade = cycle(
        side, leverage=leverage, implied_apy=implied, fee=fee, margin_accrues=accrues, maintenance_ratio=1.05
    )
    days = np.arange(1, 91)
    for multiple, found in trade.liquidation_clock().items():
        g = (1 + multiple * implied) ** (1 / 365) - 1
        ledger = time_to_liquidation(
            trade.position,
            growth_path=np.full(90, g),
            implied_path=implied,
            tau_path=0.25 - days / 365,
            maintenance_collateral_ratio=1.05,
            yield_fee=0.0,
            yield_fee_base="none",
        )
        assert found == ledger or (ledger is None and found is not None and found > 90)


@settings(deadline=None)
@given(st.sampled_from(["long", "short"]), st.floats(1, 9), st.floats(0, 1), st.floats(0, 0.2))
def test_at_the_barrier_the_collateral_ratio_is_the_maintenance_ratio(side, leverage, settled, elapsed):
    """After some settled yield, the barrier's price makes the collateral ratio exactly the limit."""
    trade = cycle(side, leverage=leverage, maintenance_ratio=1.05, margin_accrues=True)
    barrier = trade.liquidation_barrier(settled, elapsed, 0.25 - elapsed)
    position = settle(trade.position, (1 + settled) ** elapsed - 1, yield_fee=0.0, yield_fee_base="none")
    if 0 < barrier < 1e6:
        ratio = collateral_ratio(position, yt_price(barrier, 0.25 - elapsed))
        assert ratio == pytest.approx(1.05, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"implied_apy": -0.1}, "implied_apy"),
        ({"implied_apy": math.nan}, "implied_apy"),
        ({"implied_apy": True}, "implied_apy"),
        ({"tau": 0.0}, "tau"),
        ({"exit_tau": 0.3}, "exit_tau"),
        ({"exit_tau": -0.01}, "exit_tau"),
        ({"accrual_years": 0.0}, "accrual_years"),
        ({"fee": 1.0}, "trading_fee"),
        ({"leverage": 0.0}, "leverage"),
        ({"side": "flat"}, "side"),
        ({"side": "short", "leverage": None}, "leverage"),
        ({"margin": math.inf}, "margin"),
    ],
)
def test_bad_inputs_are_refused_by_name(change, name):
    """Negative, missing and impossible figures are refused with the name of the argument."""
    with pytest.raises(DomainError, match=name):
        cycle(**change)


@pytest.mark.parametrize(
    "scenario", [{"settled_apy": math.nan}, {"settled_apy": -1.0}, {"exit_implied": -1.0}]
)
def test_bad_scenarios_are_refused(scenario):
    """A scenario that is not a number, or loses everything, has no profit."""
    with pytest.raises(DomainError):
        cycle().pnl(Scenario(**{"settled_apy": 0.3, "exit_implied": 0.3, **scenario}))
