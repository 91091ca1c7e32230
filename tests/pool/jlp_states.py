"""The custody fixture of pool.md 15 and random pools for properties."""

from dataclasses import replace

from hypothesis import strategies as st

from yieldtrade.pool.parameters import stated_parameters
from yieldtrade.pool.state import CustodyState, PoolState

TARGETS = {"SOL": 0.5, "USDC": 0.5}
FEES = {"swap.add_remove_bps": 10.0, "swap.tax_bps": 50.0, "swap.base_bps": 10.0, "swap.multiplier": 1.0}
STABLE_FEES = {"swap.stable_base_bps": 2.0, "swap.stable_tax_bps": 20.0, "swap.stable_multiplier": 1.0}


def fixture_pool(*, aum_limit_usd=1e9, target_weights=TARGETS, usdc=None, **sol):
    """Return the fixture: AUM 180,000, 45,000 shares; keywords change its SOL custody."""
    numbers = {
        "owned": 1_000,
        "locked": 300,
        "guaranteed_usd": 27_000,
        "short_sizes_usd": 12_000,
        "short_avg_price": 120,
        "price": 100,
    }
    return PoolState(
        custodies=(
            CustodyState(asset="SOL", is_stable=False, **{**numbers, **sol}),
            CustodyState(
                asset="USDC",
                is_stable=True,
                **{"owned": 80_000, "debt": 5_000, "price": 0.999, **(usdc or {})},
            ),
        ),
        supply=45_000,
        target_weights=target_weights,
        aum_limit_usd=aum_limit_usd,
    )


def parameters(**values):
    """Return the fees of the fixture, a weight failsafe of 20 %, and what is stated beside."""
    stated = {name.replace("__", "."): value for name, value in values.items()}
    return stated_parameters({**FEES, **STABLE_FEES, "weight_failsafe": 0.2, **stated})


def without(*names):
    """Return the parameters of the fixture but some."""
    known = {**FEES, **STABLE_FEES, "weight_failsafe": 0.2}
    return stated_parameters({name: value for name, value in known.items() if name not in names})


@st.composite
def custodies(draw, asset, *, is_stable=False, free=True, pegged=False):
    """Return a custody; with ``free`` less is locked than owned and the shorts' profit stays below the rest."""
    owned = draw(st.floats(10, 1e6))
    price = draw(st.floats(1.0 if pegged else 0.9, 1.1)) if is_stable else draw(st.floats(0.1, 1e5))
    if is_stable:
        return CustodyState(
            asset=asset, is_stable=True, owned=owned, debt=draw(st.floats(0, 0.5)) * owned, price=price
        )
    locked = draw(st.floats(0, 0.9 if free else 2)) * owned
    average = draw(st.floats(0.5, 1.2 if free else 50)) * price
    size = draw(st.floats(0, 0.05 if free else 3)) * owned * price
    return CustodyState(
        asset=asset,
        is_stable=False,
        owned=owned,
        locked=locked,
        guaranteed_usd=draw(st.floats(0, 0.9)) * locked * price,
        short_sizes_usd=size,
        short_avg_price=average,
        price=price,
    )


@st.composite
def pools(draw, *, free=True, pegged=False):
    """Return a pool of two coins and two stablecoins whose targets lie at or near its weights."""
    held = (
        draw(custodies("SOL", free=free)),
        draw(custodies("BTC", free=free)),
        draw(custodies("USDC", is_stable=True, pegged=pegged)),
        draw(custodies("USDT", is_stable=True, pegged=pegged)),
    )
    raw = [draw(st.integers(1, 100)) for _ in held]
    targets = {custody.asset: part / sum(raw) for custody, part in zip(held, raw, strict=True)}
    supply = draw(st.floats(1, 1e9))
    return PoolState(custodies=held, supply=supply, target_weights=targets, aum_limit_usd=1e15)


def at_prices(pool, **prices):
    """Return a pool with other prices."""
    moved = (replace(c, price=prices.get(c.asset, c.price)) for c in pool)
    return replace(pool, custodies=tuple(moved))
