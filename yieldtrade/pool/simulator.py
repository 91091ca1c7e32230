"""A perpetual demand lending pool and its exchange, step by step (pdlp.md 10, appendix A of the paper).

A step is a pure function: the same inputs give the same bits, and no input is written to. Liquidations, funding
and fees work on all positions at once; only updates of liquidity and orders, whose sequence counts, come one by
one. All value T = p.R + escrow + the protocol's fees is accounted for: `StepReport.residual_usd`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from yieldtrade.errors import DomainError
from yieldtrade.pool.simulator_flows import (
    Filled,
    LpOutcome,
    Moment,
    OrderOutcome,
    Vault,
    fill_orders,
    update_liquidity,
)
from yieldtrade.pool.simulator_inputs import (
    BasketRedemption,
    CloseOrder,
    Deposit,
    LpUpdate,
    OpenOrder,
    Order,
    Period,
    Redemption,
    SimulatorParameters,
)
from yieldtrade.pool.simulator_state import (
    Positions,
    SimulatorState,
    available,
    net_asset_value,
    oracle_prices,
    per_asset,
    share_price,
    sums_by,
    total_usd,
    value_usd,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Column: TypeAlias = "NDArray[np.float64]"

__all__ = [
    "BasketRedemption",
    "CloseOrder",
    "Deposit",
    "LpOutcome",
    "OpenOrder",
    "OrderOutcome",
    "Period",
    "Positions",
    "Redemption",
    "Simulation",
    "SimulationSeries",
    "SimulatorParameters",
    "SimulatorState",
    "StepReport",
    "available",
    "net_asset_value",
    "share_price",
    "simulate",
    "step",
    "total_usd",
]


class Liquidations(NamedTuple):
    """Step 2: the positions taken, their collateral, and the losses beyond it, USD."""

    ids: NDArray[np.int64]
    seized_usd: float
    shortfall_usd: float


class Funding(NamedTuple):
    """Step 3, by market.

    Attributes
    ----------
    rate
        gamma of (2), longs pay where positive; NaN where one side has no positions and nothing is paid.
    paid_usd
        From longs to shorts; below 0 from shorts to longs.
    shortfall_usd
        Due beyond the payers' collateral.
    """

    rate: Column
    paid_usd: Column
    shortfall_usd: Column


class Fees(NamedTuple):
    """Step 4: what positions paid to the pool and to the protocol, and what they could not pay, USD."""

    pool_usd: float
    protocol_usd: float
    shortfall_usd: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepReport:
    """What a step did.

    Attributes
    ----------
    t
        Number of the step, counted from 1.
    revaluation_usd
        R.(p' - p), step 1.
    liquidations, funding, fees
        Steps 2, 3 and 4.
    lp_outcomes, order_outcomes
        Steps 5 and 6: an outcome for each update and order, in their order.
    residual_usd
        Change of T less the revaluation and the cash from outside: rounding.
    nav_usd, shares, total_usd
        Net asset value, shares and T after the step.
    prices, reserves, locked
        By asset, after the step.
    """

    t: int
    revaluation_usd: float
    liquidations: Liquidations
    funding: Funding
    fees: Fees
    lp_outcomes: tuple[LpOutcome, ...]
    order_outcomes: tuple[OrderOutcome, ...]
    residual_usd: float
    nav_usd: float
    shares: float
    total_usd: float
    prices: Column
    reserves: Column
    locked: Column

    @property
    def accepted(self) -> tuple[LpOutcome | OrderOutcome, ...]:
        """Return the updates and orders that were done."""
        return tuple(outcome for outcome in self._outcomes() if outcome.accepted)

    @property
    def rejected(self) -> tuple[LpOutcome | OrderOutcome, ...]:
        """Return those that were not, each with its reason."""
        return tuple(outcome for outcome in self._outcomes() if not outcome.accepted)

    def _outcomes(self) -> Iterator[LpOutcome | OrderOutcome]:
        yield from self.lp_outcomes
        yield from self.order_outcomes

    @property
    def lp_flow_usd(self) -> float:
        """Return the value that depositors paid in less what redeemers took out."""
        return math.fsum(outcome.value_usd for outcome in self.lp_outcomes)

    @property
    def trader_flow_usd(self) -> float:
        """Return the value that traders paid in less what they took out."""
        return math.fsum(outcome.cash_usd for outcome in self.order_outcomes)

    @property
    def shortfall_usd(self) -> float:
        """Return the traders' losses beyond their collateral, liquidated or closed."""
        closed = math.fsum(outcome.shortfall_usd for outcome in self.order_outcomes)
        return self.liquidations.shortfall_usd + closed

    @property
    def share_price(self) -> float | None:
        """Return the net asset value of one share; None for an empty pool."""
        return self.nav_usd / self.shares if self.shares else None


def step(
    state: SimulatorState,
    oracle: Any,
    lp_updates: Sequence[LpUpdate],
    orders: Sequence[Order],
    params: SimulatorParameters,
) -> tuple[SimulatorState, StepReport]:
    """Move the pool by one period: oracle, liquidations, funding, fees, liquidity, orders (pdlp.md 10).

    Parameters
    ----------
    state
        Pool and exchange at the end of the period before.
    oracle
        New prices by asset, USD a unit; everything happens at them.
    lp_updates, orders
        Done one by one in the given order; invalid ones are rejected whole, with a reason in the report.
    params
        The rules; ``params.order`` tells whether fees come fourth or last.

    Returns
    -------
    tuple of SimulatorState and StepReport
        The state after the step, and what happened.

    Raises
    ------
    DomainError
        Prices that are not positive and finite or do not match the assets, parameters by asset that do not, an
        update or order that no state could admit, or a value too large to represent.
    """
    import numpy as np

    _check_lengths(params, state.assets)
    prices = oracle_prices("oracle", oracle, state)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        positions, liquidations = _liquidate(state.positions, prices, params)
        positions, funding = _pay_funding(positions, state.prices, prices, params)
        fees_first = params.order == "paper"
        positions, fees = _charge_fees(positions, prices, params) if fees_first else (positions, NO_FEES)
        reserves = _credited(state, state.reserves, liquidations.seized_usd + fees.pool_usd)
        vault, lp_outcomes, filled = _flow(
            state, positions, reserves, prices, tuple(lp_updates), tuple(orders), params
        )
        positions, reserves = filled.positions, filled.reserves
        if not fees_first:
            positions, fees = _charge_fees(positions, prices, params)
            reserves = _credited(state, reserves, fees.pool_usd)
        after = SimulatorState(
            t=state.t + 1,
            prices=prices,
            reserves=reserves,
            shares=vault.shares,
            positions=positions,
            protocol_usd=state.protocol_usd + fees.protocol_usd,
            numeraire=state.numeraire,
        )
        return after, _report(state, after, liquidations, funding, fees, lp_outcomes, filled.outcomes)


def _check_lengths(params: SimulatorParameters, assets: int) -> None:
    for name in ("kappa", "fee", "maintenance"):
        per_asset(name, getattr(params, name), assets)
    targets = params.target_weights
    if targets is not None and len(targets) != assets:
        raise DomainError(f"target_weights has shape {targets.shape}: the pool has {assets} assets")


def _liquidate(
    positions: Positions, prices: Column, params: SimulatorParameters
) -> tuple[Positions, Liquidations]:
    """Step 2: all j with collateral + pnl <= maintenance*size*p' at once; the pool keeps their collateral."""
    maintenance = per_asset("maintenance", params.maintenance, len(prices))
    equity = positions.collateral + positions.pnl_usd(prices)
    taken = equity <= (maintenance * prices)[positions.asset] * positions.size
    liquidations = Liquidations(
        ids=positions.ids[taken],
        seized_usd=float(positions.collateral[taken].sum()),
        shortfall_usd=float(0.0 - equity[taken].clip(max=0.0).sum()),
    )
    return (positions.kept(~taken) if taken.any() else positions), liquidations


def _pay_funding(
    positions: Positions, before: Column, prices: Column, params: SimulatorParameters
) -> tuple[Positions, Funding]:
    """Step 3: |gamma|*p'*size from each payer within its collateral, shared among receivers by size."""
    import numpy as np

    assets, asset, size = len(prices), positions.asset, positions.size
    longs, shorts = _open_interest(positions, assets)
    rate = _funding_rate(longs, shorts, before, prices, per_asset("kappa", params.kappa, assets))
    # USD that a long owes on each unit; a short owes its opposite
    unit = np.where(np.isnan(rate), 0.0, rate) * prices
    if not unit.any():
        return positions, Funding(rate, np.zeros(assets), np.zeros(assets))
    owed = positions.side * unit[asset] * size
    due = np.maximum(owed, 0.0)
    paid = np.minimum(due, positions.collateral)
    pot = sums_by(asset, paid, assets)
    receivers = np.where(unit > 0, shorts, longs)
    each_unit = np.divide(pot, receivers, out=np.zeros(assets), where=unit != 0)
    got = each_unit[asset] * size * (owed < 0)
    unpaid = sums_by(asset, due - paid, assets)
    funded = positions.with_collateral(positions.collateral - paid + got)
    return funded, Funding(rate, np.sign(unit) * pot, unpaid)


def _open_interest(positions: Positions, assets: int) -> tuple[Column, Column]:
    """L and S by market, units."""
    side_of_market = 2 * positions.asset + (positions.side < 0)
    sizes = sums_by(side_of_market, positions.size, 2 * assets)
    return sizes[0::2], sizes[1::2]


def _funding_rate(longs: Column, shorts: Column, before: Column, prices: Column, kappa: Column) -> Column:
    """Return gamma = kappa*(L/S - p'/p), (2) of the paper; NaN where L or S is 0 (pdlp.md 2, 10)."""
    import numpy as np

    return np.where((longs > 0) & (shorts > 0), kappa * (longs / shorts - prices / before), np.nan)


NO_FEES = Fees(0.0, 0.0, 0.0)


def _charge_fees(positions: Positions, prices: Column, params: SimulatorParameters) -> tuple[Positions, Fees]:
    """Step 4: f*notional from each position within its collateral, the share s to the pool."""
    import numpy as np

    rate = per_asset("fee", params.fee, len(prices))
    if not rate.any():
        return positions, NO_FEES
    price = positions.entry if params.fee_base == "entry" else prices[positions.asset]
    due = rate[positions.asset] * positions.size * price
    paid = np.minimum(due, positions.collateral)
    total = float(paid.sum())
    to_pool = params.pool_share * total
    fees = Fees(to_pool, total - to_pool, float((due - paid).sum()))
    return positions.with_collateral(positions.collateral - paid), fees


def _credited(state: SimulatorState, reserves: Column, usd: float) -> Column:
    """Return reserves with so many USD more of the numeraire."""
    more = reserves.copy()
    more[state.numeraire] += usd
    return more


def _flow(
    state: SimulatorState,
    positions: Positions,
    reserves: Column,
    prices: Column,
    lp_updates: Sequence[LpUpdate],
    orders: Sequence[Order],
    params: SimulatorParameters,
) -> tuple[Vault, tuple[LpOutcome, ...], Filled]:
    """Steps 5 and 6."""
    vault = Vault(reserves, state.shares)
    if not lp_updates and not orders:
        return vault, (), Filled(positions, reserves, ())
    locked = positions.locked_by_asset(state.assets, state.numeraire)
    moment = Moment(prices, locked, float(positions.pnl_usd(prices).sum()), params)
    vault, outcomes = update_liquidity(vault, lp_updates, moment)
    return vault, outcomes, fill_orders(positions, vault.reserves, orders, state, moment)


def _report(
    state: SimulatorState,
    after: SimulatorState,
    liquidations: Liquidations,
    funding: Funding,
    fees: Fees,
    lp_outcomes: tuple[LpOutcome, ...],
    order_outcomes: tuple[OrderOutcome, ...],
) -> StepReport:
    revaluation = value_usd(after.prices - state.prices, state.reserves)
    flows = [outcome.value_usd for outcome in lp_outcomes] + [outcome.cash_usd for outcome in order_outcomes]
    total = total_usd(after)
    report = StepReport(
        t=after.t,
        revaluation_usd=revaluation,
        liquidations=liquidations,
        funding=funding,
        fees=fees,
        lp_outcomes=lp_outcomes,
        order_outcomes=order_outcomes,
        residual_usd=math.fsum([total, -total_usd(state), -revaluation, *(-flow for flow in flows)]),
        nav_usd=net_asset_value(after),
        shares=after.shares,
        total_usd=total,
        prices=after.prices,
        reserves=after.reserves,
        locked=after.locked,
    )
    _check_representable(report)
    return report


def _check_representable(report: StepReport) -> None:
    figures = {
        "total_usd": report.total_usd,
        "nav_usd": report.nav_usd,
        "liquidation shortfall": report.liquidations.shortfall_usd,
        "funding shortfall": float(report.funding.shortfall_usd.sum()),
        "fee shortfall": report.fees.shortfall_usd,
    }
    for name, figure in figures.items():
        if not math.isfinite(figure):
            raise DomainError(f"{name} = {figure!r} in step {report.t}: too large to represent")


class SimulationSeries(NamedTuple):
    """Figures of a simulation, a row a step; those by asset have a column an asset.

    ``share_price`` is NaN for an empty pool, ``funding_usd`` below 0 where shorts paid longs; ``locked`` over
    ``reserves`` is the utilisation.
    """

    t: NDArray[np.int64]
    nav_usd: Column
    shares: Column
    share_price: Column
    total_usd: Column
    pool_fees_usd: Column
    protocol_fees_usd: Column
    liquidations: NDArray[np.int64]
    shortfall_usd: Column
    lp_flow_usd: Column
    trader_flow_usd: Column
    funding_usd: Column
    prices: Column
    reserves: Column
    locked: Column


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Simulation:
    """A simulated run: the last state, a report a step, and their figures as series."""

    final: SimulatorState
    reports: tuple[StepReport, ...]

    @property
    def series(self) -> SimulationSeries:
        """Return the figures of the reports, one row a step."""
        import numpy as np

        reports, assets = self.reports, self.final.assets

        def numbers(figure: Any) -> Column:
            return np.array([figure(report) for report in reports], dtype=np.float64)

        def rows(figure: Any) -> Column:
            return numbers(figure).reshape(len(reports), assets)

        return SimulationSeries(
            t=np.array([report.t for report in reports], dtype=np.int64),
            nav_usd=numbers(lambda r: r.nav_usd),
            shares=numbers(lambda r: r.shares),
            share_price=numbers(lambda r: r.share_price if r.shares else math.nan),
            total_usd=numbers(lambda r: r.total_usd),
            pool_fees_usd=numbers(lambda r: r.fees.pool_usd),
            protocol_fees_usd=numbers(lambda r: r.fees.protocol_usd),
            liquidations=np.array([len(r.liquidations.ids) for r in reports], dtype=np.int64),
            shortfall_usd=numbers(lambda r: r.shortfall_usd),
            lp_flow_usd=numbers(lambda r: r.lp_flow_usd),
            trader_flow_usd=numbers(lambda r: r.trader_flow_usd),
            funding_usd=rows(lambda r: r.funding.paid_usd),
            prices=rows(lambda r: r.prices),
            reserves=rows(lambda r: r.reserves),
            locked=rows(lambda r: r.locked),
        )


def simulate(state: SimulatorState, schedule: Iterable[Period], params: SimulatorParameters) -> Simulation:
    """Run a schedule, one step a period (pdlp.md 10).

    Raises
    ------
    DomainError
        As :func:`step`.
    """
    reports = []
    for period in schedule:
        state, report = step(state, period.prices, period.lp_updates, period.orders, params)
        reports.append(report)
    return Simulation(final=state, reports=tuple(reports))
