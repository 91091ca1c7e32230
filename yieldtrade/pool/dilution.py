"""What existing holders keep when shares are created at a discount, and how far their delta can go (pdlp.md 7).

Vectors run over the assets of the pool along their last axis; discount and fee are numbers, or one for every
scenario along the leading axes. The fee is what lending earns in the period, a fraction of what is lent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import Bound, as_fields, check_choice, checked, evaluate, namespace, share, where
from yieldtrade.errors import DomainError
from yieldtrade.pool.parameters import PoolParameters
from yieldtrade.pool.weights import (
    ABOVE_MINUS_ONE,
    first_asset,
    ownership_fraction,
    settled,
    total_value,
    vectors,
)

if TYPE_CHECKING:
    from yieldtrade.pool.state import PoolState
    from yieldtrade.pool.weights import Floats

DilutionForm: TypeAlias = Literal["exact", "paper"]
FORMS: tuple[DilutionForm, ...] = ("exact", "paper")

# Fees at which the largest multiplier of claim 3.4 moves from F = 0 into (0, 1), and on to F = 1.
INNER_FEE = 1 / 16
OUTER_FEE = 1 / 8


def existing_holder_value(
    p: Any, R: Any, D: Any, F: Any, fee: Any, lent: Any, form: DilutionForm = "exact"
) -> Any:
    """Value of what the existing holders own after a deposit, with the period's lending fees (pdlp.md 7).

    Parameters
    ----------
    p, R, D, lent
        Prices, reserves, deposit and units lent, of shape (..., n).
    F
        Discount on the deposit, above -1.
    fee
        Lending fee of the period, fraction, 0 or more and below 1.
    form
        ``"exact"``: ``p.R - F*p.D + f*p.ell``, which follows from the ownership rule. ``"paper"``:
        ``p.R/(1+F) + f*p.ell`` as printed, which loses value unless ``p.D = p.R/(1+F)``.

    Returns
    -------
    float or numpy.ndarray
        USD, of shape (...).

    Raises
    ------
    DomainError
        More is lent than there is, a depositor would own more than the pool, an empty pool, an unknown form, or a
        value outside its domain.
    """
    p, R, D, lent, F, fee = _state(p, R, D, F, fee, lent, form)
    held, earned = (p * R).sum(axis=-1), fee * (p * lent).sum(axis=-1)
    kept = held / (1.0 + F) if form == "paper" else held - F * (p * D).sum(axis=-1)
    return settled(kept + earned)


def holder_delta(
    p: Any, R: Any, D: Any, F: Any, grad_F: Any, fee: Any, lent: Any, form: DilutionForm = "exact"
) -> Any:
    """Gradient of :func:`existing_holder_value` in the prices, with R, D, fee and lent units fixed (pdlp.md 7).

    ``R - F*D - (p.D)*grad F + f*ell``, or as printed ``R/(1+F) - p.R*grad F/(1+F)^2 + f*ell``.

    Parameters
    ----------
    p, R, D, F, fee, lent, form
        As for :func:`existing_holder_value`, and so are the errors.
    grad_F
        Gradient of the discount in the prices, 1/USD a unit, of shape (..., n).

    Returns
    -------
    numpy.ndarray
        Units of each asset, of shape (..., n).
    """
    p, R, D, lent, F, fee = _state(p, R, D, F, fee, lent, form)
    grad_F = vectors(p=p, grad_F=grad_F)[1]
    F, fee = F[..., None], fee[..., None]
    if form == "paper":
        held = (p * R).sum(axis=-1, keepdims=True)
        return R / (1.0 + F) - held * grad_F / (1.0 + F) ** 2 + fee * lent
    return R - F * D - (p * D).sum(axis=-1, keepdims=True) * grad_F + fee * lent


def _state(p: Any, R: Any, D: Any, F: Any, fee: Any, lent: Any, form: str) -> tuple[Floats, ...]:
    import numpy as np

    check_choice("form", form, FORMS)
    p, R, D, lent = vectors(p=p, R=R, D=D, lent=lent)
    total_value(p * R)
    over = lent > R
    if over.any():
        raise DomainError(
            f"lent = {float(lent[over][0])!r} of asset {first_asset(over)} exceeds its reserves of "
            f"{float(R[over][0])!r}"
        )
    F = np.asarray(checked("F", F, ABOVE_MINUS_ONE))
    if form == "exact":
        ownership_fraction(p, R, D, F)
    return p, R, D, lent, F, np.asarray(checked("fee", fee, share("fee")))


class DeltaBound(NamedTuple):
    """Bounds on the delta of existing holders after a deposit, as multiples of the delta before.

    ``tight`` is reached, ``simple`` is safe, ``printed`` is the false bound of claim 3.4.
    """

    tight: Any
    simple: Any
    printed: Any


def delta_bound(fee: Any) -> DeltaBound:
    """Bounds on ``grad V_new`` over ``grad V_old`` under the hypotheses of claim 3.4 (pdlp.md 7).

    With the printed V_new, ``grad F >= 8*f*R/(p.R)``, ``0 <= F <= 1`` and ``ell <= R`` the multiplier is at most
    ``y - 8*f*y^2 + f`` with ``y = 1/(1+F)`` in [1/2, 1]. Its largest value is ``1 - 7f`` up to f = 1/16 (at F = 0),
    ``1/(32f) + f`` up to 1/8, then ``1/2 - f`` (at F = 1). The paper prints ``1/2 - f`` for every f, as if F <= 1 made
    1/(1+F) at most 1/2; it makes it at least that. ``1 - f`` is safe at every f.

    Parameters
    ----------
    fee
        Lending fee f of the period, 0 or more and below 1.

    Raises
    ------
    DomainError
        A fee outside its domain.
    """
    f = checked("fee", fee, share("fee"))
    xp = namespace(f)
    # any number above 0 will do where the middle form is not taken
    middle = 1.0 / (32.0 * where(xp, f > INNER_FEE, f, 1.0)) + f
    tight = where(xp, f <= INNER_FEE, 1.0 - 7.0 * f, where(xp, f <= OUTER_FEE, middle, 0.5 - f))
    return DeltaBound(**as_fields(xp, tight=tight, simple=1.0 - f, printed=0.5 - f))


def _fraction(name: str) -> Bound:
    return Bound(name, lambda **given: (given[name] >= 0) & (given[name] <= 1), "must be between 0 and 1")


def loan_to_value_footnote(weight: Any, ltv_first: Any, ltv_second: Any, fee: Any) -> Any:
    """Loan-to-value that footnote 5 of the paper gives a pool of two assets; not a lending rule (pdlp.md 7).

    ``(w*L1 + (1-w)*L2)/(3/2 - f)``. It rests on claim 3.4, which is false, and is here only so that the paper can be
    followed: lend by the safety buffer of pool.md 11.

    Parameters
    ----------
    weight
        Of the first asset, between 0 and 1.
    ltv_first, ltv_second
        Loan-to-value of the assets on their own, between 0 and 1.
    fee
        Lending fee f of the period, 0 or more and below 1.

    Returns
    -------
    float or numpy.ndarray
        Fraction.
    """
    return evaluate(
        lambda xp, weight, ltv_first, ltv_second, fee: (
            (weight * ltv_first + (1.0 - weight) * ltv_second) / (1.5 - fee)
        ),
        (*map(_fraction, ("weight", "ltv_first", "ltv_second")), share("fee")),
        "raise",
        weight=weight,
        ltv_first=ltv_first,
        ltv_second=ltv_second,
        fee=fee,
    )


class DeltaRange(NamedTuple):
    """Least and largest value of an asset's delta, as a part of the AUM."""

    low: float
    high: float


def weight_delta_bounds(pool: PoolState, failsafe: float | PoolParameters) -> dict[str, DeltaRange]:
    """Range of ``p*beta*supply/AUM`` over the weights that the failsafe admits and any utilisation (pdlp.md 7).

    Without shorts the delta of an asset is what is owned and not locked: nothing where all of it backs longs, its
    whole weight where none does. The weight is at most ``w**(1+failsafe)``, or what the others leave at the lower end
    of their bands. A stablecoin has no delta.

    The failsafe blocks deposits and withdrawals; prices and traders can still carry a weight out of its band, and
    open shorts add their size over their entry price to the delta. Both lie outside this range.

    Parameters
    ----------
    pool
        The pool, for its assets and target weights.
    failsafe
        Part of its target by which a weight may be off, 0 or more and below 1; or the parameters that state it.

    Returns
    -------
    dict
        By asset.

    Raises
    ------
    DomainError
        A failsafe outside its domain.
    MarketDefinitionError
        A target weight or the failsafe is not known.
    """
    band = failsafe.number("weight_failsafe") if isinstance(failsafe, PoolParameters) else failsafe
    band = float(checked("failsafe", band, share("failsafe")))
    bounds = {}
    for custody in pool:
        target = pool.target_weight(custody.asset)
        # the others keep (1 - w*)*(1 - failsafe) at least
        heaviest = min(target * (1.0 + band), 1.0 - (1.0 - target) * (1.0 - band))
        bounds[custody.asset] = DeltaRange(0.0, 0.0 if custody.is_stable else heaviest)
    return bounds
