"""What a lender charges at a utilization: the borrow curve (strategies.md 2.1)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, overload

from yieldtrade.elementwise import Bound, Number, checked, evaluate, not_negative, positive, where
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

# Reserves store their curve in eleven places.
MAX_POINTS = 11


class CurvePoint(NamedTuple):
    """A corner of a borrow curve: utilization and simple annual rate, fractions."""

    utilization: float
    rate: float


class RateModel(Protocol):
    """What a reserve asks of its rate model; rates are simple annual fractions that never fall with utilization."""

    def rate(self, u: Any) -> Any:
        """Rate at a utilization."""

    def slope(self, u: Any) -> Any:
        """Derivative of the rate by utilization, taken from below."""

    def largest_utilization(self, rate: Any) -> Any:
        """Largest utilization at which no more than a rate is charged; 0 where every one costs more."""

    def next_kink(self, u: Any) -> Any:
        """First utilization above ``u`` at which the slope changes; 1 where none does."""


@dataclass(frozen=True, slots=True, init=False)
class BorrowCurve:
    """Rate that is linear in utilization between points (strategies.md 2.1).

    Two points of one utilization below 1 are a jump: the rate at that utilization is the lower one.

    Parameters
    ----------
    points
        Two to eleven pairs of utilization and rate, fractions; the first utilization 0, the last 1, neither
        column falling, no rate negative.

    Raises
    ------
    DomainError
        Points of another form; the message names the first that is wrong.
    """

    points: tuple[CurvePoint, ...]

    def __init__(self, points: Iterable[tuple[float, float]]) -> None:
        object.__setattr__(self, "points", _checked_points(points))

    @classmethod
    def kinked(cls, base: float, kink: float, rate_at_kink: float, rate_at_full: float) -> BorrowCurve:
        """Two slopes: from ``base`` to ``rate_at_kink`` at utilization ``kink``, from there to ``rate_at_full``.

        Raises
        ------
        DomainError
            A kink outside (0, 1), or rates that fall.
        """
        if not 0 < coordinate("kink", kink) < 1:
            raise DomainError(f"kink = {kink!r} must lie between 0 and 1")
        return cls(((0.0, base), (kink, rate_at_kink), (1.0, rate_at_full)))

    @overload
    def rate(self, u: Number) -> float: ...
    @overload
    def rate(self, u: ArrayLike) -> NDArray[np.float64]: ...
    def rate(self, u: Any) -> Any:
        """Rate at a utilization, which is clamped to [0, 1].

        Raises
        ------
        DomainError
            A utilization that is not finite.
        """
        return evaluate(self._rate, (), "raise", u=u)

    @overload
    def slope(self, u: Number) -> float: ...
    @overload
    def slope(self, u: ArrayLike) -> NDArray[np.float64]: ...
    def slope(self, u: Any) -> Any:
        """Derivative of the rate, from below: what the last unit borrowed did to it; 0 at and outside the ends.

        At utilization 0, where nothing lies below, the first slope.

        Raises
        ------
        DomainError
            A utilization that is not finite.
        """
        return evaluate(self._slope, (), "raise", u=u)

    @overload
    def inverse(self, rate: Number) -> float: ...
    @overload
    def inverse(self, rate: ArrayLike) -> NDArray[np.float64]: ...
    def inverse(self, rate: Any) -> Any:
        """Smallest utilization at which a rate is reached; 0 for one below the curve, its place for one in a jump.

        Raises
        ------
        DomainError
            A negative rate, or one above the rate at full utilization, which the curve never charges.
        """
        top = self.points[-1].rate
        reached = Bound("rate", lambda rate: rate <= top, f"is never charged: the curve ends at {top!r}")
        return evaluate(self._inverse, (not_negative("rate"), reached), "raise", rate=rate)

    @overload
    def largest_utilization(self, rate: Number) -> float: ...
    @overload
    def largest_utilization(self, rate: ArrayLike) -> NDArray[np.float64]: ...
    def largest_utilization(self, rate: Any) -> Any:
        """Largest utilization at which no more than a rate is charged; 0 where every one costs more.

        Raises
        ------
        DomainError
            A rate that is not finite.
        """
        return evaluate(self._largest_utilization, (), "raise", rate=rate)

    @overload
    def next_kink(self, u: Number) -> float: ...
    @overload
    def next_kink(self, u: ArrayLike) -> NDArray[np.float64]: ...
    def next_kink(self, u: Any) -> Any:
        """First point above a utilization at which the curve bends or jumps upward; 1 where none does.

        Raises
        ------
        DomainError
            A utilization that is not finite.
        """
        kinks = tuple(self._kinks())

        def first_above(xp: Any, u: Any) -> Any:
            found: Any = 1.0
            for kink in reversed(kinks):
                found = where(xp, u < kink, kink, found)
            return found

        return evaluate(first_above, (), "raise", u=u)

    def _rate(self, xp: Any, u: Any) -> Any:
        rate: Any = self.points[0].rate
        for low, high in self._segments():
            rising = low.rate + (high.rate - low.rate) * (u - low.utilization) / (
                high.utilization - low.utilization
            )
            # rounding must not carry the rate past the corner, nor miss it there
            held = where(xp, (u >= high.utilization) | (rising > high.rate), high.rate, rising)
            rate = where(xp, u > low.utilization, held, rate)
        return rate

    def _slope(self, xp: Any, u: Any) -> Any:
        slope: Any = 0.0
        for low, high in self._segments():
            steep = (high.rate - low.rate) / (high.utilization - low.utilization)
            inside = (u > low.utilization) & (u <= high.utilization)
            slope = where(xp, inside | ((u == 0) & (low.utilization == 0)), steep, slope)
        return slope

    def _inverse(self, xp: Any, rate: Any) -> Any:
        found: Any = 1.0
        for low, high in reversed(tuple(pairwise(self.points))):
            width, rise = high.utilization - low.utilization, high.rate - low.rate
            part = low.utilization + (width * (rate - low.rate) / rise if rise > 0 else 0.0)
            found = where(xp, rate <= high.rate, where(xp, rate >= high.rate, high.utilization, part), found)
            found = where(xp, rate <= low.rate, low.utilization, found)
        return found

    def _largest_utilization(self, xp: Any, rate: Any) -> Any:
        found: Any = 0.0
        for low, high in self._segments():
            width, rise = high.utilization - low.utilization, high.rate - low.rate
            part = low.utilization + (width * (rate - low.rate) / rise if rise > 0 else width)
            held = where(xp, (rate >= high.rate) | (part > high.utilization), high.utilization, part)
            found = where(xp, rate >= low.rate, held, found)
        return found

    def _segments(self) -> Iterator[tuple[CurvePoint, CurvePoint]]:
        """Pairs of neighbouring points with room between them; two of one utilization are a jump."""
        return ((low, high) for low, high in pairwise(self.points) if high.utilization > low.utilization)

    def _kinks(self) -> Iterator[float]:
        segments = tuple(self._segments())
        for (a, b), (c, d) in pairwise(segments):
            bends = (b.rate - a.rate) * (d.utilization - c.utilization) != (d.rate - c.rate) * (
                b.utilization - a.utilization
            )
            if bends or c.rate > b.rate:
                yield b.utilization


def parse_curve(text: str) -> BorrowCurve:
    """Read a curve written as ``"0:0 0.7:0.05 0.85:0.10 1:0.5"``, utilization and rate in fractions.

    Raises
    ------
    DomainError
        Another form, or points that are no borrow curve.
    """
    pairs = []
    for word in text.split():
        utilization, colon, rate = word.partition(":")
        try:
            pairs.append((float(utilization), float(rate)))
        except ValueError:
            colon = ""
        if not colon:
            raise DomainError(
                f"borrow curve {text!r}: {word!r} is no UTILIZATION:RATE; write 0:0 0.7:0.05 0.85:0.10 1:0.5"
            )
    return BorrowCurve(pairs)


def coordinate(name: str, value: Any) -> float:
    """Return a figure of a curve as a float, refusing arrays and what is no finite number.

    Raises
    ------
    DomainError
        It is none.
    """
    number = checked(name, value)
    if not isinstance(number, float):
        raise DomainError(f"{name} holds an array; a borrow curve takes one number at a time")
    return number


def _point(pair: tuple[float, float]) -> CurvePoint:
    try:
        utilization, rate = pair
    except (TypeError, ValueError):
        raise DomainError(
            f"point {pair!r} of a borrow curve: a pair of utilization and rate is needed"
        ) from None
    return CurvePoint(coordinate("utilization", utilization), coordinate("rate", rate))


def _checked_points(points: Iterable[tuple[float, float]]) -> tuple[CurvePoint, ...]:
    found = tuple(_point(pair) for pair in points)
    if not 2 <= len(found) <= MAX_POINTS:  # noqa: PLR2004 - a line has two ends
        raise DomainError(f"a borrow curve has 2 to {MAX_POINTS} points, not {len(found)}")
    if found[0].utilization != 0 or found[-1].utilization != 1:
        raise DomainError(
            f"a borrow curve goes from utilization 0 to 1, not from {found[0].utilization!r} to "
            f"{found[-1].utilization!r}; are the points in percent or bps?"
        )
    if found[0].rate < 0:
        raise DomainError(f"rate = {found[0].rate!r} at utilization 0 must be 0 or more")
    for place, (low, high) in enumerate(pairwise(found), start=1):
        for name in CurvePoint._fields:
            before, after = getattr(low, name), getattr(high, name)
            if after < before:
                raise DomainError(
                    f"point {place} of a borrow curve falls: {name} = {after!r} after {before!r}; "
                    "utilizations and rates must not fall"
                )
    ends = {point.rate for point in found if point.utilization == 1}
    if len(ends) > 1:
        raise DomainError(f"a borrow curve cannot jump at utilization 1, from {min(ends)!r} to {max(ends)!r}")
    return found


def slot_adjustment(recent_slot_ms: Any, reference_slot_ms: Any) -> Any:
    """What a rate per slot is worth more a year where slots are shorter than the curve reckons (strategies.md 2.1).

    Parameters
    ----------
    recent_slot_ms, reference_slot_ms
        Length of a slot as measured and as the curve counts on, milliseconds, above 0.

    Raises
    ------
    DomainError
        A length that is not positive and finite.
    """
    return evaluate(
        lambda xp, recent_slot_ms, reference_slot_ms: reference_slot_ms / recent_slot_ms,
        (positive("recent_slot_ms"), positive("reference_slot_ms")),
        "raise",
        recent_slot_ms=recent_slot_ms,
        reference_slot_ms=reference_slot_ms,
    )
