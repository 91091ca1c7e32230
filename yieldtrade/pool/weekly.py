"""What a week's return of a pool share was made of, from the stored weekly reports (pool.md 7-8)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.errors import MissingDataError
from yieldtrade.pool.attribution import weekly_decomposition
from yieldtrade.pool.parameters import parameters_at

if TYPE_CHECKING:
    from yieldtrade.market import MarketView
    from yieldtrade.series import DailySeries

DAYS = 7


class WeeklyReturn(NamedTuple):
    """One reported week: returns as fractions of the pool's value, and what lies behind them in USD.

    ``assets`` is the basket at the reported weights, ``fees`` the pool's share of all fees, ``traders`` minus what
    traders won before fees (realised, and the change of what is not), ``residual`` what these leave unexplained:
    weights that moved within the week, minting and burning fees, errors of the public figures. A part is None
    where a figure it needs is not stored.
    """

    week_end: date
    jlp_return: float
    assets: float
    fees: float | None
    traders: float | None
    residual: float | None
    fees_to_pool_usd: float | None
    trader_pnl_usd: float | None
    pool_usd: float | None


def weekly_returns(view: MarketView, pool_id: str) -> tuple[WeeklyReturn, ...]:
    """Return the decomposition of every reported week known at the view's moment, oldest first.

    Fees are those of the seven days that end with the week, times the pool's share of that day; the pool's value
    is its TVL at the start of the week.

    Raises
    ------
    MissingDataError
        No weekly report is stored.
    """
    names = (
        "week_jlp_return",
        "week_basket_return",
        "week_trader_realized_pnl_gross_usd",
        "week_trader_unrealized_pnl_change_usd",
        "tvl_usd",
        "gross_fees_usd",
    )
    series = {name: _by_day(view.pool_series(pool_id, name)) for name in names}
    weeks = sorted(series["week_jlp_return"].keys() & series["week_basket_return"].keys())
    if not weeks:
        raise MissingDataError(
            f"no weekly report of {pool_id} is known by then; load some with `yieldtrade load FILE` "
            "(columns of jlp_weekly_reports.csv)"
        )
    return tuple(_week(view, pool_id, end, series) for end in weeks)


def _week(view: MarketView, pool_id: str, end: date, series: dict[str, dict[date, float]]) -> WeeklyReturn:
    days = [end - timedelta(days=back) for back in range(DAYS)]
    fees = [series["gross_fees_usd"].get(day) for day in days]
    known = [fee for fee in fees if fee is not None]
    noon = datetime(end.year, end.month, end.day, tzinfo=UTC)
    share = parameters_at(view.pool(pool_id), noon).number("fees.pool_share")
    to_pool = share * sum(known) if len(known) == DAYS else None
    won = _sum(
        series["week_trader_realized_pnl_gross_usd"].get(end),
        series["week_trader_unrealized_pnl_change_usd"].get(end),
    )
    value = series["tvl_usd"].get(days[-1])
    total, basket = series["week_jlp_return"][end], series["week_basket_return"][end]
    if to_pool is None or won is None or value is None:
        return WeeklyReturn(end, total, basket, None, None, None, to_pool, won, value)
    parts = weekly_decomposition(
        jlp_return=total,
        basket_return=basket,
        fees_to_pool_usd=to_pool,
        trader_pnl_usd=won,
        pool_usd=value,
    )
    return WeeklyReturn(
        end, total, parts.assets, parts.fees, parts.traders, parts.residual, to_pool, won, value
    )


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def _by_day(series: DailySeries) -> dict[date, float]:
    return dict(zip(series.days.tolist(), series.values.tolist(), strict=True))
