"""Amounts of a one-transaction leverage: open, adjust and leave it with a flash loan (strategies.md 2.4).

``price`` is collateral tokens per debt token and mark leverage ``L = C/(C - D*price)``, so that loan to value is
``(L-1)/L``. A swap for an exact amount out costs ``1 + slippage`` times its mid price.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import Bound, check_choice, checked, evaluate, not_negative, positive

if TYPE_CHECKING:
    from collections.abc import Callable

Token: TypeAlias = Literal["collateral", "debt"]

TOKENS = ("collateral", "debt")

_LEVERAGE = Bound("leverage", lambda leverage, **_: leverage >= 1, "must be 1 or more")
_COSTS = (not_negative("slippage"), not_negative("flash_fee"))
_OPEN = (positive("deposit"), _LEVERAGE, positive("price"), *_COSTS)
_UNREACHABLE = "cannot be reached: each turn costs more than it adds; lower the leverage or the costs"


class OpenedPosition(NamedTuple):
    """What opening takes and leaves.

    ``collateral`` and ``debt`` are the position afterwards, ``flash_loan`` what the flash lender is owed in the
    token it lent (its fee included for collateral, before its fee for debt tokens), ``swap_in`` debt tokens sold
    and ``swap_out`` collateral tokens bought.
    """

    collateral: Any
    debt: Any
    flash_loan: Any
    swap_in: Any
    swap_out: Any


class Change(NamedTuple):
    """Change of collateral and of debt, each in its own token; negative where it is withdrawn or repaid."""

    collateral: Any
    debt: Any


def open_with_collateral_flash(
    deposit: Any,
    leverage: Any,
    *,
    price: Any = 1.0,
    slippage: Any = 0.0,
    flash_fee: Any = 0.0,
    deposited: Token = "collateral",
) -> OpenedPosition:
    """Open by borrowing the collateral in a flash and repaying it with the loan's proceeds (strategies.md 2.4).

    With ``k = (1+f)(1+s)``: of a collateral deposit A, ``C = A k L/(1+(k-1)L)`` and ``D = (C-A)k/p``; of a deposit
    in debt tokens, ``C = A p L/(kL-(L-1))`` and ``D = (L-1)C/(L p)``.

    Parameters
    ----------
    deposit
        Own tokens A, above 0.
    leverage
        Mark leverage L aimed at, 1 or more.
    price
        Collateral tokens per debt token p, above 0.
    slippage, flash_fee
        Fractions s and f, 0 or more.
    deposited
        ``"collateral"`` or ``"debt"``: what is deposited.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    opening = _Opening(deposit, leverage, price, slippage, flash_fee, deposited)
    if deposited == "collateral":
        collateral = opening.solve(lambda xp, A, L, p, s, f: A * _k(s, f) * L / (1.0 + (_k(s, f) - 1.0) * L))
        bought = opening.solve(lambda xp, A, L, p, s, f: A * (L - 1.0) / (1.0 + (_k(s, f) - 1.0) * L))
        debt = opening.solve(
            lambda xp, A, L, p, s, f: A * (L - 1.0) / (1.0 + (_k(s, f) - 1.0) * L) * _k(s, f) / p
        )
        return OpenedPosition(collateral, debt, bought * opening.with_fee, debt, bought)
    collateral = opening.solve(lambda xp, A, L, p, s, f: A * p * L / (_k(s, f) * L - (L - 1.0)))
    debt = opening.solve(lambda xp, A, L, p, s, f: A * (L - 1.0) / (_k(s, f) * L - (L - 1.0)))
    return OpenedPosition(collateral, debt, collateral * opening.with_fee, opening.deposit + debt, collateral)


def open_with_debt_flash(
    deposit: Any,
    leverage: Any,
    *,
    price: Any = 1.0,
    slippage: Any = 0.0,
    flash_fee: Any = 0.0,
    deposited: Token = "collateral",
) -> OpenedPosition:
    """Open by borrowing debt tokens in a flash, F, and repaying them with the loan itself (strategies.md 2.4).

    Of a collateral deposit A, ``F = A(L-1)/(p[L(1+f)-(L-1)/(1+s)])`` and ``C = A + F p/(1+s)``; of a deposit in
    debt tokens, ``F = A(L-1)/((1+s)L(1+f)-(L-1))`` and ``C = (A+F)p/(1+s)``; in both ``D = F(1+f)``.

    Parameters and errors are those of :func:`open_with_collateral_flash`.
    """
    opening = _Opening(deposit, leverage, price, slippage, flash_fee, deposited)
    if deposited == "collateral":
        flash = opening.solve(
            lambda xp, A, L, p, s, f: A * (L - 1.0) / (p * (L * (1.0 + f) - (L - 1.0) / (1.0 + s)))
        )
        bought = flash * opening.swap_price
        return OpenedPosition(opening.deposit + bought, flash * opening.with_fee, flash, flash, bought)
    flash = opening.solve(lambda xp, A, L, p, s, f: A * (L - 1.0) / ((1.0 + s) * L * (1.0 + f) - (L - 1.0)))
    bought = (opening.deposit + flash) * opening.swap_price
    return OpenedPosition(bought, flash * opening.with_fee, flash, opening.deposit + flash, bought)


class _Opening:
    """Checked figures of an opening."""

    def __init__(
        self, deposit: Any, leverage: Any, price: Any, slippage: Any, flash_fee: Any, deposited: str
    ) -> None:
        check_choice("deposited", deposited, TOKENS)
        self.figures = {
            "deposit": deposit,
            "leverage": leverage,
            "price": price,
            "slippage": slippage,
            "flash_fee": flash_fee,
        }
        self.deposit = self.solve(lambda xp, A, L, p, s, f: A)
        self.with_fee = self.solve(lambda xp, A, L, p, s, f: 1.0 + f)
        self.swap_price = self.solve(lambda xp, A, L, p, s, f: p / (1.0 + s))

    def solve(self, formula: Callable[..., Any]) -> Any:
        """Evaluate a formula of ``A, L, p, s, f``."""
        return evaluate(
            lambda xp, **given: formula(xp, *given.values()),
            _OPEN,
            "raise",
            **self.figures,
        )


def _k(slippage: Any, flash_fee: Any) -> Any:
    return (1.0 + flash_fee) * (1.0 + slippage)


def mark_leverage(collateral: Any, debt: Any, price: Any = 1.0) -> Any:
    """Leverage at the market's price, ``C/(C - D*p)`` (strategies.md 2.4).

    Parameters
    ----------
    collateral, debt
        Tokens of each, above 0 and 0 or more.
    price
        Collateral tokens per debt token, above 0.

    Raises
    ------
    DomainError
        A value outside its domain, or a debt worth the collateral or more.
    """
    return evaluate(
        lambda xp, collateral, debt, price: collateral / (collateral - debt * price),
        (
            positive("collateral"),
            not_negative("debt"),
            positive("price"),
            Bound(
                "debt",
                lambda collateral, debt, price: debt * price < collateral,
                "is worth the collateral or more: nothing is left to lever",
            ),
        ),
        "raise",
        collateral=collateral,
        debt=debt,
        price=price,
    )


def entry_cost(leverage: Any, slippage: Any, flash_fee: Any) -> Any:
    """Share of a collateral deposit that opening costs, ``(k-1)(L-1)/(1+(k-1)L)`` (strategies.md 2.4).

    Raises
    ------
    DomainError
        A leverage below 1, a negative slippage or fee.
    """
    return _of_leverage(
        lambda L, k: (k - 1.0) * (L - 1.0) / (1.0 + (k - 1.0) * L), leverage, slippage, flash_fee
    )


def spend_multiple(leverage: Any, slippage: Any, flash_fee: Any) -> Any:
    """Money spent over own capital at a mark leverage, ``k L/(1+(k-1)L)`` (strategies.md 2.4).

    Of a deposit in debt tokens, the debt is one less than this times the deposit. Of a deposit of collateral this
    is the collateral held over the deposit. Errors are those of :func:`entry_cost`.
    """
    return _of_leverage(lambda L, k: k * L / (1.0 + (k - 1.0) * L), leverage, slippage, flash_fee)


def leverage_of_spend(multiple: Any, slippage: Any, flash_fee: Any) -> Any:
    """Mark leverage of a spend multiple, ``M/(k-(k-1)M)``: the inverse of :func:`spend_multiple`.

    Raises
    ------
    DomainError
        A multiple below 1, a negative slippage or fee, or a multiple that no mark leverage reaches.
    """
    return evaluate(
        lambda xp, leverage, slippage, flash_fee: (
            leverage / (_k(slippage, flash_fee) - (_k(slippage, flash_fee) - 1.0) * leverage)
        ),
        (
            _LEVERAGE,
            *_COSTS,
            Bound(
                "leverage",
                lambda leverage, slippage, flash_fee: (
                    _k(slippage, flash_fee) - (_k(slippage, flash_fee) - 1.0) * leverage > 0
                ),
                _UNREACHABLE,
            ),
        ),
        "raise",
        leverage=multiple,
        slippage=slippage,
        flash_fee=flash_fee,
    )


def _of_leverage(formula: Callable[..., Any], leverage: Any, slippage: Any, flash_fee: Any) -> Any:
    return evaluate(
        lambda xp, leverage, slippage, flash_fee: formula(leverage, _k(slippage, flash_fee)),
        (_LEVERAGE, *_COSTS),
        "raise",
        leverage=leverage,
        slippage=slippage,
        flash_fee=flash_fee,
    )


def adjust(
    collateral: Any, debt: Any, leverage: Any, *, debt_per_collateral: Any = 1.0, flash_fee: Any = 0.0
) -> Change:
    """Changes that bring a position to a mark leverage (strategies.md 2.4).

    With ``P`` debt tokens per collateral token and ``E = C - D/P``: ``dC = E L - C``, ``dD = E(L-1)P(1+f) - D``.
    Without a flash fee the leverage is then exactly L; the fee is added to the debt.

    Parameters
    ----------
    collateral, debt
        Tokens of each.
    leverage
        Mark leverage aimed at, 1 or more.
    debt_per_collateral
        Price P of the collateral in debt tokens, above 0.
    flash_fee
        Fraction f, 0 or more.

    Raises
    ------
    DomainError
        A value outside its domain, or a position without equity.
    """
    equity = position_equity(collateral, debt, debt_per_collateral)
    target = {"equity": equity, "leverage": leverage, "P": debt_per_collateral, "flash_fee": flash_fee}
    wanted = evaluate(
        lambda xp, equity, leverage, P, flash_fee: equity * leverage,
        (_LEVERAGE, not_negative("flash_fee")),
        "raise",
        **target,
    )
    return Change(
        wanted - checked("collateral", collateral),
        _debt_for(**target) - checked("debt", debt),
    )


def target_debt(deposit: Any, leverage: Any, *, debt_per_collateral: Any = 1.0, flash_fee: Any = 0.0) -> Any:
    """Debt that levers a deposit of collateral, ``A(L-1)P(1+f)`` (strategies.md 2.4).

    Raises
    ------
    DomainError
        A deposit or price that is not positive, a leverage below 1, a negative fee.
    """
    checked("deposit", deposit, positive("deposit"))
    return _debt_for(equity=deposit, leverage=leverage, P=debt_per_collateral, flash_fee=flash_fee)


def _debt_for(equity: Any, leverage: Any, P: Any, flash_fee: Any) -> Any:
    return evaluate(
        lambda xp, equity, leverage, debt_per_collateral, flash_fee: (
            equity * (leverage - 1.0) * debt_per_collateral * (1.0 + flash_fee)
        ),
        (_LEVERAGE, positive("debt_per_collateral"), not_negative("flash_fee")),
        "raise",
        equity=equity,
        leverage=leverage,
        debt_per_collateral=P,
        flash_fee=flash_fee,
    )


def position_equity(collateral: Any, debt: Any, debt_per_collateral: Any = 1.0) -> Any:
    """Own part of a position in collateral tokens, ``E = C - D/P`` (strategies.md 2.4).

    Raises
    ------
    DomainError
        A value outside its domain, or a debt worth the collateral or more.
    """
    return evaluate(
        lambda xp, collateral, debt, debt_per_collateral: collateral - debt / debt_per_collateral,
        (
            positive("collateral"),
            not_negative("debt"),
            positive("debt_per_collateral"),
            Bound(
                "debt",
                lambda collateral, debt, debt_per_collateral: debt < collateral * debt_per_collateral,
                "is worth the collateral or more: the position has no equity",
            ),
        ),
        "raise",
        collateral=collateral,
        debt=debt,
        debt_per_collateral=debt_per_collateral,
    )


def withdraw(
    collateral: Any,
    debt: Any,
    amount: Any,
    *,
    debt_per_collateral: Any = 1.0,
    counted_in: Token = "collateral",
) -> Change:
    """Shrink a position in proportion so that an amount of its equity comes out (strategies.md 2.4).

    ``(w/E)C`` of the collateral is withdrawn and ``(w/E)D`` of the debt repaid, so that the leverage stays.

    Parameters
    ----------
    collateral, debt, debt_per_collateral
        As in :func:`adjust`.
    amount
        What comes out, 0 or more and at most the equity.
    counted_in
        ``"collateral"`` or ``"debt"``: the token that ``amount`` is in.

    Returns
    -------
    Change
        Both negative or 0.

    Raises
    ------
    DomainError
        A value outside its domain, a position without equity, or an amount above it.
    """
    check_choice("counted_in", counted_in, TOKENS)
    equity = position_equity(collateral, debt, debt_per_collateral)
    owned = equity if counted_in == "collateral" else equity * checked("P", debt_per_collateral)
    part = evaluate(
        lambda xp, amount, equity: amount / equity,
        (
            not_negative("amount"),
            Bound("amount", lambda amount, equity: amount <= equity, "is more than the position's equity"),
        ),
        "raise",
        amount=amount,
        equity=owned,
    )
    return Change(-part * checked("collateral", collateral), -part * checked("debt", debt))
