"""Steps 5 and 6 of the simulator, one by one: updates of liquidity, then orders (pdlp.md 10).

What the state does not admit is rejected whole, with a reason; what no state could admit (a wrong number of
assets, a market that is none) is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.elementwise import as_number
from yieldtrade.errors import DomainError
from yieldtrade.pool.perpetuals import collateral_ok, min_collateral
from yieldtrade.pool.simulator_inputs import (
    BasketRedemption,
    CloseOrder,
    Deposit,
    LpUpdate,
    OpenOrder,
    Order,
    Redemption,
)
from yieldtrade.pool.simulator_state import ROUNDING, Positions, available_units, check_market, value_usd
from yieldtrade.pool.weights import weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yieldtrade.pool.simulator_inputs import SimulatorParameters
    from yieldtrade.pool.simulator_state import Column, SimulatorState


class LpOutcome(NamedTuple):
    """What became of an update of liquidity.

    Attributes
    ----------
    accepted, reason
        Whether it was done, and if not, why.
    shares
        Shares minted; below 0 burned.
    value_usd
        Value of the basket paid in; below 0 paid out.
    discount
        F of the change.
    """

    accepted: bool
    reason: str | None = None
    shares: float = 0.0
    value_usd: float = 0.0
    discount: float = 0.0


class OrderOutcome(NamedTuple):
    """What became of an order.

    Attributes
    ----------
    id
        Of its position.
    accepted, reason
        Whether it was filled, and if not, why.
    cash_usd
        Value that the trader paid in; below 0 paid out, in USD and in units of the locked asset.
    paid_units
        Units of the locked asset within it, the profit of a close.
    pnl_usd
        Profit of what was closed.
    shortfall_usd
        Part of a loss that the collateral did not cover.
    """

    id: int
    accepted: bool
    reason: str | None = None
    cash_usd: float = 0.0
    paid_units: float = 0.0
    pnl_usd: float = 0.0
    shortfall_usd: float = 0.0


class Vault(NamedTuple):
    """What an update of liquidity changes: units by asset, and shares."""

    reserves: Column
    shares: float


class Moment(NamedTuple):
    """What it does not change: prices, locked units, the traders' profit in all, and the rules."""

    prices: Column
    locked: Column
    pnl_usd: float
    params: SimulatorParameters


def update_liquidity(
    vault: Vault, updates: Sequence[LpUpdate], moment: Moment
) -> tuple[Vault, tuple[LpOutcome, ...]]:
    """Do the updates in the given order, each on what the ones before it left (pdlp.md 10, step 5).

    Raises
    ------
    DomainError
        A basket of another number of assets, or a discount that is not a number above -1.
    """
    outcomes = []
    for number, update in enumerate(updates):
        _check_basket(f"lp_updates[{number}]", update, len(moment.prices))
        change, outcome = _proposed(vault, update, moment)
        reason = outcome.reason or _objection(vault, change, outcome, moment)
        if reason is None:
            vault = Vault(vault.reserves + change, vault.shares + outcome.shares)
            outcomes.append(outcome)
        else:
            outcomes.append(LpOutcome(accepted=False, reason=reason))
    return vault, tuple(outcomes)


def _check_basket(name: str, update: LpUpdate, assets: int) -> None:
    field = {Deposit: "amounts", Redemption: "weights", BasketRedemption: "basket"}.get(type(update))
    if field is None:
        raise DomainError(f"{name} = {update!r} is neither a deposit nor a redemption")
    row = getattr(update, field)
    if row is not None and len(row) != assets:
        raise DomainError(f"{name}.{field} has shape {row.shape}: the pool has {assets} assets")


def _proposed(vault: Vault, update: LpUpdate, moment: Moment) -> tuple[Column, LpOutcome]:
    """Return the change of the reserves that an update asks for, and what it would come to."""
    if isinstance(update, Deposit):
        return update.amounts, _deposit(vault, update.amounts, moment)
    if vault.shares == 0:
        return vault.reserves, _refused("the pool has no shares to redeem")
    if isinstance(update, BasketRedemption):
        return _basket_redemption(vault, update.basket, moment)
    return _share_redemption(vault, update, moment)


def _refused(reason: str) -> LpOutcome:
    return LpOutcome(accepted=False, reason=reason)


def _nav(vault: Vault, moment: Moment) -> float:
    return value_usd(moment.prices, vault.reserves) - moment.pnl_usd


def _discount(vault: Vault, change: Column, moment: Moment) -> float:
    """F(p, w*, R, D), refused unless it is above -1; 0 where an empty pool has no weights (pdlp.md 13)."""
    params = moment.params
    if params.discount is None or not (vault.reserves.any() and (vault.reserves + change).any()):
        return 0.0
    found = params.discount(moment.prices, params.target_weights, vault.reserves, change)
    discount = as_number("discount", found)
    if discount <= -1.0:
        raise DomainError(f"discount = {discount!r} must be above -1")
    return discount


def _deposit(vault: Vault, amounts: Column, moment: Moment) -> LpOutcome:
    """Mint for the ownership o = (1+F)*d/(NAV+d): shares*o/(1-o) (pdlp.md 10)."""
    paid = value_usd(moment.prices, amounts)
    if paid == 0:
        return _refused("a deposit of nothing")
    if vault.shares == 0:
        minted = paid / moment.params.first_share_price
        return LpOutcome(accepted=True, shares=minted, value_usd=paid)
    discount = _discount(vault, amounts, moment)
    # (1-o)*(NAV+d), what the existing holders keep: NAV - F*d (E14)
    kept = _nav(vault, moment) - discount * paid
    if kept <= 0:
        return _refused(f"the discount {discount:.6g} would give the depositor all of the pool")
    minted = vault.shares * ((1.0 + discount) * paid / kept)
    return LpOutcome(accepted=True, shares=minted, value_usd=paid, discount=discount)


def _settled(basket: Column, vault: Vault, moment: Moment) -> Column:
    """A basket that takes all the available units of an asset but for rounding takes them all."""
    import numpy as np

    free = available_units(vault.reserves, moment.locked)
    return np.where(np.abs(basket - free) <= ROUNDING * vault.reserves, free, basket)


def _beyond(basket: Column, vault: Vault, moment: Moment) -> str | None:
    """Return which asset a basket takes more of than is available: R must stay >= locked (E22)."""
    free = available_units(vault.reserves, moment.locked)
    beyond = (basket > free).nonzero()[0]
    if not beyond.size:
        return None
    i = int(beyond[0])
    return f"takes {basket[i]:.12g} of asset {i}: {free[i]:.12g} are available"


def _basket_redemption(vault: Vault, wanted: Column, moment: Moment) -> tuple[Column, LpOutcome]:
    """Burn sigma of p.lambda = (1+F)*(sigma/S)*NAV, (9) of the paper (pdlp.md 6)."""
    basket = _settled(wanted, vault, moment)
    reason = _beyond(basket, vault, moment)
    taken = value_usd(moment.prices, basket)
    if reason or taken == 0:
        return -basket, _refused(reason or "a redemption of nothing")
    discount = _discount(vault, -basket, moment)
    burned = vault.shares * (taken / ((1.0 + discount) * _nav(vault, moment)))
    return -basket, LpOutcome(accepted=True, shares=-burned, value_usd=-taken, discount=discount)


def _share_redemption(vault: Vault, update: Redemption, moment: Moment) -> tuple[Column, LpOutcome]:
    """Pay the basket lambda of (9) for sigma shares, in the direction asked for."""
    # the last share is the last one in spite of rounding
    last = abs(update.shares - vault.shares) <= ROUNDING * vault.shares
    burned = vault.shares if last else update.shares
    free = available_units(vault.reserves, moment.locked)
    if burned > vault.shares:
        return free, _refused(_too_many(burned, vault))
    if not free.any():
        return free, _refused("nothing is available: every unit is locked")
    each_usd = (
        free / value_usd(moment.prices, free) if update.weights is None else update.weights / moment.prices
    )
    fair = _nav(vault, moment) * (burned / vault.shares)
    paid = fair if last else _redeemed_value(vault, each_usd, fair, moment)
    if isinstance(paid, str):
        return free, _refused(paid)
    basket = _settled(paid * each_usd, vault, moment)
    reason = _beyond(basket, vault, moment)
    if reason is not None:
        return -basket, _refused(reason)
    taken = value_usd(moment.prices, basket)
    return -basket, LpOutcome(
        accepted=True, shares=-burned, value_usd=-taken, discount=_discount(vault, -basket, moment)
    )


def _too_many(burned: float, vault: Vault) -> str:
    return f"burns {burned:.12g} shares: {vault.shares:.12g} exist"


def _redeemed_value(vault: Vault, each_usd: Column, fair: float, moment: Moment) -> float | str:
    """Solve v = (1 + F(-v*u))*fair of (9) for the value v, or tell why no basket u of that value is available.

    Under the paper's conditions on F the right side is concave in v and starts above 0, so there is one root at
    most. A discount that jumps may pass it by.
    """
    if moment.params.discount is None:
        return fair
    from scipy.optimize import brentq

    def excess(value: float) -> float:
        change = -_settled(value * each_usd, vault, moment)
        return value - (1.0 + _discount(vault, change, moment)) * fair

    taken = each_usd > 0
    free = available_units(vault.reserves, moment.locked)
    most = float((free[taken] / each_usd[taken]).min())
    if excess(most) < 0:
        return f"worth more than the {most:.12g} USD that are available in these proportions"
    value, how = brentq(excess, 0.0, most, xtol=ROUNDING * ROUNDING * fair, full_output=True, disp=False)
    if not how.converged or abs(excess(value)) > ROUNDING * fair:
        return "no basket is worth these shares at its own discount"
    return float(value)


def _objection(vault: Vault, change: Column, outcome: LpOutcome, moment: Moment) -> str | None:
    """Return why an update is invalid: too many shares, the AUM limit, orphaned reserves, the failsafe."""
    if outcome.shares < -vault.shares:
        return _too_many(-outcome.shares, vault)
    limit = moment.params.aum_limit_usd
    aum = _nav(vault, moment) + outcome.value_usd
    if outcome.value_usd > 0 and limit is not None and aum > limit:
        return f"net asset value {aum:.12g} USD above the limit of {limit:.12g}"
    shares, after = vault.shares + outcome.shares, vault.reserves + change
    if (shares == 0) == bool(after.any()):
        return f"would leave {value_usd(moment.prices, after):.12g} USD for {shares:.12g} shares"
    return _failsafe(vault.reserves, after, moment) if shares else None


def _failsafe(before: Column, after: Column, moment: Moment) -> str | None:
    """Return which weight leaves its band target*(1 -+ failsafe), or moves further out of it (pool.md 5)."""
    width = moment.params.weight_failsafe
    if width is None:
        return None
    import numpy as np

    target: Any = moment.params.target_weights

    def outside(reserves: Column) -> Any:
        off = np.abs(weights(moment.prices, reserves) - target)
        return np.maximum(off - width * target, 0.0)

    # an empty pool has no weights, and is outside of no band
    already = outside(before) if before.any() else 0.0
    worse = (outside(after) > already + ROUNDING).nonzero()[0]
    if not worse.size:
        return None
    i = int(worse[0])
    weight = weights(moment.prices, after)[i]
    return f"weight of asset {i} would be {weight:.6g}, target {target[i]:.6g} within {width:.6g} of itself"


class Filled(NamedTuple):
    """Positions and reserves after the orders, and what became of each of these."""

    positions: Positions
    reserves: Column
    outcomes: tuple[OrderOutcome, ...]


def fill_orders(
    positions: Positions, reserves: Column, orders: Sequence[Order], state: SimulatorState, moment: Moment
) -> Filled:
    """Fill the orders in the given order, each on what the ones before it left (pdlp.md 10, step 6).

    ``state`` tells the assets and the numeraire.

    Raises
    ------
    DomainError
        An order on a market that is none, or that is neither an open nor a close.
    """
    if not orders:
        return Filled(positions, reserves, ())
    for number, order in enumerate(orders):
        if isinstance(order, OpenOrder):
            check_market(f"orders[{number}].asset", order.asset, state)
        elif not isinstance(order, CloseOrder):
            raise DomainError(f"orders[{number}] = {order!r} is neither an open nor a close")
    desk = _Desk(positions, reserves, moment, state.numeraire, len(orders))
    outcomes = tuple(
        desk.open(order) if isinstance(order, OpenOrder) else desk.close(order) for order in orders
    )
    return Filled(desk.positions(), desk.reserves, outcomes)


class _Desk:
    """The positions while orders change them: copies of the columns, with room for new rows."""

    def __init__(
        self, positions: Positions, reserves: Column, moment: Moment, numeraire: int, room: int
    ) -> None:
        import numpy as np

        def column(name: str) -> Any:
            held = getattr(positions, name)
            return np.concatenate([held, np.zeros(room, held.dtype)])

        self.ids, self.asset, self.side = column("ids"), column("asset"), column("side")
        self.size, self.collateral, self.entry = column("size"), column("collateral"), column("entry")
        self.old_ids = positions.ids
        self.new_rows: dict[int, int] = {}
        self.rows = len(positions)
        self.prices, self.params = moment.prices, moment.params
        self.reserves, self.locked = reserves.copy(), moment.locked.copy()
        self.numeraire = numeraire

    def positions(self) -> Positions:
        """Return the positions that are still open."""
        live = self.size[: self.rows].nonzero()[0]
        return Positions(
            ids=self.ids[live],
            asset=self.asset[live],
            side=self.side[live],
            size=self.size[live],
            collateral=self.collateral[live],
            entry=self.entry[live],
        )

    def open(self, order: OpenOrder) -> OrderOutcome:
        """Open a position if (1) holds, p*size <= |eta|*collateral, and its lock is available."""
        price = float(self.prices[order.asset])
        held_in = order.asset if order.side == "long" else self.numeraire
        lock = order.size if order.side == "long" else order.size * price
        reason = self._objection(order, price, held_in, lock)
        if reason is not None:
            return OrderOutcome(order.id, accepted=False, reason=reason)
        row, self.rows = self.rows, self.rows + 1
        self.new_rows[order.id] = row
        self.ids[row], self.asset[row] = order.id, order.asset
        self.side[row] = 1.0 if order.side == "long" else -1.0
        self.size[row], self.collateral[row], self.entry[row] = order.size, order.collateral, price
        self.locked[held_in] += lock
        return OrderOutcome(order.id, accepted=True, cash_usd=order.collateral)

    def _objection(self, order: OpenOrder, price: float, held_in: int, lock: float) -> str | None:
        if self._row(order.id) is not None:
            return f"position {order.id} is open already"
        limit = self.params.max_leverage
        if limit is not None and order.leverage > limit:
            return f"leverage {order.leverage:.12g} above the limit of {limit:.12g}"
        trade = {"delta": order.size, "eta": order.leverage, "p0": price}
        if not collateral_ok(order.collateral, **trade):
            needed = min_collateral(**trade)
            return f"collateral {order.collateral:.12g} USD below the {needed:.12g} that its leverage needs"
        free = float(available_units(self.reserves, self.locked)[held_in])
        if lock > free:
            return f"locks {lock:.12g} of asset {held_in}: {free:.12g} are available"
        return None

    def close(self, order: CloseOrder) -> OrderOutcome:
        """Close a share of a position; its profit is paid in the locked asset, within the lock (E23)."""
        row = self._row(order.id)
        if row is None:
            return OrderOutcome(order.id, accepted=False, reason=f"no position {order.id} is open")
        asset, long = int(self.asset[row]), self.side[row] > 0
        held_in = asset if long else self.numeraire
        size, posted = (order.fraction * float(column[row]) for column in (self.size, self.collateral))
        entry = float(self.entry[row])
        lock = size if long else size * entry
        pnl = float(self.side[row]) * size * (float(self.prices[asset]) - entry)
        profit = min(max(pnl, 0.0) / float(self.prices[held_in]), lock)
        loss = min(max(-pnl, 0.0), posted)
        self.size[row] -= size
        self.collateral[row] -= posted
        self.locked[held_in] -= lock
        self.reserves[held_in] -= profit
        self.reserves[self.numeraire] += loss
        return OrderOutcome(
            order.id,
            accepted=True,
            cash_usd=loss - posted - profit * float(self.prices[held_in]),
            paid_units=profit,
            pnl_usd=pnl,
            shortfall_usd=max(-pnl - posted, 0.0),
        )

    def _row(self, position: int) -> int | None:
        """Return the row of an open position; an id that was closed may have been opened anew."""
        row = self.new_rows.get(position)
        if row is None:
            row = int(self.old_ids.searchsorted(position))
            if row == len(self.old_ids) or self.old_ids[row] != position:
                return None
        return row if self.size[row] else None
