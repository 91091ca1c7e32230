"""How the profit of a row moves with each thing that is uncertain, everything else at its mean."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.errors import DomainError
from yieldtrade.strategies.inputs import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.strategies.row import Opportunity

POINTS = 121
# Standard deviations shown to each side, and the part of the mean shown where no spread is known.
SPREADS = 3.0
UNKNOWN_SPREAD = 0.5
# A price of the underlying falls further than it rises: shares of the price now.
RATIOS = (0.6, 1.2)
SHOWN_REDEMPTION = 0.9


class Payoff(NamedTuple):
    """Profit in USD after flat costs by the value of one factor; ``mean`` is the factor in the row's own scenario."""

    factor: str
    values: NDArray[np.float64]
    pnl_usd: NDArray[np.float64]
    mean: float


def payoffs(row: Opportunity, points: int = POINTS) -> Iterator[Payoff]:
    """Yield the payoff by each factor that moves the profit of a row; nothing where the row was never priced.

    Parameters
    ----------
    row
        A row of a screen, with the trade it was priced by.
    points
        Values of each factor, 2 or more.

    Raises
    ------
    DomainError
        ``points`` below 2.
    """
    import numpy as np

    if points < 2:  # noqa: PLR2004 - a line has two ends
        raise DomainError(f"points = {points!r}: 2 or more are needed to draw a line")
    if row.trade is None or row.scenario is None:
        return
    slopes = row.trade.gradient(row.scenario)
    for name in (item.name for item in fields(Scenario)):
        mean = getattr(row.scenario, name)
        if mean is None or not slopes.get(name):
            continue
        values = np.linspace(*_ends(name, float(mean), row.figures), points)
        pnl = np.asarray(row.trade.pnl(replace(row.scenario, **{name: values})), dtype=np.float64)
        yield Payoff(name, values, pnl - (row.flat_costs_usd or 0.0), float(mean))


def _ends(name: str, mean: float, figures: Mapping[str, float | None]) -> tuple[float, float]:
    """Return the values between which a factor is shown: three standard deviations around the mean.

    A rate whose mean is above 0 is not shown below 0.
    """
    if name.endswith("_ratio"):
        return RATIOS
    if name == "redemption_factor":
        return SHOWN_REDEMPTION, 1.0
    spread = figures.get(f"{name}_sd")
    reach = SPREADS * spread if spread else UNKNOWN_SPREAD * abs(mean)
    low = mean - reach
    return (max(low, 0.0) if mean > 0 else low), mean + reach
