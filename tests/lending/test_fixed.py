"""The integers of the venues' programs, to the last bit, and the float forms beside them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import DomainError
from yieldtrade.lending.accrual import compound_slots
from yieldtrade.lending.fixed import (
    RAY,
    WAD,
    aave_index_growth,
    compound_slots_bits,
    drift_asset_weight,
    drift_liability_weight,
    drift_rates,
    morpho_rates_wad,
)

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = [
    case
    for name in ("klend_rates", "morpho_aave_drift")
    for case in json.loads((GOLDEN / f"{name}.json").read_text())["cases"]
]


def of_kind(kind):
    """Cases of one kind, each named."""
    return [pytest.param(case["in"], case["expect"], id=case["id"]) for case in CASES if case["kind"] == kind]


@pytest.mark.parametrize(("given_", "expected"), of_kind("compounded_interest_u68f60"))
def test_slot_factors_are_equal_bit_by_bit(given_, expected):
    """The factor of klend in 2^-60 is reproduced exactly."""
    assert str(compound_slots_bits(given_["rate"], given_["slots"])) == expected["factor_bits"]


@given(st.integers(0, 50_000), st.integers(0, 10**7))
def test_the_cut_off_only_ever_lowers_the_factor(bps, n):
    """The exact factor lies below the float one by at most a bit for each term's slots, and the third term."""
    b = bps / 10_000 / 63_072_000
    gap = compound_slots(bps / 10_000, n) - compound_slots_bits(bps / 10_000, n) / 2**60
    rounding = 1e-15 * (1 + b * n) ** 3
    assert -rounding <= gap <= (n + n * n / 2) * 2.0**-60 + (b * n) ** 3 / 6 + rounding


@pytest.mark.parametrize(("given_", "expected"), of_kind("aave_index_growth"))
def test_index_growth_equals_aaves(given_, expected):
    """Growth of both indexes of Aave is reproduced to the last of 27 decimals."""
    growth = aave_index_growth(int(Decimal(given_["apr"]) * RAY), given_["seconds"])
    assert str(growth.borrow) == expected["borrow_growth_ray"]
    assert str(growth.supply) == expected["supply_growth_ray"]


@pytest.mark.parametrize(("given_", "expected"), of_kind("morpho_rate"))
def test_adaptive_rates_equal_morphos(given_, expected):
    """Average and final rates of Morpho's curve are reproduced in its integers."""
    rates = morpho_rates_wad(
        int(given_["utilization_wad"]), int(given_["start_rate_at_target"]), given_["elapsed_s"]
    )
    names = ("avg_borrow_rate", "end_borrow_rate", "end_rate_at_target")
    assert [str(rate) for rate in rates] == [expected[name] for name in names]


@pytest.mark.parametrize(("given_", "expected"), of_kind("drift_interest"))
def test_rates_equal_drifts(given_, expected):
    """What borrowers pay and depositors earn on Drift is reproduced in millionths."""
    rates = drift_rates(
        given_["utilization"],
        optimal_utilization=given_["optimal_util"],
        optimal_rate=given_["optimal_rate"],
        max_rate=given_["max_rate"],
        # the venue counts its floor in two-hundredths of a percent
        min_rate=given_["min_rate_200ths_pct"] * 5_000,
        insurance_factor=given_["if_factor"],
    )
    assert (rates.borrow, rates.deposit) == (expected["borrow_rate"], expected["deposit_rate"])


@pytest.mark.parametrize(
    ("rule", "given_", "expected"),
    [
        pytest.param(rule, *case.values, id=case.id)
        for kind, rule in (
            ("drift_asset_weight", drift_asset_weight),
            ("drift_liability_weight", drift_liability_weight),
        )
        for case in of_kind(kind)
    ],
)
def test_weights_equal_drifts(rule, given_, expected):
    """Size discount and size premium on Drift are reproduced to the last of four decimals."""
    weight = rule(given_["weight"], given_["imf"], given_["size_tokens"] * 10**9)
    assert weight == expected["weight"]


@given(st.integers(1, 10**6 - 1), st.integers(0, 10**6 - 1), st.integers(0, 10**6), st.integers(0, 10**7))
def test_drifts_rate_never_falls(kink, u, base, extra):
    """One more millionth of utilization never lowers the rate, wherever the kink lies."""
    curve = {"optimal_utilization": kink, "optimal_rate": base, "max_rate": base + extra}
    assert drift_rates(u + 1, **curve).borrow >= drift_rates(u, **curve).borrow


@pytest.mark.parametrize(
    "call",
    [
        lambda: compound_slots_bits(-0.1, 1),
        lambda: compound_slots_bits(0.1, 1.5),
        lambda: aave_index_growth(1, -1),
        lambda: morpho_rates_wad(WAD + 1, 1, 1),
        lambda: morpho_rates_wad(0.5, 1, 1),
        lambda: morpho_rates_wad(WAD, 0, 1),
        lambda: drift_asset_weight(8_000, -1, 1),
        lambda: drift_liability_weight(8_000, 1, 0.5),
        lambda: drift_rates(1, optimal_utilization=0, optimal_rate=0, max_rate=0),
        lambda: drift_rates(1, optimal_utilization=1, optimal_rate=2, max_rate=1),
    ],
)
def test_what_a_program_cannot_hold_is_refused(call):
    """Negative and broken numbers, a utilization above 1 and a falling curve are refused."""
    with pytest.raises(DomainError):
        call()
