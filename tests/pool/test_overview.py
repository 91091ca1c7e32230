"""A pool at a glance: each figure against hand arithmetic on the fixture, and the bundled history of 2026 and 2024."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pool_facts import AT, SOL, USDC, official, view_of

from yieldtrade.errors import DomainError
from yieldtrade.pool.overview import asset_exposures, pool_overview
from yieldtrade.pool.parameters import parameters_at


def overview(market_price=None, *, recommended=False, at=AT, **facts):
    """Return the overview of a view's moment."""
    view = view_of(at, **facts)
    params = parameters_at(view.pool("X"), view.as_of, assume_recommended=recommended)
    return pool_overview(view, "X", params, market_price=market_price)


def test_the_custody_fixture_at_a_glance():
    """AUM 180,000, virtual price 4, dollars 100,000, delta 80,000 = 800 SOL, 0.0177778 a share."""
    found = overview(4.08, custodies=(SOL, USDC), official=official(0.0702, 0.0727))
    sol, usdc = found.assets
    assert found.aum_usd == pytest.approx(180_000)
    assert found.virtual_price_usd == pytest.approx(4)
    assert found.premium == pytest.approx(0.02)
    assert (found.mint_open, found.supply) == (True, 45_000)
    assert found.stable_share == pytest.approx(100 / 180)
    assert (found.stable_share_low, found.stable_share_high) == (None, None)
    assert found.delta_share == pytest.approx(80 / 180)
    assert found.official.apy == 0.0727
    assert (sol.value_usd, sol.weight) == (pytest.approx(95_000), pytest.approx(95 / 180))
    assert sol.deviation == pytest.approx(95 / 180 - 0.5)
    assert sol.in_band
    assert sol.utilisation == pytest.approx(0.3)
    assert sol.borrow_hourly == pytest.approx(0.3 * 0.0001)
    assert sol.delta_usd == pytest.approx(80_000)
    assert sol.tokens_per_share == pytest.approx(800 / 45_000)
    assert usdc.utilisation == pytest.approx(5 / 85)
    assert (usdc.delta_usd, usdc.borrow_apr, usdc.tokens_per_share) == (0.0, None, None)
    assert asset_exposures(found) == {"SOL": pytest.approx(80 / 180)}
    # USDC is below its target: small deposits of it pay 10 - 50*5,085/90,000 bps; burning SOL 10 - 50*7,000/90,000
    assert found.bounds.high == pytest.approx(4 / (1 - (10 - 50 * 5_085 / 90_000) / 1e4))
    assert found.bounds.low == pytest.approx(4 * (1 - (10 - 50 * 7_000 / 90_000) / 1e4))


def test_at_the_limit_minting_is_closed_and_an_unknown_limit_says_nothing():
    """The AUM limit decides; without one nothing is claimed."""
    closed = overview(custodies=(SOL, USDC), terms={"aum_limit_usd": 180_000})
    assert closed.mint_open is False
    assert (closed.bounds.high, closed.bounds.binding) == (None, "aum_limit")
    unknown = overview(custodies=(SOL, USDC), terms={"aum_limit_usd": None})
    assert (unknown.mint_open, unknown.bounds) == (None, None)


def test_a_market_price_of_another_day_gives_no_premium():
    """A day apart is close enough, two are not."""
    for days, known in ((1, True), (2, False)):
        day = (AT - timedelta(days=days)).date().isoformat()
        found = overview(custodies=(SOL, USDC), series={"jlp_price_usd": {day: 4.2}})
        assert (found.premium is not None) is known
        assert found.market_price.value == 4.2
    with pytest.raises(DomainError, match=r"market_price = 0.0 must be above 0"):
        overview(0.0, custodies=(SOL, USDC))


def test_utilisation_of_stables_leaves_a_range_once_there_are_loans():
    """Weights 0.5/0.5, SOL used 0.2, USDC 0.4: 0.4 if all of that is shorts, 0.6 if all of it is loans."""
    series = {
        "aum_usd": {"2026-02-27": 100.0},
        **{f"{a}_weight": {"2026-02-27": 0.5} for a in ("sol", "usdc")},
        "sol_utilisation": {"2026-02-27": 0.2},
        "usdc_utilisation": {"2026-02-27": 0.4},
    }
    before = overview(series=series)
    assert (before.stable_share, before.stable_share_low) == (pytest.approx(0.1 + 0.3), None)
    after = overview(series=series, terms={"loans.max_ltv": 0.9})
    assert (after.stable_share_low, after.stable_share_high) == (pytest.approx(0.4), pytest.approx(0.6))
    # 40 of SOL are free, and the 20 of USDC that back shorts stand apart: together the delta of 60
    assert asset_exposures(before) == {"SOL": pytest.approx(0.4), "shorts": pytest.approx(0.2)}


def test_jlp_on_the_last_day_of_its_bundled_state(bundled):
    """The interface of 2026-02-27: 37.15 % of the limit, about 31 % dollars, BTC out of its band."""
    view = bundled.view(need="JLP state")
    found = pool_overview(view, "JLP", parameters_at(view.pool("JLP"), view.as_of))
    assert view.as_of == datetime(2026, 2, 28, tzinfo=UTC)
    assert found.aum_usd / found.aum_limit_usd == pytest.approx(0.3715, abs=5e-5)
    assert found.stable_share == pytest.approx(0.31, abs=0.005)
    assert {line.asset: line.in_band for line in found.assets} == {
        "BTC": False,
        "ETH": True,
        "SOL": True,
        "USDC": True,
    }
    sol = next(line for line in found.assets if line.asset == "SOL")
    # dual slope 10/35/150 with the kink at 80 %: 0.10 + 0.25*0.0519/0.8
    assert sol.borrow_apr == pytest.approx(0.1 + 0.25 * 0.0519 / 0.8)


def test_jlp_beside_the_article_of_september_2024(bundled):
    """The 58.8 % of the article has no snapshot; utilisations of 28 August at weights of 2 September give 56 %."""
    view = bundled.view(datetime(2024, 9, 5, tzinfo=UTC))
    found = pool_overview(view, "JLP", parameters_at(view.pool("JLP"), view.as_of))
    assert found.stable_share == pytest.approx(0.566, abs=0.006)
    assert found.virtual_price_usd is None
    assert found.picture.dates["utilisations"] == datetime(2024, 8, 28, tzinfo=UTC)


def test_recommended_parameters_in_force_are_noted(bundled):
    """Only where they were asked for."""
    view = bundled.view(need="JLP state")
    params = parameters_at(view.pool("JLP"), view.as_of, assume_recommended=True)
    assert "swap.tax_bps" in pool_overview(view, "JLP", params).notes[-1]


def test_what_a_reader_must_know_of_the_state_is_said():
    """A stablecoin below 1, more locked than owned, no shares, nothing of any worth."""
    found = overview(custodies=(SOL._replace(locked=1_300), USDC))
    assert found.market_value_usd == pytest.approx(found.aum_usd - 85_000 * 0.001)
    assert found.notes == (
        "more SOL is locked than owned: nothing of it counts as free",
        "USDC trades below 1 and counts as 1 in the AUM, as the program does",
    )
    # nothing of the coin is free, so it moves with the shorts alone, 12,000*100/120, and no share is claimed
    assert found.assets[0].delta_usd == pytest.approx(10_000)
    assert (found.stable_share, found.assets[0].tokens_per_share) == (None, None)
    assert found.delta_share == pytest.approx(10_000 / found.aum_usd)
    floored = overview(custodies=(SOL._replace(short_sizes_usd=500_000, short_avg_price=200), USDC))
    assert (floored.assets[0].value_usd, floored.assets[0].delta_usd, floored.stable_share) == (
        0.0,
        0.0,
        None,
    )
    sharesless = overview(custodies=(SOL._replace(supply=0), USDC._replace(supply=0)))
    assert (sharesless.virtual_price_usd, sharesless.supply, sharesless.assets[0].tokens_per_share) == (
        None,
    ) * 3
    assert "there are no shares, so there is no virtual price" in sharesless.notes
    nothing = {
        "owned": 0,
        "locked": 0,
        "guaranteed_usd": 0,
        "short_sizes_usd": 0,
        "short_avg_price": 0,
        "debt": 0,
    }
    worthless = overview(4.0, custodies=(SOL._replace(**nothing), USDC._replace(**nothing)))
    assert (worthless.aum_usd, worthless.virtual_price_usd, worthless.premium) == (0.0, 0.0, None)
    assert (worthless.stable_share, worthless.delta_share, worthless.assets[0].weight) == (None, None, None)
    assert "the pool is worth nothing" in worthless.notes
    assert asset_exposures(worthless) == {}


def test_a_published_price_of_another_time_is_left_out():
    """Within three days of the state it stands beside it."""
    for day, shown in (("2026-02-27", True), ("2026-02-20", False)):
        found = overview(custodies=(SOL, USDC), series={"nav_price_usd": {day: 4.1}})
        assert (found.published_price is not None) is shown
