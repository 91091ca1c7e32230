"""Fixed income: what a PT held to maturity returns, bought or made from ST and a short YT."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.strategies.fixed_income import FixedIncome
from yieldtrade.strategies.inputs import Scenario


def synthetic(**more):
    """The synthetic PT of the worked example: 20 %, half a year, fee 0.1 %, 1000 ST."""
    values = {"implied_apy": 0.20, "tau": 0.5, "trading_fee": 0.001, "equity": 1000.0, **more}
    return FixedIncome(route="synthetic", **values)


def test_worked_example():
    """Price, PT held, fixed APY, odds that holding ST is better, advantage in ST, stressed redemption."""
    trade = synthetic()
    assert (trade.execution_price, trade.units) == pytest.approx((0.912958, 1095.340570), abs=1e-6)
    assert trade.fixed_apy(Scenario()) == pytest.approx(0.199771, abs=1e-6)
    assert trade.p_underlying_beats(Scenario(), 0.24, 0.08) == pytest.approx(0.692470, abs=1e-6)
    assert trade.advantage(Scenario(settled_apy=0.24)) == pytest.approx(-18.212302, abs=1e-6)
    assert trade.fixed_apy(Scenario(redemption_factor=0.98)) == pytest.approx(0.152260, abs=1e-6)


def test_synthetic_pt_is_the_ledger_of_st_and_short_yt():
    """ST kept against a short YT pays the same ST at maturity whatever settles, and N of them."""
    trade = synthetic()
    for settled in (0.0, 0.2, 0.9):
        # 1000 ST and the proceeds of N YT sold short; the ST grow, the YT owed are paid
        x, s = -trade.units, 1000.0 + trade.units * (1 - 1.2**-0.5) * 0.999
        growth = (1 + settled) ** 0.5 - 1
        assert s + (s + x) * growth == pytest.approx(trade.units, rel=1e-12)


def test_management_fee_is_borne_by_the_holder():
    """At 12 % for half a year a fee of 5 % leaves 11.35 %, the published figure."""
    trade = synthetic(implied_apy=0.12, trading_fee=0.0, management_fee=0.05)
    assert trade.fixed_apy(Scenario()) == pytest.approx(0.1135, abs=5e-5)


trades = st.builds(
    FixedIncome,
    implied_apy=st.floats(0.005, 5.0),
    tau=st.floats(0.01, 2.0),
    trading_fee=st.floats(0.0, 0.01),
    route=st.sampled_from(["direct", "synthetic"]),
    management_fee=st.floats(0.0, 0.1),
    swap_cost=st.floats(0.0, 0.01),
    exit_cost=st.floats(0.0, 0.01),
    equity=st.floats(1.0, 1e6),
)


@settings(deadline=None)
@given(trades)
def test_settling_at_the_fixed_apy_holding_st_is_as_good(trade):
    """The break-even settled APY is the fixed APY: there the advantage over ST is nothing."""
    found = trade.break_evens(Scenario())["settled_apy"].value
    assert trade.advantage(Scenario(settled_apy=found)) == pytest.approx(0.0, abs=1e-9 * trade.equity)


@settings(deadline=None)
@given(trades)
def test_return_falls_with_every_cost(trade):
    """Each cost lowers the fixed APY, and scale changes nothing."""
    base = trade.fixed_apy(Scenario())
    values = {name: getattr(trade, name) for name in FixedIncome.__dataclass_fields__ if name not in DERIVED}
    for name in ("trading_fee", "swap_cost", "exit_cost"):
        assert FixedIncome(**{**values, name: values[name] + 0.001}).fixed_apy(Scenario()) < base
    scaled = FixedIncome(**{**values, "equity": 7 * trade.equity})
    assert scaled.fixed_apy(Scenario()) == pytest.approx(base, rel=1e-9, abs=1e-10)
    assert scaled.pnl(Scenario()) == pytest.approx(7 * trade.pnl(Scenario()), rel=1e-9, abs=1e-6)


DERIVED = {"mid_price", "execution_price", "units"}


@settings(deadline=None)
@given(trades)
def test_decomposition_adds_up(trade):
    """PT gain and both costs add up to the profit, also at a stressed redemption."""
    for scenario in (Scenario(), Scenario(redemption_factor=0.9)):
        total = math.fsum(trade.decomposition(scenario).values())
        assert total == pytest.approx(trade.pnl(scenario), abs=1e-9 * trade.equity)


@settings(deadline=None)
@given(trades)
def test_break_even_days_repay_the_entry(trade):
    """After those days a PT at the same yield is worth what it cost."""
    found = trade.break_evens(Scenario())["days"]
    if found.status == "value":
        worth = (1 + trade.implied_apy) ** -(trade.tau - found.value / 365)
        assert worth == pytest.approx(trade.execution_price, rel=1e-12)
    elif found.status == "never":
        assert trade.execution_price > 1
    else:
        assert trade.execution_price == pytest.approx(trade.mid_price, rel=1e-12)


def test_without_costs_the_fixed_apy_is_the_implied_yield():
    """No cost, no surprise."""
    for route in ("direct", "synthetic"):
        trade = FixedIncome(implied_apy=0.3, tau=0.25, trading_fee=0.0, route=route)
        assert trade.fixed_apy(Scenario()) == pytest.approx(0.3, rel=1e-12)
        assert trade.naive() == 0.3


def test_gradient_is_the_slope_of_the_profit():
    """One point less redeemed costs one point of the PT held, less the exit cost."""
    trade = synthetic(exit_cost=0.01)
    slope = trade.gradient(Scenario())["redemption_factor"]
    fall = trade.pnl(Scenario()) - trade.pnl(Scenario(redemption_factor=0.99))
    assert slope * 0.01 == pytest.approx(fall, rel=1e-9)


def test_arrays_of_redemption_factors_are_priced_like_numbers():
    """Several redemption factors at once."""
    trade = synthetic()
    together = trade.fixed_apy(Scenario(redemption_factor=[1.0, 0.98, 0.0]))
    assert together.tolist() == pytest.approx([0.199771, 0.152260, -1.0], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"implied_apy": 0.0}, "implied_apy"),
        ({"implied_apy": math.nan}, "implied_apy"),
        ({"tau": -0.1}, "tau"),
        ({"trading_fee": -0.001}, "trading_fee"),
        ({"management_fee": 1.0}, "management_fee"),
        ({"equity": 0.0}, "equity"),
    ],
)
def test_bad_inputs_are_refused_by_name(change, name):
    """Impossible figures are refused with the name of the argument."""
    with pytest.raises(DomainError, match=name):
        synthetic(**change)


def test_unknown_routes_and_negative_redemption_are_refused():
    """A PT comes by one of two routes and never redeems for less than nothing."""
    with pytest.raises(DomainError, match="route"):
        FixedIncome(implied_apy=0.2, tau=0.5, trading_fee=0.0, route="swap")
    with pytest.raises(DomainError, match="R"):
        synthetic().pnl(Scenario(redemption_factor=-0.1))
