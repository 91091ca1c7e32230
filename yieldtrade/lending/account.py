"""Where an account stands with its lender, and what gates leave it to borrow (strategies.md 2.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import Bound, as_number, checked, namespace, not_negative, positive, ratio, where
from yieldtrade.errors import DomainError
from yieldtrade.lending.leverage import check_ltv_limits
from yieldtrade.pool.state import settle_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.lending.reserve import Reserve
    from yieldtrade.market import Terms

# Reason under which the screener rejects a row whose lender would not act on its price.
ORACLE_STALE = "oracle_stale"

_AT_LEAST_ONE = Bound("borrow_factor", lambda borrow_factor: borrow_factor >= 1, "must be 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collateral:
    """A deposit: tokens, what the lender counts one at, and the limits of its reserve.

    A reserve with a ``max_ltv`` of 0 is held but not lent against. ``groups`` are the elevation groups that the
    reserve belongs to.

    Raises
    ------
    DomainError
        A negative amount, a price that is not positive, a limit outside [0, 1].
    DataError
        A liquidation limit that is not above the borrowing limit.
    """

    asset: str
    amount: Any
    price: Any
    max_ltv: float
    liquidation_ltv: float
    groups: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        settle_fields(self, ("amount",), not_negative)
        settle_fields(self, ("price",), positive)
        if self.max_ltv != 0:
            check_ltv_limits(self.max_ltv, self.liquidation_ltv)

    @property
    def value(self) -> Any:
        """Value at the lender's price."""
        return self.amount * self.price


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Debt:
    """A loan: tokens owed, the lender's price of one, and the weight of such a debt outside elevation groups.

    Raises
    ------
    DomainError
        A negative amount, a price that is not positive, a factor below 1.
    """

    asset: str
    amount: Any
    price: Any
    borrow_factor: float = 1.0
    groups: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        settle_fields(self, ("amount",), not_negative)
        settle_fields(self, ("price",), positive)
        checked("borrow_factor", self.borrow_factor, _AT_LEAST_ONE)

    @property
    def value(self) -> Any:
        """Value at the lender's price, without the factor."""
        return self.amount * self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class ElevationGroup:
    """Limits that replace the reserves' own while collateral and debt keep to one group.

    Raises
    ------
    DomainError
        A limit outside (0, 1].
    DataError
        A liquidation limit that is not above the borrowing limit.
    """

    number: int
    max_ltv: float
    liquidation_ltv: float

    def __post_init__(self) -> None:
        check_ltv_limits(self.max_ltv, self.liquidation_ltv)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Account:
    """Deposits and loans with one lender, in an elevation group or in none.

    The group's limits hold for deposits of its reserves, and the borrow factor of a debt becomes 1 where its
    reserve lists the group.

    Raises
    ------
    DomainError
        No deposit, or more than one debt in a group.
    """

    collateral: tuple[Collateral, ...]
    debts: tuple[Debt, ...] = ()
    group: ElevationGroup | None = None

    def __post_init__(self) -> None:
        if not self.collateral:
            raise DomainError("collateral: an account needs at least one deposit")
        if self.group is not None and len(self.debts) > 1:
            names = ", ".join(debt.asset for debt in self.debts)
            raise DomainError(
                f"group {self.group.number}: one debt reserve is allowed in a group, not {names}"
            )

    @property
    def deposits_value(self) -> Any:
        """Value of all deposits at the lender's prices."""
        return sum(deposit.value for deposit in self.collateral)

    @property
    def debts_value(self) -> Any:
        """Value of all loans at the lender's prices, unweighted."""
        return sum((debt.value for debt in self.debts), start=0.0)

    @property
    def weighted_debt(self) -> Any:
        """Value of all loans, each times its borrow factor."""
        return sum((debt.value * self.borrow_factor(debt) for debt in self.debts), start=0.0)

    @property
    def net_value(self) -> Any:
        """Deposits less loans, unweighted."""
        return self.deposits_value - self.debts_value

    @property
    def borrow_limit(self) -> Any:
        """Weighted debt up to which one may borrow."""
        return sum(deposit.value * self._limits(deposit)[0] for deposit in self.collateral)

    @property
    def liquidation_limit(self) -> Any:
        """Weighted debt from which the account can be liquidated."""
        return sum(deposit.value * self._limits(deposit)[1] for deposit in self.collateral)

    @property
    def leverage(self) -> Any:
        """Deposits over net value; infinite where nothing is left."""
        left = self.net_value
        return where(
            namespace(left), left > 0, ratio(namespace(left), self.deposits_value, left, math.inf), math.inf
        )

    def borrow_factor(self, debt: Debt) -> float:
        """Weight of a debt in this account."""
        return 1.0 if self.group is not None and self.group.number in debt.groups else debt.borrow_factor

    def _limits(self, deposit: Collateral) -> tuple[float, float]:
        group = self.group
        if group is not None and group.number in deposit.groups:
            return group.max_ltv, group.liquidation_ltv
        return deposit.max_ltv, deposit.liquidation_ltv


def loan_to_value(account: Account) -> Any:
    """Weighted debt over the deposits, ``sum(debt*price*BF)/sum(collateral*price)`` (strategies.md 2.3).

    Returns
    -------
    float or numpy.ndarray
        0 without debt; infinite for a debt against nothing.
    """
    deposits, owed = account.deposits_value, account.weighted_debt
    xp = namespace(deposits, owed)
    return where(xp, owed > 0, ratio(xp, owed, deposits, at_zero=math.inf), 0.0)


def liquidation_ltv(account: Account) -> Any:
    """Loan to value from which an account can be liquidated: its deposits' limits weighted by value.

    Raises
    ------
    DomainError
        The deposits are worth nothing.
    """
    deposits = checked("deposits", account.deposits_value, positive("deposits"))
    return account.liquidation_limit / deposits


def health_factor(account: Account) -> Any:
    """Liquidation limit over loan to value; 1 or less is liquidatable, infinite without debt (strategies.md 2.3)."""
    owed = account.weighted_debt
    xp = namespace(owed, account.liquidation_limit)
    return ratio(xp, account.liquidation_limit, owed, at_zero=math.inf)


def is_liquidatable(account: Account) -> Any:
    """Whether the loan to value has reached the liquidation limit; an account without debt never is."""
    owed = account.weighted_debt
    return (owed > 0) & (owed >= account.liquidation_limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class LendingGates:
    """Caps that a lender sets, in tokens of the debt unless said otherwise; None where there is none.

    Attributes
    ----------
    deposit_limit, deposited
        Most of the collateral that the reserve takes, and what it holds, in collateral tokens.
    borrow_limit
        Most that may be borrowed of the reserve in all.
    utilization_block
        No new loan above this utilization.
    borrow_limit_outside_group, borrowed_outside_group
        Most that may be borrowed outside elevation groups, and what is.
    elevation_group_borrow_limit, borrowed_in_group
        Most that may be borrowed against this collateral in this group, and what is.
    daily_withdrawal_cap, withdrawn_today
        Most that may leave the reserve in a day, and what has.
    min_position
        Smallest loan that may be open.
    """

    deposit_limit: float | None = None
    deposited: float = 0.0
    borrow_limit: float | None = None
    utilization_block: float | None = None
    borrow_limit_outside_group: float | None = None
    borrowed_outside_group: float = 0.0
    elevation_group_borrow_limit: float | None = None
    borrowed_in_group: float = 0.0
    daily_withdrawal_cap: float | None = None
    withdrawn_today: float = 0.0
    min_position: float | None = None

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) is not None:
                checked(name, getattr(self, name), not_negative(name))
        if self.utilization_block is not None and self.utilization_block > 1:
            raise DomainError(f"utilization_block = {self.utilization_block!r} must lie in [0, 1]")


# Limits, and what has been used of each; a limit means nothing without it.
_USED_OF = {
    "deposit_limit": "deposited",
    "borrow_limit": None,
    "utilization_block": None,
    "borrow_limit_outside_group": "borrowed_outside_group",
    "elevation_group_borrow_limit": "borrowed_in_group",
    "daily_withdrawal_cap": "withdrawn_today",
    "min_position": None,
}


def gates_from_terms(terms: Terms, asset: str) -> LendingGates:
    """Take the gates of a reserve from a lender's terms, each as ``NAME.ASSET``; one not stated is none.

    Raises
    ------
    MarketDefinitionError
        A limit is stated without what has been used of it.
    DomainError
        A negative figure, or a utilization above 1.
    """
    stated = {}
    for limit, used in _USED_OF.items():
        if f"{limit}.{asset}" in terms:
            for name in filter(None, (limit, used)):
                stated[name] = terms.number(f"{name}.{asset}")
    return LendingGates(**stated)


def borrow_caps(reserve: Reserve, gates: LendingGates, *, in_group: bool) -> dict[str, float]:
    """What each gate still lets one borrow of a reserve, by its name; the smallest binds (strategies.md 2.3).

    Parameters
    ----------
    reserve
        That lends; numbers, not arrays.
    gates
        Set by the lender.
    in_group
        Whether one borrows in the elevation group or outside.
    """
    borrowed = as_number("borrowed", reserve.borrowed)
    blocked = None if gates.utilization_block is None else gates.utilization_block * reserve.supply
    group = ("elevation_group_borrow_limit", gates.elevation_group_borrow_limit, gates.borrowed_in_group)
    outside = ("borrow_limit_outside_group", gates.borrow_limit_outside_group, gates.borrowed_outside_group)
    limits = (
        ("available_liquidity", min(reserve.available, max(reserve.supply - borrowed, 0.0)), 0.0),
        ("borrow_limit", gates.borrow_limit, borrowed),
        ("utilization_block", blocked, borrowed),
        group if in_group else outside,
        ("daily_withdrawal_cap", gates.daily_withdrawal_cap, gates.withdrawn_today),
    )
    return {name: max(limit - used, 0.0) for name, limit, used in limits if limit is not None}


def deposit_room(gates: LendingGates) -> float | None:
    """Collateral tokens that the reserve still takes; None without a limit."""
    return None if gates.deposit_limit is None else max(gates.deposit_limit - gates.deposited, 0.0)


class BorrowCapacity(NamedTuple):
    """What can be borrowed: tokens, the name of the cap that binds, and every cap in tokens.

    ``caps`` also holds ``max_ltv``, what the account's own limit leaves. A capacity below the smallest position
    is 0 and binds as ``min_position``.
    """

    amount: float
    binding: str
    caps: Mapping[str, float]


def borrow_capacity(account: Account, debt: Debt, reserve: Reserve, gates: LendingGates) -> BorrowCapacity:
    """Largest further loan of an asset that account and gates allow (strategies.md 2.3).

    Parameters
    ----------
    account
        As it stands; numbers, not arrays.
    debt
        The asset to borrow: its price, factor and groups; its amount is what is owed of it already.
    reserve, gates
        Of that asset.

    Raises
    ------
    DomainError
        The account holds another debt in its group.
    """
    others = [owed.asset for owed in account.debts if owed.asset != debt.asset]
    if account.group is not None and others:
        raise DomainError(
            f"group {account.group.number}: {debt.asset} cannot be borrowed beside {', '.join(others)}; "
            "one debt reserve is allowed in a group"
        )
    in_group = account.group is not None and account.group.number in debt.groups
    weight = debt.price * account.borrow_factor(debt)
    left = max(as_number("borrow_limit", account.borrow_limit - account.weighted_debt), 0.0)
    caps = {"max_ltv": left / weight, **borrow_caps(reserve, gates, in_group=in_group)}
    binding = min(caps, key=lambda name: caps[name])
    amount = caps[binding]
    if gates.min_position is not None and debt.amount + amount < gates.min_position:
        amount, binding = 0.0, "min_position"
    return BorrowCapacity(amount, binding, MappingProxyType(caps))


class OracleFault(NamedTuple):
    """Why a lender would not act on its price: the reason, what was measured, its limit, and a sentence."""

    reason: str
    measured: float
    limit: float
    message: str


def oracle_fault(
    *,
    age_seconds: float,
    max_age_seconds: float,
    price: float | None = None,
    twap: float | None = None,
    max_divergence: float | None = None,
) -> OracleFault | None:
    """Say why borrowing and withdrawing are blocked at a price, or None where they are not (strategies.md 2.3).

    Parameters
    ----------
    age_seconds, max_age_seconds
        Age of the price and the oldest one allowed, 0 or more.
    price, twap
        The price and its time-weighted average, above 0; None where the venue does not compare them.
    max_divergence
        Largest distance from the average, fraction of it.

    Raises
    ------
    DomainError
        A negative age or limit, a price that is not positive, or some but not all figures of the comparison.
    """
    age, oldest = (
        checked(name, value, not_negative(name))
        for name, value in (("age_seconds", age_seconds), ("max_age_seconds", max_age_seconds))
    )
    if age > oldest:
        message = f"the price is {age:g} s old; the lender allows {oldest:g} s"
        return OracleFault(ORACLE_STALE, age, oldest, message)
    compared = {"price": price, "twap": twap, "max_divergence": max_divergence}
    missing = [name for name, value in compared.items() if value is None]
    if len(missing) == len(compared):
        return None
    if missing:
        raise DomainError(f"price, twap and max_divergence belong together; {', '.join(missing)} is missing")
    spot, average = checked("price", price, positive("price")), checked("twap", twap, positive("twap"))
    limit = checked("max_divergence", max_divergence, not_negative("max_divergence"))
    apart = abs(spot - average) / average
    if apart > limit:
        message = f"the price differs by {apart:.4%} from its average; the lender allows {limit:.4%}"
        return OracleFault(ORACLE_STALE, apart, limit, message)
    return None
