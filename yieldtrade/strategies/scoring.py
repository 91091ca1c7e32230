"""From the loss figures of a trade to the score of its row, each step with its arithmetic (strategies.md 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yieldtrade.conventions import DAYS_PER_YEAR
from yieldtrade.strategies import ranking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldtrade.market import Terms
    from yieldtrade.strategies.risk import LossFigures
    from yieldtrade.strategies.worksheet import Worksheet


def hurdle_profit(sheet: Worksheet, years: float) -> float:
    """Profit that the hurdle rate would make on the capital; 0 where there is no hurdle."""
    hurdle = sheet.desk.hurdle
    return 0.0 if hurdle is None else ranking.hurdle_pnl(sheet.capital, hurdle, years)


def score(
    sheet: Worksheet, losses: LossFigures, years: float, venues: Sequence[Terms], *, carry: float = 0.0
) -> None:
    """Write expected profit, risk, hurdle, tail and score into a row.

    Parameters
    ----------
    sheet
        The row; without a hurdle it is rejected.
    losses
        Loss figures in USD.
    years
        Holding period on the wall clock.
    venues
        Terms of every venue the trade depends on, for the price of their failure.
    carry
        What the capital earns besides the profit, USD, where the profit is counted over holding an ST; the hurdle
        is charged on what that leaves.
    """
    expected = _expected(sheet, losses)
    _risk(sheet, losses)
    tail = _tail(sheet, years, venues)
    desk, capital = sheet.desk, sheet.capital
    if desk.hurdle is None:
        sheet.missing(
            f"no supply rate of USDC is stored at {' or '.join(desk.settings.hurdle_markets)}: state a hurdle"
        )
        return
    hurdle = sheet.work(
        "hurdle_usd",
        "capital*expm1(years*log1p(h))",
        ranking.hurdle_pnl(capital, desk.hurdle, years),
        "USD",
        capital=capital,
        years=years,
        h=desk.hurdle,
    )
    charged = hurdle
    if carry:
        charged = sheet.work(
            "hurdle_less_carry_usd", "hurdle - carry", hurdle - carry, "USD", hurdle=hurdle, carry=carry
        )
    total = sheet.work(
        "risk_adjusted_usd",
        "expected - hurdle - kappa*es5 - tail",
        ranking.risk_adjusted(expected, charged, desk.settings.kappa, losses.es5, tail),
        "USD",
        expected=expected,
        hurdle=charged,
        kappa=desk.settings.kappa,
        es5=losses.es5,
        tail=tail,
    )
    a_day = sheet.work(
        "per_day_usd",
        f"score/({DAYS_PER_YEAR}*years)",
        ranking.per_day(total, years),
        "USD a day",
        score=total,
        years=years,
    )
    sheet.put(
        hurdle_usd=hurdle,
        risk_adjusted_usd=total,
        per_day_usd=a_day,
        p_below_hurdle=losses.p_below_hurdle,
    )


def _expected(sheet: Worksheet, losses: LossFigures) -> float:
    """Write the expected profit: at the means, moved by the simulation where that is the headline."""
    expected, capital = losses.mean_at_means, sheet.capital
    if losses.nonlinear:
        sheet.flag("nonlinear")
        expected = losses.mean_at_means + losses.mean_shift
        sheet.work(
            "expected_pnl_usd",
            "pnl_at_means + simulated_shift",
            expected,
            "USD",
            pnl_at_means=losses.mean_at_means,
            simulated_shift=losses.mean_shift,
        )
    else:
        sheet.work("expected_pnl_usd", "pnl_after_flat_costs", expected, "USD", pnl_after_flat_costs=expected)
    gain = sheet.work("horizon_return", "pnl/capital", expected / capital, pnl=expected, capital=capital)
    sheet.put(expected_pnl_usd=expected, horizon_return=gain)
    return expected


def _risk(sheet: Worksheet, losses: LossFigures) -> None:
    sheet.put(
        p_loss=losses.p_loss,
        p_loss_no_mark=losses.p_loss_no_mark,
        p_liquidation=losses.p_liquidation,
        es5_usd=losses.es5,
    )
    sheet.figure(
        pnl_at_means_usd=losses.mean_at_means,
        pnl_sd_usd=losses.sd,
        p_loss_delta=losses.p_loss_delta,
        p_loss_simulated=losses.p_loss_simulated,
        simulation_error=losses.simulation_error,
        simulated_outcomes=float(losses.draws),
    )


def _tail(sheet: Worksheet, years: float, venues: Sequence[Terms]) -> float:
    """Expected loss from venues failing; what nobody priced counts as 0 and is flagged."""
    priced = [terms for terms in venues if "p_tail" in terms and "loss_given_event" in terms]
    if len(priced) < len(venues):
        sheet.flag("tail_risk_not_priced")
    if not priced:
        return 0.0
    p_tail = ranking.combined_tail(terms.number("p_tail") for terms in priced)
    # which venue fails is not told apart, so the worst of their losses is counted
    loss = max(terms.number("loss_given_event") for terms in priced)
    tail = sheet.work(
        "tail_usd",
        "capital*loss*(1.0 - (1.0 - p_tail)**years)",
        ranking.tail_cost(sheet.capital, loss, p_tail, years),
        "USD",
        capital=sheet.capital,
        loss=loss,
        p_tail=p_tail,
        years=years,
    )
    sheet.put(tail_usd=tail)
    return tail
