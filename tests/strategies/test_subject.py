"""Rows of a pool and of several contracts: what they are named, told and stored like."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from yieldtrade.errors import UnknownNameError
from yieldtrade.report.screen_report import SIGNAL_COLUMNS, explanation, to_record, to_signal
from yieldtrade.store import open_store
from yieldtrade.strategies import screen as screening
from yieldtrade.strategies.screen import STRATEGIES, Strategy, screen
from yieldtrade.strategies.subject import of_contracts
from yieldtrade.strategies.worksheet import write_row


@pytest.fixture
def strategies(monkeypatch):
    """Replace the strategies of the screen."""

    def replaced(**found):
        monkeypatch.setattr(screening, "STRATEGIES", found)

    return replaced


def fee_income(desk, subject):
    """A pool held for a month against its fee."""

    def fill(sheet):
        forecast = sheet.forecast(desk.as_of, desk.as_of + timedelta(days=30), needed=True)
        fee = sheet.number("mint_fee")
        if forecast is not None and fee is not None:
            gain = sheet.capital * ((1 + forecast.mean_apy) ** (30 / 365) - 1 - fee)
            sheet.put(expected_pnl_usd=gain, horizon_days=30.0)
            sheet.leg(desk.as_of, "buy", subject.name, price_st=1.0, value_usd=sheet.capital)

    yield write_row(desk, subject, "pool_hold", "", fill)


def spreads(desk, subject):
    """Every pair of neighbours in maturity."""

    def fill(sheet):
        near, far = sheet.subject.markets
        fees = [sheet.number("trading_fee", market) for market in (near, far)]
        exits = [sheet.exit_yield(7.0, market) for market in (near, far)]
        assert None not in (*fees, *exits)
        sheet.put(expected_pnl_usd=(far.quote.implied_apy - near.quote.implied_apy) * sheet.capital)

    for pair in zip(subject.markets, subject.markets[1:], strict=False):
        yield write_row(desk, of_contracts(pair), "curve", "steep", fill)


def test_each_kind_of_strategy_runs_on_its_subjects(world, forecaster, strategies):
    """A pool strategy sees each pool, one of several contracts each underlying that has two, in order of maturity."""
    seen = {"pool": [], "contracts": [], "contract": []}

    def remember(kind):
        return Strategy(kind, lambda _desk, subject: seen[kind].append(subject) or ())

    strategies(**{kind: remember(kind) for kind in seen})
    world.add_pool("JLP")
    world.add("B-LATE", underlying="JLP", days=90).add("A-LATER", underlying="JLP", days=200)
    world.add("C-ALONE", underlying="OTHER")
    screen(world.view(), 1_000, forecast=forecaster())
    assert [(found.name, found.maturity) for found in seen["pool"]] == [("JLP", None)]
    assert [found.name for found in seen["contracts"]] == ["B-LATE/A-LATER"]
    assert seen["contracts"][0].maturity == world.facts.listed["B-LATE"].maturity
    assert [found.name for found in seen["contract"]] == ["A-LATER", "B-LATE", "C-ALONE"]
    for found in seen.values():
        found.clear()
    screen(world.view(), 1_000, forecast=forecaster(), contracts=["JLP", "A-LATER"])
    assert [[found.name for found in seen[kind]] for kind in seen] == [["JLP"], [], ["A-LATER"]]
    with pytest.raises(UnknownNameError, match="A-LATER"):
        screen(world.view(), 1_000, contracts=["A-LATTER"])


def test_a_row_of_a_pool_has_no_contract_and_no_maturity(world, forecaster, strategies, tmp_path):
    """It is named after the pool, asks its terms of it, and is told, explained and stored without a maturity."""
    strategies(pool_hold=Strategy("pool", fee_income))
    world.add_pool("JLP")
    view = world.view().with_terms({"JLP.mint_fee": 0.0005})
    (row,) = screen(view, 10_000, forecast=forecaster(0.365, 0.01)).rows
    assert (row.row_id, row.market, row.venue, row.underlying) == ("JLP:pool_hold", "JLP", "JLP", "JLP")
    assert (row.maturity, row.implied_apy, row.flags, row.status) == (None, None, (), "accepted")
    assert row.expected_pnl_usd == pytest.approx(10_000 * (1.365 ** (30 / 365) - 1.0005))
    assert ("JLP.mint_fee", 0.0005) in [(line.name, line.value) for line in row.inputs]
    record = to_record(row)
    assert (record["maturity"], record["trade"]) == (None, "pool_hold")
    assert "JLP:pool_hold   accepted, pool_hold on JLP at JLP" in list(explanation(row))
    with open_store(tmp_path / "s.db", bundled=False) as store:
        with store.recording("screen", {}, view, "0") as run:
            run.rows("signal", SIGNAL_COLUMNS, [to_signal(row)])
        _, stored = store.export("signal")
    (signal,) = stored
    assert (signal["contract_id"], json.loads(signal["explain"])["maturity"]) == ("JLP", None)


def test_a_term_that_a_pool_lacks_is_asked_of_the_pool(world, forecaster, strategies):
    """The remedy names the pool, and a paused pool is not traded."""
    strategies(pool_hold=Strategy("pool", fee_income))
    world.add_pool("JLP")
    (row,) = screen(world.view(), 10_000, forecast=forecaster()).rows
    assert [reason.code for reason in row.reasons] == ["missing_input"]
    assert "`--set JLP.mint_fee=VALUE`" in row.reasons[0].text
    view = world.view().with_terms({"JLP.mint_fee": 0.0005, "JLP.paused": True})
    (row,) = screen(view, 10_000, forecast=forecaster()).rows
    assert [reason.code for reason in row.reasons] == ["market_paused"]


def test_a_row_of_two_contracts_tells_their_inputs_apart(world, forecaster, strategies):
    """Each contract's quote and exit yield is an input under its own name; the row ends with the first maturity."""
    strategies(curve=Strategy("contracts", spreads))
    world.add("NEAR-1", implied=0.10, days=60).add("FAR-1", venue="spot", implied=0.16, days=120)
    world.add("FAR-2", implied=0.20, days=240)
    rows = {row.row_id: row for row in screen(world.view(), 1_000, forecast=forecaster()).rows}
    assert sorted(rows) == ["FAR-1/FAR-2:curve-steep", "NEAR-1/FAR-1:curve-steep"]
    row = rows["NEAR-1/FAR-1:curve-steep"]
    assert (row.venue, row.maturity) == ("margin+spot", world.facts.listed["NEAR-1"].maturity)
    assert (row.implied_apy, row.underlying) == (None, "UND")
    assert row.expected_pnl_usd == pytest.approx(60.0)
    inputs = {line.name: line.value for line in row.inputs}
    assert (inputs["NEAR-1.implied_apy"], inputs["FAR-1.implied_apy"]) == (0.10, 0.16)
    assert (inputs["margin.trading_fee"], inputs["spot.trading_fee"]) == (0.001, 0.002)
    assert row.figures["FAR-1.exit_implied"] == 0.16
    assert "no_depth" in row.flags


def test_one_contract_that_cannot_be_priced_rejects_the_pair(world, forecaster, strategies):
    """A missing quote or an expired contract stands against the row, and nothing is computed."""
    strategies(curve=Strategy("contracts", spreads))
    world.add("NEAR-1", implied=0.10, days=60).add("FAR-1", implied=0.16, days=120, quotes=0)
    (row,) = screen(world.view(), 1_000, forecast=forecaster()).rows
    assert [reason.code for reason in row.reasons] == ["missing_input"]
    assert "no implied yield of FAR-1" in row.reasons[0].text
    assert row.expected_pnl_usd is None


def test_the_strategies_of_the_screen_name_their_kind():
    """Every strategy runs on one of the three kinds of subject."""
    assert {strategy.kind for strategy in STRATEGIES.values()} <= {"contract", "pool", "contracts"}
