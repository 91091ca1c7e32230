"""The screener as a whole: rows, ranks, arithmetic, settings."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest

import yieldtrade
from yieldtrade.errors import DomainError, UnknownNameError
from yieldtrade.report.screen_report import to_record
from yieldtrade.strategies.inputs import Costs, ExitYield
from yieldtrade.strategies.row import FLAG_WORDS, Opportunity
from yieldtrade.strategies.screen import STRATEGIES, screen

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

ON_CONTRACTS = {name for name, strategy in STRATEGIES.items() if strategy.kind == "contract"}


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
    world.add_venue("kamino", world.lender | {"p_tail": 1 - 0.97 / 0.98, "loss_given_event": 1.0})
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


def evaluated(line):
    """What Python makes of a printed line."""
    return eval(line.numbers, {"__builtins__": {"abs": abs}}, vars(math))  # noqa: S307 - our own arithmetic


def test_a_row_can_be_priced_again(busy, forecaster):
    """Each row that has a profit holds the trade, the means and the flat costs that gave it, outside its record."""
    busy.add("GGG-2605", venue="spot", underlying="BOOK")
    busy.facts.quotes[-1] = busy.facts.quotes[-1]._replace(pt_price=0.95, yt_price=0.06)
    rows = screen(busy.view(), 1_000, forecast=forecaster(0.28, 0.05), costs=Costs(gas_usd=3.0)).rows
    priced = [row for row in rows if row.expected_pnl_usd is not None]
    assert {row.strategy for row in priced} >= ON_CONTRACTS - {"leveraged_yield", "parity"}
    for row in priced:
        assert row.trade.pnl(row.scenario) - row.flat_costs_usd == row.figures["pnl_after_flat_costs_usd"]
        record = to_record(row)
        assert not {"scenario", "flat_costs_usd"} & set(record)
        assert isinstance(record["trade"], str)
        assert row == replace(row, trade=None, scenario=None)
        assert " trade=" not in repr(row)
    loop = next(row for row in priced if row.row_id == "BBB-2606:principal_loop")
    dearer = replace(loop.scenario, borrow_apy=2 * loop.scenario.borrow_apy)
    owed = loop.trade.debt * (1.18**loop.trade.years - 1.09**loop.trade.years)
    assert loop.trade.pnl(loop.scenario) - loop.trade.pnl(dearer) == pytest.approx(owed)


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
    assert {row.strategy for row in alone.rows} == ON_CONTRACTS - {"parity"}


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
        assert (row.best_size_usd, row.edge_capacity_usd) == (None, None)
        assert row.binding in {None, "available_liquidity"}
        assert "no_depth" in row.flags


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
    single = {
        "interest_period",
        "leveraged_yield",
        "principal_loop",
        "fixed_income",
        "principal_spread",
        "parity",
    }
    assert set(STRATEGIES) == single | {"calendar_spread", "jlp_loop", "target_weight"}


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


@pytest.mark.parametrize(("mean", "flagged"), [(5.0, True), (0.28, False)])
def test_a_probability_of_loss_that_no_path_resolves_says_so(busy, forecaster, mean, flagged):
    """Where every path gains, P(loss) is not shown as a bare zero: its tail was cut."""
    row = by_id(screen(busy.view(), 1_000, forecast=forecaster(mean, 0.01)))["AAA-2606:interest_period-long"]
    assert (row.p_loss < 0.01) is flagged
    assert ("tail_unresolved" in row.flags) is flagged
