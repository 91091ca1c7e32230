"""Rows of spreads between two PT: a hand-made inverted curve, venues that disagree, and what fees leave."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from yieldtrade.amm.states import amm_of
from yieldtrade.report.screen_report import to_record
from yieldtrade.strategies.backtest import backtest
from yieldtrade.strategies.inputs import Costs, Scenario
from yieldtrade.strategies.screen import screen

ONLY = ["calendar_spread"]
DIRECT = {"trading_fee": 0.001, "yield_fee_base": "yt_only", "yield_fee": 0.05}


def evaluated(line):
    """What Python makes of a printed line."""
    return eval(line.numbers, {"__builtins__": {}}, vars(math))  # noqa: S307 - our own arithmetic


def spreads(world, forecast, size=1_000.0, **more):
    """Rows of the spreads alone."""
    return screen(world.view(), size, strategies=ONLY, forecast=forecast, **more).rows


@pytest.fixture
def inverted(world):
    """PT at 40 % for a quarter of a year, and at 8 % for three quarters: the later costs more."""
    world.add_venue("direct", DIRECT)
    world.add("AAA-2606", venue="direct", implied=0.40, days=91.25)
    return world.add("AAA-2612", venue="direct", implied=0.08, days=273.75)


def locked(early, late, fee=0.001, other=None):
    """ST locked in by a PT: the later sold at its price less the fee, the earlier bought at its price and the fee."""
    (y0, t0), (y1, t1) = early, late
    return (1 + y1) ** -t1 * (1 - (fee if other is None else other)) - (1 + y0) ** -t0 * (1 + fee)


EARLY, LATE = (0.40, 0.25), (0.08, 0.75)


def test_an_impossible_forward_locks_in_the_difference_of_the_prices(inverted, forecaster):
    """Where nothing settles, the profit on 1000 ST is what the two prices leave after fees."""
    (row,) = spreads(inverted, forecaster(0.0, 0.0), hurdle=0.0)
    wanted = 1_000 * locked(EARLY, LATE)
    assert row.row_id == "AAA-2606/AAA-2612:calendar_spread-curve"
    assert row.status == "accepted"
    assert row.figures["locked_usd"] == pytest.approx(wanted, rel=1e-12)
    assert row.expected_pnl_usd == pytest.approx(wanted, rel=1e-12)
    assert row.horizon_days == 273.75
    assert row.net_apy_exact == pytest.approx((1 + wanted / 1_000) ** (1 / 0.75) - 1)
    assert row.net_apy_naive == pytest.approx(0.32)
    assert (row.p_loss, row.capital_usd, row.leverage) == (0.0, 1_000.0, 1.0)
    assert row.figures["risk_days"] == pytest.approx(182.5)
    paid, sold = 1.40**-0.25 * 1.001, 1.08**-0.75 * 0.999
    assert row.figures["implied_forward_apy"] == pytest.approx((paid / sold) ** 2 - 1)
    assert sum(row.decomposition.values()) == pytest.approx(wanted, rel=1e-12)
    assert [(leg.action, leg.token) for leg in row.legs] == [
        ("split", "ST"),
        ("sell", "PT-AAA-2612"),
        ("buy", "PT-AAA-2606"),
        ("keep", "YT-AAA-2612"),
        ("redeem", "PT-AAA-2606"),
    ]
    assert to_record(row)["trade"] == "PT curve"


def test_a_yield_that_settles_is_received_between_the_maturities(inverted, forecaster):
    """At 30 % the YT pays for half a year what the PT no longer does, less the venue's part of it."""
    (row,) = spreads(inverted, forecaster(0.30, 0.0))
    whole, redeemed = 1.3**0.75, 1.3**0.5
    wanted = 1_000 * (locked(EARLY, LATE) * whole + 0.95 * (whole - 1) + redeemed - whole)
    assert row.expected_pnl_usd == pytest.approx(wanted, rel=1e-12)
    # the ST itself earns more than the hurdle, which it pays in full and no more
    assert row.risk_adjusted_usd == pytest.approx(wanted, rel=1e-12)
    assert row.hurdle_usd == pytest.approx(1_000 * (1.05**0.75 - 1))


def test_without_a_forecast_what_is_locked_in_stands(inverted):
    """The yield can only add to it, so that none is counted; the hurdle is then charged in full."""
    (row,) = spreads(inverted, None)
    assert row.expected_pnl_usd == pytest.approx(1_000 * locked(EARLY, LATE), rel=1e-12)
    assert row.risk_adjusted_usd == pytest.approx(row.expected_pnl_usd - 1_000 * (1.05**0.75 - 1))


def test_the_probability_of_loss_is_that_of_the_yield_that_settles(inverted, forecaster):
    """It is the share of the forecast's outcomes below the break-even, which has no profit."""
    (row,) = spreads(inverted, forecaster(0.0, 0.10))
    even = row.break_even_settled_apy
    assert float(row.trade.pnl(Scenario(settled_apy=even))) == pytest.approx(0.0, abs=1e-9)
    samples = forecaster(0.0, 0.10)("UND", None, None).samples
    assert row.figures["p_loss_simulated"] == (samples < even).mean()
    assert 0 < row.p_loss < 0.5


def test_a_possible_forward_gets_no_row(world, forecaster):
    """A rising, a flat and a slowly falling curve offer nothing; neither does one contract alone."""
    world.add("AAA-2606", implied=0.20, days=91.25)
    world.add("AAA-2609", implied=0.20, days=182.5)
    world.add("AAA-2612", implied=0.30, days=273.75)
    world.add("AAA-2703", implied=0.28, days=365)
    world.add("BBB-2606", implied=0.90, days=91.25, underlying="OTHER")
    assert spreads(world, forecaster()) == ()


def test_fees_that_eat_the_spread_reject_it_with_the_number(world, forecaster):
    """A twentieth of an ST between the prices does not pay two fees of 6 %."""
    world.add_venue("direct", DIRECT | {"trading_fee": 0.06})
    world.add("AAA-2606", venue="direct", implied=0.40, days=91.25)
    world.add("AAA-2612", venue="direct", implied=0.08, days=273.75)
    (row,) = spreads(world, forecaster(0.0, 0.0))
    wanted = locked(EARLY, LATE, 0.06)
    assert wanted < 0 < locked(EARLY, LATE, 0.0)
    found = {reason.code: reason.number for reason in row.reasons}
    assert found["no_edge_after_costs"] == pytest.approx(wanted, rel=1e-12)
    assert row.status == "rejected"


def test_missing_fees_are_named(world, forecaster):
    """Without the trading fees of a side the row says which are wanted."""
    world.add_venue("direct", {"yield_fee_base": "none"})
    world.add("AAA-2606", venue="direct", implied=0.40, days=91.25)
    world.add("AAA-2612", venue="direct", implied=0.08, days=273.75)
    (row,) = spreads(world, forecaster(0.0, 0.0))
    (reason,) = row.reasons
    assert (reason.code, "`--set direct.trading_fee=VALUE`" in reason.text) == ("missing_input", True)
    assert row.expected_pnl_usd is None
    assert row.figures["spot_gap"] == pytest.approx(locked(EARLY, LATE, 0.0))


@pytest.mark.parametrize("side", ["AAA-2606", "AAA-2612"])
@pytest.mark.parametrize(
    ("age", "liquidity", "code"), [(9.0, 1e6, "stale_data"), (0.1, 9e3, "zero_capacity")]
)
def test_an_old_or_empty_quote_on_either_side_rejects(world, forecaster, side, age, liquidity, code):
    """The inversion is then one of moments, or of a price that nobody can trade at."""
    world.add_venue("direct", DIRECT)
    for name, implied, days in (("AAA-2606", 0.40, 91.25), ("AAA-2612", 0.08, 273.75)):
        bad = {"age_days": age, "liquidity": liquidity} if name == side else {}
        world.add(name, venue="direct", implied=implied, days=days, **bad)
    (row,) = spreads(world, forecaster(0.0, 0.0), hurdle=0.0)
    assert [reason.code for reason in row.reasons] == [code]
    assert side in row.reasons[0].text


def test_an_undated_quote_rejects(inverted, forecaster):
    """A figure of which nobody knows the moment proves no inversion."""
    quotes = inverted.facts.quotes
    quotes[:] = [quote._replace(kind="undated") if "2606" in quote.contract_id else quote for quote in quotes]
    (row,) = spreads(inverted, forecaster(0.0, 0.0), hurdle=0.0)
    assert [reason.code for reason in row.reasons] == ["stale_data"]
    assert "undated_quote" in row.flags


def test_two_venues_of_one_maturity(world, forecaster):
    """PT bought where they yield 30 % and minted where 20 %; a swap each way is lost on the move and by the capital."""
    world.add_venue("one", {**DIRECT, "yield_fee_base": "none"})
    world.add_venue("two", {**DIRECT, "trading_fee": 0.002, "yield_fee_base": "none"})
    world.add("ONE-2606", venue="one", implied=0.20, days=91.25)
    world.add("TWO-2606", venue="two", implied=0.30, days=91.25)
    (row,) = spreads(world, forecaster(0.10, 0.05))
    gap = locked((0.30, 0.25), (0.20, 0.25), 0.002, 0.001)
    assert row.row_id == "ONE-2606/TWO-2606:calendar_spread-venues"
    assert (row.venue, row.figures["risk_days"], row.figures["implied_forward_apy"]) == ("one+two", 0.0, None)
    assert row.expected_pnl_usd == pytest.approx(1_000 * gap * 1.1**0.25, rel=1e-9)
    assert row.p_loss == pytest.approx(0.0, abs=1e-9)
    (dear,) = spreads(world, forecaster(0.0, 0.0), costs=Costs(swap=0.001, gas_usd=2.0))
    moved = 1 - 0.999**2
    bought, sold = 1.3**-0.25 * 1.002, 1.2**-0.25 * 0.999
    wanted = 1_000 * (sold - bought / (1 - moved) - moved) - 2.0 - 1_000 * moved
    assert dear.expected_pnl_usd == pytest.approx(wanted, rel=1e-9)


def test_what_is_missed_between_the_maturities_needs_a_forecast(world, forecaster):
    """PT that mature six days later miss those days' yield: without a forecast they are not priced."""
    world.add_venue("one", DIRECT)
    world.add_venue("two", DIRECT)
    world.add("ONE-2606", venue="one", implied=0.20, days=91)
    world.add("TWO-2606", venue="two", implied=0.30, days=97)
    (row,) = spreads(world, None)
    assert "forecast_missing" in [reason.code for reason in row.reasons]
    assert row.figures["locked_usd"] > 0
    (row,) = spreads(world, forecaster(0.5, 0.0))
    whole, rest, t = 1.5 ** (97 / 365), 1.5 ** (6 / 365), 91 / 365
    kept = locked((0.30, 97 / 365), (0.20, t))
    wanted = 1_000 * (kept * whole + 0.95 * (1.5**t - 1) * rest + 1 - whole)
    assert row.expected_pnl_usd == pytest.approx(wanted, rel=1e-9)


def test_venues_far_apart_in_time_are_compared_only_where_the_forward_is_impossible(world, forecaster):
    """A year apart, a higher yield is a view; a later PT that costs more is a contradiction at two venues too."""
    world.add_venue("one", DIRECT)
    world.add_venue("two", DIRECT)
    world.add("ONE-2606", venue="one", implied=0.40, days=91.25)
    world.add("TWO-2703", venue="two", implied=0.30, days=365)
    assert spreads(world, forecaster()) == ()
    world.add("TWO-2612", venue="two", implied=0.08, days=273.75)
    found = {row.row_id for row in spreads(world, forecaster())}
    assert found == {"ONE-2606/TWO-2612:calendar_spread-curve"}


@pytest.mark.parametrize(
    "changed",
    [
        {"terms": {"distribution_basis": "in_kind"}},
        {"terms": {"chain": "arbitrum"}},
        {
            "clock": "epoch",
            "terms": {"epoch_anchor": "2026-01-01T00:00:00+00:00", "epoch_seconds": 604_800.0},
        },
    ],
)
def test_pt_that_are_not_on_one_st_are_not_compared(world, forecaster, changed):
    """Another distribution basis or clock is another claim, and another chain another moment."""
    world.add_venue("direct", DIRECT)
    world.add("AAA-2606", venue="direct", implied=0.40, days=91.25)
    world.add("AAA-2612", venue="direct", implied=0.08, days=273.75, **changed)
    assert spreads(world, forecaster()) == ()


def test_an_epoch_venue_credits_its_running_period(world, forecaster):
    """YT minted three days into an epoch receive those days too; PT of one moment are compared across clocks."""
    epoch = {
        "epoch_anchor": "2026-02-27T00:00:00+00:00",
        "epoch_seconds": 604_800.0,
        "distribution_basis": "apy",
    }
    world.add_venue("direct", DIRECT)
    world.add_venue("weekly", {**DIRECT, "yield_fee_base": "none"})
    world.add("WALL-2605", venue="direct", implied=0.30, days=95)
    world.add("WEEK-2605", venue="weekly", implied=0.20, days=95, clock="epoch", terms=epoch)
    (row,) = spreads(world, forecaster(0.20, 0.0))
    assert row.row_id == "WALL-2605/WEEK-2605:calendar_spread-venues"
    assert row.figures["risk_days"] == pytest.approx(3.0)
    assert any("different clocks" in note for note in row.notes)
    kept, t = locked((0.30, 95 / 365), (0.20, 98 / 365)), 98 / 365
    assert row.figures["locked_usd"] == pytest.approx(1_000 * kept, rel=1e-9)
    assert row.expected_pnl_usd == pytest.approx(1_000 * (kept * 1.2**t + 1.2 ** (3 / 365) - 1), rel=1e-9)


def test_a_synthetic_pt_is_made_of_its_yt(world, forecaster):
    """Bought, the venue keeps a part of the YT sold short; sold, the YT is bought with the fee."""
    world.add("AAA-2606", implied=0.40, days=91.25)
    world.add("AAA-2612", implied=0.08, days=273.75)
    (row,) = spreads(world, forecaster(0.0, 0.0))
    bought = 1 - 0.95 * 0.999 * (1 - 1.4**-0.25)
    sold = 1 - 1.001 * (1 - 1.08**-0.75)
    assert row.figures["locked_usd"] == pytest.approx(1_000 * (sold - bought), rel=1e-12)
    assert "synthetic_pt" in row.flags


def test_a_stored_pool_fills_a_leg_at_the_size(inverted, forecaster):
    """The later PT is sold into its pool, in tokens of 2 USD of ST; the other leg pays the venue's fee."""
    state = {
        "total_pt": 2e6,
        "total_sy": 1.5e6,
        "sy_index": 1.0,
        "scalar_root": 60.0,
        "ln_fee_root": 0.001,
        "reserve_fee_percent": 80.0,
        "last_ln_implied_rate": math.log(1.08),
    }
    inverted.add("AAA-2612", venue="direct", implied=0.08, days=273.75, price=2.0)
    inverted.pool_of("AAA-2612", "logit", state)
    (row,) = spreads(inverted, forecaster(0.0, 0.0), 100_000.0)
    amm = amm_of(inverted.facts.listed["AAA-2612"], inverted.facts.states["AAA-2612"], inverted.as_of)
    fill = amm.size_for_yield(0.08, "PT").amm_after.quote("SELL_PT", 50_000.0)
    assert row.trade.sell.st == pytest.approx(2.0 * fill.st_amount, rel=1e-9)
    assert row.trade.sell.st < 100_000 * 1.08**-0.75
    assert row.trade.buy.st == pytest.approx(100_000 * 1.4**-0.25 * 1.001, rel=1e-12)
    (row,) = spreads(inverted, forecaster(0.0, 0.0), 1e8)
    assert [reason.code for reason in row.reasons] == ["size_above_capacity"]


def test_every_line_gives_its_result_and_the_row_can_be_priced_again(inverted, forecaster):
    """The printed numbers evaluate to what is stored, to the last digit."""
    (row,) = spreads(inverted, forecaster(0.11, 0.04), costs=Costs(swap=0.001, gas_usd=3.0))
    for line in row.explain:
        assert evaluated(line) == line.result, line
    assert len(row.explain) > 12
    assert len(set(row.inputs)) == len(row.inputs)
    assert row.trade.pnl(row.scenario) - row.flat_costs_usd == row.figures["pnl_after_flat_costs_usd"]


def test_the_order_of_the_contracts_changes_nothing(by_hand, forecaster):
    """Pairs are named and signed by maturity and yield, not by what comes first."""
    listed = [("AAA", 0.40, 91.25), ("BBB", 0.08, 273.75), ("CCC", 0.02, 300.0)]
    found = []
    for order in (listed, listed[::-1]):
        world = by_hand.World()
        world.add_venue("direct", DIRECT)
        for name, implied, days in order:
            world.add(name, venue="direct", implied=implied, days=days)
        found.append(spreads(world, forecaster()))
    assert found[0] == found[1]
    # CCC contradicts BBB too, but AAA more: the lesser pair is not listed
    assert {row.market for row in found[0]} == {"AAA/BBB", "AAA/CCC"}


def test_of_two_contracts_of_one_date_the_deeper_counts(inverted, forecaster):
    """A curve has one PT a date: the shallow one gets no row."""
    inverted.add("THIN-2612", venue="direct", implied=0.01, days=273.75, liquidity=2e4)
    assert [row.market for row in spreads(inverted, forecaster())] == ["AAA-2606/AAA-2612"]


def test_a_backtest_says_why_a_pair_is_not_realised(inverted, forecaster):
    """What settled over the whole holding does not show what settled between the maturities."""
    now = inverted.view()
    inverted.as_of = now.as_of + timedelta(days=300)
    found = backtest([now], inverted.view(), 1_000.0, strategies=ONLY, forecast=forecaster(0.0, 0.0))
    (result,) = found.results
    assert result.outcome.code == "several contracts"
