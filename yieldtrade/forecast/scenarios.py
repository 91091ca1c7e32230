"""APY by TVL and volume, in closed form from the card (forecast.md 6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.conventions import apr_from_apy, apy_from_apr
from yieldtrade.elementwise import checked, positive
from yieldtrade.forecast.har import LAGS

if TYPE_CHECKING:
    from yieldtrade.forecast.card import Card
    from yieldtrade.forecast.data import PoolHistory

# TVL caps relative to the one that holds, quantiles of volume, and the level people ask for.
CAP_CHANGES = (-0.2, 0.0, 0.2, 0.5)
BEAR, BULL = 0.10, 0.90
ASKED_APY = 0.50
INTERVAL = (0.10, 0.90)
TRAILING_DAYS = 365
# A limit counts as the size of the pool where the pool fills this much of it.
FULL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioCell:
    """APY with the TVL at a size and the volume in a regime: median and 80 % interval of one week.

    ``given`` marks the user's own size.
    """

    tvl_usd: float
    tvl_change: float
    regime: str
    volume_usd: float
    median_apy: float
    low_apy: float
    high_apy: float
    given: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Volume a day that makes an APY at a TVL; infinite where the card has no slope on volume."""

    apy: float
    tvl_usd: float
    volume_usd: float


def scenario_base(tvl_now: float, limit: float | None) -> float:
    """Return the TVL that stands for "unchanged": the limit where it is full, else the TVL now."""
    return limit if limit is not None and tvl_now >= FULL * limit else tvl_now


def scenario_table(
    card: Card,
    *,
    base_tvl: float,
    volumes: dict[str, float],
    share: float,
    n: float,
    given: float | None = None,
) -> tuple[ScenarioCell, ...]:
    """Return a cell for every size of the pool and every volume regime.

    Parameters
    ----------
    card
        The regression.
    base_tvl
        TVL that stands for "unchanged", USD.
    volumes
        Daily volume by regime, USD.
    share
        Pool share of fees.
    n
        Compounding periods a year.
    given
        The user's own size, USD.
    """
    sizes = [(base_tvl * (1.0 + change), change, False) for change in CAP_CHANGES]
    if given is not None:
        sizes.append((given, given / base_tvl - 1.0, True))
    spread = [float(np.quantile(card.residuals, level)) for level in INTERVAL]
    cells = []
    for tvl, change, own in sizes:
        for regime, volume in volumes.items():
            log_apr = float(card.log_rate(np.log(volume), np.log(tvl))) + math.log(share)
            low, middle, high = (
                apy_from_apr(math.exp(log_apr + shift), n) for shift in (spread[0], 0.0, spread[1])
            )
            cells.append(
                ScenarioCell(
                    tvl_usd=tvl,
                    tvl_change=change,
                    regime=regime,
                    volume_usd=volume,
                    median_apy=middle,
                    low_apy=low,
                    high_apy=high,
                    given=own,
                )
            )
    return tuple(cells)


def volume_regimes(history: PoolHistory, base: float) -> dict[str, float]:
    """Return daily volumes: the 10th and 90th percentile of weekly means of the trailing year, and ``base``."""
    from yieldtrade.forecast.data import VOLUME
    from yieldtrade.forecast.har import trailing_mean

    weekly = trailing_mean(history.values[VOLUME], LAGS[1], LAGS[1])[-TRAILING_DAYS:]
    known = weekly[np.isfinite(weekly)]
    if not len(known):
        return {"base": base}
    return {
        "bear": float(np.quantile(known, BEAR)),
        "base": base,
        "bull": float(np.quantile(known, BULL)),
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
