"""A trade under named shocks: profit, loan to value, liquidation (strategies.md 9).

A shock changes the scenario, or the trade itself. A shock that changes nothing of what the trade brings or of how
it stands with its lender does not apply to it: its figures are None, with the reason, and never 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from operator import add, mul
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from yieldtrade.conventions import DAY_SECONDS, DAYS_PER_YEAR, YEAR_SECONDS
from yieldtrade.elementwise import checked, not_negative, positive, share
from yieldtrade.errors import DomainError, YieldtradeError
from yieldtrade.strategies.inputs import Scenario, above_minus_one, probability
from yieldtrade.strategies.standing import (
    LimitCut,
    Standing,
    at_premium,
    capital_of,
    closed_late,
    exit_value,
    standing,
    wound_down,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from yieldtrade.strategies.row import Opportunity

BASE = "base"
LIMIT_CUT = LimitCut(per_day=0.02, margin_call_days=0.0, bonus=0.005, bonus_per_day=0.005)


class StressedTrade(Protocol):
    """What a stress needs of a trade; how it stands with a lender is registered in `standing`."""

    def pnl(self, scenario: Scenario) -> Any:
        """Profit at a scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StressSettings:
    """How hard each shock hits; the defaults are the documented ones.

    Parameters
    ----------
    borrow_multiples
        Multiples of the borrow APY.
    utilizations
        Utilizations whose rate the borrow APY goes to.
    price_moves
        Moves of the underlying's price, above -1.
    implied_moves
        Moves of the implied yield.
    depth_losses
        Parts of the market's depth that go.
    settled_sds
        Standard deviations by which the settled APY differs from its forecast.
    late_days
        Days after maturity on which a PT is closed.
    frozen_hours
        Time for which an oracle stands still.
    cut
        Terms on which a lender that cuts its limit winds loans down.
    premiums
        Premiums that a pool's share goes to.
    redemption_factor
        ST that a PT pays.
    """

    borrow_multiples: tuple[float, ...] = (1.5, 2.0, 3.0)
    utilizations: tuple[float, ...] = (0.95, 0.99, 1.0)
    price_moves: tuple[float, ...] = (-0.01, -0.05, -0.10, -0.20, -0.40)
    implied_moves: tuple[float, ...] = (-0.10, -0.05, -0.02, 0.02, 0.05, 0.10)
    depth_losses: tuple[float, ...] = (0.5, 0.9)
    settled_sds: tuple[float, ...] = (-1.0, -2.0)
    late_days: float = 7.0
    frozen_hours: float = 2.0
    cut: LimitCut = LIMIT_CUT
    premiums: tuple[float, ...] = (0.0, -0.01)
    redemption_factor: float = 0.98

    def __post_init__(self) -> None:
        for name, bound in (
            ("borrow_multiples", not_negative),
            ("utilizations", probability),
            ("depth_losses", share),
            ("price_moves", above_minus_one),
            ("premiums", above_minus_one),
        ):
            for value in getattr(self, name):
                checked(name, value, bound(name))
        for name in ("implied_moves", "settled_sds"):
            for value in getattr(self, name):
                checked(name, value)
        for name in ("late_days", "frozen_hours", "redemption_factor"):
            checked(name, getattr(self, name), not_negative(name))
        checked("cut.per_day", self.cut.per_day, positive("cut.per_day"))
        for name in ("margin_call_days", "bonus", "bonus_per_day"):
            checked(f"cut.{name}", getattr(self.cut, name), not_negative(f"cut.{name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StressInputs:
    """What the market adds to the shocks; without a figure its shocks do not apply, and say so.

    Parameters
    ----------
    borrow_apy_at
        Borrow APY of the debt by utilization.
    settled_sd
        Standard deviation of the forecast of the settled APY.
    exit_impact
        Part of the exit's value that its size costs at today's depth, without fees.
    tail_move, tail_minutes
        Fall of the underlying at the 99.999th percentile, and over how many minutes it was measured.
    """

    borrow_apy_at: Callable[[float], float] | None = None
    settled_sd: float | None = None
    exit_impact: float | None = None
    tail_move: float | None = None
    tail_minutes: float = 5.0

    def __post_init__(self) -> None:
        for name, bound in (("settled_sd", not_negative), ("exit_impact", share), ("tail_move", share)):
            if getattr(self, name) is not None:
                checked(name, getattr(self, name), bound(name))
        checked("tail_minutes", self.tail_minutes, positive("tail_minutes"))


class StressLine(NamedTuple):
    """One shock and what it does; a shock that does not apply has None everywhere and a ``reason``.

    ``pnl`` and ``return_on_capital`` are those of the trade held as planned, also where it is ``liquidated``, unless
    the shock is the liquidation. ``ltv`` and ``collateral_ratio`` are those right after the shock; None where the
    trade has no loan. ``days_to_liquidation`` is None where ``liquidated`` is and where it is never reached.
    """

    name: str
    pnl: float | None
    return_on_capital: float | None
    ltv: float | None
    collateral_ratio: float | None
    liquidated: bool | None
    days_to_liquidation: float | None
    reason: str = ""

    @property
    def applies(self) -> bool:
        """Whether the shock applies; ``n/a`` is shown where it does not."""
        return self.pnl is not None


class Changed(NamedTuple):
    """What a shock makes of a trade and its scenario.

    ``implied_shift`` moves the market's implied yield now, ``loss`` comes on top of the trade's own profit, the
    standing is that ``after`` years, and ``outcome`` and ``standing`` replace what they would be.
    """

    trade: Any
    scenario: Scenario
    implied_shift: float = 0.0
    loss: float = 0.0
    after: float = 0.0
    outcome: float | None = None
    standing: Standing | None = None


Change: TypeAlias = Callable[[Any, Scenario], "Changed | str"]
"""Makes of a trade and a scenario what a shock leaves of them, or says why it does not apply."""


class Shock(NamedTuple):
    """A named change; ``of`` says in words what a trade must depend on for it to apply."""

    name: str
    of: str
    change: Change


def stress_test(
    trade: StressedTrade, scenario: Scenario, shocks: Iterable[Shock], *, capital: float | None = None
) -> tuple[StressLine, ...]:
    """Return the trade without a shock, named ``base``, and under each shock (strategies.md 9).

    Parameters
    ----------
    trade
        Anything with ``pnl``; see `StressedTrade`.
    scenario
        The base, in numbers.
    shocks
        From :func:`standard_shocks`, or one's own.
    capital
        Own capital of the trade, in the unit of its profit; None takes what the trade itself says.

    Raises
    ------
    DomainError
        A scenario that holds arrays, or a shock that leads out of the domain of the trade.
    """
    for item in fields(scenario):
        value = getattr(scenario, item.name)
        if value is not None and not isinstance(value, (int, float)):
            raise DomainError(f"scenario.{item.name} = {value!r}: a stress starts from one number")
    own = capital_of(trade) if capital is None else capital
    base = _line(BASE, Changed(trade, scenario), own)
    return (base, *(_under(shock, trade, scenario, base, own) for shock in shocks))


def row_stress(row: Opportunity, settings: StressSettings | None = None) -> tuple[StressLine, ...]:
    """Return a row under every shock of the table; nothing where it was never priced.

    Profits are after the row's flat costs. A shock that leads out of the trade's domain, such as a yield that no
    price stands for, does not apply and says so.

    Parameters
    ----------
    row
        A row of a screen.
    settings
        How hard each shock hits; None takes the documented figures.
    """
    if row.trade is None or row.scenario is None:
        return ()
    found: list[StressLine] = []
    for shock in standard_shocks(settings, row.stress_inputs):
        try:
            base, line = stress_test(row.trade, row.scenario, (shock,), capital=row.capital_usd)
        except YieldtradeError as error:
            line = _not_applicable(shock.name, str(error))
        else:
            found = found or [base]
        found.append(line)
    return tuple(_after(line, row.flat_costs_usd or 0.0, row.capital_usd) for line in found)


def _after(line: StressLine, flat: float, capital: float) -> StressLine:
    if line.pnl is None:
        return line
    return line._replace(pnl=line.pnl - flat, return_on_capital=(line.pnl - flat) / capital)


def _under(
    shock: Shock, trade: StressedTrade, scenario: Scenario, base: StressLine, capital: float
) -> StressLine:
    changed = shock.change(trade, scenario)
    if isinstance(changed, str):
        return _not_applicable(shock.name, changed)
    line = _line(shock.name, changed, capital)
    if line[1:] == base[1:]:
        return _not_applicable(shock.name, f"the trade does not depend on {shock.of}")
    return line


def _line(name: str, changed: Changed, capital: float) -> StressLine:
    trade, scenario = changed.trade, changed.scenario
    outcome = changed.outcome
    if outcome is None:
        outcome = float(trade.pnl(scenario)) - changed.loss
    found = changed.standing
    if found is None:
        found = standing(trade, scenario, changed.implied_shift, changed.after)
    return StressLine(name, outcome, outcome / capital, *found)


def _not_applicable(name: str, reason: str) -> StressLine:
    return StressLine(name, None, None, None, None, None, None, reason)


def standard_shocks(
    settings: StressSettings | None = None, inputs: StressInputs | None = None
) -> tuple[Shock, ...]:
    """Return every shock of the stress table, in its order (strategies.md 9).

    Parameters
    ----------
    settings
        How hard each hits; None takes the documented figures.
    inputs
        What the market adds; None leaves out what needs it, with the reason.
    """
    hard = StressSettings() if settings is None else settings
    known = StressInputs() if inputs is None else inputs
    borrow = [
        _field(f"borrow APY x{m:g}", "borrow_apy", "the borrow APY", partial(mul, m))
        for m in hard.borrow_multiples
    ]
    prices = [
        _field(
            f"underlying {m * 100:+g}%",
            "underlying_ratio",
            "the price of the underlying",
            partial(mul, 1.0 + m),
        )
        for m in hard.price_moves
    ]
    return (
        *borrow,
        *(_utilization(u, known) for u in hard.utilizations),
        *prices,
        *(_implied(move) for move in hard.implied_moves),
        *(_depth(lost, known) for lost in hard.depth_losses),
        *(_settled(k, known) for k in hard.settled_sds),
        _field("settled APY 0", "settled_apy", "the settled APY", _to(0.0)),
        _late(hard.late_days),
        _frozen(hard.frozen_hours, known),
        _limit_cut(hard.cut),
        *(_premium(p) for p in hard.premiums),
        _field(
            f"redemption factor {hard.redemption_factor:g}",
            "redemption_factor",
            "what a PT redeems for",
            _to(hard.redemption_factor),
        ),
    )


def _field(name: str, field: str, words: str, move: Callable[[float], float]) -> Shock:
    """Shock that moves one field of the scenario."""

    def change(trade: Any, scenario: Scenario) -> Changed | str:
        value = getattr(scenario, field, None)
        if value is None:
            return f"the scenario states no {field}"
        return Changed(trade, replace(scenario, **{field: move(value)}))

    return Shock(name, words, change)


def _to(value: float) -> Callable[[float], float]:
    """Return the move to a value, whatever it was."""
    return lambda _: value


def _unknown(name: str, words: str, missing: str) -> Shock:
    return Shock(name, words, lambda _trade, _scenario: f"{missing} is not known")


def _utilization(u: float, known: StressInputs) -> Shock:
    name, words = f"utilization {u * 100:g}%", "the borrow APY"
    curve = known.borrow_apy_at
    if curve is None:
        return _unknown(name, words, "the lender's borrow curve")
    return _field(name, "borrow_apy", words, _to(float(curve(u))))


def _implied(move: float) -> Shock:
    """Shock of the market's implied yield, now and at the exit."""

    def change(trade: Any, scenario: Scenario) -> Changed:
        if scenario.exit_implied is None:
            return Changed(trade, scenario, implied_shift=move)
        moved = replace(scenario, exit_implied=scenario.exit_implied + move)
        return Changed(trade, moved, implied_shift=move)

    return Shock(f"implied {move * 100:+g} points", "the implied yield before maturity", change)


def _depth(lost: float, known: StressInputs) -> Shock:
    """Shock of the depth at the exit: what a size costs grows as the inverse of what is left."""
    name, words = f"depth {-lost * 100:g}%", "the depth of the market"
    impact = known.exit_impact
    if impact is None:
        return _unknown(name, words, "the price impact of the exit")

    def change(trade: Any, scenario: Scenario) -> Changed | str:
        value = exit_value(trade, scenario)
        if value is None:
            return "nothing is sold in the market at the exit"
        return Changed(trade, scenario, loss=value * impact * lost / (1.0 - lost))

    return Shock(name, words, change)


def _settled(deviations: float, known: StressInputs) -> Shock:
    name, words = f"settled APY {deviations:+g} sd", "the settled APY"
    sd = known.settled_sd
    if sd is None:
        return _unknown(name, words, "the spread of the forecast")
    return _field(name, "settled_apy", words, partial(add, deviations * sd))


def _late(days: float) -> Shock:
    def change(trade: Any, scenario: Scenario) -> Changed | str:
        late = closed_late(trade, days / DAYS_PER_YEAR)
        if late is None:
            return "no debt accrues on a PT after its maturity"
        return Changed(late, scenario)

    return Shock(f"closed {days:g} days late", "what accrues after maturity", change)


def _premium(premium: float) -> Shock:
    """Shock of the share's price over its virtual price when the trade is left."""
    words = "a premium of the pool's share"

    def change(trade: Any, scenario: Scenario) -> Changed | str:
        moved = at_premium(trade, premium)
        return f"the trade does not depend on {words}" if moved is None else Changed(moved, scenario)

    return Shock(f"premium {premium * 100:g}%", words, change)


def _frozen(hours: float, known: StressInputs) -> Shock:
    """Shock of a fall that the oracle shows at once when it moves again, scaled by the root of time."""
    name, words = f"oracle frozen {hours:g} hours", "the price of the underlying"
    if known.tail_move is None:
        return _unknown(name, words, "the 99.999th percentile of the underlying's moves")
    move = known.tail_move * math.sqrt(hours * 60.0 / known.tail_minutes)
    if move >= 1:
        raise DomainError(
            f"tail_move = {known.tail_move!r} over {known.tail_minutes!r} minutes is {move!r} over "
            f"{hours!r} hours: a price cannot fall by all of itself"
        )
    after = hours * DAY_SECONDS / 24.0 / YEAR_SECONDS

    def change(trade: Any, scenario: Scenario) -> Changed | str:
        if standing(trade, scenario).liquidated is None:
            return "no lender's oracle values the trade"
        fallen = replace(scenario, underlying_ratio=scenario.underlying_ratio * (1.0 - move))
        if trade.pnl(fallen) == trade.pnl(scenario):
            return f"the trade does not depend on {words}"
        return Changed(trade, fallen, after=after)

    return Shock(name, words, change)


def _limit_cut(cut: LimitCut) -> Shock:
    def change(trade: Any, scenario: Scenario) -> Changed | str:
        found = wound_down(trade, scenario, cut)
        if found is None and standing(trade, scenario).ltv is not None:
            return "how this lender winds a loan down is not known"
        if found is None:
            return "there is no loan whose limit could be cut"
        return Changed(trade, scenario, outcome=found.pnl, standing=found.standing)

    return Shock(f"limit cut, {cut.per_day * 1e4:g} bps a day", "the lender's limit", change)
