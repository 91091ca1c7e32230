"""What became of a flag: worlds in which it is known beforehand, by hand from the figures, and what stays unknown."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yieldtrade.errors import DomainError, UnknownNameError
from yieldtrade.strategies.backtest import backtest, origins, realised_arithmetic
from yieldtrade.strategies.inputs import ScreenSettings
from yieldtrade.strategies.outcome import Outcomes, Tolerances, Unobserved
from yieldtrade.strategies.screen import PROFITS, STRATEGIES

HISTORY = Path(__file__).parents[2] / "markets" / "history"
MATHS = {"expm1": math.expm1, "log1p": math.log1p, "exp": math.exp, "fabs": math.fabs}
YEAR = 31_536_000.0
TERMS = {
    "pendle.trading_fee": 0.001,
    "exponent.trading_fee": 0.001,
    "kamino.pt_max_ltv": 0.85,
    "kamino.pt_liquidation_ltv": 0.90,
    "kamino.pt_oracle_discount": 0.25,
    "kamino.borrow_apy_sd": 0.02,
}


@settings(max_examples=30)
@given(
    implied=st.floats(0.02, 1.5),
    settled=st.floats(0.0, 1.5),
    borrow=st.floats(0.001, 0.5),
    days=st.integers(8, 60),
    venue=st.sampled_from(["margin", "spot"]),
)
def test_an_exact_forecast_in_a_still_market_is_kept(by_hand, implied, settled, borrow, days, venue):
    """Where the forecast is exact and no price moves, every trade brings what was promised."""
    now = by_hand.market(venue, days, implied)
    now.facts.rates["kamino_main", "USDC"] = now.facts.rates["kamino_main", "USDC"]._replace(
        borrow_apy=borrow
    )
    then = by_hand.later(
        by_hand.market(venue, days, implied), days, implied=implied, settled=settled, borrow=borrow
    )
    results = by_hand.replay(now, then, by_hand.forecaster(settled, 0.0), max_leverage=1.5)
    assert len(results) >= 3
    for result in results.values():
        assert not isinstance(result.outcome, Unobserved), result.outcome
        row = result.flag.row
        promised = row.trade.pnl(row.scenario) - row.flat_costs_usd
        if result.outcome.liquidated_at is not None:
            assert result.realised == pytest.approx(-1.0)
            continue
        assert result.outcome.pnl_usd == pytest.approx(promised, rel=1e-9, abs=1e-7)
        if "nonlinear" not in row.flags:
            assert result.realised == pytest.approx(result.flag.promised, rel=1e-9, abs=1e-10)


def test_a_loan_that_costs_more_than_promised_brings_less_by_the_interest(by_hand):
    """Only the borrow rate differs, so the profit differs by the interest on the debt."""
    now, then = by_hand.market(days=60), by_hand.later(by_hand.market(days=60), 60, borrow=0.19)
    result = by_hand.replay(now, then, by_hand.forecaster(0.34, 0.0))["AAA-2606:principal_loop"]
    trade = result.flag.row.trade
    interest = trade.debt * (1.19 ** (60 / 365) - 1.09 ** (60 / 365))
    assert result.realised - result.flag.promised == pytest.approx(-interest / 1_000.0, rel=1e-9)
    assert result.status == "realised"


def test_fixed_income_is_told_apart_as_decided_by_its_terms(by_hand):
    """A PT held to maturity brings what it promised whatever happens: it is no evidence."""
    now, then = by_hand.market(days=60), by_hand.later(by_hand.market(days=60), 60, settled=0.9, borrow=0.5)
    result = by_hand.replay(now, then, by_hand.forecaster())["AAA-2606:fixed_income"]
    assert (result.status, result.realised) == ("by_terms", result.flag.promised)
    assert result.flag.exposed == ()


def test_a_margin_call_on_the_way_takes_the_margin(by_hand):
    """A long that is called in between has lost its margin, however well the yield ends."""
    now, then = by_hand.market(), by_hand.later(by_hand.market(), 7)
    then.facts.quotes = [
        quote._replace(implied_apy=0.20) if quote.at == by_hand.as_of + timedelta(days=3) else quote
        for quote in then.facts.quotes
    ]
    results = by_hand.replay(now, then, by_hand.forecaster(0.34, 0.06))
    called = results["AAA-2606:interest_period-long"]
    # 5x at 0.30 with a quarter of a year left is called at 0.248 (strategies.md 12, example 12)
    assert called.outcome.liquidated_at == by_hand.as_of + timedelta(days=3)
    assert called.realised == pytest.approx(-1.0)
    assert results["AAA-2606:interest_period-short"].outcome.liquidated_at is None


def test_a_short_is_called_by_a_rising_yield(by_hand):
    """The other side of the market is called on the other side of the barrier."""
    now, then = by_hand.market(), by_hand.later(by_hand.market(), 7)
    then.facts.quotes = [
        quote._replace(implied_apy=0.40) if quote.at == by_hand.as_of + timedelta(days=2) else quote
        for quote in then.facts.quotes
    ]
    results = by_hand.replay(now, then, by_hand.forecaster(0.34, 0.06))
    assert results["AAA-2606:interest_period-short"].outcome.liquidated_at == by_hand.as_of + timedelta(
        days=2
    )
    assert results["AAA-2606:interest_period-long"].outcome.liquidated_at is None


def crash(by_hand, world, days, bottom):
    """Closes of SOL: flat but for one day."""
    closes = np.full(days + 200, 100.0)
    closes[-days + 10] = bottom
    world.facts.prices["SOL"] = by_hand.series(
        "price_usd", days + 200, closes, by_hand.as_of + timedelta(days=days)
    )
    return world


@pytest.mark.parametrize(("bottom", "liquidated"), [(70.0, True), (97.0, False)])
def test_a_fall_of_the_underlying_on_the_way_liquidates_a_loop(by_hand, bottom, liquidated):
    """The loan to value is followed day by day, so a fall that has healed by the exit still counts."""
    terms = {"base_asset": "SOL"}
    now, then = (
        by_hand.market("spot", 60, terms=terms),
        by_hand.later(by_hand.market("spot", 60, terms=terms), 60),
    )
    now.price("SOL", 100 * np.exp(0.001 * (np.arange(200) % 2)))
    crash(by_hand, then, 60, bottom)
    result = by_hand.replay(now, then, by_hand.forecaster())["AAA-2606:principal_loop"]
    assert (result.outcome.liquidated_at is not None) is liquidated
    if liquidated:
        assert result.realised == pytest.approx(-1.0)
        assert result.outcome.liquidated_at == by_hand.as_of + timedelta(days=11)
    else:
        assert "checked on 60 of 60 days" in result.outcome.path


def unrealised(by_hand, now, then, row_id, **more):
    """The code of why a row stays unrealised."""
    return by_hand.replay(now, then, by_hand.forecaster(), **more)[f"AAA-2606:{row_id}"].outcome.code


def test_what_was_never_observed_stays_unrealised(by_hand):
    """Each figure that is missing is named, and nothing is put in its place."""
    short = by_hand.market()
    assert unrealised(by_hand, by_hand.market(), short, "interest_period-long") == "not over"
    gone = by_hand.later(by_hand.market(), 7)
    gone.facts.quotes = [quote for quote in gone.facts.quotes if quote.at < by_hand.as_of + timedelta(days=4)]
    assert unrealised(by_hand, by_hand.market(), gone, "interest_period-long") == "no exit quote"
    silent = by_hand.later(by_hand.market(), 7)
    silent.facts.histories.clear()
    assert unrealised(by_hand, by_hand.market(), silent, "interest_period-long") == "no settled_apy"
    broke = by_hand.later(by_hand.market(days=60), 60)
    broke.facts.borrowed.clear()
    assert unrealised(by_hand, by_hand.market(days=60), broke, "principal_loop") == "no borrow_apy"
    old = by_hand.market(age_days=5.0)
    assert (
        unrealised(by_hand, old, by_hand.later(by_hand.market(age_days=5.0), 7), "interest_period-long")
        == "no entry quote"
    )
    terms = {"base_asset": "SOL"}
    priced = by_hand.market("spot", 60, terms=terms)
    priced.price("SOL", 100 * np.exp(0.001 * (np.arange(200) % 2)))
    blind = by_hand.later(by_hand.market("spot", 60, terms=terms), 60)
    blind.price("SOL", np.full(200, 100.0))
    assert unrealised(by_hand, priced, blind, "principal_loop") == "no price"
    thin, over = by_hand.market(days=60, liquidity=9_000.0), by_hand.later(by_hand.market(days=60), 60)
    assert unrealised(by_hand, thin, over, "fixed_income") == "thin market"


def test_a_profit_that_moves_with_what_nobody_stores_stays_unrealised(by_hand):
    """A trade exposed to a figure that no table holds is not priced at its promise."""
    now, then = by_hand.market(days=60), by_hand.later(by_hand.market(days=60), 60)
    result = by_hand.replay(now, then, by_hand.forecaster())["AAA-2606:fixed_income"]
    trade = SimpleNamespace(pnl=lambda _scenario: 1.0, gradient=lambda _scenario: {"premium": 2.0})
    flag = replace(result.flag, row=replace(result.flag.row, trade=trade))
    found = Outcomes(then.view(), ScreenSettings(size_usd=1_000.0), Tolerances()).realise(flag)
    assert (found.code, "premium" in found.text) == ("no premium", True)


def test_the_tolerances_decide_what_stands_for_a_figure(by_hand):
    """A quote three days off counts where four are allowed; half of the days count where half are asked for."""
    gone = by_hand.later(by_hand.market(), 7)
    gone.facts.quotes = [
        quote for quote in gone.facts.quotes if quote.at <= by_hand.as_of + timedelta(days=4)
    ]
    known = by_hand.series("UND", 4, np.full(4, 0.34), by_hand.as_of + timedelta(days=4))
    gone.facts.histories["UND"] = known
    assert unrealised(by_hand, by_hand.market(), gone, "interest_period-long") == "no settled_apy"
    loose = Tolerances(quote_days=4.0, known_fraction=0.5)
    result = by_hand.replay(by_hand.market(), gone, by_hand.forecaster(), tolerances=loose)[
        "AAA-2606:interest_period-long"
    ]
    assert result.status == "realised"
    assert "57% of 7 days" in result.outcome.observed[0].source


def test_the_quote_of_the_entry_never_stands_for_the_exit(by_hand):
    """A holding of a day and a half with no later quote is unrealised, however near the entry's own quote lies."""
    now, then = by_hand.market("spot", 3), by_hand.later(by_hand.market("spot", 3), 3)
    then.facts.quotes = [quote for quote in then.facts.quotes if quote.at <= by_hand.as_of]
    assert unrealised(by_hand, now, then, "principal_spread") == "no exit quote"


def test_quotes_of_another_feed_are_never_spliced(by_hand):
    """An exit is read from the feed the entry came from, and from no other."""
    then = by_hand.later(by_hand.market(), 7)
    then.facts.quotes = [
        quote._replace(feed="other") if quote.at > by_hand.as_of else quote for quote in then.facts.quotes
    ]
    assert unrealised(by_hand, by_hand.market(), then, "interest_period-long") == "no exit quote"


def test_undated_figures_are_left_out(by_hand):
    """A figure that nobody dated may be of later, so its contract is not screened at all."""
    from yieldtrade.market import Figure

    now = by_hand.World()
    figure = Figure(kind="pool", at=None, implied_apy=0.15, yt_price=None, source="a page")
    now.add("AAA-2606", quotes=0, figures=(figure,))
    found = backtest(
        [now.view()], by_hand.later(by_hand.market(), 7).view(), 1_000.0, forecast=by_hand.forecaster()
    )
    assert (found.undated, found.results) == (("AAA-2606",), ())


def test_names_ranges_and_order_are_checked(by_hand):
    """Unknown names, a reversed range, steps below a day and views of the future are refused with the reason."""
    then = by_hand.later(by_hand.market(), 7)
    with pytest.raises(UnknownNameError, match="AAA-2606"):
        backtest([by_hand.market().view()], then.view(), 1_000.0, contracts=["AAA-2605"])
    with pytest.raises(DomainError, match="nothing is known after"):
        backtest([by_hand.later(by_hand.market(), 9).view()], then.view(), 1_000.0)
    with pytest.raises(DomainError, match="reversed"):
        origins(by_hand.as_of, by_hand.as_of - timedelta(days=1), 7.0)
    with pytest.raises(DomainError, match="at least a day"):
        origins(by_hand.as_of, by_hand.as_of, 0.5)


def test_origins_hold_both_ends(by_hand):
    """A range of two weeks has three weekly moments."""
    assert origins(by_hand.as_of, by_hand.as_of + timedelta(days=14), 7.0) == tuple(
        by_hand.as_of + timedelta(days=7 * week) for week in range(3)
    )
    assert origins(by_hand.as_of, by_hand.as_of + timedelta(days=13), 7.0)[-1] == by_hand.as_of + timedelta(
        days=7
    )


# ------------------------------------------------------------------ by hand, from the files


def rows(name, **match):
    """Rows of a bundled table."""
    with (HISTORY / name).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if all(row[key] == value for key, value in match.items())]


def replayed(store, moment, contract, **more):
    """The flags of one moment and contract on the bundled history."""
    outcome = store.view().with_terms({**TERMS, **more.pop("terms", {})})
    view = store.view(moment).with_terms(outcome.given_terms)
    return {
        result.flag.row.row_id: result
        for result in backtest([view], outcome, 10_000.0, contracts=[contract], **more).results
    }


def test_a_loop_by_hand_from_the_files(by_hand, bundled):
    """A levered PT on sUSDe: priced from its quote, paid by the borrow rates of the days that followed."""
    maturity = datetime(2024, 12, 26, tzinfo=UTC)
    origin = datetime(2024, 11, 26, 12, tzinfo=UTC)
    quote = rows("pendle_markets.csv", chain="ethereum", underlying="sUSDe", t0="2024-11-26")[0]
    assert quote["maturity"] == "2024-12-26T00:00:00Z"
    implied = float(quote["implied_apy"])
    years = (maturity - origin).total_seconds() / YEAR
    price = (1 + implied) ** -years
    executed = price * 1.001
    cap = 1 / (1 - 0.85 * min(1 - 0.25 * years, price) / executed)
    leverage = min(5.0, cap)
    rates = {
        row["date"]: float(row["borrow_apy"])
        for row in rows("lending_daily.csv", venue="kamino_main", asset="USDC")
    }
    growth, day = 0.0, origin
    while day < maturity:
        midnight = (day + timedelta(days=1)).replace(hour=0)
        growth += (midnight - day).total_seconds() * math.log1p(rates[day.date().isoformat()])
        day = midnight
    owed = (leverage - 1) * 10_000 * math.exp(growth / YEAR)
    flash = 2 * 1e-5 * (leverage - 1) * 10_000
    profit = leverage * 10_000 / executed - owed - flash - 10_000
    found = replayed(
        bundled,
        origin,
        "sUSDe-26DEC24",
        terms={"sUSDe-26DEC24.base_asset": "USD", "kamino.pt_oracle_discount": 0.25},
    )["sUSDe-26DEC24:principal_loop"]
    assert found.outcome.pnl_usd == pytest.approx(profit, rel=1e-10)
    assert found.outcome.path.startswith("loan to value checked on 29 of 29")


def test_a_yt_by_hand_from_the_files(by_hand, bundled):
    """YT of fragSOL over a week: its quotes at both ends, and the mean of the yields published on the days known."""
    origin, left = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 1, 22, tzinfo=UTC)
    maturity = datetime(2026, 12, 15, 11, tzinfo=UTC)
    # a daily figure is known, and dated, from the end of its day
    daily = {
        datetime.fromisoformat(row["date"]).replace(tzinfo=UTC) + timedelta(days=1): row
        for row in rows("yield_history_daily.csv", market="fragSOL-15DEC26")
    }
    entry = max(moment for moment in daily if moment <= origin)
    y0, y1 = float(daily[entry]["implied_apy"]), float(daily[left]["implied_apy"])
    tau = [(maturity - moment).total_seconds() / YEAR for moment in (origin, left)]
    p0, p1 = 1 - (1 + y0) ** -tau[0], 1 - (1 + y1) ** -tau[1]
    known = [float(row["underlying_apy"]) for moment, row in daily.items() if origin <= moment < left]
    assert len(known) == 6  # of seven days: one had no trade
    paid = math.exp(7 / 365 * sum(map(math.log1p, known)) / len(known)) - 1
    bought = 10_000 / (p0 * 1.001)
    profit = bought * (p1 * (1 - 0.001) + (1 - 0.055) * paid) - 10_000
    found = replayed(bundled, origin, "fragSOL-15DEC26")["fragSOL-15DEC26:interest_period-long"]
    assert found.outcome.pnl_usd == pytest.approx(profit, rel=1e-8)


def test_the_arithmetic_of_an_outcome_adds_up(bundled):
    """Every printed line gives its result when evaluated, and the last one is the realised return."""
    origin = datetime(2026, 1, 15, tzinfo=UTC)
    found = replayed(bundled, origin, "fragSOL-15DEC26")["fragSOL-15DEC26:interest_period-long"]
    lines = realised_arithmetic(found)
    for line in lines:
        assert eval(line.numbers, {"__builtins__": {}}, MATHS) == line.result, line  # noqa: S307
    assert (lines[-1].name, lines[-1].result) == ("realised_return", found.realised)


def test_the_quantile_is_that_of_the_promised_normal(by_hand):
    """A profit one standard deviation below the mean lies at 15.87 %; a simulated row has no quantile."""
    now, then = by_hand.market(days=60), by_hand.later(by_hand.market(days=60), 60, borrow=0.09)
    now.add_venue("kamino", {**now.lender, "borrow_apy_sd": 0.03})
    result = by_hand.replay(now, then, by_hand.forecaster())["AAA-2606:principal_loop"]
    figures = result.flag.row.figures
    moved = result._replace(
        outcome=result.outcome._replace(pnl_usd=figures["pnl_at_means_usd"] - figures["pnl_sd_usd"])
    )
    assert moved.quantile == pytest.approx(0.158655, abs=1e-6)
    simulated = replace(result.flag, row=replace(result.flag.row, flags=("nonlinear",)))
    assert result._replace(flag=simulated).quantile is None


def test_every_strategy_of_the_screen_can_write_its_outcome():
    """A strategy without arithmetic could not be explained as it turned out."""
    assert set(PROFITS) == set(STRATEGIES)
