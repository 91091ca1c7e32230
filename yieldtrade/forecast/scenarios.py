"""APY by TVL and volume, in closed form from the card (forecast.md 6)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.conventions import DAYS_PER_YEAR, apr_from_apy, apy_from_apr
from yieldtrade.elementwise import checked, positive
from yieldtrade.forecast.har import LAGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from yieldtrade.forecast.card import Card
    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.target import Target

# TVL caps relative to the one that holds, quantiles of volume, and the level people ask for.
CAP_CHANGES = (-0.2, 0.0, 0.2, 0.5)
BEAR, BULL = 0.10, 0.90
ASKED_APY = 0.50
INTERVAL = (0.10, 0.90)
TRAILING_DAYS = 365
# A limit counts as the size of the pool where the pool fills this much of it.
FULL = 0.95
BPS = 1e4


class PoolSize(NamedTuple):
    """A size of the pool: its TVL, relative to now, and the user's own AUM limit where that makes it."""

    tvl_usd: float
    tvl_change: float
    cap_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioCell:
    """APY with the TVL at a size and the volume in a regime: median and 80 % interval of one week.

    ``cap_usd`` is the user's own AUM limit where the size is what it makes of the pool.
    """

    tvl_usd: float
    tvl_change: float
    regime: str
    volume_usd: float
    median_apy: float
    low_apy: float
    high_apy: float
    cap_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Volume a day that makes an APY at a TVL; infinite where the card has no slope on volume."""

    apy: float
    tvl_usd: float
    volume_usd: float


def pool_sizes(tvl_now: float, limit: float | None, cap: float | None = None) -> tuple[PoolSize, ...]:
    """Return the sizes of the table: changes of the limit where the pool fills it, else of the TVL now.

    Parameters
    ----------
    tvl_now, limit
        TVL and AUM limit in force, USD; None where no limit is known.
    cap
        The user's own limit. One below the TVL holds the pool there once redemptions have brought it down; a
        wider one is filled only by a pool that fills its limit now, and else changes nothing.
    """
    full = limit is not None and tvl_now >= FULL * limit
    base = limit if full and limit is not None else tvl_now
    sizes = [PoolSize(base * (1.0 + change), change) for change in CAP_CHANGES]
    if cap is not None:
        size = cap if full else min(cap, tvl_now)
        sizes.append(PoolSize(size, size / base - 1.0, cap))
    return tuple(sizes)


def scenario_card(card: Card, target: Target, fee_bps: float | None) -> Card:
    """Return the line behind the table: the card, or with fees stated ``APR = 365 f V/A x ratio``.

    The ratio is that of measured to computed yield, known now; the residuals stay those of the card.
    """
    if fee_bps is None:
        return card
    ratio = 0.0 if target.ratio is None else target.ratio.level
    level = math.log(DAYS_PER_YEAR * fee_bps / BPS) + ratio
    return replace(card, a=level, b=1.0, c=1.0, level=level)


def scenario_table(
    card: Card, *, sizes: Sequence[PoolSize], volumes: Mapping[str, float], share: float, n: float
) -> tuple[ScenarioCell, ...]:
    """Return a cell for every size of the pool and every volume regime.

    Parameters
    ----------
    card
        The regression.
    sizes
        TVLs, USD.
    volumes
        Daily volume by regime, USD.
    share
        Pool share of fees.
    n
        Compounding periods a year.
    """
    spread = [float(np.quantile(card.residuals, level)) for level in INTERVAL]
    cells = []
    for size in sizes:
        for regime, volume in volumes.items():
            log_apr = float(card.log_rate(np.log(volume), np.log(size.tvl_usd))) + math.log(share)
            low, middle, high = (
                apy_from_apr(math.exp(log_apr + shift), n) for shift in (spread[0], 0.0, spread[1])
            )
            cells.append(
                ScenarioCell(
                    tvl_usd=size.tvl_usd,
                    tvl_change=size.tvl_change,
                    regime=regime,
                    volume_usd=volume,
                    median_apy=middle,
                    low_apy=low,
                    high_apy=high,
                    cap_usd=size.cap_usd,
                )
            )
    return tuple(cells)


def volume_regimes(history: PoolHistory, base: float, given: float | None = None) -> dict[str, float]:
    """Return daily volumes: the 10th and 90th percentile of weekly means of the trailing year, ``base``, ``given``."""
    from yieldtrade.forecast.data import VOLUME
    from yieldtrade.forecast.har import trailing_mean

    weekly = trailing_mean(history.values[VOLUME], LAGS[1], LAGS[1])[-TRAILING_DAYS:]
    known = weekly[np.isfinite(weekly)]
    own = {} if given is None else {"given": given}
    if not len(known):
        return {"base": base, **own}
    return {
        "bear": float(np.quantile(known, BEAR)),
        "base": base,
        "bull": float(np.quantile(known, BULL)),
        **own,
    }


def break_even_volume(card: Card, apy: float, tvl_usd: float, share: float, n: float) -> float:
    """Return the daily volume at which the card gives ``apy``, USD: ``exp((log(APR/share) - level + c log A)/b)``.

    Raises
    ------
    DomainError
        ``apy`` or ``tvl_usd`` is not a positive number.
    """
    wanted = checked("apy", apy, positive("apy"))
    size = checked("tvl_usd", tvl_usd, positive("tvl_usd"))
    if card.b <= 0:
        return math.inf
    log_rate = math.log(apr_from_apy(wanted, n) / share)
    return math.exp((log_rate - card.level + card.c * math.log(size)) / card.b)
