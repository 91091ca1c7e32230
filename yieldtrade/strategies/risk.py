"""Probability of loss of a trade: the delta method, and simulation with shared random numbers (strategies.md 7).

A trade is anything with ``pnl(scenario)`` and ``gradient(scenario)``. What is uncertain about its scenario is a
tuple of :class:`Factor`, each named after a field of :class:`~yieldtrade.strategies.inputs.Scenario`.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from yieldtrade.strategies.inputs import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

TAIL = 0.05
_NORMAL = NormalDist()
# Mean of the worst 5 % of a standard normal, 2.062713 (strategies.md 7).
ES_FACTOR = _NORMAL.pdf(_NORMAL.inv_cdf(TAIL)) / TAIL


class Trade(Protocol):
    """What risk needs of a strategy: its profit, and how the profit moves with each factor."""

    def pnl(self, scenario: Scenario) -> Any:
        """Profit at a scenario; numbers or arrays."""

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:
        """Derivative of the profit by each field of the scenario that moves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One uncertain field of a scenario.

    ``samples`` are the forecast's own outcomes where it has any; else a normal (rates, never below ``floor``)
    or a lognormal (prices) with this mean and standard deviation.
    """

    name: str
    mean: float
    sd: float
    samples: NDArray[np.float64] | None = None
    floor: float | None = None
    shape: Literal["normal", "lognormal"] = "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Risks:
    """The factors of a trade; ``rho`` correlates the exit implied yield with the settled APY."""

    factors: tuple[Factor, ...]
    rho: float = 0.0

    def named(self, name: str) -> Factor | None:
        """Return the factor of that name, or None."""
        return next((factor for factor in self.factors if factor.name == name), None)

    def means(self) -> Scenario:
        """Return the scenario in which every factor takes its mean."""
        return Scenario(**{factor.name: factor.mean for factor in self.factors})


class Outcomes(NamedTuple):
    """Simulated profits; ``odds`` are each path's probability of liquidation, which pays ``liquidated``."""

    pnl: NDArray[np.float64]
    odds: NDArray[np.float64] | None
    liquidated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LossFigures:
    """What may be lost. ``p_loss`` and ``es5`` are the headline, whichever method it comes from.

    The expected profit is ``mean_at_means + mean_shift``; the shift is 0 unless the simulation is the headline.
    """

    mean_at_means: float
    mean_shift: float
    sd: float
    p_loss: float
    p_loss_no_mark: float
    p_below_hurdle: float
    p_liquidation: float | None
    es5: float
    p_loss_delta: float
    p_loss_simulated: float
    simulation_error: float
    draws: int
    nonlinear: bool


class Draws:
    """Standard normals shared by every row of a screen: common random numbers, antithetic, by seed and factor.

    The same seed gives the same numbers whatever the order in which rows ask for them.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._normals: dict[tuple[str, int], NDArray[np.float64]] = {}
        self._bridges: dict[tuple[int, int], NDArray[np.float64]] = {}

    def normal(self, factor: str, count: int) -> NDArray[np.float64]:
        """Return ``count`` standard normals of a factor; the second half mirrors the first."""
        key = (factor, count)
        if key not in self._normals:
            self._normals[key] = _antithetic(self._generator(factor), (count,))
        return self._normals[key]

    def bridge(self, count: int, steps: int) -> NDArray[np.float64]:
        """Return Brownian bridges with unit variance a step, shape (steps + 1, count), 0 at both ends."""
        import numpy as np

        key = (count, steps)
        if key not in self._bridges:
            walk = np.cumsum(_antithetic(self._generator("path"), (steps, count)), axis=0)
            part = np.arange(1, steps + 1)[:, None] / steps
            self._bridges[key] = np.vstack([np.zeros((1, count)), walk - part * walk[-1]])
        return self._bridges[key]

    def _generator(self, factor: str) -> np.random.Generator:
        import numpy as np

        return np.random.default_rng([self.seed, zlib.crc32(factor.encode())])


def delta_method(trade: Trade, risks: Risks) -> tuple[float, float, float]:
    """Mean and spread of the profit to first order, ``m = PnL(means)``, ``s^2 = g' Cov g`` (strategies.md 7).

    Returns
    -------
    tuple of float
        ``m``, ``s``, and ``s`` with the exit implied yield held at its mean.
    """
    means = risks.means()
    slopes = trade.gradient(means)
    moves = {factor.name: slopes.get(factor.name, 0.0) * factor.sd for factor in risks.factors}
    mark = moves.get("exit_implied", 0.0)
    rest = math.fsum(move * move for name, move in moves.items() if name != "exit_implied")
    cross = 2.0 * risks.rho * moves.get("settled_apy", 0.0) * mark
    variance = max(math.fsum((rest, mark * mark, cross)), 0.0)
    return float(trade.pnl(means)), math.sqrt(variance), math.sqrt(rest)


def normal_below(threshold: float, mean: float, sd: float) -> float:
    """Probability that a normal lies below a threshold; for ``sd`` of 0, whether the mean does."""
    if sd == 0:
        return 1.0 if mean < threshold else 0.0
    return _NORMAL.cdf((threshold - mean) / sd)


def normal_shortfall(mean: float, sd: float) -> float:
    """Expected loss in the worst 5 % of a normal profit, ``max(0, 2.062713*s - m)`` (strategies.md 7)."""
    return max(0.0, ES_FACTOR * sd - mean)


def first_passage(distance: float, drift: float, spread: float) -> float:
    """Probability that a Brownian motion with drift reaches 0, watched without pause (strategies.md 7).

    ``Phi((-x - m)/s) + exp(-2*m*x/s^2)*Phi((-x + m)/s)`` from ``x > 0``.

    Parameters
    ----------
    distance
        Distance x to the barrier at the start.
    drift, spread
        Mean m and standard deviation s of its change over the whole time; ``s`` 0 is a straight line.
    """
    from scipy.special import log_ndtr

    if distance <= 0 or (spread == 0 and distance + drift <= 0):
        return 1.0
    if spread == 0:
        return 0.0
    # in logarithms: the exponential may overflow where the probability beside it vanishes
    reflected = -2.0 * drift * distance / (spread * spread) + float(log_ndtr((drift - distance) / spread))
    return min(1.0, _NORMAL.cdf((-distance - drift) / spread) + math.exp(reflected))


def simulate(
    trade: Trade,
    risks: Risks,
    draws: Draws,
    count: int,
    *,
    flat_costs: float = 0.0,
    liquidation: Callable[[Scenario], NDArray[np.float64]] | None = None,
    liquidated: float = 0.0,
) -> Outcomes:
    """Draw scenarios and return the profit of each.

    Parameters
    ----------
    trade, risks
        What is held and what is uncertain about it.
    draws
        Shared random numbers.
    count
        Outcomes; a forecast's samples are repeated in order if there are fewer.
    flat_costs
        Costs of every outcome, such as gas.
    liquidation
        Probability of liquidation on the way, for each drawn scenario; None where there is none.
    liquidated
        Profit after a liquidation, before flat costs.
    """
    import numpy as np

    drawn: dict[str, Any] = {}
    standard: NDArray[np.float64] | None = None
    for factor in risks.factors:
        values = _draw(factor, draws, count, risks.rho if factor.name == "exit_implied" else 0.0, standard)
        if factor.name == "settled_apy":
            standard = (values - factor.mean) / factor.sd if factor.sd > 0 else np.zeros(count)
        drawn[factor.name] = values
    scenario = Scenario(**drawn)
    pnl = np.broadcast_to(np.asarray(trade.pnl(scenario), dtype=np.float64), (count,))
    odds = liquidation(scenario) if liquidation is not None else None
    return Outcomes(pnl - flat_costs, odds, liquidated - flat_costs)


def share_below(outcomes: Outcomes, threshold: float) -> float:
    """Share of the outcomes below a threshold, liquidations counted."""
    import numpy as np

    below = outcomes.pnl < threshold
    if outcomes.odds is None:
        return float(np.count_nonzero(below)) / below.size
    caught = 1.0 if outcomes.liquidated < threshold else 0.0
    return float(np.mean(outcomes.odds * caught + (1.0 - outcomes.odds) * below))


def shortfall(outcomes: Outcomes) -> float:
    """Expected loss in the worst 5 % of the outcomes, 0 if even those gain."""
    import numpy as np

    pnl, weight = outcomes.pnl, np.ones(outcomes.pnl.size)
    if outcomes.odds is not None:
        pnl = np.append(pnl, outcomes.liquidated)
        weight = np.append(1.0 - outcomes.odds, outcomes.odds.sum())
    order = np.argsort(pnl, kind="stable")
    reached = np.cumsum(weight[order])
    wanted = TAIL * reached[-1]
    # the outcome on the edge of the tail counts with the part of it that lies inside
    inside = np.clip(wanted - (reached - weight[order]), 0.0, weight[order])
    return max(0.0, -float(inside @ pnl[order]) / wanted)


def mean_outcome(outcomes: Outcomes) -> float:
    """Mean of the outcomes, liquidations counted."""
    import numpy as np

    if outcomes.odds is None:
        return float(np.mean(outcomes.pnl))
    return float(np.mean(outcomes.odds * outcomes.liquidated + (1.0 - outcomes.odds) * outcomes.pnl))


def probability_of_loss(
    trade: Trade,
    risks: Risks,
    draws: Draws,
    *,
    count: int,
    hurdle_pnl: float = 0.0,
    flat_costs: float = 0.0,
    simulation_gap: float,
    liquidation_gap: float,
    p_liquidation: float | None = None,
    liquidation: Callable[[Scenario], NDArray[np.float64]] | None = None,
    liquidated: float = 0.0,
    exact: Callable[[float], float] | None = None,
) -> LossFigures:
    """Return every loss figure of a trade by both methods, and which of them is the headline (strategies.md 7).

    Parameters
    ----------
    trade, risks, draws, count, flat_costs, liquidation, liquidated
        As in :func:`simulate`.
    hurdle_pnl
        Profit that the hurdle rate would have made.
    simulation_gap, liquidation_gap
        The simulation is the headline (``nonlinear``) where the methods differ by more than the first, or the
        probability of liquidation exceeds the second.
    p_liquidation
        Closed form of the probability of liquidation; the simulation's replaces it where paths are simulated.
    exact
        Probability that the profit less flat costs lies below a threshold, where a closed form exists; it
        replaces the delta method.
    """
    at_means, sd, sd_no_mark = delta_method(trade, risks)
    mean = at_means - flat_costs
    below = exact or (lambda threshold: normal_below(threshold, mean, sd))
    outcomes = simulate(
        trade,
        risks,
        draws,
        count,
        flat_costs=flat_costs,
        liquidation=liquidation,
        liquidated=liquidated,
    )
    delta, simulated = below(0.0), share_below(outcomes, 0.0)
    if outcomes.odds is not None:
        p_liquidation = float(outcomes.odds.mean())
    nonlinear = abs(delta - simulated) > simulation_gap or (p_liquidation or 0.0) > liquidation_gap
    return LossFigures(
        mean_at_means=mean,
        mean_shift=mean_outcome(outcomes) - mean if nonlinear else 0.0,
        sd=sd,
        p_loss=simulated if nonlinear else delta,
        p_loss_no_mark=delta if sd_no_mark == sd else normal_below(0.0, mean, sd_no_mark),
        p_below_hurdle=share_below(outcomes, hurdle_pnl) if nonlinear else below(hurdle_pnl),
        p_liquidation=p_liquidation,
        es5=shortfall(outcomes) if nonlinear else normal_shortfall(mean, sd),
        p_loss_delta=delta,
        p_loss_simulated=simulated,
        simulation_error=1.96 * math.sqrt(simulated * (1.0 - simulated) / count),
        draws=count,
        nonlinear=nonlinear,
    )


def crossing_odds(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability that each path touched 0, watched without pause (Brownian-bridge test).

    Parameters
    ----------
    distance
        Distance to the barrier, shape (steps + 1, paths), in standard deviations of one step; below 0 is past
        it.

    Returns
    -------
    numpy.ndarray
        Shape (paths,): 1 where a step ended past the barrier, else ``1 - prod(1 - exp(-2 a b))`` over the
        steps from a to b.
    """
    import numpy as np

    within = np.maximum(distance, 0.0)
    passed = np.exp(-2.0 * within[:-1] * within[1:])
    return np.asarray(1.0 - np.prod(1.0 - passed, axis=0))


def _antithetic(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    import numpy as np

    count = shape[-1]
    half = generator.standard_normal((*shape[:-1], (count + 1) // 2))
    return np.concatenate([half, -half], axis=-1)[..., :count]


def _draw(
    factor: Factor, draws: Draws, count: int, rho: float, standard: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    import numpy as np

    if factor.samples is not None and factor.samples.size:
        return np.resize(factor.samples, count)
    if factor.sd == 0:
        return np.full(count, factor.mean)
    noise = draws.normal(factor.name, count)
    if rho and standard is not None:
        noise = rho * standard + math.sqrt(1.0 - rho * rho) * noise
    if factor.shape == "lognormal":
        log_variance = math.log1p((factor.sd / factor.mean) ** 2)
        return np.asarray(factor.mean * np.exp(math.sqrt(log_variance) * noise - 0.5 * log_variance))
    values = factor.mean + factor.sd * noise
    return values if factor.floor is None else np.maximum(values, factor.floor)
