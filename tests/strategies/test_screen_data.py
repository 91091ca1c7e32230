"""What the screener makes of its data: missing, old, undated, given, measured."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from yieldtrade.errors import MissingDataError
from yieldtrade.market import Figure
from yieldtrade.strategies.screen import screen


def by_id(result):
    """Rows by name without the contract."""
    return {row.row_id: row for row in result.rows}


def codes(row):
    """Codes of the reasons against a row."""
    return [reason.code for reason in row.reasons]


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
    assert len(rows) == 5
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


def test_the_spread_rests_on_the_quotes_of_the_view(busy, forecaster):
    """A view that lacks the last week measures another spread."""
    cut = busy.as_of - timedelta(days=7)
    full = by_id(screen(busy.view(), 1_000, forecast=forecaster()))
    busy.facts.quotes = [quote for quote in busy.facts.quotes if quote.at < cut] + [
        quote for quote in busy.facts.quotes if quote.at > busy.as_of - timedelta(days=1)
    ]
    less = by_id(screen(busy.view(), 1_000, forecast=forecaster()))
    name = "CCC-2605:interest_period-long"
    assert full[name].figures["exit_implied_sd"] != less[name].figures["exit_implied_sd"]


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


def test_a_pool_is_forecast_once_with_the_lag_of_the_contract(world, monkeypatch):
    """One report serves every contract on the pool, and the contract's settlement lag reaches it."""
    reports, lags = [], []

    class Report:
        """Stands for the report of the pool."""

        def yield_forecast(self, start, end, *, settlement_lag_weeks):
            """Remember the lag."""
            lags.append(settlement_lag_weeks)
            raise MissingDataError("no figures")

    def forecast_apy(view, pool_id):
        reports.append(pool_id)
        return Report()

    monkeypatch.setattr("yieldtrade.forecast.apy.forecast_apy", forecast_apy)
    world.add_pool("JLP")
    world.add("JLP-2606", underlying="JLP", terms={"settlement_lag_weeks": 1.0})
    world.add("JLP-2607", underlying="JLP", days=120, terms={})
    rows = screen(world.view(), 1_000).rows
    assert reports == ["JLP"]
    assert sorted(set(lags)) == [0, 1]
    assert any("no figures" in reason.text for row in rows for reason in row.reasons)
