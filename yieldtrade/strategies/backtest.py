"""The screen of past moments, and what became of what it found (strategies.md 7, 10; forecast.md 7).

Each moment is screened with a view of that moment alone. Only then is the outcome read, from a later view, and each
trade priced again by its own ``pnl`` at what happened.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.conventions import iso
from yieldtrade.errors import DomainError
from yieldtrade.strategies.outcome import Flag, Outcomes, Realised, Tolerances, Unobserved
from yieldtrade.strategies.risk import normal_below
from yieldtrade.strategies.row import ExplainLine
from yieldtrade.strategies.screen import PROFITS, screen
from yieldtrade.strategies.track_record import Score, scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from yieldtrade.market import Contract, MarketView, YieldQuote
    from yieldtrade.strategies.inputs import Forecaster, ScreenSettings
    from yieldtrade.strategies.row import Opportunity


class Result(NamedTuple):
    """A flag and what became of it."""

    flag: Flag
    outcome: Realised | Unobserved

    @property
    def standing(self) -> str:
        """Whether the screen accepted the row or rejected it."""
        return self.flag.row.status

    @property
    def status(self) -> str:
        """``realised``, ``by_terms`` where nothing that happened could matter, or ``unrealised``."""
        if isinstance(self.outcome, Unobserved):
            return "unrealised"
        return "realised" if self.outcome.tested else "by_terms"

    @property
    def realised(self) -> float | None:
        """Profit over the capital, over the holding."""
        if isinstance(self.outcome, Unobserved):
            return None
        return self.outcome.pnl_usd / self.flag.row.capital_usd

    @property
    def lost(self) -> bool | None:
        """Whether the trade lost money."""
        return None if self.realised is None else self.realised < 0

    @property
    def quantile(self) -> float | None:
        """Where the realised profit lies in the promised normal distribution; None where that was not the headline.

        A row whose loss figures were simulated keeps no distribution to look it up in.
        """
        figures = self.flag.row.figures
        mean, sd = figures.get("pnl_at_means_usd"), figures.get("pnl_sd_usd")
        if (
            isinstance(self.outcome, Unobserved)
            or mean is None
            or not sd
            or "nonlinear" in self.flag.row.flags
        ):
            return None
        return normal_below(self.outcome.pnl_usd, mean, sd)


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """Every flag of every moment with its outcome.

    Parameters
    ----------
    origins
        Moments screened.
    known_at
        Moment of the view that the outcomes were read from.
    results
        One a row that could be priced, in order of moment and rank.
    unpriced
        Rows that could not be priced, by what they wanted.
    undated
        Contracts left out for having only figures that nobody dated: they may be of later.
    untested
        Pools on which no outcome was observed.
    settings
        How each moment was screened; None where nothing could be.
    tolerances
        How near a stored figure had to be.
    """

    origins: tuple[datetime, ...]
    known_at: datetime
    results: tuple[Result, ...]
    unpriced: Mapping[str, int]
    undated: tuple[str, ...]
    untested: tuple[str, ...]
    settings: ScreenSettings | None
    tolerances: Tolerances

    def scores(self) -> tuple[Score, ...]:
        """Score every strategy, accepted and rejected rows apart, and all of each together."""
        return scores(self.results)


class Calculation:
    """Where a trade writes how its profit came about."""

    def __init__(self) -> None:
        self.lines: list[ExplainLine] = []

    def work(self, name: str, formula: str, result: float, unit: str = "", **values: float) -> float:
        """Write a line of arithmetic and return its result."""
        self.lines.append(ExplainLine(name, formula, values, result, unit))
        return result


def realised_arithmetic(result: Result) -> tuple[ExplainLine, ...]:
    """Return how the realised return came about, line by line as the screen wrote the promised one.

    Empty where nothing was realised; the profit of a trade that was liquidated is what a liquidation takes.
    """
    row, outcome = result.flag.row, result.outcome
    if isinstance(outcome, Unobserved) or row.trade is None or result.realised is None:
        return ()
    sheet, flat = Calculation(), row.flat_costs_usd or 0.0
    gross = outcome.gross_usd
    if outcome.liquidated_at is not None:
        sheet.work("pnl", "0.0 - at_stake", gross, "USD", at_stake=-gross)
    elif row.strategy in PROFITS:
        gross = PROFITS[row.strategy](sheet, row.trade, outcome.scenario)
    net = sheet.work(
        "realised_pnl_usd", "pnl - flat_costs", outcome.pnl_usd, "USD", pnl=gross, flat_costs=flat
    )
    sheet.work("realised_return", "pnl/capital", result.realised, pnl=net, capital=row.capital_usd)
    return tuple(sheet.lines)


def origins(start: datetime, end: datetime, every_days: float) -> tuple[datetime, ...]:
    """Return the moments from ``start`` to ``end``, both included, every so many days.

    Raises
    ------
    DomainError
        ``end`` before ``start``, or less than a day between two moments.
    """
    if end < start:
        raise DomainError(f"the range is reversed: it starts at {iso(start)} and ends at {iso(end)}")
    if not every_days >= 1:
        raise DomainError(f"every_days = {every_days!r}: at least a day must lie between two screens")
    count = int((end - start) / timedelta(days=every_days))
    return tuple(start + number * timedelta(days=every_days) for number in range(count + 1))


def backtest(
    views: Iterable[MarketView],
    outcome_view: MarketView,
    size_usd: float,
    *,
    contracts: Iterable[str] | None = None,
    strategies: Iterable[str] | None = None,
    tolerances: Tolerances | None = None,
    forecast: Forecaster | None = None,
    **settings: Any,
) -> BacktestResult:
    """Screen every view, then price each row again at what happened afterwards.

    Parameters
    ----------
    views
        Views of past moments, oldest first; each must hold nothing that was known later.
    outcome_view
        What is known now; read only after a moment has been screened.
    size_usd
        Own capital of each trade.
    contracts, strategies
        Names; all by default.
    tolerances
        How near a stored figure must be to stand for the one needed.
    forecast
        As for :func:`~yieldtrade.strategies.screen.screen`.
    **settings
        Any other argument of :func:`~yieldtrade.strategies.screen.screen`.

    Raises
    ------
    UnknownNameError
        A strategy or contract of that name does not exist.
    DomainError
        A view later than the outcome view, or a setting outside its range.
    """
    named = None if contracts is None else {outcome_view.contract(name).contract_id for name in contracts}
    chosen, allowed = None if strategies is None else tuple(strategies), tolerances or Tolerances()
    moments: list[datetime] = []
    results: list[Result] = []
    unpriced: Counter[str] = Counter()
    undated: set[str] = set()
    used: ScreenSettings | None = None
    outcomes: Outcomes | None = None
    for view in views:
        if view.as_of > outcome_view.as_of:
            raise DomainError(
                f"{iso(view.as_of)} cannot be replayed: nothing is known after {iso(outcome_view.as_of)}"
            )
        moments.append(view.as_of)
        quoted = _quoted(view, named, undated)
        found = screen(
            view, size_usd, contracts=list(quoted), strategies=chosen, forecast=forecast, **settings
        )
        used = found.settings
        outcomes = outcomes or Outcomes(outcome_view, used, allowed)
        for row in found.rows:
            if row.trade is None or row.p_loss is None or row.horizon_return is None:
                unpriced.update(_wanted(row))
                continue
            # of several contracts the last to mature ends the trade
            last = row.market.rpartition("/")[2]
            if last not in quoted:
                unpriced["a single contract"] += 1
                continue
            flag = _flag(view, row, quoted[last])
            results.append(Result(flag, outcomes.realise(flag)))
    return BacktestResult(
        origins=tuple(moments),
        known_at=outcome_view.as_of,
        results=tuple(results),
        unpriced=dict(unpriced),
        undated=tuple(sorted(undated)),
        untested=_untested(outcome_view, results),
        settings=used,
        tolerances=allowed,
    )


def _quoted(
    view: MarketView, named: set[str] | None, undated: set[str]
) -> dict[str, tuple[Contract, YieldQuote]]:
    """Return the live contracts with a dated quote; note those that have only figures of an unknown moment."""
    live = tuple(c for c in view.live_contracts() if named is None or c.contract_id in named)
    quotes = view.quotes(live) if live else {}
    undated.update(name for name, quote in quotes.items() if quote.kind == "undated")
    return {
        contract.contract_id: (contract, quote)
        for contract in live
        if (quote := quotes.get(contract.contract_id)) is not None and quote.kind != "undated"
    }


def _flag(view: MarketView, row: Opportunity, market: tuple[Contract, YieldQuote]) -> Flag:
    days = timedelta(days=row.horizon_days or 0.0)
    return Flag(origin=view.as_of, ends_at=view.as_of + days, row=row, contract=market[0], quote=market[1])


def _untested(view: MarketView, results: Iterable[Result]) -> tuple[str, ...]:
    seen = {result.flag.row.underlying.upper() for result in results if result.status == "realised"}
    return tuple(pool for pool in view.facts.pool_ids() if pool not in seen)


def _wanted(row: Opportunity) -> Iterator[str]:
    """Yield what a row that could not be priced wanted: a parameter's name, else the code of the reason."""
    for reason in row.reasons:
        if reason.code in ("missing_input", "forecast_missing", "inconsistent_parameters"):
            name, known, _ = reason.text.partition(" is not known")
            yield name if known and " " not in name else reason.code
