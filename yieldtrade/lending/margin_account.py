"""Accounts that weigh collateral and debt: their limits, and which moves exhaust them (strategies.md 2.7).

A coin owed counts more than it is worth and a token held less. An account may take on debt while its collateral at
initial weights covers the debt at initial weights, and is liquidated once it does not at maintenance weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from yieldtrade.elementwise import Bound, checked, evaluate, not_negative, positive, where
from yieldtrade.errors import DataError, DomainError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Parts of a debt are given as decimals; they add up to the whole to this precision.
WHOLE = 1e-9

_ASSET_WEIGHT = Bound(
    "asset_weight", lambda asset_weight, **_: (asset_weight > 0) & (asset_weight <= 1), "must lie in (0, 1]"
)
_LIABILITY_WEIGHT = Bound(
    "liability_weight", lambda liability_weight, **_: liability_weight >= 1, "must be 1 or more"
)


def discounted_weight(asset_weight: Any, imf: Any, size: Any) -> Any:
    """Weight of a large deposit, ``min(w, 1.1/(1 + imf*sqrt(size)))`` (strategies.md 2.7).

    Parameters
    ----------
    asset_weight
        Weight w of a small deposit, above 0 and at most 1.
    imf
        Factor of the size discount, 0 or more.
    size
        Tokens, 0 or more.

    Raises
    ------
    DomainError
        A value outside its domain.
    """
    return evaluate(
        _discounted,
        (_ASSET_WEIGHT, not_negative("imf"), not_negative("size")),
        "raise",
        asset_weight=asset_weight,
        imf=imf,
        size=size,
    )


def _discounted(xp: Any, asset_weight: Any, imf: Any, size: Any) -> Any:
    limit = 1.1 / (1.0 + imf * xp.sqrt(size))
    return where(xp, limit < asset_weight, limit, asset_weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountWeights:
    """Weights of a collateral and of the debt against it, on opening and for liquidation.

    Raises
    ------
    DomainError
        An asset weight outside (0, 1], a liability weight below 1.
    DataError
        Maintenance weights that are not looser than the initial ones.
    """

    initial_asset: float
    initial_liability: float
    maintenance_asset: float
    maintenance_liability: float

    def __post_init__(self) -> None:
        for asset in (self.initial_asset, self.maintenance_asset):
            checked("asset_weight", asset, _ASSET_WEIGHT)
        for liability in (self.initial_liability, self.maintenance_liability):
            checked("liability_weight", liability, _LIABILITY_WEIGHT)
        if not self.max_ltv < self.liquidation_ltv:
            raise DataError(
                f"maintenance weights {self.maintenance_asset!r} and {self.maintenance_liability!r} leave no room "
                f"below the initial ones, {self.initial_asset!r} and {self.initial_liability!r}; correct the terms"
            )

    @property
    def max_ltv(self) -> float:
        """Debt over collateral up to which one may borrow; levered at most ``1/(1 - w_a/w_l)``."""
        return self.initial_asset / self.initial_liability

    @property
    def liquidation_ltv(self) -> float:
        """Debt over collateral from which one is liquidated."""
        return self.maintenance_asset / self.maintenance_liability


def check_basket(basket: Mapping[str, float]) -> None:
    """Refuse parts of a debt that are not the whole of it.

    Raises
    ------
    DomainError
        A part that is not positive, or parts that do not add up to 1.
    """
    for coin, part in basket.items():
        checked(f"part of {coin}", part, positive(f"part of {coin}"))
    total = math.fsum(basket.values())
    if abs(total - 1.0) > WHOLE:
        raise DomainError(f"the parts of the debt add up to {total!r}, not to 1: {dict(basket)!r}")


def exhausting_moves(
    *, ltv: float, liquidation_ltv: float, exposure: Mapping[str, float], basket: Mapping[str, float]
) -> dict[str, float | None]:
    """Relative move of each coin that, alone, brings an account to its limit.

    The collateral moves by its exposure to the coin and the debt by the part owed in it, both linearly:
    ``ltv*(1 + b*m) = liq*(1 + e*m)``.

    Parameters
    ----------
    ltv, liquidation_ltv
        Debt over collateral now, 0 or more, and at the limit, above 0.
    exposure
        Part of the collateral's value that moves with each coin.
    basket
        Part of the debt owed in each coin.

    Returns
    -------
    dict
        A fall below 0 or a rise above 0 for every coin of either; None where none does. A coin owed beyond what
        the collateral holds of it exhausts by a rise.

    Raises
    ------
    DomainError
        A value that is not finite or outside its domain.
    """
    room = checked("liquidation_ltv", liquidation_ltv, positive("liquidation_ltv")) - checked(
        "ltv", ltv, not_negative("ltv")
    )
    found: dict[str, float | None] = {}
    for coin in sorted({*exposure, *basket}):
        held = checked(f"exposure to {coin}", exposure.get(coin, 0.0))
        slope = ltv * basket.get(coin, 0.0) - liquidation_ltv * held
        move = room / slope if slope != 0 else math.inf
        # at a move that leaves the collateral without value the limit was passed before
        found[coin] = move if -1 <= move < math.inf else None
    return found
