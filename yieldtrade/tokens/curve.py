"""Implied yields by maturity: discount factors, forward yields, roll-down, arbitrage (tokens.md 14).

A curve holds the PT prices of one ST at one moment, with ``ln D`` linear in time between them, so that forward
yields are flat from node to node. Times are years of 31,536,000 seconds on the wall clock, yields effective
annual fractions, prices ST per token. Queries take numbers or arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from yieldtrade.conventions import utc
from yieldtrade.elementwise import (
    Bound,
    checked,
    evaluate,
    not_negative,
    positive,
    ratio,
)
from yieldtrade.errors import DomainError
from yieldtrade.tokens.curve_nodes import (
    CurveNode,
    LeftOut,
    check_nodes,
    nodes_from_prices,
    nodes_from_yields,
    nodes_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import QuantLib

    from yieldtrade.elementwise import Formula, OnError
    from yieldtrade.market import MarketView

_IN_ORDER = Bound("end", lambda start, end: end > start, "must be later than the start of the forward")
_BEFORE_MATURITY = Bound(
    "horizon", lambda tau, horizon: horizon <= tau, "years is longer than the PT has to maturity"
)


class RollDown(NamedTuple):
    """Return of holding a PT for a while, as fractions over the holding (tokens.md 14).

    Attributes
    ----------
    carry
        At the PT's own yield, ``(1+r)^h - 1``.
    total
        Where the curve stays as it is by time to maturity, ``D(T-h)/D(T) - 1``.
    roll_down
        What ``total`` has beyond ``carry``, ``(1+total)/(1+carry) - 1``.
    forwards_realised
        Where today's forward yields come true, ``1/D(h) - 1``; the same for every PT.
    """

    carry: Any
    total: Any
    roll_down: Any
    forwards_realised: Any


class Violation(NamedTuple):
    """A PT that costs more than an earlier one: mint and sell it, buy the earlier, keep the YT for nothing.

    ``earlier`` is ``"ST"`` where the PT costs more than 1 ST. ``size_st`` is the difference of the prices, ST per PT
    before costs, and ``forward_apy`` the negative forward yield between the maturities. It is a gain without risk
    only where yields cannot be negative.
    """

    earlier: str
    later: str
    size_st: float
    forward_apy: float


class _Stretches(NamedTuple):
    """From node to node: start and end, ``-ln D`` at the start, and the flat forward rate, continuous."""

    starts: tuple[float, ...]
    ends: tuple[float, ...]
    accrued: tuple[float, ...]
    forwards: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedYieldCurve:
    """Discount factors and yields to any time up to the last maturity, at one moment (tokens.md 14).

    Made by :meth:`from_yields`, :meth:`from_prices` or :func:`curve_of`. Before the first node the yield is flat, so
    that one node is a flat curve; beyond the last node queries are refused unless ``extrapolate`` continues the
    last forward yield. QuantLib's curve of discount factors stands behind it with a reference date of its own:
    QuantLib's global evaluation date is neither read nor set.

    Parameters
    ----------
    as_of
        Moment of valuation, aware.
    nodes
        In order of maturity, at most one a UTC date, none on the date of ``as_of``.
    left_out
        Contracts that could have been nodes and are not.
    """

    as_of: datetime
    nodes: tuple[CurveNode, ...]
    left_out: tuple[LeftOut, ...] = ()
    _stretches: _Stretches = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_nodes(self.as_of, self.nodes)
        object.__setattr__(self, "_stretches", _read_stretches(self))

    @classmethod
    def from_yields(
        cls,
        as_of: datetime,
        maturities: Sequence[datetime],
        implied_apy: Sequence[float],
        *,
        names: Sequence[str] | None = None,
    ) -> Self:
        """Build a curve from implied yields, one a maturity; ``names`` default to the maturities.

        Yields of an epoch clock are carried as they are: its prices hold the running period's yield, the curve's
        do not (tokens.md 2).

        Raises
        ------
        DomainError
            A yield at or below -1, lists of different lengths, maturities out of order or two on one date.
        ExpiredError
            A maturity before ``as_of``.
        """
        return cls(as_of=as_of, nodes=nodes_from_yields(as_of, maturities, implied_apy, names))

    @classmethod
    def from_prices(
        cls,
        as_of: datetime,
        maturities: Sequence[datetime],
        pt_prices: Sequence[float],
        *,
        names: Sequence[str] | None = None,
    ) -> Self:
        """Build a curve from PT prices on the wall clock, ST, one a maturity.

        Raises
        ------
        DomainError
            A price at or below 0, lists of different lengths, maturities out of order or two on one date.
        ExpiredError
            A maturity before ``as_of``.
        """
        return cls(as_of=as_of, nodes=nodes_from_prices(as_of, maturities, pt_prices, names))

    def discount(self, tau: Any, *, extrapolate: bool = False, on_error: OnError = "raise") -> Any:
        """Price of a PT that matures in ``tau`` years, ST; at a node exactly the node's.

        Raises
        ------
        DomainError
            ``tau`` below 0, not finite, or beyond the last node without ``extrapolate``.
        """
        import numpy as np

        return _query(
            lambda _xp, tau: self._unless_node(tau, "pt_price", np.exp(-self._accrued(tau))),
            self._within_reach("tau", extrapolate=extrapolate),
            on_error,
            tau=tau,
        )

    def zero_yield(self, tau: Any, *, extrapolate: bool = False, on_error: OnError = "raise") -> Any:
        """Implied yield to ``tau`` years, ``D^(-1/tau) - 1``; at a node exactly the node's, flat before the first.

        Raises
        ------
        DomainError
            ``tau`` below 0, not finite, or beyond the last node without ``extrapolate``.
        """
        import numpy as np

        return _query(
            lambda _xp, tau: self._unless_node(tau, "implied_apy", np.expm1(self._rate(tau))),
            self._within_reach("tau", extrapolate=extrapolate),
            on_error,
            tau=tau,
        )

    def forward_yield(
        self, start: Any, end: Any, *, extrapolate: bool = False, on_error: OnError = "raise"
    ) -> Any:
        """Implied yield between two times, ``(D1/D2)^(1/(T2-T1)) - 1``.

        Parameters
        ----------
        start, end
            Years from now, ``0 <= start < end``.
        extrapolate
            Continue the last forward yield beyond the last node.
        on_error
            ``"raise"`` or ``"nan"``, see :func:`yieldtrade.elementwise.evaluate`.

        Raises
        ------
        DomainError
            The times are not in this order, not finite, or beyond the last node without ``extrapolate``.
        """
        import numpy as np

        return _query(
            lambda _xp, start, end: np.expm1(self._accrual(start, end, end - start) / (end - start)),
            (not_negative("start"), _IN_ORDER, *self._within_reach("end", extrapolate=extrapolate)),
            on_error,
            start=start,
            end=end,
        )

    def forward_yt_price(
        self, start: Any, end: Any, *, extrapolate: bool = False, on_error: OnError = "raise"
    ) -> Any:
        """Price today of the yield paid between two times, the strip ``D1 - D2`` ST.

        Arguments and errors are those of :meth:`forward_yield`.
        """
        import numpy as np

        return _query(
            lambda _xp, start, end: (
                np.exp(-self._accrued(start)) * (0.0 - np.expm1(-self._accrual(start, end, end - start)))
            ),
            (not_negative("start"), _IN_ORDER, *self._within_reach("end", extrapolate=extrapolate)),
            on_error,
            start=start,
            end=end,
        )

    def roll_down(self, tau: Any, horizon: Any, *, extrapolate: bool = False) -> RollDown:
        """Return of a PT with ``tau`` years left over the next ``horizon`` years, read four ways.

        Raises
        ------
        DomainError
            A horizon of 0 or less or beyond the PT's maturity, or ``tau`` beyond the last node without
            ``extrapolate``.
        """
        bounds = (
            *self._within_reach("tau", extrapolate=extrapolate),
            positive("horizon"),
            _BEFORE_MATURITY,
        )

        def grown(rate: Formula) -> Any:
            import numpy as np

            return _query(
                lambda _xp, tau, horizon: np.expm1(rate(tau, horizon)),
                bounds,
                "raise",
                tau=tau,
                horizon=horizon,
            )

        def own(tau: Any, horizon: Any) -> Any:
            return horizon * self._rate(tau)

        def unchanged(tau: Any, horizon: Any) -> Any:
            return self._accrual(tau - horizon, tau, horizon)

        return RollDown(
            carry=grown(own),
            total=grown(unchanged),
            roll_down=grown(lambda tau, horizon: unchanged(tau, horizon) - own(tau, horizon)),
            forwards_realised=grown(lambda tau, horizon: self._accrued(horizon) + 0.0 * tau),
        )

    def check_no_arbitrage(self, *, tol: float) -> list[Violation]:
        """Return every pair in which the later PT costs more than the earlier by more than ``tol``, largest first.

        Parameters
        ----------
        tol
            Cost of the round trip, ST per PT, 0 or more.

        Raises
        ------
        DomainError
            ``tol`` below 0 or not finite.
        """
        import numpy as np

        cost = checked("tol", tol, not_negative("tol"))
        names = ("ST", *(node.name for node in self.nodes))
        times = (0.0, *self._stretches.ends)
        prices = np.array([1.0, *(node.pt_price for node in self.nodes)])
        rises = np.triu(prices[None, :] - prices[:, None])
        found = [
            Violation(names[i], names[j], float(rises[i, j]), self.forward_yield(times[i], times[j]))
            for i, j in np.argwhere(rises > cost)
        ]
        return sorted(found, key=lambda violation: -violation.size_st)

    def to_quantlib(self) -> QuantLib.DiscountCurve:
        """Return QuantLib's curve through the nodes, for its own instruments; ask it at :meth:`quantlib_time`.

        Raises
        ------
        DomainError
            A date or price that QuantLib cannot hold.
        """
        import QuantLib

        days = [utc(self.as_of), *(utc(node.maturity) for node in self.nodes)]
        try:
            return QuantLib.DiscountCurve(
                [QuantLib.Date(day.day, day.month, day.year) for day in days],
                [1.0, *(node.pt_price for node in self.nodes)],
                QuantLib.Actual365Fixed(),
            )
        except RuntimeError as error:
            raise DomainError(f"QuantLib cannot hold the nodes of this curve: {error}") from None

    def quantlib_time(self, tau: Any) -> Any:
        """Time at which :meth:`to_quantlib` is to be asked for ``tau`` exact years (tokens.md 14).

        QuantLib's dates are whole days. Each stretch between nodes is mapped linearly onto its stretch there; since
        ln D is linear on both, the answer is that of the exact time.

        Raises
        ------
        DomainError
            ``tau`` below 0 or not finite.
        """
        import numpy as np

        theirs = np.array(self.to_quantlib().times())
        ours = np.array([0.0, *self._stretches.ends])
        slopes = np.diff(theirs) / np.diff(ours)

        def warped(_xp: Any, tau: Any) -> Any:
            k = self._ending(tau)
            return theirs[k] + (tau - ours[k]) * slopes[k]

        return _query(warped, (not_negative("tau"),), "raise", tau=tau)

    def _within_reach(self, name: str, *, extrapolate: bool) -> tuple[Bound, ...]:
        last = self.nodes[-1]
        within = Bound(
            name,
            lambda **given: given[name] <= last.tau,
            f"years lies beyond the last node ({last.name} at {last.tau!r}); allow it with extrapolate=True",
        )
        return (not_negative(name),) if extrapolate else (not_negative(name), within)

    def _ending(self, tau: Any) -> Any:
        """Index of the stretch that holds ``tau``; a node belongs to the one it ends."""
        import numpy as np

        ends = self._stretches.ends
        return np.minimum(np.searchsorted(ends, tau, side="left"), len(ends) - 1)

    def _starting(self, tau: Any) -> Any:
        """Index of the stretch that holds ``tau``; a node belongs to the one it starts."""
        import numpy as np

        ends = self._stretches.ends
        return np.minimum(np.searchsorted(ends, tau, side="right"), len(ends) - 1)

    def _accrued(self, tau: Any) -> Any:
        """Yield accrued along the forwards from now to ``tau``, continuous: ``-ln D(tau)``."""
        import numpy as np

        starts, _, accrued, forwards = map(np.array, self._stretches)
        k = self._ending(tau)
        return accrued[k] + forwards[k] * (tau - starts[k])

    def _rate(self, tau: Any) -> Any:
        """Continuous yield to ``tau``, flat in the first stretch."""
        import numpy as np

        flat = self._stretches.forwards[0]
        return np.where(self._ending(tau) == 0, flat, ratio(np, self._accrued(tau), tau, at_zero=flat))

    def _accrual(self, start: Any, end: Any, length: Any) -> Any:
        """Yield accrued over ``length`` years between two times, without cancellation inside one stretch."""
        import numpy as np

        k = self._ending(end)
        within = np.array(self._stretches.forwards)[k] * length
        return np.where(k == self._starting(start), within, self._accrued(end) - self._accrued(start))

    def _unless_node(self, tau: Any, figure: str, between: Any) -> Any:
        """Choose at the nodes their own figures, which come back to the last digit, and ``between`` elsewhere."""
        import numpy as np

        own = np.array([getattr(node, figure) for node in self.nodes])
        k = self._ending(tau)
        return np.where(np.array(self._stretches.ends)[k] == tau, own[k], between)


def curve_of(
    view: MarketView, underlying: str, venue_id: str | None = None, *, max_age_days: float = 1.0
) -> ImpliedYieldCurve:
    """Build the curve of one underlying at one venue from the quotes known at the view's moment.

    A quote is carried to that moment by its yield, on the wall clock whatever the contract's own. Live contracts
    without a quote, with an undated or a stale one, that mature on the day itself, or that share a maturity date
    with a deeper one are left out and listed in ``left_out``.

    Parameters
    ----------
    view
        What is known, and when; yields given by the user stand in for quotes.
    underlying
        Such as ``"xSOL"``, in any case.
    venue_id
        Needed where several venues quote the underlying.
    max_age_days
        Quotes older than this at the view's moment are stale.

    Raises
    ------
    UnknownNameError
        There is no such underlying or venue.
    MissingDataError
        No contract can be a node.
    DomainError
        Several venues quote the underlying and none is named, or ``max_age_days`` is not above 0.
    MarketDefinitionError
        The contracts do not pay one and the same yield.
    DataError
        Two contracts mature on one date and which is deeper is not known.
    """
    max_age = checked("max_age_days", max_age_days, positive("max_age_days"))
    nodes, left_out = nodes_of(view, underlying, venue_id, max_age)
    return ImpliedYieldCurve(as_of=view.as_of, nodes=nodes, left_out=left_out)


def _query(formula: Formula, bounds: tuple[Bound, ...], on_error: OnError, **arguments: Any) -> Any:
    """Evaluate a formula that goes through numpy for numbers too: an overflow is refused, not warned of."""
    import numpy as np

    with np.errstate(all="ignore"):
        return evaluate(formula, bounds, on_error, **arguments)


def _read_stretches(curve: ImpliedYieldCurve) -> _Stretches:
    """Read the flat forwards off QuantLib's curve, once, so that arrays of times need no call each."""
    import QuantLib

    behind = curve.to_quantlib()
    # The warp of quantlib_time: t1 - t0 years of QuantLib's whole days are T1 - T0 exact years.
    accruals = [
        behind.forwardRate(t0, t1, QuantLib.Continuous, QuantLib.NoFrequency).rate() * (t1 - t0)
        for t0, t1 in pairwise(behind.times())
    ]
    times = (0.0, *(node.tau for node in curve.nodes))
    forwards = (accrual / (T1 - T0) for accrual, (T0, T1) in zip(accruals, pairwise(times), strict=True))
    return _Stretches(
        starts=times[:-1],
        ends=times[1:],
        accrued=tuple(accumulate(accruals[:-1], initial=0.0)),
        forwards=tuple(forwards),
    )
