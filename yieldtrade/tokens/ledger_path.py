"""The ledger of a YT position from a quote to maturity, one row an interest period (tokens.md 8-9)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import DAYS_PER_YEAR, growth_from_apy
from yieldtrade.elementwise import checked, positive
from yieldtrade.tokens.ledger import attribute_pnl
from yieldtrade.tokens.pricing import yt_price

if TYPE_CHECKING:
    from yieldtrade.tokens.yield_fee import YieldFeeBase


class LedgerRow(NamedTuple):
    """One interest period: where the position stands at its end, and where its profit came from, ST."""

    days_left: float
    yt_price: float
    yield_received: float
    amortisation: float
    market_move: float
    financing: float
    total: float
    st: float
    value: float


def ledger_to_maturity(
    *,
    yt: float,
    st: float,
    implied_apy: float,
    tau: float,
    settled_apy: float,
    period_days: float,
    yield_fee: float,
    yield_fee_base: YieldFeeBase,
) -> tuple[LedgerRow, ...]:
    """Carry a position to maturity at a constant implied yield and a constant settled APY.

    Parameters
    ----------
    yt, st
        Balances now, debt negative.
    implied_apy, tau
        Implied yield and years to maturity, above 0.
    settled_apy
        APY at which every period settles, fraction.
    period_days
        Length of a period, above 0; the last one is what is left.
    yield_fee, yield_fee_base
        Share of distributed yield that the venue takes, and what it is taken from.

    Returns
    -------
    tuple of LedgerRow
        The components of each row add up to its ``total`` exactly; the last row is maturity, where YT is worth 0.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    step = checked("period_days", period_days, positive("period_days")) / DAYS_PER_YEAR
    left, balance, rows = checked("tau", tau, positive("tau")), st, []
    for number in range(math.ceil(left / step), 0, -1):
        # counting periods back from maturity keeps the clock free of rounding that adds up
        period = left - (number - 1) * step if number > 1 else left
        split = attribute_pnl(
            yt=yt,
            st=balance,
            implied_start=implied_apy,
            implied_end=implied_apy,
            tau=left,
            period=period,
            growth=growth_from_apy(settled_apy, period),
            yield_fee=yield_fee,
            yield_fee_base=yield_fee_base,
        )
        left, balance = left - period, split.st_end
        price = yt_price(implied_apy, left)
        rows.append(
            LedgerRow(
                days_left=left * DAYS_PER_YEAR,
                yt_price=price,
                yield_received=split.yield_received,
                amortisation=split.amortisation,
                market_move=split.market_move,
                financing=split.financing,
                total=split.total,
                st=balance,
                value=balance + yt * price,
            )
        )
    return tuple(rows)
