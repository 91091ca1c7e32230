"""Every row of pdlp.md 13 that concerns the simulator: refused with the argument and its value."""

import math

import pytest
from simulator_cases import FREE, discounted, jump, opening, quiet

from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.simulator import (
    BasketRedemption,
    CloseOrder,
    Deposit,
    Period,
    Positions,
    Redemption,
    SimulatorParameters,
    SimulatorState,
    step,
)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prices": [1, math.nan]}, r"prices\[1\] = nan is not a finite number"),
        ({"prices": [1, math.inf]}, r"prices\[1\] = inf is not a finite number"),
        ({"prices": [1, 0]}, r"prices\[1\] = 0\.0 must be above 0"),
        ({"prices": [1, -5]}, r"prices\[1\] = -5\.0 must be above 0"),
        ({"prices": [1, 2, 3]}, r"prices has shape \(3,\): the pool has 2 assets"),
        ({"prices": [[1, 2]]}, r"prices has shape \(1, 2\): one row"),
        ({"prices": [1, True]}, "prices holds bool values"),
        ({"prices": [2, 100]}, r"prices\[0\] = 2\.0: the numeraire has price 1"),
        ({"reserves": [-1, 10]}, r"reserves\[0\] = -1\.0 must be 0 or more"),
        ({"reserves": [math.nan, 10]}, r"reserves\[0\] = nan"),
        ({"reserves": [1000, 4]}, r"reserves\[1\] = 4\.0: 5\.0 are locked"),
        ({"reserves": [90, 10]}, r"reserves\[0\] = 90\.0: 100\.0 are locked"),
        ({"shares": -1}, r"shares = -1\.0 must be 0 or more"),
        ({"shares": 0}, r"shares = 0\.0 with reserves \[1000\.0, 10\.0\]"),
        ({"shares": [1, 2]}, "shares = .*: one number is required"),
        ({"protocol_usd": -1}, r"protocol_usd = -1\.0 must be 0 or more"),
        ({"numeraire": 2}, "numeraire = 2: the pool has 2 assets"),
        ({"numeraire": -1}, "numeraire = -1 must be 0 or more"),
        ({"numeraire": 0.5}, "numeraire holds float64 values: whole numbers"),
        ({"t": -1}, "t = -1 must be 0 or more"),
    ],
)
def test_bad_states_are_refused(fields, message):
    """The message names the argument and its value."""
    positions = Positions(
        ids=[1, 2], asset=[1, 1], side=[1, -1], size=[5, 1], collateral=[200, 50], entry=[100, 100]
    )
    with pytest.raises(DomainError, match=message):
        quiet(**{"positions": positions} | fields)


def test_shares_of_an_empty_pool_are_refused():
    """Shares of nothing have no price."""
    with pytest.raises(DomainError, match=r"shares = 5\.0 with reserves \[0\.0, 0\.0\]"):
        SimulatorState(prices=[1, 2], reserves=[0, 0], shares=5)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"ids": [4, 4]}, "ids: 4 is there twice"),
        ({"ids": [1.0, 2.0]}, "ids holds float64 values: whole numbers are required"),
        ({"ids": [[1, 2]]}, r"ids has shape \(1, 2\)"),
        ({"ids": [1, 2, 3]}, "columns of positions differ in length: .*'ids': 3"),
        ({"asset": [1, True]}, "asset holds bool values"),
        ({"side": [1, 0]}, r"side\[1\] = 0\.0 must be 1 \(long\) or -1 \(short\)"),
        ({"size": [1, 0]}, r"size\[1\] = 0\.0 must be above 0"),
        ({"size": [math.inf, 1]}, r"size\[0\] = inf"),
        ({"collateral": [-1, 1]}, r"collateral\[0\] = -1\.0 must be 0 or more"),
        ({"entry": [1, 0]}, r"entry\[1\] = 0\.0 must be above 0"),
    ],
)
def test_bad_positions_are_refused(columns, message):
    """The message names the column, the row and the value."""
    good = {
        "ids": [1, 2],
        "asset": [1, 1],
        "side": [1, -1],
        "size": [1, 1],
        "collateral": [1, 1],
        "entry": [1, 1],
    }
    with pytest.raises(DomainError, match=message):
        Positions(**good | columns)


@pytest.mark.parametrize(
    ("asset", "message"),
    [
        (0, r"positions\.asset\[0\] = 0 is the numeraire: it has no market"),
        (2, r"positions\.asset\[0\] = 2: the pool has 2 assets"),
        (-1, r"positions\.asset\[0\] = -1: the pool has 2 assets"),
    ],
)
def test_positions_in_no_market_are_refused(asset, message):
    """A position is in an asset of the pool other than the numeraire."""
    positions = Positions(ids=[1], asset=[asset], side=[1], size=[1], collateral=[1], entry=[1])
    with pytest.raises(DomainError, match=message):
        quiet(positions=positions)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"kappa": -1}, DomainError, r"kappa = -1\.0 must be 0 or more"),
        ({"fee": 1}, DomainError, r"fee = 1\.0 must be 0 or more and below 1"),
        ({"fee": -0.1}, DomainError, r"fee = -0\.1 must be"),
        ({"fee": [0.1, math.nan]}, DomainError, r"fee\[1\] = nan"),
        ({"pool_share": 1}, DomainError, r"pool_share = 1\.0 must be 0 or more and below 1"),
        ({"pool_share": -0.5}, DomainError, r"pool_share = -0\.5"),
        ({"pool_share": [0.5, 0.5]}, DomainError, "pool_share = .*: one number is required"),
        ({"maintenance": 1}, DomainError, r"maintenance = 1\.0"),
        ({"order": "late"}, DomainError, "order = 'late': allowed are 'paper', 'appendix'"),
        ({"fee_base": "mark"}, DomainError, "fee_base = 'mark': allowed are 'entry', 'current'"),
        ({"max_leverage": 0}, DomainError, r"max_leverage = 0\.0 must be above 0"),
        ({"aum_limit_usd": 0}, DomainError, r"aum_limit_usd = 0\.0 must be above 0"),
        ({"first_share_price": 0}, DomainError, r"first_share_price = 0\.0 must be above 0"),
        ({"weight_failsafe": -1}, DomainError, r"weight_failsafe = -1\.0 must be 0 or more"),
        ({"weight_failsafe": 0.2}, MarketDefinitionError, "weight_failsafe needs target_weights"),
        ({"discount": jump}, MarketDefinitionError, "discount needs target_weights"),
        ({"target_weights": [0.5, 0.6]}, MarketDefinitionError, r"target weights sum to 1\.1, not 1"),
        ({"target_weights": [1.5, -0.5]}, MarketDefinitionError, "target weights must be 0 or more"),
    ],
)
def test_bad_rules_are_refused(fields, error, message):
    """The message names the rule and its value."""
    with pytest.raises(error, match=message):
        SimulatorParameters(**{"kappa": 0, "fee": 0, "pool_share": 0} | fields)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Deposit(amounts=[-1, 0]), r"amounts\[0\] = -1\.0 must be 0 or more"),
        (lambda: Deposit(amounts=3), r"amounts has shape \(\)"),
        (lambda: BasketRedemption(basket=[math.nan, 0]), r"basket\[0\] = nan"),
        (lambda: Redemption(shares=0), r"shares = 0\.0 must be above 0"),
        (lambda: opening(leverage=0), r"leverage = 0\.0 must be above 0"),
        (lambda: opening(size=-1), r"size = -1\.0 must be above 0"),
        (lambda: opening(collateral=0), r"collateral = 0\.0 must be above 0"),
        (lambda: opening(side="flat"), "side = 'flat': allowed are 'long', 'short'"),
        (lambda: opening(id=1.5), "id holds float64 values"),
        (lambda: opening(id=[1]), r"id = \[1\]: one number"),
        (lambda: opening(asset=-1), "asset = -1 must be 0 or more"),
        (lambda: opening(size=[1, 2]), "size = .*: one number is required"),
        (lambda: CloseOrder(id=1, fraction=0), r"fraction = 0\.0 must be in \(0, 1\]"),
        (lambda: CloseOrder(id=1, fraction=1.1), r"fraction = 1\.1 must be in \(0, 1\]"),
        (lambda: Period(prices=[1, -1]), r"prices\[1\] = -1\.0 must be above 0"),
    ],
)
def test_bad_updates_and_orders_are_refused(make, message):
    """The message names the field and its value."""
    with pytest.raises(DomainError, match=message):
        make()


def test_weights_of_a_redemption_are_on_the_simplex():
    """They are shares of its value."""
    with pytest.raises(MarketDefinitionError, match=r"sum to 0\.5, not 1"):
        Redemption(shares=1, weights=[0.25, 0.25])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"oracle": [1, 0]}, r"oracle\[1\] = 0\.0 must be above 0"),
        ({"oracle": [1, math.nan]}, r"oracle\[1\] = nan is not a finite number"),
        ({"oracle": [1]}, r"oracle has shape \(1,\): the pool has 2 assets"),
        ({"oracle": [1.01, 100]}, r"oracle\[0\] = 1\.01: the numeraire has price 1"),
        (
            {"lp_updates": [Deposit(amounts=[1, 2, 3])]},
            r"lp_updates\[0\]\.amounts has shape \(3,\): the pool has 2 assets",
        ),
        (
            {"lp_updates": [Redemption(shares=1, weights=[1])]},
            r"lp_updates\[0\]\.weights has shape \(1,\)",
        ),
        ({"lp_updates": [BasketRedemption(basket=[1])]}, r"lp_updates\[0\]\.basket has shape \(1,\)"),
        ({"lp_updates": ["all"]}, r"lp_updates\[0\] = 'all' is neither a deposit nor a redemption"),
        ({"orders": [opening(asset=0)]}, r"orders\[0\]\.asset = 0 is the numeraire"),
        ({"orders": [opening(asset=5)]}, r"orders\[0\]\.asset = 5: the pool has 2 assets"),
        ({"orders": [7]}, r"orders\[0\] = 7 is neither an open nor a close"),
        (
            {"params": SimulatorParameters(kappa=[0, 0, 0], fee=0, pool_share=0)},
            r"kappa has shape \(3,\): the pool has 2 assets",
        ),
        (
            {"params": SimulatorParameters(kappa=0, fee=0, pool_share=0, target_weights=[1.0])},
            r"target_weights has shape \(1,\): the pool has 2 assets",
        ),
    ],
)
def test_what_does_not_match_the_state_is_refused(given, message):
    """Such input is a mistake in the schedule, not an update that bad luck made invalid."""
    arguments = {"oracle": [1, 100], "lp_updates": (), "orders": (), "params": FREE} | given
    with pytest.raises(DomainError, match=message):
        step(quiet(), *arguments.values())


@pytest.mark.parametrize(
    ("value", "message"), [(-1.0, r"discount = -1\.0 must be above -1"), (math.nan, "nan")]
)
def test_a_discount_out_of_its_domain_is_refused(value, message):
    """F <= -1 or none at all is a fault of the rules, not of the deposit."""
    params = discounted(lambda p, target, R, D: value)
    with pytest.raises(DomainError, match=message):
        step(quiet(), [1, 100], [Deposit(amounts=[1, 0])], (), params)


def test_values_too_large_to_represent_are_refused():
    """An overflow is named, never carried on as infinity."""
    with pytest.raises(DomainError, match="overflows"):
        step(quiet(), [1, 1e308], (), (), FREE)
    positions = Positions(
        ids=[1, 2], asset=[1, 1], side=[1, -1], size=[5, 1e-320], collateral=[200, 50], entry=[100, 100]
    )
    with pytest.raises(DomainError, match="in step 1: too large to represent"):
        step(quiet(positions=positions), [1, 100], (), (), SimulatorParameters(kappa=1, fee=0, pool_share=0))
