"""Clocks, day count, rate conversions and contract codes.

Rates are fractions; years are 31,536,000 seconds; instants are aware datetimes in UTC.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from yieldtrade.elementwise import Bound, Number, OnError, evaluate
from yieldtrade.errors import DomainError, MarketDefinitionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

YEAR_SECONDS = 31_536_000
DAY_SECONDS = 86_400
DAYS_PER_YEAR = 365

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}")
_TOKEN_PREFIX = re.compile(r"^(?:PT|YT|ST)-")
_YEAR_MONTH = re.compile(r"^(\d{2})(\d{2})$")
_DAY_MONTH_YEAR = re.compile(r"^(\d{1,2})([A-Z]{3})(\d{2})$")


def utc(moment: datetime, name: str = "moment") -> datetime:
    """Return ``moment`` in UTC; a naive datetime is refused.

    Raises
    ------
    DomainError
        ``moment`` carries no time zone.
    """
    if not isinstance(moment, datetime):
        raise DomainError(f"{name} = {moment!r}: an aware datetime in UTC is needed")
    if moment.tzinfo is None:
        raise DomainError(f"{name} = {moment.isoformat()} has no time zone; give an aware datetime in UTC")
    return moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """Write an instant as ``YYYY-MM-DDThh:mm:ssZ``, the form in which it is stored and printed."""
    return utc(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_instant(text: str) -> datetime:
    """Read an instant: an ISO date (its start, 00:00 UTC) or an ISO date and time with a zone.

    Raises
    ------
    DomainError
        The text is neither.
    """
    written = text.strip()
    try:
        if not _DAY.match(written):
            raise ValueError  # noqa: TRY301 - one message for every wrong form
        moment = datetime.fromisoformat(written)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise DomainError(
            f"moment {text!r} is not a date such as 2025-12-31 nor a time such as 2025-12-31T18:00:00Z"
        ) from None
    if len(written) > len("2025-12-31"):
        raise DomainError(f"moment {text!r} has no time zone; write it with Z, such as {written}Z")
    return moment.replace(tzinfo=UTC)


def year_fraction(start: datetime, end: datetime) -> float:
    """Years from ``start`` to ``end``, seconds / 31,536,000 (tokens.md 2); negative if ``end`` is earlier."""
    return (utc(end, "end") - utc(start, "start")).total_seconds() / YEAR_SECONDS


def epoch_start(moment: datetime, anchor: datetime, length_seconds: float) -> datetime:
    """Start of the interest period that holds ``moment`` (tokens.md 2); a boundary begins the new one.

    Raises
    ------
    DomainError
        A naive datetime, or a length that is not a positive number.
    """
    if not (math.isfinite(length_seconds) and length_seconds > 0):
        raise DomainError(f"epoch_seconds = {length_seconds!r} must be a positive number")
    elapsed = (utc(moment) - utc(anchor, "epoch_anchor")).total_seconds()
    return utc(anchor) + timedelta(seconds=math.floor(elapsed / length_seconds) * length_seconds)


class ContractCode(NamedTuple):
    """What a contract code says: ``day`` is None for the year-month form."""

    underlying: str
    year: int
    month: int
    day: int | None


def parse_contract_code(code: str) -> ContractCode:
    """Read ``JLP-2411`` (November 2024) or ``ONyc-10JAN27`` (10 January 2027); a PT-, YT- or ST- is dropped.

    The maturity instant itself is never guessed from the code (tokens.md 2).

    Raises
    ------
    MarketDefinitionError
        The code has neither form.
    """
    underlying, hyphen, ending = _TOKEN_PREFIX.sub("", code.strip()).rpartition("-")
    if hyphen and underlying:
        if (match := _YEAR_MONTH.match(ending)) and 1 <= int(match[2]) <= len(_MONTHS):
            return ContractCode(underlying, 2000 + int(match[1]), int(match[2]), None)
        if (match := _DAY_MONTH_YEAR.match(ending.upper())) and match[2] in _MONTHS:
            year, month, day = 2000 + int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1])
            try:
                datetime(year, month, day, tzinfo=UTC)
            except ValueError:
                raise MarketDefinitionError(
                    f"contract code {code!r}: {ending} is not a day of the calendar"
                ) from None
            return ContractCode(underlying, year, month, day)
    raise MarketDefinitionError(
        f"contract code {code!r} is neither NAME-YYMM (JLP-2411) nor NAME-DDMMMYY (ONyc-10JAN27)"
    )


def check_code_agrees(code: str, maturity: datetime) -> None:
    """Refuse a maturity that contradicts its contract code in year, month or (where coded) day.

    Raises
    ------
    MarketDefinitionError
        They disagree.
    """
    said, when = parse_contract_code(code), utc(maturity, "maturity")
    if (said.year, said.month) != (when.year, when.month) or said.day not in (None, when.day):
        raise MarketDefinitionError(f"contract {code!r} does not agree with its maturity {iso(when)}")


_ABOVE_MINUS_ONE = "must be above -1 (a loss of everything)"


@overload
def apy_from_apr(apr: Number, periods_per_year: Number = ..., *, on_error: OnError = ...) -> float: ...
@overload
def apy_from_apr(
    apr: ArrayLike, periods_per_year: ArrayLike = ..., *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def apy_from_apr(apr: Any, periods_per_year: Any = DAYS_PER_YEAR, *, on_error: OnError = "raise") -> Any:
    """Effective annual rate of a simple annual one, ``expm1(n*log1p(apr/n))`` (tokens.md 2).

    Parameters
    ----------
    apr
        Simple annual rate, fraction; above ``-periods_per_year``.
    periods_per_year
        Compounding periods a year, n; 365 for JLP's official figure.
    on_error
        ``"raise"`` or ``"nan"``, see :func:`yieldtrade.elementwise.evaluate`.

    Returns
    -------
    float or numpy.ndarray
        APY, fraction.

    Raises
    ------
    DomainError
        Outside the domain.
    """
    return evaluate(
        lambda xp, apr, n: xp.expm1(n * xp.log1p(apr / n)),
        (
            Bound("n", lambda apr, n: n > 0, "must be a positive number of periods"),
            Bound("apr", lambda apr, n: apr > -n, "must be above minus the number of periods a year"),
        ),
        on_error,
        apr=apr,
        n=periods_per_year,
    )


@overload
def apr_from_apy(apy: Number, periods_per_year: Number = ..., *, on_error: OnError = ...) -> float: ...
@overload
def apr_from_apy(
    apy: ArrayLike, periods_per_year: ArrayLike = ..., *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def apr_from_apy(apy: Any, periods_per_year: Any = DAYS_PER_YEAR, *, on_error: OnError = "raise") -> Any:
    """Simple annual rate of an effective one, ``n*expm1(log1p(apy)/n)``; inverse of :func:`apy_from_apr`.

    Parameters
    ----------
    apy
        Effective annual rate, fraction, above -1.
    periods_per_year
        Compounding periods a year, n.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        APR, fraction.

    Raises
    ------
    DomainError
        Outside the domain.
    """
    return evaluate(
        lambda xp, apy, n: n * xp.expm1(xp.log1p(apy) / n),
        (
            Bound("n", lambda apy, n: n > 0, "must be a positive number of periods"),
            Bound("apy", lambda apy, n: apy > -1, _ABOVE_MINUS_ONE),
        ),
        on_error,
        apy=apy,
        n=periods_per_year,
    )


@overload
def continuous_from_apy(apy: Number, *, on_error: OnError = ...) -> float: ...
@overload
def continuous_from_apy(apy: ArrayLike, *, on_error: OnError = ...) -> NDArray[np.float64]: ...
def continuous_from_apy(apy: Any, *, on_error: OnError = "raise") -> Any:
    """Continuously compounded rate of an effective one, ``log1p(apy)``.

    Raises
    ------
    DomainError
        ``apy`` at or below -1, or not finite.
    """
    return evaluate(
        lambda xp, apy: xp.log1p(apy),
        (Bound("apy", lambda apy: apy > -1, _ABOVE_MINUS_ONE),),
        on_error,
        apy=apy,
    )


@overload
def growth_from_apy(apy: Number, tau: Number, *, on_error: OnError = ...) -> float: ...
@overload
def growth_from_apy(apy: ArrayLike, tau: ArrayLike, *, on_error: OnError = ...) -> NDArray[np.float64]: ...
def growth_from_apy(apy: Any, tau: Any, *, on_error: OnError = "raise") -> Any:
    """Growth g over ``tau`` years at an effective annual rate, ``expm1(tau*log1p(apy))`` (tokens.md 2).

    Raises
    ------
    DomainError
        ``apy`` at or below -1, or a value that is not finite.
    """
    return evaluate(
        lambda xp, apy, tau: xp.expm1(tau * xp.log1p(apy)),
        (Bound("apy", lambda apy, tau: apy > -1, _ABOVE_MINUS_ONE),),
        on_error,
        apy=apy,
        tau=tau,
    )


@overload
def growth_from_index(start: Number, end: Number, *, on_error: OnError = ...) -> float: ...
@overload
def growth_from_index(
    start: ArrayLike, end: ArrayLike, *, on_error: OnError = ...
) -> NDArray[np.float64]: ...
def growth_from_index(start: Any, end: Any, *, on_error: OnError = "raise") -> Any:
    """Growth ``g = R1/R0 - 1`` of an index between two readings (tokens.md 2).

    Raises
    ------
    DomainError
        A reading that is not positive and finite.
    """
    return evaluate(
        lambda xp, start, end: (end - start) / start,
        (
            Bound("start", lambda start, end: start > 0, "must be a positive index"),
            Bound("end", lambda start, end: end > 0, "must be a positive index"),
        ),
        on_error,
        start=start,
        end=end,
    )
