"""Probability of loss of a trade: the delta method, and simulation with shared random numbers (strategies.md 7).

A trade is anything with ``pnl(scenario)`` and ``gradient(scenario)``. What is uncertain about its scenario is a
tuple of :class:`Factor`, each named after a field of :class:`~yieldtrade.strategies.inputs.Scenario`.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from yieldtrade.strategies.inputs import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

TAIL = 0.05
# Paths that stay this many standard deviations of a step away reach the barrier less than once in 10^21.
FAR = 5.0
# A distance in steps that no path covers; it stands for infinity, which has no product with 0.
OUT_OF_REACH = 1e9

Monitoring: TypeAlias = Literal["continuous", "discrete"]
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

    def means(self) -> Scenario:
        """Return the scenario in which every factor takes its mean."""
        return Scenario(**{factor.name: factor.mean for factor in self.factors})


class Outcomes(NamedTuple):
    """Simulated profits; ``odds`` are each path's probability of liquidation, which pays ``liquidated``."""

    pnl: NDArray[np.float64]
    odds: NDArray[np.float64] | None = None
    liquidated: float = 0.0

    def less(self, flat_costs: float) -> Outcomes:
        """Return the outcomes after costs that every one of them bears."""
        return (
            Outcomes(self.pnl - flat_costs, self.odds, self.liquidated - flat_costs) if flat_costs else self
        )


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


class Bridge(NamedTuple):
    """Brownian bridges of shape (steps + 1, paths), and the lowest point of each."""

    paths: NDArray[np.float64]
    lowest: NDArray[np.float64]


class Draws:
    """Standard normals shared by every row of a screen: common random numbers, antithetic, by seed and factor.

    The same seed gives the same numbers whatever the order in which rows ask for them.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._normals: dict[tuple[str, int], NDArray[np.float64]] = {}
        self._bridges: dict[tuple[int, int, int], Bridge] = {}

    def normal(self, factor: str, count: int) -> NDArray[np.float64]:
        """Return ``count`` standard normals of a factor; the second half mirrors the first."""
        key = (factor, count)
        if key not in self._normals:
            self._normals[key] = _antithetic(self._generator(factor), (count,))
        return self._normals[key]

    def bridge(self, count: int, steps: int, sign: int) -> Bridge:
        """Return Brownian bridges with unit variance a step, 0 at both ends, mirrored where ``sign`` is -1."""
        import numpy as np

        key = (count, steps, sign)
        if key not in self._bridges:
            walk = np.cumsum(_antithetic(self._generator("path"), (steps, count)), axis=0)
            part = np.arange(1, steps + 1)[:, None] / steps
            paths = sign * np.vstack([np.zeros((1, count)), walk - part * walk[-1]])
            self._bridges[key] = Bridge(paths, paths.min(axis=0))
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


def draw_scenario(risks: Risks, draws: Draws, count: int) -> Scenario:
    """Draw ``count`` scenarios: every uncertain field an array, a forecast's samples repeated in order.

    Parameters
    ----------
    risks
        What is uncertain.
    draws
        Shared random numbers.
    count
        How many.
    """
    import numpy as np

    drawn: dict[str, Any] = {}
    standard: NDArray[np.float64] | None = None
    for factor in risks.factors:
        rho = risks.rho if factor.name == "exit_implied" else 0.0
        values = _draw(factor, draws, count, rho, standard)
        if factor.name == "settled_apy":
            standard = (values - factor.mean) / factor.sd if factor.sd > 0 else np.zeros(count)
        drawn[factor.name] = values
    return Scenario(**drawn)


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

    pnl, wanted = outcomes.pnl, TAIL * outcomes.pnl.size
    weight, caught = np.ones(pnl.size), 0.0
    if outcomes.odds is not None:
        weight, caught = 1.0 - outcomes.odds, float(outcomes.odds.sum())
    # the worst outcomes that can weigh as much as the tail, however much of them was liquidated before
    enough = min(math.ceil(wanted + caught) + 1, pnl.size)
    worst = np.argpartition(pnl, enough - 1)[:enough]
    pnl, weight = np.append(pnl[worst], outcomes.liquidated), np.append(weight[worst], caught)
    order = np.argsort(pnl, kind="stable")
    reached = np.cumsum(weight[order])
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
    outcomes: Outcomes,
    *,
    hurdle_pnl: float = 0.0,
    flat_costs: float = 0.0,
    simulation_gap: float,
    liquidation_gap: float,
    p_liquidation: float | None = None,
    exact: Callable[[float], float] | None = None,
) -> LossFigures:
    """Return every loss figure of a trade by both methods, and which of them is the headline (strategies.md 7).

    Parameters
    ----------
    trade, risks
        What is held and what is uncertain about it.
    outcomes
        Simulated profits, before flat costs.
    hurdle_pnl
        Profit that the hurdle rate would have made.
    flat_costs
        Costs of every outcome, such as gas.
    simulation_gap, liquidation_gap
        The simulation is the headline (``nonlinear``) where the methods differ by more than the first, or the
        probability of liquidation exceeds the second.
    p_liquidation
        Closed form of the probability of liquidation; the simulation's replaces it where paths are simulated.
    exact
        Probability that the profit lies below a threshold, where a closed form exists; it replaces the delta
        method.
    """
    mean, sd, sd_no_mark = delta_method(trade, risks)
    below = exact or (lambda threshold: normal_below(threshold, mean, sd))
    delta, simulated = below(flat_costs), share_below(outcomes, flat_costs)
    if outcomes.odds is not None:
        p_liquidation = float(outcomes.odds.mean())
    nonlinear = abs(delta - simulated) > simulation_gap or (p_liquidation or 0.0) > liquidation_gap
    hurdle, es5 = below(hurdle_pnl + flat_costs), normal_shortfall(mean - flat_costs, sd)
    if nonlinear:
        hurdle, es5 = share_below(outcomes, hurdle_pnl + flat_costs), shortfall(outcomes.less(flat_costs))
    count = outcomes.pnl.size
    return LossFigures(
        mean_at_means=mean - flat_costs,
        mean_shift=mean_outcome(outcomes) - mean if nonlinear else 0.0,
        sd=sd,
        p_loss=simulated if nonlinear else delta,
        p_loss_no_mark=delta if sd_no_mark == sd else normal_below(flat_costs, mean, sd_no_mark),
        p_below_hurdle=hurdle,
        p_liquidation=p_liquidation,
        es5=es5,
        p_loss_delta=delta,
        p_loss_simulated=simulated,
        simulation_error=1.96 * math.sqrt(simulated * (1.0 - simulated) / count),
        draws=count,
        nonlinear=nonlinear,
    )


def passage_odds(start: Any, end: Any, spread: float) -> NDArray[np.float64]:
    """Probability that a Brownian bridge between two distances to a barrier touched it, ``exp(-2*a*b/s^2)``.

    Parameters
    ----------
    start, end
        Distances a and b to the barrier, numbers or arrays; 0 or less lies past it.
    spread
        Standard deviation s of the motion over the whole time; 0 is a straight line.
    """
    import numpy as np

    left, right = np.maximum(start, 0.0), np.maximum(end, 0.0)
    if spread == 0:
        return np.where((left == 0) | (right == 0), 1.0, 0.0)
    return np.asarray(np.exp(-2.0 * left * right / (spread * spread)))


def crossing_odds(
    start: NDArray[np.float64],
    share_of_end: NDArray[np.float64],
    end: NDArray[np.float64],
    bridge: Bridge,
    monitoring: Monitoring = "continuous",
) -> NDArray[np.float64]:
    """Probability that each path touched the barrier (Brownian-bridge test between the moments).

    The distance of path i to the barrier at moment k is ``start[k] + share_of_end[k]*end[i] + bridge[k, i]``,
    in standard deviations of one step; where each path has its own barrier, ``start`` is of shape
    (moments, paths).

    Parameters
    ----------
    start, share_of_end, end, bridge
        The paths.
    monitoring
        ``continuous`` watches without pause, ``discrete`` at the moments only, where being on the barrier is safe.

    Returns
    -------
    numpy.ndarray
        Shape (paths,): 1 where a moment lies past the barrier, else ``1 - prod(1 - exp(-2 a b))`` over the
        steps from a to b, or 0 where only the moments count.
    """
    import numpy as np

    start = start[:, None] if start.ndim == 1 else start
    lowest = start.min(axis=0) + np.minimum(end, 0.0) + bridge.lowest
    near = np.flatnonzero(lowest < FAR)
    odds = np.zeros(end.size)
    if near.size:
        first = start if start.shape[1] == 1 else start[:, near]
        distance = first + share_of_end[:, None] * end[near] + bridge.paths[: len(start), near]
        if monitoring == "discrete":
            odds[near] = (distance < 0).any(axis=0)
            return odds
        # past the barrier counts as on it, where the step is sure to have touched; a barrier at infinity as far
        within = np.clip(distance, 0.0, OUT_OF_REACH)
        odds[near] = 1.0 - (1.0 - np.exp(-2.0 * within[:-1] * within[1:])).prod(axis=0)
    return odds


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
