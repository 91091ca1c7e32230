"""Borrow curves of the venues, each put as a `BorrowCurve` at a moment (strategies.md 2.1).

The constants are those of immutable or published programs; what a venue can set is an argument.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.elementwise import Bound, evaluate, not_negative, positive, where
from yieldtrade.errors import DomainError
from yieldtrade.lending.curve import BorrowCurve, coordinate

if TYPE_CHECKING:
    from yieldtrade.pool.parameters import DualSlopeCurve

# Morpho's adaptive curve: target utilization, steepness, speed a year, and the range of the rate at target.
MORPHO_TARGET = 0.9
MORPHO_STEEPNESS = 4
MORPHO_SPEED = 50
MORPHO_MIN_RATE = 0.001
MORPHO_MAX_RATE = 2.0


class DriftSegment(NamedTuple):
    """A piece of Drift's curve above the kink: where it ends, and its part of the rise to the maximum."""

    end: float
    weight: float


DRIFT_SEGMENTS = (
    DriftSegment(0.85, 0.05),
    DriftSegment(0.90, 0.10),
    DriftSegment(0.95, 0.15),
    DriftSegment(0.99, 0.20),
    DriftSegment(0.995, 0.25),
    DriftSegment(1.0, 0.25),
)


def aave_curve(base: float, optimal: float, slope_below: float, slope_above: float) -> BorrowCurve:
    """Two-slope curve as Aave states it: what each slope adds to the rate over its whole stretch.

    Parameters
    ----------
    base
        Rate at no utilization.
    optimal
        Utilization of the kink, in (0, 1).
    slope_below, slope_above
        Added up to the kink, and from there to full utilization; 0 or more.

    Raises
    ------
    DomainError
        A kink outside (0, 1), a negative base or slope.
    """
    return BorrowCurve.kinked(base, optimal, base + slope_below, base + slope_below + slope_above)


def jlp_loan_curve(curve: DualSlopeCurve) -> BorrowCurve:
    """Curve of loans against JLP, minimum to target to maximum, as annual rates (strategies.md 2.1; pool.md 4).

    The hourly rate is the annual one over 8,760.

    Raises
    ------
    DomainError
        A curve of arrays: one curve at a time.
    """
    return BorrowCurve.kinked(curve.minimum, curve.kink, curve.target, curve.maximum)


def morpho_curve(rate_at_target: float) -> BorrowCurve:
    """Morpho's curve while its rate at target stands still: a quarter of it, it, and four times it.

    Parameters
    ----------
    rate_at_target
        Annual rate at 90 % utilization, 0 or more.

    Raises
    ------
    DomainError
        A negative rate.
    """
    return BorrowCurve.kinked(
        rate_at_target / MORPHO_STEEPNESS, MORPHO_TARGET, rate_at_target, rate_at_target * MORPHO_STEEPNESS
    )


_UTILIZATION = Bound("u", lambda u, **_: (u >= 0) & (u <= 1), "must lie in [0, 1]")


def morpho_rate_at_target(rate_at_target: Any, u: Any, seconds: Any) -> Any:
    """Rate at target after a time at one utilization, ``r*exp(50*err*t)``, kept in 0.1 % to 200 % a year.

    Parameters
    ----------
    rate_at_target
        Annual rate at target when the time began, above 0.
    u
        Utilization in [0, 1]; ``err`` is ``(u - 0.9)/0.9`` below the target and ``(u - 0.9)/0.1`` above it.
    seconds
        Time passed, 0 or more.

    Returns
    -------
    float or numpy.ndarray
        Annual rate. The program's own exponential is of second order and up to 0.8 % off
        (`fixed.morpho_rates_wad`).

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        _morpho_adapted,
        (positive("rate_at_target"), _UTILIZATION, not_negative("seconds")),
        "raise",
        rate_at_target=rate_at_target,
        u=u,
        seconds=seconds,
    )


def _morpho_adapted(xp: Any, rate_at_target: Any, u: Any, seconds: Any) -> Any:
    gap = u - MORPHO_TARGET
    error = gap / where(xp, gap > 0, 1.0 - MORPHO_TARGET, MORPHO_TARGET)
    # the logarithm is bounded rather than the rate, which a long time would carry past every float
    low, high = (xp.log(bound / rate_at_target) for bound in (MORPHO_MIN_RATE, MORPHO_MAX_RATE))
    moved = MORPHO_SPEED * error * (seconds / YEAR_SECONDS)
    grown = rate_at_target * xp.exp(where(xp, moved < low, low, where(xp, moved > high, high, moved)))
    return where(xp, moved == 0, rate_at_target, grown)


def drift_curve(
    optimal_utilization: float, optimal_rate: float, max_rate: float, min_rate: float = 0.0
) -> BorrowCurve:
    """Drift's curve: linear to the kink, then six ever steeper segments to the maximum (strategies.md 2.1).

    Segments that the kink leaves behind count as passed, so that a kink at or above 85 % makes the rate jump
    just above it.

    Parameters
    ----------
    optimal_utilization
        Kink, in (0, 1).
    optimal_rate, max_rate
        Rate at the kink and at full utilization, 0 or more.
    min_rate
        Floor of the rate.

    Raises
    ------
    DomainError
        A kink outside (0, 1), or rates that fall.
    """
    for name, rate in (("optimal_rate", optimal_rate), ("max_rate", max_rate), ("min_rate", min_rate)):
        coordinate(name, rate)
    if not 0 < coordinate("optimal_utilization", optimal_utilization) < 1:
        raise DomainError(f"optimal_utilization = {optimal_utilization!r} must lie between 0 and 1")
    if not 0 <= optimal_rate <= max_rate:
        raise DomainError(f"max_rate = {max_rate!r} must not lie below optimal_rate = {optimal_rate!r}")
    extra = max_rate - optimal_rate
    start = optimal_rate + extra * _passed(optimal_utilization)
    above = [(optimal_utilization, start)] if start > optimal_rate else []
    done = 0.0
    for segment in DRIFT_SEGMENTS:
        done += segment.weight
        if segment.end > optimal_utilization:
            above.append((segment.end, max_rate if segment.end == 1 else optimal_rate + extra * done))
    return BorrowCurve(_floored(((0.0, 0.0), (optimal_utilization, optimal_rate), *above), min_rate))


def _passed(kink: float) -> float:
    """Return the part of the rise that lies behind the kink."""
    done, start = 0.0, None
    for segment in DRIFT_SEGMENTS:
        if kink < segment.end:
            part = 0.0 if start is None else (kink - start) / (segment.end - start)
            return done + segment.weight * part
        done, start = done + segment.weight, segment.end
    return done


def _floored(points: tuple[tuple[float, float], ...], floor: float) -> list[tuple[float, float]]:
    """Return a curve that never charges less than a floor, with a corner where the floor is left."""
    raised = [(0.0, max(floor, points[0][1]))]
    for (u0, r0), (u1, r1) in pairwise(points):
        if r0 < floor < r1 and u1 > u0:
            raised.append((u0 + (u1 - u0) * (floor - r0) / (r1 - r0), floor))
        raised.append((u1, max(r1, floor)))
    return raised
