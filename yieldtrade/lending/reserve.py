"""A lending reserve, what it charges and pays, and what one's own loan does to that (strategies.md 2.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from yieldtrade.conventions import YEAR_SECONDS, apy_from_apr
from yieldtrade.elementwise import Bound, evaluate, namespace, not_negative, positive, where
from yieldtrade.errors import DomainError, MissingDataError
from yieldtrade.lending.curve import parse_curve, slot_adjustment
from yieldtrade.pool.state import settle_fields

if TYPE_CHECKING:
    from yieldtrade.elementwise import OnError
    from yieldtrade.lending.curve import RateModel
    from yieldtrade.market import LendingRate, Terms

_SUPPLIED = Bound(
    "supply",
    lambda supply, **_: supply > 0,
    "must be above 0: a reserve without deposits has no utilization",
)
_Q = not_negative("q")
_LENDABLE = Bound(
    "q", lambda q, borrowed, supply, **_: borrowed + q <= supply, "is more than the reserve has left to lend"
)


def _share(name: str) -> Bound:
    return Bound(name, lambda **given: (given[name] >= 0) & (given[name] <= 1), "must lie in [0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reserve:
    """What can be lent of one asset, and by which rule; amounts in one unit, rates as fractions.

    Parameters
    ----------
    borrowed, available
        Lent out with interest, and lying there; 0 or more.
    model
        Rate by utilization, such as a `BorrowCurve`.
    fees
        Of protocol and referrers, paid and pending, inside the other two; 0 or more.
    host_rate
        Fixed rate on top of the curve, which lenders do not see.
    take_rate
        Part of the interest that the protocol keeps; None where it is not known, and then nothing says what
        lenders earn.
    slot_adjustment
        Factor on rates quoted per slot (`curve.slot_adjustment`); 1 for a venue that counts seconds.
    periods_per_year
        Compounding periods a year: 63,072,000 slots, or 31,536,000 seconds.
    is_fixed_term
        Whether its loans end on a date.
    liquidates_on_price
        Whether a falling price liquidates; a market can have that switched off.

    Raises
    ------
    DomainError
        A value outside its domain, or nothing supplied.
    """

    borrowed: Any
    available: Any
    model: RateModel
    fees: Any = 0.0
    host_rate: Any = 0.0
    take_rate: Any | None = None
    slot_adjustment: Any = 1.0
    periods_per_year: float = YEAR_SECONDS
    is_fixed_term: bool = False
    liquidates_on_price: bool = True

    def __post_init__(self) -> None:
        settle_fields(self, ("borrowed", "available", "fees", "host_rate"), not_negative)
        settle_fields(self, ("slot_adjustment", "periods_per_year"), positive)
        if self.take_rate is not None:
            settle_fields(self, ("take_rate",), _share)
        evaluate(lambda _xp, supply: supply, (_SUPPLIED,), "raise", supply=self.supply)

    @property
    def supply(self) -> Any:
        """What lenders own, ``S = available + borrowed - fees``."""
        return self.available + self.borrowed - self.fees

    @property
    def utilization(self) -> Any:
        """Share lent out, ``U = B/S``; above 1 where fees exceed what is available."""
        return self.borrowed / self.supply

    @property
    def borrow_apr(self) -> Any:
        """Simple annual rate of every borrower, ``(rate(U) + host)*slot_adjustment``."""
        return self.borrow_apr_at(self.utilization)

    @property
    def borrow_apy(self) -> Any:
        """The same compounded every period."""
        return apy_from_apr(self.borrow_apr, self.periods_per_year)

    @property
    def supply_apr(self) -> Any:
        """Simple annual rate of lenders, ``U*rate(U)*slot_adjustment*(1 - take)``.

        Raises
        ------
        MissingDataError
            The take rate is not known.
        """
        if self.take_rate is None:
            raise MissingDataError("take_rate of the reserve is not known; load it to tell what lenders earn")
        earned = self.utilization * self.model.rate(self.utilization)
        return earned * self.slot_adjustment * (1.0 - self.take_rate)

    @property
    def supply_apy(self) -> Any:
        """The same compounded every period; errors are those of `supply_apr`."""
        return apy_from_apr(self.supply_apr, self.periods_per_year)

    def borrow_apr_at(self, utilization: Any) -> Any:
        """Simple annual rate that borrowers would pay at a utilization."""
        return (self.model.rate(utilization) + self.host_rate) * self.slot_adjustment

    def borrow_apy_at(self, utilization: Any) -> Any:
        """Annual rate that borrowers would pay at a utilization, such as the 95, 99 and 100 % of a stress."""
        return apy_from_apr(self.borrow_apr_at(utilization), self.periods_per_year)

    def after_borrow(self, q: Any) -> Reserve:
        """Return the reserve with ``q`` more borrowed, ``U' = (B+q)/S``; other borrowers stand still.

        Raises
        ------
        DomainError
            A negative size, or more than there is to lend.
        """
        taken = self._lent(lambda xp, q, **_: q, q, "raise")
        left = self.available - taken
        # fees may claim part of what lies there, or rounding nibble at the last unit
        xp = namespace(left)
        return replace(self, borrowed=self.borrowed + taken, available=where(xp, left > 0, left, 0.0))

    def after_deposit(self, q: Any) -> Reserve:
        """Return the reserve with ``q`` more deposited, ``U' = B/(S+q)``.

        Raises
        ------
        DomainError
            A negative size.
        """
        given = evaluate(lambda xp, q: q, (_Q,), "raise", q=q)
        return replace(self, available=self.available + given)

    def borrow_apr_after(self, q: Any, *, on_error: OnError = "raise") -> Any:
        """Simple annual rate of all borrowers once ``q`` more is borrowed.

        Parameters
        ----------
        q
            Size of the loan, 0 or more; an array gives a rate each.
        on_error
            ``"raise"``, or ``"nan"`` where a size is more than there is to lend.

        Raises
        ------
        DomainError
            A negative size, or more than there is to lend.
        """
        used = self._used(q, on_error)
        return _known(used, self.borrow_apr_at)

    def borrow_apy_after(self, q: Any, *, on_error: OnError = "raise") -> Any:
        """The same compounded every period."""
        used = self._used(q, on_error)
        return _known(used, self.borrow_apy_at)

    def marginal_borrow_rate(self, q: Any) -> Any:
        """Simple annual rate that the last dollar of a loan costs, ``rate(U') + (q/S)*rate'(U')`` (strategies.md 2.1).

        Host rate and slot adjustment included: the derivative by q of what the whole loan pays.

        Raises
        ------
        DomainError
            A negative size, or more than there is to lend.
        """
        used = self._used(q, "raise")
        own = self._lent(lambda xp, q, borrowed, supply: q / supply, q, "raise")
        return self.borrow_apr_at(used) + own * self.model.slope(used) * self.slot_adjustment

    def max_borrow_at(self, apr: Any) -> Any:
        """Largest loan after which no more than a simple annual rate is charged; 0 where it is charged already.

        Raises
        ------
        DomainError
            A rate that is not finite.
        """
        limit = self.model.largest_utilization(
            evaluate(
                lambda xp, apr, host, adjustment: apr / adjustment - host,
                (),
                "raise",
                apr=apr,
                host=self.host_rate,
                adjustment=self.slot_adjustment,
            )
        )
        return self._room_to(limit)

    def headroom_to_next_kink(self) -> Any:
        """What can be borrowed up to the next utilization at which the rate bends or jumps."""
        return self._room_to(self.model.next_kink(self.utilization))

    def _room_to(self, utilization: Any) -> Any:
        room = self.supply * utilization - self.borrowed
        return where(namespace(room), room > 0, room, 0.0)

    def _used(self, q: Any, on_error: OnError) -> Any:
        return self._lent(lambda xp, q, borrowed, supply: (borrowed + q) / supply, q, on_error)

    def _lent(self, formula: Any, q: Any, on_error: OnError) -> Any:
        """Evaluate a formula of a loan once it fits into the reserve."""
        return evaluate(formula, (_Q, _LENDABLE), on_error, q=q, borrowed=self.borrowed, supply=self.supply)


def _known(used: Any, price: Any) -> Any:
    """Apply a formula to utilizations, leaving those that are NaN so."""
    xp = namespace(used)
    missing = used != used  # noqa: PLR0124 - NaN alone differs from itself
    return where(xp, missing, used, price(where(xp, missing, 0.0, used)))


def reserve_from_terms(terms: Terms, rate: LendingRate, asset: str) -> Reserve | None:
    """Put a reserve together from a lender's terms and its last stored totals (strategies.md 2.1).

    Parameters
    ----------
    terms
        Of the lender: ``borrow_curve.ASSET`` as `parse_curve` reads it; optional ``borrow_host_rate.ASSET``,
        ``borrow_take_rate.ASSET``, ``fixed_term.ASSET`` and ``price_liquidation.ASSET``. A curve per slot also
        states ``slots_per_year``, ``reference_slot_ms`` and ``recent_slot_ms``.
    rate
        Totals supplied and borrowed, USD.
    asset
        What is lent.

    Returns
    -------
    Reserve or None
        None where nobody has stated a curve.

    Raises
    ------
    MarketDefinitionError
        A curve per slot without the measured length of a slot.
    DomainError
        A curve that is none, or a reserve without deposits; the message names the venue and the asset.
    """
    name = f"borrow_curve.{asset}"
    if name not in terms:
        return None
    per_slot = "slots_per_year" in terms
    try:
        return Reserve(
            borrowed=rate.borrow_usd,
            available=_available(rate),
            model=parse_curve(terms.text(name)),
            host_rate=_optional(terms, f"borrow_host_rate.{asset}", 0.0),
            take_rate=_optional(terms, f"borrow_take_rate.{asset}", None),
            slot_adjustment=slot_adjustment(terms.number("recent_slot_ms"), terms.number("reference_slot_ms"))
            if per_slot
            else 1.0,
            periods_per_year=terms.number("slots_per_year") if per_slot else YEAR_SECONDS,
            is_fixed_term=terms.get(f"fixed_term.{asset}") is True,
            liquidates_on_price=terms.get(f"price_liquidation.{asset}") is not False,
        )
    except DomainError as error:
        raise DomainError(f"{terms.owner}: {asset}: {error}") from None


def _available(rate: LendingRate) -> float:
    if rate.borrow_usd > rate.supply_usd:
        raise DomainError(
            f"borrow_usd = {rate.borrow_usd!r} is above supply_usd = {rate.supply_usd!r}; correct the stored totals"
        )
    return rate.supply_usd - rate.borrow_usd


def _optional(terms: Terms, name: str, otherwise: float | None) -> float | None:
    return terms.number(name) if name in terms else otherwise
