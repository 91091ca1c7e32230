"""The state of a pool from whatever is stored: exact from custodies, else put together and said so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pool_facts import AT, SOL, USDC, view_of

from yieldtrade.errors import DataError, MarketDefinitionError, MissingDataError
from yieldtrade.pool.composition import aum, stable_share, usd_leg, virtual_price, weights
from yieldtrade.pool.parameters import parameters_at
from yieldtrade.pool.snapshot import pool_picture

WEIGHTS = {"sol_weight": {"2026-02-27": 0.501}, "usdc_weight": {"2026-02-27": 0.501}}
USED = {"sol_utilisation": {"2026-02-27": 0.25}, "usdc_utilisation": {"2026-02-27": 0.1}}
POSITIONS = {
    "sol_guaranteed_usd": {"2026-02-26": 30.0},
    "sol_short_size_usd": {"2026-02-26": 20.0},
    "sol_short_pnl_usd": {"2026-02-26": 4.0},
}
AUM = {"aum_usd": {"2026-02-25": 990.0, "2026-02-27": 1_000.0}}


def picture(**facts):
    """Return the picture of a view's moment."""
    view = view_of(**facts)
    return pool_picture(view, "X", parameters_at(view.pool("X"), view.as_of))


def test_custodies_give_the_exact_state():
    """The fixture of pool.md 15: AUM 180,000, virtual price 4."""
    found = picture(custodies=(SOL, USDC))
    assert found.is_exact
    assert aum(found.state) == pytest.approx(180_000, abs=1e-6)
    assert virtual_price(found.state) == pytest.approx(4, abs=1e-9)
    assert found.state.aum_limit_usd == 1e6
    assert found.dates == {"supply": AT, "state": AT}
    assert found.notes == ()


def test_custodies_that_contradict_or_miss_are_told():
    """Two supplies are refused; an asset with a target that is not stored is noted."""
    with pytest.raises(
        DataError, match="custodies of X at 2026-03-01T00:00:00Z state several supplies: 44000, 45000"
    ):
        picture(custodies=(SOL, USDC._replace(supply=44_000)))
    assert picture(custodies=(SOL,)).notes == (
        "no custody of USDC is stored: AUM and weights leave it out, and no virtual price is taken from them",
    )
    with pytest.raises(MarketDefinitionError, match=r"custodies.ETH.stable"):
        picture(custodies=(SOL._replace(asset="ETH"),))


def test_weights_and_an_aum_make_a_state_in_usd():
    """Weights are scaled to sum to one; without utilisation every coin counts as free, which is said."""
    found = picture(series={**AUM, **WEIGHTS})
    assert found.basis == "weights"
    assert aum(found.state) == pytest.approx(1_000)
    assert weights(found.state) == {"SOL": pytest.approx(0.5), "USDC": pytest.approx(0.5)}
    assert stable_share(found.state) == pytest.approx(0.5)
    assert not found.state.supply
    assert [line.split(":")[0] for line in found.notes[1:]] == [
        "neither supply nor virtual price are known near that day",
        "open positions are not known",
    ]


def test_utilisation_turns_coins_into_dollars():
    """Of 500 USD of SOL a quarter is locked and owed in dollars: S = 125 + 500."""
    found = picture(series={**AUM, **WEIGHTS, **USED})
    assert found.basis == "utilisations"
    assert usd_leg(found.state) == pytest.approx(625)
    assert found.state.custody("USDC").locked == pytest.approx(50)
    assert "shorts are not known by asset" in found.notes[-1]


def test_open_positions_near_the_weights_give_the_dollar_leg():
    """S = guaranteed 30 - shorts 20 + stables 500; the custody's own AUM stays 500 with the shorts' profit in it."""
    found = picture(series={**AUM, **WEIGHTS, **USED, **POSITIONS})
    assert found.basis == "exposures"
    assert usd_leg(found.state) == pytest.approx(30 - 20 + 500)
    assert weights(found.state)["SOL"] == pytest.approx(0.5)
    # short P&L +4 for the traders: 20 (1 - avg)/avg = -4 with the mark at 1
    sol = found.state.custody("SOL")
    assert 20 * (1 - sol.short_avg_price) / sol.short_avg_price == pytest.approx(-4)
    far = {name: {"2026-02-20": value} for name, days in POSITIONS.items() for value in days.values()}
    assert picture(series={**AUM, **WEIGHTS, **USED, **far}).basis == "utilisations"


def test_the_virtual_price_is_never_made_of_two_days():
    """The last published price stands, 3.3 of the 25th, whatever the AUM of the 27th; one of months ago does not."""
    near = picture(series={**AUM, **WEIGHTS, "nav_price_usd": {"2026-02-25": 3.3}})
    assert virtual_price(near.state) == pytest.approx(3.3)
    assert near.price_at == AT - timedelta(days=4)
    assert "the virtual price is the one published on 2026-02-25" in near.notes
    old = picture(series={**AUM, **WEIGHTS, "nav_price_usd": {"2026-02-20": 3.3}})
    assert old.supply is None
    # a published supply counts on its own day only
    assert picture(series={**AUM, **WEIGHTS, "supply": {"2026-02-27": 250.0}}).state.supply == 250
    assert picture(series={**AUM, **WEIGHTS, "supply": {"2026-02-26": 250.0}}).supply is None


def test_weights_of_another_time_give_way_to_the_targets():
    """Two months before the AUM they say nothing of it; nor do weights that leave an asset out."""
    old = {name: {"2025-12-20": value} for name, days in WEIGHTS.items() for value in days.values()}
    found = picture(series={**AUM, **old, **USED})
    assert found.targets_stand_in
    assert weights(found.state) == {"SOL": pytest.approx(0.5), "USDC": pytest.approx(0.5)}
    assert found.weights_at == AT - timedelta(days=2)
    assert "no weights near that day are known: the target weights stand in for them" in found.notes
    assert picture(series={**AUM, "sol_weight": {"2026-02-27": 0.47}}).targets_stand_in


def test_utilisation_of_another_time_is_left_out():
    """Utilisations of two months before the weights."""
    old = {name: {"2025-12-20": value} for name, days in USED.items() for value in days.values()}
    assert picture(series={**AUM, **WEIGHTS, **old}).basis == "weights"


def test_newer_figures_count_before_older_custodies():
    """Custodies of 1 March against an AUM of 20 March; within three days they stand."""
    for day, basis in (("2026-03-20", "weights"), ("2026-03-03", "custodies")):
        found = picture(at=AT + timedelta(days=30), custodies=(SOL, USDC), series={"aum_usd": {day: 900.0}})
        assert found.basis == basis
    newer = picture(
        at=AT + timedelta(days=30), custodies=(SOL, USDC), series={"aum_usd": {"2026-03-20": 900.0}}
    )
    assert newer.notes[0] == "the stored custodies, of 2026-03-01, are older than what else is known"


def test_the_latest_of_several_weights_counts():
    """Gross values of a later day stand before weights of an earlier one."""
    values = {"sol_value_usd": {"2026-02-28": 30.0}, "usdc_value_usd": {"2026-02-28": 70.0}}
    found = picture(series={**AUM, **WEIGHTS, **values})
    assert weights(found.state)["SOL"] == pytest.approx(0.3)
    assert found.dates["weights"] == AT - timedelta(days=1)


def test_the_public_tvl_stands_in_for_the_aum_and_is_said_to():
    """Only where it is the later one."""
    found = picture(series={**WEIGHTS, **AUM, "tvl_usd": {"2026-03-01": 1_200.0}})
    assert aum(found.state) == pytest.approx(1_200)
    assert any("public TVL" in line for line in found.notes)


@pytest.mark.parametrize("series", [{}, AUM, WEIGHTS])
def test_nothing_stored_says_what_to_load(series):
    """An AUM without weights and targets, or weights without an AUM, make no state."""
    terms = {"target_weights.SOL": None, "target_weights.USDC": None}
    with pytest.raises(MissingDataError, match="load a table custody_state with `yieldtrade load FILE`"):
        picture(series=series, terms=terms)
