"""What a price move is worth to the two arbitrageurs of a period, and the fees that suit both sides (pdlp.md 3).

At the start L = S = L0 and funding is 0; then the price goes from p0 to p. One arbitrageur takes the side that
collects funding, borrowing from the pool at the fee f a period; the other trades the pool's stale quote away. The
fee must be below the first one's funding and above what the second costs the pool.

Fees and kappa have two bases. ``notional``: fractions, of ``p0*ell`` and ``p0*S``. ``paper``: f in USD per unit and
kappa in USD, related by f_paper = p0*f and kappa_paper = kappa*p0*L0. The paper's "fee inversely proportional to
open interest" is the second read with kappa fixed: it holds only if total funding does not grow with open interest.

Functions take numbers or arrays of price scenarios; where a number would be None, an array holds NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.elementwise import (
    Bound,
    as_array,
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    ratio,
    where,
)
from yieldtrade.errors import DomainError
from yieldtrade.pool.swaps import (
    ArbitrageTrade,
    ConstantProductSwap,
    ForwardExchange,
    OracleSwap,
    arbitrage_trade,
    rebalancing_loss,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ArbitrageTrade",
    "ConstantProductSwap",
    "FeeBasis",
    "FeeCeiling",
    "FeeInterval",
    "FeeShares",
    "FloorForm",
    "ForwardExchange",
    "OracleSwap",
    "arbitrage_trade",
    "fee_interval",
    "fee_interval_over",
    "funding_arbitrage_size",
    "funding_fee_ceiling",
    "lp_fee_floor",
    "rebalancing_loss",
]

FeeBasis: TypeAlias = Literal["notional", "paper"]
FloorForm: TypeAlias = Literal["exact", "sufficient", "b_form", "sharper"]

# A pool quotes the mark price if it does so within this, relative.
QUOTE_TOLERANCE = 1e-9

_PRICES = (positive("p"), positive("p0"))


class FeeCeiling(NamedTuple):
    """The largest fee that leaves the funding arbitrageur a profit.

    Attributes
    ----------
    fee
        In the basis asked for, a period.
    kind
        ``exact`` at the price given; ``necessary`` for some move up to a largest one, sufficient for none;
        ``sufficient`` for every move from a smallest one up.
    """

    fee: Any
    kind: str


class FeeInterval(NamedTuple):
    """Fees that leave both the liquidity providers and the funding arbitrageur a profit.

    Attributes
    ----------
    low, high
        In the basis asked for, a period; None where p = p0: nothing is arbitraged and there is no interval.
    feasible
        Whether there is such a fee; False where there is no interval.
    kappa_required
        The kappa from which on there is; None as above.
    """

    low: Any
    high: Any
    feasible: Any
    kappa_required: Any


class FeeShares(NamedTuple):
    """Shares of the price scenarios, per fee.

    Attributes
    ----------
    inside
        Both sides profit.
    below_floor, above_ceiling
        The liquidity providers lose, the funding arbitrageur does; a fee can be in both.
    undefined
        No price move, so no interval: in none of the others.
    """

    inside: Any
    below_floor: Any
    above_ceiling: Any
    undefined: float


def funding_arbitrage_size(L0: Any, p: Any, p0: Any) -> Any:
    """Largest position that still collects funding, signed units (pdlp.md 3, (3)).

    A long of ``L0*(p/p0 - 1)`` after a rise, a short of ``L0*(p0/p - 1)`` (negative) after a fall; it brings the
    funding rate to 0.

    Raises
    ------
    DomainError
        A value that is not above 0.
    """
    return evaluate(
        lambda xp, L0, p, p0: L0 * (p - p0) / where(xp, p > p0, p0, p),
        (positive("L0"), *_PRICES),
        "raise",
        L0=L0,
        p=p,
        p0=p0,
    )


def funding_fee_ceiling(
    kappa: Any,
    L0: Any,
    p: Any,
    p0: Any,
    basis: FeeBasis = "notional",
    *,
    largest_move: Any = None,
    smallest_move: Any = None,
) -> FeeCeiling:
    """Fee up to which the funding arbitrage pays, ``kappa*(1 - p0/p)`` after a rise (pdlp.md 3, (4)).

    After a fall the short collects from L0 longs at ``kappa*(1 - p/p0)`` and becomes ``p0/p`` of L0, hence
    ``kappa*(1 - p/p0)*p/p0``. In the paper's basis both are divided by L0: the fee falls as 1/L0 there only if total
    funding does not grow with open interest.

    Parameters
    ----------
    kappa
        Constant of the funding rate, in the basis; 0 for an exchange without funding.
    L0, p, p0
        Open interest of a side at the start, units; price now and mark price. With a move given, ``p`` may be
        None; else it must be a rise within the move.
    basis
        Unit of the fee and of kappa.
    largest_move
        B >= p/p0: the bound is ``kappa*(1 - 1/B)``, which lies above (4).
    smallest_move
        b <= p/p0: the bound is ``kappa*(1 - 1/b)``, which lies below (4).

    Raises
    ------
    DomainError
        A value outside its domain, both moves, or a price outside the move.
    """
    if largest_move is None and smallest_move is None:
        return FeeCeiling(_ceiling(kappa, L0, p, p0, basis), "exact")
    if largest_move is not None and smallest_move is not None:
        raise DomainError("largest_move and smallest_move give different bounds: ask for one at a time")
    if largest_move is not None:
        _check_move("largest_move", largest_move, p, p0, lambda p, p0, move: (p > p0) & (p / p0 <= move))
        move, kind = checked("largest_move", largest_move), "necessary"
    else:
        _check_move("smallest_move", smallest_move, p, p0, lambda p, p0, move: p / p0 >= move)
        move, kind = checked("smallest_move", smallest_move), "sufficient"
    return FeeCeiling(_ceiling(kappa, L0, move, 1.0, basis), kind)


def _ceiling(kappa: Any, L0: Any, p: Any, p0: Any, basis: FeeBasis) -> Any:
    check_choice("basis", basis, ("notional", "paper"))
    return evaluate(
        lambda xp, kappa, L0, p, p0: (
            kappa
            * where(xp, p > p0, (p - p0) / p, (p0 - p) / p0 * (p / p0))
            / (L0 if basis == "paper" else 1.0)
        ),
        (not_negative("kappa"), positive("L0"), *_PRICES),
        "raise",
        kappa=kappa,
        L0=L0,
        p=p,
        p0=p0,
    )


def _check_move(name: str, move: Any, p: Any, p0: Any, within: Any) -> None:
    """Refuse a largest or smallest move below 1, and a price whose ratio to p0 contradicts it."""
    checked(name, move, Bound(name, lambda **given: given[name] >= 1, "must be 1 or more"))
    checked("p0", p0, positive("p0"))
    if p is None:
        return
    evaluate(
        lambda _xp, p, p0, move: p / p0,
        (*_PRICES, Bound("p", within, f"over p0 contradicts {name}")),
        "raise",
        p=p,
        p0=p0,
        move=move,
    )


def lp_fee_floor(
    G: ForwardExchange,
    L0: Any,
    p: Any,
    p0: Any,
    basis: FeeBasis = "notional",
    form: FloorForm = "exact",
    *,
    largest_move: Any = None,
    reverse: ForwardExchange | None = None,
) -> Any:
    """Fee from which liquidity providers profit: the arbitrage of the pool over what is borrowed (pdlp.md 3, (5)).

    ``exact`` is ``(p*G(x) - x)/|ell|`` with ell of (3), over p0 in the notional basis: after a rise the paper's
    ``(1/L0)*(G(x) - x/p)/(1/p0 - 1/p)``. The others are larger, hence sufficient, and hold if the pool starts by
    quoting the mark price.

    Parameters
    ----------
    G
        How the pool sells the asset.
    L0, p, p0, basis
        As in :func:`funding_fee_ceiling`.
    form
        ``exact``; ``sufficient``: ``x/L0``, x being what is paid in, at p; for a constant product whose price rises
        or falls by a factor of at most B, ``b_form``: ``(B - 1)*R1/L0``, ``sharper``: ``(sqrt(B) - 1)*R1/L0``.
    largest_move
        B, for those two forms alone, in which ``p`` may be None.
    reverse
        How the pool buys the asset, units in and USD out, where G does not say; needed below p0.

    Returns
    -------
    float, None or numpy.ndarray
        None (NaN) for ``exact`` where p = p0.

    Raises
    ------
    DomainError
        A value outside its domain; a price below p0 without ``reverse``; a form that the pool does not allow.
    """
    check_choice("basis", basis, ("notional", "paper"))
    check_choice("form", form, ("exact", "sufficient", "b_form", "sharper"))
    L0, p0 = checked("L0", L0, positive("L0")), checked("p0", p0, positive("p0"))
    if form in {"b_form", "sharper"}:
        return _per_unit(_band_usd(G, p, p0, form, largest_move), L0, p0, basis)
    if largest_move is not None:
        raise DomainError(f"largest_move = {largest_move!r}: form {form!r} takes none")
    size = funding_arbitrage_size(L0, p, p0)
    p = checked("p", p)
    _check_directions(G, reverse, p, p0)
    trade = arbitrage_trade(G, p, reverse=reverse)
    if form == "exact":
        return _per_unit(trade.profit, abs(size), p0, basis)
    _check_quotes(G, reverse, p0, form)
    paid = where(namespace(trade.x), trade.direction == "sell", p * trade.x, trade.x)
    return _per_unit(paid, L0, p0, basis)


def _per_unit(usd: Any, units: Any, p0: Any, basis: FeeBasis) -> Any:
    """Return USD as a fee on units: USD a unit, or a fraction of their notional; None (NaN) on no units."""
    fee = evaluate(
        lambda _xp, usd, units, p0: usd / (units * (p0 if basis == "notional" else 1.0)),
        (positive("units"),),
        "nan",
        usd=usd,
        units=units,
        p0=p0,
    )
    return as_fields(namespace(fee), fee=fee)["fee"]


def _band_usd(G: ForwardExchange, p: Any, p0: Any, form: FloorForm, largest_move: Any) -> Any:
    """Return a bound on what is paid into a constant product by arbitrage of moves up to B, either way, USD."""
    if not isinstance(G, ConstantProductSwap):
        raise DomainError(f"form = {form!r} holds for a constant product, not for {type(G).__name__}")
    if largest_move is None:
        raise DomainError(f"form = {form!r} needs largest_move")
    _check_quotes(G, None, p0, form)
    _check_move("largest_move", largest_move, p, p0, lambda p, p0, move: (p / p0 <= move) & (p0 / p <= move))
    return evaluate(
        lambda xp, move, R1: ((xp.sqrt(move) if form == "sharper" else move) - 1.0) * R1,
        (),
        "raise",
        move=largest_move,
        R1=G.R1,
    )


def _check_directions(G: ForwardExchange, reverse: ForwardExchange | None, p: Any, p0: Any) -> None:
    if reverse is not None or getattr(G, "both_ways", False):
        return
    evaluate(
        lambda _xp, p, p0: p,
        (Bound("p", lambda p, p0: p >= p0, "lies below p0, where the pool buys: state `reverse`"),),
        "raise",
        p=p,
        p0=p0,
    )


def _check_quotes(G: ForwardExchange, reverse: ForwardExchange | None, p0: Any, form: FloorForm) -> None:
    """Refuse a pool that starts with a better quote than p0: what is paid in then bounds nothing."""
    start = checked("G.marginal(0)", G.marginal(0.0), positive("G.marginal(0)"))
    quotes = [start * p0]
    if getattr(G, "both_ways", False):
        quotes.append(1.0 / (start * p0))
    if reverse is not None:
        quotes.append(checked("reverse.marginal(0)", reverse.marginal(0.0)) / p0)
    for quote in quotes:
        evaluate(
            lambda _xp, p0, quote: quote,
            (
                Bound(
                    "p0",
                    lambda p0, quote: quote <= 1.0 + QUOTE_TOLERANCE,
                    f"is not the pool's quote, which is better: form {form!r} holds from equal prices only",
                ),
            ),
            "raise",
            p0=p0,
            quote=quote,
        )


def fee_interval(
    kappa: Any,
    L0: Any,
    G: ForwardExchange,
    p: Any,
    p0: Any,
    basis: FeeBasis = "notional",
    *,
    reverse: ForwardExchange | None = None,
) -> FeeInterval:
    """Fees between the floor (5) and the ceiling (4), and the kappa that there be any (pdlp.md 3).

    After a rise kappa must be at least ``(p*G(x) - x)*p/(L0*(p - p0)^2)`` (notional), ``...*p*p0/(p - p0)^2``
    (paper). Parameters and errors are those of :func:`funding_fee_ceiling` and :func:`lp_fee_floor`.
    """
    low = lp_fee_floor(G, L0, p, p0, basis, reverse=reverse)
    low = math.nan if low is None else low
    per_kappa = _ceiling(1.0, L0, p, p0, basis)
    high = _ceiling(kappa, L0, p, p0, basis)
    xp = namespace(low, high)
    required = ratio(xp, low, per_kappa, at_zero=math.nan)
    high = where(xp, per_kappa == 0, math.nan, high)
    return FeeInterval(**as_fields(xp, low=low, high=high, feasible=low <= high, kappa_required=required))


def fee_interval_over(
    prices: ArrayLike,
    fees: Any,
    *,
    kappa: Any,
    L0: Any,
    G: ForwardExchange,
    p0: Any,
    basis: FeeBasis = "notional",
    reverse: ForwardExchange | None = None,
) -> FeeShares:
    """Probability that a fee suits both sides, over equally likely prices at the end of the period (pdlp.md 3).

    Parameters
    ----------
    prices
        Price scenarios, at least one.
    fees
        One fee or an array of them, in the basis.
    kappa, L0, G, p0, basis, reverse
        As in :func:`fee_interval`.

    Returns
    -------
    FeeShares
        Fractions of the number of scenarios, of the shape of ``fees``.

    Raises
    ------
    DomainError
        No scenario, or as :func:`fee_interval`.
    """
    import numpy as np

    scenarios = np.atleast_1d(as_array("prices", prices))
    if not scenarios.size:
        raise DomainError("prices holds no scenario: give at least one price")
    found = fee_interval(kappa, L0, G, scenarios, p0, basis, reverse=reverse)
    fee = checked("fees", fees, not_negative("fees"))
    low, high, feasible = (np.ravel(part) for part in found[:3])
    defined = ~np.isnan(low)

    def below(ends: NDArray[np.float64], side: Literal["left", "right"]) -> Any:
        """Count the scenarios with an end below the fee (``left``), or not above it (``right``)."""
        return np.searchsorted(np.sort(ends), fee, side)

    counts = {
        "inside": below(low[feasible], "right") - below(high[feasible], "left"),
        "below_floor": defined.sum() - below(low[defined], "right"),
        "above_ceiling": below(high[defined], "left"),
    }
    shares = {
        name: count / low.size if np.ndim(fee) else float(count / low.size) for name, count in counts.items()
    }
    return FeeShares(**shares, undefined=float((~defined).sum() / low.size))
