"""Instants and durations as whole microseconds, in which they compare exactly.

Instants are aware datetimes, numpy datetime64 (UTC) or seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import utc
from yieldtrade.elementwise import Bound, checked, positive
from yieldtrade.errors import DomainError, MissingDataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Microseconds in a second.
MICROSECONDS = 1_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Seconds up to which a double tells microseconds apart.
_LATEST = 4e9


def instants(times: Any, name: str = "times") -> NDArray[np.int64]:
    """Read increasing instants as whole microseconds.

    Parameters
    ----------
    times
        Aware datetimes, numpy datetime64 (UTC) or seconds.
    name
        What to call them in an error.

    Raises
    ------
    DomainError
        A naive datetime, instants that are not increasing, or what is no series of instants.
    MissingDataError
        There are none.
    """
    import numpy as np

    given = np.asarray(times)
    if given.ndim != 1:
        raise DomainError(f"{name} must be a series, one instant a sample, not of shape {given.shape}")
    if not given.size:
        raise MissingDataError(f"{name}: no samples")
    whole = _whole_microseconds(given, times, name)
    steps = np.diff(whole)
    if (steps <= 0).any():
        at = int((steps <= 0).argmax())
        fault = "repeats" if steps[at] == 0 else "is earlier than"
        raise DomainError(
            f"{name}[{at + 1}] = {given[at + 1]} {fault} {name}[{at}]: give instants in order, each once"
        )
    return whole


def _whole_microseconds(given: NDArray[Any], times: Any, name: str) -> NDArray[np.int64]:
    import numpy as np

    if given.dtype.kind == "M":
        if np.isnat(given).any():
            raise DomainError(f"{name}[{int(np.isnat(given).argmax())}] is not a time")
        return given.astype("datetime64[us]").astype(np.int64)
    if given.dtype.kind == "O":
        moments = (utc(moment, f"{name}[{i}]") for i, moment in enumerate(given))
        return np.array([(moment - _EPOCH) // _MICROSECOND for moment in moments], dtype=np.int64)
    near = Bound(name, lambda **value: abs(value[name]) < _LATEST, f"must be seconds within {_LATEST:g} of 0")
    seconds: NDArray[np.float64] = checked(name, times, near)
    return np.rint(seconds * MICROSECONDS).astype(np.int64)


def microseconds(name: str, duration: Any) -> int:
    """Read a duration above 0, a timedelta or seconds, as whole microseconds.

    Raises
    ------
    DomainError
        It is not positive, or no duration.
    """
    if isinstance(duration, timedelta):
        whole = duration // _MICROSECOND
    else:
        whole = round(float(checked(name, duration, positive(name))) * MICROSECONDS)
    if whole <= 0:
        raise DomainError(f"{name} = {duration!r} must be a microsecond or more")
    return whole
