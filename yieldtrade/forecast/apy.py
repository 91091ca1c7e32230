"""The forecast itself: paths, centred and calibrated by the record, as a report (forecast.md 4-8)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from yieldtrade.conventions import DAYS_PER_YEAR, iso
from yieldtrade.elementwise import Bound, checked
from yieldtrade.errors import MissingDataError
from yieldtrade.forecast.candidates import CARD, COMBINATION, STRUCTURAL, Raw, raw_forecast
from yieldtrade.forecast.card import fit_apy_model
from yieldtrade.forecast.data import MEASURED, SERIES, TVL, VOLUME, check_usable, check_whole, pool_history
from yieldtrade.forecast.evaluate import HORIZONS, SEED, evaluate_forecasts
from yieldtrade.forecast.fees import fit_fee_model
from yieldtrade.forecast.notes import fee_series_text, quality_notes
from yieldtrade.forecast.nowcast import evaluate_nowcast
from yieldtrade.forecast.periods import DAYS, day_of, start_of
from yieldtrade.forecast.result import (
    KNOWN,
    MODEL_VERSION,
    ForecastReport,
    PeriodForecast,
    Worlds,
    distribution,
)
from yieldtrade.forecast.scenarios import (
    ASKED_APY,
    BreakEven,
    break_even_volume,
    pool_sizes,
    scenario_card,
    scenario_table,
    volume_regimes,
)
from yieldtrade.forecast.scoring import Calibration
from yieldtrade.forecast.simulate import WhatIf
from yieldtrade.forecast.target import build_target, definition_text, log_growth, official_apy
from yieldtrade.forecast.tvl import fit_tvl_model
from yieldtrade.forecast.volume import fit_volume_model

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from yieldtrade.forecast.card import ApyModel, Card
    from yieldtrade.forecast.data import PoolHistory
    from yieldtrade.forecast.evaluate import TrackRecord
    from yieldtrade.forecast.nowcast import NowcastRecord
    from yieldtrade.forecast.scenarios import ScenarioCell
    from yieldtrade.market import MarketView

PATHS = 4_000
PERIODS = 8
MOST_PERIODS = 104
# Periods simulated beyond those shown, so that any holding period of a year can be asked for.
SIMULATED = 53
_CENTRAL = (0.1, 0.9)
# What may be assumed: beyond these no pool is thinkable, and far beyond them floats end.
ASSUMABLE = {
    "cap_usd": (1.0, 1e15),
    "volume_usd": (1.0, 1e15),
    "pool_share": (1e-6, 1.0),
    "fee_bps": (1e-3, 1e3),
}


def forecast_apy(
    view: MarketView,
    pool_id: str = "JLP",
    *,
    periods: int = PERIODS,
    cap_usd: float | None = None,
    volume_usd: float | None = None,
    pool_share: float | None = None,
    fee_bps: float | None = None,
    paths: int = PATHS,
    seed: int = SEED,
    track_record: bool = True,
    nowcast_by_day: bool = False,
) -> ForecastReport:
    """Forecast a pool's fee APY for the running period, the next ones, and any holding period.

    Parameters
    ----------
    view
        What is known.
    pool_id
        The pool.
    periods
        Periods shown after the running one, 1 to 104.
    cap_usd, volume_usd, pool_share, fee_bps
        The user's own AUM limit (USD), volume of every day to come (USD), pool share of fees (fraction) and fees
        over volume (bps). Path by path, the forecast moves by what they change in the simulation; stating a limit
        or a share that holds anyway changes nothing. A stated volume or fee is what the other models would have
        forecast, so that the structural one alone is left.
    paths
        Simulated paths.
    seed
        Seed of the generator, 20241130 unless given: same view and seed, same numbers to the last digit.
    track_record
        Forecast every past week too, choose the model and calibrate the spread by it. Without it the forecast is
        the equal-weight combination with the spread of the simulation.
    nowcast_by_day
        Forecast every past week with each number of its days seen, too; without it only with as many as are seen of
        the running one. Takes twice as long and changes no forecast.

    Raises
    ------
    UnknownNameError
        There is no such pool.
    MissingDataError
        Fewer than 60 usable days, or too many missing.
    MarketDefinitionError
        A parameter that is needed is not published.
    DomainError
        An argument outside its range.
    """
    check_whole("periods", periods, 1, MOST_PERIODS)
    check_whole("paths", paths, 1)
    check_whole("seed", seed, 0)
    what_if = _what_if(cap_usd, volume_usd, pool_share, fee_bps)
    history = pool_history(view, pool_id)
    check_usable(history)
    target = build_target(history)
    cal = target.calendar
    running = cal.running(history.as_of)
    last_needed = max(
        (cal.number(day_of(end)) for end in _maturities(view, history.pool.pool_id)), default=running
    )
    simulated = partial(
        raw_forecast,
        history,
        target,
        end=max(running + max(periods, SIMULATED), min(last_needed, running + MOST_PERIODS)) + 1,
        paths=paths,
        seed=(seed,),
    )
    unmoved = simulated()
    raw = simulated(what_if=what_if) if what_if != WhatIf() else unmoved
    observed = int(raw.observed[running - raw.paths.first])
    records = _records(history, observed, seed, by_day=nowcast_by_day) if track_record else _Records(None)
    settled = _settle(unmoved, records, what_if).moved(raw.paths.log_apr - unmoved.paths.log_apr)
    shown = range(running, running + periods + 1)
    forecasts = [_period(raw, history, settled, number) for number in shown]
    fee_model = fit_fee_model(history)
    apy_model = _apy_model(history)
    card = None if apy_model is None else scenario_card(apy_model.card, target, fee_bps)
    cells, evens = _scenarios(history, card, unmoved, forecasts[0], what_if)
    return ForecastReport(
        pool_id=history.pool.pool_id,
        as_of=history.as_of,
        data_through=_through(history),
        data_age_days=_ages(history),
        definition=definition_text(target),
        fee_series=fee_series_text(target),
        notes=quality_notes(history, target, what_if),
        running=forecasts[0],
        upcoming=tuple(forecasts[1:]),
        calibrated=track_record,
        fee_model=fee_model,
        volume_model=fit_volume_model(history, compare=track_record),
        tvl_model=fit_tvl_model(history),
        apy_model=apy_model,
        scenario_card=card,
        track_record=records.weekly,
        nowcast_record=records.by_day,
        scenarios=cells,
        break_evens=evens,
        pool_share=_share_ahead(history, what_if),
        model_version=MODEL_VERSION,
        input_hash=_input_hash(
            history, (periods, cap_usd, volume_usd, pool_share, fee_bps, paths, seed, track_record)
        ),
        seed=seed,
        paths=paths,
        worlds=_worlds(raw, settled),
    )


class _Settled(NamedTuple):
    """The calibrated forecast: ``log APR`` by period and path, and by period the model it is centred on."""

    log_apr: NDArray[np.float64]
    models: tuple[str, ...]

    def moved(self, shift: NDArray[np.float64]) -> _Settled:
        """Return the forecast moved path by path."""
        return self._replace(log_apr=self.log_apr + shift)


class _Records(NamedTuple):
    """What the past says: of whole periods ahead, of a running one as far seen as this one, and by days seen."""

    weekly: TrackRecord | None
    running: TrackRecord | None = None
    by_day: NowcastRecord | None = None

    def calibration(self, raw: Raw, row: int) -> Calibration | None:
        """Return the calibration of a period; past the horizon of the record its last one holds."""
        if self.running is not None and raw.observed[row]:
            return self.running.now[0]
        if self.weekly is None:
            return None
        return self.weekly.now[min(int(raw.horizon[row]), len(self.weekly.now)) - 1]


def _records(history: PoolHistory, observed: int, seed: int, *, by_day: bool) -> _Records:
    weekly = evaluate_forecasts(history, horizons=HORIZONS, seed=seed)
    days = evaluate_nowcast(history, seed=seed) if by_day else None
    if not 0 < observed < DAYS:
        return _Records(weekly, None, days)
    if days is not None:
        return _Records(weekly, days.records[observed], days)
    return _Records(weekly, evaluate_forecasts(history, horizons=1, observed_days=observed, seed=seed))


def _settle(raw: Raw, records: _Records, what_if: WhatIf) -> _Settled:
    """Put the paths at the centre of the model chosen, and stretch them by the record."""
    deviations = raw.deviations()
    rows = range(len(deviations))
    found = [records.calibration(raw, row) or Calibration(COMBINATION, 1.0, 0) for row in rows]
    if what_if.states_fees():
        found = [item._replace(model=STRUCTURAL) for item in found]
    scale = _limited(raw, deviations, np.array([item.scale for item in found]))
    centre = np.array([raw.centre[item.model][row] for row, item in zip(rows, found, strict=True)])
    log_apr = centre[:, None] + scale[:, None] * deviations
    log_apr[raw.paths.known] = raw.paths.log_apr[raw.paths.known]
    return _Settled(log_apr, tuple(map(_named, found, raw.paths.known, raw.observed)))


def _named(found: Calibration, known: np.bool_, observed: np.int64) -> str:
    """Name what a period is centred on; card and combination leave a week that has begun to the simulation."""
    if known:
        return KNOWN
    return STRUCTURAL if observed and found.model in {CARD, COMBINATION} else found.model


def _limited(raw: Raw, deviations: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bound the spread of periods past the horizon of the record.

    Such a period is not less certain than a week picked from the record at random, nor than one at the horizon:
    a level without a home would in the end allow anything.
    """
    half = np.ptp(np.quantile(deviations, _CENTRAL, axis=1), axis=0) / 2
    target = raw.target
    weeks = np.concatenate([target.level, target.computed_other])
    widest = np.ptp(np.quantile(weeks[np.isfinite(weeks)], _CENTRAL)) / 2
    near = raw.horizon <= HORIZONS
    if near.any():
        widest = max(widest, float((scale * half)[near][-1]))
    bound = widest / np.where(half > 0, half, np.inf)
    return np.where(near | (half == 0), scale, np.minimum(scale, bound))


def _period(raw: Raw, history: PoolHistory, settled: _Settled, number: int) -> PeriodForecast:
    cal, row = raw.target.calendar, number - raw.paths.first
    return PeriodForecast(
        start=cal.start(number),
        end=cal.start(number + 1),
        publication=cal.published(number),
        days_observed=int(raw.observed[row]),
        apy_so_far=_so_far(raw, history, number, row),
        apy=distribution(official_apy(settled.log_apr[row], cal.compounding)),
        model=settled.models[row],
        apy_by_model={
            name: float(official_apy(raw.centre[name][row], cal.compounding)) for name in raw.centre
        },
        volume_usd=distribution(raw.paths.volume[row]),
        fees_usd=distribution(raw.paths.fees[row]),
        tvl_usd=distribution(raw.paths.tvl[row]),
        basis=raw.target.settled_by(number) if raw.paths.known[row] else None,
    )


def _so_far(raw: Raw, history: PoolHistory, number: int, row: int) -> float | None:
    """APY of the days of a period whose fees are known, at the ratio known now; TVL not known takes its median."""
    target = raw.target
    if raw.paths.known[row]:
        return float(official_apy(raw.paths.log_apr[row, 0], target.calendar.compounding))
    inside = (target.calendar.numbers(history.days) == number) & np.isfinite(target.fees)
    if not inside.any():
        return None
    tvl = history.values[TVL][inside]
    tvl = np.where(np.isfinite(tvl), tvl, np.median(raw.paths.tvl[row]))
    flow = float((history.pool_share()[inside] * target.fees[inside]).mean())
    apr = DAYS_PER_YEAR * flow / float(tvl.mean())
    level = target.ratio.level if target.ratio is not None else 0.0
    return float(official_apy(np.log(apr) + level, target.calendar.compounding))


def _worlds(raw: Raw, settled: _Settled) -> Worlds:
    target = raw.target
    n = target.calendar.compounding
    # before it was measured, the yield is computed and carries the ratio known now
    past = {
        target.first + place: float(log_growth(level + np.log(target.share[place]), n))
        for place, level in enumerate(target.level)
        if np.isfinite(level) and target.first + place < raw.paths.first
    }
    known = np.where(raw.paths.known, 1.0, raw.observed / DAYS)
    settled_periods = (*past, *(raw.paths.first + np.flatnonzero(raw.paths.known)).tolist())
    return Worlds(
        calendar=target.calendar,
        first=raw.paths.first,
        log_growth=log_growth(settled.log_apr, n),
        known=known,
        past=past,
        basis={
            number: basis for number in settled_periods if (basis := target.settled_by(number)) is not None
        },
    )


def _scenarios(
    history: PoolHistory, card: Card | None, unmoved: Raw, running: PeriodForecast, what_if: WhatIf
) -> tuple[tuple[ScenarioCell, ...], tuple[BreakEven, ...]]:
    if card is None:
        return (), ()
    terms, cal = history.pool.terms, unmoved.target.calendar
    row = cal.number(day_of(running.start)) - unmoved.paths.first
    limit, n = terms.get("aum_limit_usd"), cal.compounding
    share_ahead = _share_ahead(history, what_if)
    volume_now, tvl_now = (
        float(np.median(found[row])) for found in (unmoved.paths.volume, unmoved.paths.tvl)
    )
    sizes = pool_sizes(tvl_now, None if limit is None else float(limit), what_if.cap_usd)
    volumes = volume_regimes(history, volume_now / DAYS, what_if.volume_usd)
    cells = scenario_table(card, sizes=sizes, volumes=volumes, share=share_ahead, n=n)
    evens = tuple(
        BreakEven(apy=apy, tvl_usd=size, volume_usd=break_even_volume(card, apy, size, share_ahead, n))
        for apy in (running.apy.median, ASKED_APY)
        for size in sorted({cell.tvl_usd for cell in cells})
    )
    return cells, evens


def _share_ahead(history: PoolHistory, what_if: WhatIf) -> float:
    return history.pool.terms.number("fees.pool_share") if what_if.pool_share is None else what_if.pool_share


def _apy_model(history: PoolHistory) -> ApyModel | None:
    try:
        return fit_apy_model(history)
    except MissingDataError:
        return None


def _maturities(view: MarketView, pool_id: str) -> list[datetime]:
    return [contract.maturity for contract in view.live_contracts() if contract.underlying == pool_id]


def _through(history: PoolHistory) -> dict[str, np.datetime64]:
    found = {name: history.last_day(name) for name in SERIES}
    return {name: day for name, day in found.items() if day is not None}


def _ages(history: PoolHistory) -> dict[str, float]:
    """Days since each series was last known: a figure is known when its day is over, the TVL when it begins."""
    ages = {}
    for name, day in _through(history).items():
        known = start_of(day) + timedelta(days=0 if name == TVL else 1)
        ages[name] = (history.as_of - known) / timedelta(days=1)
    return ages


def _what_if(
    cap_usd: float | None, volume_usd: float | None, pool_share: float | None, fee_bps: float | None
) -> WhatIf:
    amounts = {"cap_usd": cap_usd, "volume_usd": volume_usd, "pool_share": pool_share, "fee_bps": fee_bps}
    for name, value in amounts.items():
        if value is not None:
            checked(name, value, _between(name, *ASSUMABLE[name]))
    return WhatIf(cap_usd=cap_usd, volume_usd=volume_usd, pool_share=pool_share, fee_bps=fee_bps)


def _between(name: str, low: float, high: float) -> Bound:
    return Bound(
        name, lambda **given: (given[name] >= low) & (given[name] <= high), f"must lie in [{low:g}, {high:g}]"
    )


def _input_hash(history: PoolHistory, arguments: tuple[object, ...]) -> str:
    """Hash everything the numbers depend on: figures, dated parameters, moment and arguments."""
    digest = hashlib.sha256(f"{MODEL_VERSION} {iso(history.as_of)} {arguments!r}".encode())
    digest.update(history.days.astype(np.int64).tobytes())
    for name in SERIES:
        digest.update(history.values[name].tobytes())
    for name in (VOLUME, MEASURED):
        digest.update("|".join(history.quality[name]).encode())
    # past origins saw the versions of then
    versions = [history.stored.series[name].versions for name in SERIES]
    digest.update(repr((history.stored.official, versions)).encode())
    for valid_from, parameters in history.pool.changes:
        dated = sorted((name, term.value) for name, term in parameters.items())
        digest.update(f"{iso(valid_from)} {dated!r}".encode())
    terms = sorted((name, term.value) for name, term in history.pool.terms.parameters.items())
    digest.update(repr(terms).encode())
    return digest.hexdigest()
