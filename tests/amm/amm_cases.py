"""Venues for the tests of amm: from golden files, from the worked example, and drawn at random."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import assume
from hypothesis import strategies as st

from yieldtrade.amm.base import Side
from yieldtrade.amm.clmm import ClmmAmm, range_from_yields
from yieldtrade.amm.logit import LogitAmm, RawMarket
from yieldtrade.amm.logit_fixed import MarketState
from yieldtrade.amm.rate_clmm import RateClmmAmm, RateRange
from yieldtrade.amm.reference import ConstantProductAmm, YieldSpaceAmm
from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.tokens.pricing import yt_price

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
SIDES = tuple(Side)


def golden(name):
    """Read one golden file."""
    path = Path(__file__).parent.parent / "golden" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def pendle_state(given):
    """Read the contract state of a golden case."""
    return MarketState(
        total_pt=int(given["totalPt"]),
        total_sy=int(given["totalSy"]),
        total_lp=int(given["totalLp"]),
        scalar_root=int(given["scalarRoot"]),
        expiry=int(given["expiry"]),
        ln_fee_root=int(given["lnFeeRateRoot"]),
        reserve_fee_percent=int(given["reserveFeePercent"]),
        last_ln_rate=int(given["lastLnImpliedRate"]),
    )


def pendle_amm(given):
    """Build the float market of a golden case, in whole tokens."""
    raw = RawMarket(state=pendle_state(given), index=int(given["pyIndex"]), decimals=given["decimals"])
    return LogitAmm.from_raw(raw, datetime.fromtimestamp(given["blockTime"], UTC))


def example_state(**changes):
    """State of the worked example: 10 % implied, 180 days, as much PT as SY."""
    state = {
        "total_pt": 1000 * 10**18,
        "total_sy": 1000 * 10**18,
        "total_lp": 1000 * 10**18,
        "scalar_root": 50 * 10**18,
        "expiry": 1_800_000_000,
        "ln_fee_root": 3 * 10**15,
        "reserve_fee_percent": 80,
        "last_ln_rate": 95310179804324864,
    }
    return MarketState(**{**state, **changes})


EXAMPLE_NOW = 1_800_000_000 - 15_552_000


def example_amm(**changes):
    """Market of the worked example."""
    raw = RawMarket(state=example_state(**changes), index=10**18, decimals=18)
    return LogitAmm.from_raw(raw, datetime.fromtimestamp(EXAMPLE_NOW, UTC))


def logit_amm(**changes):
    """Float market of the worked example, without raw state."""
    fields = {
        "as_of": NOW,
        "maturity": NOW + timedelta(days=180),
        "total_pt": 1000.0,
        "total_sy": 1000.0,
        "sy_index": 1.0,
        "scalar_root": 50.0,
        "ln_fee_root": 0.003,
        "reserve_fee_percent": 80.0,
        "ln_implied_rate": math.log(1.1),
        "total_lp": 1000.0,
    }
    return LogitAmm(**{**fields, **changes})


def clmm_amm(*, implied=0.35, days=81.0, bounds=((0.25, 0.5, 1e6),), fee=0.001, management=0.0, **changes):
    """Pool of YT and ST with ranges given as (lower yield, upper yield, liquidity)."""
    seconds = days * 86_400
    tau = seconds / YEAR_SECONDS
    fields = {
        "as_of": NOW,
        "maturity": NOW + timedelta(seconds=seconds),
        "epoch_anchor": NOW,
        "epoch_seconds": 604_800.0,
        "sqrt_price": math.sqrt(yt_price(implied, tau)),
        "ranges": tuple(range_from_yields(low, high, liquidity, tau, 10) for low, high, liquidity in bounds),
        "trading_fee": fee,
        "lp_fee_share": 0.5,
        "pt_management_fee": management,
        "tick_spacing": 10,
    }
    return ClmmAmm(**{**fields, **changes})


def rate_amm(*, implied=0.15, days=200.0, bounds=((0.05, 0.4, 1e6),), ln_fee_root=0.01, **changes):
    """Pool in rate space with ranges given as (lower yield, upper yield, liquidity)."""
    fields = {
        "as_of": NOW,
        "maturity": NOW + timedelta(days=days),
        "u": 1.0 + implied,
        "ranges": tuple(
            RateRange(lower_yield=low, upper_yield=high, liquidity=liquidity)
            for low, high, liquidity in bounds
        ),
        "ln_fee_root": ln_fee_root,
        "treasury_bps": 2000.0,
        "has_order_book": False,
    }
    return RateClmmAmm(**{**fields, **changes})


def yieldspace_amm(*, implied=0.12, days=182.5, scale=1e6, stretch=1.0, fee=0.0):
    """YieldSpace pool that stands at an implied yield."""
    return YieldSpaceAmm(
        as_of=NOW,
        maturity=NOW + timedelta(days=days),
        st_reserve=scale,
        pt_reserve=scale * (1.0 + implied) ** (1.0 / stretch),
        time_stretch=stretch,
        discount_fee=fee,
    )


def product_amm(*, implied=0.35, days=81.0, scale=1e6, fee=0.001):
    """Constant product pool that stands at an implied yield."""
    price = yt_price(implied, days / 365)
    return ConstantProductAmm(
        as_of=NOW,
        maturity=NOW + timedelta(days=days),
        st_reserve=scale * price,
        yt_reserve=scale,
        trading_fee=fee,
        lp_fee_share=0.5,
    )


YIELDS = st.floats(0.01, 0.8)
DAYS = st.floats(2.0, 500.0)
SCALES = st.floats(1.0, 1e12)


@st.composite
def logit_amms(draw, *, fees=True):
    """Pendle markets: yields 1-80 %, 2-500 days, 15-85 % PT."""
    share, scale = draw(st.floats(0.15, 0.85)), draw(SCALES)
    index = draw(st.floats(0.8, 4.0))
    return logit_amm(
        maturity=NOW + timedelta(days=draw(DAYS)),
        total_pt=share * scale,
        total_sy=(1.0 - share) * scale / index,
        sy_index=index,
        scalar_root=draw(st.floats(5.0, 400.0)),
        ln_fee_root=draw(st.floats(0.0, 0.01)) if fees else 0.0,
        reserve_fee_percent=draw(st.floats(0.0, 100.0)),
        ln_implied_rate=math.log1p(draw(YIELDS)),
    )


@st.composite
def bounds_around(draw, implied):
    """Draw up to three ranges in yields, the first of which holds ``implied``."""
    pairs = [(implied * draw(st.floats(0.4, 0.95)), implied * draw(st.floats(1.05, 2.0)), draw(SCALES))]
    for _ in range(draw(st.integers(0, 2))):
        low = implied * draw(st.floats(0.3, 2.0))
        pairs.append((low, low * draw(st.floats(1.1, 2.0)), pairs[0][2] * draw(st.floats(0.1, 10.0))))
    return tuple(pairs)


@st.composite
def clmm_amms(draw, *, fees=True):
    """RateX-type pools with one to three ranges, possibly with gaps."""
    implied = draw(YIELDS)
    return clmm_amm(
        implied=implied,
        days=draw(DAYS),
        bounds=draw(bounds_around(implied)),
        fee=draw(st.floats(0.0, 0.01)) if fees else 0.0,
        management=draw(st.sampled_from([0.0, 0.05])) if fees else 0.0,
    )


@st.composite
def rate_amms(draw, *, fees=True):
    """Exponent-type pools with one to three ranges, possibly with gaps."""
    implied = draw(YIELDS)
    return rate_amm(
        implied=implied,
        days=draw(DAYS),
        bounds=draw(bounds_around(implied)),
        ln_fee_root=draw(st.floats(0.0, 0.02)) if fees else 0.0,
    )


@st.composite
def yieldspace_amms(draw, *, fees=True):
    """YieldSpace pools."""
    return yieldspace_amm(
        implied=draw(YIELDS),
        days=draw(st.floats(2.0, 300.0)),
        scale=draw(SCALES),
        stretch=draw(st.floats(0.1, 1.0)),
        fee=draw(st.floats(0.0, 0.05)) if fees else 0.0,
    )


@st.composite
def product_amms(draw, *, fees=True):
    """Constant product pools."""
    return product_amm(
        implied=draw(YIELDS),
        days=draw(DAYS),
        scale=draw(SCALES),
        fee=draw(st.floats(0.0, 0.01)) if fees else 0.0,
    )


def additive_amms(*, fees=True):
    """Venues on which a trade costs the same in one piece or in several (sections 7-9)."""
    return st.one_of(
        clmm_amms(fees=fees), rate_amms(fees=fees), yieldspace_amms(fees=fees), product_amms(fees=fees)
    )


def all_amms(*, fees=True):
    """Every kind of venue."""
    return st.one_of(logit_amms(fees=fees), additive_amms(fees=fees))


@st.composite
def trades(draw, amms, sides=SIDES, most=1.0):
    """Draw a venue, a side and a size of 1e-6 to ``most`` of the largest, spread over the orders."""
    amm, side = draw(amms), draw(st.sampled_from(sides))
    share = most * 10.0 ** draw(st.floats(-6.0, 0.0))
    size = share * amm.max_size(side).size
    assume(size > 0)
    return amm, side, size
