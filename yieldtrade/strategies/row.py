"""One opportunity as a row: what the screen ranks, prints, explains and stores (strategies.md 11)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from yieldtrade.strategies.inputs import Scenario
    from yieldtrade.strategies.risk import Trade
    from yieldtrade.strategies.stress import StressInputs

BreakEvenStatus: TypeAlias = Literal["value", "never", "always"]
RowStatus: TypeAlias = Literal["accepted", "rejected"]

FLAG_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "no_depth": "spot quote, no depth stored: slippage and capacity are not known",
        "given_quote": "the implied yield is the user's own figure",
        "undated_quote": "nobody recorded when the implied yield was quoted",
        "stale": "the quote or rate is older than its limit",
        "stale_hurdle": "the stored supply rate behind the hurdle is older than its limit",
        "points_market": "the underlying publishes a yield of zero: it pays in points, whose price is not stored",
        "exit_sd_proxy": "the spread of the exit yield is measured on other markets",
        "mark_risk_dominates": "one point of exit yield moves the break-even by more than the forecast edge",
        "oracle_above_market": "the lender values the PT above its market price",
        "tail_risk_not_priced": "no loss probability is known for a venue of the trade: its tail counts as 0",
        "tail_unresolved": "P(loss) below 1% is not resolved: forecast paths are cut at their 1st and 99th percentile",
        "nonlinear": "simulated: the delta method is too far off, or liquidation is likely",
        "no_borrow_curve": "the lender's curve is not stored: what the own loan does to the rate is not known",
        "premium_unknown": "no market price beside the virtual price: the entry counts at the virtual price",
        "no_st_price": "no USD price of the underlying is stored: amounts of tokens are not shown",
        "re_entry_needed": "the trade ends before the capital's horizon and must be found again",
        "fixed_in_st": "fixed in ST; its USD value follows the underlying",
        "synthetic_pt": "the PT is ST held against a short YT",
        "horizon_cut": "the wished horizon lies beyond maturity and ends there",
        "leverage_cut": "the leverage is cut to the largest one allowed",
    }
)


class Leg(NamedTuple):
    """One thing bought, sold, lent or owed; ``amount`` is tokens (None without a stored price)."""

    when: datetime
    action: str
    token: str
    amount: float | None
    price_st: float
    value_usd: float
    fee_usd: float


class InputLine(NamedTuple):
    """A number the row rests on, with where it comes from."""

    name: str
    value: float | str | bool | None
    unit: str
    as_of: datetime | None
    age_days: float | None
    source: str


class Reason(NamedTuple):
    """Why a row is rejected: the number that failed and the threshold it failed."""

    code: str
    number: float | None
    threshold: float | None
    text: str


class BreakEven(NamedTuple):
    """Where a trade neither wins nor loses; only ``value`` carries a number, else ``reason`` says why not."""

    value: float | None
    status: BreakEvenStatus
    reason: str = ""
    iterations: int = 0


class ExplainLine(NamedTuple):
    """One line of arithmetic: ``result`` is what ``formula`` gives at ``values``, to the last digit."""

    name: str
    formula: str
    values: Mapping[str, float]
    result: float
    unit: str = ""

    @property
    def numbers(self) -> str:
        """The formula with its symbols replaced by numbers; with the functions of math it gives ``result``."""
        return _SYMBOL.sub(lambda match: _printed(self.values.get(match[0]), match[0]), self.formula)

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} = {self.formula} = {self.numbers} = {self.result!r}{unit}"


_SYMBOL = re.compile(r"[A-Za-z_]\w*")


def _printed(value: float | None, symbol: str) -> str:
    if value is None:
        return symbol
    return f"({value!r})" if value < 0 else repr(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """One trade at the user's size; a field is None where it does not apply or is not known.

    ``market`` names the contract, the pool, or the contracts traded together; ``maturity`` is that of the first
    contract, None for a pool.

    Rates are APYs as fractions, ``*_usd`` dollars, ``*_days`` days, ``cost_in`` and ``cost_out`` fractions of
    the capital, prices ST per token. ``horizon_return`` is the expected PnL over the capital and is the
    headline below 30 days (``show_apy`` False). ``figures`` holds what only some strategies have.

    ``trade`` is what was priced, ``scenario`` where (its means), ``flat_costs_usd`` what every outcome pays
    besides: ``trade.pnl(scenario) - flat_costs_usd`` is the profit at the means, and any other scenario prices
    the row again; ``stress_inputs`` is what the market adds to its stresses. The four stay in memory: they are
    not part of a row's record, nor of its equality.
    """

    row_id: str
    strategy: str
    side: str
    venue: str
    market: str
    underlying: str
    maturity: datetime | None
    as_of: datetime
    horizon_days: float | None = None
    size_usd: float
    capital_usd: float
    leverage: float | None = None
    leverage_mark: float | None = None
    max_leverage: float | None = None

    implied_apy: float | None = None
    net_apy_exact: float | None = None
    net_apy_naive: float | None = None
    show_apy: bool = False
    horizon_return: float | None = None
    expected_pnl_usd: float | None = None
    risk_adjusted_usd: float | None = None
    per_day_usd: float | None = None
    cost_in: float | None = None
    cost_out: float | None = None
    unlevered_apy: float | None = None
    hurdle_apy: float | None = None
    hurdle_usd: float | None = None
    tail_usd: float | None = None

    break_even_borrow: float | None = None
    break_even_settled_apy: float | None = None
    break_even_exit_implied: float | None = None
    break_even_days: float | None = None
    break_evens: Mapping[str, BreakEven] = field(default_factory=lambda: MappingProxyType({}))
    borrow_apy_now: float | None = None
    borrow_apy_post_trade: float | None = None
    borrow_apy_marginal: float | None = None
    ltv: float | None = None
    health_factor: float | None = None

    liquidation_trigger: str | None = None
    liquidation_unit: str | None = None
    liquidation_value: float | None = None
    liquidation_days: float | None = None
    p_loss: float | None = None
    p_loss_no_mark: float | None = None
    p_liquidation: float | None = None
    p_below_hurdle: float | None = None
    es5_usd: float | None = None

    best_size_usd: float | None = None
    edge_capacity_usd: float | None = None
    max_size_usd: float | None = None
    binding: str | None = None
    exit_depth_usd: float | None = None
    caps: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    slack_usd: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    oldest_input_age_s: float | None = None
    forecast_version: str | None = None
    yield_basis: str | None = None
    flags: tuple[str, ...] = ()
    status: RowStatus = "accepted"
    reasons: tuple[Reason, ...] = ()

    decomposition: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    figures: Mapping[str, float | None] = field(default_factory=lambda: MappingProxyType({}))
    legs: tuple[Leg, ...] = ()
    inputs: tuple[InputLine, ...] = ()
    explain: tuple[ExplainLine, ...] = ()
    notes: tuple[str, ...] = ()

    trade: Trade | None = field(default=None, repr=False, compare=False)
    scenario: Scenario | None = field(default=None, repr=False, compare=False)
    flat_costs_usd: float | None = field(default=None, repr=False, compare=False)
    stress_inputs: StressInputs | None = field(default=None, repr=False, compare=False)
