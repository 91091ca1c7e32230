"""The dated parameters of JLP: every step of its history, recommended sets, and what nobody published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from yieldtrade.errors import DomainError, MarketDefinitionError
from yieldtrade.pool.parameters import (
    DualSlopeCurve,
    LinearCurve,
    LoanParameters,
    TradeParameters,
    WeightFee,
    parameters_at,
    stated_parameters,
)


def moment(text):
    """Read a date or a time as a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def at(bundled):
    """Parameters of JLP at a moment."""
    pool = bundled.view(moment("2026-11-01")).pool("JLP")
    return lambda text, **how: parameters_at(pool, moment(text), **how)


# Before and after each dated change of pool.md 2, as the table there prints it.
STEPS = [
    ("2024-06-06", "fees.pool_share", 0.70, 0.75),
    ("2024-06-07", "trade.base_bps", 10, 7),
    ("2024-06-07", "trade.impact.model", "none", "linear"),
    ("2024-06-07", "swap.max_bps", 200, 150),
    ("2024-07-11", "trade.base_bps", 7, 6),
    ("2024-08-02", "trade.max_leverage", 100, 500),
    ("2024-08-28", "borrow.SOL.hourly", 1e-4, 8e-5),
    ("2024-11-26", "borrow.SOL.hourly", 8e-5, 1.2e-4),
    ("2024-11-26", "borrow.ETH.hourly", 8e-5, 8e-5),
    ("2025-01-16", "borrow.SOL.model", "linear", "dual_slope"),
    ("2025-05-04", "target_weights.USDT", 0.09, 0.0),
    ("2025-06-03", "trade.impact.model", "linear", "additive"),
    ("2025-09-17T13:00", "trade.impact.scalar_usd.SOL", 1.25e9, 3.75e9),
    ("2025-10-10T04:00", "borrow.SOL.target", 0.60, 0.35),
    ("2025-12-01", "loans.liquidation_ltv", 0.86, 0.95),
    ("2025-12-01", "loans.liquidation_fee", 0.06, 0.02),
]


@pytest.mark.parametrize(("date", "name", "before", "after"), STEPS)
def test_each_change_begins_at_its_moment(at, date, name, before, after):
    """A second earlier the old value holds, at the moment itself the new one."""
    second_before = (moment(date) - timedelta(seconds=1)).isoformat().removesuffix("+00:00")
    assert at(second_before).terms.get(name) == before
    assert at(date).terms.get(name) == after


def test_a_moment_before_the_first_set_is_refused(at):
    """The message says when the first set is of."""
    with pytest.raises(
        MarketDefinitionError, match=r"no parameters for 2023-11-06.*first known set is of 2023-11-07"
    ):
        at("2023-11-06")


def test_recommended_sets_count_only_when_asked_and_are_named(at):
    """The loan terms of mid 2025 were recommended; the result says which values came so."""
    with pytest.raises(MarketDefinitionError, match=r"JLP has no loans.max_ltv for 2025-07-01T00:00:00Z"):
        at("2025-07-01").loans()
    assumed = at("2025-07-01", assume_recommended=True)
    assert assumed.loans().max_ltv == 0.80
    assert "loans.max_ltv" in assumed.recommended
    assert "swap.tax_bps" in assumed.recommended
    assert "trade.base_bps" not in assumed.recommended
    assert at("2025-07-01").recommended == ()


def test_what_the_user_states_lies_on_top_at_every_date(bundled):
    """A parameter given for the pool counts at any moment and keeps its basis."""
    pool = bundled.view(moment("2026-03-01")).with_terms({"JLP.swap.add_remove_bps": 10.0}).pool("JLP")
    found = parameters_at(pool, moment("2024-09-01"), assume_recommended=True)
    assert found.number("swap.add_remove_bps") == 10.0
    assert found.terms.parameters["swap.add_remove_bps"].basis == "user"


def test_the_trade_fee_of_each_time(at):
    """No impact at first, then linear with scalars nobody published, then additive; closes of April 2025 pay none."""
    first = at("2024-01-01").trade("SOL")
    assert (first.base_bps, first.scalar_usd, first.threshold_usd) == (10, None, None)
    with pytest.raises(MarketDefinitionError, match=r"JLP has no trade.impact.on_open for 2024-09-01"):
        at("2024-09-01").trade("SOL")
    with pytest.raises(MarketDefinitionError, match=r"JLP has no trade.impact.scalar_usd.SOL for 2025-04-20"):
        at("2025-04-20").trade("SOL")
    assert at("2025-04-20").trade("SOL", "close").scalar_usd is None
    late = at("2026-02-27").trade("SOL", "close")
    assert (late.base_bps, late.scalar_usd, late.threshold_usd, late.factor_bps) == (6, 3.75e9, 750_000, 1)
    assert at("2026-02-27").trade("SOL", "liquidation").scalar_usd is None
    with pytest.raises(DomainError, match=r"event = 'swap': allowed are open, close, liquidation"):
        at("2026-02-27").trade("SOL", "swap")


def test_the_borrow_curve_of_each_time(at):
    """Linear, then dual slope for SOL; the curves of the others were never published and are asked for by name."""
    curve = at("2024-09-01").borrow_curve("SOL")
    assert isinstance(curve, LinearCurve)
    assert curve.hourly == 8e-5
    curve = at("2025-02-01").borrow_curve("SOL")
    assert isinstance(curve, DualSlopeCurve)
    assert (curve.minimum, curve.target, curve.maximum, curve.kink) == (0.10, 0.60, 2.30, 0.80)
    with pytest.raises(
        MarketDefinitionError, match=r"JLP has no borrow.BTC.min .*--set JLP.borrow.BTC.min=VALUE"
    ):
        at("2025-02-01").borrow_curve("BTC")
    with pytest.raises(MarketDefinitionError, match=r"JLP has no loans.min"):
        at("2026-02-01").loan_curve()


def test_swap_and_mint_fees_ask_for_what_nobody_published(at):
    """Bases are known, multipliers and the base of minting are not."""
    with pytest.raises(MarketDefinitionError, match=r"JLP has no swap.tax_bps"):
        at("2026-02-01").swap_fee(stable_pair=False)
    with pytest.raises(MarketDefinitionError, match=r"JLP has no swap.add_remove_bps"):
        at("2026-02-01", assume_recommended=True).mint_fee()
    known = stated_parameters({"swap.add_remove_bps": 10, "swap.tax_bps": 50})
    assert known.mint_fee().base_bps == 10
    stable = {"swap.stable_base_bps": 2, "swap.stable_tax_bps": 5, "swap.stable_multiplier": 1}
    assert stated_parameters(stable).swap_fee(stable_pair=True).tax_bps == 5


def test_target_weights_are_checked_as_a_whole(at):
    """They sum to 1 at every date that has them, and a contradiction lists them."""
    assert at("2024-01-01").target_weights() == {}
    assert sum(at("2024-09-01").target_weights().values()) == pytest.approx(1, abs=1e-12)
    with pytest.raises(MarketDefinitionError, match=r"target weights sum to 0.5, not 1: SOL = 0.5"):
        stated_parameters({"target_weights.SOL": 0.5}).target_weights()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DualSlopeCurve(minimum=0.1, target=0.6, maximum=2.3, kink=1.0), "kink = 1.0 must lie between 0 and 1"),
        (lambda: DualSlopeCurve(minimum=0.1, target=0.6, maximum=2.3, kink=0), "kink = 0.0 must lie between 0 and 1"),
        (lambda: DualSlopeCurve(minimum=0.7, target=0.6, maximum=2.3, kink=0.8), "minimum <= target <= maximum"),
        (lambda: LoanParameters(max_ltv=0.95, liquidation_ltv=0.9, liquidation_fee=0.02), "below liquidation_ltv"),
        (lambda: TradeParameters(base_bps=6, threshold_usd=1e6), "needs factor_bps, exponent, cap_bps"),
        (lambda: TradeParameters(base_bps=-6), "base_bps = -6.0 must be 0 or more"),
        (lambda: WeightFee(base_bps=6, tax_bps=float("nan")), "tax_bps = nan is not a finite number"),
        (lambda: stated_parameters({"a": "x"}).flag("a"), "pool: a = 'x' is neither true nor false"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_are_refused(build, message):
    """A configuration error says what the value is and what is allowed."""
    with pytest.raises((DomainError, MarketDefinitionError), match=message):
        build()
