"""Break-evens of buying or shorting YT, each against a named benchmark, and returns (tokens.md 12).

Prices are ST per YT, rates effective annual fractions; ``growth`` is the growth g of the underlying over the
holding (a fraction, not annualised) and ``holding`` its length dt in years. Every function takes numbers or
arrays; with numbers the fields of its result are numbers, a word or None, with arrays they are arrays of one
shape that hold NaN where a number would be None.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import growth_from_apy
from yieldtrade.elementwise import (
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    positive,
    ratio,
    share,
    where,
)
from yieldtrade.tokens.pricing import BEFORE_MATURITY, NOT_EXPIRED, YT_BELOW_ONE, implied_yield_from_yt
from yieldtrade.tokens.yield_fee import GROWTH_ABOVE_MINUS_ONE, YieldFeeBase, kept_shares

Benchmark: TypeAlias = Literal["underlying", "cash", "levered_long", "levered_short"]


class Breakeven(NamedTuple):
    """The underlying yield at which a trade in YT gains nothing over its benchmark.

    Attributes
    ----------
    benchmark
        ``underlying``: bought with ST that would have earned the yield; ``cash``: the ST value kept flat;
        ``levered_long``, ``levered_short``: a position on borrowed ST or YT, whatever its leverage.
    status
        ``value``: it exists; ``never``: the trade gains at no yield above -100 %; ``always``: at every one.
    growth
        Growth g of the underlying over the holding; None unless ``value``.
    apy
        The same as an effective annual rate; None unless ``value``, and where too large to represent.
    profits_above
        Whether the trade gains at yields above the break-even (a long) or below it (a short).
    """

    benchmark: Benchmark
    status: Any
    growth: Any
    apy: Any
    profits_above: Any


class BreakevenExit(NamedTuple):
    """The implied yield at exit at which a trade in YT gains nothing over its benchmark.

    Attributes
    ----------
    benchmark
        As in :class:`Breakeven`.
    status
        ``value``: it exists; else the YT would have to be worth 1 ST or more, and the trade gains ``never``
        (a long) or ``always`` (a short).
    price
        ST per YT at exit, below 0 where even a negative implied yield would do; None unless ``value``.
    apy
        Its implied yield; None unless ``value``, and where too large to represent.
    profits_above
        Whether the trade gains at exit yields above it (a long) or below it (a short).
    """

    benchmark: Benchmark
    status: Any
    price: Any
    apy: Any
    profits_above: Any


class HoldingReturn(NamedTuple):
    """What a holding returned.

    Attributes
    ----------
    roi
        ``payoff/cost - 1``, the figure to compare.
    annualised
        ``(1+roi)^(1/dt) - 1``; None where all or more is lost, and where too large to represent.
    """

    roi: Any
    annualised: Any


class _Trade(NamedTuple):
    """A trade per YT after the trading fee: it gains ``sign*(closing*p1 - opening + carry*g)``.

    ``sign`` is 1 for a long and -1 for a short, ``opening`` the ST paid (a short: received), ``closing`` what
    one ST of exit price brings (a short: costs), ``carry`` the ST that a unit of growth brings.
    """

    sign: int
    opening: Any
    closing: Any
    carry: Any


def _trade(
    benchmark: Benchmark,
    entry_price: Any,
    yield_fee: Any,
    yield_fee_base: YieldFeeBase,
    trading_fee: Any,
    exit_fee: Any,
) -> _Trade:
    check_choice("benchmark", benchmark, ("underlying", "cash", "levered_long", "levered_short"))
    p0 = checked("entry_price", entry_price, share("entry_price"))
    fee = checked("trading_fee", trading_fee, share("trading_fee"))
    closing_fee = fee if exit_fee is None else checked("exit_fee", exit_fee, share("exit_fee"))
    yt_kept, st_kept = kept_shares(yield_fee, yield_fee_base)
    if benchmark == "levered_short":
        opening = p0 * (1.0 - fee)
        return _Trade(-1, opening, 1.0 + closing_fee, yt_kept - opening * st_kept)
    # Borrowed ST pays the fee out of what it buys; a buyer's own ST pays it on top.
    opening = p0 / (1.0 - fee) if benchmark == "levered_long" else p0 * (1.0 + fee)
    carry = yt_kept if benchmark == "cash" else yt_kept - opening * st_kept
    return _Trade(1, opening, 1.0 - closing_fee, carry)


def breakeven_yield(
    *,
    benchmark: Benchmark,
    entry_price: Any,
    exit_price: Any,
    holding: Any,
    yield_fee: Any,
    yield_fee_base: YieldFeeBase,
    trading_fee: Any,
    exit_fee: Any = None,
) -> Breakeven:
    """Solve for the underlying yield at which a trade gains nothing over its benchmark (tokens.md 12).

    Bought with ST and held to maturity without fees, the answer against ``underlying`` is the implied yield.

    Parameters
    ----------
    benchmark
        ``underlying``, ``cash``, ``levered_long`` or ``levered_short``, see :class:`Breakeven`.
    entry_price, exit_price
        Prices before the trading fee, 0 or more and below 1; the exit is 0 at maturity.
    holding
        Years from entry to exit, above 0.
    yield_fee, yield_fee_base
        Share phi of distributed yield that the venue takes and what it is taken from, see
        :func:`yieldtrade.tokens.ledger.distribute`.
    trading_fee
        Fee f as a share of the ST notional, at opening and at closing.
    exit_fee
        The fee at closing where it is another one, as where either holds the price impact of a size.

    Returns
    -------
    Breakeven

    Raises
    ------
    DomainError
        A value outside its domain, an unknown benchmark or fee base.
    """
    trade = _trade(benchmark, entry_price, yield_fee, yield_fee_base, trading_fee, exit_fee)
    years = checked("holding", holding, positive("holding"))
    missing = trade.opening - trade.closing * checked("exit_price", exit_price, share("exit_price"))
    xp = namespace(missing, trade.carry, years)
    growth = ratio(xp, missing, trade.carry, at_zero=-math.inf)
    exists = growth > -1
    # Without a break-even the gain has one sign at every growth, so the gain at no growth tells it.
    status = where(xp, exists, "value", where(xp, trade.sign * missing < 0, "always", "never"))
    growth = where(xp, exists, growth, math.nan)
    return Breakeven(
        benchmark=benchmark,
        **as_fields(
            xp,
            status=status,
            growth=growth,
            apy=_annualised(growth, years),
            profits_above=trade.sign * trade.carry > 0,
        ),
    )


def breakeven_exit_yield(
    *,
    benchmark: Benchmark,
    entry_price: Any,
    growth: Any,
    tau_at_exit: Any,
    yield_fee: Any,
    yield_fee_base: YieldFeeBase,
    trading_fee: Any,
    exit_fee: Any = None,
) -> BreakevenExit:
    """Solve for the implied yield at exit at which a trade gains nothing over its benchmark (tokens.md 12).

    With the entry price of a leveraged position as it stands now and a growth and fee of 0, it is the yield
    at which that position is flat before fees (tokens.md 8).

    Parameters
    ----------
    benchmark, entry_price, yield_fee, yield_fee_base, trading_fee, exit_fee
        As in :func:`breakeven_yield`.
    growth
        Growth g of the underlying over the holding, above -1.
    tau_at_exit
        Years to maturity at the exit, above 0.

    Returns
    -------
    BreakevenExit

    Raises
    ------
    DomainError
        A value outside its domain, an unknown benchmark or fee base, an exit at maturity.
    ExpiredError
        ``tau_at_exit`` below 0.
    """
    trade = _trade(benchmark, entry_price, yield_fee, yield_fee_base, trading_fee, exit_fee)
    years = checked("tau", tau_at_exit, NOT_EXPIRED, BEFORE_MATURITY)
    price = (trade.opening - trade.carry * checked("growth", growth, GROWTH_ABOVE_MINUS_ONE)) / trade.closing
    xp = namespace(price, years)
    exists = price < 1
    price = where(xp, exists, price, math.nan)
    return BreakevenExit(
        benchmark=benchmark,
        **as_fields(
            xp,
            status=where(xp, exists, "value", "never" if trade.sign > 0 else "always"),
            price=price,
            apy=implied_yield_from_yt(price, years, on_error="nan"),
            profits_above=trade.sign > 0,
        ),
    )


def holding_return(*, payoff: Any, cost: Any, holding: Any) -> HoldingReturn:
    """Return of paying ``cost`` and receiving ``payoff`` after ``holding`` years (tokens.md 12).

    The return itself comes first: near maturity a modest loss annualises to almost everything and a modest
    gain to millions.

    Parameters
    ----------
    payoff
        What came back, in the unit of ``cost``; negative where more than the cost is lost.
    cost
        What was paid, above 0.
    holding
        Years, above 0.

    Returns
    -------
    HoldingReturn

    Raises
    ------
    DomainError
        A cost or holding that is not positive, or a value that is not finite.
    """
    years = checked("holding", holding, positive("holding"))
    roi = evaluate(
        lambda _xp, payoff, cost: (payoff - cost) / cost,
        (positive("cost"),),
        "raise",
        payoff=payoff,
        cost=cost,
    )
    xp = namespace(roi, years)
    return HoldingReturn(**as_fields(xp, roi=roi, annualised=_annualised(roi, years)))


def long_yield_apy(
    *, yt: Any, underlying_apy: Any, tau: Any, yield_fee: Any, reward_apr: Any
) -> HoldingReturn:
    """Return of holding a YT to maturity while the underlying yields ``underlying_apy`` (tokens.md 12).

    ``annualised`` is what Pendle shows as long yield APY,
    ``(((1+u)^T - 1 + reward_apr*T)*(1-phi)/p0)^(1/T) - 1``.

    Parameters
    ----------
    yt
        ST per YT paid, above 0 and below 1.
    underlying_apy
        Yield u of the underlying to maturity, above -1.
    tau
        Years to maturity, above 0.
    yield_fee
        Share phi of interest and rewards that the venue takes.
    reward_apr
        Rewards, simple annual rate on the ST; 0 where there are none.

    Returns
    -------
    HoldingReturn

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    cost = checked("yt", yt, positive("yt"), YT_BELOW_ONE)
    years = checked("tau", tau, NOT_EXPIRED, BEFORE_MATURITY)
    rewards = checked("reward_apr", reward_apr) * years
    kept, _ = kept_shares(yield_fee, "yt_only")
    payoff = (growth_from_apy(underlying_apy, years) + rewards) * kept
    return holding_return(payoff=payoff, cost=cost, holding=years)


def _annualised(growth: Any, years: Any) -> Any:
    """Return ``(1+g)^(1/dt) - 1``, NaN where everything is lost or the figure is too large to represent."""
    return evaluate(
        lambda xp, growth, years: xp.expm1(xp.log1p(growth) / years),
        (GROWTH_ABOVE_MINUS_ONE,),
        "nan",
        growth=growth,
        years=years,
    )
