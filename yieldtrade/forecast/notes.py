"""What a forecast used, estimated and left out, in words (forecast.md 2, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from yieldtrade.forecast.data import FEES, MEASURED, TVL, UNCERTAIN, VOLUME, missing_shares
from yieldtrade.forecast.periods import day_of
from yieldtrade.forecast.target import LARGEST_DISAGREEMENT

if TYPE_CHECKING:
    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.simulate import WhatIf
    from yieldtrade.forecast.target import Target

# Fees over volume outside this band of the schedule's base look wrong.
BAND = (0.5, 3.0)
_STALE_DAYS = 7
_NAMED_DAYS = 3
_BPS = 1e4


def fee_series_text(target: Target) -> str:
    """Name the fee series that was modelled."""
    if target.basis == "gross":
        return "gross fees of all kinds"
    multiple = target.close_multiple
    return (
        "fees of opens and closes; where only closes are known, those times "
        f"{multiple.value:.3f} +/- {multiple.sd:.3f} ({multiple.source})"
    )


def quality_notes(history: PoolHistory, target: Target, what_if: WhatIf) -> tuple[str, ...]:
    """Say what a reader must know of the data and the assumptions behind a forecast."""
    notes = [
        *_definition_notes(target),
        *_official_notes(target),
        *_volume_notes(history),
        *_missing_notes(history),
        *_left_out_notes(history),
        *_age_notes(history),
        *_band_notes(history, target),
        *_assumption_notes(what_if),
    ]
    return tuple(notes)


def _definition_notes(target: Target) -> list[str]:
    if target.ratio is None and target.definition == "official":
        return [
            "no period has both a published or measured yield and a computed one: they may differ by a level"
        ]
    if target.ratio is None:
        kind = (
            "all fees"
            if target.basis == "gross"
            else "fees of opens and closes only, so the yield is understated"
        )
        return [f"no yield measured on chain is known: the APY is computed from {kind}"]
    known = "settled" if target.definition == "official" else "measured"
    return [
        f"{known} over computed yield: level {np.exp(target.ratio.level):.3f} from {target.ratio.weeks} weeks; it "
        "holds the borrow, swap and liquidation fees missing from the series and any bias of the TVL"
    ]


def _official_notes(target: Target) -> list[str]:
    """Say what settled the known periods, and where the official and the measured figure disagree."""
    if not np.isfinite(target.official).any() and not target.misaligned:
        return []
    numbers = range(target.first, target.first + len(target.share))
    by_source: dict[str, list[int]] = {}
    for number in numbers:
        source = target.settled_by(number)
        if source is not None:
            by_source.setdefault(source, []).append(number)
    spans = (
        f"{source} {len(found)} ({target.calendar.first_day(found[0])} to {target.calendar.first_day(found[-1])})"
        for source, found in by_source.items()
    )
    notes = ["yield of the known periods, by first day: " + ", ".join(spans)]
    official, measured = target.apy(target.official), target.apy(target.measured)
    both = np.flatnonzero(np.isfinite(official) & np.isfinite(measured))
    apart = [
        row for row in both if abs(np.log(official[row] / measured[row])) > np.log1p(LARGEST_DISAGREEMENT)
    ]
    if len(both):
        level = float(np.exp(np.median(np.log(official[both] / measured[both]))))
        notes.append(
            f"official over measured APY: {level:.3f} at the median of {len(both)} periods with both"
        )
    notes.extend(
        f"official and measured APY of the period from {target.calendar.first_day(target.first + int(row))} differ by "
        f"more than {LARGEST_DISAGREEMENT:.0%}: {official[row]:.2%} official, {measured[row]:.2%} measured; the "
        "official one counts"
        for row in apart
    )
    if target.misaligned:
        notes.append(
            f"{target.misaligned} official figures cover no week of the calendar in force and are not used"
        )
    return notes


def _volume_notes(history: PoolHistory) -> list[str]:
    words, counts = np.unique(history.quality[VOLUME], return_counts=True)
    by_word = {str(word): int(count) for word, count in zip(words, counts, strict=True) if word}
    notes = ["volume by quality: " + ", ".join(f"{word} {count}" for word, count in by_word.items())]
    if by_word.get(UNCERTAIN):
        notes.append(f"{by_word[UNCERTAIN]} days of uncertain date enter means of a week or more only")
    flat = int((history.quality[MEASURED] == "flat").sum())
    if flat:
        notes.append(f"{flat} measured yields repeat the day before and may be carried forward")
    return notes


def _left_out_notes(history: PoolHistory) -> list[str]:
    """Name the figures that are stored and not used; of many alike the last ones."""
    notes = []
    for series, reason in dict.fromkeys((item.series, item.reason) for item in history.left_out):
        days = [item for item in history.left_out if (item.series, item.reason) == (series, reason)]
        named = ", ".join(f"{item.day} = {item.value:g}" for item in days[-_NAMED_DAYS:])
        many = f"{len(days)} days, the last ones " if len(days) > _NAMED_DAYS else ""
        notes.append(f"left out, {reason}: {series} of {many}{named}")
    return notes


def _missing_notes(history: PoolHistory) -> list[str]:
    return [
        f"{share:.1%} of the days of {name} are missing and stay so"
        for name, share in missing_shares(history).items()
        if share > 0
    ]


def _age_notes(history: PoolHistory) -> list[str]:
    notes = []
    for label, names in (("volume", (VOLUME,)), ("fees", FEES), ("TVL", (TVL,))):
        last = history.last_day(*names)
        age = int((day_of(history.as_of) - last).astype(np.int64)) if last is not None else 0
        if age > _STALE_DAYS:
            notes.append(f"{label} end on {last}, {age} days ago: simulated from there")
    return notes


def _band_notes(history: PoolHistory, target: Target) -> list[str]:
    relative = _BPS * target.fees / history.values[VOLUME] / history.dated("trade.base_bps")
    known = relative[np.isfinite(relative)]
    if not len(known):
        return ["no fee schedule is published: fees were not checked against it"]
    odd = int(((known < BAND[0]) | (known > BAND[1])).sum())
    if not odd:
        return []
    return [
        f"{odd} of {len(known)} days have fees below {BAND[0]:g} or above {BAND[1]:g} times the base fee of their "
        "date on their volume"
    ]


def _assumption_notes(what_if: WhatIf) -> list[str]:
    given = {
        "AUM limit": what_if.cap_usd,
        "volume a day": what_if.volume_usd,
        "pool share": what_if.pool_share,
        "fees over volume, bps": what_if.fee_bps,
    }
    return [
        f"assumed by the user: {name} = {value:g}; the forecast moves by what that changes in the simulation, and the "
        "record does not speak for it"
        for name, value in given.items()
        if value is not None
    ]
