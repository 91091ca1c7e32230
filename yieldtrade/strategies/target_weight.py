"""Creating and redeeming pool shares where their market price or the weights of the pool pay (strategies.md 4.7).

Money is USD. A size q is what is deposited before the fee, or the part of the pool that the shares handed in stand
for. Fees, limits and states after a deposit are the pool's own (pool.md 5). Trades of several assets at once, and
pools with a discount of their own, are searched by :mod:`yieldtrade.pool.creation`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from yieldtrade.conventions import YEAR_SECONDS
from yieldtrade.elementwise import Bound, check_choice, checked, namespace, not_negative, share
from yieldtrade.errors import CapacityError, ConvergenceError, DomainError
from yieldtrade.pool.composition import aum
from yieldtrade.pool.integers import BPS
from yieldtrade.pool.minting import mint_jlp
from yieldtrade.pool.weight_fees import (
    deposit_limits,
    fee_fraction,
    pool_fee_bps,
    pool_fee_jump,
    withdrawal_limits,
)
from yieldtrade.strategies.maximum import maximise
from yieldtrade.strategies.risk import normal_below
from yieldtrade.strategies.row import BreakEven

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.pool.parameters import PoolParameters
    from yieldtrade.pool.state import PoolState

Direction: TypeAlias = Literal["create", "redeem", "create_and_redeem"]
Quoted: TypeAlias = float | Callable[[Any], Any]
"""A number, or a function that gives it for an array of sizes."""
BestStatus: TypeAlias = Literal["value", "none", "not_converged"]

# Sizes scanned on each stretch between jumps of the fees, and the first of them relative to the stretch.
SCANNED = 128
FIRST = 1e-6

_BOUNDS: Mapping[str, Bound] = MappingProxyType(
    {
        "premium": Bound("premium", lambda premium: premium > -1, "must be above -1"),
        "cost_in": not_negative("cost_in"),
        "cost_out": share("cost_out"),
    }
)
# What of the inputs each direction uses; the rest would be left out silently and is refused.
_USED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "create": ("premium", "cost_in"),
        "redeem": ("premium", "cost_out"),
        "create_and_redeem": ("asset_out", "cost_in", "cost_out", "oracle_gap"),
    }
)


class Flow(NamedTuple):
    """What a trade pays and brings, USD without gas; the fees are fractions, 0 where the trade has no such step."""

    outlay: Any
    proceeds: Any
    mint_fee: Any
    burn_fee: Any


class BestSize(NamedTuple):
    """The size of the largest profit.

    Attributes
    ----------
    size_usd, profit_usd
        0 where no size gains.
    fee_bps
        Of the pool at that size, both fees of a round trip together; None where no size gains.
    binding
        Name of the cap that the size lies at, else ``edge``.
    caps
        Every cap, USD.
    status, reason
        Only ``value`` found a size that gains; ``reason`` is then empty, else the code of a rejection:
        ``zero_capacity``, ``no_edge_after_costs`` (gas takes all) or ``no_positive_discount``.
    iterations
        Steps of golden section.
    """

    size_usd: float
    profit_usd: float
    fee_bps: float | None
    binding: str
    caps: Mapping[str, float]
    status: BestStatus
    reason: str
    iterations: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TargetWeightArbitrage:
    """Shares created and sold, bought and redeemed, or created and redeemed for another asset.

    Parameters
    ----------
    direction
        ``create``, ``redeem`` or ``create_and_redeem``.
    pool, params
        The pool now, in numbers, and its parameters.
    asset
        Deposited or, by ``redeem``, taken out.
    asset_out
        Taken out by ``create_and_redeem``.
    premium
        Average market price of the shares over their part of the pool, less 1, at which q USD of them sell or,
        below 0 for a discount, are bought; above -1.
    cost_in
        Cost of acquiring what is deposited, share of q, 0 or more.
    cost_out
        Cost of selling what is taken out, share of it.
    oracle_gap
        What the oracles misprice in favour of ``create_and_redeem``, share of q.
    gas_usd
        Gas of the whole trade.
    depth_usd
        Largest size that the market outside the pool takes.

    Raises
    ------
    DomainError
        A value outside its range, one that the direction has no use for, or a state that holds arrays.
    MarketDefinitionError
        A parameter or target weight that nobody has published.
    """

    direction: Direction
    pool: PoolState
    params: PoolParameters
    asset: str
    asset_out: str | None = None
    premium: Quoted = 0.0
    cost_in: Quoted = 0.0
    cost_out: Quoted = 0.0
    oracle_gap: float = 0.0
    gas_usd: float = 0.0
    depth_usd: float = math.inf
    caps: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        check_choice("direction", self.direction, tuple(_USED))
        self._check_used()
        if namespace(aum(self.pool), self.pool.supply) is not math:
            raise DomainError("pool holds arrays: give one state")
        checked("oracle_gap", self.oracle_gap)
        checked("gas_usd", self.gas_usd, not_negative("gas_usd"))
        if not self.depth_usd >= 0:
            raise DomainError(f"depth_usd = {self.depth_usd!r}: dollars of 0 or more are required")
        object.__setattr__(self, "caps", MappingProxyType(self._find_caps()))

    def _check_used(self) -> None:
        unset = {"asset_out": None, "premium": 0.0, "cost_in": 0.0, "cost_out": 0.0, "oracle_gap": 0.0}
        for name, value in unset.items():
            if name not in _USED[self.direction] and getattr(self, name) != value:
                raise DomainError(
                    f"{name} = {getattr(self, name)!r}: {self.direction} does not use it, leave it out"
                )
        if self.direction == "create_and_redeem" and self.asset_out in (None, self.asset):
            raise DomainError(f"asset_out = {self.asset_out!r}: name an asset other than {self.asset}")

    @property
    def max_size_usd(self) -> float:
        """The smallest cap."""
        return min(self.caps.values())

    def slack(self, size_usd: float) -> dict[str, float]:
        """What is left to each cap beyond a size, USD; below 0 where the size exceeds it."""
        return {name: cap - size_usd for name, cap in self.caps.items()}

    def flow(self, q: Any) -> Flow:
        """What a size pays and brings (strategies.md 4.7).

        Raises
        ------
        DomainError
            A size below 0 or not finite.
        CapacityError
            A size beyond a cap; carries the largest one.
        """
        size = checked("q", q, not_negative("q"))
        self._refuse_beyond(size)
        return self._flow(size)

    def pnl(self, q: Any, price_ratio: Any = 1.0) -> Any:
        """Profit at a size, ``proceeds*ratio - outlay - gas``; nothing at a size of 0.

        Parameters
        ----------
        q
            Size, USD, numbers or an array.
        price_ratio
            Price at the end of what is sold over its price when the trade begins, 0 or more.

        Raises
        ------
        DomainError, CapacityError
            As :meth:`flow`.
        """
        traded = self.flow(q)
        ratio = checked("price_ratio", price_ratio, not_negative("price_ratio"))
        return traded.proceeds * ratio - traded.outlay - self._gas(q)

    def naive(self) -> float:
        """Figure that most screens show: premium or discount of the smallest trade less the base fee."""
        base = self.params.mint_fee().base_bps / BPS
        if self.direction == "create_and_redeem":
            return float(self.oracle_gap - 2.0 * base)
        edge = float(self._quoted("premium", 0.0))
        return float((edge if self.direction == "create" else -edge) - base)

    def best(self) -> BestSize:
        """Return the size of the largest profit, scanned on the stretches between jumps of the fees."""
        most = self.max_size_usd
        if most == 0:
            return self._nothing("zero_capacity", min(self.caps, key=self.caps.__getitem__), 0)
        found = maximise(self.pnl, _scan(self._stretches(most)))
        if found.value <= 0:
            reason = "no_edge_after_costs" if self._gains_without_gas() else "no_positive_discount"
            return self._nothing(reason, "edge", found.iterations)
        at_cap = [name for name, cap in self.caps.items() if found.size == cap]
        traded = self.flow(found.size)
        return BestSize(
            size_usd=found.size,
            profit_usd=found.value,
            fee_bps=float((traded.mint_fee + traded.burn_fee) * BPS),
            binding=at_cap[0] if at_cap else "edge",
            caps=self.caps,
            status="value" if found.converged else "not_converged",
            reason="",
            iterations=found.iterations,
        )

    def break_evens(self, size_usd: float) -> dict[str, BreakEven]:
        """Premium, or gap of the oracles, at which a size neither wins nor loses (strategies.md 5).

        Raises
        ------
        DomainError, CapacityError
            A size of 0, or as :meth:`flow`.
        """
        if size_usd == 0:
            raise DomainError("size_usd = 0: a trade of nothing has no break-even")
        traded = self.flow(size_usd)
        if self.direction == "create_and_redeem":
            gap = self.oracle_gap - (traded.proceeds - traded.outlay - self.gas_usd) / size_usd
            return {"oracle_gap": BreakEven(float(gap), "value")}
        if self.direction == "create":
            needed = (traded.outlay + self.gas_usd) / (size_usd * (1.0 - traded.mint_fee)) - 1.0
        else:
            needed = (traded.proceeds - self.gas_usd) / size_usd - 1.0
        if needed <= -1:
            return {"premium": BreakEven(None, "never", "gas takes more than the shares bring")}
        return {"premium": BreakEven(float(needed), "value")}

    def p_loss(self, size_usd: float, *, vol: float, delay_seconds: float) -> float:
        """Probability that the price gap over the execution delay takes the profit (strategies.md 4.7).

        The price of what is sold moves by a normal share of mean 0 and ``vol*sqrt(delay)``.

        Parameters
        ----------
        size_usd
            Size.
        vol
            Volatility a year of what is sold against what was paid, 0 or more.
        delay_seconds
            Time between the two trades, 0 or more.
        """
        sd = checked("vol", vol, not_negative("vol")) * math.sqrt(
            checked("delay_seconds", delay_seconds, not_negative("delay_seconds")) / YEAR_SECONDS
        )
        exposed = float(self.flow(size_usd).proceeds)
        return normal_below(0.0, float(self.pnl(size_usd)), exposed * sd)

    def decomposition(self, q: Any) -> dict[str, Any]:
        """Profit by cause; the parts add up to ``pnl``."""
        traded = self.flow(q)
        premium = self._quoted("premium", q)
        kept_in, kept_out = 1.0 - traded.mint_fee, 1.0 - traded.burn_fee
        # a premium is earned on what is sold, and paid (a discount: saved) on what is bought
        earned = q * premium if self.direction == "create" else -q * premium
        gross = 1.0 + premium if self.direction == "create" else 1.0
        return {
            "premium": earned,
            "oracle_gap": q * self.oracle_gap,
            "mint_fee": -q * traded.mint_fee * gross,
            "burn_fee": -q * kept_in * traded.burn_fee,
            "cost_in": -q * self._quoted("cost_in", q),
            "cost_out": -q * kept_in * kept_out * self._quoted("cost_out", q),
            "gas": -self._gas(q),
        }

    def quotes(self, q: float) -> dict[str, float]:
        """Premium and costs that the direction uses, at a size."""
        names = [name for name in _USED[self.direction] if name in _BOUNDS]
        return {name: float(self._quoted(name, q)) for name in names}

    def _gas(self, q: Any) -> Any:
        """Gas: none for a trade of nothing."""
        return self.gas_usd * (q > 0) if namespace(q) is not math else (self.gas_usd if q > 0 else 0.0)

    def _quoted(self, name: str, q: Any) -> Any:
        """Return a premium or cost at a size, checked."""
        given = getattr(self, name)
        return checked(name, given(q) if callable(given) else given, _BOUNDS[name])

    def _flow(self, q: Any) -> Flow:
        fee = self.params.mint_fee()
        inflow = self.direction != "redeem"
        first = fee_fraction(pool_fee_bps(self.pool, self.asset, q, fee, self.params, inflow=inflow))
        if self.direction == "create":
            sold = q * (1.0 - first) * (1.0 + self._quoted("premium", q))
            return Flow(q * (1.0 + self._quoted("cost_in", q)), sold, first, 0.0 * first)
        if self.direction == "redeem":
            sold = q * (1.0 - first) * (1.0 - self._quoted("cost_out", q))
            return Flow(q * (1.0 + self._quoted("premium", q)), sold, 0.0 * first, first)
        burnt = q * (1.0 - first)
        second = fee_fraction(pool_fee_bps(self._minted(q), self._out, burnt, fee, self.params, inflow=False))
        sold = burnt * (1.0 - second) * (1.0 - self._quoted("cost_out", q)) + q * self.oracle_gap
        return Flow(q * (1.0 + self._quoted("cost_in", q)), sold, first, second)

    @property
    def _out(self) -> str:
        return self.asset if self.asset_out is None else self.asset_out

    def _minted(self, q: Any) -> PoolState:
        """State of the pool once q USD of the asset were deposited."""
        return mint_jlp(self.pool, self.asset, q / self.pool.custody(self.asset).price, self.params).pool

    def _burnt(self, q: float) -> float:
        """Value of the shares that a deposit mints, which a round trip burns."""
        fee = pool_fee_bps(self.pool, self.asset, q, self.params.mint_fee(), self.params, inflow=True)
        return float(q * (1.0 - fee_fraction(fee)))

    def _refuse_beyond(self, size: Any) -> None:
        most = self.max_size_usd
        largest = float(max(size.max(initial=0.0), 0.0)) if namespace(size) is not math else float(size)
        if largest > most:
            binding = min(self.caps, key=self.caps.__getitem__)
            raise CapacityError(
                f"{self.direction} of {self.asset}: {largest:.10g} USD is beyond {binding}; at most {most:.10g}",
                requested=largest,
                maximum=most,
                binding=binding,
            )

    def _find_caps(self) -> dict[str, float]:
        """Every cap in USD of q, in the order in which they count."""
        depth = {"market_depth": float(self.depth_usd)}
        if self.direction == "redeem":
            limits = withdrawal_limits(self.pool, self.asset, self.params)
            return {**limits, "supply": float(aum(self.pool)), **depth}
        limits = deposit_limits(self.pool, self.asset, self.params)
        if self.direction == "create":
            return {**limits, **depth}
        most = float(min(limits.values()))
        edges = _edges((self._mint_jump,), most)
        for name in withdrawal_limits(self.pool, self._out, self.params):

            def excess(q: float, name: str = name) -> float:
                limit = withdrawal_limits(self._minted(q), self._out, self.params)[name]
                return self._burnt(q) - float(limit)

            reached = min(_crossings(excess, edges), default=math.inf)
            limits[name] = min(limits.get(name, math.inf), reached)
        return {**limits, **depth}

    @property
    def _mint_jump(self) -> float:
        """Size at which the first fee of the trade jumps; infinite where it does not."""
        fee, inflow = self.params.mint_fee(), self.direction != "redeem"
        return float(pool_fee_jump(self.pool, self.asset, fee, self.params, inflow=inflow))

    def _stretches(self, most: float) -> list[float]:
        """Sizes from 0 to the smallest cap between which the fees are continuous."""
        first = self._mint_jump
        edges = _edges((first,), most)
        if self.direction != "create_and_redeem":
            return edges
        burn_jump = float(
            pool_fee_jump(
                self.pool, self._out, self.params.mint_fee(), self.params, inflow=False, aum_growth=1.0
            )
        )
        if not math.isfinite(burn_jump):
            return edges
        return _edges((first, *_crossings(lambda q: self._burnt(q) - burn_jump, edges)), most)

    def _gains_without_gas(self) -> bool:
        """Whether any size gains before gas."""
        scan = _scan(self._stretches(self.max_size_usd))
        return self.gas_usd > 0 and maximise(lambda q: self.pnl(q) + self._gas(q), scan).value > 0

    def _nothing(self, reason: str, binding: str, iterations: int) -> BestSize:
        return BestSize(
            size_usd=0.0,
            profit_usd=0.0,
            fee_bps=None,
            binding=binding,
            caps=self.caps,
            status="none",
            reason=reason,
            iterations=iterations,
        )


def _edges(jumps: tuple[float, ...], most: float) -> list[float]:
    """Ends of the stretches between jumps, from 0 to the largest size."""
    return [0.0, *sorted({jump for jump in jumps if 0.0 < jump < most}), most]


def _crossings(excess: Callable[[float], float], edges: list[float]) -> list[float]:
    """Sizes at which a function that is continuous on each stretch comes to be positive."""
    from scipy.optimize import brentq

    found = []
    for low, end in pairwise(edges):
        # a stretch ends just before the jump
        high = end if end == edges[-1] else math.nextafter(end, low)
        if excess(low) > 0:
            found.append(low)
        elif excess(high) > 0:
            root, how = brentq(excess, low, high, full_output=True, disp=False)
            if not how.converged:
                raise ConvergenceError(f"size at a limit: {how.flag} after {how.iterations} steps")
            found.append(float(root))
    return found


def _scan(edges: list[float]) -> NDArray[np.float64]:
    """Sizes to try, a row a stretch, denser at its beginning."""
    import numpy as np

    steps = np.concatenate([[0.0], np.geomspace(FIRST, 1.0, SCANNED - 1)])
    rows = [low + (high - low) * steps for low, high in pairwise(edges)]
    for row, high in zip(rows, edges[1:], strict=True):
        row[-1] = high if high == edges[-1] else np.nextafter(high, 0.0)
    return np.array(rows)
