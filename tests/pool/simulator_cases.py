"""The simulator again, as plain loops over positions in dictionaries, and random schedules to run both on.

The loops follow pdlp.md 10 line by line and share no formula with the code under test. Their discount is a flat one.
"""

from __future__ import annotations

import math

import numpy as np

from yieldtrade.pool.simulator import (
    BasketRedemption,
    CloseOrder,
    Deposit,
    OpenOrder,
    Period,
    Positions,
    Redemption,
    SimulatorParameters,
    SimulatorState,
)


class PlainPool:
    """The pool and its exchange; ``rules`` has kappa, fee, pool_share, maintenance, order, fee_base and others."""

    def __init__(self, prices, reserves, shares, numeraire=0, **rules):
        self.prices, self.reserves, self.shares = list(prices), list(reserves), shares
        self.numeraire, self.protocol = numeraire, 0.0
        self.positions = {}
        self.kappa, self.fee = rules.get("kappa", 0.0), rules.get("fee", 0.0)
        self.pool_share, self.maintenance = rules.get("pool_share", 0.0), rules.get("maintenance", 0.0)
        self.order, self.fee_base = rules.get("order", "paper"), rules.get("fee_base", "entry")
        self.flat_discount, self.max_leverage = rules.get("flat_discount", 0.0), rules.get("max_leverage")
        self.aum_limit = rules.get("aum_limit_usd")

    def put(self, position, asset, side, size, collateral, entry):
        """Add a position, as it is."""
        self.positions[position] = {
            "asset": asset,
            "side": side,
            "size": size,
            "collateral": collateral,
            "entry": entry,
        }

    def pnl(self, position):
        """Profit of a position at the prices now."""
        return position["side"] * position["size"] * (self.prices[position["asset"]] - position["entry"])

    def lock(self, position):
        """Asset and units that a position locks."""
        if position["side"] > 0:
            return position["asset"], position["size"]
        return self.numeraire, position["size"] * position["entry"]

    def free(self):
        """Units of each asset that are not locked."""
        free = list(self.reserves)
        for position in self.positions.values():
            asset, units = self.lock(position)
            free[asset] -= units
        return free

    def nav(self):
        """Value of the reserves less the profit of the traders."""
        held = sum(price * units for price, units in zip(self.prices, self.reserves, strict=True))
        return held - sum(self.pnl(position) for position in self.positions.values())

    def total(self):
        """Value of everything in the exchange."""
        held = sum(price * units for price, units in zip(self.prices, self.reserves, strict=True))
        return held + self.protocol + sum(p["collateral"] for p in self.positions.values())

    def step(self, prices, lp_updates=(), orders=()):
        """Do one step; return what happened."""
        report = {"before": list(self.prices)}
        self.prices = list(prices)
        report["liquidated"], report["shortfall"] = self.liquidate()
        report["funding"], report["funding_shortfall"] = self.fund(report["before"])
        if self.order == "paper":
            report["fees"] = self.charge()
        report["lp"] = [self.update(update) for update in lp_updates]
        report["orders"] = [self.trade(order) for order in orders]
        if self.order == "appendix":
            report["fees"] = self.charge()
        return report

    def liquidate(self):
        """Step 2."""
        gone, shortfall = [], 0.0
        for key, position in sorted(self.positions.items()):
            equity = position["collateral"] + self.pnl(position)
            if equity <= self.maintenance * position["size"] * self.prices[position["asset"]]:
                gone.append(key)
                self.reserves[self.numeraire] += position["collateral"]
                shortfall += max(-equity, 0.0)
        for key in gone:
            del self.positions[key]
        return gone, shortfall

    def fund(self, before):
        """Step 3, market by market."""
        paid_by_longs, unpaid = [0.0] * len(self.prices), [0.0] * len(self.prices)
        for market, price in enumerate(self.prices):
            here = [p for p in self.positions.values() if p["asset"] == market]
            longs, shorts = ([p for p in here if p["side"] == side] for side in (1, -1))
            if not longs or not shorts or self.kappa == 0:
                continue
            long_size, short_size = (sum(p["size"] for p in side) for side in (longs, shorts))
            rate = self.kappa * (long_size / short_size - price / before[market])
            payers, receivers = (longs, shorts) if rate > 0 else (shorts, longs)
            pot = 0.0
            for payer in payers:
                due = abs(rate) * price * payer["size"]
                paid = min(due, payer["collateral"])
                payer["collateral"] -= paid
                pot += paid
                unpaid[market] += due - paid
            received = sum(p["size"] for p in receivers)
            for receiver in receivers:
                receiver["collateral"] += pot * receiver["size"] / received
            paid_by_longs[market] = math.copysign(pot, rate)
        return paid_by_longs, unpaid

    def charge(self):
        """Step 4."""
        to_pool = to_protocol = unpaid = 0.0
        for position in self.positions.values():
            price = position["entry"] if self.fee_base == "entry" else self.prices[position["asset"]]
            due = self.fee * position["size"] * price
            paid = min(due, position["collateral"])
            position["collateral"] -= paid
            to_pool += self.pool_share * paid
            to_protocol += (1 - self.pool_share) * paid
            unpaid += due - paid
        self.reserves[self.numeraire] += to_pool
        self.protocol += to_protocol
        return to_pool, to_protocol, unpaid

    def update(self, update):
        """Step 5 for one update; return shares minted (below 0 burned), or None."""
        nav, free = self.nav(), self.free()
        if isinstance(update, Deposit):
            amounts = update.amounts.tolist()
            value = sum(price * units for price, units in zip(self.prices, amounts, strict=True))
            if value == 0 or (self.aum_limit is not None and nav + value > self.aum_limit):
                return None
            owned = (1 + self.flat_discount) * value / (nav + value)
            minted = self.shares * owned / (1 - owned)
            self.reserves = [held + units for held, units in zip(self.reserves, amounts, strict=True)]
        elif isinstance(update, BasketRedemption):
            basket = update.basket.tolist()
            value = sum(price * units for price, units in zip(self.prices, basket, strict=True))
            minted = -self.shares * value / ((1 + self.flat_discount) * nav)
            if value == 0 or -minted >= self.shares or any(b > f for b, f in zip(basket, free, strict=True)):
                return None
            self.reserves = [held - units for held, units in zip(self.reserves, basket, strict=True)]
        else:
            value = (1 + self.flat_discount) * update.shares / self.shares * nav
            whole = sum(price * units for price, units in zip(self.prices, free, strict=True))
            if update.weights is None:
                basket = [value * units / whole for units in free]
            else:
                basket = [value * w / p for w, p in zip(update.weights.tolist(), self.prices, strict=True)]
            minted = -update.shares
            if -minted >= self.shares or any(b > f for b, f in zip(basket, free, strict=True)):
                return None
            self.reserves = [held - units for held, units in zip(self.reserves, basket, strict=True)]
        self.shares += minted
        return minted

    def trade(self, order):
        """Step 6 for one order; return the cash that its trader paid in (below 0 received), or None."""
        if isinstance(order, OpenOrder):
            price = self.prices[order.asset]
            position = {
                "asset": order.asset,
                "side": 1 if order.side == "long" else -1,
                "size": order.size,
                "collateral": order.collateral,
                "entry": price,
            }
            asset, units = self.lock(position)
            if (
                order.id in self.positions
                or (self.max_leverage is not None and order.leverage > self.max_leverage)
                or price * order.size > order.leverage * order.collateral
                or units > self.free()[asset]
            ):
                return None
            self.positions[order.id] = position
            return order.collateral
        if order.id not in self.positions:
            return None
        position = self.positions[order.id]
        pnl, collateral = order.fraction * self.pnl(position), order.fraction * position["collateral"]
        asset, _ = self.lock(position)
        position["size"] *= 1 - order.fraction
        position["collateral"] *= 1 - order.fraction
        if position["size"] == 0:
            del self.positions[order.id]
        if pnl >= 0:
            self.reserves[asset] -= pnl / self.prices[asset]
            return -collateral - pnl
        loss = min(-pnl, collateral)
        self.reserves[self.numeraire] += loss
        return loss - collateral


FREE = SimulatorParameters(kappa=0, fee=0, pool_share=0.75)


def quiet(reserves=(1000.0, 10.0), **fields):
    """Return a pool of USD and coins at 100, without positions; a share is worth 1."""
    reserves = list(reserves)
    prices = [1.0] + [100.0] * (len(reserves) - 1)
    shares = float(np.dot(prices, reserves))
    return SimulatorState(**{"prices": prices, "reserves": reserves, "shares": shares} | fields)


def opening(**changed):
    """Return an open of 2 coins with 50 USD at a leverage of 4."""
    fields = {"id": 7, "asset": 1, "side": "long", "size": 2.0, "collateral": 50.0, "leverage": 4.0}
    return OpenOrder(**fields | changed)


def discounted(discount, **fields):
    """Return rules with a discount, the target half in each of two assets."""
    return SimulatorParameters(
        kappa=0, fee=0, pool_share=0, discount=discount, **{"target_weights": [0.5, 0.5]} | fields
    )


def jump(p, target, R, D):
    """A fee of a half from 100 USD on, so that 150 shares of 1 USD are worth neither 75 nor 150."""
    return -0.5 if abs(float(D @ p)) >= 100 else 0.0


def only(outcomes):
    """Return the one outcome there is."""
    (outcome,) = outcomes
    return outcome


RULES = (
    {"kappa": 0.01, "fee": 0.001, "pool_share": 0.75},
    {"kappa": 0.3, "fee": 0.05, "pool_share": 0.5, "maintenance": 0.02, "fee_base": "current"},
    {"kappa": 0.05, "fee": 0.004, "pool_share": 0.9, "order": "appendix", "max_leverage": 12.0},
    {"kappa": 0.0, "fee": 0.0, "pool_share": 0.0, "flat_discount": -0.003, "aum_limit_usd": 6e5},
    {"kappa": 0.02, "fee": 0.002, "pool_share": 0.25, "order": "appendix", "flat_discount": 0.01},
)


def parameters(rules):
    """The same rules for the code under test; a flat discount ignores where the weights stand."""
    rest = {name: value for name, value in rules.items() if name != "flat_discount"}
    flat = rules.get("flat_discount", 0.0)
    if not flat:
        return SimulatorParameters(**rest)
    return SimulatorParameters(
        **rest, discount=lambda p, target, R, D: flat, target_weights=[0.25, 0.25, 0.25, 0.25]
    )


def start(seed):
    """A pool of four assets, one of them the numeraire, without positions."""
    rng = np.random.default_rng(seed)
    numeraire = int(rng.integers(4))
    prices = [rng.choice([0.5, 20.0, 150.0, 2000.0, 60000.0]) * rng.uniform(0.9, 1.1) for _ in range(4)]
    prices[numeraire] = 1.0
    reserves = [rng.uniform(5e4, 2e5) / price for price in prices]
    return SimulatorState(prices=prices, reserves=reserves, shares=1e5, numeraire=numeraire)


def plain(state, rules):
    """The same pool as plain loops."""
    pool = PlainPool(
        state.prices.tolist(), state.reserves.tolist(), state.shares, numeraire=state.numeraire, **rules
    )
    book = state.positions
    for row, key in enumerate(book.ids.tolist()):
        columns = (book.asset, book.side, book.size, book.collateral, book.entry)
        pool.put(key, *(column[row].item() for column in columns))
    return pool


def schedule(state, seed, *, steps=12):
    """Random periods: prices that jump, good and bad updates, opens and closes, some of ids that do not exist."""
    rng = np.random.default_rng(seed)
    prices, ids, periods = state.prices.tolist(), [], []
    for number in range(steps):
        spread = 0.15 if rng.random() < 0.25 else 0.02
        prices = [
            1.0 if asset == state.numeraire else price * math.exp(rng.normal(0.0, spread))
            for asset, price in enumerate(prices)
        ]
        updates = [_update(rng, prices) for _ in range(rng.integers(3))]
        orders = [_order(rng, prices, state, ids, 100 * number + k) for k in range(rng.integers(9))]
        periods.append(Period(prices=prices, lp_updates=updates, orders=orders))
    return periods


def _update(rng, prices):
    kind = rng.integers(4)
    if kind == 0:
        return Redemption(shares=rng.uniform(10, 8000))
    if kind == 1:
        weights = [rng.random() for _ in prices]
        return Redemption(shares=rng.uniform(10, 30000), weights=[w / sum(weights) for w in weights])
    amounts = [rng.uniform(0, 2e4) / price if rng.random() < 0.6 else 0.0 for price in prices]
    return BasketRedemption(basket=amounts) if kind == 2 else Deposit(amounts=amounts)


def _order(rng, prices, state, ids, key):
    if ids and rng.random() < 0.35:
        return CloseOrder(id=int(rng.choice(ids)), fraction=rng.choice([1.0, 1.0, 0.5, 0.25]))
    ids.append(key if rng.random() < 0.95 or not ids else ids[-1])
    asset = rng.choice([asset for asset in range(len(prices)) if asset != state.numeraire])
    leverage = rng.uniform(1.0, 15.0)
    notional = rng.uniform(500, 4e4)
    return OpenOrder(
        id=ids[-1],
        asset=asset,
        side=("long", "short")[rng.integers(2)],
        size=notional / prices[asset],
        collateral=notional / leverage * rng.uniform(0.99, 1.3),
        leverage=leverage,
    )


def book(count, seed, *, assets=5):
    """A state with many positions, as columns."""
    rng = np.random.default_rng(seed)
    prices = np.array([1.0, 20.0, 100.0, 2000.0, 60000.0])[:assets]
    asset, side = rng.integers(1, assets, count), rng.choice([-1.0, 1.0], count)
    entry = prices[asset] * rng.uniform(0.9, 1.1, count)
    notional = rng.uniform(1e3, 1e5, count)
    positions = Positions(
        ids=rng.permutation(count),
        asset=asset,
        side=side,
        size=notional / entry,
        collateral=notional / rng.uniform(1.5, 30.0, count),
        entry=entry,
    )
    reserves = positions.locked_by_asset(assets, 0) * 1.5 + 1.0
    return SimulatorState(prices=prices, reserves=reserves, shares=1e6, positions=positions)
