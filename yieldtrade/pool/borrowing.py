"""What positions pay for what they lock: utilisation, borrow rates, the index and the fee (pool.md 4).

Simple interest on the whole size: the index adds up hourly rates and does not compound. Rates are fractions an
hour or a year; exact forms count them, and the index, in 1e-9.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import YEAR_SECONDS, utc
from yieldtrade.elementwise import (
    Bound,
    check_choice,
    checked,
    evaluate,
    not_negative,
    ratio,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.pool.integers import BPS, NANO, dceil, whole, whole_units
from yieldtrade.pool.parameters import DualSlopeCurve, LinearCurve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from yieldtrade.pool.parameters import BorrowCurve
    from yieldtrade.pool.state import CustodyState

RatePeriod: TypeAlias = Literal["hour", "year"]

HOUR_SECONDS = 3_600
HOURS_PER_YEAR = YEAR_SECONDS // HOUR_SECONDS

_WITHIN = Bound("u", lambda u, **_: u <= 1, "must be at most 1; allow_over=True extends the curve beyond")
_ORDERED = Bound(
    "index_to",
    lambda index_from, index_to, **_: index_to >= index_from,
    "lies below index_from; an index never falls",
)


def utilisation(custody: CustodyState, interest_accrued: Any = 0.0) -> Any:
    """Share of a custody in use, ``u = (locked + debt)/(owned + debt)`` (pool.md 4).

    Parameters
    ----------
    custody
        What the pool holds; above 1 where more is locked than owned.
    interest_accrued
        Tokens of its ``debt`` that are interest, 0 or more; they count as neither owned nor locked.

    Returns
    -------
    float or numpy.ndarray
        0 where nothing is locked or nothing owned.

    Raises
    ------
    DomainError
        A negative interest, or one that is not finite.
    """
    return evaluate(
        _utilisation,
        (not_negative("interest_accrued"),),
        "raise",
        locked=custody.locked,
        owned=custody.owned,
        debt=custody.debt,
        interest_accrued=interest_accrued,
    )


def _utilisation(xp: Any, locked: Any, owned: Any, debt: Any, interest_accrued: Any) -> Any:
    lent = where(xp, debt > interest_accrued, debt - interest_accrued, 0.0)
    return ratio(xp, locked + lent, owned + lent, at_zero=0.0)


class BorrowRate(NamedTuple):
    """A borrow rate, a fraction an hour and a year (simple); in exact form both in 1e-9."""

    hourly: Any
    apr: Any


def borrow_rate(u: Any, curve: BorrowCurve, *, allow_over: bool = False) -> BorrowRate:
    """Borrow rate at a utilisation (pool.md 4).

    Linear: ``hourly = u*h``. Dual slope: from its minimum to its target up to the kink, from there to its
    maximum at full utilisation; ``hourly = APR/8760``.

    Parameters
    ----------
    u
        Utilisation, 0 to 1.
    curve
        Of the custody, at the moment.
    allow_over
        Take utilisations above 1 too, on the curve's last slope extended.

    Raises
    ------
    DomainError
        A utilisation outside its range.
    """
    bounds = (not_negative("u"),) if allow_over else (not_negative("u"), _WITHIN)
    if isinstance(curve, LinearCurve):
        hourly = evaluate(lambda xp, u, hourly: u * hourly, bounds, "raise", u=u, hourly=curve.hourly)
        return BorrowRate(hourly, hourly * HOURS_PER_YEAR)
    apr = evaluate(
        _dual_slope,
        bounds,
        "raise",
        u=u,
        minimum=curve.minimum,
        target=curve.target,
        maximum=curve.maximum,
        kink=curve.kink,
    )
    return BorrowRate(apr / HOURS_PER_YEAR, apr)


def _dual_slope(xp: Any, u: Any, minimum: Any, target: Any, maximum: Any, kink: Any) -> Any:
    below = minimum + (target - minimum) * u / kink
    above = target + (maximum - target) * (u - kink) / (1.0 - kink)
    # Rounding must not carry a rate past the curve's own figures: the inverse would not take it back.
    below = where(xp, below > target, target, below)
    above = where(xp, (u <= 1.0) & (above > maximum), maximum, above)
    return where(xp, u <= kink, below, above)


def borrow_rate_exact(locked: int, owned: int, curve: BorrowCurve) -> BorrowRate:
    """Borrow rate in the program's integers (pool.md 4); one custody at a time, also above full utilisation.

    Linear: ``dceil(locked*h, owned)`` an hour. Dual slope: utilisation rounded down to 1e-9, the yearly rate up
    to a whole bp, the hourly rate down to 1e-9.

    Parameters
    ----------
    locked, owned
        Tokens in their smallest unit, debt without interest included in both.
    curve
        Its rates must be whole bps (dual slope) or whole 1e-9 (linear rate and kink).

    Returns
    -------
    BorrowRate
        Integers in 1e-9. A linear curve's yearly rate is 8,760 of its hourly ones.

    Raises
    ------
    DomainError
        A negative or broken number, or a curve that the program could not hold.
    """
    held, used = whole("owned", owned, 0), whole("locked", locked, 0)
    if isinstance(curve, LinearCurve):
        full = whole_units("hourly", curve.hourly, NANO)
        hourly = dceil(used * full, held) if held else 0
        return BorrowRate(hourly, hourly * HOURS_PER_YEAR)
    yearly = _dual_slope_bps(used * NANO // held if held else 0, curve) * (NANO // BPS)
    return BorrowRate(yearly // HOURS_PER_YEAR, yearly)


def _dual_slope_bps(u: int, curve: DualSlopeCurve) -> int:
    minimum, target, maximum = (
        whole_units(name, getattr(curve, name), BPS) for name in ("minimum", "target", "maximum")
    )
    kink = whole_units("kink", curve.kink, NANO)
    if u <= kink:
        return dceil((target - minimum) * u, kink) + minimum
    return dceil((maximum - target) * (u - kink), NANO - kink) + target


def borrow_utilisation(rate: Any, curve: BorrowCurve, *, per: RatePeriod = "hour") -> Any:
    """Utilisation at which a curve charges a rate, the inverse of `borrow_rate` (pool.md 4).

    Parameters
    ----------
    rate
        Fraction an hour or a year.
    curve
        Of the custody, at the moment.
    per
        ``"hour"`` or ``"year"``: what ``rate`` is.

    Returns
    -------
    float or numpy.ndarray
        Utilisation, 0 to 1; where the curve is flat at that rate, the lowest that pays it.

    Raises
    ------
    DomainError
        A rate that the curve never charges; the message names its range.
    """
    check_choice("per", per, ("hour", "year"))
    low, middle, high, kink = _knots(curve, per)
    within = Bound(
        "rate", lambda rate, low, high, **_: (rate >= low) & (rate <= high), _range(low, high, per)
    )
    return evaluate(_inverse, (within,), "raise", rate=rate, low=low, middle=middle, high=high, kink=kink)


def _knots(curve: BorrowCurve, per: RatePeriod) -> tuple[Any, Any, Any, Any]:
    """Return the rates at no, kink and full utilisation, computed as `borrow_rate` does, and the kink."""
    if isinstance(curve, LinearCurve):
        full = curve.hourly * HOURS_PER_YEAR if per == "year" else curve.hourly
        return 0.0, full, full, 1.0
    hours = HOURS_PER_YEAR if per == "hour" else 1
    return curve.minimum / hours, curve.target / hours, curve.maximum / hours, curve.kink


def _range(low: Any, high: Any, per: RatePeriod) -> str:
    if isinstance(low, float) and isinstance(high, float):
        return f"must lie within the curve, {low:.10g} to {high:.10g} per {per}"
    return "must lie between the curve's rates at no and at full utilisation"


def _inverse(xp: Any, rate: Any, low: Any, middle: Any, high: Any, kink: Any) -> Any:
    below = kink * ratio(xp, rate - low, middle - low, at_zero=0.0)
    above = kink + (1.0 - kink) * ratio(xp, rate - middle, high - middle, at_zero=0.0)
    return where(xp, rate <= middle, below, above)


def borrow_fee(size_usd: Any, index_from: Any, index_to: Any, *, exact: bool = False) -> Any:
    """Fee on a position between two readings of the index, ``size*(index_to - index_from)`` (pool.md 4).

    Parameters
    ----------
    size_usd
        The whole size, not size less collateral; 0 or more; in exact form an integer in 1e-6 USD.
    index_from, index_to
        The custody's index at entry and now (`borrow_index`); in exact form integers in 1e-9.
    exact
        Round up to 1e-6 USD as the program does.

    Returns
    -------
    float, int or numpy.ndarray
        USD; in exact form 1e-6 USD.

    Raises
    ------
    DomainError
        A value outside its domain, an index that falls; in exact form one that is not whole.
    """
    if exact:
        growth = _growth(whole("index_from", index_from, 0), whole("index_to", index_to))
        return dceil(whole("size_usd", size_usd, 0) * growth, NANO)
    return evaluate(
        lambda xp, size_usd, index_from, index_to: size_usd * (index_to - index_from),
        (not_negative("size_usd"), not_negative("index_from"), _ORDERED),
        "raise",
        size_usd=size_usd,
        index_from=index_from,
        index_to=index_to,
    )


def _growth(index_from: int, index_to: int) -> int:
    if index_to < index_from:
        raise DomainError(f"index_to = {index_to!r} {_ORDERED.message}")
    return index_to - index_from


def borrow_index(rates: Any, times: Any, index0: Any, *, exact: bool = False) -> Any:
    """Path of the borrow index, ``index += hourly*hours`` (pool.md 4).

    Parameters
    ----------
    rates
        Hourly rate in force in each interval, of shape (..., n), or one for all; in exact form n integers in
        1e-9.
    times
        The n+1 ends of the intervals, rising: seconds, or aware datetimes; in exact form whole seconds.
    index0
        Index at the first time, of shape (...); in exact form an integer in 1e-9.
    exact
        Round every step up to 1e-9, ``dceil(hourly*seconds, 3600)``, as the program does.

    Returns
    -------
    numpy.ndarray or tuple of int
        Index at each time, of shape (..., n+1).

    Raises
    ------
    DomainError
        Times that do not rise or carry no zone, a number of rates that does not fit them, a negative rate or
        index; in exact form one that is not whole.
    """
    if exact:
        return _exact_index(rates, times, index0)
    import numpy as np

    seconds = _rising(times)
    hours = np.diff(seconds) / HOUR_SECONDS
    hourly = np.asarray(checked("rates", rates, not_negative("rates")))
    _check_intervals(hourly.shape[-1] if hourly.ndim else len(hours), len(hours))
    start = np.asarray(checked("index0", index0, not_negative("index0")))[..., None]
    grown = np.cumsum(hourly * hours, axis=-1)
    try:
        return start + np.concatenate([np.zeros((*grown.shape[:-1], 1)), grown], axis=-1)
    except ValueError:
        shapes = f"index0{start.shape[:-1]}, rates{hourly.shape}"
        raise DomainError(f"shapes do not broadcast: {shapes}; the last axis of rates is time") from None


def _rising(times: Any) -> NDArray[Any]:
    import numpy as np

    seconds = np.asarray(checked("times", _as_seconds(times)))
    if seconds.ndim != 1 or len(seconds) < 2:  # noqa: PLR2004 - an interval has two ends
        raise DomainError("times: give the ends of the intervals, two or more, in one row")
    falls = np.flatnonzero(np.diff(seconds) <= 0)
    if falls.size:
        i = int(falls[0]) + 1
        raise DomainError(f"times[{i}] does not come after times[{i - 1}]; give rising times without repeats")
    return seconds


def _as_seconds(times: Any) -> Any:
    """Return datetimes as seconds since 1970, anything else as it is."""
    given = _listed(times)
    if not any(isinstance(moment, datetime) for moment in given):
        return times
    return [utc(moment, f"times[{i}]").timestamp() for i, moment in enumerate(given)]


def _check_intervals(rates: int, intervals: int) -> None:
    if rates != intervals:
        raise DomainError(f"rates holds {rates} values for the {intervals} intervals between times")


def _exact_index(rates: Any, times: Any, index0: Any) -> tuple[int, ...]:
    seconds = [whole(f"times[{i}]", moment) for i, moment in enumerate(_listed(times))]
    _rising(seconds)
    intervals = len(seconds) - 1
    hourly = _listed(rates)
    if len(hourly) == 1:
        hourly *= intervals
    _check_intervals(len(hourly), intervals)
    path = [whole("index0", index0, 0)]
    for i, (rate, (start, end)) in enumerate(zip(hourly, pairwise(seconds), strict=True)):
        path.append(path[-1] + dceil(whole(f"rates[{i}]", rate, 0) * (end - start), HOUR_SECONDS))
    return tuple(path)


def _listed(values: Any) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        return [values]
