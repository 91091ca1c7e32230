"""The strategy screener: every strategy on every contract, net of costs, ranked and explained (strategies.md 11)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from yieldtrade.errors import UnknownNameError
from yieldtrade.strategies import fixed_income_rows, interest_period_rows, principal_loop_rows
from yieldtrade.strategies.desk import Desk
from yieldtrade.strategies.inputs import DEFAULT_SEED, Costs, ScreenSettings
from yieldtrade.strategies.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from yieldtrade.market import Contract, MarketView
    from yieldtrade.strategies.desk import Market
    from yieldtrade.strategies.inputs import BorrowForecast, ExitYield, Forecaster, Scenario
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.worksheet import Arithmetic

    Writer: TypeAlias = Callable[[Desk, Market], Iterable[Opportunity]]

# Every strategy screened, in order; a new one is a module and a line here.
STRATEGIES: Mapping[str, Writer] = {
    interest_period_rows.NAME: interest_period_rows.opportunities,
    principal_loop_rows.NAME: principal_loop_rows.opportunities,
    fixed_income_rows.NAME: fixed_income_rows.opportunities,
}

# How each of them writes its profit step by step, at any scenario.
PROFITS: Mapping[str, Callable[[Arithmetic, Any, Scenario], float]] = {
    interest_period_rows.NAME: interest_period_rows.arithmetic,
    principal_loop_rows.NAME: principal_loop_rows.arithmetic,
    fixed_income_rows.NAME: fixed_income_rows.arithmetic,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenResult:
    """What a screen found: rows in order of rank, rejected ones last, with the settings that produced them."""

    as_of: datetime
    rows: tuple[Opportunity, ...]
    settings: ScreenSettings
    notes: tuple[str, ...]

    @property
    def accepted(self) -> tuple[Opportunity, ...]:
        """The rows against which nothing stands."""
        return tuple(row for row in self.rows if row.status == "accepted")


def screen(
    view: MarketView,
    size_usd: float,
    *,
    horizon_days: float | None = None,
    strategies: Iterable[str] | None = None,
    contracts: Iterable[str] | None = None,
    min_edge: float | None = None,
    max_p_loss: float | None = None,
    max_p_liquidation: float | None = None,
    max_leverage: float | None = None,
    leverage: float | None = None,
    kappa: float = 0.25,
    hurdle: float | None = None,
    random_seed: int = DEFAULT_SEED,
    costs: Costs | None = None,
    borrow: BorrowForecast | None = None,
    exit_yields: Mapping[str, ExitYield] | None = None,
    forecast: Forecaster | None = None,
    **limits: Any,
) -> ScreenResult:
    """Run the strategies over the contracts of a view and rank what they find (strategies.md 10, 11).

    Parameters
    ----------
    view
        What is known at one moment.
    size_usd
        Own capital of each trade, above 0.
    horizon_days
        Holding period; by default to the end of the running interest period for YT, to maturity for PT.
    strategies
        Names of :data:`STRATEGIES`; all by default.
    contracts
        Names of contracts; by default all that have not matured.
    min_edge
        Smallest expected PnL over the horizon, fraction of the capital; by default it must be above 0.
    max_p_loss, max_p_liquidation
        Largest probabilities accepted.
    max_leverage
        No trade is levered beyond this.
    leverage
        Leverage of levered trades; by default 5, or the largest a trade allows where lower.
    kappa
        Weight of the expected shortfall in the score.
    hurdle
        APY the capital must beat; by default the best stored supply rate of USDC.
    random_seed
        Seed of all random numbers.
    costs, borrow, exit_yields
        The user's own costs, borrow forecast, and exit yields by contract.
    forecast
        Callable of an underlying, a start and an end that returns the distribution of its settled APY; the
        package's own forecasts by default.
    **limits
        Any other field of :class:`~yieldtrade.strategies.inputs.ScreenSettings`.

    Returns
    -------
    ScreenResult
        The order depends on the view and the settings alone.

    Raises
    ------
    UnknownNameError
        A strategy or contract of that name does not exist.
    DomainError
        A setting outside its range.
    """
    settings = ScreenSettings(
        size_usd=size_usd,
        horizon_days=horizon_days,
        min_edge=min_edge,
        max_p_loss=max_p_loss,
        max_p_liquidation=max_p_liquidation,
        max_leverage=max_leverage,
        leverage=leverage,
        kappa=kappa,
        hurdle=hurdle,
        random_seed=random_seed,
        costs=costs or Costs(),
        borrow=borrow,
        exit_yields=MappingProxyType(dict(exit_yields or {})),
        **limits,
    )
    chosen = _chosen(strategies)
    desk = Desk(view, settings, forecast)
    markets = desk.markets(_contracts(view, contracts))
    rows = [row for market in markets for name in chosen for row in STRATEGIES[name](desk, market)]
    return ScreenResult(as_of=view.as_of, rows=rank(rows), settings=settings, notes=tuple(desk.notes))


def _chosen(strategies: Iterable[str] | None) -> tuple[str, ...]:
    wanted = tuple(STRATEGIES) if strategies is None else tuple(strategies)
    for name in wanted:
        if name not in STRATEGIES:
            raise UnknownNameError("strategy", name, STRATEGIES, "yieldtrade screen --help")
    return tuple(name for name in STRATEGIES if name in wanted)


def _contracts(view: MarketView, contracts: Iterable[str] | None) -> tuple[Contract, ...]:
    if contracts is None:
        return view.live_contracts()
    named = {contract.contract_id: contract for contract in map(view.contract, contracts)}
    return tuple(named[name] for name in sorted(named))
