"""State of a Pendle market in raw integers, and what its trades are priced with (amm.md 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.amm.fixed_math import ONE, div, exp_fixed, ln_fixed, mul, quotient
from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.errors import CapacityError, DomainError, ExpiredError

if TYPE_CHECKING:
    from yieldtrade.amm.base import Binding

# compiled into the contracts, the same for every market
MAX_PROPORTION = 96 * ONE // 100
ROUTER_SHARE = (999, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """What the contract stores of one market.

    Attributes
    ----------
    total_pt, total_sy, total_lp
        Reserves and LP supply, raw units.
    scalar_root, ln_fee_root, last_ln_rate
        18 decimals: rate scalar before division by time, ln of the yearly fee factor, ln(1 + APY) after the
        last trade.
    expiry
        Unix seconds.
    reserve_fee_percent
        Share of the fee that leaves the pool, whole percent.
    """

    total_pt: int
    total_sy: int
    total_lp: int
    scalar_root: int
    expiry: int
    ln_fee_root: int
    reserve_fee_percent: int
    last_ln_rate: int

    def __post_init__(self) -> None:
        check_whole("scalar_root", self.scalar_root)
        for name in ("total_pt", "total_sy", "total_lp", "expiry", "ln_fee_root", "last_ln_rate"):
            check_whole(name, getattr(self, name), lowest=0)
        check_whole("reserve_fee_percent", self.reserve_fee_percent, lowest=0)


def check_whole(name: str, value: int, lowest: int | None = None) -> None:
    """Refuse anything but a whole number, of at least ``lowest``.

    Raises
    ------
    DomainError
        A float, a boolean, text, or less than ``lowest``.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise DomainError(f"{name} = {value!r}: raw amounts are whole numbers (int)")
    if lowest is not None and value < lowest:
        raise DomainError(f"{name} = {value}: a whole number of at least {lowest} is required")


class Terms(NamedTuple):
    """What a trade is priced with: scalar, total asset, anchor and fee factor at the moment of the trade."""

    rate_scalar: int
    total_asset: int
    rate_anchor: int
    fee_rate: int
    time_to_expiry: int


def to_asset(sy: int, index: int) -> int:
    """Asset value of an SY amount of either sign, rounded toward zero."""
    return quotient(sy * index, ONE)


def to_asset_up(sy: int, index: int) -> int:
    """Asset value of an SY amount of either sign, rounded away from zero."""
    return _signed(sy, -(-abs(sy) * index // ONE))


def to_sy(asset: int, index: int) -> int:
    """SY amount of an asset value of either sign, rounded toward zero."""
    return quotient(asset * ONE, index)


def to_sy_up(asset: int, index: int) -> int:
    """SY amount of an asset value of either sign, rounded away from zero."""
    return _signed(asset, -(-abs(asset) * ONE // index))


def _signed(like: int, size: int) -> int:
    return size if like >= 0 else -size


def exchange_rate_from_ln_rate(ln_rate: int, time_to_expiry: int) -> int:
    """PT per asset at a rate, ``exp(lambda*T)``, 18 decimals."""
    return exp_fixed(quotient(ln_rate * time_to_expiry, YEAR_SECONDS))


def precompute(state: MarketState, index: int, now: int) -> Terms:
    """Derive what a trade at ``now`` is priced with; the anchor is refitted to the last rate.

    Parameters
    ----------
    state
        The market.
    index
        Asset per SY, 18 decimals.
    now
        Unix seconds.

    Raises
    ------
    ExpiredError
        ``now`` at or after expiry.
    DomainError
        Empty reserves, or a scalar that is not positive.
    """
    check_whole("index", index, lowest=1)
    time_to_expiry = seconds_to_expiry(state, now)
    total_asset = to_asset(state.total_sy, index)
    _require_reserves(state.total_pt, total_asset)
    rate_scalar = _scalar(state, time_to_expiry)
    rate = exchange_rate_from_ln_rate(state.last_ln_rate, time_to_expiry)
    proportion = div(state.total_pt, state.total_pt + total_asset)
    return Terms(
        rate_scalar,
        total_asset,
        rate - div(_logit(proportion), rate_scalar),
        exchange_rate_from_ln_rate(state.ln_fee_root, time_to_expiry),
        time_to_expiry,
    )


def exchange_rate(state: MarketState, index: int, now: int, pt_out: int) -> tuple[int, int]:
    """PT per asset at which ``pt_out`` PT (negative: sold) would trade, before and after the fee."""
    check_whole("pt_out", pt_out)
    terms = precompute(state, index, now)
    before = rate_of(state.total_pt, terms, pt_out)
    return before, div(before, terms.fee_rate) if pt_out > 0 else mul(before, terms.fee_rate)


def max_pt_in(state: MarketState, index: int, now: int) -> int:
    """Largest amount of PT that the pool takes: the 96 % share, or the peak of the proceeds before that.

    Raises
    ------
    CapacityError
        The pool holds more than 96 % PT already, so that nothing can be sold; the contract fails here.
    """
    largest = _max_pt_in(state.total_pt, precompute(state, index, now))
    if largest < 0:
        raise CapacityError(
            "no PT can be sold: the pool holds more than 96 % PT already; buy PT or wait",
            requested=0,
            maximum=0,
            binding="proportion_cap",
        )
    return largest


def max_pt_out(state: MarketState, index: int, now: int) -> int:
    """Largest amount of PT that the venue's router buys: 99.9 % of the way to an exchange rate of one.

    Raises
    ------
    CapacityError
        The fee alone takes the rate below one, so that nothing can be bought; the contract fails here.
    """
    largest = _max_pt_out(state.total_pt, precompute(state, index, now))
    if largest < 0:
        raise CapacityError(
            "no PT can be bought: the fee alone takes the exchange rate below one; sell PT or wait",
            requested=0,
            maximum=0,
            binding="rate_floor",
        )
    return largest


def initial_ln_rate(state: MarketState, index: int, now: int, anchor: int) -> int:
    """Rate of a new pool, ln(1 + APY) with 18 decimals, from its first reserves and ``anchor``."""
    time_to_expiry = seconds_to_expiry(state, now)
    total_asset = to_asset(state.total_sy, index)
    _require_reserves(state.total_pt, total_asset)
    return ln_rate_of(
        state.total_pt, Terms(_scalar(state, time_to_expiry), total_asset, anchor, ONE, time_to_expiry)
    )


def seconds_to_expiry(state: MarketState, now: int) -> int:
    """Seconds left; at expiry itself the market is closed."""
    check_whole("now", now)
    if now >= state.expiry:
        raise ExpiredError(
            f"now = {now}: the market expired at {state.expiry} (MarketExpired); use redemption_value"
        )
    return state.expiry - now


def _scalar(state: MarketState, time_to_expiry: int) -> int:
    scalar = quotient(state.scalar_root * YEAR_SECONDS, time_to_expiry)
    if scalar <= 0:
        raise DomainError(
            f"scalar_root = {state.scalar_root}: the rate scalar must be positive (MarketRateScalarBelowZero)"
        )
    return scalar


def _require_reserves(total_pt: int, total_asset: int) -> None:
    if total_pt <= 0 or total_asset <= 0:
        raise DomainError(
            f"total_pt = {total_pt}, total_asset = {total_asset}: an empty pool has no price "
            "(MarketZeroTotalPtOrTotalAsset)"
        )


def _logit(proportion: int) -> int:
    return ln_fixed(div(proportion, ONE - proportion))


def rate_of(total_pt: int, terms: Terms, pt_out: int) -> int:
    """PT per asset at which the whole of ``pt_out`` trades, at the share of PT that it leaves."""
    proportion = div(total_pt - pt_out, total_pt + terms.total_asset)
    if proportion > MAX_PROPORTION:
        maximum = room(total_pt, terms, pt_out)
        raise refusal("MarketProportionTooHigh", pt_out, maximum, "proportion_cap")
    rate = div(_logit(proportion), terms.rate_scalar) + terms.rate_anchor
    if rate < ONE:
        maximum = room(total_pt, terms, pt_out)
        raise refusal("MarketExchangeRateBelowOne", pt_out, maximum, "rate_floor")
    return rate


def ln_rate_of(total_pt: int, terms: Terms) -> int:
    """Lambda of reserves on the curve of ``terms``."""
    return quotient(ln_fixed(rate_of(total_pt, terms, 0)) * YEAR_SECONDS, terms.time_to_expiry)


def refusal(revert: str, pt_out: int, maximum: int, binding: Binding) -> CapacityError:
    """Build the error for a trade that the contract reverts with ``revert``."""
    verb = "buy" if pt_out > 0 else "sell"
    return CapacityError(
        f"{verb} {abs(pt_out)} raw PT: refused by the venue ({revert}); the largest is {maximum} ({binding})",
        requested=abs(pt_out),
        maximum=maximum,
        binding=binding,
    )


def room(total_pt: int, terms: Terms, pt_out: int) -> int:
    """Return the largest trade in the direction of ``pt_out``; 0 where the contract cannot compute it."""
    try:
        largest = (_max_pt_out if pt_out > 0 else _max_pt_in)(total_pt, terms)
    except DomainError:
        return 0
    return max(largest, 0)


def _max_pt_out(total_pt: int, terms: Terms) -> int:
    power = exp_fixed(mul(terms.fee_rate - terms.rate_anchor, terms.rate_scalar))
    floor_share = div(power, power + ONE)
    kept, whole = ROUTER_SHARE
    return quotient((total_pt - mul(floor_share, total_pt + terms.total_asset)) * kept, whole)


def _max_pt_in(total_pt: int, terms: Terms) -> int:
    low, high = 0, terms.total_asset - 1
    while low != high:
        middle = (low + high + 1) // 2
        if _slope(middle, total_pt, terms) < 0:
            high = middle - 1
        else:
            low = middle
    return min(low, mul(MAX_PROPORTION, total_pt + terms.total_asset) - total_pt)


def _slope(pt_in: int, total_pt: int, terms: Terms) -> int:
    """Sign of the change of the proceeds with the size, before fees."""
    left, right = pt_in + total_pt, terms.total_asset - pt_in
    steepness = quotient(pt_in * (total_pt + terms.total_asset) * ONE, left * right)
    return terms.rate_anchor - mul(steepness - ln_fixed(div(left, right)), div(ONE, terms.rate_scalar))
