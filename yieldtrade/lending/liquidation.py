"""What a liquidation takes, how often it comes back, and how a market is wound down (strategies.md 2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import Bound, checked, evaluate, not_negative, positive, where
from yieldtrade.errors import DataError, DomainError

if TYPE_CHECKING:
    from yieldtrade.market import Terms

_LTV = Bound("ltv", lambda ltv, **_: (ltv >= 0) & (ltv <= 1), "must lie in [0, 1]")


def _fraction(name: str) -> Bound:
    return Bound(name, lambda **given: (given[name] >= 0) & (given[name] <= 1), "must lie in [0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationRules:
    """A lender's rules of liquidation; shares and bonuses are fractions, amounts are in the debt's value.

    Parameters
    ----------
    liquidation_ltv
        Loan to value from which a loan is liquidated.
    min_bonus, max_bonus
        Least and most that a liquidator receives on top of what it repays.
    close_factor
        Share of the debt that one call repays.
    full_liquidation_ltv, full_liquidation_debt
        Above this loan to value, or below this debt, one call repays everything.
    max_repayment
        Most that one call repays.
    bad_debt_ltv, bad_debt_bonus
        From this loan to value on, the bonus that applies instead.
    group_max_bonus
        Most in the account's elevation group; None for none.

    Raises
    ------
    DomainError
        A value outside its domain.
    DataError
        Limits that contradict each other.
    """

    liquidation_ltv: float
    min_bonus: float
    max_bonus: float
    close_factor: float
    full_liquidation_ltv: float
    full_liquidation_debt: float
    max_repayment: float
    bad_debt_ltv: float
    bad_debt_bonus: float
    group_max_bonus: float | None = None

    def __post_init__(self) -> None:
        for name in ("liquidation_ltv", "close_factor"):
            checked(name, getattr(self, name), positive(name), _fraction(name))
        for name in ("min_bonus", "max_bonus", "full_liquidation_ltv", "bad_debt_ltv", "bad_debt_bonus"):
            checked(name, getattr(self, name), _fraction(name))
        checked("full_liquidation_debt", self.full_liquidation_debt, not_negative("full_liquidation_debt"))
        checked("max_repayment", self.max_repayment, positive("max_repayment"))
        if self.group_max_bonus is not None:
            checked("group_max_bonus", self.group_max_bonus, _fraction("group_max_bonus"))
        if self.min_bonus > self.max_bonus:
            raise DataError(f"min_bonus = {self.min_bonus!r} must not exceed max_bonus = {self.max_bonus!r}")

    @property
    def top_bonus(self) -> float:
        """Most that the reserve and the elevation group allow together."""
        return self.max_bonus if self.group_max_bonus is None else min(self.max_bonus, self.group_max_bonus)


def liquidation_rules(terms: Terms, asset: str) -> LiquidationRules:
    """Take the rules of liquidating a collateral from a lender's terms; amounts in USD.

    Raises
    ------
    MarketDefinitionError
        A parameter that nobody has published, by its name.
    DomainError, DataError
        Figures outside their domain or in contradiction.
    """
    return LiquidationRules(
        liquidation_ltv=terms.number(f"liquidation_ltv.{asset}"),
        min_bonus=terms.number(f"liquidation_fee.{asset}"),
        max_bonus=terms.number(f"max_liquidation_fee.{asset}"),
        close_factor=terms.number("close_factor"),
        full_liquidation_ltv=terms.number("full_liquidation_ltv"),
        full_liquidation_debt=terms.number("full_liquidation_debt_usd"),
        max_repayment=terms.number("max_liquidation_usd"),
        bad_debt_ltv=terms.number("bad_debt_ltv"),
        bad_debt_bonus=terms.number(f"bad_debt_liquidation_fee.{asset}"),
    )


def liquidation_bonus(ltv: Any, rules: LiquidationRules, ltv_unweighted: Any | None = None) -> Any:
    """Bonus of a liquidator, growing with the distance past the limit (strategies.md 2.6).

    ``min(clamp(LTV - liq, min, min(max, group max)), 1 - LTV without borrow factor)``; from the bad-debt limit on
    ``max(bad debt bonus, 1 - LTV without borrow factor)``.

    Parameters
    ----------
    ltv
        Loan to value, 0 or more; below the limit the least bonus.
    rules
        Of the lender.
    ltv_unweighted
        Loan to value without borrow factors; None where they are 1.

    Raises
    ------
    DomainError
        A negative loan to value, or one that is not finite.
    """
    return evaluate(
        _bonus,
        (not_negative("ltv"), not_negative("ltv_unweighted")),
        "raise",
        ltv=ltv,
        ltv_unweighted=ltv if ltv_unweighted is None else ltv_unweighted,
        liquidation_ltv=rules.liquidation_ltv,
        least=rules.min_bonus,
        most=rules.top_bonus,
        bad_debt_ltv=rules.bad_debt_ltv,
        bad_debt_bonus=rules.bad_debt_bonus,
    )


def _bonus(
    xp: Any,
    ltv: Any,
    ltv_unweighted: Any,
    liquidation_ltv: Any,
    least: Any,
    most: Any,
    bad_debt_ltv: Any,
    bad_debt_bonus: Any,
) -> Any:
    left = 1.0 - ltv_unweighted
    past = ltv - liquidation_ltv
    past = where(xp, past < least, least, past)
    past = where(xp, past > most, most, past)
    bad = where(xp, left > bad_debt_bonus, left, bad_debt_bonus)
    return where(xp, ltv_unweighted >= bad_debt_ltv, bad, where(xp, past > left, left, past))


# Morpho's bonus: its largest factor, and how steeply it falls with the liquidation limit.
_MORPHO_MAX_FACTOR = 1.15
_MORPHO_CURSOR = 0.3


def morpho_liquidation_factor(liquidation_ltv: Any) -> Any:
    """Collateral seized per debt repaid on Morpho, ``min(1.15, 1/(1 - 0.3(1 - lltv)))`` (strategies.md 2.6).

    Raises
    ------
    DomainError
        A limit outside [0, 1].
    """
    return evaluate(_morpho_factor, (_fraction("liquidation_ltv"),), "raise", liquidation_ltv=liquidation_ltv)


def _morpho_factor(xp: Any, liquidation_ltv: Any) -> Any:
    factor = 1.0 / (1.0 - _MORPHO_CURSOR * (1.0 - liquidation_ltv))
    return where(xp, factor < _MORPHO_MAX_FACTOR, factor, _MORPHO_MAX_FACTOR)


class LiquidationRound(NamedTuple):
    """One call: loan to value before it, bonus, debt repaid and collateral seized."""

    ltv_before: float
    bonus: float
    repaid: float
    seized: float


class SoftLiquidation(NamedTuple):
    """What liquidation in parts leaves: every round, the position afterwards, and the equity lost to bonuses.

    ``bad_debt`` is debt left without collateral.
    """

    rounds: tuple[LiquidationRound, ...]
    collateral: float
    debt: float
    ltv: float
    equity_lost: float
    bad_debt: float


def soft_liquidate(
    collateral: float, debt: float, rules: LiquidationRules, borrow_factor: float = 1.0
) -> SoftLiquidation:
    """Liquidate in parts until the loan is below its limit, at a price that stands still (strategies.md 2.6).

    Each call repays the close factor of the debt, or everything above the full-liquidation limit or below the
    smallest debt, and at most the largest repayment; it seizes that much and the bonus. Where the collateral does
    not cover both, all of it is seized and so much repaid as it covers.

    Parameters
    ----------
    collateral, debt
        Values at the lender's prices, 0 or more.
    rules
        Of the lender.
    borrow_factor
        Weight of the debt, 1 or more.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    held = checked("collateral", collateral, not_negative("collateral"))
    owed = checked("debt", debt, not_negative("debt"))
    weight = checked(
        "borrow_factor",
        borrow_factor,
        Bound("borrow_factor", lambda borrow_factor: borrow_factor >= 1, "must be 1 or more"),
    )
    if not all(isinstance(value, float) for value in (held, owed, weight)):
        raise DomainError("collateral, debt and borrow_factor: one position at a time")
    start = held - owed
    rounds = []
    while owed > 0 and held > 0 and owed * weight >= rules.liquidation_ltv * held:
        called = _round(held, owed, rules, weight)
        rounds.append(called)
        held, owed = held - called.seized, owed - called.repaid
    return SoftLiquidation(
        rounds=tuple(rounds),
        collateral=held,
        debt=owed,
        ltv=owed * weight / held if held > 0 else 0.0,
        equity_lost=start - (held - owed),
        bad_debt=0.0 if held > 0 else owed,
    )


def _round(held: float, owed: float, rules: LiquidationRules, weight: float) -> LiquidationRound:
    ltv = owed * weight / held
    bonus = liquidation_bonus(ltv, rules, owed / held)
    everything = ltv > rules.full_liquidation_ltv or owed < rules.full_liquidation_debt
    repaid = min(owed if everything else rules.close_factor * owed, rules.max_repayment)
    if repaid * (1.0 + bonus) >= held:
        return LiquidationRound(ltv, bonus, held / (1.0 + bonus), held)
    return LiquidationRound(ltv, bonus, repaid, repaid * (1.0 + bonus))


class Deleveraging(NamedTuple):
    """State of an auto-deleverage: loan to value from which loans are closed, and the bonus for closing them."""

    threshold: Any
    bonus: Any


def auto_deleverage(
    days: Any,
    ltv: Any,
    *,
    decrease_per_day: Any,
    min_bonus: Any,
    bonus_per_day: Any,
    max_bonus: Any,
) -> Deleveraging:
    """Threshold and bonus some days after the margin call of a limit that was cut (strategies.md 2.6).

    ``threshold = max(0, 1 - x*days)``; ``bonus = min(min_bonus + inc*days, min(max_bonus, 1 - LTV))``.

    Parameters
    ----------
    days
        Since the margin-call period ended, 0 or more.
    ltv
        Loan to value without borrow factors, 0 or more; above 1 nothing is left to pay a bonus from.
    decrease_per_day
        Fall of the threshold x.
    min_bonus, bonus_per_day, max_bonus
        Bonus at the start, what each day adds to it, and its most.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    threshold = evaluate(
        lambda xp, days, decrease_per_day: where(
            xp, decrease_per_day * days < 1, 1.0 - decrease_per_day * days, 0.0
        ),
        (not_negative("days"), not_negative("decrease_per_day")),
        "raise",
        days=days,
        decrease_per_day=decrease_per_day,
    )
    names = ("min_bonus", "bonus_per_day", "max_bonus")
    bonus = evaluate(
        _deleverage_bonus,
        (not_negative("days"), not_negative("ltv"), *(not_negative(name) for name in names)),
        "raise",
        days=days,
        ltv=ltv,
        min_bonus=min_bonus,
        bonus_per_day=bonus_per_day,
        max_bonus=max_bonus,
    )
    return Deleveraging(threshold, bonus)


def _deleverage_bonus(
    xp: Any, days: Any, ltv: Any, min_bonus: Any, bonus_per_day: Any, max_bonus: Any
) -> Any:
    left = where(xp, ltv < 1, 1.0 - ltv, 0.0)
    most = where(xp, max_bonus < left, max_bonus, left)
    grown = min_bonus + bonus_per_day * days
    return where(xp, grown < most, grown, most)


def days_to_deleverage(ltv: Any, decrease_per_day: Any) -> Any:
    """Days after the margin call until a loan is closed, ``(1 - LTV)/x`` (strategies.md 2.6).

    Raises
    ------
    DomainError
        A loan to value outside [0, 1], or a threshold that does not fall.
    """
    return evaluate(
        lambda xp, ltv, decrease_per_day: (1.0 - ltv) / decrease_per_day,
        (_LTV, positive("decrease_per_day")),
        "raise",
        ltv=ltv,
        decrease_per_day=decrease_per_day,
    )


def fall_to_liquidation(ltv: Any, liquidation_ltv: Any) -> Any:
    """Relative fall of the collateral's price that liquidates, ``1 - LTV/liq`` (strategies.md 8).

    Returns
    -------
    float or numpy.ndarray
        Negative for a loan past its limit.

    Raises
    ------
    DomainError
        A negative loan to value, or a limit that is not positive.
    """
    return evaluate(
        lambda xp, ltv, liquidation_ltv: 1.0 - ltv / liquidation_ltv,
        (not_negative("ltv"), positive("liquidation_ltv")),
        "raise",
        ltv=ltv,
        liquidation_ltv=liquidation_ltv,
    )
