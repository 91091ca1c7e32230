"""State of the simulated pool and what is read off it (pdlp.md 10, 13).

Assets are numbered from 0. One of them, the numeraire, has price 1 and holds USD: collateral is posted in it, and
shorts lock it. Positions are columns of arrays, so that a step works on all of them at once. Arrays inside a
value object are its own copies and read-only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from yieldtrade.elementwise import Bound, as_array, checked, not_negative, positive
from yieldtrade.errors import DomainError
from yieldtrade.pool.state import settle_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Column: TypeAlias = NDArray[np.float64]

# Sums over positions are rounded: locked units that exceed the reserves by less than this share of them do not.
ROUNDING = 1e-10

_SIDE = Bound("side", lambda side: (side == 1.0) | (side == -1.0), "must be 1 (long) or -1 (short)")


def vector(name: str, value: Any, *bounds: Bound) -> Column:
    """Return a read-only copy of a list of numbers, one dimension, once each of them is sound.

    Raises
    ------
    DomainError
        It has another number of dimensions, or an element is outside its bounds; the message has its index.
    """
    array = as_array(name, value)
    if array.ndim != 1:
        raise DomainError(f"{name} has shape {array.shape}: one row of numbers is required")
    copy: Column = checked(name, array, *bounds)
    copy.setflags(write=False)
    return copy


def per_asset(name: str, value: Any, assets: int) -> Column:
    """Return a number or a row of numbers as a row with one for each asset.

    Raises
    ------
    DomainError
        The row has another length.
    """
    import numpy as np

    array = np.asarray(value, dtype=np.float64)
    if array.shape not in {(), (assets,)}:
        raise DomainError(f"{name} has shape {array.shape}: the pool has {assets} assets")
    return np.broadcast_to(array, (assets,))


def sums_by(groups: NDArray[np.int64], values: Column, count: int) -> Column:
    """Return the sum of the values of each of so many groups."""
    import numpy as np

    return np.bincount(groups, weights=values, minlength=count).astype(np.float64, copy=False)


def value_usd(prices: Column, units: Column) -> float:
    """Return the value of a basket, the same to the last bit in whatever order its assets are listed.

    Raises
    ------
    DomainError
        It is too large to represent.
    """
    try:
        total = math.fsum((prices * units).tolist())
    except OverflowError:
        total = math.inf
    if not math.isfinite(total):
        raise DomainError(
            f"reserves = {units.tolist()!r} at prices {prices.tolist()!r}: their value overflows"
        )
    return total


def _whole(name: str, value: Any) -> NDArray[np.int64]:
    import numpy as np

    array = as_array(name, value)
    given = np.asarray(value)
    if array.ndim != 1:
        raise DomainError(f"{name} has shape {array.shape}: one row of numbers is required")
    if array.size and not np.can_cast(given.dtype, np.int64):
        raise DomainError(f"{name} holds {given.dtype.name} values: whole numbers are required")
    whole = given.astype(np.int64)
    whole.setflags(write=False)
    return whole


def whole_number(name: str, value: Any) -> int:
    """Return a whole number.

    Raises
    ------
    DomainError
        It is none.
    """
    if as_array(name, value).ndim:
        raise DomainError(f"{name} = {value!r}: one number is required")
    return int(_whole(name, [value])[0])


def index(name: str, value: Any) -> int:
    """Return a whole number of 0 or more.

    Raises
    ------
    DomainError
        It is none.
    """
    number = whole_number(name, value)
    if number < 0:
        raise DomainError(f"{name} = {number!r} must be 0 or more")
    return number


def settle_numbers(value: Any, names: tuple[str, ...], bound: Callable[[str], Bound]) -> None:
    """Settle fields that are one number each and never an array.

    Raises
    ------
    DomainError
        A field is not, or outside its bound.
    """
    settle_fields(value, names, bound)
    for name in names:
        if as_array(name, getattr(value, name)).ndim:
            raise DomainError(f"{name} = {getattr(value, name)!r}: one number is required")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Positions:
    """Open positions, an entry of every column for each; they are kept in the order of their ids.

    Attributes
    ----------
    ids
        Whole numbers, none twice.
    asset
        Number of the asset that the position is in.
    side
        1 for a long, -1 for a short.
    size
        Units of the asset, above 0.
    collateral
        USD in escrow, 0 or more.
    entry
        USD a unit, above 0.
    """

    ids: Any = ()
    asset: Any = ()
    side: Any = ()
    size: Any = ()
    collateral: Any = ()
    entry: Any = ()

    def __post_init__(self) -> None:
        columns = {
            "ids": _whole("ids", self.ids),
            "asset": _whole("asset", self.asset),
            "side": vector("side", self.side, _SIDE),
            "size": vector("size", self.size, positive("size")),
            "collateral": vector("collateral", self.collateral, not_negative("collateral")),
            "entry": vector("entry", self.entry, positive("entry")),
        }
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise DomainError(f"columns of positions differ in length: {lengths}")
        for name, column in _by_id(columns).items():
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.ids)

    def kept(self, which: NDArray[np.bool_]) -> Positions:
        """Return the positions where ``which`` holds."""
        rows = which.nonzero()[0]
        return _unchecked({name: getattr(self, name)[rows] for name in COLUMNS})

    def with_collateral(self, collateral: Column) -> Positions:
        """Return the positions with other collateral, which is taken over and known to be 0 or more."""
        return _unchecked({name: getattr(self, name) for name in COLUMNS} | {"collateral": collateral})

    def pnl_usd(self, prices: Column) -> Column:
        """Return side*size*(p - entry) of each position (pdlp.md 10)."""
        result: Column = self.side * self.size * (prices[self.asset] - self.entry)
        return result

    def locked(self) -> Column:
        """Return the units each locks: ``size`` of its asset for a long, ``size*entry`` USD for a short."""
        import numpy as np

        result: Column = np.where(self.side > 0, self.size, self.size * self.entry)
        return result

    def locked_by_asset(self, assets: int, numeraire: int) -> Column:
        """Return the locked units of each of so many assets."""
        import numpy as np

        held_in = np.where(self.side > 0, self.asset, numeraire)
        return sums_by(held_in, self.locked(), assets)


COLUMNS = ("ids", "asset", "side", "size", "collateral", "entry")


def _unchecked(columns: dict[str, Any]) -> Positions:
    """Positions of columns that come out of checked ones: checking them again would double the time of a step."""
    made = object.__new__(Positions)
    for name, column in columns.items():
        column.setflags(write=False)
        object.__setattr__(made, name, column)
    return made


def _by_id(columns: dict[str, Any]) -> dict[str, Any]:
    """Return the columns in the order of the ids, so that sums do not depend on the order they came in."""
    import numpy as np

    ids = columns["ids"]
    if (ids[1:] > ids[:-1]).all():
        return columns
    order = np.argsort(ids, kind="stable")
    twice = ids[order][1:][np.diff(ids[order]) == 0]
    if twice.size:
        raise DomainError(f"ids: {int(twice[0])} is there twice")
    ordered = {name: column[order] for name, column in columns.items()}
    for column in ordered.values():
        column.setflags(write=False)
    return ordered


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SimulatorState:
    """The pool and its exchange between two steps.

    Attributes
    ----------
    prices
        USD a unit by asset; that of the numeraire is 1.
    reserves
        Units by asset that the pool owns, R; posted collateral is not among them.
    shares
        Pool shares in circulation; 0 if and only if the pool is empty.
    positions
        Open positions.
    protocol_usd
        Fees that went to the protocol so far.
    numeraire
        Number of the asset that is USD.
    t
        Steps done.
    locked
        Units by asset that back the positions; worked out from them.
    """

    prices: Any
    reserves: Any
    shares: Any
    positions: Positions = field(default_factory=Positions)
    protocol_usd: Any = 0.0
    numeraire: int = 0
    t: int = 0
    locked: Any = field(init=False)

    def __post_init__(self) -> None:
        reserves = vector("reserves", self.reserves, not_negative("reserves"))
        object.__setattr__(self, "reserves", reserves)
        object.__setattr__(self, "numeraire", index("numeraire", self.numeraire))
        object.__setattr__(self, "t", index("t", self.t))
        if self.numeraire >= len(reserves):
            raise DomainError(f"numeraire = {self.numeraire!r}: the pool has {len(reserves)} assets")
        object.__setattr__(self, "prices", oracle_prices("prices", self.prices, self))
        settle_numbers(self, ("shares", "protocol_usd"), not_negative)
        _check_markets(self)
        locked = self.positions.locked_by_asset(self.assets, self.numeraire)
        locked.setflags(write=False)
        object.__setattr__(self, "locked", locked)
        _check_backing(self)

    @property
    def assets(self) -> int:
        """Return the number of assets."""
        return len(self.reserves)


def oracle_prices(name: str, prices: Any, state: SimulatorState) -> Column:
    """Return a price for each asset of a state, the numeraire at 1.

    Raises
    ------
    DomainError
        A price is not above 0 or not finite, another number of prices, or a numeraire that is not at 1.
    """
    row = vector(name, prices, positive(name))
    if len(row) != state.assets:
        raise DomainError(f"{name} has shape {row.shape}: the pool has {state.assets} assets")
    if row[state.numeraire] != 1.0:
        raise DomainError(
            f"{name}[{state.numeraire}] = {float(row[state.numeraire])!r}: the numeraire has price 1"
        )
    return row


def check_market(name: str, asset: int, state: SimulatorState) -> None:
    """Refuse a market that is none: an asset that the pool does not have, or the numeraire.

    Raises
    ------
    DomainError
        It is none.
    """
    if not 0 <= asset < state.assets:
        raise DomainError(f"{name} = {asset!r}: the pool has {state.assets} assets, numbered from 0")
    if asset == state.numeraire:
        raise DomainError(f"{name} = {asset!r} is the numeraire: it has no market")


def _check_markets(state: SimulatorState) -> None:
    asset = state.positions.asset
    bad = ((asset < 0) | (asset >= state.assets) | (asset == state.numeraire)).nonzero()[0]
    if bad.size:
        check_market(f"positions.asset[{bad[0]}]", int(asset[bad[0]]), state)


def _check_backing(state: SimulatorState) -> None:
    """Refuse reserves that do not cover what is locked, and shares of nothing or reserves of nobody."""
    short = (state.locked > state.reserves * (1.0 + ROUNDING)).nonzero()[0]
    if short.size:
        i = int(short[0])
        raise DomainError(
            f"reserves[{i}] = {float(state.reserves[i])!r}: {float(state.locked[i])!r} are locked"
        )
    if (state.shares == 0) == bool(state.reserves.any()):
        raise DomainError(
            f"shares = {state.shares!r} with reserves {state.reserves.tolist()!r}: both or neither are 0"
        )


def available_units(reserves: Column, locked: Column) -> Column:
    """Return the reserves that are not locked; a difference that is rounding is 0 (pdlp.md 4)."""
    import numpy as np

    free = reserves - locked
    return np.where(np.abs(free) <= ROUNDING * reserves, 0.0, free)


def available(state: SimulatorState) -> Column:
    """Return the units of each asset that back no position (pdlp.md 4)."""
    return available_units(state.reserves, state.locked)


def net_asset_value(state: SimulatorState) -> float:
    """Return p.R less the profit of all traders, USD (pdlp.md 10)."""
    return value_usd(state.prices, state.reserves) - float(state.positions.pnl_usd(state.prices).sum())


def share_price(state: SimulatorState) -> float | None:
    """Return the net asset value of one share, USD; None for an empty pool."""
    return net_asset_value(state) / state.shares if state.shares else None


def total_usd(state: SimulatorState) -> float:
    """Return T, all value in the exchange: p.R + escrow + the protocol's fees (pdlp.md 10)."""
    reserves = value_usd(state.prices, state.reserves)
    return reserves + float(state.positions.collateral.sum()) + float(state.protocol_usd)
