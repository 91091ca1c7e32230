"""What became of a trade: the scenario that happened, read from figures known later (strategies.md 4, 7).

Nothing is filled: what a profit depends on and was never observed leaves the trade unrealised, with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from yieldtrade.conventions import DAY_SECONDS, DAYS_PER_YEAR, iso
from yieldtrade.market import days_between, years_to_maturity
from yieldtrade.strategies.desk import counts_as
from yieldtrade.strategies.inputs import Scenario
from yieldtrade.strategies.interest_period import InterestPeriodArbitrage
from yieldtrade.strategies.interest_period_rows import accrual_period
from yieldtrade.strategies.principal_loop import LeveragedPrincipalLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from yieldtrade.forecast.realised import RealisedRate
    from yieldtrade.market import Contract, MarketView, YieldQuote
    from yieldtrade.series import DailySeries
    from yieldtrade.strategies.inputs import ScreenSettings
    from yieldtrade.strategies.row import Opportunity


# A PT is counted as redeemed for what its terms say: no stored figure shows another.
BY_TERMS = frozenset({"redemption_factor"})


class Observation(NamedTuple):
    """A figure of what happened, and where it was read; ``by_definition`` is one that no figure could contradict."""

    name: str
    value: float
    source: str
    by_definition: bool = False


class Unobserved(NamedTuple):
    """Why a trade cannot be realised: a code to count by, and the words."""

    code: str
    text: str


Reading: TypeAlias = "Observation | Unobserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How near a stored figure must be to stand for the one needed.

    Parameters
    ----------
    quote_days
        Days from the exit to the nearest quote or price, before or after it; never more than half of the holding,
        so that the figure of the entry does not stand for that of the exit.
    entry_days
        Age of the quote a trade was entered at; the screen accepts none that is older.
    known_fraction
        Part of the holding for which daily rates must be known; their mean is that of the days known.
    """

    quote_days: float = 2.0
    entry_days: float = 4.0
    known_fraction: float = 0.7

    def near_exit(self, flag: Flag) -> float:
        """Return how many days a figure may lie from the exit of a flag."""
        return min(self.quote_days, 0.5 * days_between(flag.origin, flag.ends_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One opportunity of a past moment: the row, on what, from which quote, until when."""

    origin: datetime
    ends_at: datetime
    row: Opportunity
    contract: Contract
    quote: YieldQuote

    @property
    def flag_id(self) -> str:
        """Name of the flag: the day of the screen and the row."""
        return f"{self.origin:%Y-%m-%d}/{self.row.row_id}"

    @property
    def exposed(self) -> tuple[str, ...]:
        """Fields of a scenario that move the profit, but for those that the contract's own terms decide."""
        trade, means = self.row.trade, self.row.scenario
        if trade is None or means is None:
            return ()
        slopes = trade.gradient(means).items()
        return tuple(name for name, slope in slopes if slope != 0 and name not in BY_TERMS)

    @property
    def promised(self) -> float:
        """Expected profit over the capital, over the holding."""
        return self.row.horizon_return or 0.0

    @property
    def p_loss(self) -> float:
        """Promised probability of loss."""
        return self.row.p_loss or 0.0


class Realised(NamedTuple):
    """What a trade brought.

    ``gross_usd`` is the profit before flat costs, ``pnl_usd`` after them. ``path`` says in words whether the way to
    the exit was checked for a liquidation; ``liquidated_at`` is when one happened.
    """

    scenario: Scenario
    observed: tuple[Observation, ...]
    gross_usd: float
    pnl_usd: float
    path: str
    liquidated_at: datetime | None = None

    @property
    def tested(self) -> bool:
        """Say whether anything that happened could have made the profit another one."""
        return any(not found.by_definition for found in self.observed)


class Prices(NamedTuple):
    """Prices of an underlying: days since the epoch at which each held, rising, and the prices."""

    name: str
    days: NDArray[np.float64]
    values: NDArray[np.float64]

    def near(self, moment: datetime, within_days: float) -> float | None:
        """Return the price nearest to a moment, None where none is within so many days."""
        import numpy as np

        if not self.days.size:
            return None
        gaps = np.abs(self.days - moment.timestamp() / DAY_SECONDS)
        place = int(gaps.argmin())
        return float(self.values[place]) if gaps[place] <= within_days else None

    def ratio(self, start: datetime, end: datetime, within_days: float) -> float | None:
        """Return the price at an end over that at a start, None where either is not known."""
        first, last = self.near(start, within_days), self.near(end, within_days)
        return None if first is None or last is None else last / first


class Outcomes:
    """Reads what happened from one view of a later moment; every series is read once.

    Parameters
    ----------
    view
        What is known now.
    settings
        How the trades were screened: what is borrowed, and where.
    tolerances
        How near a stored figure must be.
    """

    def __init__(self, view: MarketView, settings: ScreenSettings, tolerances: Tolerances) -> None:
        self.view = view
        self.settings = settings
        self.tolerances = tolerances
        self._pools = frozenset(view.facts.pool_ids())
        self._feeds: dict[tuple[str, str], tuple[YieldQuote, ...]] = {}
        self._series: dict[str, DailySeries] = {}
        self._prices: dict[str, Prices | None] = {}

    def realise(self, flag: Flag) -> Realised | Unobserved:
        """Price a flag again at what happened, or say what was not observed."""
        problem = self._unenterable(flag) or _unrealisable(flag)
        if problem is not None:
            return problem
        trade, means = flag.row.trade, flag.row.scenario
        if trade is None or means is None:
            return Unobserved("not priced", "the row keeps no trade to price again")
        scenario: dict[str, Any] = {"exit_implied": means.exit_implied}
        observed = []
        for name in flag.exposed:
            if name not in _READERS:
                return Unobserved(f"no {name}", f"nothing that is stored shows what became of {name}")
            found = _READERS[name](self, flag)
            if isinstance(found, Unobserved):
                return found
            scenario[name] = found.value
            observed.append(found)
        happened = Scenario(**scenario)
        flat = flag.row.flat_costs_usd or 0.0
        path, liquidated_at = self._walk(flag)
        pnl = float(trade.pnl(happened))
        if liquidated_at is not None:
            pnl = -_at_stake(trade)
        return Realised(happened, tuple(observed), pnl, pnl - flat, path, liquidated_at)

    def _unenterable(self, flag: Flag) -> Unobserved | None:
        """Say why a trade could not have been entered at its quote, or has not ended yet; None where neither."""
        if flag.ends_at > self.view.as_of:
            text = f"it ends at {iso(flag.ends_at)}, and nothing is known after {iso(self.view.as_of)}"
            return Unobserved("not over", text)
        age, oldest = days_between(flag.quote.at, flag.origin), self.tolerances.entry_days
        if age > oldest:
            text = f"the entry quote was {age:.1f} days old, more than {oldest:g}: the price to enter at is not known"
            return Unobserved("no entry quote", text)
        depth, least = flag.quote.liquidity_usd, self.settings.min_liquidity_usd
        if depth is not None and depth < least:
            text = f"the market held {depth:,.0f} USD, less than {least:,.0f}: nobody could have entered at its quote"
            return Unobserved("thin market", text)
        return None

    # ------------------------------------------------------------------ what happened by the exit

    def read_settled(self, flag: Flag) -> Reading:
        """Read the APY that the underlying settled at over the holding."""
        start, end = accrual_period(flag.contract, flag.origin, flag.ends_at)
        rate = self.settled(flag.contract, start, end)
        return self._rate("settled_apy", rate, start, end, f"published yield of {flag.contract.underlying}")

    def read_borrowed(self, flag: Flag) -> Reading:
        """Read the borrow APY paid: the compounded mean over the holding."""
        rate, name = self.borrowed(flag.origin, flag.ends_at), self.settings.lending_market
        return self._rate(
            "borrow_apy", rate, flag.origin, flag.ends_at, f"{self.settings.debt_asset} borrow rate at {name}"
        )

    def read_exit(self, flag: Flag) -> Reading:
        """Read the implied yield at the exit, from the nearest quote of the feed that the entry came from."""
        quotes, within = self.quotes(flag.contract, flag.quote.feed), self.tolerances.near_exit(flag)
        near = min(quotes, key=lambda quote: abs(quote.at - flag.ends_at), default=None)
        if near is None or abs(days_between(flag.ends_at, near.at)) > within:
            return Unobserved(
                "no exit quote",
                f"no quote of {flag.contract.contract_id} is stored within {within:.3g} days of "
                f"{iso(flag.ends_at)}, the exit",
            )
        return Observation(
            "exit_implied",
            near.implied_apy,
            f"{near.source}, quote of {iso(near.at)}, {_gap(near.at, flag.ends_at)} the exit",
        )

    def read_price(self, flag: Flag) -> Reading:
        """Read the price of the underlying at the exit over that at the entry, in units of the debt."""
        prices, debt = self.prices(flag.contract), self.settings.debt_asset
        if prices is None:
            source = f"what {flag.contract.underlying} is worth counts as {debt}, which is borrowed"
            return Observation("underlying_ratio", 1.0, source, by_definition=True)
        within = self.tolerances.near_exit(flag)
        ratio = prices.ratio(flag.origin, flag.ends_at, within)
        if ratio is None:
            return Unobserved(
                "no price",
                f"no price of {flag.contract.underlying} is stored within {within:.3g} days of "
                "the entry and of the exit",
            )
        return Observation("underlying_ratio", ratio, prices.name)

    def _rate(self, name: str, rate: RealisedRate, start: datetime, end: datetime, what: str) -> Reading:
        if rate.apy is None or rate.known_fraction < self.tolerances.known_fraction:
            return Unobserved(
                f"no {name}",
                f"{what} is known for {rate.known_fraction:.0%} of the time from {iso(start)} to {iso(end)}, "
                f"{self.tolerances.known_fraction:.0%} is needed",
            )
        source = f"{what}, known for {rate.known_fraction:.0%} of {days_between(start, end):.3g} days"
        return Observation(name, rate.apy, source)

    # ------------------------------------------------------------------ what happened on the way

    def _walk(self, flag: Flag) -> tuple[str, datetime | None]:
        """Look for a liquidation before the exit, where figures of the way are stored."""
        trade = flag.row.trade
        if isinstance(trade, LeveragedPrincipalLoop) and trade.debt > 0:
            return self._walk_loop(flag, trade)
        if isinstance(trade, InterestPeriodArbitrage) and trade.maintenance_ratio is not None:
            return self._walk_margin(flag, trade)
        return ("not checked", None) if flag.row.p_liquidation else ("cannot be liquidated", None)

    def _walk_loop(self, flag: Flag, trade: LeveragedPrincipalLoop) -> tuple[str, datetime | None]:
        if flag.row.figures.get("liquidation_implied_apy") is not None:
            return "not checked: the lender's price follows a market average that is not stored", None
        prices, days = self.prices(flag.contract), 0
        steps = int(days_between(flag.origin, flag.ends_at))
        for day in range(1, steps + 1):
            moment = flag.origin + timedelta(days=day)
            rate = self.borrowed(flag.origin, moment)
            ratio = prices.ratio(flag.origin, moment, self.tolerances.quote_days) if prices else 1.0
            if rate.apy is None or ratio is None:
                continue
            days += 1
            if trade.loan_to_value(rate.apy, day / DAYS_PER_YEAR, ratio) >= trade.liquidation_ltv:
                return f"loan to value reached its limit on day {day}", moment
        return f"loan to value checked on {days} of {steps} days", None

    def _walk_margin(self, flag: Flag, trade: InterestPeriodArbitrage) -> tuple[str, datetime | None]:
        checked = 0
        offset = max(years_to_maturity(flag.contract, flag.origin) - trade.exit_tau - trade.accrual, 0.0)
        for quote in self.quotes(flag.contract, flag.quote.feed):
            if not flag.origin < quote.at <= flag.ends_at:
                continue
            tau = years_to_maturity(flag.contract, quote.at)
            if tau <= 0:
                continue
            start, _ = accrual_period(flag.contract, flag.origin, flag.ends_at)
            rate = self.settled(flag.contract, start, quote.at)
            if rate.apy is None:
                continue
            checked += 1
            barrier = trade.liquidation_barrier(rate.apy, max(trade.tau - tau - offset, 0.0), tau)
            if trade.sign * (quote.implied_apy - barrier) <= 0:
                return f"margin called at {quote.implied_apy:.4%}, the limit was {barrier:.4%}", quote.at
        return f"margin checked at {checked} stored quotes", None

    # ------------------------------------------------------------------ series, each read once

    def quotes(self, contract: Contract, feed: str) -> tuple[YieldQuote, ...]:
        """Return every quote of a contract in one feed: feeds differ in method and are never spliced."""
        key = (contract.contract_id, feed)
        if key not in self._feeds:
            self._feeds[key] = self.view.feed_history(contract, feed)
        return self._feeds[key]

    def settled(self, contract: Contract, start: datetime, end: datetime) -> RealisedRate:
        """Return what the underlying of a contract settled at over a period."""
        from yieldtrade.forecast.periods import calendar
        from yieldtrade.forecast.realised import realised_daily, realised_periods

        underlying, terms = contract.underlying, contract.terms
        if underlying.upper() not in self._pools:
            published = self._read(underlying, lambda: self.view.underlying_history(underlying))
            return realised_daily(published, start, end)
        lag = int(terms.number("settlement_lag_weeks")) if "settlement_lag_weeks" in terms else 0
        trailing = self._read(underlying, lambda: self.view.pool_series(underlying, "underlying_apy"))
        cal = calendar(self.view.pool(underlying).terms)
        return realised_periods(trailing, cal, start, end, settlement_lag_weeks=lag)

    def borrowed(self, start: datetime, end: datetime) -> RealisedRate:
        """Return the mean borrow APY of the debt asset over a period."""
        from yieldtrade.forecast.realised import realised_daily

        market, asset = self.settings.lending_market, self.settings.debt_asset
        rates = self._read(f"{market} borrow", lambda: self.view.borrow_history(market, asset))
        return realised_daily(rates, start, end)

    def prices(self, contract: Contract) -> Prices | None:
        """Return the prices of an underlying against the debt; None where the two count as the same.

        The choice is that of the screen: the base asset's closes, a pool's own price, prices stored with quotes.
        """
        name = contract.contract_id
        if name not in self._prices:
            self._prices[name] = self._find_prices(contract)
        return self._prices[name]

    def _find_prices(self, contract: Contract) -> Prices | None:
        import numpy as np

        base, underlying = contract.terms.get("base_asset"), contract.underlying
        if counts_as(base, self.settings.debt_asset):
            return None
        if underlying.upper() in self._pools:
            return _closes(self.view.pool_series(underlying, f"{underlying.lower()}_price_usd"))
        if base is not None and len(self.view.asset_prices(str(base))):
            return _closes(self.view.asset_prices(str(base)), str(base))
        known = [
            (quote.at.timestamp() / DAY_SECONDS, quote.underlying_price_usd)
            for quote in self.view.quote_history(contract)
            if quote.underlying_price_usd is not None and quote.underlying_price_usd > 0
        ]
        days, values = np.array(known, dtype=np.float64).reshape(-1, 2).T
        return Prices(f"prices stored with the quotes of {contract.contract_id}", days, values)

    def _read(self, name: str, read: Callable[[], DailySeries]) -> DailySeries:
        if name not in self._series:
            self._series[name] = read()
        return self._series[name]


_READERS: Mapping[str, Callable[[Outcomes, Flag], Reading]] = MappingProxyType(
    {
        "settled_apy": Outcomes.read_settled,
        "exit_implied": Outcomes.read_exit,
        "borrow_apy": Outcomes.read_borrowed,
        "underlying_ratio": Outcomes.read_price,
    }
)


def _unrealisable(flag: Flag) -> Unobserved | None:
    """Say why nothing that is stored could show what a trade brought; None where something could."""
    trade, means = flag.row.trade, flag.row.scenario
    if flag.row.market != flag.contract.contract_id:
        text = (
            "several contracts: the yield between their maturities and the fills of both legs decide, and one "
            "settled APY over the holding does not show them"
        )
        return Unobserved("several contracts", text)
    if trade is not None and means is not None and not trade.gradient(means):
        text = "nothing is held: whether both legs were filled as quoted is not stored"
        return Unobserved("nothing held", text)
    return None


def _closes(series: DailySeries, of: str = "") -> Prices:
    """Return daily closes, each holding at the end of its day."""
    import numpy as np

    days = series.days.astype("datetime64[D]").astype(np.float64) + 1.0
    return Prices(f"daily {series.name} {of}".rstrip(), days, series.values)


def _at_stake(trade: Any) -> float:
    """Return what a liquidation takes of the own capital."""
    capital = trade.equity if isinstance(trade, LeveragedPrincipalLoop) else trade.margin
    return float(trade.liquidation_loss * capital)


def _gap(moment: datetime, wanted: datetime) -> str:
    days = days_between(wanted, moment)
    if days == 0:
        return "at"
    return f"{abs(days):.2f} days {'before' if days < 0 else 'after'}"
