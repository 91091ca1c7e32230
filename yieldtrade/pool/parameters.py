"""The dated parameters of a pool, as the value objects that its formulas take (pool.md 2).

Nothing has a default: a parameter that nobody has published is asked for by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from yieldtrade.conventions import iso, utc
from yieldtrade.elementwise import Bound, not_negative, positive
from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.market import Parameter, Terms
from yieldtrade.pool.state import checked_weights, settle_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yieldtrade.market import ParameterValue, Pool

_ADDITIVE = ("threshold_usd", "factor_bps", "exponent", "cap_bps")
EVENTS = ("open", "close", "liquidation")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TradeParameters:
    """What an open or a close on one market pays.

    Attributes
    ----------
    base_bps
        Of the size.
    scalar_usd
        K of the linear impact size/K; None where there is no linear impact.
    threshold_usd, factor_bps, exponent, cap_bps
        The additive impact, all or none of them: it starts above ``threshold_usd`` of imbalance, is
        ``factor_bps`` there, grows with the power ``exponent``; ``cap_bps`` limits the fee while it is active.
    """

    base_bps: Any
    scalar_usd: Any | None = None
    threshold_usd: Any | None = None
    factor_bps: Any | None = None
    exponent: Any | None = None
    cap_bps: Any | None = None

    def __post_init__(self) -> None:
        stated = [name for name in _ADDITIVE if getattr(self, name) is not None]
        if stated and len(stated) < len(_ADDITIVE):
            missing = ", ".join(name for name in _ADDITIVE if name not in stated)
            raise DomainError(f"the additive impact needs {missing} beside {', '.join(stated)}")
        settle_fields(self, ("base_bps",), not_negative)
        if self.scalar_usd is not None:
            settle_fields(self, ("scalar_usd",), positive)
        if stated:
            settle_fields(self, ("threshold_usd",), positive)
            settle_fields(self, ("factor_bps", "exponent", "cap_bps"), not_negative)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearCurve:
    """Borrow rate that grows in proportion to utilisation: ``hourly`` at full utilisation, fraction an hour."""

    hourly: Any

    def __post_init__(self) -> None:
        settle_fields(self, ("hourly",), not_negative)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DualSlopeCurve:
    """Borrow rate with a kink: APRs (fractions) at no, at ``kink`` and at full utilisation."""

    minimum: Any
    target: Any
    maximum: Any
    kink: Any

    def __post_init__(self) -> None:
        settle_fields(self, ("minimum", "target", "maximum"), not_negative)
        try:
            settle_fields(self, ("kink",), _inside)
        except DomainError as error:
            raise MarketDefinitionError(str(error)) from None
        if not _all((self.minimum <= self.target) & (self.target <= self.maximum)):
            raise MarketDefinitionError(
                f"a borrow curve needs minimum <= target <= maximum, not {self.minimum!r}, {self.target!r}, "
                f"{self.maximum!r}"
            )


def _inside(name: str) -> Bound:
    return Bound(name, lambda **given: (given[name] > 0) & (given[name] < 1), "must lie between 0 and 1")


def _all(condition: Any) -> bool:
    return bool(condition.all()) if hasattr(condition, "all") else bool(condition)


BorrowCurve: TypeAlias = LinearCurve | DualSlopeCurve


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightFee:
    """A fee by target weight: base and tax in bps; ``multiplier`` scales the step a swap is judged by."""

    base_bps: Any
    tax_bps: Any
    multiplier: Any = 1.0

    def __post_init__(self) -> None:
        settle_fields(self, ("base_bps", "tax_bps", "multiplier"), not_negative)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LoanParameters:
    """Terms of loans against the pool's share: LTVs and the liquidation fee, fractions."""

    max_ltv: Any
    liquidation_ltv: Any
    liquidation_fee: Any

    def __post_init__(self) -> None:
        settle_fields(self, ("max_ltv", "liquidation_ltv"), positive)
        settle_fields(self, ("liquidation_fee",), not_negative)
        if not _all(self.max_ltv < self.liquidation_ltv):
            raise MarketDefinitionError(
                f"max_ltv = {self.max_ltv!r} must be below liquidation_ltv = {self.liquidation_ltv!r}"
            )


class PoolParameters(NamedTuple):
    """The parameters of a pool in force at one moment.

    ``recommended`` names those that were only recommended and are in force because the reader asked for them.
    """

    terms: Terms
    at: datetime
    recommended: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """Return the name of the pool."""
        return self.terms.owner

    def number(self, name: str) -> float:
        """Return a numeric parameter.

        Raises
        ------
        MarketDefinitionError
            Nobody has published it; the message says which, for which date, and how to supply it.
        """
        return self._known(name).number(name)

    def text(self, name: str) -> str:
        """Return a textual parameter; errors are those of :meth:`number`."""
        return self._known(name).text(name)

    def flag(self, name: str) -> bool:
        """Return a parameter that is true or false; errors are those of :meth:`number`."""
        value = self._known(name).get(name)
        if not isinstance(value, bool):
            raise MarketDefinitionError(f"{self.terms.owner}: {name} = {value!r} is neither true nor false")
        return value

    def trade(self, asset: str, event: str = "open") -> TradeParameters:
        """Return what an event on the market of ``asset`` pays.

        Parameters
        ----------
        asset
            The market, such as ``"SOL"``.
        event
            ``"open"``, ``"close"`` or ``"liquidation"``; which of them pay price impact is dated too.

        Raises
        ------
        DomainError
            An unknown event.
        MarketDefinitionError
            A parameter that the model of that time needs was never published.
        """
        if event not in EVENTS:
            raise DomainError(f"event = {event!r}: allowed are {', '.join(EVENTS)}")
        base = self.number("trade.base_bps")
        model = self.text("trade.impact.model")
        if model == "none" or not self.flag(f"trade.impact.on_{event}"):
            return TradeParameters(base_bps=base)
        scalar = self.number(f"trade.impact.scalar_usd.{asset}")
        if model == "linear":
            return TradeParameters(base_bps=base, scalar_usd=scalar)
        additive = {name: self.number(f"trade.impact.{name}") for name in _ADDITIVE}
        return TradeParameters(base_bps=base, scalar_usd=scalar, **additive)

    def borrow_curve(self, asset: str) -> BorrowCurve:
        """Return the borrow curve of a custody; errors are those of :meth:`number`."""
        if self.text(f"borrow.{asset}.model") == "linear":
            return LinearCurve(hourly=self.number(f"borrow.{asset}.hourly"))
        return DualSlopeCurve(
            minimum=self.number(f"borrow.{asset}.min"),
            target=self.number(f"borrow.{asset}.target"),
            maximum=self.number(f"borrow.{asset}.max"),
            kink=self.number(f"borrow.{asset}.kink"),
        )

    def loan_curve(self) -> DualSlopeCurve:
        """Return the rate curve of JLP loans, its kink the target utilisation; errors as :meth:`number`."""
        return DualSlopeCurve(
            minimum=self.number("loans.min"),
            target=self.number("loans.target"),
            maximum=self.number("loans.max"),
            kink=self.number("loans.target_utilisation"),
        )

    def mint_fee(self) -> WeightFee:
        """Return the fee on minting and burning; errors are those of :meth:`number`."""
        return WeightFee(base_bps=self.number("swap.add_remove_bps"), tax_bps=self.number("swap.tax_bps"))

    def swap_fee(self, *, stable_pair: bool) -> WeightFee:
        """Return the fee on a swap, of two stablecoins or any other; errors are those of :meth:`number`."""
        kind = "stable_" if stable_pair else ""
        return WeightFee(
            base_bps=self.number(f"swap.{kind}base_bps"),
            tax_bps=self.number(f"swap.{kind}tax_bps"),
            multiplier=self.number(f"swap.{kind}multiplier"),
        )

    def loans(self) -> LoanParameters:
        """Return the terms of JLP loans; errors are those of :meth:`number`."""
        return LoanParameters(
            max_ltv=self.number("loans.max_ltv"),
            liquidation_ltv=self.number("loans.liquidation_ltv"),
            liquidation_fee=self.number("loans.liquidation_fee"),
        )

    def assets(self) -> dict[str, bool]:
        """Return the assets the pool holds, and whether each is a stablecoin."""
        names = [name.split(".")[1] for name in self.terms.parameters if name.startswith("custodies.")]
        return {asset: self.flag(f"custodies.{asset}.stable") for asset in names}

    def target_weights(self) -> dict[str, float]:
        """Return the target weights by asset, empty where none were published.

        Raises
        ------
        MarketDefinitionError
            They do not sum to 1.
        """
        prefix = "target_weights."
        found = {
            name.removeprefix(prefix): self.number(name)
            for name in self.terms.parameters
            if name.startswith(prefix)
        }
        return checked_weights(found) if found else {}

    def _known(self, name: str) -> Terms:
        if name not in self.terms:
            owner = self.terms.owner
            raise MarketDefinitionError(
                f"{owner} has no {name} for {iso(self.at)}: nobody has published it; give it with "
                f"`--set {owner}.{name}=VALUE` or load a TOML file that states it"
            )
        return self.terms


def parameters_at(pool: Pool, moment: datetime, *, assume_recommended: bool = False) -> PoolParameters:
    """Fold the change sets of a pool that were in force at a moment (pool.md 2).

    Parameters
    ----------
    pool
        The pool with its change sets; what the user stated for it lies on top.
    moment
        Aware moment.
    assume_recommended
        Also fold sets that were only recommended; the result names what they brought.

    Raises
    ------
    MarketDefinitionError
        The moment lies before the first known set.
    """
    when = utc(moment)
    terms = pool.terms_at(when, assume_recommended=assume_recommended)
    stated = {name: p for name, p in pool.terms.parameters.items() if p.source == "given by the user"}
    terms = terms.overlaid(pool.pool_id, stated)
    recommended = tuple(sorted(n for n, p in terms.parameters.items() if p.basis == "recommendation"))
    return PoolParameters(terms, when, recommended)


def stated_parameters(
    values: Mapping[str, ParameterValue], *, owner: str = "pool", at: datetime | None = None
) -> PoolParameters:
    """Return the parameters of a pool of one's own, each by its dotted name, as ``{"trade.base_bps": 6}``."""
    moment = utc(at) if at is not None else datetime(1970, 1, 1, tzinfo=UTC)
    parameters = {
        name: Parameter(name, value, "as given", moment, "user", "given by the user")
        for name, value in values.items()
    }
    return PoolParameters(Terms(owner, MappingProxyType(parameters)), moment)
