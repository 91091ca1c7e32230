"""Probability of loss: the delta method, the simulation, and how they are put together."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.strategies.inputs import BorrowForecast, Costs, ExitYield, PriceRisk, Scenario
from yieldtrade.strategies.interest_period import InterestPeriodArbitrage
from yieldtrade.strategies.risk import (
    ES_FACTOR,
    Bridge,
    Draws,
    Factor,
    Outcomes,
    Risks,
    crossing_odds,
    delta_method,
    draw_scenario,
    first_passage,
    normal_below,
    normal_shortfall,
    passage_odds,
    probability_of_loss,
    share_below,
    shortfall,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ratex_cycle.json").read_text())["cases"]
COUNT = 100_000


def cycle(days=7, leverage=5.0):
    """The trade of the worked example."""
    return InterestPeriodArbitrage(
        side="long",
        implied_apy=0.30,
        tau=0.25,
        exit_tau=0.25 - days / 365,
        trading_fee=0.001,
        leverage=leverage,
    )


def risks(mark_sd, rho=0.0):
    """Forecast 34 +- 6 %, exit around 30 %."""
    return Risks(
        factors=(
            Factor(name="settled_apy", mean=0.34, sd=0.06),
            Factor(name="exit_implied", mean=0.30, sd=mark_sd, floor=0.0),
        ),
        rho=rho,
    )


def figures(trade, what, **more):
    """Loss figures from 100,000 draws."""
    outcomes = Outcomes(trade.pnl(draw_scenario(what, Draws(7), COUNT)))
    return probability_of_loss(trade, what, outcomes, simulation_gap=0.02, liquidation_gap=0.001, **more)


@pytest.mark.parametrize(
    ("mark_sd", "delta", "simulated"),
    [(0.0, 0.299800, 0.301), (0.01, 0.409493, 0.413), (0.03, 0.466657, 0.468)],
)
def test_probability_of_loss_of_the_worked_example(mark_sd, delta, simulated):
    """Both methods for three spreads of the exit yield; the simulation within half a point."""
    found = figures(cycle(), risks(mark_sd))
    assert found.p_loss_delta == pytest.approx(delta, abs=1e-6)
    assert found.p_loss == found.p_loss_delta
    assert found.p_loss_simulated == pytest.approx(simulated, abs=0.005)
    assert found.simulation_error < 0.0032
    assert found.p_loss_no_mark == pytest.approx(0.299800, abs=1e-6)


def test_four_weeks_and_correlation_of_the_worked_example():
    """Held for 28 days, and with a correlation of one half between settled and exit yield."""
    month = figures(cycle(28), risks(0.03))
    assert month.p_loss_delta == pytest.approx(0.337379, abs=1e-6)
    assert month.p_loss_simulated == pytest.approx(0.343, abs=0.005)
    together = figures(cycle(), risks(0.03, rho=0.5))
    assert together.p_loss_delta == pytest.approx(0.469001, abs=1e-6)
    assert together.p_loss_simulated == pytest.approx(0.469, abs=0.006)


def test_mean_spread_and_shortfall_of_the_worked_example():
    """Per YT: mean, standard deviation, and the mean of the worst 5 %."""
    trade = cycle()
    mean, sd, _ = delta_method(trade, risks(0.03))
    held = trade.position.yt
    assert (mean / held, sd / held) == pytest.approx((0.000425, 0.005074), abs=1e-6)
    outcomes = Outcomes(trade.pnl(draw_scenario(risks(0.03), Draws(7), COUNT)))
    assert shortfall(outcomes) / held == pytest.approx(0.010366, abs=2e-4)


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c["id"]) for c in GOLDEN if c["kind"] == "cycle_loss_probability"]
)
def test_reference_probabilities(case):
    """The reference charges the entry fee apart from the loan; with its own terms the figures are equal."""
    given_, expected = case["in"], case["expect"]
    trade = ReferenceCycle(given_)
    what = Risks(
        factors=(
            Factor(name="settled_apy", mean=given_["forecast_mean"], sd=given_["forecast_sd"]),
            Factor(name="exit_implied", mean=given_["implied0"], sd=given_["exit_implied_sd"]),
        )
    )
    found = figures(trade, what)
    assert found.mean_at_means == pytest.approx(expected["mean_pnl_per_yt"], rel=1e-8)
    assert found.sd == pytest.approx(expected["sd_pnl_per_yt"], rel=1e-8)
    assert found.p_loss_delta == pytest.approx(expected["p_loss_delta_method"], rel=1e-8)
    assert found.p_loss_simulated == pytest.approx(expected["p_loss_simulated"], abs=0.005)
    # paying the entry fee from the loan instead moves the probability by less than the fee of a fee
    ours = delta_method(cycle(), what)
    assert normal_below(0.0, *ours[:2]) == pytest.approx(expected["p_loss_delta_method"], abs=2e-5)


class ReferenceCycle:
    """Profit per YT, ``G*PT0 - PT1 - fee*(p0 + p1)``, as the reference writes it."""

    def __init__(self, terms):
        self.t, self.tau = terms["days"] / 365, terms["tau0"]
        self.pt0 = (1 + terms["implied0"]) ** -self.tau
        # its fee on the exit is taken at the mean exit price
        self.fees = terms["fee"] * (2 - self.pt0 - (1 + terms["implied0"]) ** -(self.tau - self.t))

    def pnl(self, scenario):
        """Profit of one YT."""
        later = (1 + scenario.exit_implied) ** -(self.tau - self.t)
        return (1 + scenario.settled_apy) ** self.t * self.pt0 - later - self.fees

    def gradient(self, scenario):
        """Its exact derivatives."""
        left = self.tau - self.t
        return {
            "settled_apy": self.pt0 * self.t * (1 + scenario.settled_apy) ** (self.t - 1),
            "exit_implied": left * (1 + scenario.exit_implied) ** (-left - 1),
        }


def test_shortfall_factor_is_the_stated_one():
    """Mean of the worst 5 % of a standard normal: 2.062713."""
    assert pytest.approx(2.062713, abs=1e-6) == ES_FACTOR
    assert normal_shortfall(1.0, 2.0) == pytest.approx(2 * 2.062713 - 1, abs=1e-5)
    assert normal_shortfall(5.0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("ltv", "vol", "days", "expected"),
    [
        (0.6, 0.25, 30, 0.0000499),
        (0.6, 0.40, 30, 0.012339),
        (0.6, 0.40, 90, 0.150184),
        (0.65, 0.40, 90, 0.299699),
    ],
)
def test_first_passage_of_the_worked_example(ltv, vol, days, expected):
    """A loan that drifts at 15 % less 8 % to a limit of 0.80."""
    t = days / 365
    found = first_passage(math.log(0.8 / ltv), (0.15 - 0.08 - vol * vol / 2) * t, vol * math.sqrt(t))
    assert found == pytest.approx(expected, abs=1e-6)


@given(st.floats(0.01, 3.0), st.floats(-3.0, 3.0), st.floats(0.001, 3.0))
def test_first_passage_is_a_probability_no_smaller_than_ending_beyond(distance, drift, spread):
    """To end past the barrier one must have crossed it."""
    found = first_passage(distance, drift, spread)
    assert normal_below(0.0, distance + drift, spread) <= found + 1e-15
    assert found <= 1.0


def test_first_passage_without_spread_is_a_straight_line():
    """A sure path crosses or does not."""
    assert first_passage(1.0, -0.9, 0.0) == 0.0
    assert first_passage(1.0, -1.0, 0.0) == 1.0
    assert first_passage(0.0, 1.0, 1.0) == 1.0


def test_bridge_test_finds_what_finely_stepped_paths_find():
    """A seven-step bridge test to a moving barrier agrees with 700 small steps."""
    count, coarse, fine = 20_000, 7, 100
    rng = np.random.default_rng(3)
    walk = np.vstack(
        [np.zeros((1, count)), np.cumsum(rng.standard_normal((coarse * fine, count)), axis=0) / 10]
    )
    start = np.linspace(3.0, 4.0, coarse + 1)
    # small steps see a barrier 0.5826 of a step nearer as unwatched time does (Broadie, Glasserman, Kou)
    near = np.interp(np.arange(coarse * fine + 1) / fine, np.arange(coarse + 1), start)[:, None] + walk
    hit = (near <= 0.5826 / 10).any(axis=0).mean()
    days, part = walk[::fine], np.arange(coarse + 1) / coarse
    bridges = days - part[:, None] * days[-1]
    odds = crossing_odds(start, part, days[-1], Bridge(bridges, bridges.min(axis=0)))
    assert odds.mean() == pytest.approx(hit, abs=0.01)
    assert ((odds >= 0) & (odds <= 1)).all()
    assert (odds[(start[:, None] + days <= 0).any(axis=0)] == 1.0).all()


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=200), st.floats(0, 1), st.floats(-200, -1))
def test_shortfall_equals_a_weighing_one_by_one(pnl, odds, liquidated):
    """The worst twentieth, filled outcome by outcome from the bottom."""
    weighed = sorted([(p, 1 - odds) for p in pnl] + [(liquidated, odds)] * len(pnl))
    left, total = 0.05 * len(pnl), 0.0
    for value, weight in weighed:
        taken = min(weight, left)
        total, left = total + taken * value, left - taken
    found = shortfall(Outcomes(np.array(pnl), np.full(len(pnl), odds), liquidated))
    assert found == pytest.approx(max(0.0, -total / (0.05 * len(pnl))), abs=1e-9)


def test_liquidations_are_losses():
    """A path that is liquidated one time in four pays the liquidation then."""
    outcomes = Outcomes(np.array([1.0, 1.0, 1.0, -2.0]), np.array([0.25, 0.0, 0.0, 0.5]), -10.0)
    assert share_below(outcomes, 0.0) == pytest.approx((0.25 + 1.0) / 4)
    assert share_below(outcomes, -5.0) == pytest.approx(0.75 / 4)
    assert outcomes.less(1.0).liquidated == -11.0


def test_likely_liquidation_makes_the_simulation_the_headline():
    """Above the limit on liquidation every headline figure comes from the simulated paths."""
    trade = cycle()
    drawn = trade.pnl(draw_scenario(risks(0.01), Draws(7), COUNT))
    outcomes = Outcomes(drawn, np.full(COUNT, 0.01), -1.0)
    found = probability_of_loss(trade, risks(0.01), outcomes, simulation_gap=0.02, liquidation_gap=0.001)
    assert found.nonlinear
    assert found.p_loss == found.p_loss_simulated
    assert found.p_liquidation == pytest.approx(0.01)
    assert found.mean_at_means + found.mean_shift == pytest.approx(0.99 * drawn.mean() - 0.01)
    assert found.es5 == pytest.approx(shortfall(outcomes))


def test_skewed_forecasts_make_the_simulation_the_headline():
    """Where the forecast is far from normal the methods differ, and the simulated figures stand."""
    # one time in ten the yield is ten times as high: the mean is above what usually settles
    samples = np.where(np.arange(1_000) % 10 == 0, 2.0, 0.2)
    what = Risks(
        factors=(
            Factor(name="settled_apy", mean=float(samples.mean()), sd=float(samples.std()), samples=samples),
            Factor(name="exit_implied", mean=0.30, sd=0.0),
        )
    )
    found = figures(cycle(), what)
    assert found.nonlinear
    assert found.p_loss == found.p_loss_simulated == pytest.approx(0.9)
    assert abs(found.p_loss_delta - 0.9) > 0.02
    mean = 0.9 * cycle().pnl(Scenario(settled_apy=0.2, exit_implied=0.3))
    mean += 0.1 * cycle().pnl(Scenario(settled_apy=2.0, exit_implied=0.3))
    assert found.mean_at_means + found.mean_shift == pytest.approx(mean)
    assert found.es5 == pytest.approx(-cycle().pnl(Scenario(settled_apy=0.2, exit_implied=0.3)))


def test_flat_costs_move_every_outcome():
    """A cost in money lowers the mean by itself and raises the probability of loss."""
    trade, what = cycle(), risks(0.01)
    free, dear = figures(trade, what), figures(trade, what, flat_costs=0.05)
    assert free.mean_at_means - dear.mean_at_means == pytest.approx(0.05)
    assert dear.es5 - free.es5 == pytest.approx(0.05)
    mean, sd, _ = delta_method(trade, what)
    assert dear.p_loss_delta == pytest.approx(normal_below(0.05, mean, sd))


def test_an_exact_form_replaces_the_delta_method():
    """Where a closed form is known, probability of loss and of missing the hurdle come from it."""
    found = figures(
        cycle(), risks(0.0), exact=lambda threshold: 0.3 if threshold == 0 else 0.31, hurdle_pnl=0.1
    )
    assert (found.p_loss, found.p_below_hurdle) == (0.3, 0.31)


def test_draws_are_common_antithetic_and_independent_of_order():
    """The same factor gives the same numbers whoever asks first; their mean is zero."""
    first, second = Draws(3), Draws(3)
    second.normal("borrow_apy", 100)
    second.bridge(100, 7, 1)
    drawn = first.normal("exit_implied", 100)
    assert (drawn == second.normal("exit_implied", 100)).all()
    assert drawn.mean() == pytest.approx(0.0, abs=1e-15)
    assert (drawn[:50] == -drawn[50:]).all()
    assert not (drawn == Draws(4).normal("exit_implied", 100)).any()
    up, down = first.bridge(100, 7, 1), first.bridge(100, 7, -1)
    assert (up.paths == -down.paths).all()
    assert up.paths[[0, -1]] == pytest.approx(np.zeros((2, 100)), abs=1e-12)


def test_drawn_factors_have_their_mean_spread_and_correlation():
    """Samples are repeated in order, rates never fall below their floor, prices keep their mean."""
    samples = np.array([0.2, 0.3, 0.4])
    what = Risks(
        factors=(
            Factor(name="settled_apy", mean=0.3, sd=float(samples.std()), samples=samples),
            Factor(name="exit_implied", mean=0.3, sd=0.05, floor=0.0),
            Factor(name="borrow_apy", mean=0.01, sd=0.05, floor=0.0),
            Factor(name="underlying_ratio", mean=1.0, sd=0.3, shape="lognormal"),
        ),
        rho=0.8,
    )
    drawn = draw_scenario(what, Draws(1), 30_000)
    assert drawn.settled_apy[:4].tolist() == [0.2, 0.3, 0.4, 0.2]
    correlation = np.corrcoef(drawn.settled_apy, drawn.exit_implied)[0, 1]
    assert (drawn.exit_implied.std(), correlation) == pytest.approx((0.05, 0.8), abs=0.01)
    assert drawn.borrow_apy.min() == 0.0
    assert (drawn.underlying_ratio.mean(), drawn.underlying_ratio.std()) == pytest.approx(
        (1.0, 0.3), abs=0.01
    )
    assert drawn.underlying_ratio.min() > 0


def test_certain_outcomes_lose_surely_or_never():
    """Without spread the probability is 0 or 1."""
    sure = Risks(
        factors=(Factor(name="settled_apy", mean=0.34, sd=0.0), Factor(name="exit_implied", mean=0.3, sd=0))
    )
    found = figures(cycle(), sure)
    assert (found.p_loss, found.p_loss_simulated, found.p_loss_no_mark, found.es5) == (0.0, 0.0, 0.0, 0.0)
    assert draw_scenario(sure, Draws(1), 3) is not None
    assert normal_below(0.0, -1.0, 0.0) == 1.0


@pytest.mark.parametrize(
    "build",
    [
        lambda: ExitYield(mean=math.nan, sd=0.1),
        lambda: ExitYield(mean=0.1, sd=-0.1),
        lambda: ExitYield(mean=-1.0, sd=0.1),
        lambda: ExitYield(mean=0.1, sd=0.1, rho=1.5),
        lambda: BorrowForecast(mean_apy=-0.01, sd_apy=0.0),
        lambda: BorrowForecast(mean_apy=0.1, sd_apy=math.nan),
        lambda: PriceRisk(vol=-0.1),
        lambda: Costs(swap=1.0),
        lambda: Costs(gas_usd=-1.0),
        lambda: Costs(flash_fee=True),
    ],
)
def test_impossible_inputs_are_refused(build):
    """Negative spreads and costs, and what is not a number, are refused where they are stated."""
    with pytest.raises(DomainError):
        build()


def test_a_scenario_holds_what_does_not_change():
    """By default nothing happens to the underlying and a PT redeems in full."""
    assert (Scenario().underlying_ratio, Scenario().redemption_factor) == (1.0, 1.0)


def test_watched_at_moments_a_path_is_caught_only_where_it_stands_past_the_barrier():
    """Standing on the barrier is safe at moments, past it is not; without pause both are caught."""
    flat = Bridge(np.zeros((3, 3)), np.zeros(3))
    start = np.array([[1.0, 1.0, 1.0], [0.0, -0.1, 3.0], [1.0, 1.0, np.inf]])
    end, part = np.zeros(3), np.array([0.0, 0.5, 1.0])
    seen = crossing_odds(start, part, end, flat, "discrete")
    assert seen.tolist() == [0.0, 1.0, 0.0]
    always = crossing_odds(start, part, end, flat)
    assert always[:2].tolist() == [1.0, 1.0]
    # the third never comes near: one step from 1 to 3, none towards a barrier at infinity
    assert always[2] == pytest.approx(math.exp(-6.0), rel=1e-12)


def test_one_barrier_for_all_paths_equals_the_same_barrier_for_each():
    """A barrier given once and one repeated for every path give the same odds."""
    bridge = Draws(4).bridge(500, 6, 1)
    end, part = Draws(4).normal("exit_implied", 500) * 2.0, np.arange(7) / 6
    start = np.linspace(2.0, 1.0, 7)
    for how in ("discrete", "continuous"):
        once = crossing_odds(start, part, end, bridge, how)
        each = crossing_odds(np.repeat(start[:, None], 500, axis=1), part, end, bridge, how)
        np.testing.assert_array_equal(once, each)


def test_odds_of_a_bridge_between_two_distances():
    """From 1 to 2 with a spread of 1 the barrier is touched with exp(-4); past it surely, without spread never."""
    found = passage_odds(1.0, np.array([2.0, 0.0, -1.0]), 1.0)
    np.testing.assert_allclose(found, [math.exp(-4.0), 1.0, 1.0], rtol=1e-12)
    assert passage_odds(1.0, np.array([2.0, -1.0]), 0.0).tolist() == [0.0, 1.0]
