"""Quotes of a Pendle market through the contract's integers (amm.md 5-6)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from yieldtrade.amm import logit_fixed
from yieldtrade.amm.admission import admit, size_problem
from yieldtrade.amm.base import Side
from yieldtrade.amm.fills import Leg, fill_of
from yieldtrade.amm.fixed_math import ONE
from yieldtrade.errors import CapacityError, DomainError

if TYPE_CHECKING:
    from yieldtrade.amm.base import Fill, Unit
    from yieldtrade.amm.logit import LogitAmm, RawMarket


def exact_fill(amm: LogitAmm, side: Side, size: Any, unit: Unit) -> Fill:
    """Price one trade with the contract's arithmetic.

    Parameters
    ----------
    amm
        A market built with `LogitAmm.from_raw`.
    side
        What is traded.
    size
        A number (float, int, Decimal or Fraction), read as the decimals it prints and rounded down to raw
        units: tokens, or ST. A purchase for ST is found with the venue's own bisection.
    unit
        ``"token"`` or ``"st"``.

    Raises
    ------
    DomainError
        The market holds no raw state, the size is not one number, or smaller than one raw unit.
    CapacityError, ExpiredError, ConvergenceError
        What the contract would revert.
    """
    raw = amm.raw
    if raw is None:
        raise DomainError("exact = True needs the raw state; build the market with LogitAmm.from_raw")
    wanted = _fraction(size)
    if wanted == 0:
        return replace(amm.quote(side, 0.0), amm_after=amm, path="integer", warnings=amm.expiry_warnings)
    try:
        units = _raw_units(amm, raw, side, wanted, unit)
        trade, sy = _execute(amm, raw, side, units)
    except CapacityError as refused:
        raise _in_tokens(refused, raw.decimals) from refused
    after = amm.from_raw(replace(raw, state=trade.after), amm.as_of)
    st, fee, reserve = (_st(raw, amount) for amount in (sy, trade.fee_sy, trade.reserve_sy))
    return fill_of(
        amm,
        side,
        units / 10**raw.decimals,
        Leg(st - fee if side.is_buy else st + fee, fee, reserve, after),
        st,
        route="native" if side.is_pt else "flash",
        path="integer",
        warnings=amm.expiry_warnings,
    )


def _fraction(size: Any) -> Fraction:
    try:
        wanted = Fraction(str(size)) if not isinstance(size, (bool, str)) else None
    except ValueError:
        wanted = None
    if wanted is None or wanted < 0:
        raise DomainError(f"size = {size!r}: exact = True prices one finite number of 0 or more")
    return wanted


def _raw_units(amm: LogitAmm, raw: RawMarket, side: Side, wanted: Fraction, unit: Unit) -> int:
    """Turn the size asked for into raw PT or YT."""
    if unit == "token":
        units = wanted * 10**raw.decimals
    elif side.is_buy:
        units = Fraction(_bought_for(amm, raw, side, wanted))
    else:
        units = Fraction(amm.quote(side, float(wanted), unit="st").units) * 10**raw.decimals
    if units < 1:
        raise DomainError(f"size = {float(wanted)!r} is less than one raw unit of {10**-raw.decimals:g}")
    return int(units)


def _bought_for(amm: LogitAmm, raw: RawMarket, side: Side, st: Fraction) -> int:
    most = amm.max_size(side)
    admit(
        "size",
        float(st),
        (0.0, most.st),
        0.0,
        on_error="raise",
        problem=lambda asked: size_problem(asked, most.binding),
    )
    sy = logit_fixed.to_sy(int(st * 10**raw.decimals), raw.index)
    search = logit_fixed.swap_exact_sy_for_pt if side is Side.BUY_PT else logit_fixed.swap_exact_sy_for_yt
    return search(raw.state, raw.index, _seconds(amm), sy).size


def _execute(amm: LogitAmm, raw: RawMarket, side: Side, units: int) -> tuple[logit_fixed.Trade, int]:
    """Return the PT trade and the SY that the trader pays or receives."""
    state, index, now = raw.state, raw.index, _seconds(amm)
    if side is Side.BUY_YT:
        bought = logit_fixed.swap_sy_for_exact_yt(state, index, now, units)
        return bought.leg, bought.sy
    if side is Side.SELL_YT:
        sold = logit_fixed.swap_exact_yt_for_sy(state, index, now, units)
        return sold.leg, sold.sy
    trade = logit_fixed.execute_trade(state, index, now, units if side is Side.BUY_PT else -units)
    return trade, abs(trade.net_sy)


def _seconds(amm: LogitAmm) -> int:
    return int(amm.as_of.timestamp())


def _st(raw: RawMarket, sy: int) -> float:
    value: float = sy * raw.index / (ONE * 10**raw.decimals)
    return value


def _in_tokens(refused: CapacityError, decimals: int) -> CapacityError:
    """Restate a refusal in whole tokens."""
    if isinstance(refused.maximum, float):
        return refused
    token = 10**decimals
    return CapacityError(
        f"{refused}; in tokens the largest is {refused.maximum / token!r}",
        requested=refused.requested / token,
        maximum=refused.maximum / token,
        binding=refused.binding,
    )
