"""Oracles: printed weekly reports (golden), scipy's regression, hedge_portfolio.md 19, hand derivations."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jlp_states import at_prices, fixture_pool, pools
from scipy.stats import linregress

from yieldtrade.errors import DomainError, MissingDataError, UnknownNameError
from yieldtrade.pool.attribution import (
    basket_return,
    behavioural_gamma,
    hedge_gamma_loss,
    jlp_return_attribution,
    relative_performance,
    round_trip_loss,
    weekly_decomposition,
)
from yieldtrade.pool.composition import virtual_price
from yieldtrade.pool.state import PoolState

GOLDEN = Path(__file__).parent.parent / "golden"
WEEKS = json.loads((GOLDEN / "weekly_basket.json").read_text())["cases"]


def fractions(percents):
    """Return figures printed in percent as fractions."""
    return {asset: value / 100 for asset, value in percents.items()}


@pytest.mark.parametrize("case", WEEKS, ids=lambda case: case["id"])
def test_the_printed_weeks(case):
    """Printed weights and returns give the printed basket and the printed distance of JLP from it."""
    given_, expect = case["in"], case["expect"]
    basket = basket_return(fractions(given_["weights_pct"]), fractions(given_["returns_pct"]))
    assert 100 * basket == pytest.approx(expect["basket_return_pct"], abs=0.006)
    ahead = relative_performance(given_["jlp_return_pct"] / 100, basket)
    assert 100 * ahead == pytest.approx(expect["relative_performance_pct"], abs=0.011)


def test_stablecoins_count_as_unmoved():
    """A stablecoin adds nothing whether its return is given or not; weeks may be arrays."""
    weights = {"SOL": 0.5, "BTC": [0.2, 0.1], "USDC": 0.3}
    returns = {"SOL": [0.1, -0.1], "BTC": 0.05}
    expected = pytest.approx([0.06, -0.045])
    assert basket_return(weights, returns, stables={"USDC"}) == expected
    assert basket_return(weights, {**returns, "USDC": 0.5}, stables={"USDC", "USDT"}) == expected
    assert basket_return({"USDC": 1.0}, {}, stables={"USDC"}) == 0


@pytest.mark.parametrize(
    ("weights", "returns", "error", "message"),
    [
        ({"SOL": 0.5, "BTC": 0.5}, {"SOL": 0.1}, MissingDataError, "missing for BTC"),
        ({"SOL": 0.5}, {"SOL": 0.1, "ETH": 0.2}, MissingDataError, "missing for ETH"),
        ({"SOL": -0.5}, {"SOL": 0.1}, DomainError, r"weight of SOL = -0\.5 must be 0 or more"),
        ({"SOL": 0.5}, {"SOL": [0.1, -1.5]}, DomainError, r"return of SOL\[1\] = -1\.5 must be -1 or more"),
        ({"SOL": math.nan}, {"SOL": 0.1}, DomainError, "weight of SOL = nan is not a finite number"),
        ({"SOL": [0.5, 0.5]}, {"SOL": [0.1, 0.1, 0.1]}, DomainError, "shapes do not broadcast"),
        ({}, {}, DomainError, "at least one asset"),
    ],
)
def test_a_basket_with_holes_is_refused(weights, returns, error, message):
    """A weight without a return, a return without a weight and impossible numbers are refused by name."""
    with pytest.raises(error, match=message):
        basket_return(weights, returns)


@given(pools(), st.floats(0.9, 1.1), st.floats(0.9, 1.1))
def test_frozen_positions_leave_no_residual(pool, sol, btc):
    """With nothing but coin prices moved the price leg is the whole return, coin by coin."""
    prices = {"SOL": sol * pool.custody("SOL").price, "BTC": btc * pool.custody("BTC").price}
    found = jlp_return_attribution(pool, at_prices(pool, **prices))
    assert found.price == pytest.approx(found.total, abs=1e-10)
    assert found.residual == pytest.approx(0, abs=1e-10)
    assert found.price == pytest.approx(math.fsum(found.by_asset.values()), abs=1e-14)
    assert found.fees is None


def test_an_attribution_by_hand():
    """SOL up 10 % adds 8,000/180,000; 900 USD of fees, longs that took 40 SOL of the rise, and a new premium.

    The state after holds 900 USDC more and 40 SOL more locked at a guaranteed 4,000 USD entered at 100, so
    the AUM is 188,000 - 40*10 + 900 = 188,500 over 45,000 shares.
    """
    after = fixture_pool(price=110, locked=340, guaranteed_usd=31_000, usdc={"owned": 80_900, "debt": 5_000})
    found = jlp_return_attribution(
        fixture_pool(), after, fees_usd=900, premium_before=0.02, premium_after=0.0
    )
    own = 188_500 / 180_000 - 1
    assert found.price == pytest.approx(8 / 180)
    assert dict(found.by_asset) == {"SOL": pytest.approx(8 / 180)}
    assert found.fees == pytest.approx(900 / 180_000)
    assert found.residual == pytest.approx(-400 / 180_000)
    assert found.total == pytest.approx((1 + own) / 1.02 - 1)
    assert found.price + found.fees + found.premium + found.residual == pytest.approx(found.total, abs=1e-15)


def test_fees_are_shared_among_the_mean_supply():
    """When the supply doubles half way through, a share gets its part of 67,500 shares."""
    doubled = replace(
        fixture_pool(
            owned=2_000, locked=600, guaranteed_usd=54_000, short_sizes_usd=24_000, usdc={"owned": 165_000}
        ),
        supply=90_000,
    )
    assert virtual_price(doubled) == pytest.approx(4, rel=0.02)
    found = jlp_return_attribution(fixture_pool(), doubled, fees_usd=675)
    assert found.fees == pytest.approx(675 / 67_500 / 4)


def test_arrays_of_states_are_attributed_together():
    """An array of later prices gives an attribution each."""
    prices = np.array([90.0, 100.0, 110.0])
    found = jlp_return_attribution(fixture_pool(), at_prices(fixture_pool(), SOL=prices))
    assert found.total == pytest.approx((prices - 100) * 800 / 180_000, abs=1e-14)
    assert found.residual == pytest.approx(0, abs=1e-14)


def test_what_cannot_be_attributed():
    """No shares, no worth, a coin that vanished, negative fees and a premium of -100 % are refused."""
    pool = fixture_pool()
    with pytest.raises(DomainError, match=r"supply = 0\.0 must be above 0"):
        jlp_return_attribution(replace(pool, supply=0), pool)
    worthless = fixture_pool(owned=0, locked=0, guaranteed_usd=0, usdc={"owned": 0, "debt": 0})
    with pytest.raises(DomainError, match=r"virtual price before = 0\.0 must be above 0"):
        jlp_return_attribution(worthless, pool)
    cash = PoolState(custodies=(pool.custody("USDC"),), supply=45_000)
    with pytest.raises(UnknownNameError, match="SOL"):
        jlp_return_attribution(pool, cash)
    with pytest.raises(DomainError, match=r"fees_usd = -1\.0 must be 0 or more"):
        jlp_return_attribution(pool, pool, fees_usd=-1)
    with pytest.raises(DomainError, match=r"premium_before = -1\.0 must be above -1"):
        jlp_return_attribution(pool, pool, premium_before=-1)
    assert jlp_return_attribution(pool, worthless).total == -1


def test_a_week_by_hand():
    """4.24 % of JLP: 6.61 of assets, 1M of fees and 25M won by traders on 700M, and what is left."""
    week = weekly_decomposition(0.0424, 0.0661, 1e6, 25e6, 700e6)
    assert week.assets == 0.0661
    assert week.fees == pytest.approx(1 / 700)
    assert week.traders == pytest.approx(-25 / 700)
    assert week.residual == pytest.approx(0.0424 - 0.0661 - 1 / 700 + 25 / 700)


returns = st.floats(-0.5, 0.5)


@given(returns, returns, st.floats(0, 1e8), st.floats(-1e8, 1e8), st.floats(1e6, 1e10))
def test_the_parts_of_a_week_add_up(jlp, basket, fees, pnl, worth):
    """Assets, fees, traders and residual are the return; traders who lose add to it."""
    week = weekly_decomposition(jlp, basket, fees, pnl, worth)
    scale = 1 + (fees + abs(pnl)) / worth
    assert week.assets + week.fees + week.traders + week.residual == pytest.approx(jlp, abs=1e-13 * scale)
    assert week.fees >= 0
    assert (week.traders > 0) == (pnl / worth < 0)


def test_weeks_broadcast():
    """Ten weeks with one pool value give ten parts of each kind."""
    weeks = weekly_decomposition([0.01, -0.02], 0.0, [1e6, 2e6], 0.0, 1e9)
    assert weeks.assets.tolist() == [0, 0]
    assert weeks.fees == pytest.approx([0.001, 0.002])
    assert weeks.residual == pytest.approx([0.009, -0.022])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool_usd": 0}, r"pool_usd = 0\.0 must be above 0"),
        ({"pool_usd": [1e9, -1.0]}, r"pool_usd\[1\] = -1\.0 must be above 0"),
        ({"fees_to_pool_usd": -1}, r"fees_to_pool_usd = -1\.0 must be 0 or more"),
        ({"jlp_return": -1.01}, r"jlp_return = -1\.01 must be -1 or more"),
        ({"basket_return": -2}, r"basket_return = -2\.0 must be -1 or more"),
        ({"trader_pnl_usd": math.inf}, "trader_pnl_usd = inf is not a finite number"),
        ({"trader_pnl_usd": True}, "trader_pnl_usd holds bool"),
        ({"jlp_return": "4 %"}, "jlp_return holds str"),
    ],
)
def test_a_week_outside_its_domain_is_refused(changes, message):
    """A pool without value, negative fees and impossible returns are refused by name."""
    week = {
        "jlp_return": 0.01,
        "basket_return": 0.02,
        "fees_to_pool_usd": 1e6,
        "trader_pnl_usd": 0,
        "pool_usd": 1e9,
    }
    with pytest.raises(DomainError, match=message):
        weekly_decomposition(**{**week, **changes})


def wandering(seed, n=60):
    """A price path, and deltas that answer it with noise."""
    rng = np.random.default_rng(seed)
    prices = 190 + np.cumsum(rng.normal(0, 3, n))
    return 0.0075 - 2e-5 * (prices - 190) + rng.normal(0, 1e-5, n), prices


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", ["levels", "changes"])
def test_gamma_is_the_regression_of_scipy(seed, method):
    """Slope, intercept and both standard errors are those of an independent regression."""
    betas, prices = wandering(seed)
    found = behavioural_gamma(betas, prices, method=method)
    steps = method == "changes"
    oracle = linregress(*((np.diff(prices), np.diff(betas)) if steps else (prices - prices[0], betas)))
    assert found.k == pytest.approx(oracle.slope, rel=1e-9)
    assert found.stderr == pytest.approx(oracle.stderr, rel=1e-9)
    assert found.intercept == pytest.approx(oracle.intercept, rel=1e-9, abs=1e-15)
    assert found.intercept_stderr == pytest.approx(oracle.intercept_stderr, rel=1e-9)
    assert (found.n, found.method) == (59 if steps else 60, method)


@pytest.mark.parametrize("method", ["levels", "changes"])
def test_gamma_without_noise_is_exact(method):
    """Deltas on a line return its slope, 0.0075 at the first price (no drift in steps), and no error."""
    prices = np.array([190.0, 200.0, 185.0, 210.0, 190.0])
    found = behavioural_gamma(0.0075 - 2e-5 * (prices - 190), prices, method=method)
    assert found.k == pytest.approx(-2e-5, rel=1e-10)
    assert found.intercept == pytest.approx(0.0075 if method == "levels" else 0.0, abs=1e-15)
    assert found.stderr == pytest.approx(0, abs=1e-15)


def test_gammas_of_several_coins_at_once():
    """Series along the last axis are fitted row by row."""
    rows = [wandering(seed) for seed in range(3)]
    many = behavioural_gamma([betas for betas, _ in rows], [prices for _, prices in rows])
    assert many.k.tolist() == pytest.approx([behavioural_gamma(*row).k for row in rows], rel=1e-12)
    assert many.intercept_stderr.shape == (3,)


@pytest.mark.parametrize(
    ("betas", "prices", "method", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], "levels", "n = 2 observations of levels: 3 or more"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], "changes", "n = 2 observations of changes: 3 or more"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "levels", "give a value a moment in each"),
        (1.0, 2.0, "levels", "give a value a moment in each"),
        ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0], "levels", "without any variation of its levels"),
        ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], "changes", "without any variation of its changes"),
        ([1.0, math.nan, 3.0], [1.0, 2.0, 3.0], "levels", r"beta_series\[1\] = nan is not a finite number"),
        ([1.0, 2.0, 3.0], [1.0, 0.0, 3.0], "levels", r"price_series\[1\] = 0\.0 must be above 0"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], "logs", "method = 'logs': allowed are 'levels', 'changes'"),
    ],
)
def test_series_without_an_answer_are_refused(betas, prices, method, message):
    """Too few or constant observations, holes and unequal lengths are refused."""
    with pytest.raises(DomainError, match=message):
        behavioural_gamma(betas, prices, method=method)


def test_the_hedgers_path():
    """hedge_portfolio.md 19: 200,000 shares, k -2e-5: out 10 USD the hedge loses 200, there and back 0 or 400."""
    shares, k = 200_000, -2e-5
    assert shares * hedge_gamma_loss(k, 10) == pytest.approx(200)
    assert shares * round_trip_loss(k, 10, rebalanced=False) == 0
    assert shares * round_trip_loss(k, 10, rebalanced=True) == pytest.approx(400)
    assert hedge_gamma_loss(k, [-10.0, 10.0]).tolist() == pytest.approx([0.001, 0.001])


@given(st.floats(-1e-3, 1e-3), st.floats(-100, 100))
def test_losses_are_what_the_steps_of_the_path_add_up_to(k, move):
    """Holding b0 + k*x at a distance x, and hedging b0, then b0 or the delta reached, gives the losses stated."""
    b0, steps = 0.0075, 2_000
    path = np.concatenate([np.linspace(0, move, steps), np.linspace(move, 0, steps)])
    middle, dx = (path[1:] + path[:-1]) / 2, np.diff(path)
    share = (b0 + k * middle) * dx
    out = np.arange(len(dx)) < steps
    rebalanced = np.where(out, b0, b0 + k * move)
    scale = 1e-12 * (1 + move**2)
    assert -(share - b0 * dx)[out].sum() == pytest.approx(hedge_gamma_loss(k, move), abs=scale)
    assert -(share - b0 * dx).sum() == pytest.approx(round_trip_loss(k, move, rebalanced=False), abs=scale)
    assert -(share - rebalanced * dx).sum() == pytest.approx(
        round_trip_loss(k, move, rebalanced=True), abs=scale
    )
