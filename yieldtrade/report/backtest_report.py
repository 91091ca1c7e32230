"""A backtest as records, as stored rows, as what a person reads, and one flag explained."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from yieldtrade.conventions import iso
from yieldtrade.report.output import Column, human, plain, write_table
from yieldtrade.report.screen_report import TRADES
from yieldtrade.strategies.backtest import realised_arithmetic
from yieldtrade.strategies.outcome import Unobserved
from yieldtrade.strategies.track_record import ALL, widest_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from yieldtrade.strategies.backtest import BacktestResult, Result
    from yieldtrade.strategies.track_record import Mean, Score

SCORES = (
    Column("standing", "screen"),
    Column("trade", "trade"),
    Column("flags", "flags", "integer"),
    Column("scored", "scored", "integer"),
    Column("independent", "independent"),
    Column("holding_days", "days held", "days", spare=4),
    Column("hit_rate", "hits", "percent"),
    Column("promised_return", "promised", "percent"),
    Column("realised_return", "realised", "percent"),
    Column("difference_shown", "realised - promised"),
    Column("p_loss", "P(loss)", "percent"),
    Column("lost", "lost", "percent"),
    Column("brier", "Brier", "number", spare=2),
    Column("brier_base", "base", "number", spare=3),
    Column("below_5_percent", "below 5% quantile", "percent", spare=1),
    Column("inside_half", "in middle half", "percent", spare=5),
)
RELIABILITY = (
    Column("standing", "screen"),
    Column("trade", "trade"),
    Column("range", "P(loss) from to"),
    Column("flags", "flags", "integer"),
    Column("contracts", "contracts", "integer"),
    Column("promised", "promised", "percent"),
    Column("lost", "lost", "percent"),
)
FLAGS = (
    Column("flag_id", "flag"),
    Column("standing", "screen"),
    Column("outcome", "outcome"),
    Column("ends_at", "ends", "moment", spare=3),
    Column("promised_return", "promised", "percent"),
    Column("realised_return", "realised", "percent"),
    Column("p_loss", "P(loss)", "percent"),
    Column("p_liquidation", "P(liq)", "percent", spare=1),
    Column("lost", "lost"),
    Column("realised_quantile", "quantile", "percent", spare=2),
    Column("reason", "why not realised"),
)
FLAG_COLUMNS = (
    "flag_id",
    "origin",
    "ends_at",
    "row_id",
    "strategy",
    "side",
    "venue",
    "contract_id",
    "status",
    "outcome",
    "size_usd",
    "promised_return",
    "p_loss",
    "p_liquidation",
    "realised_return",
    "lost",
    "realised_quantile",
    "reason",
    "detail",
)
MOST_NAMED = 6
# A share near one half is known to 10 points from so many independent outcomes.
FEW = 100
# No loss in n leaves room, at 95 %, for a share of about 3/n.
RULE_OF_THREE = 3.0


class Period(NamedTuple):
    """What was asked for: from when to when, and days between two screens."""

    start: Any
    end: Any
    every_days: float


def flag_record(result: Result) -> dict[str, Any]:
    """Return one flag as plain values; returns are fractions of the capital over the holding."""
    flag, outcome = result.flag, result.outcome
    row = flag.row
    came = None if isinstance(outcome, Unobserved) else outcome
    return {
        "flag_id": flag.flag_id,
        "origin": iso(flag.origin),
        "ends_at": iso(flag.ends_at),
        "row_id": row.row_id,
        "strategy": row.strategy,
        "side": row.side,
        "trade": _trade(row.strategy, row.side),
        "venue": row.venue,
        "market": row.market,
        "standing": result.standing,
        "rejected_for": [reason.code for reason in row.reasons],
        "outcome": result.status,
        "horizon_days": row.horizon_days,
        "size_usd": row.size_usd,
        "implied_apy": row.implied_apy,
        "promised_return": flag.promised,
        "promised_pnl_usd": row.expected_pnl_usd,
        "p_loss": flag.p_loss,
        "p_liquidation": row.p_liquidation,
        "realised_return": result.realised,
        "realised_pnl_usd": None if came is None else came.pnl_usd,
        "lost": result.lost,
        "realised_quantile": result.quantile,
        "liquidated_at": None if came is None or came.liquidated_at is None else iso(came.liquidated_at),
        "path": None if came is None else came.path,
        "reason_code": outcome.code if isinstance(outcome, Unobserved) else None,
        "reason": outcome.text if isinstance(outcome, Unobserved) else None,
        "observed": [] if came is None else [found._asdict() for found in came.observed],
    }


def to_stored(result: Result) -> tuple[Any, ...]:
    """Return a flag as the store keeps it, in the order of `FLAG_COLUMNS`."""
    record = flag_record(result)
    lost = None if result.lost is None else int(result.lost)
    renamed = {"contract_id": record["market"], "status": record["standing"], "lost": lost}
    renamed |= {"reason": record["reason"] or "", "detail": json.dumps(plain(record))}
    return tuple(renamed.get(name, record.get(name)) for name in FLAG_COLUMNS)


def score_record(score: Score) -> dict[str, Any]:
    """Return one score as plain values, each mean with its standard error."""
    record: dict[str, Any] = {
        "standing": score.standing,
        "trade": _trade(score.strategy, score.side),
        "strategy": score.strategy,
        "side": score.side,
        "flags": score.flags,
        "realised": score.realised,
        "by_terms": score.by_terms,
        "unrealised": score.flags - score.realised - score.by_terms,
        "scored": score.realised if score.tested else score.by_terms,
        "tested": score.tested,
        "contracts": score.contracts,
        "moments": score.moments,
        "independent_least": score.independent_least,
        "independent_most": score.independent_most,
        "independent": _span(score),
        "holding_days": score.holding_days,
        "p_loss": score.p_loss,
        "lost": score.lost,
        "liquidated": score.liquidated,
        "below_5_percent": score.below_tail,
        "inside_half": score.inside_half,
        "quantiles": score.quantiles,
    }
    means = {
        "hit_rate": score.hit_rate,
        "promised_return": score.promised,
        "realised_return": score.returned,
        "difference": score.shortfall,
    }
    for name, mean in means.items():
        record[name] = None if mean is None else mean.value
        record[f"{name}_error"] = None if mean is None else mean.error
        record[f"{name}_error_by"] = None if mean is None else mean.cluster
    record["difference_shown"] = _with_error(score.shortfall) if score.tested else None
    if not score.tested:
        record["hit_rate"] = None
    brier = score.brier if score.tested else None
    record["brier"] = None if brier is None else brier.score
    record["brier_base"] = None if brier is None else brier.base
    record["brier_skill"] = None if brier is None else brier.skill
    record["reliability"] = [found._asdict() for found in score.bins] if score.tested else []
    return record


def to_record(result: BacktestResult, period: Period) -> dict[str, Any]:
    """Return a whole backtest as plain values."""
    return {
        "from": iso(period.start),
        "to": iso(period.end),
        "every_days": period.every_days,
        "known_at": iso(result.known_at),
        "moments": len(result.origins),
        "flags": len(result.results),
        "tolerances": {f.name: getattr(result.tolerances, f.name) for f in fields(result.tolerances)},
        "scores": [score_record(score) for score in result.scores()],
        "unrealised": dict(_missed(result.results)),
        "unpriced": dict(result.unpriced),
        "undated": list(result.undated),
        "untested": list(result.untested),
        "evidence": list(evidence(result)),
    }


def write_report(result: BacktestResult, stream: TextIO, *, headers: bool = True) -> None:
    """Write what a person reads: scores, calibration, and how much they prove."""
    found = result.scores()
    title = f"{len(result.results)} flags at {len(result.origins)} moments, returns over the holding"
    write_table([score_record(score) for score in found], SCORES, stream, headers=headers, title=title)
    bins = [
        {
            "standing": score.standing,
            "trade": _trade(score.strategy, score.side),
            "range": f"{found_bin.low:.0%} {found_bin.high:.0%}",
            **found_bin._asdict(),
        }
        for score in found
        if score.tested and score.strategy != ALL
        for found_bin in score.bins
    ]
    if bins:
        title = "is P(loss) calibrated: what was promised and what share lost"
        write_table(bins, RELIABILITY, stream, headers=headers, title=title)
    for line in evidence(result):
        stream.write(f"{line}\n")


def evidence(result: BacktestResult) -> Iterator[str]:
    """Yield how much the scores prove, what was left out, and what they cannot show."""
    found = result.scores()
    for score in found:
        alone = sum(other.standing == score.standing and other.tested for other in found) == 1
        if score.tested and (score.strategy == ALL or alone):
            yield from _strength(score)
    fixed = sum(score.by_terms for score in found if score.strategy != ALL)
    if fixed:
        yield (
            f"{fixed} flags end by the contract's own terms (a PT redeems for 1 ST): realised is promised by "
            "definition, which proves nothing; they are not part of `all`"
        )
    if any(score.tested for score in found):
        yield (
            "standard errors allow for flags that share a contract or a moment, whichever is the larger; the base of "
            "the Brier score is the share that lost, known only afterwards"
        )
    yield from _blind(result)
    yield from _left_out(result)


def _strength(score: Score) -> Iterator[str]:
    least, most = score.independent_least, score.independent_most
    thin = ", thin evidence" if least < FEW else ""
    yield (
        f"evidence, {score.standing}: {score.realised} outcomes on {score.contracts} contracts at {score.moments} "
        f"moments; holding periods overlap: at most {most} independent outcomes, {least} if all contracts move "
        f"together{thin}: a share near one half is known to {widest_error(most):.0%} at best, "
        f"{widest_error(least):.0%} at worst"
    )
    if score.lost == 0:
        most_share = min(1.0, RULE_OF_THREE / most)
        yield f"none of them lost, which {most} independent outcomes allow up to a true share of {most_share:.0%}"


def _blind(result: BacktestResult) -> Iterator[str]:
    """Yield what the outcomes cannot show."""
    taken = [
        r
        for r in result.results
        if not isinstance(r.outcome, Unobserved) and any(o.by_definition for o in r.outcome.observed)
    ]
    if taken:
        yield (
            f"{len(taken)} outcomes count their underlying as what is borrowed: a dollar that lost its peg does not "
            "show"
        )
    unseen = sum(
        not isinstance(r.outcome, Unobserved) and r.outcome.path.startswith("not checked")
        for r in result.results
    )
    if unseen:
        yield f"{unseen} outcomes could not be checked for a liquidation on the way: nothing is stored of it"


def _left_out(result: BacktestResult) -> Iterator[str]:
    if result.untested:
        named = ", ".join(result.untested)
        yield (
            f"nothing on {named} is tested: no dated quotes of its contracts are stored in this range with "
            "what came of them"
        )
    if result.undated:
        named = ", ".join(result.undated)
        yield f"left out, for figures that nobody dated and that may be of later: {named}"
    missed = _missed(result.results)
    if missed:
        counted = ", ".join(f"{count} {code}" for code, count in missed.most_common())
        yield f"unrealised: {counted}"
    if result.unpriced:
        wanted = sorted(result.unpriced.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMED]
        counted = ", ".join(f"{name} ({count} rows)" for name, count in wanted)
        yield f"not priced for want of {counted}; state a parameter with `--set OWNER.NAME=VALUE`"


def explanation(result: Result) -> Iterator[str]:
    """Yield the promised and the realised arithmetic of one flag."""
    flag, outcome, row = result.flag, result.outcome, result.flag.row
    yield f"{flag.flag_id}   {result.standing}, {result.status}"
    yield f"held from {iso(flag.origin)} to {iso(flag.ends_at)}, {row.size_usd:,.2f} USD"
    yield from ("", "promised")
    yield from (f"  {line}" for line in row.explain)
    yield f"  P(loss) {flag.p_loss!r}, P(liquidation) {row.p_liquidation!r}"
    yield from ("", "what happened")
    if isinstance(outcome, Unobserved):
        yield f"  not known: {outcome.text}"
        return
    for seen in outcome.observed:
        meant = getattr(row.scenario, seen.name)
        yield f"  {seen.name} = {seen.value!r}, promised at {meant!r}; {seen.source}"
    yield f"  on the way: {outcome.path}"
    yield from ("", "realised")
    yield from (f"  {line}" for line in realised_arithmetic(result))
    yield from _causes(result)


def _causes(result: Result) -> Iterator[str]:
    outcome, trade = result.outcome, result.flag.row.trade
    split = getattr(trade, "decomposition", None)
    if split is None or isinstance(outcome, Unobserved) or outcome.liquidated_at is not None:
        return
    meant, came = split(result.flag.row.scenario), split(outcome.scenario)
    yield from ("", f"  {'where it comes from, USD':<26}{'promised':>16}{'realised':>16}{'difference':>16}")
    for name, value in meant.items():
        yield f"  {name:<26}{value:>16,.4f}{came[name]:>16,.4f}{came[name] - value:>16,.4f}"


def _missed(results: Sequence[Result]) -> Counter[str]:
    return Counter(r.outcome.code for r in results if isinstance(r.outcome, Unobserved))


def _trade(strategy: str, side: str) -> str:
    return TRADES.get((strategy, side), f"{strategy} {side}".strip())


def _span(score: Score) -> str:
    least, most = score.independent_least, score.independent_most
    return str(most) if least == most else f"{least} to {most}"


def _with_error(mean: Mean | None) -> str | None:
    if mean is None:
        return None
    error = "" if mean.error is None else f" ± {human(mean.error, 'percent')}"
    return f"{human(mean.value, 'percent')}{error}"
