"""Rows of each strategy: horizons, clocks, leverage, liquidation, legs."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest

from yieldtrade.strategies.inputs import BorrowForecast, ExitYield
from yieldtrade.strategies.screen import screen

WEEK = 7 / 365


def by_id(result):
    """Rows by name without the contract."""
    return {row.row_id: row for row in result.rows}


def codes(row):
    """Codes of the reasons against a row."""
    return [reason.code for reason in row.reasons]


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
    world.add_venue("kamino", world.lender | {"pt_liquidation_ltv": 0.80})
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
    world.add("PTX-2606", venue="spot", implied=0.12, price=None, terms={"base_asset": "SOL"})
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["fixed_income"]).rows[0]
    assert "no_st_price" in row.flags
    assert all(leg.amount is None and leg.value_usd > 0 for leg in row.legs)
    assert row.status == "accepted"


def test_a_dollar_needs_no_stored_price(world, forecaster):
    """A contract that says it redeems to dollars counts an ST as one, and says where that comes from."""
    world.add("PTX-2606", venue="spot", implied=0.12, price=None)
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["fixed_income"]).rows[0]
    price = next(line for line in row.inputs if line.name == "st_price_usd")
    assert (price.value, price.source) == (1.0, "a dollar, as its base_asset says")
    assert "no_st_price" not in row.flags


def test_a_market_oracle_shows_the_liquidating_yield(world, forecaster):
    """A lender that marks to market liquidates at an implied yield."""
    world.add_venue("kamino", world.lender | {"pt_oracle_kind": "market_twap"})
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5)
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["principal_loop"]).rows[0]
    assert row.figures["oracle_price"] == row.figures["market_price"]
    implied = row.figures["liquidation_implied_apy"]
    assert implied == pytest.approx(
        (0.90 * row.leverage / (1.12**-0.3 * 1.002) / (row.leverage - 1)) ** (1 / 0.3) - 1
    )


def test_a_missing_or_old_borrow_rate_rejects_the_loop(world, forecaster):
    """Without a stored rate nothing is borrowed; an old one is refused with its age."""
    world.add("PTX-2606", venue="spot", implied=0.12)
    only = {"forecast": forecaster(), "strategies": ["principal_loop"], "hurdle": 0.05}
    rate = world.facts.rates["kamino_main", "USDC"]
    world.facts.rates["kamino_main", "USDC"] = rate._replace(at=world.as_of - timedelta(days=10))
    row = screen(world.view(), 1_000, **only).rows[0]
    assert [(reason.code, reason.number) for reason in row.reasons] == [("stale_data", 10.0)]
    world.facts.rates.clear()
    row = screen(world.view(), 1_000, **only).rows[0]
    assert codes(row) == ["missing_input"]
    assert "no lending rate of USDC" in row.reasons[0].text


def test_a_sure_margin_call_is_a_sure_loss(world, forecaster):
    """With an exit yield known to the last digit, a path that crosses the barrier is liquidated for sure."""
    world.add("YTX-2605", implied=0.30, days=91.25)
    exits = {"YTX-2605": ExitYield(mean=0.20, sd=0.0)}
    only = {"forecast": forecaster(), "strategies": ["interest_period"], "exit_yields": exits}
    rows = by_id(screen(world.view(), 1_000, **only))
    long, short = (rows[f"YTX-2605:interest_period-{side}"] for side in ("long", "short"))
    assert (long.p_liquidation, long.p_loss) == (1.0, 1.0)
    assert long.expected_pnl_usd == pytest.approx(-1_000)
    assert short.p_liquidation == 0.0


def test_returns_too_large_to_annualise_are_left_out(world, forecaster):
    """Seconds of holding cannot be annualised; the return over the horizon stands."""
    world.add("YTX-2605", venue="spot", implied=0.30, days=91.25)
    exits = {"YTX-2605": ExitYield(mean=0.45, sd=0.01)}
    only = {"forecast": forecaster(), "strategies": ["interest_period"], "exit_yields": exits}
    row = screen(world.view(), 1_000, horizon_days=0.1, **only).rows[0]
    assert row.net_apy_exact is None
    assert row.horizon_return > 0.1
    assert any("too large" in note for note in row.notes)


def test_only_the_debt_asset_is_lent(busy, forecaster):
    """What is borrowed in another coin than the underlying's has no measured price risk yet."""
    rate = busy.facts.rates["kamino_main", "USDC"]
    busy.facts.rates["kamino_main", "SOL"] = rate._replace(asset="SOL")
    only = {"strategies": ["principal_loop"], "contracts": ["AAA-2606"], "forecast": forecaster()}
    assert codes(screen(busy.view(), 1_000, debt_asset="SOL", **only).rows[0]) == ["missing_input"]


def test_late_entitlement_and_missing_words_reject(world, forecaster):
    """An epoch clock must say what a late comer is entitled to."""
    epoch = {"epoch_anchor": "2026-01-01T00:00:00+00:00", "epoch_seconds": 86_400.0, "base_asset": "USD"}
    world.add("EPO-2606", clock="epoch", terms=epoch, without=["accrual_entitlement"])
    row = screen(world.view(), 1_000, forecast=forecaster(), strategies=["interest_period"]).rows[0]
    assert "`--set margin.accrual_entitlement=VALUE`" in row.reasons[0].text


def test_a_loan_pays_the_rate_that_it_makes_itself(world, forecaster):
    """8 million more of 400 take the lender from 75 % lent out to 77 %, and its curve from 6.67 % to 7.33 %."""
    curve = {"borrow_curve.USDC": "0:0 0.7:0.05 0.85:0.10 1:0.5"}
    world.add_venue("kamino", world.lender | curve)
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5)
    only = {"forecast": forecaster(), "strategies": ["principal_loop"], "leverage": 5.0}
    row = screen(world.view(), 2_000_000, **only).rows[0]
    a_second = 31_536_000
    post, marginal = ((1 + apr / a_second) ** a_second - 1 for apr in (0.22 / 3, 0.08))
    assert row.borrow_apy_now == 0.09
    assert row.borrow_apy_post_trade == pytest.approx(post, rel=1e-7)
    assert row.borrow_apy_marginal == pytest.approx(marginal, rel=1e-7)
    assert row.scenario.borrow_apy == row.borrow_apy_post_trade
    assert row.figures["borrow_headroom_to_kink_usd"] == pytest.approx(0.10 * 4e8)
    assert "no_borrow_curve" not in row.flags
    inputs = {line.name: line.value for line in row.inputs}
    assert inputs["kamino.borrow_curve.USDC"] == curve["borrow_curve.USDC"]
    assert inputs["borrow_apy_post_trade"] == row.borrow_apy_post_trade
    small = screen(world.view(), 1.0, **only).rows[0]
    assert small.borrow_apy_post_trade == pytest.approx(small.figures["borrow_apy_of_curve_now"], abs=1e-8)
    assert small.borrow_apy_post_trade < post
    (reason,) = screen(world.view(), 30_000_000, **only).rows[0].reasons
    assert (reason.code, reason.number, reason.threshold) == ("size_above_capacity", 1.2e8, 1e8)


def test_without_a_curve_the_rate_stays_what_it_is(world, forecaster):
    """Flagged where the lender's curve is not stored; the user's own rate is taken as it is given."""
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5)
    only = {"forecast": forecaster(), "strategies": ["principal_loop"]}
    row = screen(world.view(), 1_000, **only).rows[0]
    assert (row.borrow_apy_now, row.borrow_apy_post_trade, row.borrow_apy_marginal) == (0.09, 0.09, None)
    assert "no_borrow_curve" in row.flags
    world.add_venue("kamino", world.lender | {"borrow_curve.USDC": "0:0 1:1"})
    own = BorrowForecast(mean_apy=0.07, sd_apy=0.01)
    row = screen(world.view(), 1_000, borrow=own, **only).rows[0]
    assert (row.borrow_apy_now, row.borrow_apy_post_trade, row.scenario.borrow_apy) == (0.07, 0.07, 0.07)
    assert "no_borrow_curve" not in row.flags


def test_a_curve_that_is_none_stops_the_loop_and_not_the_screen(world, forecaster):
    """It is a reason against the loop, with what a curve looks like."""
    world.add_venue("kamino", world.lender | {"borrow_curve.USDC": "steep"})
    world.add("PTX-2606", venue="spot", implied=0.12, days=109.5)
    rows = by_id(screen(world.view(), 1_000, forecast=forecaster()))
    (reason,) = rows["PTX-2606:principal_loop"].reasons
    assert (reason.code, "borrow curve" in reason.text) == ("inconsistent_parameters", True)
    assert rows["PTX-2606:fixed_income"].status == "accepted"
