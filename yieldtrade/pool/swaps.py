"""How a pool swaps, and the trade that takes its stale quote away (pdlp.md 3).

A forward exchange function G says how many units x USD buy: concave, nondecreasing, G(0) = 0. At a market price p
the best trade is where G' = 1/p, or at a corner. Below the quoted price the trade goes the other way: units in, USD
out; a pool's reverse exchange is the same kind of function. Functions take numbers or arrays of prices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from yieldtrade.elementwise import (
    as_fields,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    share,
    where,
)
from yieldtrade.errors import CapacityError, DomainError, MarketDefinitionError
from yieldtrade.pool.state import settle_fields

# Doublings of 1 USD after which an exchange is taken to have no end.
_DOUBLINGS = 1000


class ForwardExchange(Protocol):
    """A pool's swap function: what goes in buys ``out``; of numbers, and of arrays if prices are arrays.

    An exchange that knows its best trade offers it as ``arbitrage(p)``, the result of :func:`arbitrage_trade`; one
    that thereby covers both directions sets ``both_ways``.
    """

    @property
    def max_in(self) -> Any:
        """The most that can go in; infinite where there is no end."""

    def out(self, x: Any) -> Any:
        """Return what x buys, G(x)."""

    def marginal(self, x: Any) -> Any:
        """Return G'(x), of the next unit that goes in."""


class ArbitrageTrade(NamedTuple):
    """The most profitable trade against a pool.

    Attributes
    ----------
    x, out
        What goes in and comes out: USD and units for a ``buy``, units and USD for a ``sell``.
    profit
        USD at the market price; the pool's loss.
    status
        ``interior``: the quote ends at the market price; ``at_capacity``: all that the pool can trade; ``none``: no
        trade gains.
    direction
        ``buy`` or ``sell``: what the arbitrageur does with the asset; ``none``.
    """

    x: Any
    out: Any
    profit: Any
    status: Any
    direction: Any


@dataclass(frozen=True, slots=True, eq=False)
class ConstantProductSwap:
    """Constant product of R1 USD and R2 units, ``G(x) = R2*x/(R1 + x)``, quoting R1/R2 (pdlp.md 3)."""

    R1: Any
    R2: Any
    both_ways: ClassVar[bool] = True

    def __post_init__(self) -> None:
        settle_fields(self, ("R1", "R2"), positive)

    @property
    def max_in(self) -> float:
        """No end."""
        return math.inf

    def out(self, x: Any) -> Any:
        """Units that x USD buy."""
        return evaluate(
            lambda _xp, x, R1, R2: R2 * (x / (R1 + x)),
            (not_negative("x"),),
            "raise",
            x=x,
            R1=self.R1,
            R2=self.R2,
        )

    def marginal(self, x: Any) -> Any:
        """Units that the next USD buys, ``R1*R2/(R1 + x)^2``."""
        return evaluate(
            lambda _xp, x, R1, R2: R1 / (R1 + x) * (R2 / (R1 + x)),
            (not_negative("x"),),
            "raise",
            x=x,
            R1=self.R1,
            R2=self.R2,
        )

    def arbitrage(self, p: Any) -> ArbitrageTrade:
        """Best trade either way, ``x = sqrt(p*R1*R2) - R1`` or ``y = sqrt(R1*R2/p) - R2``.

        The profit is ``R1 + p*R2 - 2*sqrt(p*R1*R2)``.
        """
        p = checked("p", p, positive("p"))
        R1, R2 = self.R1, self.R2
        # sqrt(p*R2) - sqrt(R1), without the cancellation of close roots
        gap = evaluate(
            lambda xp, p, R1, R2: xp.fabs(p * R2 - R1) / (xp.sqrt(p * R2) + xp.sqrt(R1)),
            (),
            "raise",
            p=p,
            R1=R1,
            R2=R2,
        )
        xp = namespace(gap)
        buys, sells = p > R1 / R2, p < R1 / R2
        x = gap * where(xp, buys, xp.sqrt(R1), where(xp, sells, xp.sqrt(R2 / p), 0.0))
        out = where(xp, buys, R2 * (x / (R1 + x)), R1 * (x / (R2 + x)))
        profit = where(xp, x > 0, gap * gap, 0.0)
        status = where(xp, x > 0, "interior", "none")
        direction = where(xp, x > 0, where(xp, buys, "buy", "sell"), "none")
        return ArbitrageTrade(x, out, profit, status, direction)


@dataclass(frozen=True, slots=True, eq=False)
class OracleSwap:
    """Swap at an oracle's price less a fee, up to the units available, as GMX and JLP do (pdlp.md 3).

    Its reverse, where the pool also buys, is ``OracleSwap(1/price, fee, usd_available)``.
    """

    price: Any
    fee: Any
    available: Any

    def __post_init__(self) -> None:
        settle_fields(self, ("price",), positive)
        settle_fields(self, ("fee",), share)
        settle_fields(self, ("available",), not_negative)

    @property
    def max_in(self) -> Any:
        """USD that buy all units available."""
        return evaluate(
            lambda _xp, available, price, fee: available * price / (1.0 - fee),
            (),
            "raise",
            available=self.available,
            price=self.price,
            fee=self.fee,
        )

    def out(self, x: Any) -> Any:
        """Units that x USD buy, ``(1 - fee)*x/price``.

        Raises
        ------
        CapacityError
            More than buys all that is available.
        """
        self._check_capacity(x)
        return evaluate(
            lambda xp, x, price, fee, available: _least(xp, (1.0 - fee) * x / price, available),
            (not_negative("x"),),
            "raise",
            x=x,
            price=self.price,
            fee=self.fee,
            available=self.available,
        )

    def marginal(self, x: Any) -> Any:
        """Units that the next USD buys; 0 once all are bought."""
        return evaluate(
            lambda xp, x, price, fee, most: where(xp, x < most, (1.0 - fee) / price, 0.0),
            (not_negative("x"),),
            "raise",
            x=x,
            price=self.price,
            fee=self.fee,
            most=self.max_in,
        )

    def arbitrage(self, p: Any) -> ArbitrageTrade:
        """All or nothing: everything where ``p*(1 - fee) > price``, for ``x*(p*(1 - fee)/price - 1)``."""
        cap = self.max_in
        profit = evaluate(
            lambda xp, p, price, fee, cap: where(
                xp, p * (1.0 - fee) > price, cap * (p * (1.0 - fee) - price) / price, 0.0
            ),
            (positive("p"),),
            "raise",
            p=p,
            price=self.price,
            fee=self.fee,
            cap=cap,
        )
        xp = namespace(profit)
        gains = profit > 0
        return ArbitrageTrade(
            where(xp, gains, cap, 0.0),
            where(xp, gains, self.available, 0.0),
            profit,
            where(xp, gains, "at_capacity", "none"),
            where(xp, gains, "buy", "none"),
        )

    def _check_capacity(self, x: Any) -> None:
        excess = evaluate(lambda _xp, x, most: x - most, (), "raise", x=x, most=self.max_in)
        xp = namespace(excess)
        if xp is math:
            requested, maximum, beyond = float(x), float(self.max_in), excess > 0
        else:
            worst = excess.argmax()
            requested = float(xp.broadcast_to(x, excess.shape).flat[worst])
            maximum = float(xp.broadcast_to(self.max_in, excess.shape).flat[worst])
            beyond = bool(excess.size and excess.max() > 0)
        if beyond:
            raise CapacityError(
                f"x = {requested!r} USD buy more than is available: the most is {maximum!r}",
                requested=requested,
                maximum=maximum,
                binding="available",
            )


def _least(xp: Any, a: Any, b: Any) -> Any:
    return where(xp, a < b, a, b)


def arbitrage_trade(G: ForwardExchange, p: Any, *, reverse: ForwardExchange | None = None) -> ArbitrageTrade:
    """Find the trade that takes most from a pool at a market price, where ``G'(x) = 1/p`` (pdlp.md 3).

    In closed form where the exchange offers it, else by bisection on the marginal to the last double.

    Parameters
    ----------
    G
        How the pool sells the asset, USD in. Its marginal must not rise, or the trade found is only a local optimum.
    p
        Market price, above 0.
    reverse
        How the pool buys the asset, units in; without it only what G offers is searched.

    Returns
    -------
    ArbitrageTrade
        The better of both directions; with arrays, arrays.

    Raises
    ------
    DomainError
        A price that is not above 0, or an exchange that answers with no number.
    MarketDefinitionError
        An exchange without end whose quote no size moves to p: the trade would be infinite.
    """
    p = checked("p", p, positive("p"))
    buy = _best(G, p)
    if reverse is None:
        return buy
    sell = _best(reverse, 1.0 / p)
    # in units of the asset, which are worth p each
    gained = p * sell.profit
    xp = namespace(buy.profit, gained)
    better = gained > buy.profit
    return ArbitrageTrade(
        x=where(xp, better, sell.x, buy.x),
        out=where(xp, better, sell.out, buy.out),
        profit=where(xp, better, gained, buy.profit),
        status=where(xp, better, sell.status, buy.status),
        direction=where(xp, better, "sell", buy.direction),
    )


def rebalancing_loss(G: ForwardExchange, p: Any, *, reverse: ForwardExchange | None = None) -> Any:
    """Loss of the pool to that trade, ``p*G(x) - x`` USD, 0 or more: its loss versus rebalancing (pdlp.md 3).

    Parameters and errors are those of :func:`arbitrage_trade`.
    """
    return arbitrage_trade(G, p, reverse=reverse).profit


def _best(G: ForwardExchange, p: Any) -> ArbitrageTrade:
    offered = getattr(G, "arbitrage", None)
    if offered is not None:
        trade: ArbitrageTrade = offered(p)
        return trade
    x = _optimal_in(G, p)
    out = checked("G.out(x)", G.out(x))
    xp = namespace(x, out)
    trades = x > 0
    return ArbitrageTrade(
        **as_fields(
            xp,
            x=x,
            out=out,
            profit=p * out - x,
            status=where(xp, trades, where(xp, x >= G.max_in, "at_capacity", "interior"), "none"),
            direction=where(xp, trades, "buy", "none"),
        )
    )


def _optimal_in(G: ForwardExchange, p: Any) -> Any:
    """Return the x beyond which the next unit no longer gains, by bisection on the marginal."""
    start = _gains(G, 0.0, p)
    xp = namespace(1.0 * start, G.max_in)
    low = 0.0 * start
    most = low + G.max_in
    high = where(xp, start, _end_of_gains(G, p, most, xp), 0.0)
    while True:
        middle = low + (high - low) / 2
        if _all((middle <= low) | (middle >= high)):
            # no double lies between; an end that never moved is the capacity
            return where(xp, high >= most, most, low)
        gains = _gains(G, middle, p)
        low, high = where(xp, gains, middle, low), where(xp, gains, high, middle)


def _end_of_gains(G: ForwardExchange, p: Any, most: Any, xp: Any) -> Any:
    """Return a size whose next unit does not gain, or the capacity."""
    high = _least(xp, 0.0 * p + 1.0, most)
    for _ in range(_DOUBLINGS):
        short = _gains(G, high, p) & (high < most)
        if not _any(short):
            return high
        high = where(xp, short, _least(xp, 2.0 * high, most), high)
    raise MarketDefinitionError(
        f"the exchange still sells below the market price at {high!r} USD: state the most it takes, max_in"
    )


def _gains(G: ForwardExchange, x: Any, p: Any) -> Any:
    """Whether the unit after x is bought below p."""
    marginal = G.marginal(x)
    if _any(namespace(marginal).isnan(marginal)):
        raise DomainError(f"the exchange's marginal at x = {x!r} is not a number")
    return marginal * p > 1.0


def _all(condition: Any) -> bool:
    return bool(condition.all()) if hasattr(condition, "all") else bool(condition)


def _any(condition: Any) -> bool:
    return bool(condition.any()) if hasattr(condition, "any") else bool(condition)
