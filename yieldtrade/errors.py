"""The errors of yieldtrade, one tree.

::

    YieldtradeError
    ├── DomainError (ValueError)              a number outside the domain of a formula
    │   └── ExpiredError                      a live price asked at or after maturity
    ├── MissingDataError (LookupError)        data that a calculation needs is not there
    ├── MarketDefinitionError (ValueError)    a market, pool or contract is defined wrongly or not at all
    │   └── UnknownNameError (LookupError)    no such contract, venue, pool, strategy ...
    ├── CapacityError (ValueError)            a size beyond what can trade; carries the maximum
    ├── ConvergenceError                      a solver stopped without an answer
    ├── DataError (ValueError)                stored or loaded figures contradict themselves
    │   └── LoadError                         a file was refused; carries every problem found in it
    └── StoreError                            the database file cannot be used
        └── NewerDatabaseError                written by a newer version; left untouched

A message says what, which value, what is allowed, and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class YieldtradeError(Exception):
    """Base of every error that yieldtrade raises on purpose."""


class DomainError(YieldtradeError, ValueError):
    """A number lies outside the domain of a formula."""


class ExpiredError(DomainError):
    """A live price was asked at or after maturity."""


class MissingDataError(YieldtradeError, LookupError):
    """Data that a calculation needs is not there."""


class MarketDefinitionError(YieldtradeError, ValueError):
    """A market, pool or contract is defined wrongly or not at all."""


class UnknownNameError(MarketDefinitionError, LookupError):
    """No contract, venue, pool or strategy has this name.

    Parameters
    ----------
    kind
        What was looked up, such as ``"contract"``.
    name
        The name that was not found.
    known
        Every name that exists.
    listing
        How to list the names, such as ``"yieldtrade markets"``.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str) -> None:
        import difflib

        names = sorted(known)
        lowered = {candidate.lower(): candidate for candidate in names}
        self.nearest = [lowered[m] for m in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)]
        hint = f"; nearest: {', '.join(self.nearest)}" if self.nearest else ""
        super().__init__(f"unknown {kind} {name!r}{hint}; list them with `{listing}`")


class CapacityError(YieldtradeError, ValueError):
    """A size is beyond what can trade.

    Attributes
    ----------
    requested, maximum
        The size asked for and the largest possible one, in the same unit.
    binding
        The name of the limit that was hit.
    """

    def __init__(self, message: str, *, requested: float, maximum: float, binding: str) -> None:
        super().__init__(message)
        self.requested = requested
        self.maximum = maximum
        self.binding = binding


class ConvergenceError(YieldtradeError):
    """A solver stopped without an answer."""


class DataError(YieldtradeError, ValueError):
    """Stored or loaded figures contradict themselves."""


class LoadError(DataError):
    """A file was refused.

    Attributes
    ----------
    problems
        One line for each problem found, in file order.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class StoreError(YieldtradeError):
    """The database file cannot be used."""


class NewerDatabaseError(StoreError):
    """The database was written by a newer version and is left untouched."""
