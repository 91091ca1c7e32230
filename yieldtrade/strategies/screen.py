"""The strategy screener: every strategy on every contract, net of costs, ranked and explained (strategies.md 11)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from yieldtrade.errors import UnknownNameError
from yieldtrade.strategies import (
    calendar_rows,
    fixed_income_rows,
    interest_period_rows,
    jlp_loop_rows,
    leveraged_yield_rows,
    parity_rows,
    principal_loop_rows,
    principal_spread_rows,
    target_weight_rows,
)
from yieldtrade.strategies.desk import Desk
from yieldtrade.strategies.inputs import ScreenSettings
from yieldtrade.strategies.presets import preset_values
from yieldtrade.strategies.ranking import rank
from yieldtrade.strategies.subject import Subject, of_contract, of_contracts, of_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from yieldtrade.market import Contract, MarketView
    from yieldtrade.strategies.inputs import BorrowForecast, Costs, ExitYield, Forecaster, Scenario
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Kind, Market
    from yieldtrade.strategies.worksheet import Arithmetic

    Writer: TypeAlias = Callable[[Desk, Subject], Iterable[Opportunity]]


class Strategy(NamedTuple):
    """What a strategy is run on, and what writes its rows.

    ``contract`` is run on each contract, ``pool`` on each pool, ``contracts`` on all contracts of each underlying
    that has two or more: its writer forms the groups it trades (`yieldtrade.strategies.subject.of_contracts`).
    """

    kind: Kind
    write: Writer


# Every strategy screened, in order; a new one is a module and a line here.
STRATEGIES: Mapping[str, Strategy] = {
    interest_period_rows.NAME: Strategy("contract", interest_period_rows.opportunities),
    leveraged_yield_rows.NAME: Strategy("contract", leveraged_yield_rows.opportunities),
    principal_loop_rows.NAME: Strategy("contract", principal_loop_rows.opportunities),
    fixed_income_rows.NAME: Strategy("contract", fixed_income_rows.opportunities),
    principal_spread_rows.NAME: Strategy("contract", principal_spread_rows.opportunities),
    jlp_loop_rows.NAME: Strategy("pool", jlp_loop_rows.opportunities),
    target_weight_rows.NAME: Strategy("pool", target_weight_rows.opportunities),
    parity_rows.NAME: Strategy("contract", parity_rows.opportunities),
    calendar_rows.NAME: Strategy("contracts", calendar_rows.opportunities),
}

# How each of them writes its profit step by step, at any scenario.
PROFITS: Mapping[str, Callable[[Arithmetic, Any, Scenario], float]] = {
    interest_period_rows.NAME: interest_period_rows.arithmetic,
    leveraged_yield_rows.NAME: leveraged_yield_rows.arithmetic,
    principal_loop_rows.NAME: principal_loop_rows.arithmetic,
    fixed_income_rows.NAME: fixed_income_rows.arithmetic,
    principal_spread_rows.NAME: principal_spread_rows.arithmetic,
    jlp_loop_rows.NAME: jlp_loop_rows.arithmetic,
    target_weight_rows.NAME: target_weight_rows.arithmetic,
    parity_rows.NAME: parity_rows.arithmetic,
    calendar_rows.NAME: calendar_rows.arithmetic,
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
    kappa: float | None = None,
    hurdle: float | None = None,
    random_seed: int | None = None,
    preset: str | None = None,
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
        Names of contracts, or of pools for the strategies that trade them; by default all pools, and the
        contracts that have not matured.
    min_edge
        Smallest expected PnL over the horizon, fraction of the capital; by default it must be above 0.
    max_p_loss, max_p_liquidation
        Largest probabilities accepted.
    max_leverage
        No trade is levered beyond this.
    leverage
        Leverage of levered trades; by default 5, or the largest a trade allows where lower.
    kappa
        Weight of the expected shortfall in the score, 0.25 by default.
    hurdle
        APY the capital must beat; by default the best stored supply rate of USDC.
    random_seed
        Seed of all random numbers.
    preset
        Name of one of :data:`~yieldtrade.strategies.presets.PRESETS`: thresholds for whatever of them is not
        given here; one that is given wins. ``max_p_loss=1`` lifts a limit of a preset.
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
        A strategy, contract, pool or preset of that name does not exist.
    DomainError
        A setting outside its range.
    """
    given = {
        "horizon_days": horizon_days,
        "min_edge": min_edge,
        "max_p_loss": max_p_loss,
        "max_p_liquidation": max_p_liquidation,
        "max_leverage": max_leverage,
        "leverage": leverage,
        "kappa": kappa,
        "hurdle": hurdle,
        "random_seed": random_seed,
        "costs": costs,
        "borrow": borrow,
        "exit_yields": MappingProxyType(dict(exit_yields or {})),
        **limits,
    }
    stated = {name: value for name, value in given.items() if value is not None}
    settings = ScreenSettings(**{**preset_values(preset), **stated, "size_usd": size_usd, "preset": preset})
    chosen = _chosen(strategies)
    desk = Desk(view, settings, forecast)
    subjects = Subjects(desk, None if contracts is None else tuple(contracts))
    rows = [
        row
        for strategy in chosen
        for subject in subjects.of(strategy.kind)
        for row in strategy.write(desk, subject)
    ]
    return ScreenResult(as_of=view.as_of, rows=rank(rows), settings=settings, notes=tuple(desk.notes))


class Subjects:
    """What a screen runs on, by kind, each looked up when a strategy first asks for it."""

    def __init__(self, desk: Desk, names: tuple[str, ...] | None) -> None:
        self._desk = desk
        self._pools = _pools(desk.view, names)
        self._contracts = _contracts(desk.view, names, self._pools)
        self._found: dict[Kind, tuple[Subject, ...]] = {}

    def of(self, kind: Kind) -> tuple[Subject, ...]:
        """Return the subjects of a kind, in order of name."""
        if kind not in self._found:
            self._found[kind] = tuple(self._look_up(kind))
        return self._found[kind]

    def _look_up(self, kind: Kind) -> Iterator[Subject]:
        if kind == "pool":
            return map(of_pool, map(self._desk.view.pool, self._pools))
        if kind == "contract":
            return map(of_contract, self._desk.markets(self._contracts))
        together: dict[str, list[Market]] = {}
        for subject in self.of("contract"):
            together.setdefault(subject.underlying, []).extend(subject.markets)
        return (of_contracts(markets) for markets in together.values() if len(markets) > 1)


def _chosen(strategies: Iterable[str] | None) -> tuple[Strategy, ...]:
    wanted = tuple(STRATEGIES) if strategies is None else tuple(strategies)
    for name in wanted:
        if name not in STRATEGIES:
            raise UnknownNameError("strategy", name, STRATEGIES, "yieldtrade screen --help")
    return tuple(strategy for name, strategy in STRATEGIES.items() if name in wanted)


def _pools(view: MarketView, names: tuple[str, ...] | None) -> tuple[str, ...]:
    known = sorted(view.facts.pool_ids())
    return tuple(known) if names is None else tuple(name for name in known if name in names)


def _contracts(
    view: MarketView, names: tuple[str, ...] | None, pools: tuple[str, ...]
) -> tuple[Contract, ...]:
    if names is None:
        return view.live_contracts()
    found = (view.contract(name) for name in names if name not in pools)
    named = {contract.contract_id: contract for contract in found}
    return tuple(named[name] for name in sorted(named))
