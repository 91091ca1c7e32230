"""What all rows of one screen share: the view, forecasts, measured spreads, rates and random numbers.

Everything is looked up once and kept, so that a thousand contracts cost one forecast for each underlying and
period, one reading of each venue's quotes and one set of random numbers.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from yieldtrade.conventions import DAY_SECONDS, DAYS_PER_YEAR, iso, parse_instant
from yieldtrade.errors import MissingDataError, YieldtradeError
from yieldtrade.market import days_between, is_expired, years_to_maturity
from yieldtrade.strategies.depth import FoundDepth, find_depth
from yieldtrade.strategies.exit_yield import implied_sd, relative_changes, relative_spread, yield_path
from yieldtrade.strategies.inputs import ExitYield
from yieldtrade.strategies.risk import Draws
from yieldtrade.strategies.row import InputLine
from yieldtrade.strategies.subject import Market

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from yieldtrade.forecast import ForecastReport
    from yieldtrade.market import (
        Contract,
        LendingRate,
        MarketView,
        Parameter,
        ParameterValue,
        Venue,
        YieldQuote,
    )
    from yieldtrade.series import DailySeries
    from yieldtrade.strategies.exit_yield import YieldPath
    from yieldtrade.strategies.inputs import Forecaster, ScreenSettings, YieldForecast
    from yieldtrade.strategies.subject import Subject

# Price changes needed to measure a volatility, and days of closes it is measured on.
MIN_RETURNS = 20
VOL_DAYS = 365
WEEK = 7.0


class Answer(NamedTuple):
    """A forecast, or why there is none."""

    forecast: YieldForecast | None
    problem: str


class Spread(NamedTuple):
    """A relative spread of implied yields over a horizon, and where it was measured."""

    relative: float
    text: str
    own: bool


class Desk:
    """A screen in progress.

    Parameters
    ----------
    view
        What is known.
    settings
        How to screen.
    forecaster
        Gives the distribution of an underlying's settled APY over a period; None takes the package's own.
    """

    def __init__(
        self, view: MarketView, settings: ScreenSettings, forecaster: Forecaster | None = None
    ) -> None:
        self.view = view
        self.settings = settings
        self.draws = Draws(settings.random_seed)
        self.notes: list[str] = []
        self._forecaster = forecaster
        self._reports: dict[str, ForecastReport] = {}
        self._periods: dict[str, tuple[datetime | None, str]] = {}
        self._forecasts: dict[tuple[str, datetime, datetime, object], Answer] = {}
        self._pools = frozenset(view.facts.pool_ids())
        self._panels: dict[str, dict[str, list[YieldQuote]]] = {}
        self._paths: dict[str, dict[str, YieldPath]] = {}
        self._changes: dict[tuple[str, float], NDArray[np.float64]] = {}
        self._histories: dict[str, DailySeries] = {}
        self._venues: dict[str, Venue] = {}
        self._spreads: dict[tuple[str, float], Spread | None] = {}
        self._depths: dict[str, FoundDepth] = {}
        self._parameters: dict[tuple[str, int], InputLine] = {}
        self._borrow: LendingRate | None = None
        self.hurdle, self.hurdle_input = self._find_hurdle()

    @property
    def as_of(self) -> datetime:
        """The moment of the screen."""
        return self.view.as_of

    def markets(self, contracts: tuple[Contract, ...]) -> tuple[Market, ...]:
        """Look up the quotes and clocks of contracts."""
        quotes = self.view.quotes(contracts) if contracts else {}
        return tuple(self._market(contract, quotes.get(contract.contract_id)) for contract in contracts)

    def clock(self, market: Market, moment: datetime) -> float:
        """Years to maturity of a market at a moment, on its own clock."""
        return max(years_to_maturity(market.contract, moment), 0.0)

    def forecast(self, subject: Subject, start: datetime, end: datetime) -> Answer:
        """Forecast the settled APY of a subject's underlying over a period, once for each."""
        key = (subject.underlying, start, end, subject.terms.get("settlement_lag_weeks"))
        if key not in self._forecasts:
            self._forecasts[key] = self._ask(subject, start, end)
        return self._forecasts[key]

    def is_points_market(self, subject: Subject) -> bool:
        """Say whether the underlying publishes a yield of exactly zero."""
        if self.is_pool(subject.underlying):
            return False
        values = self.history(subject.underlying).values
        if values.size:
            return not values.any()
        quotes = [market.quote for market in subject.markets if market.quote is not None]
        return bool(quotes) and all(quote.underlying_apy == 0 for quote in quotes)

    def is_pool(self, underlying: str) -> bool:
        """Say whether the underlying is a pool, whose yield comes from its fees."""
        return underlying.upper() in self._pools

    def history(self, underlying: str) -> DailySeries:
        """Return the published yield of an underlying."""
        if underlying not in self._histories:
            self._histories[underlying] = self.view.underlying_history(underlying)
        return self._histories[underlying]

    def lender(self) -> Venue:
        """Return the venue that lends against PT."""
        return self.venue(self.settings.lender)

    def venue(self, venue_id: str) -> Venue:
        """Return a venue."""
        if venue_id not in self._venues:
            self._venues[venue_id] = self.view.venue(venue_id)
        return self._venues[venue_id]

    def borrow_rate(self) -> LendingRate:
        """Return the last known rates of the debt asset.

        Raises
        ------
        MissingDataError
            None is stored.
        """
        if self._borrow is None:
            self._borrow = self.view.lending(self.settings.lending_market, self.settings.debt_asset)
        return self._borrow

    def period_end(self, market: Market) -> tuple[datetime, str]:
        """Return when the running interest period ends, never after maturity, and how that is known."""
        end, source = self._period(market.contract.underlying)
        if end is None:
            end = self.as_of + timedelta(days=self.settings.period_days)
        return min(end, market.contract.maturity), source

    def exit_yield(self, market: Market, horizon_days: float) -> ExitYield | None:
        """Spread of the implied yield over a horizon around the entry yield; None where nothing measures it.

        Taken from the user, else from the contract's own changes, else, as a proxy, from those of its venue
        and then of the settings' proxy venue (strategies.md 3).
        """
        contract, quote = market.contract, market.quote
        given = self.settings.exit_yields.get(contract.contract_id)
        if given is not None or quote is None:
            return given
        found = self._spread(contract, horizon_days)
        if found is None or quote.implied_apy <= 0:
            return None
        return ExitYield(
            mean=quote.implied_apy,
            sd=implied_sd(quote.implied_apy, found.relative),
            proxy=None if found.own else found.text,
        )

    def spread_text(self, market: Market, horizon_days: float) -> str:
        """Return in words where the spread of the exit yield comes from."""
        if market.contract.contract_id in self.settings.exit_yields:
            return "given by the user"
        found = self._spread(market.contract, horizon_days)
        return found.text if found else ""

    def st_price(self, market: Market) -> InputLine | None:
        """Return the USD value of one ST now, None where no price is stored."""
        quote, contract = market.quote, market.contract
        if quote is not None and quote.underlying_price_usd is not None:
            return self.line("st_price_usd", quote.underlying_price_usd, "USD per ST", quote.at, quote.source)
        if contract.terms.get("base_asset") == "USD":
            return self.line("st_price_usd", 1.0, "USD per ST", None, "a dollar, as its base_asset says")
        if not self.is_pool(contract.underlying):
            return None
        series = self.pool_prices(contract.underlying)
        if len(series) == 0:
            return None
        note = f"stored {series.name}, over the growth published since the ST was issued, taken as 1"
        return self.line("st_price_usd", float(series.values[-1]), "USD per ST", _day_end(series, -1), note)

    def depth(self, market: Market) -> FoundDepth:
        """Return the pool of a contract that can be priced, at its quoted implied yield, or why there is none."""
        name = market.contract.contract_id
        if name not in self._depths:
            price, settings = self.st_price(market), self.settings
            self._depths[name] = find_depth(
                self.view,
                market,
                None if price is None else float(price.value or 0.0),
                settings.reject_age_factor * settings.max_quote_age_days,
            )
        return self._depths[name]

    def price_vol(self, market: Market) -> tuple[float, str] | None:
        """Volatility a year of the underlying against the debt and where it was measured, None where nothing does.

        A dollar is counted as USDC; what they may come apart by is a tail risk of the venues.
        """
        contract, debt_asset = market.contract, self.settings.debt_asset
        base = contract.terms.get("base_asset")
        if counts_as(base, debt_asset):
            return 0.0, f"the base asset {base} is what is borrowed"
        if debt_asset != "USDC":
            return None
        if self.is_pool(contract.underlying):
            return self.pool_vol(contract.underlying)
        if base is not None and len(self.view.asset_prices(str(base))):
            return self.asset_vol(str(base))
        known = [
            (quote.at.timestamp() / DAY_SECONDS, quote.underlying_price_usd)
            for quote in self._panel(contract.venue_id).get(contract.contract_id, ())
            if quote.underlying_price_usd is not None and quote.underlying_price_usd > 0
        ]
        days, prices = [day for day, _ in known], [price for _, price in known]
        return _volatility(days, prices, f"prices stored with the quotes of {contract.contract_id}")

    def pool_prices(self, underlying: str) -> DailySeries:
        """Return the daily prices of a pool's share."""
        key = f"{underlying} price"
        if key not in self._histories:
            self._histories[key] = self.view.pool_series(underlying, f"{underlying.lower()}_price_usd")
        return self._histories[key]

    def pool_vol(self, pool_id: str) -> tuple[float, str] | None:
        """Volatility a year of a pool's share in USD by its daily prices, None for too few of them."""
        series = self.pool_prices(pool_id)
        return _volatility(series.days, series.values, f"daily {series.name}")

    def asset_vol(self, asset: str) -> tuple[float, str] | None:
        """Volatility a year of an asset in USD by its last daily closes, None for too few of them."""
        series = self.view.asset_prices(asset)
        return _volatility(series.days[-VOL_DAYS:], series.values[-VOL_DAYS:], f"daily closes of {asset}")

    def shows_apy(self, days: float) -> bool:
        """Say whether a holding is long enough for an annual return to mean something."""
        return days >= self.settings.apy_from_days

    def age_days(self, moment: datetime) -> float:
        """Days since a moment."""
        return days_between(moment, self.as_of)

    def line(self, name: str, value: float | str, unit: str, at: datetime | None, source: str) -> InputLine:
        """Return an input with its age."""
        return InputLine(name, value, unit, at, None if at is None else self.age_days(at), source)

    def _market(self, contract: Contract, quote: YieldQuote | None) -> Market:
        days_left = days_between(self.as_of, contract.maturity)
        tau, problem = None, ""
        if not is_expired(contract, self.as_of):
            try:
                tau = years_to_maturity(contract, self.as_of)
            except YieldtradeError as error:
                problem = str(error)
        return Market(contract=contract, quote=quote, tau=tau, days_left=days_left, problem=problem)

    def _ask(self, subject: Subject, start: datetime, end: datetime) -> Answer:
        underlying, terms = subject.underlying, subject.terms
        try:
            if self._forecaster is not None:
                return Answer(self._forecaster(underlying, start, end), "")
            if not self.is_pool(underlying):
                from yieldtrade.forecast import level_spread_forecast

                return Answer(level_spread_forecast(self.history(underlying), start, end), "")
            lag = int(terms.number("settlement_lag_weeks")) if "settlement_lag_weeks" in terms else 0
            report = self._report(underlying)
            return Answer(report.yield_forecast(start, end, settlement_lag_weeks=lag), "")
        except YieldtradeError as error:
            return Answer(None, str(error))

    def _report(self, underlying: str) -> ForecastReport:
        from yieldtrade.forecast import forecast_apy

        if underlying not in self._reports:
            self._reports[underlying] = forecast_apy(self.view, underlying)
        return self._reports[underlying]

    def _period(self, underlying: str) -> tuple[datetime | None, str]:
        """Return when the running interest period is settled, None where there is no calendar."""
        if underlying not in self._periods:
            self._periods[underlying] = self._published(underlying)
        return self._periods[underlying]

    def _published(self, underlying: str) -> tuple[datetime | None, str]:
        days = f"{self.settings.period_days:g} days, the setting period_days"
        if not self.is_pool(underlying):
            return None, days
        from yieldtrade.forecast.periods import calendar

        try:
            found = calendar(self.view.pool(underlying).terms)
        except YieldtradeError as error:
            return None, f"{days} ({error})"
        moment = found.published(found.running(self.as_of))
        return moment, f"until {underlying} publishes its figure of the running period, {iso(moment)}"

    def parameter(self, owner: str, parameter: Parameter, value: float | str) -> InputLine:
        """Return a parameter as an input; one of a venue is the same line in every row."""
        key = (owner, id(parameter))
        if key not in self._parameters:
            source = f"{parameter.basis}: {parameter.source}"
            line = self.line(f"{owner}.{parameter.name}", value, parameter.unit, parameter.valid_from, source)
            self._parameters[key] = line
        return self._parameters[key]

    def _spread(self, contract: Contract, horizon_days: float) -> Spread | None:
        key = (contract.contract_id, horizon_days)
        if key not in self._spreads:
            self._spreads[key] = self._measure(contract, horizon_days)
        return self._spreads[key]

    def _measure(self, contract: Contract, horizon_days: float) -> Spread | None:
        own = self._paths_of(contract.venue_id).get(contract.contract_id)
        if own is not None:
            changes = relative_changes(own, horizon_days)
            if changes.size >= self.settings.min_exit_changes:
                text = f"{changes.size} changes over about {horizon_days:.3g} days of {contract.contract_id} itself"
                return Spread(relative_spread(changes), text, own=True)
        near = _measured_days(horizon_days)
        for venue_id in dict.fromkeys((contract.venue_id, self.settings.exit_proxy_venue)):
            pooled = self._pooled(venue_id, near)
            if pooled.size >= self.settings.min_exit_changes:
                spread = relative_spread(pooled) * math.sqrt(horizon_days / near)
                text = (
                    f"proxy: {pooled.size} changes over about {near:.3g} days of all markets of {venue_id}, "
                    f"{spread:.3f} of the yield over {horizon_days:.3g}"
                )
                return Spread(spread, text, own=False)
        return None

    def _pooled(self, venue_id: str, horizon_days: float) -> NDArray[np.float64]:
        import numpy as np

        key = (venue_id, horizon_days)
        if key not in self._changes:
            parts = [relative_changes(path, horizon_days) for path in self._paths_of(venue_id).values()]
            self._changes[key] = np.concatenate(parts) if parts else np.empty(0)
        return self._changes[key]

    def _paths_of(self, venue_id: str) -> dict[str, YieldPath]:
        if venue_id not in self._paths:
            self._paths[venue_id] = {
                contract_id: path
                for contract_id, quotes in self._panel(venue_id).items()
                if (path := yield_path(quotes, self.settings.min_liquidity_usd)) is not None
            }
        return self._paths[venue_id]

    def _panel(self, venue_id: str) -> dict[str, list[YieldQuote]]:
        if venue_id not in self._panels:
            grouped: dict[str, list[YieldQuote]] = {}
            for quote in self.view.panel(venue_id):
                grouped.setdefault(quote.contract_id, []).append(quote)
            self._panels[venue_id] = grouped
        return self._panels[venue_id]

    def _find_hurdle(self) -> tuple[float | None, InputLine | None]:
        """Take the user's hurdle, else the best stored supply rate of USDC."""
        if self.settings.hurdle is not None:
            line = self.line("hurdle_apy", self.settings.hurdle, "APY", None, "given by the user")
            return self.settings.hurdle, line
        rates = list(self._supply_rates())
        if not rates:
            self.notes.append(
                "no USDC supply rate is stored for the hurdle, so no trade can be accepted: state one with "
                "`--hurdle` or load lending rates"
            )
            return None, None
        best = max(rates, key=lambda rate: rate.supply_apy)
        line = self.line(
            "hurdle_apy", best.supply_apy, "APY", best.at, f"USDC supply at {best.venue_id}: {best.source}"
        )
        self.notes.append(
            f"hurdle {best.supply_apy:.2%}: USDC supply rate at {best.venue_id}, {line.age_days:.1f} days old"
        )
        return best.supply_apy, line

    def _supply_rates(self) -> Iterable[LendingRate]:
        for venue_id in self.settings.hurdle_markets:
            try:
                yield self.view.lending(venue_id, "USDC")
            except MissingDataError:
                continue


def counts_as(base: ParameterValue | None, debt_asset: str) -> bool:
    """Say whether a base asset is what is borrowed; a dollar is counted as USDC."""
    return base is not None and base in (debt_asset, "USD" if debt_asset == "USDC" else debt_asset)


def _measured_days(horizon_days: float) -> float:
    """Return the horizon at which a proxy is measured for one near it: few of them serve a thousand contracts.

    Steps of a fourth root of 2 around a week; what is between is scaled by the root of time, as a random walk asks.
    """
    return WEEK * math.exp2(round(4.0 * math.log2(horizon_days / WEEK)) / 4.0)


def _volatility(days: ArrayLike, prices: ArrayLike, source: str) -> tuple[float, str] | None:
    """Root mean square of log changes, a year; None for too few of them."""
    import numpy as np

    when, values = np.asarray(days).astype(np.float64), np.asarray(prices, dtype=np.float64)
    if values.size <= MIN_RETURNS:
        return None
    variance = float(np.sum(np.diff(np.log(values)) ** 2) / (when[-1] - when[0]))
    return math.sqrt(variance * DAYS_PER_YEAR), f"{values.size - 1} changes of {source}"


def _day_end(series: DailySeries, index: int) -> datetime:
    return parse_instant(str(series.days[index].astype("datetime64[D]"))) + timedelta(days=1)
