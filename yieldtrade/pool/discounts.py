"""Discounts on the creation of pool shares, and what makes one sound (pdlp.md 4).

A discount is the rate F at which a depositor gets more than the pro-rata share of the pool; below 0 it is a fee.
Vectors run over the assets of the pool along their last axis, as in :mod:`yieldtrade.pool.weights`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from yieldtrade.elementwise import (
    as_number,
    check_choice,
    checked,
    evaluate,
    not_negative,
    positive,
    share,
)
from yieldtrade.errors import DomainError
from yieldtrade.pool.state import settle_fields
from yieldtrade.pool.weights import (
    check_simplex,
    first_asset,
    reserves_after,
    settled,
    total_value,
    vectors,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from yieldtrade.pool.weights import Floats

GlpForm: TypeAlias = Literal["fee", "printed"]
FORMS: tuple[GlpForm, ...] = ("fee", "printed")

# What a check of a discount forgives: a part of the largest discount seen, and a distance between weights.
RATE_TOLERANCE = 1e-9
WEIGHT_DISTANCE_TOLERANCE = 1e-3
SIZES_TRIED = 65


class Discount(Protocol):
    """F(p, w*, R, D): the discount on a deposit D; a redemption of the basket lambda is ``D = -lambda``."""

    def __call__(self, p: Any, target: Any, R: Any, D: Any, /) -> Any:
        """Return the discount, a fraction."""


@runtime_checkable
class JumpingDiscount(Protocol):
    """A discount that jumps where an asset reaches some weight."""

    def jump_weights(self, p: Floats, target: Floats, R: Floats) -> list[Floats]:
        """Return such weights after the trade, each a vector over the assets, reachable or not."""


def discount_from_fee(fee: Any, deposit_usd: Any, aum: Any) -> Any:
    """Discount that a mint fee amounts to, ``F = -phi*AUM/(AUM + (1-phi)*d)`` (pdlp.md 4).

    A fee phi mints ``(1-phi)*d*supply/AUM``; F is what the ownership rule needs for the same shares. It is -phi
    for a small deposit.

    Parameters
    ----------
    fee
        Phi, fraction, 0 or more and below 1.
    deposit_usd
        Value d deposited, 0 or more.
    aum
        Value of the pool before, above 0.

    Returns
    -------
    float or numpy.ndarray
        Fraction, 0 or below.
    """
    return evaluate(
        lambda xp, fee, deposit_usd, aum: -fee * (aum / (aum + (1.0 - fee) * deposit_usd)),
        (share("fee"), not_negative("deposit_usd"), positive("aum")),
        "raise",
        fee=fee,
        deposit_usd=deposit_usd,
        aum=aum,
    )


def glp_discount(
    w_before: Any,
    w_after: Any,
    target: Any,
    gb: Any,
    gt: Any,
    form: GlpForm = "fee",
    *,
    values: Any | None = None,
) -> Any:
    """Discount of GMX's GLP pool on a trade that moves the weights (pdlp.md 4, equation 11).

    With distances ``d = |w - w*|/w*`` before and after, an asset counts ``G = 0`` if its weight stays,
    ``gt*d_before`` if it comes closer, else ``-gt*(d_before + d_after)/2``.

    Parameters
    ----------
    w_before, w_after, target
        Weights, of shape (..., n); they sum to 1 unless they are of one asset seen alone. An asset of target 0
        has no relative distance: it pays the base fee, as in GMX's contract, and is left out of the printed form.
    gb, gt
        Base and tax, fractions, 0 or more: numbers, or one for every scenario.
    form
        ``"fee"``: what the contract charges and figure 2 of the paper shows. An asset pays
        ``max(0, gb - G)`` on its own amount, the mean distance of a worsening trade counting as 1 at most;
        ``F`` is minus the mean over the amounts. ``"printed"``: ``F = max(0, gb + max G)`` as equation (11)
        stands, which pays for any one asset that comes closer, and for no trade at all.
    values
        USD of each asset that the trade moves, 0 or more, of shape (..., n); only the fee form uses it. None
        takes the smallest deposit that moves the weights so; it is exact if one asset is left alone.

    Returns
    -------
    float or numpy.ndarray
        Fraction, of shape (...).

    Raises
    ------
    DomainError
        A value outside its domain, weights that do not sum to 1, an unknown form, or a move of the weights that
        no deposit makes, without ``values``.
    """
    check_choice("form", form, FORMS)
    w_before, w_after, target = vectors(w_before=w_before, w_after=w_after, target=target)
    if target.shape[-1] > 1:
        check_simplex(w_before=w_before, w_after=w_after, target=target)
    base, tax = (_rate(name, value) for name, value in (("gb", gb), ("gt", gt)))
    if form == "printed":
        return settled(_printed_discount(w_before, w_after, target, base, tax))
    moved = _least_deposit(w_before, w_after) if values is None else vectors(values=values, target=target)[0]
    return settled(0.0 - _mean_fee(_asset_fees(w_before, w_after, target, base, tax), moved))


def _rate(name: str, value: Any) -> Any:
    import numpy as np

    return np.asarray(checked(name, value, not_negative(name)))[..., None]


def _distance(weight: Floats, target: Floats) -> Any:
    """Relative distance from the target; 0 where that is 0, for the caller to leave out."""
    import numpy as np

    gap = np.abs(weight - target)
    return np.divide(gap, target, where=target > 0, out=np.zeros(gap.shape))


def _gains(w_before: Floats, w_after: Floats, target: Floats, tax: Floats, cap: float) -> Any:
    """G of equation (11), asset by asset, with the mean distance of a worsening trade at ``cap`` at most."""
    import numpy as np

    before, after = _distance(w_before, target), _distance(w_after, target)
    worse = -tax * np.minimum((before + after) / 2.0, cap)
    return np.where(w_after == w_before, 0.0, np.where(after < before, tax * before, worse))


def _asset_fees(w_before: Floats, w_after: Floats, target: Floats, base: Floats, tax: Floats) -> Any:
    import numpy as np

    return np.maximum(base - _gains(w_before, w_after, target, tax, 1.0), 0.0)


def _printed_discount(w_before: Floats, w_after: Floats, target: Floats, base: Floats, tax: Floats) -> Any:
    import numpy as np

    gains = _gains(w_before, w_after, target, tax, np.inf)
    best = gains.max(axis=-1, where=target > 0, initial=-np.inf)
    return np.maximum(base[..., 0] + best, 0.0)


def _mean_fee(fees: Floats, moved: Floats) -> Any:
    """Mean of the fees weighted by what moves; nothing is charged where nothing moves."""
    import numpy as np

    total = moved.sum(axis=-1)
    return np.divide((fees * moved).sum(axis=-1), total, where=total > 0, out=np.zeros(total.shape))


def _least_deposit(w_before: Floats, w_after: Floats) -> Any:
    """Smallest deposit that moves the weights so, over the value of the pool: ``x = g*w_a - w_b``.

    The pool grows by the factor g, the least with ``x >= 0``. Weights that stay are those of a deposit of every
    asset alike, and a lone weight tells no amount: each asset then counts by its weight.
    """
    import numpy as np

    if w_after.shape[-1] == 1:
        return np.ones(w_after.shape)
    vanished = (w_after == 0) & (w_before > 0)
    if vanished.any():
        raise DomainError(
            f"w_after of asset {first_asset(vanished)} is 0: no deposit does that; give the values that the "
            "trade moves"
        )
    ratio = np.divide(w_before, w_after, where=w_after > 0, out=np.zeros(w_after.shape))
    deposit = np.maximum(ratio.max(axis=-1, keepdims=True) * w_after - w_before, 0.0)
    return np.where((w_after == w_before).all(axis=-1, keepdims=True), w_before, deposit)


@dataclass(frozen=True, slots=True, kw_only=True)
class GlpDiscount:
    """Discount of GMX's GLP pool, equation (11), as a :class:`Discount`; see :func:`glp_discount`.

    Neither form is concave: both jump where an asset reaches its mirrored distance, so that claims 3.1-3.3 do not
    cover them.
    """

    gb: float
    gt: float
    form: GlpForm = "fee"

    def __post_init__(self) -> None:
        check_choice("form", self.form, FORMS)
        settle_fields(self, ("gb", "gt"), not_negative)

    def __call__(self, p: Any, target: Any, R: Any, D: Any, /) -> Any:
        """Return the discount of a trade, or of many along leading axes.

        Raises
        ------
        DomainError
            A trade beyond the reserves, a pool empty before or after it, or a value outside its domain.
        """
        import numpy as np

        p, target, R, D = vectors(p=p, target=target, R=R, D=D)
        check_simplex(target=target)
        before, after = p * R, p * reserves_after(R, D)
        w_before, w_after = before / total_value(before), after / total_value(after)
        base, tax = np.array([self.gb]), np.array([self.gt])
        if self.form == "printed":
            return settled(_printed_discount(w_before, w_after, target, base, tax))
        fees = _asset_fees(w_before, w_after, target, base, tax)
        return settled(0.0 - _mean_fee(fees, np.abs(p * D)))

    def jump_weights(self, p: Floats, target: Floats, R: Floats) -> list[Floats]:
        """Return today's weights and the mirrored ``2*w* - w``: an asset is as far from its target at either."""
        today = p * R / total_value(p * R)
        return [today, 2.0 * target - today]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuadraticDiscount:
    """A smooth, concave discount that is 0 for no trade and largest where the target is reached.

    ``F = (rate*(|u(R)|^2 - |u(R+D)|^2) - size_penalty*(p.D)^2)/(p.R)^2`` with ``u(X) = p*X - w* (p.X)``, the USD
    by which the holdings X miss the target at their size. Every maximiser has u = 0, that is the weights w*.

    Attributes
    ----------
    rate
        Discount on a trade that mends a distance of 1 between weights, fraction, above 0.
    size_penalty
        Lost if the net flow is as large as the pool, fraction, 0 or more. Above 0 it makes F strongly concave, and
        its only maximiser the self-financing trade to the target.
    """

    rate: float
    size_penalty: float = 0.0

    def __post_init__(self) -> None:
        settle_fields(self, ("rate",), positive)
        settle_fields(self, ("size_penalty",), not_negative)

    def __call__(self, p: Any, target: Any, R: Any, D: Any, /) -> Any:
        """Return the discount of a trade, or of many along leading axes.

        Raises
        ------
        DomainError
            An empty pool, or a value outside its domain.
        """
        p, target, R, D = vectors(p=p, target=target, R=R, D=D)
        check_simplex(target=target)
        total, flow = total_value(p * R), (p * D).sum(axis=-1, keepdims=True)
        missed, mended = p * R - target * total, p * D - target * flow
        gain = -(mended * (2.0 * missed + mended)).sum(axis=-1)
        return settled((self.rate * gain - self.size_penalty * flow[..., 0] ** 2) / total[..., 0] ** 2)


class Verdict(NamedTuple):
    """Whether a condition held on every sample, by how much it was missed at worst, and at which trade D."""

    holds: bool
    worst: float
    trade: Floats


class DiscountReport(NamedTuple):
    """What sampling says of the conditions on a discount (pdlp.md 4): evidence, not proof.

    ``zero``: no discount for no trade; worst is the largest |F|. ``concave``: F lies above its chords; worst is the
    deepest point below one. ``maximised``: every maximiser reaches the target; worst is the largest distance from
    it at which F is at least as large as anywhere on it.
    """

    zero: Verdict
    concave: Verdict
    maximised: Verdict


def check_discount(
    F: Discount, p: Any, target: Any, R: Any, samples: int = 1000, seed: int = 0
) -> DiscountReport:
    """Look for violations of the three conditions on a discount (pdlp.md 4).

    The trades tried end in random portfolios worth from half to twice the pool; the best of them is improved by
    a local search.

    Parameters
    ----------
    F
        The discount, called with vectors.
    p, target, R
        Prices, target weights and reserves of one pool, of shape (n,).
    samples
        Random portfolios, 1 or more.
    seed
        Of the random numbers.

    Raises
    ------
    DomainError
        A value outside its domain, or a discount that is not a finite number.
    """
    import numpy as np

    p, target, R = vectors(p=p, target=target, R=R)
    check_simplex(target=target)
    if samples < 1:
        raise DomainError(f"samples = {samples!r} must be 1 or more")
    held = p * R
    total = float(total_value(held)[0])

    def discount(values: Floats, held: Floats = held) -> float:
        return as_number("F", F(p, target, held / p, (values - held) / p))

    rng = np.random.default_rng(seed)
    tried = total * rng.uniform(0.5, 2.0, samples)[:, None] * rng.dirichlet(np.ones(p.size), samples)
    rates = np.array([discount(values) for values in tried])
    allowed = RATE_TOLERANCE * float(np.abs(rates).max())
    zeros = np.array([abs(discount(values, values)) for values in (held, *tried)])
    chords = _below_chords(discount, held, tried, rates, rng)
    trades = (tried - held) / p
    return DiscountReport(
        zero=Verdict(bool(zeros.max() <= allowed), float(zeros.max()), np.zeros(p.size)),
        concave=Verdict(
            bool(chords.max() <= allowed), max(0.0, float(chords.max())), trades[chords.argmax()]
        ),
        maximised=_check_maximisers(discount, p, held, target, (tried, rates, allowed)),
    )


def _below_chords(
    discount: Callable[[Floats], float], held: Floats, tried: Floats, rates: Floats, rng: Any
) -> Floats:
    """How far F lies below a chord, from each sample to the next one or, every other time, to no trade."""
    import numpy as np

    other, rate = np.roll(tried, -1, axis=0), np.roll(rates, -1)
    other[::2], rate[::2] = held, discount(held)
    part = rng.uniform(size=len(rates))
    between = np.array([discount(m) for m in part[:, None] * tried + (1.0 - part[:, None]) * other])
    chords: Floats = part * rates + (1.0 - part) * rate - between
    return chords


def _check_maximisers(
    discount: Callable[[Floats], float],
    p: Floats,
    held: Floats,
    target: Floats,
    seen: tuple[Floats, Floats, float],
) -> Verdict:
    import numpy as np

    tried, rates, allowed = seen
    best = _best_on_target(discount, held.sum(), target)
    polished = _climbed(discount, tried[rates.argmax()], held.sum())
    tried, rates = np.vstack([tried, polished]), np.append(rates, discount(polished))
    distances = np.linalg.norm(tried / tried.sum(axis=1, keepdims=True) - target, axis=1)
    distances[rates < best - allowed] = 0.0
    worst = float(distances.max())
    return Verdict(worst <= WEIGHT_DISTANCE_TOLERANCE, worst, (tried[distances.argmax()] - held) / p)


def _best_on_target(discount: Callable[[Floats], float], total: float, target: Floats) -> float:
    """Largest discount on a trade that reaches the target, over the sizes of the pool afterwards."""
    import numpy as np
    from scipy.optimize import minimize_scalar

    sizes = total * np.geomspace(0.5, 2.0, SIZES_TRIED)
    rates = [discount(size * target) for size in sizes]
    k = int(np.argmax(rates))
    bracket = sizes[max(k - 1, 0)], sizes[min(k + 1, SIZES_TRIED - 1)]
    found = minimize_scalar(lambda size: -discount(size * target), bounds=bracket, method="bounded")
    return max(rates[k], -float(found.fun))


def _climbed(discount: Callable[[Floats], float], start: Floats, total: float) -> Floats:
    """Portfolio that a local search from ``start`` ends on, between half and twice the value of the pool."""
    import numpy as np
    from scipy.optimize import LinearConstraint, minimize

    scale = max(abs(discount(start)), np.finfo(float).tiny)
    found = minimize(
        lambda x: -discount(np.maximum(x, 0.0) * total) / scale,
        start / total,
        method="SLSQP",
        bounds=[(0.0, 2.0)] * start.size,
        constraints=LinearConstraint(np.ones(start.size), 0.5, 2.0),
    )
    climbed: Floats = np.maximum(found.x, 0.0) * total
    return climbed if discount(climbed) > discount(start) else start
