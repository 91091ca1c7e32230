"""How good past opportunities were: hit rate, realised against promised, calibration, and how much that proves.

Flags of one contract overlap in time and flags of one moment share its market, so none of them is an independent
draw. Standard errors are of means with clusters, by contract and by moment, whichever is the larger; the number of
independent outcomes is bounded by holding periods that do not overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from datetime import datetime

    from yieldtrade.strategies.backtest import Result

Cluster: TypeAlias = Literal["contract", "moment"]

ALL = "all"
TAIL = 0.05
LOWER, UPPER = 0.25, 0.75
# Bins of the promised probability of loss.
EDGES = (0.0, 0.05, 0.2, 0.5, 0.8, 1.0)


class Mean(NamedTuple):
    """A mean with its standard error; the error is None where there are not two clusters, ``cluster`` says of what."""

    value: float
    error: float | None
    cluster: Cluster | None


class Bin(NamedTuple):
    """Flags whose promised probability of loss lies in ``[low, high)``, the last bin with its end."""

    low: float
    high: float
    flags: int
    contracts: int
    promised: float
    lost: float


class Brier(NamedTuple):
    """Mean squared error of P(loss), of promising the share that did lose every time, and the skill over that.

    The share is known only afterwards, so the base is a hard one; the skill is None where all lost or none did.
    """

    score: float
    base: float
    skill: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The record of one strategy and side, of rows accepted or rejected; ``strategy`` is ``all`` for all of them.

    Means are over the holding, fractions of the capital, and None where nothing was realised.

    Parameters
    ----------
    flags, realised, by_terms
        Rows that could be priced; of them those with an outcome that was observed; those whose profit their terms
        alone decide.
    contracts, moments
        Of the flags scored.
    independent_most, independent_least
        Holding periods that do not overlap: counted contract by contract, and over all contracts together.
    below_tail, inside_half
        Share of outcomes below the 5 % quantile of what was promised, and between its quartiles, of the
        ``quantiles`` that have one: 5 % and half where the promised spread is right.
    tested
        Whether the outcomes scored were observed; False scores profits that could not have been others.
    """

    standing: str
    strategy: str
    side: str
    flags: int
    realised: int
    by_terms: int
    contracts: int
    moments: int
    independent_most: int
    independent_least: int
    tested: bool
    holding_days: float | None = None
    hit_rate: Mean | None = None
    promised: Mean | None = None
    returned: Mean | None = None
    shortfall: Mean | None = None
    p_loss: float | None = None
    lost: float | None = None
    liquidated: int = 0
    brier: Brier | None = None
    bins: tuple[Bin, ...] = ()
    below_tail: float | None = None
    inside_half: float | None = None
    quantiles: int = 0


def scores(results: Sequence[Result]) -> tuple[Score, ...]:
    """Score accepted and rejected flags apart: every strategy and side, then all that were tested together."""
    found = []
    for standing in ("accepted", "rejected"):
        group = [result for result in results if result.standing == standing]
        names = sorted({(r.flag.row.strategy, r.flag.row.side) for r in group})
        for strategy, side in names:
            own = [r for r in group if (r.flag.row.strategy, r.flag.row.side) == (strategy, side)]
            found.append(score(own, standing, strategy, side))
        tested = [r for r in group if r.flag.exposed and r.status != "by_terms"]
        if len(names) > 1 and tested:
            found.append(score(tested, standing, ALL, ""))
    return tuple(found)


def score(group: Sequence[Result], standing: str, strategy: str, side: str) -> Score:
    """Score one group of flags; those decided by their terms only where nothing else was realised."""
    observed = [result for result in group if result.status == "realised"]
    fixed = [result for result in group if result.status == "by_terms"]
    used = observed or fixed
    counts = Score(
        standing=standing,
        strategy=strategy,
        side=side,
        flags=len(group),
        realised=len(observed),
        by_terms=len(fixed),
        contracts=len({_contract(result) for result in used}),
        moments=len({_moment(result) for result in used}),
        independent_most=sum(
            disjoint(_holding(r) for r in used if _contract(r) == name) for name in set(map(_contract, used))
        ),
        independent_least=disjoint(map(_holding, used)),
        tested=bool(observed),
    )
    return _scored(counts, used) if used else counts


def _scored(counts: Score, used: Sequence[Result]) -> Score:
    returned = [result.realised or 0.0 for result in used]
    promised = [result.flag.promised for result in used]
    lost = [1.0 if result.lost else 0.0 for result in used]
    p_loss = [result.flag.p_loss for result in used]
    quantiles = [result.quantile for result in used if result.quantile is not None]
    days = [(end - start).total_seconds() / 86_400 for start, end in map(_holding, used)]
    return replace(
        counts,
        holding_days=_mean(days),
        hit_rate=clustered([1.0 if value > 0 else 0.0 for value in returned], used),
        promised=clustered(promised, used),
        returned=clustered(returned, used),
        shortfall=clustered([r - p for r, p in zip(returned, promised, strict=True)], used),
        p_loss=_mean(p_loss),
        lost=_mean(lost),
        liquidated=sum(getattr(result.outcome, "liquidated_at", None) is not None for result in used),
        brier=brier(p_loss, lost),
        bins=reliability(p_loss, lost, list(map(_contract, used))),
        below_tail=_mean([1.0 if q < TAIL else 0.0 for q in quantiles]) if quantiles else None,
        inside_half=_mean([1.0 if LOWER <= q <= UPPER else 0.0 for q in quantiles]) if quantiles else None,
        quantiles=len(quantiles),
    )


def clustered(values: Sequence[float], used: Sequence[Result]) -> Mean:
    """Mean with the larger of the standard errors clustered by contract and by moment."""
    errors: list[tuple[float, Cluster]] = []
    by: tuple[tuple[Cluster, list[Hashable]], ...] = (
        ("contract", list(map(_contract, used))),
        ("moment", list(map(_moment, used))),
    )
    for name, labels in by:
        error = clustered_error(values, labels)
        if error is not None:
            errors.append((error, name))
    error, cluster = max(errors, default=(None, None))
    return Mean(_mean(values), error, cluster)


def clustered_error(values: Sequence[float], labels: Sequence[Hashable]) -> float | None:
    """Standard error of a mean whose deviations may be correlated within clusters.

    ``sqrt(G/(G-1) * sum_g (sum_{i in g} u_i)^2) / n`` for G clusters; None for fewer than two.
    """
    centre = _mean(values)
    sums: dict[Hashable, float] = {}
    for value, label in zip(values, labels, strict=True):
        sums[label] = sums.get(label, 0.0) + value - centre
    clusters = len(sums)
    if clusters < 2:  # noqa: PLR2004 - one cluster has no spread between clusters
        return None
    total = math.fsum(deviation * deviation for deviation in sums.values())
    return math.sqrt(clusters / (clusters - 1) * total) / len(values)


def widest_error(outcomes: int) -> float:
    """Half-width of the 95 % interval of a share near one half from so many independent outcomes, at most 1."""
    return min(1.0, 1.96 * math.sqrt(0.25 / outcomes))


def disjoint(holdings: Iterable[tuple[datetime, datetime]]) -> int:
    """Return how many of the holding periods can be chosen so that no two overlap."""
    count, free_from = 0, None
    for start, end in sorted(holdings, key=lambda holding: holding[1]):
        if free_from is None or start >= free_from:
            count, free_from = count + 1, end
    return count


def brier(promised: Sequence[float], lost: Sequence[float]) -> Brier:
    """Score probabilities of loss by their mean squared error, against the share that lost."""
    share = _mean(lost)
    value = _mean([(p - happened) ** 2 for p, happened in zip(promised, lost, strict=True)])
    base = share * (1.0 - share)
    return Brier(value, base, 1.0 - value / base if base > 0 else None)


def reliability(
    promised: Sequence[float], lost: Sequence[float], contracts: Sequence[Hashable]
) -> tuple[Bin, ...]:
    """Compare promised probabilities of loss with the share that lost, in bins that hold any."""
    found = []
    for low, high in pairwise(EDGES):
        inside = [i for i, p in enumerate(promised) if low <= p < high or p == high == EDGES[-1]]
        if inside:
            found.append(
                Bin(
                    low,
                    high,
                    len(inside),
                    len({contracts[i] for i in inside}),
                    _mean([promised[i] for i in inside]),
                    _mean([lost[i] for i in inside]),
                )
            )
    return tuple(found)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _contract(result: Result) -> str:
    return result.flag.row.market


def _moment(result: Result) -> datetime:
    return result.flag.origin


def _holding(result: Result) -> tuple[datetime, datetime]:
    return result.flag.origin, result.flag.ends_at
