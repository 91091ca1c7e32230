"""Rows of creating and redeeming: the worked example through the screen, caps, what is missing, arithmetic."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from yieldtrade.report.screen_report import explanation, to_record
from yieldtrade.strategies.inputs import Costs, Scenario
from yieldtrade.strategies.row import FLAG_WORDS
from yieldtrade.strategies.screen import screen

# Example 19: a premium of 25 bps that falls by 2e-10 a dollar, acquisition at 3 bps.
FALLING = {"premium_impact_per_usd": 2e-10}
COSTS = Costs(swap=3e-4)


def rows(world, size=5e6, **settings):
    """Screen a pool's creations and redemptions."""
    given = {"costs": COSTS, **settings}
    return {row.side: row for row in screen(world.view(), size, strategies=["target_weight"], **given).rows}


def codes(row):
    """Codes of the reasons against a row."""
    return [reason.code for reason in row.reasons]


def texts(row):
    """Reasons in words."""
    return " | ".join(reason.text for reason in row.reasons)


def example(by_hand, **pool):
    """The pool of example 19."""
    return by_hand.pool(premium=25e-4, pool={**FALLING, **pool})


def test_the_worked_example(by_hand):
    """Best size 3,566,108 with a profit of 2,541.4597 and a fee of 7.727273 bps; naive 15 bps; the edge binds."""
    row = rows(example(by_hand))["create"]
    assert row.best_size_usd == pytest.approx(3_566_108, abs=2)
    assert row.figures["best_profit_usd"] == pytest.approx(2_541.4597, abs=1e-3)
    assert row.figures["pnl_after_flat_costs_usd"] == row.figures["best_profit_usd"]
    assert row.figures["fee_bps"] == pytest.approx(7.727273, abs=1e-6)
    assert row.figures["naive_edge"] == pytest.approx(15e-4, rel=1e-9)
    assert row.binding == "edge"
    assert row.break_evens["premium"].status == "value"


def test_the_aum_limit_of_the_worked_example_binds(by_hand):
    """With 2M of headroom the profit is 2,051.30, and the limit is named with its dollars."""
    row = rows(example(by_hand, aum_limit_usd=1_002e6))["create"]
    assert (row.best_size_usd, row.max_size_usd, row.binding) == (2e6, 2e6, "aum_limit")
    assert row.figures["best_profit_usd"] == pytest.approx(2_051.30, abs=5e-3)
    assert row.figures["cap_aum_limit_usd"] == 2e6


def test_the_users_size_is_traded_where_it_is_smaller(by_hand):
    """A million of capital creates a million, at the profit of that size."""
    row = rows(example(by_hand), size=1e6)["create"]
    profit = 1e6 * ((1 - 7.727272727e-4) * (1 + 25e-4 - 2e-4) - (1 + 3e-4))
    assert row.figures["size_traded_usd"] == 1e6
    assert row.figures["pnl_after_flat_costs_usd"] == pytest.approx(profit, abs=1e-4)
    assert row.best_size_usd == pytest.approx(3_566_108, abs=2)


def test_no_room_is_zero_capacity(by_hand):
    """A pool at its limit takes nothing, which is named."""
    row = rows(example(by_hand, aum_limit_usd=1e9))["create"]
    assert codes(row) == ["zero_capacity"]
    assert "aum_limit" in texts(row)
    assert (row.best_size_usd, row.binding) == (0.0, "aum_limit")


def test_no_premium_and_no_gap_give_no_discount(by_hand):
    """Redeeming at a premium and swapping through the pool lose; the number that failed stands beside 0."""
    found = rows(example(by_hand))
    for side, edge in (("redeem", -35e-4), ("create_and_redeem", -20e-4)):
        (reason,) = found[side].reasons
        assert (reason.code, reason.threshold) == ("no_positive_discount", 0.0)
        assert reason.number == pytest.approx(edge, rel=1e-9)
        assert found[side].best_size_usd == 0.0


def test_a_discount_is_redeemed_for_the_asset_in_excess(by_hand):
    """At a discount of 1 % shares are redeemed for USDC, of which the pool holds more than its target."""
    row = rows(by_hand.pool(premium=-0.01), size=1e6)["redeem"]
    assert row.expected_pnl_usd > 0
    assert "best asset: USDC" in row.notes
    assert row.p_loss == 0.0
    assert [leg.action for leg in row.legs] == ["buy", "redeem", "sell"]


def test_a_gap_of_the_oracles_is_swapped_through_the_pool(by_hand):
    """A stated gap of 1 % pays for both fees; the asset that is lacking goes in."""
    row = rows(by_hand.pool(premium=0.0, pool={"oracle_gap": 0.01}), size=1e6)["create_and_redeem"]
    assert row.expected_pnl_usd > 0
    assert "best asset: SOL for USDC" in row.notes
    assert row.figures["naive_edge"] == pytest.approx(0.01 - 20e-4)


def test_gas_that_takes_all_is_told_apart(by_hand):
    """A profit before gas only is an edge lost to costs."""
    row = rows(example(by_hand), costs=Costs(swap=3e-4, gas_usd=1e4))["create"]
    assert codes(row) == ["no_edge_after_costs"]


@pytest.mark.parametrize("delay", [60.0, 3_600.0])
def test_probability_of_loss_over_the_delay(by_hand, delay):
    """The share's price moves by 40 % a year for the delay before it is sold; a minute by default."""
    settings = {} if delay == 60.0 else {"execution_delay_seconds": delay}
    row = rows(example(by_hand), size=1e6, simulation_gap=1.0, **settings)["create"]
    sold = 1e6 * (1 - 7.727272727e-4) * (1 + 23e-4)
    profit = sold - 1e6 * (1 + 3e-4)
    spread = sold * 0.40 * math.sqrt(delay / (365 * 86_400))
    assert row.p_loss == pytest.approx(NormalDist().cdf(-profit / spread), abs=1e-6)


def test_the_profit_follows_the_price_of_what_is_sold(by_hand):
    """The gradient is the slope of the profit, and the row is priced again at another price."""
    trade = rows(example(by_hand))["create"].trade
    fallen, risen = (trade.pnl(Scenario(underlying_ratio=ratio)) for ratio in (0.9, 1.1))
    assert trade.gradient(Scenario())["underlying_ratio"] == pytest.approx((risen - fallen) / 0.2, rel=1e-9)


def test_without_custodies_every_direction_says_what_to_load(by_hand):
    """The state of the custodies is missing, by the name of the table."""
    world = example(by_hand)
    world.facts.holdings = ()
    for row in rows(world).values():
        assert "missing_input" in codes(row)
        assert "custody_state" in texts(row)


def test_an_approximate_state_is_not_enough(by_hand):
    """An AUM with weights makes a picture of the pool, but its fees and limits are not those of its custodies."""
    world = example(by_hand)
    world.facts.holdings = ()
    world.price("aum_usd", [1e9])
    world.price("sol_weight", [0.42])
    world.price("usdc_weight", [0.58])
    assert "no custody state of JLP" in texts(rows(world)["create_and_redeem"])


def test_a_missing_premium_is_named(by_hand):
    """Without a market price nothing says what shares sell at; a swap through the pool needs none."""
    world = example(by_hand)
    del world.facts.prices["jlp_price_usd"]
    found = rows(world)
    for side in ("create", "redeem"):
        assert "premium of JLP is not known" in texts(found[side])
    assert codes(found["create_and_redeem"]) == ["no_positive_discount"]


@pytest.mark.parametrize("name", ["swap.add_remove_bps", "swap.tax_bps"])
def test_a_missing_fee_is_named(by_hand, name):
    """A fee that nobody has published rejects the row by its name."""
    world = by_hand.pool(premium=25e-4, without=(name,))
    row = rows(world)["create"]
    assert codes(row) == ["missing_input"]
    assert name in texts(row)


@pytest.mark.parametrize("premium", [25e-4, -0.012])
def test_every_line_evaluates_and_every_flag_has_words(by_hand, premium):
    """Printed numbers give the stored figures, parts add up, and a row can be explained and priced again."""
    world = by_hand.pool(premium=premium, pool={**FALLING, "oracle_gap": 0.005})
    priced = 0
    for row in rows(world, size=123_456.7, costs=Costs(swap=2e-4, gas_usd=3.0)).values():
        for line in row.explain:
            assert eval(line.numbers, {"__builtins__": {}}, vars(math)) == line.result, line  # noqa: S307 - own arithmetic
            assert row.figures.get(line.name, getattr(row, line.name, line.result)) == line.result, line
        assert set(row.flags) <= set(FLAG_WORDS)
        assert to_record(row)["trade"].startswith("JLP")
        assert any(row.row_id in line for line in explanation(row))
        if row.trade is not None:
            pnl = next(line.result for line in row.explain if line.name == "pnl")
            assert math.fsum(row.decomposition.values()) == pytest.approx(pnl, abs=1e-7)
            assert row.trade.pnl(row.scenario) - row.flat_costs_usd == pnl
            priced += 1
    assert priced == 2
