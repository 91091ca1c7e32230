"""Pendle V2 pools with floats, one trade or arrays of them (amm.md 3-4, 6).

The pool trades PT against SY; YT is reached by a flash swap. Its exchange rate is PT per ST,
``E = exp(lambda*T)``, and every trade is priced as a whole at the share of PT that it leaves behind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.amm.base import Side, check_moments, check_reserve, check_state
from yieldtrade.amm.curve import CurveAmm
from yieldtrade.amm.fills import Leg
from yieldtrade.amm.solve import any_of, find_root, larger, namespace, pick, smaller
from yieldtrade.conventions import growth_from_apy, year_fraction
from yieldtrade.elementwise import Bound, evaluate
from yieldtrade.errors import DomainError

if TYPE_CHECKING:
    from yieldtrade.amm.base import Amount, Fill, Route, Unit
    from yieldtrade.amm.logit_fixed import MarketState

# compiled into the contracts, the same for every market
MAX_PROPORTION = 0.96
MAX_LAUNCH_FEE = 0.05
# half-width of the band of PT shares, 10 % to 90 %, that a market is set up for
LN9 = math.log(9.0)
HOUR_SECONDS = 3600
DUST_RAW_UNITS = 10**6
COARSE_DECIMALS = 8
PERCENT = 100.0

POSITIVE_TAU = Bound("tau", lambda tau, **_: tau > 0, "years to maturity: must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMarket:
    """The state as the contract stores it, for the integer path.

    ``index`` is asset per SY with 18 decimals; ``decimals`` are those of PT and of the asset.
    """

    state: MarketState
    index: int
    decimals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitAmm(CurveAmm):
    """A Pendle V2 market at one moment.

    Attributes
    ----------
    as_of, maturity
        Aware instants; T runs on the wall clock between them.
    total_pt, total_sy
        Reserves, whole tokens; arrays for many states at once.
    sy_index
        ST (asset) per SY.
    scalar_root, ln_fee_root
        The market's rate scalar before division by T, and ln of its yearly fee factor.
    reserve_fee_percent
        Share of the fee that goes to the treasury, percent.
    ln_implied_rate
        Lambda, ln(1 + implied APY) after the last trade; 0 or more.
    total_lp
        LP supply; needed for `lp_value` only.
    raw
        The same state in integers; needed for ``quote(..., exact=True)`` only.
    """

    as_of: datetime
    maturity: datetime
    total_pt: Amount
    total_sy: Amount
    sy_index: Amount
    scalar_root: Amount
    ln_fee_root: Amount
    reserve_fee_percent: Amount
    ln_implied_rate: Amount
    total_lp: Amount | None = None
    raw: RawMarket | None = None

    def __post_init__(self) -> None:
        check_moments(self.as_of, self.maturity)
        for name in ("total_pt", "total_sy", "sy_index", "scalar_root"):
            check_reserve(name, getattr(self, name))
        for name in ("ln_fee_root", "ln_implied_rate"):
            check_state(name, getattr(self, name))
        check_state("reserve_fee_percent", self.reserve_fee_percent, highest=PERCENT)

    @classmethod
    def from_raw(cls, raw: RawMarket, as_of: datetime) -> LogitAmm:
        """Build the market from the contract's integers, which are kept for the integer path."""
        state, token, one = raw.state, 10**raw.decimals, 10**18
        return cls(
            as_of=as_of,
            maturity=datetime.fromtimestamp(state.expiry, UTC),
            total_pt=state.total_pt / token,
            total_sy=state.total_sy / token,
            sy_index=raw.index / one,
            scalar_root=state.scalar_root / one,
            ln_fee_root=state.ln_fee_root / one,
            reserve_fee_percent=float(state.reserve_fee_percent),
            ln_implied_rate=state.last_ln_rate / one,
            total_lp=state.total_lp / token,
            raw=raw,
        )

    @property
    def tau(self) -> float:
        """Years to maturity."""
        return year_fraction(self.as_of, self.maturity)

    @property
    def total_asset(self) -> Amount:
        """SY reserve in ST."""
        return self.total_sy * self.sy_index

    @property
    def implied_yield(self) -> Amount:
        """Implied yield, effective annual, fraction."""
        return namespace(self.ln_implied_rate).expm1(self.ln_implied_rate)

    @property
    def rate_scalar(self) -> Amount:
        """The curve's scalar now, ``scalar_root/T``."""
        return self.scalar_root / self.tau

    @property
    def rate_anchor(self) -> Amount:
        """The curve's anchor now: E less what the present share of PT adds to it."""
        xp = namespace(self.total_pt, self.total_asset)
        return 1.0 + self._excess() - xp.log(self.total_pt / self.total_asset) / self.rate_scalar

    def at(self, now: datetime) -> LogitAmm:
        """Return the market with the same reserves and rate at another moment."""
        return replace(self, as_of=now)

    def _excess(self) -> Amount:
        """x0 = E - 1."""
        return namespace(self.ln_implied_rate).expm1(self.ln_implied_rate * self.tau)

    def _fee_excess(self) -> Amount:
        """f1: the fee factor less 1."""
        return namespace(self.ln_fee_root).expm1(self.ln_fee_root * self.tau)

    def _logit_shift(self, pt_out: Amount, asset_in: Amount) -> Amount:
        """Change of E when the pool gives ``pt_out`` and takes ``asset_in``, both signed."""
        out, gained = pt_out / self.total_pt, asset_in / self.total_asset
        xp = namespace(out, gained)
        return (xp.log1p(-out) - xp.log1p(gained)) / self.rate_scalar

    def _rate(self, pt_out: Amount) -> Amount:
        """x(n): exchange rate of a trade less 1; n is negative where the pool receives PT."""
        return self._excess() + self._logit_shift(pt_out, pt_out)

    def _leg(self, side: Side, units: Amount) -> Leg:
        fee_excess = self._fee_excess()
        if side.raises_yield:
            pt_out = -units
            rate = self._rate(pt_out)
            pt_st = units / (1.0 + rate)
            fee = pt_st * fee_excess / (1.0 + fee_excess)
        else:
            pt_out = units
            # at the cap the rate equals the floor; rounding must not take it below
            rate = larger(self._rate(pt_out), fee_excess)
            pt_st = units / (1.0 + rate)
            fee = pt_st * fee_excess
        reserve = fee * self.reserve_fee_percent / PERCENT
        asset_in = fee - reserve + (pt_st if not side.raises_yield else -pt_st)
        return Leg(pt_st if side.is_pt else pt_st * rate, fee, reserve, self._after(pt_out, asset_in))

    def _after(self, pt_out: Amount, asset_in: Amount) -> LogitAmm:
        growth = self._logit_shift(pt_out, asset_in) / (1.0 + self._excess())
        ln_rate = self.ln_implied_rate + namespace(growth).log1p(growth) / self.tau
        return replace(
            self,
            total_pt=self.total_pt - pt_out,
            total_sy=self.total_sy + asset_in / self.sy_index,
            # a fee-free trade to the very floor leaves a rate of 0, whatever the rounding says
            ln_implied_rate=larger(ln_rate, 0.0),
            raw=None,
        )

    def _limit(self, side: Side) -> tuple[Amount, Any]:
        if side is Side.BUY_PT:
            return self._floor()
        if side is Side.SELL_YT:
            return self._yt_peak()
        cap = larger(MAX_PROPORTION * (self.total_pt + self.total_asset) - self.total_pt, 0.0)
        if side is Side.BUY_YT:
            return cap, "proportion_cap"
        return self._pt_peak(cap)

    def _floor(self) -> tuple[Amount, Any]:
        """PT at which the rate after fee reaches 1: ``(1 - n/PT)/(1 + n/A) = exp(-scalar*(x0 - f1))``."""
        room = larger((self._excess() - self._fee_excess()) * self.rate_scalar, 0.0)
        xp = namespace(room, self.total_pt)
        floor = -xp.expm1(-room) / (1.0 / self.total_pt + xp.exp(-room) / self.total_asset)
        # far from the floor the sum rounds to the whole reserve, and the last PT cannot be priced
        last = xp.nextafter(self.total_pt, 0.0)
        return smaller(floor, last), pick(floor > last, lambda: "reserve", "rate_floor")

    def _pt_peak(self, cap: Amount) -> tuple[Amount, Any]:
        scalar = self.rate_scalar

        def falling(units: Amount) -> Amount:
            """Minus the sign of d/dn of ``n/E(-n)``."""
            steepness = 1.0 / (self.total_pt + units) + 1.0 / (self.total_asset - units)
            return units * steepness / scalar - (1.0 + self._rate(-units))

        past = falling(cap) > 0
        size = pick(past, lambda: find_root(falling, 0.0 * cap, cap).below, cap)
        return size, pick(past, lambda: "proceeds_peak", "proportion_cap")

    def _yt_peak(self) -> tuple[Amount, Any]:
        (floor, binding), fee_excess, scalar = self._floor(), self._fee_excess(), self.rate_scalar

        def falling(units: Amount) -> Amount:
            """Minus the sign of d/dn of ``n*(x - f1)/(1 + x)``."""
            rate = self._rate(units)
            steepness = 1.0 / (self.total_pt - units) + 1.0 / (self.total_asset + units)
            return (1.0 + fee_excess) * units * steepness / scalar - (1.0 + rate) * (rate - fee_excess)

        past = (floor > 0) & (falling(floor) > 0)
        size = pick(past, lambda: find_root(falling, 0.0 * floor, floor).below, floor)
        return size, pick(past, lambda: "proceeds_peak", binding)

    def _route(self, side: Side) -> Route:
        return "native" if side.is_pt else "flash"

    @property
    def expiry_warnings(self) -> tuple[str, ...]:
        """The warning ``near_expiry`` in the last hour, when the contract's own rounding shows."""
        seconds = (self.maturity - self.as_of).total_seconds()
        return ("near_expiry",) if seconds < HOUR_SECONDS else ()

    def _warnings(self, _side: Side, units: Amount) -> tuple[str, ...]:
        if self.raw is None or self.raw.decimals > COARSE_DECIMALS:
            return self.expiry_warnings
        dust = any_of((units > 0) & (units * 10**self.raw.decimals < DUST_RAW_UNITS))
        return (*self.expiry_warnings, "dust") if dust else self.expiry_warnings

    def _exact_fill(self, side: Side, size: Any, unit: Unit) -> Fill:
        from yieldtrade.amm.logit_exact import exact_fill

        return exact_fill(self, side, size, unit)


class MarketParameters(NamedTuple):
    """What a new market is set up with: anchor, scalar root and ln of the yearly fee factor."""

    anchor: Amount
    scalar_root: Amount
    ln_fee_root: Amount


def market_parameters(min_yield: Amount, max_yield: Amount, fee: Amount, tau: Amount) -> MarketParameters:
    """Choose the parameters of a new market for a range of yields (amm.md 4).

    Parameters
    ----------
    min_yield, max_yield
        Yields at which 10 % and 90 % of the pool are PT; effective annual, fractions. Not hard limits.
    fee
        Yearly fee on the growth factor, fraction; the venue takes at most 0.05.
    tau
        Years to maturity at launch, above 0.

    Returns
    -------
    MarketParameters

    Raises
    ------
    DomainError
        Yields out of order or below 0, ``tau`` not positive, a fee outside the venue's range.
    """
    lowest, highest = growth_from_apy(min_yield, tau), growth_from_apy(max_yield, tau)
    scalar_root = evaluate(
        lambda xp, lowest, highest, tau, **_: LN9 * tau / ((highest - lowest) / 2.0),
        (
            POSITIVE_TAU,
            Bound("min_yield", lambda min_yield, **_: min_yield >= 0, "must be 0 or more"),
            Bound("max_yield", lambda lowest, highest, **_: highest > lowest, "must be above min_yield"),
        ),
        "raise",
        min_yield=min_yield,
        max_yield=max_yield,
        lowest=lowest,
        highest=highest,
        tau=tau,
    )
    ln_fee_root = evaluate(
        lambda xp, fee: xp.log1p(fee),
        (Bound("fee", lambda fee: (fee >= 0) & (fee <= MAX_LAUNCH_FEE), "must be from 0 to 0.05"),),
        "raise",
        fee=fee,
    )
    return MarketParameters(1.0 + (lowest + highest) / 2.0, scalar_root, ln_fee_root)


def initial_proportion(implied_yield: Amount, anchor: Amount, scalar_root: Amount, tau: Amount) -> Amount:
    """Share of PT (against PT plus ST) to open a market at ``implied_yield`` (amm.md 4).

    Parameters
    ----------
    implied_yield
        Wanted yield, fraction above -1.
    anchor, scalar_root
        From `market_parameters`.
    tau
        Years to maturity, above 0.

    Raises
    ------
    DomainError
        Outside these domains.
    """
    return evaluate(
        lambda xp, implied_yield, anchor, scalar_root, tau: (
            # the logistic function, without its overflow
            0.5 + 0.5 * xp.tanh((xp.exp(tau * xp.log1p(implied_yield)) - anchor) * scalar_root / tau / 2.0)
        ),
        (
            POSITIVE_TAU,
            Bound("implied_yield", lambda implied_yield, **_: implied_yield > -1, "must be above -1"),
            Bound("scalar_root", lambda scalar_root, **_: scalar_root > 0, "must be positive"),
        ),
        "raise",
        implied_yield=implied_yield,
        anchor=anchor,
        scalar_root=scalar_root,
        tau=tau,
    )


class YieldRange(NamedTuple):
    """Yields at which 10 % and 90 % of the pool would be PT, with the anchor of the moment."""

    lowest: Amount
    highest: Amount


def yield_range(amm: LogitAmm) -> YieldRange:
    """Band of yields that the market is built for now (amm.md 4); it drifts as the anchor is refitted.

    The lower end is NaN where it would need a growth factor of 0 or less.

    Raises
    ------
    ExpiredError
        The market has matured.
    """
    amm.spot("PT")
    centre, half = amm.rate_anchor - 1.0, LN9 / amm.rate_scalar
    ends = [
        evaluate(
            lambda xp, growth, tau: xp.expm1(xp.log1p(growth) / tau),
            (Bound("growth", lambda growth, **_: growth > -1, "must be above -1"),),
            "nan",
            growth=growth,
            tau=amm.tau,
        )
        for growth in (centre - half, centre + half)
    ]
    return YieldRange(*ends)


def lp_value(amm: LogitAmm, *, mean_ln_rate: Amount | None = None, haircut: Amount = 1.0) -> Amount:
    """ST per LP token: spot, or hard to manipulate with a mean rate (amm.md 4).

    Parameters
    ----------
    amm
        The market; matured ones are valued at redemption.
    mean_ln_rate
        Time-weighted mean of lambda, from `twap_ln_rate`. The reserves are taken to where the pool would
        stand at that rate. None values them at the present rate.
    haircut
        Solvency haircut, from `tokens.ledger.solvency_haircut`; 1 for a sound SY.

    Raises
    ------
    DomainError
        No LP supply, or a haircut outside 0 to 1.
    """
    if amm.total_lp is None:
        raise DomainError("total_lp = None: the LP supply is needed to value one LP token; state it")
    check_reserve("total_lp", amm.total_lp)
    check_state("haircut", haircut, highest=1.0)
    if amm.as_of >= amm.maturity:
        value = amm.total_pt + amm.total_asset
    elif mean_ln_rate is None:
        value = amm.total_asset + amm.total_pt * amm.spot("PT")
    else:
        value = _value_at_mean_rate(amm, mean_ln_rate)
    return value / amm.total_lp * haircut


def _value_at_mean_rate(amm: LogitAmm, mean_ln_rate: Amount) -> Amount:
    check_state("mean_ln_rate", mean_ln_rate)
    xp = namespace(mean_ln_rate, amm.implied_yield, amm.total_pt, amm.total_asset)
    pt, asset = amm.total_pt, amm.total_asset
    rate_now, rate_mean = xp.exp(amm.ln_implied_rate * amm.tau), xp.exp(mean_ln_rate * amm.tau)
    rate_half = (rate_now + rate_mean) / 2.0
    logit = amm.rate_scalar * (rate_mean - amm.rate_anchor)
    # exp(logit) is PT per ST in the pool at the mean rate; n PT would trade to get there
    ratio = xp.exp(-abs(logit))
    n = pick(
        logit > 0,
        lambda: (asset - ratio * pt) / (ratio + 1.0 / rate_half),
        (ratio * asset - pt) / (1.0 + ratio / rate_half),
    )
    return asset - n / rate_half + (pt + n) / rate_mean


def divergence_loss(
    amm: LogitAmm, *, lp: Amount, pt_in: Amount, st_in: Amount, haircut: Amount = 1.0
) -> Amount:
    """Value of ``lp`` LP tokens over that of the PT and ST put in for them, minus 1 (amm.md 4).

    Fees raise it, and so does every trade of a size, since a trade is priced as a whole at its end.

    Raises
    ------
    DomainError
        As `lp_value`, or nothing was put in.
    """
    check_reserve("pt_in", pt_in)
    check_reserve("st_in", st_in)
    pt_now = 1.0 if amm.as_of >= amm.maturity else amm.spot("PT")
    held = (pt_in * pt_now + st_in) * haircut
    return lp * lp_value(amm, haircut=haircut) / held - 1.0
