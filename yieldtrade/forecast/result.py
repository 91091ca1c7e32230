"""What a forecast hands over: distributions of the periods to come, and the yield over any holding period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from yieldtrade.conventions import iso, utc
from yieldtrade.elementwise import Bound, as_number, checked
from yieldtrade.errors import DomainError, ExpiredError, MissingDataError
from yieldtrade.forecast.periods import overlaps
from yieldtrade.forecast.scores import QUANTILES, sorted_quantiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from numpy.typing import NDArray

    from yieldtrade.forecast.card import ApyModel, Card
    from yieldtrade.forecast.evaluate import TrackRecord
    from yieldtrade.forecast.fees import FeeModel
    from yieldtrade.forecast.nowcast import NowcastRecord
    from yieldtrade.forecast.periods import Calendar
    from yieldtrade.forecast.scenarios import BreakEven, ScenarioCell
    from yieldtrade.forecast.target import SettledBy
    from yieldtrade.forecast.tvl import TvlModel
    from yieldtrade.forecast.volume import VolumeModel
    from yieldtrade.market import Contract

MODEL_VERSION = "jlp-2"
# What a period is centred on whose yield is known.
KNOWN = "known"
# The level under which a mean stands among quantiles.
MEAN = -1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distribution:
    """A predictive distribution as equally likely samples.

    Parameters
    ----------
    samples
        One a path, shape (paths,); path i is the same world in every distribution of a report.
    quantiles
        Values at the levels .05 .1 .25 .5 .75 .9 .95.
    mean
        Mean of the samples.
    """

    samples: NDArray[np.float64]
    quantiles: Mapping[float, float]
    mean: float

    @property
    def median(self) -> float:
        """The value that is exceeded half of the time."""
        return self.quantiles[0.5]

    def quantile(self, level: float) -> float:
        """Return the value at a level between 0 and 1."""
        return quantile_of(self.samples, level)

    def to_frame(self) -> Any:
        """Return the quantiles as a pandas DataFrame with columns quantile and value; the mean stands under -1."""
        return _quantile_frame(self.quantiles, self.mean)


def quantile_of(samples: NDArray[np.float64], level: float) -> float:
    """Return the value below which a share ``level`` of the samples lies.

    Raises
    ------
    DomainError
        ``level`` outside [0, 1].
    """
    bound = Bound("level", lambda level: (level >= 0) & (level <= 1), "must lie in [0, 1]")
    return float(np.quantile(samples, checked("level", level, bound)))


def _quantile_frame(quantiles: Mapping[float, float], mean: float) -> Any:
    import pandas as pd

    rows = {**quantiles, MEAN: mean}
    return pd.DataFrame({"quantile": list(rows), "value": list(rows.values())})


def distribution(samples: NDArray[np.float64]) -> Distribution:
    """Summarise samples."""
    values = sorted_quantiles(np.sort(samples), np.array(QUANTILES))
    return Distribution(
        samples=samples,
        quantiles=dict(zip(QUANTILES, map(float, values), strict=True)),
        mean=float(samples.mean()),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeriodForecast:
    """The forecast of one interest period; sums and means over its seven UTC days.

    Parameters
    ----------
    start, end
        Begin of its first day and end of its last.
    publication
        Moment its figure is published.
    days_observed
        Days of it whose fees are known.
    apy_so_far
        APY of those days alone, fraction; None where there is none.
    apy
        Official APY of the period, fraction.
    model
        Model the APY is centred on; ``known`` where the period's yield is known.
    apy_by_model
        APY at the centre of every candidate and baseline; ``structural`` is what the volume, fees and TVL beside
        it give.
    volume_usd, fees_usd
        Sums over the period, USD; the fees are those of ``ForecastReport.fee_series``.
    tvl_usd
        Mean over the period, USD.
    basis
        Where the APY of a period that is known comes from: ``official``, ``measured`` or ``computed``; None where it
        is forecast.
    """

    start: datetime
    end: datetime
    publication: datetime
    days_observed: int
    apy_so_far: float | None
    apy: Distribution
    model: str
    apy_by_model: Mapping[str, float]
    volume_usd: Distribution
    fees_usd: Distribution
    tvl_usd: Distribution
    basis: SettledBy | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YieldForecast:
    """Predictive distribution of the settled APY over one holding period.

    Parameters
    ----------
    mean_apy, sd_apy
        Mean and standard deviation of the samples.
    start, end
        The holding period.
    samples
        Settled APY over it, float64; path i is the same world in every forecast of one report.
    known_fraction
        Part of the time that is already known, 0 to 1.
    model_version, input_hash
        Which model, fed with what.
    definition
        What is forecast, in words.
    points
        The underlying pays no yield but points: an APY of 0 is all that settles, not all that is earned.
    """

    mean_apy: float
    sd_apy: float
    start: datetime
    end: datetime
    samples: NDArray[np.float64]
    known_fraction: float
    model_version: str
    input_hash: str
    definition: str
    points: bool = False

    @property
    def quantiles(self) -> Mapping[float, float]:
        """Values at the levels .05 .1 .25 .5 .75 .9 .95."""
        return distribution(self.samples).quantiles

    def quantile(self, level: float) -> float:
        """Return the value at a level between 0 and 1."""
        return quantile_of(self.samples, level)

    def to_frame(self) -> Any:
        """Return the quantiles as a pandas DataFrame with columns quantile and value; the mean stands under -1."""
        return _quantile_frame(self.quantiles, self.mean_apy)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Worlds:
    """Growth of every simulated period, and of the past ones that are known.

    Parameters
    ----------
    calendar
        The publication calendar.
    first
        Number of the first simulated period.
    log_growth
        ``log(1 + APY)`` by period and path, shape (periods, paths).
    known
        Part of each simulated period that is already known, shape (periods,).
    past
        ``log(1 + APY)`` of earlier periods by number, where known.
    basis
        Where the yield of each known period, past or simulated, comes from: ``official``, ``measured`` or ``computed``.
    """

    calendar: Calendar
    first: int
    log_growth: NDArray[np.float64]
    known: NDArray[np.float64]
    past: Mapping[int, float]
    basis: Mapping[int, SettledBy]

    @property
    def last(self) -> int:
        """Number of the last simulated period."""
        return self.first + len(self.log_growth) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForecastReport:
    """Forecast of a pool's fee APY, with what it rests on.

    Parameters
    ----------
    pool_id, as_of
        Which pool, at which moment.
    data_through
        Last day known by series.
    data_age_days
        Days from the end of that day to ``as_of`` (TVL: from its start), by series.
    definition, fee_series
        What APY is forecast, and which fees were modelled.
    notes
        What was used, estimated, left out.
    running
        The period whose figure comes next.
    upcoming
        The periods after it.
    calibrated
        Whether the spread is calibrated by the track record.
    fee_model, volume_model, tvl_model, apy_model
        The fitted models; ``apy_model`` is None with too few weeks.
    scenario_card
        The line behind scenarios and break-evens: the card, or what fees stated by the user make of it.
    track_record, nowcast_record
        Scores of past forecasts of whole periods, and of running ones by days seen; None where not asked for.
    scenarios, break_evens
        APY by TVL and volume, and the volume that an APY takes; empty with too few weeks.
    pool_share
        Share of fees that goes to the pool ahead.
    model_version, input_hash, seed, paths
        What reproduces the numbers.
    worlds
        The simulated growth behind :meth:`yield_forecast`.
    """

    pool_id: str
    as_of: datetime
    data_through: Mapping[str, np.datetime64]
    data_age_days: Mapping[str, float]
    definition: str
    fee_series: str
    notes: tuple[str, ...]
    running: PeriodForecast
    upcoming: tuple[PeriodForecast, ...]
    calibrated: bool
    fee_model: FeeModel
    volume_model: VolumeModel
    tvl_model: TvlModel
    apy_model: ApyModel | None
    scenario_card: Card | None
    track_record: TrackRecord | None
    nowcast_record: NowcastRecord | None
    scenarios: tuple[ScenarioCell, ...]
    break_evens: tuple[BreakEven, ...]
    pool_share: float
    model_version: str
    input_hash: str
    seed: int
    paths: int
    worlds: Worlds

    @property
    def model(self) -> str:
        """Model the running period is centred on."""
        return self.running.model

    @property
    def periods(self) -> tuple[PeriodForecast, ...]:
        """The running period and those after it."""
        return (self.running, *self.upcoming)

    def yield_forecast(
        self, start: datetime, end: datetime, *, settlement_lag_weeks: int = 0
    ) -> YieldForecast:
        """Forecast the geometric mean of the settled APY over a holding period.

        Each moment earns at the figure of its own interest period, or of the one ``settlement_lag_weeks``
        before. Periods already known enter as known.

        Parameters
        ----------
        start, end
            The holding period, aware UTC; it may have begun.
        settlement_lag_weeks
            A term of the contract.

        Raises
        ------
        DomainError
            ``end`` not after ``start``, a lag that is not a whole number of weeks of at least 0, or an end past
            the simulated periods.
        MissingDataError
            The period reaches back to periods whose yield is not known.
        """
        begun, over = utc(start, "start"), utc(end, "end")
        if over <= begun:
            raise DomainError(f"end = {iso(over)} is not after start = {iso(begun)}")
        lag = _whole_weeks(settlement_lag_weeks)
        growth, known, total = np.zeros(self.worlds.log_growth.shape[1]), 0.0, 0.0
        for number, seconds in overlaps(self.worlds.calendar, begun, over):
            log_growth, part = self._growth(number - lag)
            growth = growth + seconds * log_growth
            known, total = known + seconds * part, total + seconds
        samples = np.expm1(growth / total)
        return YieldForecast(
            mean_apy=float(samples.mean()),
            sd_apy=float(samples.std()),
            start=begun,
            end=over,
            samples=samples,
            known_fraction=known / total,
            model_version=self.model_version,
            input_hash=self.input_hash,
            definition=self.definition,
        )

    def to_maturity(self, contract: Contract) -> YieldForecast:
        """Forecast the mean settled APY from now to a contract's maturity, by its own settlement terms.

        Raises
        ------
        DomainError
            The contract is on another underlying.
        ExpiredError
            It has matured.
        """
        if contract.underlying != self.pool_id:
            raise DomainError(
                f"{contract.contract_id} is on {contract.underlying}, this is a forecast of {self.pool_id}"
            )
        if contract.maturity <= self.as_of:
            raise ExpiredError(f"{contract.contract_id} matured at {iso(contract.maturity)}")
        name = "settlement_lag_weeks"
        lag = contract.terms.number(name) if name in contract.terms else 0.0
        return self.yield_forecast(self.as_of, contract.maturity, settlement_lag_weeks=_whole_weeks(lag))

    def break_even_volume(self, apy: float, *, tvl_usd: float) -> float:
        """Return the daily volume that keeps an APY at a given TVL, USD: the card solved for volume.

        Raises
        ------
        DomainError
            ``apy`` or ``tvl_usd`` not a positive number.
        MissingDataError
            Too few weeks for the card.
        """
        from yieldtrade.forecast.scenarios import break_even_volume

        if self.scenario_card is None:
            raise MissingDataError("the card has too few weeks to solve for volume; load a longer history")
        n = self.worlds.calendar.compounding
        return break_even_volume(self.scenario_card, apy, tvl_usd, self.pool_share, n)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row a target, period and quantile; quantile -1 stands for the mean."""
        fees = "gross_fees_usd" if self.fee_model.basis == "gross" else "oc_fees_usd"
        for period in self.periods:
            targets = {
                "apy": period.apy,
                "volume_usd": period.volume_usd,
                fees: period.fees_usd,
                "tvl_usd": period.tvl_usd,
            }
            for target, found in targets.items():
                for level, value in {**found.quantiles, MEAN: found.mean}.items():
                    yield {
                        "pool": self.pool_id,
                        "target": target,
                        "period_start": iso(period.start),
                        "period_end": iso(period.end),
                        "publication": iso(period.publication),
                        "quantile": level,
                        "value": value,
                        "model_version": self.model_version,
                    }

    def to_frame(self) -> Any:
        """Return :meth:`rows` as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(list(self.rows()))

    def _growth(self, number: int) -> tuple[NDArray[np.float64] | float, float]:
        worlds = self.worlds
        if number > worlds.last:
            raise DomainError(
                f"the forecast ends with the period from {iso(worlds.calendar.start(worlds.last))}; the one from "
                f"{iso(worlds.calendar.start(number))} lies beyond: ask for more periods"
            )
        if number >= worlds.first:
            place = number - worlds.first
            return worlds.log_growth[place], float(worlds.known[place])
        if number not in worlds.past:
            raise MissingDataError(
                f"the yield of {self.pool_id} in the period from {iso(worlds.calendar.start(number))} is not "
                "known; load it with `yieldtrade load FILE` or start later"
            )
        return worlds.past[number], 1.0


def _whole_weeks(lag: float) -> int:
    if isinstance(lag, bool) or as_number("settlement_lag_weeks", lag) % 1 or lag < 0:
        raise DomainError(f"settlement_lag_weeks = {lag!r} must be a whole number of at least 0")
    return int(lag)
