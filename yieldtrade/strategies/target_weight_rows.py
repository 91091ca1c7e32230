"""Rows of creating and redeeming a pool's shares, each direction at its best asset (strategies.md 4.7)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import TYPE_CHECKING, Any, NamedTuple

from yieldtrade.conventions import DAYS_PER_YEAR, YEAR_SECONDS
from yieldtrade.errors import MarketDefinitionError
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.pool_inputs import PoolInputs
from yieldtrade.strategies.risk import Factor, Outcomes, Risks, draw_scenario, probability_of_loss
from yieldtrade.strategies.row import InputLine
from yieldtrade.strategies.scoring import hurdle_profit, score
from yieldtrade.strategies.target_weight import TargetWeightArbitrage
from yieldtrade.strategies.worksheet import Worksheet, write_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from yieldtrade.pool.snapshot import PoolPicture
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.row import Opportunity
    from yieldtrade.strategies.subject import Subject
    from yieldtrade.strategies.target_weight import BestSize, Direction
    from yieldtrade.strategies.worksheet import Arithmetic

NAME = "target_weight"
DIRECTIONS: tuple[Direction, ...] = ("create", "redeem", "create_and_redeem")
# The trade takes moments, but is not there to be repeated: its capital counts as bound for a day.
HOLD_DAYS = 1.0
IMPACT = "premium_impact_per_usd"
GAP = "oracle_gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedArbitrage:
    """A creation or redemption at one size: what risk and stress ask of a trade.

    ``underlying_ratio`` of a scenario is the price of what is sold over its price when the trade begins.
    """

    arbitrage: TargetWeightArbitrage
    size_usd: float
    equity: float

    def pnl(self, scenario: Scenario) -> Any:
        """Profit, USD."""
        return self.arbitrage.pnl(self.size_usd, scenario.underlying_ratio)

    def gradient(self, scenario: Scenario) -> Mapping[str, float]:  # noqa: ARG002 - linear in the price
        """Derivative of the profit by the price of what is sold."""
        return {"underlying_ratio": float(self.arbitrage.flow(self.size_usd).proceeds)}


class Terms(NamedTuple):
    """What a direction is priced at besides the pool: the share's premium, its fall with size, the oracles' gap."""

    premium: float
    impact: float
    gap: float


def opportunities(desk: Desk, subject: Subject) -> Iterator[Opportunity]:
    """Yield a row for each direction."""
    inputs = PoolInputs(desk, subject)
    for direction in DIRECTIONS:
        yield write_row(desk, subject, NAME, direction, partial(_fill, direction=direction, inputs=inputs))


def _fill(sheet: Worksheet, direction: Direction, inputs: PoolInputs) -> None:
    sheet.put(horizon_days=HOLD_DAYS, show_apy=False)
    sheet.flag("re_entry_needed")
    sheet.flag("no_depth")
    picture, terms = _picture(sheet, inputs), _terms(sheet, direction, inputs)
    if picture is None or terms is None:
        return
    try:
        found = _best(sheet, direction, picture, terms, inputs)
    except MarketDefinitionError as error:
        sheet.missing(str(error))
        return
    if found is None:
        sheet.missing(f"fewer than two assets of {inputs.pool_id} are known")
        return
    trade, best = found
    _capacity(sheet, trade, best)
    if best.status == "none":
        _nothing(sheet, trade, best)
        return
    sized = SizedArbitrage(arbitrage=trade, size_usd=min(best.size_usd, sheet.capital), equity=sheet.capital)
    _describe(sheet, sized)
    pnl = arithmetic(sheet, sized, Scenario())
    years = HOLD_DAYS / DAYS_PER_YEAR
    sheet.priced(sized, Scenario(), pnl=pnl, flat_costs=0.0, years=years)
    sheet.put(decomposition=trade.decomposition(sized.size_usd))
    sheet.break_evens(trade.break_evens(sized.size_usd))
    _losses(sheet, sized, years)


def _picture(sheet: Worksheet, inputs: PoolInputs) -> PoolPicture | None:
    """Return the exact state: fees and limits follow from what the pool holds of each asset."""
    overview, problem = inputs.overview()
    if overview is not None and overview.picture.is_exact:
        picture = overview.picture
        line = sheet.desk.line("pool_state", picture.basis, "", picture.at, "custodies")
        sheet.use_dated(line, sheet.desk.settings.max_quote_age_days)
        return picture
    remedy = "load a table custody_state with `yieldtrade load FILE`"
    if overview is None:
        sheet.missing(problem if remedy in problem else f"no state of {inputs.pool_id}: {problem}; {remedy}")
    else:
        sheet.missing(f"no custody state of {inputs.pool_id} is known near this moment: {remedy}")
    return None


def _terms(sheet: Worksheet, direction: Direction, inputs: PoolInputs) -> Terms | None:
    """Read premium, impact and gap, as far as a direction uses them."""
    if direction == "create_and_redeem":
        return Terms(0.0, 0.0, _optional(sheet, GAP, "no gap between the oracles and the market is stated"))
    line, problem = inputs.premium()
    if line is None:
        sheet.missing(f"the premium of {inputs.pool_id} is not known: {problem}; load its market price")
        return None
    sheet.use_dated(line, sheet.desk.settings.max_quote_age_days)
    impact = _optional(
        sheet, IMPACT, "no depth of the share's market is stated: its price is taken not to move"
    )
    return Terms(float(line.value or 0.0), impact, 0.0)


def _optional(sheet: Worksheet, name: str, absent: str) -> float:
    """Read a term that few know; where it is not stated it counts as none, and the row says so."""
    if name in sheet.subject.terms:
        return sheet.number(name) or 0.0
    sheet.note(f"{absent} (`--set {sheet.subject.owner}.{name}=VALUE`)")
    return 0.0


def _best(
    sheet: Worksheet, direction: Direction, picture: PoolPicture, terms: Terms, inputs: PoolInputs
) -> tuple[TargetWeightArbitrage, BestSize] | None:
    """Return the most profitable of a direction's assets, the first by name where several are alike."""
    assets = sorted(custody.asset for custody in picture.state.custodies)
    pairs: list[tuple[str, str | None]] = [(asset, None) for asset in assets]
    if direction == "create_and_redeem":
        pairs = [*permutations(assets, 2)]
    costs = sheet.desk.settings.costs
    by_direction: dict[str, dict[str, Any]] = {
        "create": {"premium": lambda q: terms.premium - terms.impact * q, "cost_in": costs.swap},
        "redeem": {"premium": lambda q: terms.premium + terms.impact * q, "cost_out": costs.swap},
        "create_and_redeem": {"oracle_gap": terms.gap, "cost_in": costs.swap, "cost_out": costs.swap},
    }
    found = []
    for asset, out in pairs:
        trade = TargetWeightArbitrage(
            direction=direction,
            pool=picture.state,
            params=inputs.params,
            asset=asset,
            asset_out=out,
            gas_usd=costs.gas_usd,
            **by_direction[direction],
        )
        found.append((trade, trade.best()))
    # among those that gain nothing, the one with room says more than the one without
    return max(found, key=lambda item: (item[1].profit_usd, item[1].reason != "zero_capacity"), default=None)


def _capacity(sheet: Worksheet, trade: TargetWeightArbitrage, best: BestSize) -> None:
    """Write the sizes and every cap in dollars."""
    most = trade.max_size_usd
    sheet.put(
        best_size_usd=best.size_usd,
        max_size_usd=most if math.isfinite(most) else None,
        binding=best.binding,
    )
    caps = {f"cap_{name}_usd": cap for name, cap in best.caps.items() if math.isfinite(cap)}
    sheet.figure(naive_edge=trade.naive(), best_profit_usd=best.profit_usd, fee_bps=best.fee_bps, **caps)
    out = "" if trade.asset_out is None else f" for {trade.asset_out}"
    sheet.note(f"best asset: {trade.asset}{out}")
    if best.status == "not_converged":
        sheet.note(f"the search for the best size did not converge in {best.iterations} steps")


def _nothing(sheet: Worksheet, trade: TargetWeightArbitrage, best: BestSize) -> None:
    """Reject a direction in which no size gains, with the number that failed."""
    if best.reason == "zero_capacity":
        text = f"{trade.direction} of {trade.asset}: {best.binding} leaves no room"
        sheet.reject(best.reason, 0.0, 0.0, text)
        return
    edge = trade.naive()
    text = f"no size of any asset gains; the best, {trade.asset}, has {edge:.4%} less the base fee at its smallest"
    sheet.reject(best.reason, edge, 0.0, text)


def _describe(sheet: Worksheet, sized: SizedArbitrage) -> None:
    """Write size and legs."""
    trade, q, now = sized.arbitrage, sized.size_usd, sheet.desk.as_of
    later = now + timedelta(seconds=sheet.desk.settings.execution_delay_seconds)
    traded, share = trade.flow(q), sheet.subject.name
    mint_fee, burn_fee = q * traded.mint_fee, q * (1.0 - traded.mint_fee) * traded.burn_fee
    sheet.put(cost_in=float(mint_fee) / sized.equity, cost_out=float(burn_fee) / sized.equity)
    sheet.figure(size_traded_usd=q)
    spent, brought = float(traded.outlay), float(traded.proceeds)
    if trade.direction == "redeem":
        sheet.leg(now, "buy", share, price_st=1.0, value_usd=spent)
        sheet.leg(now, "redeem", trade.asset, price_st=1.0, value_usd=q, fee_usd=float(burn_fee))
        sheet.leg(later, "sell", trade.asset, price_st=1.0, value_usd=brought)
        return
    sheet.leg(now, "buy", trade.asset, price_st=1.0, value_usd=spent)
    sheet.leg(now, "create", share, price_st=1.0, value_usd=q, fee_usd=float(mint_fee))
    if trade.asset_out is None:
        sheet.leg(later, "sell", share, price_st=1.0, value_usd=brought)
        return
    sheet.leg(now, "redeem", trade.asset_out, price_st=1.0, value_usd=q, fee_usd=float(burn_fee))
    sheet.leg(later, "sell", trade.asset_out, price_st=1.0, value_usd=brought)


def arithmetic(sheet: Arithmetic, sized: SizedArbitrage, scenario: Scenario) -> float:
    """Write the profit in one line of its direction."""
    trade, q = sized.arbitrage, sized.size_usd
    traded, quotes = trade.flow(q), trade.quotes(q)
    formula = {
        "create": "q*(1.0 - f_mint)*(1.0 + premium)*ratio - q*(1.0 + cost_in) - gas",
        "redeem": "q*(1.0 - f_burn)*(1.0 - cost_out)*ratio - q*(1.0 + premium) - gas",
        "create_and_redeem": "(q*(1.0 - f_mint)*(1.0 - f_burn)*(1.0 - cost_out) + q*gap)*ratio"
        " - q*(1.0 + cost_in) - gas",
    }[trade.direction]
    values = {
        **quotes,
        "q": q,
        "f_mint": float(traded.mint_fee),
        "f_burn": float(traded.burn_fee),
        "ratio": scenario.underlying_ratio,
        "gap": trade.oracle_gap,
        "gas": trade.gas_usd,
    }
    used = {name: value for name, value in values.items() if name in formula}
    return sheet.work("pnl", formula, float(sized.pnl(scenario)), "USD", **used)


def _losses(sheet: Worksheet, sized: SizedArbitrage, years: float) -> None:
    """Write what the price of what is sold may do until it is sold."""
    desk = sheet.desk
    vol = _vol(sheet, sized.arbitrage)
    if vol is None:
        return
    delay = desk.settings.execution_delay_seconds
    source = "the setting execution_delay_seconds"
    sheet.use(InputLine("execution_delay_seconds", delay, "seconds", None, None, source))
    moved = Factor(name="underlying_ratio", mean=1.0, sd=vol * math.sqrt(delay / YEAR_SECONDS), floor=0.0)
    risks = Risks(factors=(moved,))
    drawn = draw_scenario(risks, desk.draws, desk.settings.draws)
    losses = probability_of_loss(
        sized,
        risks,
        Outcomes(sized.pnl(drawn)),
        hurdle_pnl=hurdle_profit(sheet, years),
        simulation_gap=desk.settings.simulation_gap,
        liquidation_gap=desk.settings.liquidation_gap,
    )
    score(sheet, losses, years, (sheet.subject.terms,))


def _vol(sheet: Worksheet, trade: TargetWeightArbitrage) -> float | None:
    """Volatility a year of what is sold last; a stablecoin is counted as a dollar."""
    desk, sold = sheet.desk, sheet.subject.name
    if trade.direction == "create":
        found = desk.pool_vol(sold)
    else:
        sold = trade.asset if trade.asset_out is None else trade.asset_out
        stable = trade.pool.custody(sold).is_stable
        found = (0.0, f"{sold} is counted as a dollar") if stable else desk.asset_vol(sold)
    if found is None:
        sheet.missing(f"no prices measure how far {sold} moves while it is sold: load its daily prices")
        return None
    sheet.use(InputLine("vol_of_sold", found[0], "a year", None, None, found[1]))
    sheet.figure(vol_of_sold=found[0])
    return found[0]
