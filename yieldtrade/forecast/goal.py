"""What a forecast must reach to be worth its name, checked against its record (forecast.md 5, 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.scores import standard_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from yieldtrade.forecast.evaluate import TrackRecord
    from yieldtrade.forecast.nowcast import NowcastRecord

LEAST_SKILL = 0.10
LEAST_SKILL_LATER = 0.0
COVERED = (0.75, 0.85)
_WEEKS = (
    "one week",
    "two weeks",
    "three weeks",
    "four weeks",
    "five weeks",
    "six weeks",
    "seven weeks",
    "eight weeks",
)
_SCALES = {"crps": "of log APY", "crps_apy": "of APY"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal: what is measured, how it came out, what was wanted, and whether it was reached.

    ``values`` are fractions or logs; the sampling error of coverage, a fraction, is of its mean over origins.
    """

    what: str
    values: tuple[float, ...]
    wanted: str
    met: bool
    sampling_error: float | None = None
    percent: bool = True

    def __str__(self) -> str:
        shown = " ".join(f"{100 * v:.1f}" if self.percent else f"{v:.3f}" for v in self.values)
        unit = " %" if self.percent else ""
        error = "" if self.sampling_error is None else f" +/- {100 * self.sampling_error:.1f}"
        return f"{self.what} {shown}{error}{unit} (goal {self.wanted}): {'met' if self.met else 'not met'}"


def goals(record: TrackRecord, nowcast: NowcastRecord | None = None) -> tuple[Goal, ...]:
    """Check a record against the goals; a figure that was never scored meets none.

    Parameters
    ----------
    record
        From :func:`yieldtrade.forecast.evaluate_forecasts`.
    nowcast
        From :func:`yieldtrade.forecast.evaluate_nowcast`; without it its goals are left out.
    """
    found = [*_skill_goals(record), *_coverage_goals(record)]
    if nowcast is not None:
        found += _nowcast_goals(nowcast)
    return tuple(found)


def _skill_goals(record: TrackRecord) -> Iterator[Goal]:
    for metric, scale in _SCALES.items():
        for horizon in range(1, record.outcome.shape[1] + 1):
            least = LEAST_SKILL if horizon == 1 else LEAST_SKILL_LATER
            skill = record.score(f"skill_{metric}_vs_persistence", horizon)
            yield Goal(
                what=f"CRPS skill {scale} at {_ahead(horizon)}",
                values=(skill,),
                wanted=f"at least {least:.0%}".replace("%", " %"),
                met=skill >= least,
            )


def _coverage_goals(record: TrackRecord) -> Iterator[Goal]:
    low, high = COVERED
    for horizon in range(1, record.outcome.shape[1] + 1):
        covered = record.metrics["coverage_80"][:, horizon - 1]
        known = covered[np.isfinite(covered)]
        share = record.score("coverage_80", horizon)
        yield Goal(
            what=f"coverage of the 80 % interval at {_ahead(horizon)}",
            values=(share,),
            wanted=f"{100 * low:.0f} to {100 * high:.0f} %",
            met=low <= share <= high,
            sampling_error=standard_error(known, horizon - 1) if len(known) else None,
        )


def _nowcast_goals(nowcast: NowcastRecord) -> Iterator[Goal]:
    for metric, what in (("mae_log", "error"), ("width_80", "width of the 80 % interval")):
        values = nowcast.figure(metric)
        yield Goal(
            what=f"{what} of log APY with 0 to {len(values) - 1} days observed",
            values=tuple(map(float, values)),
            wanted="falling with each day",
            met=_falls(values),
            percent=False,
        )


def _falls(values: NDArray[np.float64]) -> bool:
    return bool((np.diff(values) < 0).all())


def _ahead(horizon: int) -> str:
    return _WEEKS[horizon - 1] if horizon <= len(_WEEKS) else f"{horizon} weeks"
