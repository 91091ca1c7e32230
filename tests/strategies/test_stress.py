"""Shocks: the worked example, closed forms of each line, and what does not apply."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.lending.oracle import LinearDiscountOracle, MarketTwapOracle
from yieldtrade.strategies.fixed_income import FixedIncome
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.interest_period import InterestPeriodArbitrage
from yieldtrade.strategies.principal_loop import LeveragedPrincipalLoop
from yieldtrade.strategies.standing import LimitCut
from yieldtrade.strategies.stress import (
    Changed,
    Shock,
    StressInputs,
    StressSettings,
    standard_shocks,
    stress_test,
)

SLOTS = 63_072_000


def borrow_apy(utilization):
    """APY of the example's curve at 400 ms slots."""
    rate = np.interp(utilization, [0.0, 0.70, 0.85, 1.0], [0.0, 0.05, 0.10, 0.50])
    return math.expm1(SLOTS * math.log1p(1.25 * rate / SLOTS))


INPUTS = StressInputs(borrow_apy_at=borrow_apy, settled_sd=0.06, exit_impact=0.001, tail_move=0.025416)


def loop(*, leverage=5.0, **more):
    """The levered PT of the worked example, entered at a cost of 0.2 %."""
    values = {
        "implied_apy": 0.12,
        "tau": 0.3,
        "max_ltv": 0.85,
        "liquidation_ltv": 0.90,
        "oracle": LinearDiscountOracle(discount=0.25),
        "entry_cost": 0.002,
        **more,
    }
    return LeveragedPrincipalLoop(leverage=leverage, **values)


def cycle(*, side="long", leverage=5.0, **more):
    """A YT over seven days of the worked examples."""
    values = {
        "implied_apy": 0.30,
        "tau": 0.25,
        "exit_tau": 0.25 - 7 / 365,
        "trading_fee": 0.001,
        "maintenance_ratio": 1.05,
        **more,
    }
    return InterestPeriodArbitrage(side=side, leverage=leverage, **values)


def table(trade, scenario, inputs=INPUTS, settings=None):
    """Lines by name."""
    lines = stress_test(trade, scenario, standard_shocks(settings, inputs))
    found = {line.name: line for line in lines}
    assert len(found) == len(lines)
    return found


def test_the_worked_example():
    """Returns on the own capital of the loop held to maturity at 9 %, and its loan to value now."""
    found = table(loop(), Scenario(borrow_apy=0.09))
    expected = {
        "base": 0.057829,
        "borrow APY x1.5": 0.007708,
        "borrow APY x2": -0.041040,
        "borrow APY x3": -0.134763,
        "utilization 95%": -0.427016,
        "utilization 100%": -0.662330,
        "underlying -1%": 0.006203,
        "underlying -5%": -0.200301,
        "underlying -10%": -0.458430,
        "closed 7 days late": 0.051039,
    }
    assert {name: found[name].return_on_capital for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found["base"].ltv == pytest.approx(0.837627, abs=1e-6)
    assert found["underlying -5%"].ltv == pytest.approx(0.881712, abs=1e-6)
    assert found["underlying -10%"].ltv == pytest.approx(0.930696, abs=1e-6)
    assert [found[f"underlying -{x}%"].liquidated for x in (1, 5, 10, 20, 40)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert found["underlying -10%"].days_to_liquidation == 0


def test_the_clock_of_a_loan():
    """Days to liquidation run beyond maturity at a low rate and end before it above the critical one."""
    found = table(loop(), Scenario(borrow_apy=0.09))
    assert found["base"].days_to_liquidation == pytest.approx(0.3 * 365 + 524.898812, abs=1e-5)
    assert not found["utilization 95%"].liquidated  # 58.1 % is below the critical 64.8 %
    spiked = found["utilization 100%"]
    assert spiked.liquidated
    days = spiked.days_to_liquidation
    assert 0 < days < 0.3 * 365
    assert loop().loan_to_value(borrow_apy(1.0), days / 365) == pytest.approx(0.90, abs=1e-12)
    never = table(loop(), Scenario(borrow_apy=0.0))["base"]
    assert (never.days_to_liquidation, never.liquidated) == (None, False)


def test_a_market_oracle_follows_the_implied_yield():
    """Under a market oracle a higher implied yield raises the loan to value; a linear oracle does not notice."""
    trade = loop(oracle=MarketTwapOracle(implied_apy=0.12), leverage=4.0)
    found = table(trade, Scenario(borrow_apy=0.09))
    assert found["implied +10 points"].ltv == pytest.approx(trade.debt / (trade.units * 1.22**-0.3))
    assert found["implied +10 points"].pnl == found["base"].pnl
    # at the liquidating implied yield the limit is just met
    move = trade.liquidation_implied() - 0.12
    exact = table(trade, Scenario(borrow_apy=0.09), settings=StressSettings(implied_moves=(move,)))
    (line,) = [line for name, line in exact.items() if name.startswith("implied")]
    assert line.ltv == pytest.approx(0.90, rel=1e-12)
    unmoved = table(loop(), Scenario(borrow_apy=0.09))["implied +10 points"]
    assert unmoved.pnl is None
    assert unmoved.reason == "the trade does not depend on the implied yield before maturity"


def test_a_loop_sold_early_feels_yield_and_depth():
    """Sold after 30 days a loop earns what its own profit says at the moved yield; half the depth doubles impact."""
    trade, base = loop(hold=30 / 365, exit_cost=0.002), Scenario(borrow_apy=0.09, exit_implied=0.12)
    found = table(trade, base)
    assert found["implied +2 points"].pnl == pytest.approx(
        trade.pnl(replace(base, exit_implied=0.14)), abs=1e-15
    )
    sold = trade.units * 1.12 ** -(0.3 - 30 / 365)
    assert found["depth -50%"].pnl == pytest.approx(found["base"].pnl - sold * 0.001, abs=1e-12)
    assert found["depth -90%"].pnl == pytest.approx(found["base"].pnl - sold * 0.009, abs=1e-12)
    assert found["closed 7 days late"].reason == "no debt accrues on a PT after its maturity"
    assert found["redemption factor 0.98"].pnl is None


def test_a_frozen_oracle_shows_the_whole_fall():
    """A five-minute move counts for two hours by the root of time; the loan is judged when the oracle is back."""
    found = table(loop(), Scenario(borrow_apy=0.09))["oracle frozen 2 hours"]
    move = 0.025416 * math.sqrt(24)
    later = 2 / 8760
    owed = 4.0 * 1.09**later
    assert found.ltv == pytest.approx(owed / (loop().units * (1 - 0.25 * (0.3 - later)) * (1 - move)))
    assert found.liquidated
    assert found.pnl == pytest.approx(loop().pnl(Scenario(borrow_apy=0.09, underlying_ratio=1 - move)))


def test_a_cut_limit_winds_a_loan_down():
    """The threshold falls daily until it meets the loan; the debt is repaid from PT at the lender's price."""
    trade = loop()
    found = table(trade, Scenario(borrow_apy=0.09))["limit cut, 200 bps a day"]
    days = found.days_to_liquidation
    then = trade.loan_to_value(0.09, days / 365)
    assert then == pytest.approx(1 - 0.02 * days, abs=1e-12)
    bonus = min(0.005 + 0.005 * days, 1 - then)
    seized = 4.0 * 1.09 ** (days / 365) * (1 + bonus) / (1 - 0.25 * (0.3 - days / 365))
    assert found.pnl == pytest.approx(trade.units - seized - 1.0, abs=1e-12)
    assert (found.liquidated, found.ltv) == (True, pytest.approx(0.837627, abs=1e-6))
    assert found.pnl < table(trade, Scenario(borrow_apy=0.09))["base"].pnl


def test_a_cut_that_comes_too_late_changes_no_profit():
    """Where the planned exit comes first the loan is not wound down, and the day it would be is shown."""
    slow = StressSettings(cut=LimitCut(per_day=0.001, margin_call_days=3.0, bonus=0.0, bonus_per_day=0.0))
    found = table(loop(), Scenario(borrow_apy=0.09), settings=slow)
    line = found["limit cut, 10 bps a day"]
    assert line.pnl == found["base"].pnl
    assert not line.liquidated
    assert line.days_to_liquidation > 0.3 * 365
    at_once = StressSettings(cut=LimitCut(per_day=1.0, margin_call_days=5.0, bonus=0.0, bonus_per_day=0.0))
    assert 5 < table(loop(), Scenario(borrow_apy=0.09), settings=at_once)["limit cut, 10000 bps a day"][6] < 6


def test_a_fixed_income_feels_the_redemption_alone():
    """A PT held to maturity without debt depends on nothing but what it redeems for."""
    trade = FixedIncome(implied_apy=0.20, tau=0.5, trading_fee=0.001, route="synthetic", equity=1000.0)
    found = table(trade, Scenario(settled_apy=0.24, exit_implied=0.2))
    assert {name for name, line in found.items() if line.applies} == {"base", "redemption factor 0.98"}
    assert found["redemption factor 0.98"].pnl == pytest.approx(1095.340570 * 0.98 - 1000, abs=1e-5)
    assert found["base"].return_on_capital == pytest.approx(0.095340570, abs=1e-8)
    assert (found["base"].ltv, found["base"].collateral_ratio, found["base"].liquidated) == (None, None, None)
    assert all(line.reason for line in found.values() if not line.applies)


def test_a_levered_yt_under_shocks():
    """The profit at a moved yield and APY is its own; the collateral ratio is that of the moved price now."""
    trade, base = cycle(), Scenario(settled_apy=0.50, exit_implied=0.30)
    found = table(trade, base)
    assert found["base"].pnl == pytest.approx(0.193854, abs=1e-6)
    assert found["settled APY -2 sd"].pnl == pytest.approx(trade.pnl(replace(base, settled_apy=0.38)))
    assert found["settled APY 0"].pnl == pytest.approx(trade.pnl(replace(base, settled_apy=0.0)))
    fallen = found["implied -5 points"]
    price = 1 - 1.25**-0.25
    assert fallen.pnl == pytest.approx(trade.pnl(replace(base, exit_implied=0.25)))
    assert fallen.collateral_ratio == pytest.approx((trade.position.yt * price + 1) / -trade.position.st)
    assert not found["implied -2 points"].liquidated
    # 25 % is just above what liquidates; with 50 % settled against it the position only gains from there
    assert (fallen.liquidated, fallen.days_to_liquidation) == (False, None)
    assert found["implied -10 points"].days_to_liquidation == 0
    sold = trade.position.yt * (1 - 1.30 ** -(0.25 - 7 / 365))
    assert found["depth -50%"].pnl == pytest.approx(found["base"].pnl - 0.001 * sold, abs=1e-12)
    for name in ("borrow APY x2", "underlying -10%", "oracle frozen 2 hours", "redemption factor 0.98"):
        assert found[name].pnl is None
        assert found[name].reason


def test_the_days_of_a_levered_yt():
    """At a flat implied yield without fees the clock gives 15 and 32 days, and never; a short 38."""
    trade = cycle(trading_fee=0.0)
    found = [
        stress_test(trade, Scenario(settled_apy=0.30 * m, exit_implied=0.30), ())[0].days_to_liquidation
        for m in (0, 0.5, 1, 1.5)
    ]
    assert found == [15, 32, None, None]
    short = cycle(side="short", trading_fee=0.0)
    assert stress_test(short, Scenario(settled_apy=0.45, exit_implied=0.30), ())[0].days_to_liquidation == 38


def test_a_cash_yt_cannot_be_liquidated():
    """Bought with cash a YT has no collateral ratio; held to maturity it sells nothing."""
    trade = cycle(leverage=None, maintenance_ratio=None, exit_tau=0.0)
    found = table(trade, Scenario(settled_apy=0.4))
    assert found["base"].collateral_ratio is None
    assert found["depth -50%"].reason == "nothing is sold in the market at the exit"
    assert found["implied +5 points"].pnl is None


def test_what_is_not_known_is_said():
    """Without a curve, a forecast's spread, an impact or a tail move those shocks do not apply, and say why."""
    found = table(loop(), Scenario(borrow_apy=0.09, settled_apy=0.2), inputs=StressInputs())
    for name in ("utilization 95%", "depth -50%", "settled APY -1 sd", "oracle frozen 2 hours"):
        assert found[name].reason.endswith("is not known")
        assert found[name][1:7] == (None,) * 6


@dataclass(frozen=True)
class Holding:
    """A trade of the test's own, which no module knows."""

    equity: float = 100.0

    def pnl(self, scenario):
        """A share at its price, without debt."""
        return self.equity * (scenario.underlying_ratio - 1.0)


def test_another_trade_and_another_shock():
    """Any trade with a profit can be stressed, by any named shock."""
    crash = Shock("crash", "the price", replace_price)
    lines = stress_test(Holding(), Scenario(), (*standard_shocks(), crash))
    found = {line.name: line.pnl for line in lines}
    assert found["underlying -10%"] == pytest.approx(-10.0)
    assert found["crash"] == pytest.approx(-90.0)
    assert found["limit cut, 200 bps a day"] is None


def replace_price(trade, base):
    """The price at a tenth."""
    return Changed(trade, replace(base, underlying_ratio=0.1))


@given(st.floats(1.01, 5.3), st.floats(0.001, 0.6))
def test_worse_is_worse(leverage, rate):
    """Along each ladder of shocks a levered PT loses more, and its loan to value never falls with the price."""
    found = table(loop(leverage=leverage), Scenario(borrow_apy=rate))
    falls = [found[f"underlying -{x}%"] for x in (1, 5, 10, 20, 40)]
    assert [line.pnl for line in falls] == sorted((line.pnl for line in falls), reverse=True)
    assert [line.ltv for line in falls] == sorted(line.ltv for line in falls)
    dearer = [found["base"].pnl, *(found[f"borrow APY x{m:g}"].pnl for m in (1.5, 2, 3))]
    assert dearer == sorted(dearer, reverse=True)
    assert found["limit cut, 200 bps a day"].days_to_liquidation > 0
    for line in found.values():
        if line.days_to_liquidation is not None:
            assert line.liquidated == (
                line.days_to_liquidation <= (0.3 + 7 / 365 * ("late" in line.name)) * 365
            )


def test_an_unlevered_loop_has_no_loan():
    """Without debt nothing of the lender's applies."""
    found = table(loop(leverage=1.0), Scenario(borrow_apy=0.09))
    for name in ("borrow APY x3", "oracle frozen 2 hours", "limit cut, 200 bps a day", "closed 7 days late"):
        assert found[name].pnl is None
    assert found["underlying -10%"].pnl < 0
    assert found["base"].ltv is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StressSettings(borrow_multiples=(-1.0,)), "borrow_multiples"),
        (lambda: StressSettings(utilizations=(1.5,)), "utilizations"),
        (lambda: StressSettings(depth_losses=(1.0,)), "depth_losses"),
        (lambda: StressSettings(price_moves=(-1.0,)), "price_moves"),
        (lambda: StressSettings(implied_moves=(math.nan,)), "implied_moves"),
        (lambda: StressSettings(late_days=-1.0), "late_days"),
        (lambda: StressSettings(cut=LimitCut(0.0, 0.0, 0.0, 0.0)), "per_day"),
        (lambda: StressSettings(cut=LimitCut(0.1, -1.0, 0.0, 0.0)), "margin_call_days"),
        (lambda: StressInputs(settled_sd=-1.0), "settled_sd"),
        (lambda: StressInputs(exit_impact=1.0), "exit_impact"),
        (lambda: StressInputs(tail_minutes=0.0), "tail_minutes"),
        (lambda: standard_shocks(None, StressInputs(tail_move=0.5)), "cannot fall by all of itself"),
        (lambda: stress_test(loop(), Scenario(borrow_apy=np.array([0.1])), ()), "starts from one number"),
    ],
)
def test_what_is_refused(make, message):
    """Settings and figures outside their range, and a scenario of arrays, are refused by name."""
    with pytest.raises(DomainError, match=message):
        make()
