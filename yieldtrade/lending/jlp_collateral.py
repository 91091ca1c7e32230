"""JLP as collateral: premium, weights that shrink with size, and what liquidates a loan in coins (strategies.md 2.7).

Buffers of a liquidation LTV, shortfalls and the mechanics of JLP loans are in `pool.safety` and `pool.loans`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yieldtrade.elementwise import Bound, checked, evaluate, not_negative, positive, where
from yieldtrade.errors import DomainError
from yieldtrade.lending.leverage import leverage_cap

if TYPE_CHECKING:
    from collections.abc import Mapping

# Part of a liability weight that the size term is added to; a constant of the program.
LIABILITY_BASE = 0.8

_PREMIUM = Bound("premium", lambda premium: premium > -1, "must be above -1: a token cannot cost nothing")


def premium_leverage_cap(max_ltv: Any, premium: Any) -> Any:
    """Largest spend multiple where the lender counts virtual price, ``1/(1 - max_ltv/(1+pi))`` (strategies.md 2.7).

    Parameters
    ----------
    max_ltv
        Largest loan to value at which borrowing is allowed, in [0, 1).
    premium
        Market price over virtual price less 1, above -1; negative for a discount.

    Returns
    -------
    float or numpy.ndarray
        Infinite where a discount makes the loan to value no limit.

    Raises
    ------
    DomainError
        A value outside its range.
    """
    paid = evaluate(lambda xp, premium: 1.0 + premium, (_PREMIUM,), "raise", premium=premium)
    return leverage_cap(max_ltv, 1.0, paid)


def asset_weight(weight: Any, imf: Any, size: Any, numerator: Any) -> Any:
    """Weight of a deposit that shrinks with its size, ``min(w, n/(1 + imf*sqrt(size)))`` (strategies.md 2.7).

    Parameters
    ----------
    weight
        Of a small deposit, initial or maintenance; 0 or more.
    imf
        Size factor, 0 or more; 0 switches the rule off.
    size
        Whole tokens, 0 or more.
    numerator
        n, above 0; published with the venue's rules.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        _asset_weight,
        (not_negative("weight"), not_negative("imf"), not_negative("size"), positive("numerator")),
        "raise",
        weight=weight,
        imf=imf,
        size=size,
        numerator=numerator,
    )


def _asset_weight(xp: Any, weight: Any, imf: Any, size: Any, numerator: Any) -> Any:
    shrunk = numerator / (1.0 + imf * xp.sqrt(size))
    return where(xp, (imf > 0) & (shrunk < weight), shrunk, weight)


def liability_weight(weight: Any, imf: Any, size: Any) -> Any:
    """Weight of a debt that grows with its size, ``max(w, 0.8 w + imf*sqrt(size))`` (strategies.md 2.7).

    Parameters
    ----------
    weight
        Of a small debt, initial or maintenance; above 0.
    imf, size
        As in :func:`asset_weight`.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        _liability_weight,
        (positive("weight"), not_negative("imf"), not_negative("size")),
        "raise",
        weight=weight,
        imf=imf,
        size=size,
    )


def _liability_weight(xp: Any, weight: Any, imf: Any, size: Any) -> Any:
    grown = LIABILITY_BASE * weight + imf * xp.sqrt(size)
    return where(xp, grown > weight, grown, weight)


def weights_leverage_cap(asset: Any, liability: Any) -> Any:
    """Largest spend multiple under weights, ``1/(1 - w_asset/w_liability)`` (strategies.md 4.6).

    Parameters
    ----------
    asset
        Weight of the deposit, 0 or more and below that of the debt.
    liability
        Weight of the debt, above 0.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        lambda xp, asset, liability: 1.0 / (1.0 - asset / liability),
        (
            not_negative("asset"),
            positive("liability"),
            Bound("asset", lambda asset, liability: asset < liability, "must be below the liability weight"),
        ),
        "raise",
        asset=asset,
        liability=liability,
    )


def tick_ratio(tick: Any, base: Any) -> Any:
    """Debt over collateral at a tick of Jupiter Lend, ``base^tick`` (strategies.md 2.7).

    Parameters
    ----------
    tick
        A whole number.
    base
        Ratio of two neighbouring ticks, above 1; published with the venue's rules.

    Raises
    ------
    DomainError
        A broken tick, or a base that is not above 1.
    """
    return evaluate(
        lambda xp, tick, base: xp.exp(tick * xp.log(base)),
        (
            Bound("tick", lambda tick, base: tick % 1 == 0, "must be a whole number"),
            Bound("base", lambda tick, base: base > 1, "must be above 1"),
        ),
        "raise",
        tick=tick,
        base=base,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedAccount:
    """JLP against debts in coins, each at its weight; USD.

    Parameters
    ----------
    collateral_usd, asset_weight
        JLP and its weight.
    debts_usd, liability_weights
        Debts by coin, and a weight for each.
    exposure_shares
        Part of one JLP's value that moves with each coin; none for a JLP taken to stand still.

    Raises
    ------
    DomainError
        A value outside its domain, or a debt without a weight.
    """

    collateral_usd: float
    asset_weight: float
    debts_usd: Mapping[str, float]
    liability_weights: Mapping[str, float]
    exposure_shares: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in ("collateral_usd", "asset_weight"):
            checked(name, getattr(self, name), positive(name))
        for coin, debt in self.debts_usd.items():
            checked(f"debt of {coin}", debt, not_negative(f"debt of {coin}"))
            if coin not in self.liability_weights:
                raise DomainError(f"liability_weights has no {coin}; state its weight beside its debt")
            name = f"liability weight of {coin}"
            checked(name, self.liability_weights[coin], positive(name))
        for coin, share in self.exposure_shares.items():
            checked(f"exposure share of {coin}", share)

    @property
    def weighted_collateral(self) -> float:
        """What the collateral counts for."""
        return self.collateral_usd * self.asset_weight

    @property
    def weighted_debt(self) -> float:
        """What the debts count for."""
        return math.fsum(debt * self.liability_weights[coin] for coin, debt in self.debts_usd.items())

    @property
    def health(self) -> float:
        """Part of the weighted collateral that is free; the account is liquidated at 0 (maintenance weights)."""
        return 1.0 - self.weighted_debt / self.weighted_collateral

    @property
    def fall_to_liquidation(self) -> float:
        """Relative fall of JLP, the debts standing still, at which health is 0; negative once past it."""
        return self.health


def coin_move_to_liquidation(account: WeightedAccount, coin: str) -> float | None:
    """Relative move of one coin alone that exhausts an account (strategies.md 8).

    The coin moves its debt and, by its exposure share, the collateral: exact while positions are frozen. A rise
    liquidates where the debt outweighs the exposure, a fall where the exposure outweighs the debt.

    Returns
    -------
    float or None
        Positive for a rise, negative for a fall; None where no move of -100 % or more does it.

    Raises
    ------
    DomainError
        The account neither owes the coin nor holds any exposure to it.
    """
    if coin not in account.debts_usd and coin not in account.exposure_shares:
        held = ", ".join(sorted({*account.debts_usd, *account.exposure_shares}))
        raise DomainError(f"coin = {coin!r}: the account knows {held or 'none'}")
    free = account.weighted_collateral - account.weighted_debt
    owed = account.debts_usd.get(coin, 0.0) * account.liability_weights.get(coin, 0.0)
    against = owed - account.weighted_collateral * account.exposure_shares.get(coin, 0.0)
    if against == 0:
        return None
    move = free / against
    return move if move >= -1 else None
