"""The bundled facts: complete, dated, sourced, and what the specification and the sources say."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from yieldtrade.errors import MarketDefinitionError
from yieldtrade.market import Pool, Terms
from yieldtrade.sources.bundled import bundled_files, bundled_folder, history_files
from yieldtrade.sources.definitions import (
    BASES,
    read_definitions,
)
from yieldtrade.sources.parameter_rules import rule_for

FACTS = read_definitions(bundled_files())
VENUES = {venue.venue_id: venue for venue in FACTS.venues}
CONTRACTS = {contract.contract_id: contract for contract in FACTS.contracts}
(JLP,) = FACTS.pools
RULES = {rule.name: rule for rule in FACTS.rules}
PARAMETERS = [
    *(p for venue in FACTS.venues for p in venue.parameters),
    *(p for pool in FACTS.pools for change in pool.changes for p in change.parameters),
    *(p for contract in FACTS.contracts for p in contract.parameters),
]


def table(name):
    """Read a bundled CSV as rows of text."""
    return list(csv.DictReader(io.StringIO(history_files()[f"{name}.csv"].decode())))


def at(text):
    """Read a moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def jlp(*, with_recommendations=False):
    """Build the pool as a view holds it: the change sets, recommendations left out unless asked for."""
    changes = tuple(
        (change.valid_from, MappingProxyType({p.name: p for p in change.parameters}))
        for change in JLP.changes
        if with_recommendations or change.basis != "recommendation"
    )
    return Pool(
        pool_id="JLP",
        name=JLP.name,
        terms=Terms(owner="JLP", parameters=MappingProxyType({})),
        changes=changes,
    )


def in_force(venue_id, when):
    """Fold the parameters of a venue that hold at a moment."""
    dated = sorted(VENUES[venue_id].parameters, key=lambda p: p.valid_from)
    return {p.name: p.value for p in dated if p.valid_from <= at(when)}


def test_every_parameter_has_source_date_basis_and_the_unit_of_its_rule():
    """Nothing is stated without saying since when, on what ground and from where."""
    for parameter in PARAMETERS:
        assert parameter.source.strip(), parameter
        assert parameter.basis in BASES, parameter
        assert parameter.basis != "user", parameter
        assert at("2023-01-01") < parameter.valid_from < at("2027-01-01"), parameter
        assert parameter.unit == rule_for(RULES, parameter.name).unit, parameter


def test_what_is_assumed_or_inferred_says_why():
    """A value no source states carries a note."""
    for parameter in PARAMETERS:
        assert parameter.note or parameter.basis not in ("assumed", "inferred"), parameter


def test_rules_are_sound_and_refer_to_each_other():
    """Ranges run upwards, and a limit names a parameter that exists and is a number."""
    for rule in FACTS.rules:
        assert rule.description, rule
        if rule.kind in ("number", "integer"):
            assert rule.minimum < rule.maximum, rule
        for other in (rule.below, rule.at_most):
            assert other is None or RULES[other].kind == "number", rule


def test_the_six_venues_are_there():
    """Each venue is what it is: a market of yields, a lender or an exchange."""
    kinds = {venue_id: venue.kind for venue_id, venue in VENUES.items()}
    assert kinds == {
        "ratex": "yield",
        "pendle": "yield",
        "exponent": "yield",
        "kamino": "lending",
        "jupiter": "perps",
        "drift": "perps",
    }


# pool.md 2, row by row: the moment, the parameter, its value from then on, and before it (None: not known).
REGIMES = [
    ("2023-11-07", "fees.pool_share", 0.70, None),
    ("2023-11-07", "trade.base_bps", 10, None),
    ("2023-11-07", "trade.impact.model", "none", None),
    ("2023-11-07", "trade.max_leverage", 100, None),
    ("2023-11-07", "swap.min_bps", 0, None),
    ("2023-11-07", "swap.max_bps", 200, None),
    ("2023-11-07", "borrow.USDT.hourly", 0.0001, None),
    ("2023-11-07", "borrow.SOL.model", "linear", None),
    ("2023-11-07", "publication.weekday", "Monday", None),
    ("2023-11-07", "publication.hour_utc", 18, None),
    ("2023-11-07", "publication.compounding_periods", 365, None),
    ("2023-12-19", "fees.liquidation_remainder_to", "pool", "trader"),
    ("2024-05-28", "aum_limit_snapshot_usd", 380e6, None),
    ("2024-06-06", "fees.pool_share", 0.75, 0.70),
    ("2024-06-07", "trade.base_bps", 7, 10),
    ("2024-06-07", "trade.impact.model", "linear", "none"),
    ("2024-06-07", "swap.max_bps", 150, 200),
    ("2024-06-07", "target_weights.SOL", 0.44, None),
    ("2024-06-07", "target_weights.USDT", 0.09, None),
    ("2024-07-11", "trade.base_bps", 6, 7),
    ("2024-08-02", "trade.max_leverage", 500, 100),
    ("2024-08-02", "trade.liquidation_margin", 0.002, None),
    ("2024-08-28", "borrow.SOL.hourly", 0.00008, 0.0001),
    ("2024-08-28", "borrow.BTC.hourly", 0.00008, 0.0001),
    ("2024-11-26", "borrow.SOL.hourly", 0.00012, 0.00008),
    ("2024-11-26", "borrow.BTC.hourly", 0.00012, 0.00008),
    ("2024-12-01", "swap.base_bps", 10, None),
    ("2024-12-01", "swap.stable_base_bps", 2, None),
    ("2025-01-16", "borrow.SOL.model", "dual_slope", "linear"),
    ("2025-01-16", "borrow.USDC.model", "dual_slope", "linear"),
    ("2025-01-16", "borrow.SOL.min", 0.10, None),
    ("2025-01-16", "borrow.SOL.target", 0.60, None),
    ("2025-01-16", "borrow.SOL.max", 2.30, None),
    ("2025-01-16", "borrow.SOL.kink", 0.80, None),
    ("2025-05-04", "target_weights.USDT", 0.0, 0.09),
    ("2025-05-04", "target_weights.BTC", 0.13, 0.10),
    ("2025-05-04", "target_weights.ETH", 0.08, 0.11),
    ("2025-06-03", "trade.impact.model", "additive", "linear"),
    ("2025-06-03", "trade.impact.threshold_usd", 750_000, None),
    ("2025-06-03", "trade.impact.factor_bps", 1, None),
    ("2025-06-03", "trade.impact.exponent", 1, None),
    ("2025-06-03", "trade.impact.cap_bps", 50, None),
    ("2025-06-03", "trade.impact.scalar_usd.SOL", 1.25e9, None),
    ("2025-06-03", "trade.impact.scalar_usd.BTC", 8e9, None),
    ("2025-06-03", "trade.impact.scalar_usd.ETH", 5e9, None),
    ("2025-09-17T13:00", "trade.impact.scalar_usd.SOL", 3.75e9, 1.25e9),
    ("2025-10-10T04:00", "borrow.SOL.target", 0.35, 0.60),
    ("2025-10-10T04:00", "borrow.SOL.max", 1.50, 2.30),
    ("2025-12-01", "loans.max_ltv", 0.90, 0.80),
    ("2025-12-01", "loans.liquidation_ltv", 0.95, 0.86),
    ("2025-12-01", "loans.liquidation_fee", 0.02, 0.06),
    ("2026-02-07", "publication.weekday", "Friday", "Monday"),
    ("2026-02-27", "aum_limit_usd", 3.0e9, None),
    ("2026-06-29", "custodies.JupUSD.stable", True, None),
]


@pytest.mark.parametrize(("moment", "name", "value", "before"), REGIMES)
def test_jlp_changes_when_the_table_says(moment, name, value, before):
    """A parameter has its new value from the moment itself and its old one a second earlier."""
    assert jlp().terms_at(at(moment)).get(name) == value
    if at(moment) > JLP.changes[0].valid_from:
        assert jlp().terms_at(at(moment) - timedelta(seconds=1)).get(name) == before


def test_the_terms_of_mid_2024_and_of_the_first_day():
    """Both documents the project began with are right for their date: 70 %, 10 bps, and 75 %, 6 bps."""
    july = jlp().terms_at(at("2024-07-01"))
    assert (july.number("trade.base_bps"), july.number("fees.pool_share")) == (7, 0.75)
    september = jlp().terms_at(at("2024-09-05"))
    assert (september.number("trade.base_bps"), september.number("fees.pool_share")) == (6, 0.75)
    with pytest.raises(MarketDefinitionError, match="first known set is of 2023-11-07"):
        jlp().terms_at(at("2023-11-06"))


def test_unknown_parameters_are_absent():
    """What nobody published has no value: other borrow curves, the loan curve, mint bases, taxes."""
    now = jlp().terms_at(at("2026-07-01"))
    for name in (
        "borrow.BTC.min",
        "borrow.USDC.target",
        "loans.min",
        "swap.add_remove_bps",
        "swap.tax_bps",
        "target_weights.JupUSD",
    ):
        assert name not in now
        assert any(re.fullmatch(rule.replace(".", r"\.").replace("*", r"\w+"), name) for rule in RULES)


def test_recommendations_are_marked_and_count_only_when_asked_for():
    """Taxes and loan limits that were only recommended hold in no ordinary view."""
    advised = jlp(with_recommendations=True).terms_at(at("2025-09-01"))
    plain = jlp().terms_at(at("2025-09-01"))
    for name, value in (
        ("swap.tax_bps", 500),
        ("swap.stable_tax_bps", 50),
        ("loans.borrow_limit", 0.80),
        ("loans.target_utilisation", 0.90),
        ("loans.max_ltv", 0.80),
        ("trade.impact.scalar_usd.BTC", 24e9),
    ):
        assert advised.number(name) == value
        assert advised.parameters[name].basis == "recommendation"
        assert plain.get(name) != value


def test_target_weights_sum_to_one_at_every_change():
    """Whatever changes, the weights in force are a whole."""
    for change in JLP.changes:
        terms = jlp().terms_at(change.valid_from)
        weights = [p.value for name, p in terms.parameters.items() if name.startswith("target_weights.")]
        assert not weights or math.isclose(math.fsum(weights), 1, abs_tol=1e-12)


def test_borrow_rates_of_both_sol_curves_meet_where_the_chain_shows_it():
    """0.0033 %/h on the old curve is a utilisation of 30.25 %, which the new curve prices at 0.00222 %/h."""
    old, new = (jlp().terms_at(at(moment)) for moment in ("2025-10-09", "2025-10-11"))

    def hourly(terms, u):
        low, target = terms.number("borrow.SOL.min"), terms.number("borrow.SOL.target")
        return (low + (target - low) * u / terms.number("borrow.SOL.kink")) / 8760

    assert hourly(old, 0.3025) == pytest.approx(0.000033, rel=2e-3)
    assert hourly(new, 0.3025) == pytest.approx(0.0000222, rel=2e-3)


def test_measured_ratios_are_unknown_until_the_last_day_measured_is_over():
    """A backtest of 2025 must find the ratios itself: they were measured over 91 days to 2026-02-10."""
    before, after = (jlp().terms_at(at(moment)) for moment in ("2026-02-10T23:59:59", "2026-02-11"))
    assert at("2026-02-11") - at("2025-11-12") == timedelta(days=91)
    for name, value in (
        ("oc_per_close_fee", 1.94),
        ("oc_per_close_fee_sd", 0.10),
        ("measured_per_oc", 1.35),
        ("measured_per_oc_p05", 1.13),
        ("measured_per_oc_p95", 1.81),
    ):
        assert name not in before
        assert after.number(name) == value
        assert after.parameters[name].basis == "inferred"


def test_the_bundled_days_agree_with_the_measured_fee_ratio():
    """Of the 91 days 50 are bundled; their mean lies within a standard error or two of 1.94."""
    ratios = [
        float(row["position_fees_usd"]) / float(row["close_fees_usd"])
        for row in table("jlp_pool_daily")
        if row["position_fees_usd"]
    ]
    assert len(ratios) == 50
    assert math.fsum(ratios) / 50 == pytest.approx(1.94, abs=2 * 0.10 / math.sqrt(50))


def test_the_official_yield_changes_inside_the_publication_window():
    """In the bundled snapshots the official figure changes only between Friday's window and the day after."""
    rows = [row for row in table("jlp_nav_daily") if row["official_apr"]]
    terms = jlp().terms_at(at("2026-02-09"))
    assert (terms.text("publication.weekday"), terms.number("publication.hour_utc")) == ("Friday", 21)
    changes = 0
    for one, two in itertools.pairwise(rows):
        if one["official_apr"] != two["official_apr"]:
            changes += 1
            first, last = (datetime.fromisoformat(row["as_of_utc"]) for row in (one, two))
            hours = [first + timedelta(hours=h) for h in range(int((last - first) / timedelta(hours=1)) + 2)]
            assert any(f"{hour:%A}" == "Friday" and 14 <= hour.hour <= 21 for hour in hours)
    assert changes >= 2


def test_the_loan_terms_of_the_pool_and_of_its_venue_agree():
    """The same fact stands in two files and is the same."""
    for moment in ("2025-09-20", "2025-10-01", "2026-01-01"):
        pool, venue = jlp().terms_at(at(moment)), in_force("jupiter", moment)
        for name in ("max_ltv", "liquidation_ltv", "liquidation_fee"):
            assert pool.get(f"loans.{name}") == venue.get(f"{name}.JLP")


# tokens.md 8, 10-13, strategies.md 2.5-2.7 and the documents the project began with.
VENUE_FACTS = [
    ("ratex", "2024-09-05", "clock", "epoch"),
    ("ratex", "2024-09-05", "trading_fee", 0.001),
    ("ratex", "2024-09-05", "lp_fee_share", 0.5),
    ("ratex", "2024-09-05", "initial_collateral_ratio", 1.10),
    ("ratex", "2024-09-05", "maintenance_collateral_ratio", 1.05),
    ("ratex", "2024-09-05", "twap_seconds", 300),
    ("ratex", "2024-09-05", "max_leverage", 10),
    ("ratex", "2024-09-05", "leverage_buffer", 1.01),
    ("ratex", "2024-09-05", "yield_fee", 0),
    ("ratex", "2024-09-05", "yield_fee_base", "none"),
    ("ratex", "2024-09-05", "pt_management_fee", 0.05),
    ("ratex", "2024-09-05", "negative_yield_rule", "pass_through"),
    ("ratex", "2024-09-05", "liquidation_rule", "take_all"),
    ("ratex", "2024-09-05", "tick_spacing", 10),
    ("ratex", "2024-09-05", "pt_route", "synthetic"),
    ("exponent", "2025-12-31", "pt_route", "direct"),
    ("pendle", "2023-12-03", "clock", "wall"),
    ("pendle", "2023-12-03", "yield_fee", 0.05),
    ("pendle", "2023-12-03", "yield_fee_cap", 0.20),
    ("pendle", "2023-12-03", "yield_fee_base", "yt_only"),
    ("pendle", "2023-12-03", "reserve_fee", 0.80),
    ("pendle", "2023-12-03", "negative_yield_rule", "high_water_mark"),
    ("pendle", "2023-12-03", "max_pt_proportion", 0.96),
    ("exponent", "2025-12-31", "clock", "wall"),
    ("exponent", "2025-12-31", "trading_fee", None),
    ("exponent", "2025-12-31", "yield_fee", 0.055),
    ("kamino", "2023-12-01", "flash_fee", 0.00001),
    ("kamino", "2025-12-31", "pt_oracle_discount", 0.25),
    ("kamino", "2026-02-17T15:49:13", "max_ltv.JLP", 0.84),
    ("kamino", "2026-02-17T15:49:12", "max_ltv.JLP", None),
    ("kamino", "2026-05-05", "liquidation_ltv.JLP", None),
    ("kamino", "2026-05-05", "close_factor", 0.20),
    ("kamino", "2026-05-05", "slots_per_year", 63_072_000),
    ("kamino", "2026-05-05", "reference_slot_ms", 500),
    ("jupiter", "2025-10-01", "max_ltv.JLP", 0.80),
    ("jupiter", "2025-12-01", "liquidation_ltv.JLP", 0.95),
    ("drift", "2025-01-01", "asset_weight_initial.JLP", 0.80),
    ("drift", "2025-01-01", "asset_weight_maintenance.JLP", 0.90),
    ("drift", "2025-01-01", "liability_weight_initial.SOL", 1.20),
    ("drift", "2025-01-01", "liability_weight_maintenance.SOL", 1.10),
    ("drift", "2026-04-06", "paused", None),
    ("drift", "2026-04-07", "paused", True),
]


@pytest.mark.parametrize(("venue", "moment", "name", "value"), VENUE_FACTS)
def test_venues_hold_what_the_specification_states_and_nothing_else(venue, moment, name, value):
    """A stated parameter holds from its date; one nobody published is absent."""
    assert in_force(venue, moment).get(name) == value


def test_a_slot_of_the_curve_is_half_a_second():
    """Slots a year times the length of one is a year of 31,536,000 seconds."""
    terms = in_force("kamino", "2026-05-05")
    assert terms["slots_per_year"] * terms["reference_slot_ms"] == 31_536_000_000


def test_kaminos_largest_ltv_is_that_of_the_bundled_snapshot():
    """The parameter and the snapshot it was read from are the same number at the same moment."""
    snapshot = json.loads(history_files()["kamino_jlp_market.json"])
    (reserve,) = (r for r in snapshot["reserves"] if r["symbol"] == "JLP")
    (found,) = (p for p in VENUES["kamino"].parameters if p.name == "max_ltv.JLP")
    assert (found.value, found.valid_from) == (
        reserve["max_ltv"],
        datetime.fromisoformat(snapshot["as_of_utc"]),
    )


def test_every_contract_code_says_its_day_of_maturity():
    """DDMMMYY is the day itself; the one YYMM code names the month."""
    assert len(CONTRACTS) == 198
    for code, contract in CONTRACTS.items():
        ending = code.rpartition("-")[2]
        form = "%y%m" if ending.isdigit() else "%d%b%y"
        assert contract.maturity.strftime(form).upper() == ending, code
        clock = [p.value for p in VENUES[contract.venue_id].parameters if p.name == "clock"]
        assert [contract.clock] == clock, code


def test_names_are_safe_on_a_command_line():
    """No name holds a blank, a quote or an equals sign, nor begins like a token of another contract."""
    for code in CONTRACTS:
        assert re.fullmatch(r"[\w.+*/-]+", code), code
        assert not code.startswith(("PT-", "YT-", "ST-", "-")), code


def test_the_contract_of_the_article():
    """JLP-2411 carries the article's 148.94 YT for 1 JLP at 10x, and an epoch clock said to be assumed."""
    contract = CONTRACTS["JLP-2411"]
    terms = {p.name: p for p in contract.parameters}
    (figure,) = contract.figures
    assert contract.maturity == at("2024-11-30")
    assert contract.clock == "epoch"
    assert (figure.kind, figure.at, figure.implied_apy) == ("article", at("2024-09-05"), None)
    assert figure.yt_price == pytest.approx(10 / 148.94, rel=1e-15)
    assert "inference" in figure.note
    assert (terms["epoch_anchor"].value, terms["epoch_seconds"].value) == ("2024-09-02T00:00:00Z", 86400)
    assert {terms[name].basis for name in ("epoch_anchor", "epoch_seconds", "settlement_lag_weeks")} == {
        "assumed"
    }
    assert (terms["margin_token"].value, terms["margin_accrues"].value) == ("JLP", True)
    assert terms["distribution_basis"].value == "apy"


def test_every_jlp_market_of_exponent_is_a_contract_with_its_undated_figure():
    """Nine maturities; the four that have a last implied yield show it without a date."""
    for row in table("jlp_contracts"):
        contract = CONTRACTS[row["market"]]
        assert contract.maturity == at(row["maturity_date"])
        figures = [(f.at, f.implied_apy) for f in contract.figures]
        stated = row["last_pool_implied_apy"]
        assert figures == ([(None, float(stated))] if stated else [])


def test_every_quoted_market_is_a_contract_of_the_same_maturity_known_by_its_first_quote():
    """Both panels of Exponent find their contract, not known later than first quoted."""
    for row in table("yield_markets_daily"):
        contract = CONTRACTS[row["market"]]
        assert contract.maturity == datetime.fromisoformat(row["maturity"])
        assert (contract.venue_id, contract.underlying) == (row["venue"], row["underlying"])
        assert contract.valid_from <= datetime.fromisoformat(row["as_of_utc"])
    for row in table("yield_history_daily"):
        assert CONTRACTS[row["market"]].valid_from <= at(row["date"]) + timedelta(days=1)


def test_every_market_of_the_pendle_panel_is_a_contract_found_by_its_address():
    """175 addresses, 175 names; maturity, chain and underlying are the panel's, known from its first row."""
    panel = {}
    for contract in FACTS.contracts:
        terms = {p.name: p.value for p in contract.parameters}
        if "market_address" in terms:
            panel[terms["market_address"]] = (contract, terms["chain"])
    first = {}
    for row in table("pendle_markets"):
        contract, chain = panel[row["market"]]
        assert (chain, contract.underlying) == (row["chain"], row["underlying"])
        assert contract.maturity == datetime.fromisoformat(row["maturity"])
        first.setdefault(row["market"], at(row["t0"]) + timedelta(minutes=57))
    assert len(panel) == len({c.contract_id for c, _ in panel.values()}) == len(first) == 175
    assert all(panel[address][0].valid_from == moment for address, moment in first.items())


def test_twins_of_the_pendle_panel_carry_chain_or_address():
    """Two markets of one underlying and day differ by chain, or by address where the chain is the same."""
    twins = sorted(
        code for code in CONTRACTS if re.search(r"(weETH|rsETH|uniETH|rswETH)\..*-26(SEP|DEC)24", code)
    )
    assert twins == [
        "rsETH.arbitrum-26DEC24",
        "rsETH.ethereum-26DEC24",
        "rswETH.038c1b-26SEP24",
        "rswETH.2801b5-26SEP24",
        "uniETH.arbitrum-26DEC24",
        "uniETH.ethereum-26DEC24",
        "weETH.arbitrum-26SEP24",
        "weETH.bsc-26SEP24",
    ]


def test_the_pool_states_belong_to_contracts():
    """PT-USDe-25SEP2025 is USDe-25SEP25, and so is its maturity."""
    for row in table("pendle_amm_states"):
        code = re.sub(r"^PT-|20(?=\d\d$)", "", row["market"])
        assert CONTRACTS[code].maturity == datetime.fromisoformat(row["maturity"])


KEYS = {
    "jlp_pool_daily": (703, ("date",)),
    "jlp_yield_daily": (149, ("date",)),
    "prices_daily": (762, ("date",)),
    "funding_daily": (3225, ("date", "asset", "venue")),
    "lending_daily": (1569, ("date", "venue", "asset")),
    "yield_markets_daily": (201, ("date", "market")),
    "pendle_markets": (1038, ("t0", "chain", "market")),
    "pendle_amm_states": (23, ("date", "market")),
    "jlp_weekly_reports": (10, ("report_date",)),
    "jlp_nav_daily": (16, ("as_of_utc",)),
    "jlp_composition": (3, ("date",)),
    "jlp_price_daily": (176, ("date",)),
    "yield_history_daily": (142, ("date", "market")),
    "jlp_contracts": (9, ("maturity_date", "market")),
}


def test_the_history_is_these_tables():
    """Fourteen tables and one snapshot, no more and no fewer."""
    assert set(history_files()) == {*(f"{name}.csv" for name in KEYS), "kamino_jlp_market.json"}


@pytest.mark.parametrize("name", KEYS)
def test_each_table_keeps_its_rows_in_order_and_its_keys_once(name):
    """Every row is there, dates rise, no key occurs twice and no cell is other than a value or empty."""
    count, key = KEYS[name]
    rows = table(name)
    keys = [tuple(row[part] for part in key) for row in rows]
    assert len(rows) == count
    assert len(set(keys)) == count
    assert [k[0] for k in keys] == sorted(k[0] for k in keys)
    assert all(None not in row and None not in row.values() for row in rows)
    assert not {"nan", "inf", "null", "n/a"} & {cell.lower() for row in rows for cell in row.values()}


@pytest.mark.parametrize("name", ["jlp_pool_daily", "jlp_yield_daily", "prices_daily", "jlp_price_daily"])
def test_daily_series_have_no_missing_day(name):
    """Each day follows the one before."""
    days = [at(row["date"]) for row in table(name)]
    assert {later - earlier for earlier, later in itertools.pairwise(days)} == {timedelta(days=1)}


def test_the_faults_of_the_pool_panel_are_as_documented():
    """Gross fees end with November 2024, the suspect volumes are marked, part days are blank."""
    rows = {row["date"]: row for row in table("jlp_pool_daily")}
    assert not any(row["gross_fees_usd"] for day, row in rows.items() if day >= "2024-12-01")
    suspect = [day for day, row in rows.items() if row["volume_quality"] == "shifted_uncertain"]
    assert (min(suspect), max(suspect)) == ("2024-03-01", "2024-08-10")
    for day in ("2025-07-02", "2024-03-13", "2024-07-19", "2024-08-11"):
        assert rows[day]["volume_usd"] == ""
    assert rows["2025-11-11"]["close_fees_usd"] == ""
    counts = dict.fromkeys(("as_labelled", "shifted_13", "shifted_uncertain", "missing"), 0)
    for row in rows.values():
        counts[row["volume_quality"]] += 1
    assert counts == {"as_labelled": 228, "shifted_13": 309, "shifted_uncertain": 151, "missing": 15}


def test_pt_and_yt_of_the_exponent_panel_add_up_and_follow_their_yield():
    """PT + YT = 1, and PT = (1+r)^-T with the maturity stated, to the documented 1.3e-6."""
    for row in table("yield_markets_daily"):
        pt, yt, r = (float(row[name]) for name in ("pt_price", "yt_price", "implied_apy"))
        left = datetime.fromisoformat(row["maturity"]) - datetime.fromisoformat(row["as_of_utc"])
        assert pt + yt == pytest.approx(1, abs=1e-9)
        assert pt == pytest.approx((1 + r) ** (-left.total_seconds() / 31_536_000), abs=1.4e-6)


def test_weights_of_the_weekly_reports_sum_to_one():
    """Within the documented 3e-4, and the basket's return follows from them within 5e-5."""
    assets = ("sol", "btc", "eth")
    for row in table("jlp_weekly_reports"):
        weights = [float(row[f"weight_{asset}"]) for asset in (*assets, "usdc", "usdt")]
        basket = math.fsum(float(row[f"weight_{a}"]) * float(row[f"{a}_return"]) for a in assets)
        assert math.fsum(weights) == pytest.approx(1, abs=3e-4)
        assert float(row["basket_return"]) == pytest.approx(basket, abs=5e-5)


def test_official_apy_compounds_365_times_a_year():
    """Every published pair agrees with the stated periods to the documented 4e-5."""
    n = jlp().terms_at(at("2026-02-09")).number("publication.compounding_periods")
    pairs = [
        (float(r["official_apr"]), float(r["official_apy"]))
        for r in table("jlp_nav_daily")
        if r["official_apr"]
    ]
    assert pairs
    for apr, apy in pairs:
        assert (1 + apr / n) ** n - 1 == pytest.approx(apy, abs=4e-5)


def test_the_history_document_describes_every_table_and_its_columns():
    """Each table and each of its columns is explained; no path outside the project is named."""
    text = Path(bundled_folder(), "history", "SOURCES.md").read_text(encoding="utf-8")
    for file in history_files():
        assert f"### {file}" in text, file
    for column in table("jlp_pool_daily")[0]:
        assert f"`{column}`" in text, column
    for fault in ("W1", "W2", "W3", "W4"):
        assert f"**{fault}." in text
    assert not re.search(r"(?<![\w.:/])/\w|(?<!\.)\.\./", text)
