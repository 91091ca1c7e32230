"""What every venue shares: refusals, fills, inverses and depth over its own curve (amm.md 1-2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from yieldtrade.amm.admission import Asked, admit, check_on_error, size_problem, target_problem
from yieldtrade.amm.base import MOVES_BP, Capacity, DepthRow, Fill, Side, is_pt, side_towards
from yieldtrade.amm.fills import Leg, fill_of, merge_fills, relative_cost, row_of, row_out_of_reach
from yieldtrade.amm.solve import all_of, find_root, pick, ratio, smaller
from yieldtrade.conventions import iso, utc
from yieldtrade.elementwise import checked, positive, share
from yieldtrade.errors import CapacityError, ConvergenceError, DomainError, ExpiredError
from yieldtrade.tokens.pricing import pt_price, yt_price

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from yieldtrade.amm.base import Amm, Amount, Path, Route, Token, Unit
    from yieldtrade.elementwise import OnError

BASIS_POINT = 1e-4
# a trade at a quarter of the spot price or better is found in a bracket of this many times its value
NEAR_SPOT = 4.0


class CurveAmm(ABC):
    """A venue that prices every trade on a curve.

    A venue states its curve in the methods with a leading underscore; what is asked of it is answered here.
    """

    __slots__ = ()

    as_of: datetime
    maturity: datetime

    @property
    @abstractmethod
    def tau(self) -> float:
        """Years to maturity on the venue's clock."""

    @property
    @abstractmethod
    def implied_yield(self) -> Amount:
        """Implied yield, effective annual, fraction."""

    @abstractmethod
    def at(self, now: datetime) -> Amm:
        """Return the venue with the same reserves at another moment."""

    @abstractmethod
    def _limit(self, side: Side) -> tuple[Amount, Any]:
        """Return the largest size in tokens and what limits it, for many states an array of names."""

    @abstractmethod
    def _leg(self, side: Side, units: Amount) -> Leg:
        """Trade ``units`` tokens, known to be between 0 and the limit."""

    @abstractmethod
    def _route(self, side: Side) -> Route:
        """Return how the venue reaches the token."""

    def _warnings(self, _side: Side, _units: Amount) -> tuple[str, ...]:
        return ()

    def _path(self) -> Path:
        return "float"

    def _st_at_limit(self, side: Side, size: Amount) -> Amount:
        return self._st(side, self._leg(side, size))

    def _yield_at_limit(self, side: Side) -> Amount:
        return self._leg(side, self._limit(side)[0]).after.implied_yield

    def _units_for_yield(self, side: Side, target: Amount) -> Amount:
        """Return the size that moves the yield to ``target``, known to be reachable."""
        # as an array where the target is one: both take the same path through the curve
        limit = self._limit(side)[0] + 0.0 * target
        sign = 1.0 if side.raises_yield else -1.0

        def excess(units: Amount) -> Amount:
            return sign * (self._leg(side, units).after.implied_yield - target)

        root = find_root(excess, 0.0 * target, limit)
        # a target at the very end of the reach may lie a rounding beyond it
        at_end = excess(limit) <= 0
        return _converged(pick(at_end, lambda: limit, root.at), root.converged | at_end, "target", target)

    def _units_for_st(self, side: Side, st: Amount) -> Amount:
        """Return the size that spends or raises ``st``, known to be within the capacity."""
        return self._search_units_for_st(side, st)

    def _search_units_for_st(self, side: Side, st: Amount) -> Amount:
        def excess(units: Amount) -> Amount:
            return self._st(side, self._leg(side, units)) - st

        limit, spot = self._limit(side)[0] + 0.0 * st, self._spot(pt=side.is_pt)
        # most trades stay close to the spot price: a narrow bracket where it holds
        near = smaller(limit, pick(spot > 0, lambda: ratio(NEAR_SPOT * st, spot), limit))
        high = pick(excess(near) >= 0, lambda: near, limit)
        root = find_root(excess, 0.0 * st, high)
        at_end = excess(limit) <= 0
        return _converged(pick(at_end, lambda: limit, root.below), root.converged | at_end, "st", st)

    def spot(self, token: Token) -> Amount:
        """Marginal price of ``token`` in ST, without fee.

        Raises
        ------
        DomainError
            ``token`` is neither ``"PT"`` nor ``"YT"``.
        ExpiredError
            The market has matured.
        """
        pt = is_pt(token)
        self._require_live()
        return self._spot(pt=pt)

    def _spot(self, *, pt: bool) -> Amount:
        return (pt_price if pt else yt_price)(self.implied_yield, self.tau)

    def max_size(self, side: Side | str) -> Capacity:
        """Return the largest trade on one side.

        Parameters
        ----------
        side
            ``BUY_PT``, ``SELL_PT``, ``BUY_YT`` or ``SELL_YT``.

        Returns
        -------
        Capacity
            Tokens, ST with fees, and the limit that binds; 0 where the state is already beyond a limit.

        Raises
        ------
        ExpiredError
            The market has matured.
        """
        side = Side(side)
        self._require_live()
        size, binding = self._limit(side)
        return Capacity(size=size, st=self._st_at_limit(side, size), binding=binding)

    def quote(
        self,
        side: Side | str,
        size: Any,
        unit: Unit = "token",
        *,
        exact: bool = False,
        on_error: OnError = "raise",
    ) -> Fill:
        """Price one trade, or one independent trade per element, from the current state (amm.md 1-2).

        Parameters
        ----------
        side
            ``BUY_PT``, ``SELL_PT``, ``BUY_YT`` or ``SELL_YT``.
        size
            Tokens, or ST with fees where ``unit`` is ``"st"``; 0 or more, a number or an array.
        unit
            ``"token"`` or ``"st"``.
        exact
            Use the venue's own integer arithmetic; one trade at a time, on venues that hold their raw state.
        on_error
            ``"raise"`` refuses the call at the first bad element; ``"nan"`` fills that element with NaN.

        Returns
        -------
        Fill

        Raises
        ------
        DomainError
            A size that is negative, not finite or not a number.
        CapacityError
            A size above the largest; it carries that.
        ExpiredError
            The market has matured.
        ConvergenceError
            No size was found for an amount of ST.
        """
        side = Side(side)
        if unit not in ("token", "st"):
            raise DomainError(f"unit = {unit!r}: allowed are 'token' and 'st'")
        check_on_error(on_error)
        self._require_live()
        if exact:
            return self._exact_fill(side, size, unit)
        limit, binding = self._limit(side)

        def problem(asked: Asked) -> Exception:
            return size_problem(asked, binding)

        if unit == "token":
            units, refused = admit("size", size, (0.0, limit), 0.0, on_error=on_error, problem=problem)
        else:
            most = self._st_at_limit(side, limit)
            st, refused = admit("size", size, (0.0, most), 0.0, on_error=on_error, problem=problem)
            units = pick(st > 0, lambda: self._units_for_st(side, st), 0.0 * st)
        return self._fill(side, units, refused)

    def size_for_budget(self, side: Side | str, st: Any, *, on_error: OnError = "raise") -> Fill:
        """Price the trade that spends (buy) or raises (sell) ``st`` ST, fees included.

        Same as ``quote(side, st, unit="st")``; the fill never exceeds ``st`` by more than a rounding.
        """
        return self.quote(side, st, unit="st", on_error=on_error)

    def size_for_yield(self, target: Any, family: Token = "YT", *, on_error: OnError = "raise") -> Fill:
        """Price the trade that moves the implied yield to ``target``.

        Parameters
        ----------
        target
            Implied yield wanted after the trade, fraction; a number or an array, on either side of the
            current yield.
        family
            Which token to trade: ``"YT"`` or ``"PT"``.
        on_error
            ``"raise"`` or ``"nan"``, as in `quote`.

        Returns
        -------
        Fill
            Of size 0 where ``target`` is the current yield.

        Raises
        ------
        CapacityError
            The target is out of reach; the message gives the interval that can be reached.
        DomainError, ExpiredError, ConvergenceError
            As `quote`.
        """
        up, down = side_towards(family, rising=True), side_towards(family, rising=False)
        self._require_live()

        def problem(asked: Asked) -> Exception:
            return target_problem(asked, (self._limit(down)[1], self._limit(up)[1]))

        reach = (self._yield_at_limit(down), self._yield_at_limit(up))
        target, refused = admit(
            "target", target, reach, self.implied_yield, on_error=on_error, problem=problem
        )
        if all_of(target >= self.implied_yield):
            return self._move(up, target, refused)
        if all_of(target <= self.implied_yield):
            return self._move(down, target, refused)
        rising = target > self.implied_yield
        return merge_fills(
            rising,
            self._move(up, pick(rising, lambda: target, self.implied_yield), refused),
            self._move(down, pick(rising, lambda: self.implied_yield, target), refused),
        )

    def size_for_impact(self, side: Side | str, impact: Any) -> Fill:
        """Price the largest trade whose price impact stays within a limit, the whole capacity where that does.

        Parameters
        ----------
        side
            ``BUY_PT``, ``SELL_PT``, ``BUY_YT`` or ``SELL_YT``.
        impact
            Largest price impact, fraction above 0 and below 1; a number or an array.

        Raises
        ------
        DomainError
            A limit outside its range.
        ExpiredError, ConvergenceError
            As `quote`.
        """
        side = Side(side)
        self._require_live()
        impact = checked("impact", impact, positive("impact"), share("impact"))
        limit, spot = self._limit(side)[0] + 0.0 * impact, self._spot(pt=side.is_pt)

        def excess(units: Amount) -> Amount:
            return relative_cost(side, self._leg(side, units).gross, units, spot) - impact

        within = excess(limit) <= 0
        root = find_root(excess, 0.0 * impact, limit)
        units = pick(within, lambda: limit, root.below)
        return self._fill(side, _converged(units, root.converged | within, "impact", impact), False)

    def _move(self, side: Side, target: Amount, refused: Any) -> Fill:
        moved = target != self.implied_yield
        units = pick(moved, lambda: self._units_for_yield(side, target), 0.0 * target)
        return self._fill(side, units, refused)

    def depth(
        self, moves_bp: Sequence[float] = MOVES_BP, *, sizes: Sequence[float] = (), family: Token = "YT"
    ) -> tuple[DepthRow, ...]:
        """Tabulate size and cost against moves of the yield, each a single trade from the current state.

        Parameters
        ----------
        moves_bp
            Moves of the implied yield in basis points; each is tried downwards and upwards.
        sizes
            Further rows for these sizes in tokens, sold and bought.
        family
            Which token to trade: ``"YT"`` or ``"PT"``.

        Returns
        -------
        tuple of DepthRow
            By rising move, then the size grid; rows out of reach are kept without size and name the limit.
        """
        self._require_live()
        moves = sorted({signed for move in moves_bp for signed in (-move, move)})
        sides = [side_towards(family, rising=rising) for rising in (False, True)]
        return (
            *(self._row_of_move(move, family) for move in moves),
            *(self._row_of_size(side, size) for side in sides for size in sizes),
        )

    def _row_of_move(self, move_bp: float, family: Token) -> DepthRow:
        target = self.implied_yield + move_bp * BASIS_POINT
        side = side_towards(family, rising=move_bp > 0)
        try:
            fill = self.size_for_yield(target, family)
        except CapacityError as refused:
            return row_out_of_reach(move_bp, target, side, refused)
        return row_of(move_bp, target, side, fill)

    def _row_of_size(self, side: Side, size: float) -> DepthRow:
        try:
            fill = self.quote(side, size)
        except CapacityError as refused:
            return replace(row_out_of_reach(None, None, side, refused), size=size)
        return row_of(fill.yield_impact / BASIS_POINT, fill.post_trade_yield, side, fill)

    def _exact_fill(self, _side: Side, _size: Any, _unit: Unit) -> Fill:
        raise DomainError(f"exact = True: {type(self).__name__} has no integer path; quote without it")

    def _require_live(self) -> None:
        if utc(self.as_of, "as_of") >= utc(self.maturity, "maturity"):
            raise ExpiredError(
                f"as_of = {iso(self.as_of)}: the market matured at {iso(self.maturity)}; "
                "use redemption_value instead of a quote"
            )

    def _st(self, side: Side, leg: Leg) -> Amount:
        return leg.gross + leg.fee if side.is_buy else leg.gross - leg.fee

    def _fill(self, side: Side, units: Amount, refused: Any) -> Fill:
        leg = self._leg(side, units)
        fee_lp = leg.fee - leg.fee_protocol
        # summed again from its parts, so that the split adds up to the last digit
        fee = fee_lp + leg.fee_protocol
        return fill_of(
            self,
            side,
            units,
            leg._replace(fee=fee),
            leg.gross + fee if side.is_buy else leg.gross - fee,
            route=self._route(side),
            path=self._path(),
            warnings=self._warnings(side, units),
            refused=refused,
        )


def _converged(size: Amount, converged: Any, name: str, wanted: Amount) -> Amount:
    if not all_of(converged):
        raise ConvergenceError(f"no size was found for {name} = {wanted!r}; quote a size in tokens instead")
    return size
