"""Everything tried for the centre and the spread of the APY forecast, on the bundled history.

    python scripts/candidates.py [--db FILE] [--as-of 2026-01-01]

Prints the tables of docs/forecast.md: CRPS skill over persistence in log APY by candidate, on the first 60 % of the
scored origins (choose) and on the rest (hold-out), and the coverage of ways to calibrate. Nothing is written but the
database with the bundled history. A minute.
"""

from __future__ import annotations

import argparse
import math
import warnings
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import numpy as np
from statsmodels.regression.quantile_regression import QuantReg

from yieldtrade.errors import MissingDataError
from yieldtrade.forecast import pool_history, return_columns
from yieldtrade.forecast.baselines import BASELINES
from yieldtrade.forecast.candidates import raw_forecast
from yieldtrade.forecast.data import VOLUME
from yieldtrade.forecast.evaluate import HORIZONS, PATHS, SEED, rolling_origins
from yieldtrade.forecast.har import trailing_mean
from yieldtrade.forecast.local_level import fit_local_level
from yieldtrade.forecast.periods import DAYS, calendar
from yieldtrade.forecast.scores import QUANTILES, crps, inside, pinball, sorted_quantiles, standard_error
from yieldtrade.forecast.scoring import LEAST_CALIBRATION, LEAST_ERRORS, Forecasts, Scored
from yieldtrade.forecast.target import build_target
from yieldtrade.forecast.volume_scores import column_weeks, har_weeks
from yieldtrade.store import open_store

CHOOSE = 0.6
MEANS = (2, 6, 8, 13)
HALF_LIVES = (13, 26, 52)
WINDOWS = (180, 365)
GAIN = 0.3
ASSETS = ("SOL", "ETH", "BTC")
OWN = "quantile regression, own quantiles"
KEPT = "structural + mean_4"


@dataclass
class Origin:
    """What is known at one origin, and what the package forecasts from it."""

    number: int
    history: object
    target: object
    raw: object
    centre: dict
    share: float
    view_columns: dict

    @property
    def weeks(self):
        """Weeks from the last known period."""
        return self.raw.horizon[-HORIZONS:]

    @property
    def known(self):
        """Log APR of the known weeks under the pool share now."""
        return self.target.level[np.isfinite(self.target.level)] + self.share


def main():
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db")
    parser.add_argument("--as-of", default="2026-01-01")
    arguments = parser.parse_args()
    with open_store(arguments.db) as store:
        view = store.view(datetime.fromisoformat(arguments.as_of).replace(tzinfo=UTC))
        history = pool_history(view, "JLP")
        forecasts, quantiles = gather(history, return_columns(view, history, ASSETS))
    scored = Scored(forecasts)
    rows = np.flatnonzero(np.isfinite(scored.metrics[KEPT]["crps"][:, 0]))
    cut = rows[int(CHOOSE * len(rows))]
    choose = np.arange(len(forecasts.number)) < cut
    print(
        f"{len(rows)} scored origins at one week, {(rows < cut).sum()} to choose on, {(rows >= cut).sum()} held out\n"
    )
    skills(forecasts, scored, choose, quantiles)
    held_out(scored, ~choose)
    calibrations(forecasts, choose)


def gather(history, columns):
    """Forecast from every origin by every candidate."""
    cal = calendar(history.pool.terms)
    found, outcomes, quantiles = [], [], []
    for number, cut in rolling_origins(history, cal, timedelta(0)):
        target = build_target(cut, cal)
        raw = raw_forecast(cut, target, end=number + HORIZONS, paths=PATHS, seed=(SEED, number))
        centre = {name: points[-HORIZONS:] for name, points in raw.centre.items()}
        share = math.log(cut.pool.terms.number("fees.pool_share"))
        inside_cut = np.isin(history.days, cut.days)
        known = {name: values[inside_cut] for name, values in columns.items()}
        origin = Origin(number, cut, target, raw, centre, share, known)
        own = regression_quantiles(origin)
        quantiles.append(own)
        found.append(
            (origin, centre | combinations(origin) | levels(origin) | volumes(origin) | others(origin, own))
        )
        now = build_target(history, cal, target.close_multiple if target.basis == "oc" else None)
        outcomes.append([now.outcome(number + h, target.definition) for h in range(HORIZONS)])
    names = found[0][1]
    forecasts = Forecasts(
        number=np.array([origin.number for origin, _ in found]),
        outcome=np.array(outcomes),
        centre={name: np.array([centres[name] for _, centres in found]) for name in names},
        deviations=np.sort([origin.raw.deviations()[-HORIZONS:] for origin, _ in found], axis=2),
        compounding=cal.compounding,
    )
    return forecasts, np.array(quantiles)


def combinations(origin):
    """Equal weights of the model, the card and the baselines, and the median of all five."""
    c = origin.centre
    five = np.array([c["structural"], c["card"], *(c[name] for name in BASELINES)])
    sets = {
        KEPT: ("structural", "mean_4"),
        "card + mean_4": ("card", "mean_4"),
        "structural + card + mean_4": ("structural", "card", "mean_4"),
        "structural + mean_4 + ar1": ("structural", "mean_4", "ar1"),
        "structural + persistence + mean_4": ("structural", "persistence", "mean_4"),
        "structural + three baselines": ("structural", *BASELINES),
    }
    return {
        **{name: np.mean([c[part] for part in parts], axis=0) for name, parts in sets.items()},
        "mean of five": five.mean(axis=0),
        "median of five": np.median(five, axis=0),
    }


def levels(origin):
    """Smoothed levels, and what is drawn to the long mean."""
    flat = np.ones(HORIZONS)
    smooth = origin.known[0]
    for value in origin.known[1:]:
        smooth += GAIN * (value - smooth)
    long = origin.known.mean()
    pair = (origin.centre["structural"] + origin.centre["mean_4"]) / 2
    found = {f"mean_{weeks}": origin.known[-weeks:].mean() * flat for weeks in MEANS}
    found[f"smoothing {GAIN}"] = smooth * flat
    found[f"structural + smoothing {GAIN}"] = (origin.centre["structural"] + smooth) / 2
    for half_life in HALF_LIVES:
        kept = 0.5 ** (origin.weeks / half_life)
        found[f"mean_4 to long mean, {half_life} weeks"] = kept * origin.centre["mean_4"] + (1 - kept) * long
        found[f"pair to long mean, {half_life} weeks"] = kept * pair + (1 - kept) * long
    return found


def volumes(origin):
    """The pair with other models of volume: its log APR moves by 1 + b for one of log volume."""
    history = origin.history
    values, by_day = np.log(history.values[VOLUME]), history.by_day()
    usual = har_weeks(values, by_day)
    at_end = np.array([len(values)])
    mean_7 = np.full(HORIZONS, np.nanmean(values[-DAYS:]))
    local = fit_local_level(np.where(by_day, values, np.nan))
    level = usual if local is None else np.full(HORIZONS, local.level)
    own = {name: column for name, column in origin.view_columns.items() if name.startswith("SOL")}
    sizes = {name: column for name, column in own.items() if "absolute" in name}
    found = {
        "weekday effects": har_weeks(values - weekday(history, values, by_day), by_day),
        "local level": level,
        "har + local level": (usual + level) / 2,
        "last week": mean_7,
        "size of SOL returns": column_weeks(values, by_day, stacked(sizes), at_end)[0],
        "SOL returns": column_weeks(values, by_day, stacked(own), at_end)[0],
        "SOL, ETH, BTC returns": column_weeks(values, by_day, stacked(origin.view_columns), at_end)[0],
    }
    for window in WINDOWS:
        recent = np.where(np.arange(len(values)) >= len(values) - window, values, np.nan)
        found[f"{window} days"] = har_weeks(recent, by_day)
    elasticity = 1 + origin.raw.models.fees.slope
    return {
        f"pair, volume: {name}": (
            origin.centre["structural"] + elasticity * (weeks - usual) + origin.centre["mean_4"]
        )
        / 2
        for name, weeks in found.items()
    }


def stacked(columns):
    """Columns side by side."""
    return np.column_stack(list(columns.values()))


def weekday(history, values, by_day):
    """Mean deviation from the four weeks before by weekday, drawn to 0 as if seen on eight more days, for each day."""
    deviation = values - trailing_mean(values, 28, 14)
    day = history.days.astype(np.int64) % DAYS
    usable = by_day & np.isfinite(deviation)
    effect = np.array(
        [deviation[usable & (day == k)].sum() / ((usable & (day == k)).sum() + 8) for k in range(DAYS)]
    )
    return (effect - effect.mean())[day]


def others(origin, own):
    """The model trained on shorter windows, without the response of TVL, and the quantile regression."""
    structural, mean_4 = origin.centre["structural"], origin.centre["mean_4"]
    found = {f"pair, trained on {window} days": (shorter(origin, window) + mean_4) / 2 for window in WINDOWS}
    tvl = origin.raw.models.tvl
    change = (tvl.drift_path(DAYS * HORIZONS) - replace(tvl, pull=None).drift_path(DAYS * HORIZONS)).cumsum()
    without = structural + change.reshape(HORIZONS, DAYS).mean(axis=1)
    median = own[:, QUANTILES.index(0.5)]
    return found | {
        "pair, no response of TVL": (without + mean_4) / 2,
        "quantile regression": median,
        "structural + quantile regression": (structural + median) / 2,
        "pair + quantile regression": (structural + mean_4 + median) / 3,
    }


def shorter(origin, window):
    """Centre of the model that has seen the last days only; where they are too few, of the whole model."""
    history = origin.history
    old = np.arange(len(history)) < len(history) - window
    values = {name: np.where(old, np.nan, series) for name, series in history.values.items()}
    cut = replace(history, values=MappingProxyType(values))
    try:
        target = build_target(cut, origin.target.calendar, origin.target.close_multiple)
        end = origin.number + HORIZONS
        raw = raw_forecast(cut, target, end=end, paths=PATHS, seed=(SEED, origin.number))
    except MissingDataError:
        return origin.centre["structural"]
    return raw.centre["structural"][-HORIZONS:]


def regression_quantiles(origin):
    """Quantiles of log APR by regression on last week and the mean of four, shape (h, 7); without rows, mean_4."""
    fallback = np.repeat(origin.centre["mean_4"][:, None], len(QUANTILES), axis=1)
    middle = np.nanmean(origin.target.level)
    last = origin.target.level[np.isfinite(origin.target.level)] - middle
    at = np.array([1.0, last[-1], last[-4:].mean()])
    for row, ahead in enumerate(origin.weeks):
        x, y = pairs(origin.target, int(ahead))
        if len(y) < 20:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits = [at @ QuantReg(y, x).fit(q=level).params for level in QUANTILES]
        fallback[row] = np.sort(fits) + middle + origin.share
    return fallback


def pairs(target, ahead):
    """Rows of the quantile regression, deviations from the mean of each basis."""
    x, y = [], []
    for series in (target.level, target.computed_other):
        if not np.isfinite(series).any():
            continue
        centred = series - np.nanmean(series)
        for week in range(3, len(centred) - ahead):
            last = centred[week - 3 : week + 1]
            if np.isfinite(last).all() and np.isfinite(centred[week + ahead]):
                x.append([1.0, last[-1], last.mean()])
                y.append(centred[week + ahead])
    return np.array(x), np.array(y)


def skills(forecasts, scored, choose, quantiles):
    """Print the skill of every candidate on both parts, best on the first part first."""
    parts = {name: by_part(scored, name, "crps", choose) for name in forecasts.centre}
    order = sorted(parts, key=lambda name: -parts[name][0].mean())
    best = scored.metrics[order[0]]["crps"]
    print(
        "CRPS skill over persistence, log APY, %; `behind` is how many standard errors of the mean difference of CRPS"
    )
    print("over the eight weeks a candidate lies behind the best on the choosing part.\n")
    print(
        "| candidate | choose, mean | behind | hold-out, mean | hold-out, 1 to 8 weeks | hold-out in APY, mean |"
    )
    print("|---|---|---|---|---|---|")
    for name in order:
        chosen, held = parts[name]
        behind = (scored.metrics[name]["crps"] - best)[choose]
        full = behind[np.isfinite(behind).all(axis=1)].mean(axis=1)
        error = standard_error(full, HORIZONS - 1)
        apart = full.mean() / error if error > 0 else 0.0
        apy = by_part(scored, name, "crps_apy", choose)[1].mean()
        print(
            f"| {name} | {chosen.mean():.1f} | {apart:.1f} | {held.mean():.1f} | "
            f"{' '.join(f'{skill:.0f}' for skill in held)} | {apy:.1f} |"
        )
    n = forecasts.compounding
    log_apy = np.log(np.expm1(n * np.log1p(np.exp(quantiles) / n)))
    came = np.log(forecasts.level(forecasts.outcome))
    loss = np.where(np.isfinite(came)[..., None], pinball(log_apy, came)[..., None], np.nan)[..., 0]
    usable = np.isfinite(scored.metrics[KEPT]["pinball"])
    print(
        "\nPinball skill over persistence, %, choose and hold-out:\n\n| candidate | choose | hold-out |\n|---|---|---|"
    )
    for name, own in ((KEPT, scored.metrics[KEPT]["pinball"]), (OWN, np.where(usable, loss, np.nan))):
        found = [
            skill(own, scored.metrics["persistence"]["pinball"], rows).mean() for rows in (choose, ~choose)
        ]
        print(f"| {name} | {found[0]:.1f} | {found[1]:.1f} |")


def held_out(scored, rows):
    """Print the skill of the pair on the part held out, with the errors it is known by."""
    ours, theirs = (scored.metrics[name]["crps"][rows] for name in (KEPT, "persistence"))
    print("\nThe pair on the hold-out: skill over persistence in log APY, %, and its standard error\n")
    print("| weeks ahead | origins | skill | error |\n|---|---|---|---|")
    for h in range(HORIZONS):
        usable = np.isfinite(ours[:, h])
        mark = theirs[usable, h].mean()
        error = standard_error((theirs - ours)[usable, h], h) / mark
        print(
            f"| {h + 1} | {usable.sum()} | {100 * (1 - ours[usable, h].mean() / mark):.1f} | {100 * error:.1f} |"
        )


def by_part(scored, name, metric, choose):
    """Return the skill by horizon on both parts, in percent."""
    ours, theirs = (scored.metrics[model][metric] for model in (name, "persistence"))
    return [skill(ours, theirs, rows) for rows in (choose, ~choose)]


def skill(ours, theirs, rows):
    """Return 1 - score/score by horizon, in percent."""
    return 100 * (1 - np.nanmean(ours[rows], axis=0) / np.nanmean(theirs[rows], axis=0))


def calibrations(forecasts, choose):
    """Print the coverage of the 80 % interval of the pair by ways to scale its spread from past errors."""
    ways = {
        "none": (None, 0, False),
        "52 errors of the horizon": (52, 0, False),
        "26 errors": (26, 0, False),
        "all errors": (10**6, 0, False),
        "52, with the horizons beside it": (52, 1, False),
        "52, of all horizons": (52, HORIZONS, False),
        "52, each side by itself": (52, 0, True),
    }
    print("\nCoverage of the 80 % interval of the pair, %, 1 to 8 weeks, and mean CRPS of log APR\n")
    print("| calibrated by | choose | CRPS | hold-out | CRPS |\n|---|---|---|---|---|")
    for name, way in ways.items():
        cells = []
        covered, score = calibrated(forecasts, *way)
        for rows in (choose, ~choose):
            cells.append(" ".join(f"{100 * share:.0f}" for share in np.nanmean(covered[rows], axis=0)))
            cells.append(f"{np.nanmean(score[rows]):.4f}")
        print(f"| {name} | {' | '.join(cells)} |")


def calibrated(forecasts, memory, neighbours, by_side):
    """Return coverage and CRPS of the pair, NaN where fewer than eight errors were known, shape (o, h) each."""
    centre, outcome = forecasts.centre[KEPT], forecasts.outcome
    ends = sorted_quantiles(forecasts.deviations, np.array([0.1, 0.9]))
    error = outcome - centre
    signed = error / np.where(error >= 0, ends[..., 1], -ends[..., 0])
    covered, score = np.full(outcome.shape, np.nan), np.full(outcome.shape, np.nan)
    for place, h in np.argwhere(np.isfinite(outcome)):
        if len(past(forecasts, signed, place, h, 10**6)) < LEAST_ERRORS:
            continue
        low = high = 1.0
        horizons = range(max(h - neighbours, 0), min(h + neighbours + 1, HORIZONS))
        if memory is not None:
            known = np.concatenate([past(forecasts, signed, place, k, memory) for k in horizons])
            if len(known) >= LEAST_CALIBRATION and by_side:
                low, high = order_statistic(-known, 0.9), order_statistic(known, 0.9)
            elif len(known) >= LEAST_CALIBRATION:
                low = high = order_statistic(np.abs(known), 0.8)
        deviations = forecasts.deviations[place, h]
        samples = centre[place, h] + np.where(deviations < 0, low, high) * deviations
        covered[place, h] = inside(samples, outcome[place, h], 0.8)
        score[place, h] = crps(np.sort(samples), outcome[place, h])
    return covered, score


def past(forecasts, signed, place, h, memory):
    """Return the last errors at horizon h known when the period of an origin began."""
    known = (forecasts.number + h < forecasts.number[place]) & np.isfinite(signed[:, h])
    return signed[known, h][-memory:]


def order_statistic(values, share):
    """Return the split-conformal quantile, not below a tenth of the raw width."""
    ordered = np.sort(values)
    return max(ordered[min(math.ceil((len(ordered) + 1) * share), len(ordered)) - 1], 0.1)


if __name__ == "__main__":
    main()
