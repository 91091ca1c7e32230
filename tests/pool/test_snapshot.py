"""The state of a pool from whatever is stored: exact from custodies, else put together and said so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pool_facts import AT, SOL, USDC, view_of

from yieldtrade.errors import DataError, MarketDefinitionError, MissingDataError
from yieldtrade.pool.composition import aum, stable_share, usd_leg, virtual_price, weights
from yieldtrade.pool.parameters import parameters_at
from yieldtrade.pool.snapshot import pool_picture

WEIGHTS = {"sol_weight": {"2026-02-27": 0.6}, "usdc_weight": {"2026-02-27": 0.6}}
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
        "no custody of USDC is stored: AUM, weights and virtual price leave it out",
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
        "no supply of shares is known near that day, so neither is the virtual price",
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


def test_supply_comes_from_an_aum_and_a_price_of_one_day():
    """990/3.3 = 300 shares of the 25th stand for the 27th; those of months ago for nothing."""
    near = picture(series={**AUM, **WEIGHTS, "nav_price_usd": {"2026-02-25": 3.3}})
    assert near.state.supply == pytest.approx(300)
    assert virtual_price(near.state) == pytest.approx(1_000 / 300)
    assert "supply of 2026-02-25" in near.notes[0]
    old = picture(series={**AUM, **WEIGHTS, "supply": {"2025-11-01": 250.0}})
    assert old.supply is None
    published = picture(series={**AUM, **WEIGHTS, "supply": {"2026-02-27": 250.0}})
    assert published.state.supply == 250


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
    """An AUM without weights, or weights without an AUM, make no state."""
    with pytest.raises(MissingDataError, match="load a table custody_state with `yieldtrade load FILE`"):
        picture(series=series)
