"""The ST ledger: distribution of yield to YT and ST, and where a profit came from (tokens.md 8, 9, 13).

``yt`` x and ``st`` s are signed balances (debt negative); ``growth`` g is the growth of the underlying over a
settlement, a fraction, not annualised. Functions take numbers or arrays unless they say otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from yieldtrade.elementwise import (
    Bound,
    Number,
    OnError,
    as_array,
    checked,
    evaluate,
    positive,
)
from yieldtrade.errors import DataError, DomainError
from yieldtrade.tokens.losses import NegativeYieldRule, high_water_mark, ledger_growth, solvency_haircut
from yieldtrade.tokens.pricing import yt_price
from yieldtrade.tokens.sensitivities import one_period_decay
from yieldtrade.tokens.yield_fee import GROWTH_ABOVE_MINUS_ONE, YieldFeeBase, kept_shares

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Attribution",
    "NegativeYieldRule",
    "YieldFeeBase",
    "amortisation",
    "attribute_pnl",
    "compounded",
    "distribute",
    "distribute_many",
    "entry_price",
    "high_water_mark",
    "in_dollars",
    "kept_shares",
    "ledger_growth",
    "solvency_haircut",
]

# Components of a profit add up to its change of value to this share of the balances involved (tokens.md 9).
ATTRIBUTION_TOLERANCE = 1e-12


@overload
def distribute(
    yt: Number,
    st: Number,
    growth: Number,
    *,
    yield_fee: Number,
    yield_fee_base: YieldFeeBase,
    on_error: OnError = ...,
) -> float: ...
@overload
def distribute(
    yt: ArrayLike,
    st: ArrayLike,
    growth: ArrayLike,
    *,
    yield_fee: ArrayLike,
    yield_fee_base: YieldFeeBase,
    on_error: OnError = ...,
) -> NDArray[np.float64]: ...
def distribute(
    yt: Any,
    st: Any,
    growth: Any,
    *,
    yield_fee: Any,
    yield_fee_base: YieldFeeBase,
    on_error: OnError = "raise",
) -> Any:
    """ST balance after one settlement: ST grows by g and each YT is paid g ST, less the fee (tokens.md 8).

    Parameters
    ----------
    yt, st
        Balances before the settlement; YT does not change.
    growth
        Growth g of the ledger, above -1; see :func:`ledger_growth` for the rule on losses.
    yield_fee
        Share phi of the yield that the venue takes.
    yield_fee_base
        ``none`` s + (s+x)*g, ``yt_only`` s + s*g + x*g*(1-phi), or ``net`` s + (s+x)*g*(1-phi).
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        ST balance after it.

    Raises
    ------
    DomainError
        A growth at or below -1, a fee outside [0, 1), an unknown base, a value that is not finite.
    """
    yt_kept, st_kept = kept_shares(yield_fee, yield_fee_base)
    return evaluate(
        lambda _xp, growth, yt, st, yt_kept, st_kept: st + (st * st_kept + yt * yt_kept) * growth,
        (GROWTH_ABOVE_MINUS_ONE,),
        on_error,
        growth=growth,
        yt=yt,
        st=st,
        yt_kept=yt_kept,
        st_kept=st_kept,
    )


def distribute_many(
    yt: ArrayLike, st: ArrayLike, growths: ArrayLike, *, yield_fee: ArrayLike, yield_fee_base: YieldFeeBase
) -> NDArray[np.float64]:
    """ST balance after each of a run of settlements, by the closed forms (tokens.md 8).

    Parameters
    ----------
    yt, st
        Balances before the first settlement, of shape (...).
    growths
        Growth at each settlement along the last axis, of shape (..., n).
    yield_fee, yield_fee_base
        As in :func:`distribute`; the fee broadcasts with the balances.

    Returns
    -------
    numpy.ndarray
        Balances of shape (..., n); the last is the balance at the end.

    Raises
    ------
    DomainError
        As :func:`distribute`, or growths without an axis of settlements.
    """
    steps = as_array("growths", growths)
    if steps.ndim == 0:
        raise DomainError(
            f"growths = {float(steps)!r}: give one growth for each settlement along the last axis"
        )
    x, s = as_array("yt", yt)[..., None], as_array("st", st)[..., None]
    fee = as_array("yield_fee", yield_fee)[..., None]
    if yield_fee_base == "net":
        # The account as a whole grows by (1-phi)*g at each settlement, so the fee compounds with the growth.
        kept, _ = kept_shares(fee, yield_fee_base)
        return distribute(x, s, compounded(steps * kept), yield_fee=0.0 * kept, yield_fee_base="none")
    return distribute(x, s, compounded(steps), yield_fee=fee, yield_fee_base=yield_fee_base)


def compounded(growths: ArrayLike) -> NDArray[np.float64]:
    """Total growth since the start after each of a run of growths, ``prod(1+g) - 1`` along the last axis.

    Raises
    ------
    DomainError
        A growth at or below -1, or not finite.
    """
    import numpy as np

    logs = evaluate(
        lambda xp, growth: xp.log1p(growth),
        (GROWTH_ABOVE_MINUS_ONE,),
        "raise",
        growth=as_array("growths", growths),
    )
    return np.expm1(np.cumsum(logs, axis=-1))


def entry_price(yt: Any, st: Any, *, on_error: OnError = "raise") -> Any:
    """Average price at which the position is flat now, ``-s/x``; it moves at every settlement (tokens.md 8).

    Not the price of a trade, and below 0 once the yield collected exceeds what was paid.

    Parameters
    ----------
    yt, st
        Balances; YT not 0.
    on_error
        ``"raise"`` or ``"nan"``.

    Returns
    -------
    float or numpy.ndarray
        ST per YT.

    Raises
    ------
    DomainError
        No YT, or a value that is not finite.
    """
    return evaluate(
        lambda _xp, yt, st: 0.0 - st / yt,
        (Bound("yt", lambda yt, **_: yt != 0, "has no entry price: a position in YT is required"),),
        on_error,
        yt=yt,
        st=st,
    )


def amortisation(implied_apy: Any, tau: Any, period: Any, *, on_error: OnError = "raise") -> Any:
    """ST that one YT loses over a period by ageing alone, ``PT(r,T)*expm1(dt*log1p(r))`` (tokens.md 9).

    The accounting name of :func:`yieldtrade.tokens.sensitivities.one_period_decay`.
    """
    return one_period_decay(implied_apy, tau, period, on_error=on_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Where the profit of a period came from; numbers, or arrays of one shape.

    The seven components add up to ``total``. Amounts are ST, or dollars after :func:`in_dollars`.

    Attributes
    ----------
    yield_received
        Yield paid to the YT, after the yield fee.
    amortisation
        Loss of the YT's price by ageing at constant implied yield.
    market_move
        Change of the YT's price because the implied yield moved.
    financing
        Growth of the ST balance, negative for a debt.
    execution
        Traded YT times the distance of the mark from the fill.
    fees
        Trading fees paid, negative.
    underlying_move
        Change of the dollar value of what was held at the start; 0 in ST.
    total
        Their sum: the change of ``st + yt*price`` over the period.
    yt_end, st_end
        Balances at the end, in tokens.
    """

    yield_received: Any
    amortisation: Any
    market_move: Any
    financing: Any
    execution: Any
    fees: Any
    underlying_move: Any
    total: Any
    yt_end: Any
    st_end: Any


def attribute_pnl(
    *,
    yt: Any,
    st: Any,
    implied_start: Any,
    implied_end: Any,
    tau: Any,
    period: Any,
    growth: Any,
    yield_fee: Any,
    yield_fee_base: YieldFeeBase,
    traded_yt: Any = 0.0,
    fill_price: Any = 0.0,
    fees: Any = 0.0,
) -> Attribution:
    """Split the profit of one interest period by cause, exactly (tokens.md 9).

    A trade ends a period: the balances are those before it, and the implied yield at the end is the mark
    against which its fill is judged.

    Parameters
    ----------
    yt, st
        Balances at the start.
    implied_start, implied_end
        Implied yields at the start and the end.
    tau
        Years to maturity at the start.
    period
        Length of the period in years, 0 to ``tau``.
    growth
        Growth g settled in the period; 0 where none was.
    yield_fee, yield_fee_base
        As in :func:`distribute`.
    traded_yt, fill_price
        YT bought (negative: sold) at the end, and the ST paid for each; none by default.
    fees
        ST paid in trading fees.

    Returns
    -------
    Attribution

    Raises
    ------
    DomainError
        A value outside the domain of a price or of the ledger.
    ExpiredError
        ``tau`` below 0.
    DataError
        The components do not add up to the change of value.
    """
    x, s = checked("yt", yt), checked("st", st)
    bought, fill, paid = (
        checked("traded_yt", traded_yt),
        checked("fill_price", fill_price),
        checked("fees", fees),
    )
    aged = amortisation(implied_start, tau, period)
    tau_end = checked("tau", tau) - checked("period", period)
    price_start, price_end = yt_price(implied_start, tau), yt_price(implied_end, tau_end)
    yt_kept, st_kept = kept_shares(yield_fee, yield_fee_base)
    g = checked("growth", growth, GROWTH_ABOVE_MINUS_ONE)
    components = (
        x * g * yt_kept,
        0.0 - x * aged,
        x * (price_end - yt_price(implied_start, tau_end)),
        s * g * st_kept,
        bought * (price_end - fill),
        0.0 - paid,
        0.0,
    )
    settled = distribute(x, s, g, yield_fee=yield_fee, yield_fee_base=yield_fee_base)
    yt_end, st_end = x + bought, settled - bought * fill - paid
    change = st_end + yt_end * price_end - (s + x * price_start)
    attribution = _attribution(components, yt_end, st_end)
    _check_total(attribution.total, change, (x, s, yt_end, st_end, *components))
    return attribution


def in_dollars(
    attribution: Attribution, *, equity_start: Any, usd_per_st_start: Any, usd_per_st_end: Any
) -> Attribution:
    """Restate an attribution in dollars, adding what the underlying's own price did (tokens.md 9).

    The ST components are valued at the end; ``equity_start`` (ST, with margin if it is to count) times the
    change of the dollar value of one ST is the ``underlying_move``. The sum is again exact.

    Raises
    ------
    DomainError
        A dollar value that is not positive, or a number that is not finite.
    """
    start = checked("usd_per_st_start", usd_per_st_start, positive("usd_per_st_start"))
    end = checked("usd_per_st_end", usd_per_st_end, positive("usd_per_st_end"))
    in_st = (
        attribution.yield_received,
        attribution.amortisation,
        attribution.market_move,
        attribution.financing,
        attribution.execution,
        attribution.fees,
    )
    moved = attribution.underlying_move * end + checked("equity_start", equity_start) * (end - start)
    return _attribution((*(part * end for part in in_st), moved), attribution.yt_end, attribution.st_end)


def _attribution(components: tuple[Any, ...], yt_end: Any, st_end: Any) -> Attribution:
    total = _exact_sum(components)
    values = (*components, total, yt_end, st_end)
    if not isinstance(total, float):
        import numpy as np

        values = tuple(np.broadcast_arrays(*values))
    return Attribution(**dict(zip(Attribution.__slots__, values, strict=True)))


def _exact_sum(terms: tuple[Any, ...]) -> Any:
    """Sum numbers by :func:`math.fsum`, arrays element by element with the rounding errors carried along."""
    if all(isinstance(term, float) for term in terms):
        return math.fsum(terms)
    import numpy as np

    total, lost = np.float64(0.0), np.float64(0.0)
    for term in terms:
        raised = total + term
        lost = lost + np.where(abs(total) >= abs(term), (total - raised) + term, (term - raised) + total)
        total = raised
    return total + lost


def _check_total(total: Any, change: Any, amounts: tuple[Any, ...]) -> None:
    scale = sum(abs(amount) for amount in amounts)
    excess = abs(total - change) - ATTRIBUTION_TOLERANCE * scale
    largest = excess if isinstance(excess, float) else excess.max(initial=0.0)
    if largest > 0:
        raise DataError(
            f"the components of a profit miss the change of value by {largest!r} ST more than rounding "
            "allows: an amount is too large beside the balances; split the period"
        )
