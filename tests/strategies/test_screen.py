"""The screener: every row at the user's size, with its reasons, flags, inputs and arithmetic."""

from __future__ import annotations

import math
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import yieldtrade
from yieldtrade.errors import DomainError, MissingDataError, UnknownNameError
from yieldtrade.market import Figure
from yieldtrade.strategies.inputs import BorrowForecast, Costs, ExitYield
from yieldtrade.strategies.row import FLAG_WORDS, Opportunity
from yieldtrade.strategies.screen import STRATEGIES, screen

WEEK = 7 / 365
SPECIFIED = """
row_id strategy side venue market maturity as_of horizon_days size_usd capital_usd leverage leverage_mark max_leverage
net_apy_exact net_apy_naive expected_pnl_usd risk_adjusted_usd per_day_usd cost_in cost_out unlevered_apy hurdle_apy
break_even_borrow break_even_settled_apy break_even_exit_implied break_even_days
borrow_apy_now borrow_apy_post_trade borrow_apy_marginal ltv health_factor
liquidation_trigger liquidation_unit liquidation_value liquidation_days
p_loss p_loss_no_mark p_liquidation p_below_hurdle es5_usd
best_size_usd edge_capacity_usd max_size_usd binding exit_depth_usd
oldest_input_age_s forecast_version flags status reasons
"""


def by_id(result):
    """Rows by name without the contract."""
    return {row.row_id: row for row in result.rows}


def codes(row):
    """Codes of the reasons against a row."""
    return [reason.code for reason in row.reasons]


def test_a_row_has_every_field_of_the_specification():
    """No field is missing."""
    assert set(SPECIFIED.split()) <= {field.name for field in fields(Opportunity)}


def test_worked_example_of_the_ranking(world, forecaster):
    """Loop, fixed income and cycle at 50,000 dollars, in this order, the cycle rejected by its risk."""
    tail = {"p_tail": 0.02, "loss_given_event": 1.0}
    plain = {"base_asset": "USD", **tail}
    world.add_venue("kamino", LENDER | {"p_tail": 1 - 0.97 / 0.98, "loss_given_event": 1.0})
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5, terms=plain)
    world.add("YTX-2605", venue="margin", implied=0.30, days=91.25, terms=plain)
    result = screen(
        world.view(),
        50_000,
        forecast=forecaster(0.34, 0.06),
        exit_yields={"YTX-2605": ExitYield(mean=0.30, sd=0.03)},
        # the worked example leaves liquidation out
        liquidation_gap=1.0,
    )
    rows = by_id(result)
    loop, fixed, cycle = (
        rows[name]
        for name in ("PTX-2606:principal_loop", "PTX-2606:fixed_income", "YTX-2605:interest_period-long")
    )
    assert loop.expected_pnl_usd == pytest.approx(2891.45, abs=0.006)
    assert loop.es5_usd == pytest.approx(604.08, abs=0.006)
    assert (loop.risk_adjusted_usd, loop.per_day_usd) == pytest.approx((1548.39, 14.140549), abs=0.006)
    assert loop.p_loss == pytest.approx(0.041418, abs=1e-6)
    assert loop.net_apy_exact == pytest.approx(0.206104, abs=1e-6)
    assert (fixed.expected_pnl_usd, fixed.risk_adjusted_usd) == pytest.approx((1625.91, 586.55), abs=0.006)
    assert fixed.per_day_usd == pytest.approx(5.356598, abs=1e-5)
    assert cycle.expected_pnl_usd == pytest.approx(1670.09, abs=0.006)
    assert cycle.es5_usd == pytest.approx(39_499.12, abs=0.006)
    assert cycle.risk_adjusted_usd == pytest.approx(-8270.87, abs=0.006)
    assert cycle.net_apy_naive == pytest.approx(0.04, abs=1e-12)
    assert codes(cycle) == ["risk_adjusted_negative"]
    order = [row.row_id for row in result.rows if row in (loop, fixed, cycle)]
    assert order == [loop.row_id, fixed.row_id, cycle.row_id]


LENDER = {
    "pt_max_ltv": 0.85,
    "pt_liquidation_ltv": 0.90,
    "pt_oracle_discount": 0.25,
    "flash_fee": 0.0,
    "borrow_apy_sd": 0.03,
}


@pytest.fixture
def busy(world):
    """Margin and spot markets, an epoch clock, a market near maturity, and a volatile underlying."""
    world.add("AAA-2606", implied=0.30, days=91.25)
    world.add("BBB-2606", venue="spot", implied=0.12, days=109.5)
    world.add("CCC-2605", implied=0.05, days=60, wobble=0.3)
    epoch = {"epoch_anchor": "2026-01-01T00:00:00+00:00", "epoch_seconds": 86_400.0 * 7}
    world.add("DDD-2606", implied=0.40, days=100, clock="epoch", terms={"base_asset": "USD", **epoch})
    world.add("EEE-2603", venue="spot", implied=0.20, days=4)
    world.price("SOL", 100 * np.exp(0.04 * (np.arange(200) % 2)))
    world.add("FFF-2609", venue="spot", implied=0.25, days=200, terms={"base_asset": "SOL"})
    return world


def evaluated(line):
    """What Python makes of a printed line."""
    return eval(line.numbers, {"__builtins__": {"abs": abs}}, vars(math))  # noqa: S307 - our own arithmetic


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"horizon_days": 20, "costs": Costs(exit_slippage=0.001, swap=0.0005, flash_fee=1e-5, gas_usd=3.0)},
        {"leverage": 2.0, "horizon_days": 400},
    ],
)
def test_every_printed_line_gives_the_stored_figure_to_the_last_digit(busy, forecaster, settings):
    """Evaluating the printed numbers gives each line's result, and the field of that name."""
    result = screen(busy.view(), 12_345.67, forecast=forecaster(0.28, 0.05), **settings)
    lines, stored = 0, set()
    for row in result.rows:
        for line in row.explain:
            assert evaluated(line) == line.result, line
            held = row.figures.get(line.name, getattr(row, line.name, line.result))
            assert held == line.result, line
            lines += 1
            stored |= {line.name} & {field.name for field in fields(Opportunity)}
    assert lines > 100
    assert stored >= {
        "expected_pnl_usd",
        "horizon_return",
        "net_apy_exact",
        "hurdle_usd",
        "risk_adjusted_usd",
    }


def test_lines_show_formula_numbers_and_result(busy, forecaster):
    """A line prints as name = formula = numbers = result, negative numbers in brackets."""
    row = by_id(screen(busy.view(), 1_000, forecast=forecaster()))["AAA-2606:interest_period-long"]
    line = next(line for line in row.explain if line.name == "pnl")
    assert str(line).startswith("pnl = x*p1 + s + (k_yt*x + k_st*s)*g - f*fabs(x)*p1 = ")
    assert "+ (-5000.0) +" in str(line)
    assert str(line).endswith(f" = {line.result!r} USD")


def test_decompositions_add_up_to_the_profit(busy, forecaster):
    """Decay, move, yield, carry and fees, or their like, add up to the profit before flat costs."""
    for row in screen(busy.view(), 1_000, forecast=forecaster()).rows:
        if row.decomposition:
            pnl = next(line.result for line in row.explain if line.name == "pnl")
            assert math.fsum(row.decomposition.values()) == pytest.approx(pnl, abs=1e-7)


def test_the_order_of_contracts_changes_nothing(busy, forecaster):
    """Permuted, or alone, a contract gets the same rows."""
    every = screen(busy.view(), 1_000, forecast=forecaster())
    names = sorted(busy.facts.listed)
    again = screen(busy.view(), 1_000, forecast=forecaster(), contracts=reversed(names))
    assert again.rows == every.rows
    alone = screen(busy.view(), 1_000, forecast=forecaster(), contracts=["CCC-2605"])
    assert all(row in every.rows for row in alone.rows)
    assert len(alone.rows) == 4


def test_same_seed_same_rows_other_seed_other_simulation(busy, forecaster):
    """Every number is reproduced by the seed."""
    first, second = (screen(busy.view(), 1_000, forecast=forecaster()) for _ in range(2))
    assert first.rows == second.rows
    other = screen(busy.view(), 1_000, forecast=forecaster(), random_seed=1)
    simulated = {row.row_id: row.figures.get("p_loss_simulated") for row in first.rows}
    assert any(row.figures.get("p_loss_simulated") != simulated[row.row_id] for row in other.rows)


def test_size_scales_dollars_and_nothing_else(busy, forecaster):
    """Without depth, ten times the size is ten times the dollars at the same return and risk."""
    small, large = (by_id(screen(busy.view(), size, forecast=forecaster())) for size in (1_000, 10_000))
    for name, row in small.items():
        if row.expected_pnl_usd is not None:
            assert large[name].expected_pnl_usd == pytest.approx(10 * row.expected_pnl_usd, rel=1e-9)
            assert large[name].es5_usd == pytest.approx(10 * row.es5_usd, rel=1e-9, abs=1e-9)
            assert large[name].p_loss == pytest.approx(row.p_loss, rel=1e-9)
        assert (row.best_size_usd, row.edge_capacity_usd, row.binding) == (None, None, None)
        assert "no_depth" in row.flags


def test_missing_terms_reject_with_the_way_to_state_them(world, forecaster):
    """What nobody published is asked for by name, every one of them, and nothing is assumed."""
    world.add_venue("bare", {})
    world.add_venue("kamino", {})
    world.add("PTX-2606", venue="bare", implied=0.12, terms={})
    rows = by_id(screen(world.view(), 1_000, forecast=forecaster()))
    texts = [reason.text for row in rows.values() for reason in row.reasons]
    for name in ("bare.trading_fee", "bare.yield_fee_base", "kamino.pt_max_ltv", "kamino.pt_liquidation_ltv"):
        assert any(f"`--set {name}=VALUE`" in text for text in texts), name
    for name in ("kamino.pt_oracle_discount", "kamino.borrow_apy_sd", "bare.maintenance_collateral_ratio"):
        assert any(f"`--set {name}=VALUE`" in text for text in texts), name
    assert all(row.status == "rejected" and set(codes(row)) == {"missing_input"} for row in rows.values())
    assert all(row.expected_pnl_usd is None for row in rows.values())


def test_stating_the_missing_terms_accepts_the_row(world, forecaster):
    """A user's own parameter stands in for one nobody published."""
    world.add("PTX-2606", venue="spot", implied=0.12, without=["trading_fee"])
    view = world.view()
    only = {"strategies": ["fixed_income"], "forecast": forecaster()}
    assert codes(screen(view, 1_000, **only).rows[0]) == ["missing_input"]
    row = screen(view.with_terms({"spot.trading_fee": 0.002}), 1_000, **only).rows[0]
    assert row.status == "accepted"
    line = next(line for line in row.inputs if line.name == "spot.trading_fee")
    assert (line.value, line.source) == (0.002, "user: given by the user")


def test_points_markets_keep_their_fixed_income(world, forecaster):
    """An underlying that pays in points has no priced YT, but its PT is as fixed as any."""
    world.publish("UND", [0.0] * 10)
    world.add("PTS-2606", venue="margin", implied=0.12)
    rows = by_id(screen(world.view(), 1_000, forecast=forecaster()))
    for side in ("long", "short"):
        row = rows[f"PTS-2606:interest_period-{side}"]
        assert "points_market" in row.flags
        assert "forecast_missing" in codes(row)
        assert row.break_even_settled_apy is not None
    assert rows["PTS-2606:fixed_income"].status == "accepted"


def test_a_zero_yield_beside_the_quote_marks_points_too(world, forecaster):
    """Without a history, the yield stored with the quote tells."""
    world.add("PTS-2606", venue="spot", implied=0.12, underlying_apy=0.0)
    row = by_id(screen(world.view(), 1_000, forecast=forecaster()))["PTS-2606:interest_period-long"]
    assert "forecast_missing" in codes(row)


def test_a_forecast_that_fails_rejects_yt_and_says_why(world):
    """The message of the failed forecast is the reason; fixed income does without."""

    def none(underlying, start, end):
        raise MissingDataError(f"no history of {underlying}")

    world.add("YTX-2606", venue="spot", implied=0.12)
    rows = by_id(screen(world.view(), 1_000, forecast=none))
    reason = rows["YTX-2606:interest_period-long"].reasons[0]
    assert (reason.code, "no history of UND" in reason.text) == ("forecast_missing", True)
    assert rows["YTX-2606:fixed_income"].status == "accepted"
    assert rows["YTX-2606:fixed_income"].figures.get("p_underlying_beats") is None


@pytest.mark.parametrize(
    ("age", "stale", "refused"), [(0.5, False, False), (2.0, True, False), (5.0, True, True)]
)
def test_old_quotes_are_flagged_then_rejected(world, forecaster, age, stale, refused):
    """Over a day old a quote is flagged, over four days rejected with both numbers."""
    world.add("PTX-2606", venue="spot", implied=0.12, age_days=age)
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["fixed_income"]).rows[0]
    assert ("stale" in row.flags) is stale
    assert (row.status == "rejected") is refused
    assert row.oldest_input_age_s == pytest.approx(age * 86_400)
    if refused:
        reason = row.reasons[0]
        assert (reason.code, reason.number, reason.threshold) == ("stale_data", pytest.approx(5.0), 4.0)
        assert row.expected_pnl_usd is not None


def test_undated_and_given_yields_are_told_apart(world, forecaster):
    """An undated figure is shown but rejected; the user's own is flagged and used."""
    figure = Figure(kind="pool", at=None, implied_apy=0.15, yt_price=None, source="a page")
    world.add("PTX-2606", venue="spot", quotes=0, figures=(figure,))
    view = world.view()
    only = {"strategies": ["fixed_income"], "forecast": forecaster()}
    undated = screen(view, 1_000, **only).rows[0]
    assert (codes(undated), undated.implied_apy) == (["stale_data"], 0.15)
    assert "undated_quote" in undated.flags
    assert undated.net_apy_exact is not None
    given_ = screen(view.with_yields({"PTX-2606": 0.2}), 1_000, **only).rows[0]
    assert (given_.status, given_.implied_apy) == ("accepted", 0.2)
    assert "given_quote" in given_.flags


def test_a_contract_without_any_yield_is_listed_with_the_reason(world, forecaster):
    """Nothing known is a row at the bottom, not a missing row."""
    world.add("PTX-2606", venue="spot", quotes=0)
    rows = screen(world.view(), 1_000, forecast=forecaster()).rows
    assert len(rows) == 4
    assert all("no implied yield" in row.reasons[0].text for row in rows)


def test_expired_contracts_are_rejected_when_asked_for_by_name(world, forecaster):
    """Unasked, a matured contract is left out; asked for, it says when it matured."""
    world.add("OLD-2602", venue="spot", implied=0.12, days=-3)
    assert screen(world.view(), 1_000, forecast=forecaster()).rows == ()
    rows = screen(world.view(), 1_000, forecast=forecaster(), contracts=["PT-OLD-2602"]).rows
    assert [(reason.code, reason.number) for reason in rows[0].reasons] == [("expired", 3.0)]


def test_paused_markets_are_rejected(world, forecaster):
    """A term of the contract says that it does not trade."""
    world.add("PTX-2606", venue="spot", implied=0.12, terms={"paused": True, "base_asset": "USD"})
    rows = screen(world.view(), 1_000, forecast=forecaster()).rows
    assert all("market_paused" in codes(row) for row in rows)


def test_without_a_hurdle_nothing_is_accepted(world, forecaster):
    """No supply rate is not a rate of zero; stating one is enough."""
    world.facts.rates.clear()
    world.add("PTX-2606", venue="spot", implied=0.12)
    only = {"strategies": ["fixed_income"], "forecast": forecaster()}
    result = screen(world.view(), 1_000, **only)
    assert codes(result.rows[0]) == ["missing_input"]
    assert (result.rows[0].hurdle_apy, result.rows[0].risk_adjusted_usd) == (None, None)
    assert any("no USDC supply rate" in note for note in result.notes)
    assert screen(world.view(), 1_000, hurdle=0.03, **only).rows[0].hurdle_apy == 0.03


def test_the_hurdle_is_the_best_stored_rate_and_its_age_is_said(world, forecaster):
    """Of two markets the better one; an old rate is flagged and its age noted."""
    rate = world.facts.rates["kamino_main", "USDC"]
    old = rate._replace(venue_id="aave_v3_eth", supply_apy=0.06, at=rate.at - timedelta(days=9))
    world.facts.rates["aave_v3_eth", "USDC"] = old
    world.add("PTX-2606", venue="spot", implied=0.12)
    result = screen(world.view(), 1_000, forecast=forecaster(), strategies=["fixed_income"])
    assert result.rows[0].hurdle_apy == 0.06
    assert "stale_hurdle" in result.rows[0].flags
    assert "9.0 days old" in result.notes[0]


def test_exit_spread_comes_from_the_contract_its_venue_or_the_panel(world, forecaster):
    """Own changes first; else a labelled proxy; else the row is rejected."""
    world.add("OWN-2606", venue="spot", implied=0.12, wobble=0.1)
    world.add("NEW-2606", venue="spot", implied=0.20, quotes=1)
    only = {"strategies": ["interest_period"], "forecast": forecaster()}
    rows = by_id(screen(world.view(), 1_000, **only))
    own, new = rows["OWN-2606:interest_period-long"], rows["NEW-2606:interest_period-long"]
    assert "exit_sd_proxy" not in own.flags
    assert "exit_sd_proxy" in new.flags
    assert any("all markets of spot" in note for note in new.notes)
    # the same relative spread, at another level of the yield
    level = {name: (1 + y) * math.log1p(y) for name, y in (("own", 0.12), ("new", 0.20))}
    spreads = own.figures["exit_implied_sd"] / level["own"], new.figures["exit_implied_sd"] / level["new"]
    assert spreads[0] == pytest.approx(spreads[1], rel=1e-12)
    world.add_venue("pendle", {})
    world.add_venue(
        "lone", world.facts.venues["spot"].terms and {"trading_fee": 0.0, "yield_fee_base": "none"}
    )
    world.add("FAR-2606", venue="lone", implied=0.2, quotes=1)
    far = by_id(screen(world.view(), 1_000, **only))["FAR-2606:interest_period-long"]
    assert "how far implied yields move" in far.reasons[0].text
    world.add("PAN-2606", venue="pendle", implied=0.1, terms={})
    far = by_id(screen(world.view(), 1_000, **only))["FAR-2606:interest_period-long"]
    assert any("all markets of pendle" in note for note in far.notes)


def test_thin_markets_do_not_measure_the_spread(world, forecaster):
    """Quotes of a pool under 10,000 dollars count neither for themselves nor for others."""
    world.add("OWN-2606", venue="spot", implied=0.12, liquidity=9_999.0)
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["interest_period"]).rows[0]
    assert "missing_input" in codes(row)


def test_later_quotes_would_change_nothing(busy, forecaster):
    """The spread is measured on what the view holds: a view without the last week gives another figure."""
    cut = busy.as_of - timedelta(days=7)
    full = by_id(screen(busy.view(), 1_000, forecast=forecaster()))
    busy.facts.quotes = [quote for quote in busy.facts.quotes if quote.at < cut] + [
        quote for quote in busy.facts.quotes if quote.at > busy.as_of - timedelta(days=1)
    ]
    less = by_id(screen(busy.view(), 1_000, forecast=forecaster()))
    name = "CCC-2605:interest_period-long"
    assert full[name].figures["exit_implied_sd"] != less[name].figures["exit_implied_sd"]


def test_horizons(busy, forecaster):
    """A week for YT, to maturity for PT, or as wished; never past maturity."""
    rows = by_id(screen(busy.view(), 1_000, forecast=forecaster()))
    assert rows["AAA-2606:interest_period-long"].horizon_days == 7.0
    assert rows["AAA-2606:fixed_income"].horizon_days == 91.25
    short = rows["EEE-2603:interest_period-long"]
    assert (short.horizon_days, "re_entry_needed" in short.flags) == (4.0, False)
    rows = by_id(screen(busy.view(), 1_000, forecast=forecaster(), horizon_days=30))
    assert rows["AAA-2606:interest_period-long"].horizon_days == 30.0
    assert rows["AAA-2606:principal_loop"].horizon_days == 30.0
    assert rows["AAA-2606:principal_loop"].break_even_exit_implied is not None
    cut = rows["EEE-2603:interest_period-long"]
    assert (cut.horizon_days, "horizon_cut" in cut.flags) == (4.0, True)


def test_annual_returns_are_shown_only_from_thirty_days(busy, forecaster):
    """Stored always, headline only for long holdings."""
    rows = by_id(screen(busy.view(), 1_000, forecast=forecaster()))
    week, quarter = rows["AAA-2606:interest_period-long"], rows["AAA-2606:fixed_income"]
    assert (week.show_apy, quarter.show_apy) == (False, True)
    assert week.net_apy_exact == pytest.approx(
        (1 + week.figures["pnl_at_means_usd"] / 1_000) ** (365 / 7) - 1
    )
    assert week.horizon_return == pytest.approx(week.expected_pnl_usd / 1_000)


def test_an_epoch_clock_credits_the_whole_running_period(world, forecaster):
    """Three days into an epoch, a full-epoch venue pays the epoch's seven days over a holding to its end."""
    anchor = (world.as_of - timedelta(days=3)).isoformat()
    epoch = {"epoch_anchor": anchor, "epoch_seconds": 604_800.0, "base_asset": "USD"}
    world.add("EPO-2606", days=95, clock="epoch", terms=epoch)
    rows = by_id(screen(world.view(), 1_000, forecast=forecaster(), horizon_days=4))
    row = rows["EPO-2606:interest_period-long"]
    growth = next(line for line in row.explain if line.name == "g")
    assert growth.values["t"] == pytest.approx(WEEK)
    price = next(line for line in row.explain if line.name == "p0")
    assert price.values["tau"] == pytest.approx(98 / 365)
    later = screen(world.view(), 1_000, forecast=forecaster(), horizon_days=2, strategies=["interest_period"])
    assert "no settlement falls into" in later.rows[0].reasons[0].text
    pro_rata = {**epoch, "accrual_entitlement": "pro_rata"}
    world.add("PRO-2606", days=95, clock="epoch", terms=pro_rata)
    row = by_id(screen(world.view(), 1_000, forecast=forecaster(), horizon_days=4))[
        "PRO-2606:interest_period-long"
    ]
    growth = next(line for line in row.explain if line.name == "g")
    assert growth.values["t"] == pytest.approx(4 / 365)


def test_a_clock_that_is_not_defined_rejects(world, forecaster):
    """An epoch clock without anchor cannot price anything."""
    world.add("EPO-2606", clock="epoch", terms={})
    assert all(
        codes(row)[0] == "missing_input" for row in screen(world.view(), 1_000, forecast=forecaster()).rows
    )


def test_leverage_is_cut_refused_or_taken(world, forecaster):
    """The default is cut to a cap, a wish above it is refused, a limit of the user's binds too."""
    world.add("PTX-2609", venue="spot", implied=0.12, days=365)
    only = {"strategies": ["principal_loop"], "forecast": forecaster()}
    cut = screen(world.view(), 1_000, **only).rows[0]
    assert cut.max_leverage == pytest.approx(3.479167, abs=1e-6)
    assert cut.leverage == cut.max_leverage
    assert "leverage_cut" in cut.flags
    wished = screen(world.view(), 1_000, leverage=4.0, **only).rows[0]
    reason = wished.reasons[0]
    assert (reason.code, reason.number) == ("above_max_leverage", 4.0)
    assert reason.threshold == pytest.approx(3.479167, abs=1e-6)
    assert screen(world.view(), 1_000, max_leverage=2.0, **only).rows[0].leverage == 2.0
    assert "above_max_leverage" in codes(screen(world.view(), 1_000, max_leverage=0.5, **only).rows[0])


def test_a_lender_that_counts_more_than_the_market_is_flagged(world, forecaster):
    """Above 29.68 % at 0.3 years the oracle exceeds the price; the cap counts the price."""
    world.add("RICH-2606", venue="spot", implied=0.40, days=109.5)
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["principal_loop"]).rows[0]
    assert "oracle_above_market" in row.flags
    assert row.max_leverage == pytest.approx(1 / (1 - 0.85 / 1.002))
    assert row.figures["max_leverage_at_oracle"] > row.max_leverage


def test_negative_carry_is_rejected_with_both_rates(world, forecaster):
    """Debt at 9 % for a PT that yields less than 5 %."""
    world.add("POOR-2606", venue="spot", implied=0.05, days=109.5)
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["principal_loop"]).rows[0]
    reason = next(reason for reason in row.reasons if reason.code == "negative_carry")
    assert reason.number == pytest.approx((1.05**-0.3 * 1.002) ** (-1 / 0.3) - 1)
    assert reason.threshold == 0.09


def test_a_debt_larger_than_what_is_left_to_borrow_is_rejected(world, forecaster):
    """One hundred million dollars are left; a loop that needs more does not fit."""
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5)
    row = screen(world.view(), 3e7, forecast=forecaster(), strategies=["principal_loop"]).rows[0]
    reason = row.reasons[0]
    assert (reason.code, reason.number, reason.threshold) == (
        "size_above_capacity",
        pytest.approx(1.2e8),
        1e8,
    )


def test_contradicting_limits_of_the_lender_reject(world, forecaster):
    """A liquidation limit below the borrowing limit is a fault of the data, not of the trade."""
    world.add_venue("kamino", LENDER | {"pt_liquidation_ltv": 0.80})
    world.add("PTX-2606", venue="spot", implied=0.12)
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["principal_loop"]).rows[0]
    assert codes(row) == ["inconsistent_parameters"]
    assert "liquidation_ltv" in row.reasons[0].text


@pytest.mark.parametrize("implied", [-0.05, 0.0])
def test_yields_that_are_not_positive_reject(world, forecaster, implied):
    """No strategy buys at a yield of nothing or less."""
    world.add("NEG-2606", venue="spot", quotes=0)
    world.add("OWN-2606", venue="spot", implied=0.1)
    world.quote("NEG-2606", world.as_of - timedelta(hours=1), implied)
    for row in screen(world.view(), 1_000, forecast=forecaster(), contracts=["NEG-2606"]).rows:
        assert row.status == "rejected"
        assert row.expected_pnl_usd is None


def test_volatile_underlyings_can_be_liquidated(busy, forecaster):
    """A dollar loan against a PT on SOL: the price decides, and liquidation makes the simulation the headline."""
    rows = by_id(
        screen(busy.view(), 1_000, forecast=forecaster(), borrow=BorrowForecast(mean_apy=0.05, sd_apy=0.0))
    )
    sol, dollar = rows["FFF-2609:principal_loop"], rows["AAA-2606:principal_loop"]
    assert sol.figures["underlying_vol"] == pytest.approx(0.04 * math.sqrt(365), rel=1e-9)
    assert "nonlinear" in sol.flags
    assert sol.p_liquidation > 0.2
    assert sol.p_loss == sol.figures["p_loss_simulated"]
    assert (dollar.figures["underlying_vol"], dollar.p_liquidation) == (0.0, 0.0)


def test_loops_without_prices_say_what_to_state(world, forecaster):
    """Nothing measures the underlying against the dollar."""
    world.add("NEW-2606", venue="spot", implied=0.2, quotes=3, terms={})
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["principal_loop"]).rows[0]
    assert "`--set NEW-2606.base_asset=USD`" in row.reasons[0].text


def test_a_loan_in_the_base_asset_has_no_price_risk(busy, forecaster):
    """SOL borrowed against a PT on SOL."""
    rate = busy.facts.rates["kamino_main", "USDC"]
    busy.facts.rates["kamino_main", "SOL"] = rate._replace(asset="SOL", borrow_apy=0.06)
    only = {"strategies": ["principal_loop"], "contracts": ["FFF-2609"], "forecast": forecaster()}
    row = screen(busy.view(), 1_000, debt_asset="SOL", **only).rows[0]
    assert (row.borrow_apy_now, row.figures["underlying_vol"], row.p_liquidation) == (0.06, 0.0, 0.0)


def test_margin_calls_of_levered_yt_are_simulated(world, forecaster):
    """More leverage, more margin calls; a matched brute-force walk agrees."""
    world.add("YTX-2605", implied=0.30, days=91.25)
    only = {"forecast": forecaster(0.30, 1e-9), "horizon_days": 28, "strategies": ["interest_period"]}
    exits = {"YTX-2605": ExitYield(mean=0.30, sd=0.01 * math.sqrt(28))}
    rows = [
        by_id(screen(world.view(), 1_000, leverage=leverage, exit_yields=exits, draws=50_000, **only))
        for leverage in (5.0, 9.5)
    ]
    longs = [found["YTX-2605:interest_period-long"] for found in rows]
    assert longs[0].p_liquidation < longs[1].p_liquidation
    # a daily walk of one point, watched once a day, is caught less often than one watched without pause
    rng = np.random.default_rng(8)
    walk = 0.30 + 0.01 * np.cumsum(rng.standard_normal((28, 100_000)), axis=0)
    x, s = 5 * 0.999 / (1 - 1.3**-0.25), -5.0
    hit = np.zeros(100_000, dtype=bool)
    margin = 1.0
    for day, y in enumerate(walk, start=1):
        g = 1.3 ** (1 / 365) - 1
        s += (s + x) * g
        margin *= 1 + g
        hit |= x * (1 - (1 + y) ** -(0.25 - day / 365)) + margin < 1.05 * -s
    assert 0.0 < longs[0].p_liquidation - hit.mean() < 0.08
    assert longs[0].liquidation_trigger == "YT price falls to"
    assert longs[0].liquidation_days is not None


def test_break_evens_without_a_value_say_why(busy, forecaster):
    """A break-even field is None only with a status and a reason beside it."""
    for row in screen(busy.view(), 1_000, forecast=forecaster()).rows:
        for name, found in row.break_evens.items():
            assert (found.value is None) == (found.status != "value"), name
            assert found.value is not None or found.reason
            if name in ("borrow", "settled_apy", "exit_implied", "days"):
                assert getattr(row, f"break_even_{name}") == found.value


def test_mark_risk_is_measured_against_the_edge(busy, forecaster):
    """The flag stands where one point of exit yield outweighs the forecast's edge."""
    for row in screen(busy.view(), 1_000, forecast=forecaster(), strategies=["interest_period"]).rows:
        risk, edge = row.figures.get("mark_risk_apy_per_point"), row.figures.get("forecast_edge_apy")
        if risk is not None:
            assert ("mark_risk_dominates" in row.flags) == (risk > edge)


def test_legs_carry_amounts_prices_and_fees(world, forecaster):
    """A levered long: margin, loan, YT bought and sold; amounts at the stored price of the underlying."""
    world.add("YTX-2605", implied=0.30, days=91.25, price=2.0)
    row = by_id(screen(world.view(), 1_000, forecast=forecaster()))["YTX-2605:interest_period-long"]
    actions = [(leg.action, leg.token) for leg in row.legs]
    assert actions == [
        ("post margin", "ST"),
        ("borrow", "ST"),
        ("buy", "YT-YTX-2605"),
        ("sell", "YT-YTX-2605"),
    ]
    margin, loan, bought, sold = row.legs
    assert (margin.amount, loan.amount, loan.value_usd) == (500.0, 2500.0, 5000.0)
    assert bought.amount == pytest.approx(2500 * 0.999 / (1 - 1.3**-0.25))
    assert bought.fee_usd == pytest.approx(5.0)
    assert sold.amount == pytest.approx(bought.amount)
    assert sold.when == world.as_of + timedelta(days=7)
    assert row.cost_in == pytest.approx(0.005)


def test_without_a_price_legs_show_dollars_only(world, forecaster):
    """No stored price, no amounts, but every other figure."""
    world.add("PTX-2606", venue="spot", implied=0.12, price=None)
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["fixed_income"]).rows[0]
    assert "no_st_price" in row.flags
    assert all(leg.amount is None and leg.value_usd > 0 for leg in row.legs)
    assert row.status == "accepted"


def test_pools_take_their_own_price_and_calendar(world, forecaster):
    """An ST of a pool is worth the pool's price; its holding period ends when the pool publishes."""
    world.add_pool("JLP")
    pool = world.facts.pools["JLP"]
    week = {
        "publication.weekday": "Monday",
        "publication.hour_utc": 18,
        "publication.compounding_periods": 365,
    }
    world.facts.pools["JLP"] = pool._replace(terms=terms_of("JLP", week))
    world.price("jlp_price_usd", 4.0 + 0.01 * (np.arange(60) % 2))
    world.add("JLP-2606", underlying="JLP", price=None, days=100, terms={})
    rows = by_id(screen(world.view(), 1_000, forecast=forecaster()))
    row = rows["JLP-2606:interest_period-long"]
    assert row.horizon_days == 0.75  # Monday 2 March 2026, 00:00 to 18:00
    price = next(line for line in row.inputs if line.name == "st_price_usd")
    assert (price.value, price.as_of) == (pytest.approx(4.01), world.as_of)
    assert "published" in price.source
    assert rows["JLP-2606:principal_loop"].figures["underlying_vol"] > 0
    world.facts.pools["JLP"] = pool
    row = by_id(screen(world.view(), 1_000, forecast=forecaster()))["JLP-2606:interest_period-long"]
    assert row.horizon_days == 7.0


def terms_of(owner, values):
    """Terms from a plain mapping."""
    from types import MappingProxyType

    from yieldtrade.market import Parameter, Terms

    known = {
        name: Parameter(
            name=name,
            value=value,
            unit="",
            valid_from=datetime(2025, 1, 1, tzinfo=UTC),
            basis="b",
            source="s",
        )
        for name, value in values.items()
    }
    return Terms(owner=owner, parameters=MappingProxyType(known))


def test_the_packages_own_forecast_is_used_by_default(world):
    """Without a forecaster the underlying's published yields are forecast."""
    world.publish("UND", 0.10 + 0.01 * np.sin(np.arange(60)))
    world.add("YTX-2606", venue="spot", implied=0.10)
    row = by_id(screen(world.view(), 1_000))["YTX-2606:interest_period-long"]
    assert row.forecast_version
    assert row.figures["settled_apy"] == pytest.approx(0.10, abs=0.02)
    world.facts.histories.clear()
    row = by_id(screen(world.view(), 1_000))["YTX-2606:interest_period-long"]
    assert "forecast_missing" in codes(row)


def test_tails_are_priced_or_flagged(world, forecaster):
    """A venue that states its failure costs the row; one that does not is flagged."""
    world.add("PTX-2606", venue="spot", implied=0.12)
    only = {"strategies": ["fixed_income"], "forecast": forecaster()}
    silent = screen(world.view(), 1_000, **only).rows[0]
    assert ("tail_risk_not_priced" in silent.flags, silent.tail_usd) == (True, None)
    view = world.view().with_terms({"spot.p_tail": 0.02, "spot.loss_given_event": 0.5})
    priced = screen(view, 1_000, **only).rows[0]
    assert "tail_risk_not_priced" not in priced.flags
    assert priced.tail_usd == pytest.approx(500 * (1 - 0.98**0.25))
    assert silent.risk_adjusted_usd - priced.risk_adjusted_usd == pytest.approx(priced.tail_usd)


def test_limits_of_the_user_reject(busy, forecaster):
    """Probability limits and a wanted edge turn accepted rows into rejected ones, with both numbers."""
    free = by_id(screen(busy.view(), 1_000, forecast=forecaster()))
    tight = by_id(screen(busy.view(), 1_000, forecast=forecaster(), max_p_loss=0.0, min_edge=0.5))
    name = "AAA-2606:fixed_income"
    assert free[name].status == "accepted"
    reason = tight[name].reasons[0]
    assert (reason.code, reason.number, reason.threshold) == (
        "no_edge_after_costs",
        free[name].horizon_return,
        0.5,
    )
    risky = tight["BBB-2606:principal_loop"]
    assert "p_loss_above_limit" in codes(risky)


def test_rejected_rows_come_last_and_accepted_lists_the_rest(busy, forecaster):
    """The property of the result is the top of its rows."""
    result = screen(busy.view(), 1_000, forecast=forecaster())
    assert result.accepted == result.rows[: len(result.accepted)]
    assert all(row.reasons for row in result.rows[len(result.accepted) :])
    assert result.as_of == busy.as_of
    assert result.settings.size_usd == 1_000


def test_every_flag_has_words(busy, forecaster):
    """Each flag raised is explained in words."""
    raised = {flag for row in screen(busy.view(), 1_000, forecast=forecaster()).rows for flag in row.flags}
    assert raised <= set(FLAG_WORDS)
    assert len(raised) > 5


def test_strategies_and_contracts_can_be_chosen(busy, forecaster):
    """Only what is asked for is run; a wrong name suggests the right one."""
    rows = screen(
        busy.view(), 1_000, forecast=forecaster(), strategies=["fixed_income"], contracts=["AAA-2606"]
    ).rows
    assert [row.row_id for row in rows] == ["AAA-2606:fixed_income"]
    with pytest.raises(UnknownNameError, match="fixed_income"):
        screen(busy.view(), 1_000, strategies=["fixed_incom"])
    with pytest.raises(UnknownNameError, match="AAA-2606"):
        screen(busy.view(), 1_000, contracts=["AAA-2607"])
    assert set(STRATEGIES) == {"interest_period", "principal_loop", "fixed_income"}


def test_an_impossible_size_is_refused(busy):
    """The size must be a positive number of dollars."""
    with pytest.raises(DomainError, match="size_usd"):
        screen(busy.view(), 0.0)


def test_one_forecast_for_each_underlying_and_period(busy, forecaster):
    """Work is shared: contracts on one underlying and period ask once."""
    asked = []
    inner = forecaster()

    def counting(underlying, start, end):
        asked.append((underlying, start, end))
        return inner(underlying, start, end)

    screen(busy.view(), 1_000, forecast=counting)
    assert len(asked) == len(set(asked))
    panels = []
    facts = busy.facts
    original = facts.panel
    facts.panel = lambda venue: panels.append(venue) or original(venue)
    screen(busy.view(), 1_000, forecast=forecaster())
    assert sorted(panels) == sorted(set(panels))


def test_the_package_offers_the_screen():
    """``yieldtrade.screen`` is this function."""
    assert yieldtrade.screen is screen
