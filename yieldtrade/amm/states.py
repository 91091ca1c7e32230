"""From a stored state to the venue it describes: which curve, which numbers, and what is missing (amm.md 3, 7, 8).

What a state does not hold is taken from the contract's terms; what neither states is an error that names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from yieldtrade.errors import DataError
from yieldtrade.market import epoch_clock, years_to_maturity
from yieldtrade.tokens.pricing import implied_yield_from_yt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from yieldtrade.amm.base import Amm
    from yieldtrade.market import AmmState, Contract


def amm_of(contract: Contract, stored: AmmState, moment: datetime) -> Amm:
    """Build the venue of a contract as its stored state describes it, at a moment.

    Parameters
    ----------
    contract
        States maturity, clock, and the parameters that the state lacks.
    stored
        The state; its reserves are taken to be unchanged until ``moment``.
    moment
        The moment of the trade, aware.

    Raises
    ------
    MarketDefinitionError
        A number that the curve needs is neither in the state nor in the contract's terms.
    DataError
        The state is of an unknown kind, or its ranges are not as that kind writes them.
    DomainError
        A number outside its range.
    """
    build = _BUILDERS.get(stored.kind)
    if build is None:
        raise DataError(
            f"{contract.contract_id}: no curve is of kind {stored.kind!r}; known are {', '.join(_BUILDERS)}"
        )
    return build(_Numbers(contract, stored), moment)


class _Numbers:
    """A state and the terms behind it."""

    def __init__(self, contract: Contract, stored: AmmState) -> None:
        self.contract = contract
        self.at = stored.at
        self.state: Mapping[str, Any] = stored.state

    def __getitem__(self, name: str) -> float:
        value = self.state.get(name)
        if value is None:
            return self.contract.terms.number(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(f"{self.contract.contract_id}: {name} = {value!r} in its state is not a number")
        return float(value)

    def percent(self, name: str, share: str) -> float:
        """Return a percentage that terms state as a share of one."""
        return self[name] if name in self.state else 100.0 * self[share]

    def optional(self, name: str) -> float | None:
        """Return a number that a curve can do without."""
        return self[name] if name in self.state or name in self.contract.terms else None

    def ranges(self, *names: str) -> list[dict[str, float]]:
        """Return the ranges of liquidity, each with the numbers named."""
        found = self.state.get("ranges")
        if not isinstance(found, list) or not found:
            raise DataError(f"{self.contract.contract_id}: its state has no list of ranges")
        for number, item in enumerate(found, 1):
            missing = [name for name in names if not isinstance(item, dict) or name not in item]
            if missing:
                raise DataError(f"{self.contract.contract_id}: range {number} lacks {', '.join(missing)}")
        return [{name: float(item[name]) for name in names} for item in found]


def _logit(given: _Numbers, moment: datetime) -> Amm:
    from yieldtrade.amm.logit import LogitAmm

    return LogitAmm(
        as_of=moment,
        maturity=given.contract.maturity,
        total_pt=given["total_pt"],
        total_sy=given["total_sy"],
        sy_index=given["sy_index"],
        scalar_root=given["scalar_root"],
        ln_fee_root=given["ln_fee_root"],
        reserve_fee_percent=given.percent("reserve_fee_percent", "reserve_fee"),
        ln_implied_rate=given["last_ln_implied_rate"],
        total_lp=given.optional("total_lp"),
    )


def _clmm(given: _Numbers, moment: datetime) -> Amm:
    from yieldtrade.amm.clmm import ClmmAmm, LiquidityRange

    anchor, seconds = epoch_clock(given.contract)
    tau = years_to_maturity(given.contract, given.at)
    return ClmmAmm(
        as_of=moment,
        maturity=given.contract.maturity,
        epoch_anchor=anchor,
        epoch_seconds=seconds,
        sqrt_price=given["sqrt_price"],
        ranges=tuple(
            LiquidityRange(**item, **_yields(item, tau))
            for item in given.ranges("liquidity", "lower_sqrt", "upper_sqrt")
        ),
        trading_fee=given["trading_fee"],
        lp_fee_share=given["lp_fee_share"],
        pt_management_fee=given["pt_management_fee"],
        tick_spacing=int(given["tick_spacing"]),
    )


def _yields(item: Mapping[str, float], tau: float) -> dict[str, float]:
    """Return the yields that the ends of a range stood for when it was stored; none for an open end."""
    low, high = item["lower_sqrt"] ** 2, item["upper_sqrt"] ** 2
    if not (tau > 0 and 0 < low < high < 1):
        return {}
    return {
        "lower_yield": implied_yield_from_yt(low, tau),
        "upper_yield": implied_yield_from_yt(high, tau),
    }


def _rate_clmm(given: _Numbers, moment: datetime) -> Amm:
    from yieldtrade.amm.rate_clmm import RateClmmAmm, RateRange

    return RateClmmAmm(
        as_of=moment,
        maturity=given.contract.maturity,
        u=1.0 + given["implied_apy"],
        ranges=tuple(RateRange(**item) for item in given.ranges("liquidity", "lower_yield", "upper_yield")),
        ln_fee_root=given["ln_fee_root"],
        treasury_bps=given["treasury_bps"],
        has_order_book=given.contract.terms.get("has_order_book") is True,
    )


_BUILDERS: dict[str, Callable[[_Numbers, datetime], Amm]] = {
    "logit": _logit,
    "clmm": _clmm,
    "rate_clmm": _rate_clmm,
}
