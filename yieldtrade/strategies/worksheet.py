"""The sheet on which a strategy writes one row: inputs used, figures found, reasons against it."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from yieldtrade.conventions import DAY_SECONDS
from yieldtrade.errors import DomainError, YieldtradeError
from yieldtrade.strategies import ranking
from yieldtrade.strategies.depth import FoundDepth
from yieldtrade.strategies.returns import annual_return
from yieldtrade.strategies.row import ExplainLine, InputLine, Leg, Opportunity, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from yieldtrade.lending.reserve import Reserve
    from yieldtrade.market import Terms, Venue
    from yieldtrade.strategies.depth import Depth
    from yieldtrade.strategies.desk import Desk
    from yieldtrade.strategies.inputs import ExitYield, Scenario, YieldForecast
    from yieldtrade.strategies.risk import Trade
    from yieldtrade.strategies.row import BreakEven
    from yieldtrade.strategies.stress import StressInputs
    from yieldtrade.strategies.subject import Market, Subject


# The fall of a pool's share over five minutes that only one in 100,000 exceeds.
TAIL_MOVE = "published_move.p99_999_5min"


def write_row(
    desk: Desk, subject: Subject, strategy: str, side: str, fill: Callable[[Worksheet], None]
) -> Opportunity:
    """Write one row: what speaks against the subject, then what ``fill`` finds.

    A figure that contradicts itself becomes a reason against the row; it never stops the screen.
    """
    sheet = Worksheet(desk, subject, strategy, side)
    sheet.read_subject()
    if subject.is_priced:
        try:
            fill(sheet)
        except YieldtradeError as error:
            sheet.reject("inconsistent_parameters", None, None, str(error))
    return sheet.opportunity()


class Arithmetic(Protocol):
    """Where a strategy writes its profit step by step: a row in the making, or a past one priced again."""

    def work(self, name: str, formula: str, result: float, unit: str = "", **values: float) -> float:
        """Write a line of arithmetic and return its result."""


class Worksheet:
    """One row in the making. A missing input becomes a reason, never a default."""

    def __init__(self, desk: Desk, subject: Subject, strategy: str, side: str) -> None:
        self.desk = desk
        self.subject = subject
        self.capital = desk.settings.size_usd
        self._fields: dict[str, Any] = {"strategy": strategy, "side": side}
        self._inputs: list[InputLine] = []
        self._ages: list[float] = []
        self._reasons: list[Reason] = []
        self._flags: dict[str, None] = {}
        self._lines: list[ExplainLine] = []
        self._legs: list[Leg] = []
        self._notes: list[str] = []
        self._figures: dict[str, float | None] = {}
        self._st_price: float | None = None
        self._reserve: Reserve | None = None

    @property
    def market(self) -> Market:
        """The contract, where the subject is one; the first to mature, where it is several."""
        return self.subject.markets[0]

    def number(self, name: str, market: Market | None = None) -> float | None:
        """Return a numeric term of the subject, or of one of its contracts; a missing one rejects the row."""
        terms, owner = self._terms(market)
        return self._number(terms, owner, name)

    def word(self, name: str, market: Market | None = None) -> str | None:
        """Return a term that is a word, as `number` does a numeric one."""
        terms, owner = self._terms(market)
        return terms.text(name) if self._known(terms, owner, name) else None

    def lender_number(self, name: str) -> float | None:
        """Return a numeric term of the lender; a missing one rejects the row."""
        return self.venue_number(self.desk.lender(), name)

    def venue_number(self, venue: Venue, name: str) -> float | None:
        """Return a numeric term of a venue; a missing one rejects the row."""
        return self._number(venue.terms, venue.venue_id, name)

    def use(self, line: InputLine) -> None:
        """Record an input."""
        self._inputs.append(line)

    def use_dated(self, line: InputLine, limit_days: float) -> None:
        """Record an input whose age is limited: beyond the limit flagged, far beyond it rejected."""
        self.use(line)
        if line.age_days is None:
            return
        self._ages.append(line.age_days)
        refused = self.desk.settings.reject_age_factor * limit_days
        if line.age_days > limit_days:
            self.flag("stale")
        if line.age_days > refused:
            text = f"{line.name} is {line.age_days:.1f} days old, at most {refused:g} are allowed"
            self.reject("stale_data", line.age_days, refused, text)

    def lent_by(self, reserve: Reserve) -> None:
        """Say which reserve the debt comes from, for what its curve does under stress."""
        self._reserve = reserve

    def reject(self, code: str, number: float | None, threshold: float | None, text: str) -> None:
        """Give a reason against the row; contracts of one venue may share one."""
        reason = Reason(code, number, threshold, text)
        if reason not in self._reasons:
            self._reasons.append(reason)

    def missing(self, text: str, code: str = "missing_input") -> None:
        """Reject the row for want of an input."""
        self.reject(code, None, None, text)

    def flag(self, name: str) -> None:
        """Raise a flag of :data:`yieldtrade.strategies.row.FLAG_WORDS`."""
        self._flags[name] = None

    def note(self, text: str) -> None:
        """Add a remark in words."""
        self._notes.append(text)

    def put(self, **fields: Any) -> None:
        """Set fields of the row."""
        self._fields.update(fields)

    def figure(self, **figures: float | None) -> None:
        """Set figures that only this strategy has."""
        self._figures.update(figures)

    def leg(
        self,
        when: datetime,
        action: str,
        token: str,
        *,
        price_st: float,
        value_usd: float,
        fee_usd: float = 0.0,
    ) -> None:
        """Add something bought, sold, lent or owed, worth ``value_usd`` at ``price_st`` ST per token."""
        worth = price_st * (self._st_price or 0.0)
        amount = value_usd / worth if worth > 0 else None
        self._legs.append(Leg(when, action, token, amount, price_st, value_usd, fee_usd))

    def work(self, name: str, formula: str, result: float, unit: str = "", **values: float) -> float:
        """Write a line of arithmetic and return its result."""
        self._lines.append(ExplainLine(name, formula, MappingProxyType(values), result, unit))
        return result

    def forecast(self, start: datetime, end: datetime, *, needed: bool) -> YieldForecast | None:
        """Return the forecast of the underlying's settled APY; where needed, its absence rejects the row."""
        underlying = self.subject.underlying
        if self.desk.is_points_market(self.subject):
            self.flag("points_market")
            text = "publishes a yield of zero and pays in points, which have no stored price"
            if needed:
                self.missing(f"{underlying} {text}: its YT cannot be valued", "forecast_missing")
            return None
        found, problem = self.desk.forecast(self.subject, start, end)
        if found is None:
            text = f"no forecast of {underlying}: {problem}"
            if needed:
                self.missing(text, "forecast_missing")
            else:
                self.note(text)
            return None
        basis = "forecast" if found.known_fraction < 1 else "computed from fees, unpublished"
        self.put(forecast_version=found.model_version, yield_basis=basis)
        self.use(InputLine("settled_apy", found.mean_apy, "APY", None, None, f"forecast: {found.definition}"))
        self.use(InputLine("settled_apy_sd", found.sd_apy, "APY", None, None, found.model_version))
        self.figure(
            settled_apy=found.mean_apy, settled_apy_sd=found.sd_apy, known_fraction=found.known_fraction
        )
        return found

    def exit_yield(self, horizon_days: float, market: Market | None = None) -> ExitYield | None:
        """Return the exit yield of a contract; if nothing measures its spread, the row is rejected."""
        market = market or self.market
        found = self.desk.exit_yield(market, horizon_days)
        if found is None:
            self.missing(
                f"no stored quotes measure how far implied yields move in {horizon_days:.3g} days: "
                "load quotes with `yieldtrade load FILE`"
            )
            return None
        if found.proxy is not None:
            self.flag("exit_sd_proxy")
            self.note(f"spread of the exit yield: {found.proxy}")
        mean_name, sd_name = self.named(market, "exit_implied"), self.named(market, "exit_implied_sd")
        mean_source = "the entry yield: a random walk has no drift"
        self.use(InputLine(mean_name, found.mean, "APY", None, None, mean_source))
        spread_source = self.desk.spread_text(market, horizon_days)
        self.use(InputLine(sd_name, found.sd, "APY", None, None, spread_source))
        self.figure(**{mean_name: found.mean, sd_name: found.sd})
        return found

    def depth(self, market: Market | None = None) -> Depth | None:
        """Return the pool of a contract at its quoted yield, None where its depth is not known."""
        return self.desk.depth(market or self.market).depth

    def exit_depth(self, usd: float) -> None:
        """Set how much can be sold within the accepted price impact; of several exits the tightest counts."""
        known = self._fields.get("exit_depth_usd")
        self.put(exit_depth_usd=usd if known is None else min(usd, known))

    def named(self, market: Market, name: str) -> str:
        """Return a name for a figure of one contract, told apart where the subject has several."""
        return name if len(self.subject.markets) == 1 else f"{market.contract.contract_id}.{name}"

    def leverage(self, cap: float) -> float:
        """Choose the leverage: the user's, refused above the cap, else the default, cut to it."""
        settings = self.desk.settings
        wanted, limit = self._wanted_leverage(cap)
        if wanted > limit and settings.leverage is None:
            self.flag("leverage_cut")
        elif wanted > limit:
            text = f"leverage {wanted:g} is above the largest allowed, {limit:.4f}"
            self.reject("above_max_leverage", wanted, limit, text)
        chosen = min(wanted, limit)
        self.put(leverage=chosen, max_leverage=cap if math.isfinite(cap) else None)
        return chosen

    def leverage_within(self, cap: float) -> float:
        """Return the leverage that `leverage` would choose, and write nothing."""
        return min(self._wanted_leverage(cap))

    def _wanted_leverage(self, cap: float) -> tuple[float, float]:
        settings = self.desk.settings
        limit = cap if settings.max_leverage is None else min(cap, settings.max_leverage)
        return settings.default_leverage if settings.leverage is None else settings.leverage, limit

    def priced(
        self, trade: Trade, scenario: Scenario, *, pnl: float, flat_costs: float, years: float
    ) -> None:
        """Write the profit at the means after flat costs, its annual return, and what priced it.

        Parameters
        ----------
        trade, scenario
            What is held and the means: ``trade.pnl(scenario)`` is ``pnl``.
        pnl
            Profit at the means before flat costs, USD.
        flat_costs
            Costs of every outcome, USD.
        years
            Holding period of the annual return.
        """
        net = self.work(
            "pnl_after_flat_costs_usd",
            "pnl - flat_costs",
            pnl - flat_costs,
            "USD",
            pnl=pnl,
            flat_costs=flat_costs,
        )
        self.figure(pnl_after_flat_costs_usd=net)
        self.put(trade=trade, scenario=scenario, flat_costs_usd=flat_costs)
        self._net_apy(net, years)

    def _net_apy(self, pnl: float, years: float) -> None:
        """Write the exact annual return on the capital."""
        gain = pnl / self.capital
        try:
            exact = annual_return(gain, years)
        except DomainError:
            self.note("the annual return is too large to represent: see the return over the horizon")
            return
        formula = "expm1(log1p(pnl/capital)/years)" if gain > -1 else "-1.0"
        self.work("net_apy_exact", formula, exact, "APY", pnl=pnl, capital=self.capital, years=years)
        self.put(net_apy_exact=exact)

    def break_evens(self, found: Mapping[str, BreakEven]) -> None:
        """Set the break-even fields, and keep every status and reason."""
        self.put(break_evens=MappingProxyType(dict(found)))
        for name in ("borrow", "settled_apy", "exit_implied", "days"):
            if name in found:
                self.put(**{f"break_even_{name}": found[name].value})

    def opportunity(self) -> Opportunity:
        """Finish the row: apply the limits and freeze it."""
        subject, fields = self.subject, self._fields
        quotes = [market.quote for market in subject.markets]
        # several contracts have no implied yield in common
        quote = quotes[0] if len(quotes) == 1 else None
        name = "-".join(filter(None, (fields["strategy"], fields["side"])))
        reasons = (*self._reasons, *ranking.limit_reasons(fields, self.desk.settings))
        return Opportunity(
            row_id=f"{subject.name}:{name}",
            venue=subject.venue,
            market=subject.name,
            underlying=subject.underlying,
            maturity=subject.maturity,
            as_of=self.desk.as_of,
            size_usd=self.capital,
            capital_usd=self.capital,
            implied_apy=None if quote is None else quote.implied_apy,
            hurdle_apy=self.desk.hurdle,
            oldest_input_age_s=max(self._ages) * DAY_SECONDS if self._ages else None,
            flags=tuple(sorted(self._flags)),
            status="rejected" if reasons else "accepted",
            reasons=reasons,
            figures=MappingProxyType(self._figures),
            legs=tuple(self._legs),
            inputs=tuple(self._inputs),
            explain=tuple(self._lines),
            notes=tuple(self._notes),
            stress_inputs=self._stress_inputs() if "trade" in fields else None,
            **fields,
        )

    def _stress_inputs(self) -> StressInputs:
        """What the market adds to the stresses of the row, as far as it is known."""
        from yieldtrade.strategies.stress import StressInputs

        desk = self.desk
        reserve = self._reserve
        pool = (
            desk.view.pool(self.subject.underlying).terms if desk.is_pool(self.subject.underlying) else None
        )
        return StressInputs(
            borrow_apy_at=None if reserve is None else lambda u: float(reserve.borrow_apy_at(u)),
            settled_sd=self._figures.get("settled_apy_sd"),
            exit_impact=self._figures.get("exit_price_impact"),
            tail_move=None if pool is None or TAIL_MOVE not in pool else pool.number(TAIL_MOVE),
        )

    def read_subject(self) -> None:
        """Record quotes, clocks, price and hurdle, and what speaks against them."""
        desk, markets = self.desk, self.subject.markets
        if not markets and self.subject.terms.get("paused") is True:
            self.reject("market_paused", None, None, f"{self.subject.name} is paused")
        for market in markets:
            self._read_market(market)
        if markets:
            self._read_price(markets[0])
        if desk.hurdle_input is not None:
            self.use(desk.hurdle_input)
            if (desk.hurdle_input.age_days or 0.0) > desk.settings.max_rate_age_days:
                self.flag("stale_hurdle")

    def _read_market(self, market: Market) -> None:
        contract = market.contract
        self._read_depth(market)
        if market.days_left <= 0:
            self.reject("expired", -market.days_left, 0.0, f"matured {-market.days_left:.2f} days ago")
        elif market.tau is None:
            self.missing(market.problem)
        if contract.terms.get("paused") is True:
            self.reject("market_paused", None, None, f"{contract.contract_id} is paused")
        self._read_quote(market)

    def _read_depth(self, market: Market) -> None:
        found = FoundDepth(None)
        if market.tau is not None and market.quote is not None:
            found = self.desk.depth(market)
        if found.depth is None:
            self.flag("no_depth")
        else:
            kind, at, source = found.depth.stored.kind, found.depth.stored.at, found.depth.stored.source
            name, age = self.named(market, "pool_state"), self.desk.age_days(at)
            line = InputLine(name, kind, "kind of curve", at, age, source)
            self.use_dated(line, self.desk.settings.max_quote_age_days)
        if found.problem:
            self.note(f"{market.contract.contract_id}: {found.problem}")

    def _read_price(self, market: Market) -> None:
        price = self.desk.st_price(market)
        if price is None:
            self.flag("no_st_price")
        else:
            self._st_price = float(price.value or 0.0)
            self.use(price)

    def _read_quote(self, market: Market) -> None:
        quote, desk = market.quote, self.desk
        if quote is None:
            contract_id = market.contract.contract_id
            self.missing(
                f"no implied yield of {contract_id} is known at this moment: load quotes, or give one"
            )
            return
        name = self.named(market, "implied_apy")
        line = desk.line(name, quote.implied_apy, "APY", quote.at, quote.source)
        limit = desk.settings.max_quote_age_days
        if quote.kind == "given":
            self.flag("given_quote")
        if quote.kind != "undated":
            self.use_dated(line, limit)
            return
        self.use(line._replace(as_of=None, age_days=None))
        self.flag("undated_quote")
        text = "nobody recorded when the implied yield was quoted, so its age cannot be judged"
        self.reject("stale_data", None, limit, text)

    def _terms(self, market: Market | None) -> tuple[Terms, str]:
        if market is None:
            return self.subject.terms, self.subject.owner
        return market.contract.terms, market.contract.venue_id

    def _number(self, terms: Terms, owner: str, name: str) -> float | None:
        if not self._known(terms, owner, name):
            return None
        value = terms.number(name)
        line = self.desk.parameter(owner, terms.parameters[name], value)
        if line not in self._inputs:
            self.use(line)
        return value

    def _known(self, terms: Terms, owner: str, name: str) -> bool:
        if name in terms:
            return True
        self.missing(
            f"{owner}.{name} is not known: nobody has published it; give it with `--set {owner}.{name}=VALUE`"
        )
        return False
