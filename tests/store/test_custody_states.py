"""What a pool holds: loaded, corrected, read as of a moment; the yield it published; older databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from yieldtrade.errors import LoadError
from yieldtrade.store import migrations, open_store

HEADER = "pool,asset,at,supply,owned,locked,price_usd,debt,guaranteed_usd,short_sizes_usd,short_avg_price"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOL = "JLP,SOL,2026-03-01T12:00:00Z,45000,1000,300,100,,27000,12000,120"
USDC = "JLP,USDC,2026-03-01T12:00:00Z,45000,80000,,0.999,5000,,,".replace("80000,,", "80000,0,")


@pytest.fixture
def empty(tmp_path):
    """A store without the bundled history."""
    with open_store(tmp_path / "empty.db", bundled=False) as store:
        yield store


def load(store, folder, *rows, name="custodies.csv"):
    """Load a file of custodies and return its warnings."""
    path = folder / name
    path.write_text("\n".join((HEADER, *rows)) + "\n", "utf-8")
    return store.load([path], now=datetime(2026, 6, 1, tzinfo=UTC))[1]


def test_custodies_come_back_as_loaded(empty, tmp_path):
    """An amount left out is none of it; assets come in order of name."""
    assert load(empty, tmp_path, USDC, SOL) == []
    sol, usdc = empty.view(AT + timedelta(hours=1)).custodies("jlp")
    assert sol[:3] == ("JLP", "SOL", AT)
    assert (sol.supply, sol.owned, sol.locked, sol.price_usd) == (45_000, 1_000, 300, 100)
    assert (sol.guaranteed_usd, sol.short_sizes_usd, sol.short_avg_price) == (27_000, 12_000, 120)
    assert (usdc.debt, usdc.locked, usdc.short_sizes_usd, usdc.source) == (5_000, 0, 0, "custodies.csv")


def test_only_the_last_moment_known_is_handed_out(empty, tmp_path):
    """A view before the state sees none, one before the next state sees the first, all assets of one moment."""
    later = SOL.replace("12:00", "18:00").replace(",1000,", ",1100,")
    load(empty, tmp_path, SOL, USDC, later)
    assert empty.view(AT - timedelta(seconds=1)).custodies("JLP") == ()
    assert [c.asset for c in empty.view(AT).custodies("JLP")] == ["SOL", "USDC"]
    assert [(c.asset, c.owned) for c in empty.view(AT + timedelta(hours=6)).custodies("JLP")] == [
        ("SOL", 1_100)
    ]


def test_a_correction_counts_from_its_loading(empty, tmp_path):
    """A view of the past keeps what was believed; a view of no moment takes the correction."""
    load(empty, tmp_path, SOL)
    load(empty, tmp_path, SOL.replace(",1000,", ",900,"), name="corrected.csv")
    assert empty.view(AT).custodies("JLP")[0].owned == 1_000
    assert empty.view(need="JLP state").custodies("JLP")[0].owned == 900


def test_impossible_custodies_are_refused_and_odd_ones_warned_of(empty, tmp_path):
    """Open shorts need an entry price; more locked than owned is possible and said."""
    with pytest.raises(LoadError) as refused:
        load(empty, tmp_path, SOL.replace("12000,120", "12000,"), USDC.replace("0.999", "-1"))
    assert "short_sizes_usd = 12000 without short_avg_price" in refused.value.problems[0]
    assert "price_usd = '-1' must be above 0" in refused.value.problems[1]
    (warning,) = load(empty, tmp_path, SOL.replace(",1000,300,", ",1000,1300,"))
    assert "locked = 1300 exceeds owned = 1000" in warning


def test_the_published_yield_is_the_last_known(bundled):
    """Of the fixture's rows; none before the first."""
    published = bundled.view(datetime(2026, 2, 21, 12, tzinfo=UTC)).official_yield("JLP")
    assert (published.apr, published.apy) == (0.0702, 0.0727)
    assert published.at == datetime(2026, 2, 21, 3, 0, 5, tzinfo=UTC)
    assert bundled.view(datetime(2026, 2, 1, tzinfo=UTC)).official_yield("JLP") is None


def test_a_database_from_before_custodies_is_brought_up_to_date(tmp_path, monkeypatch):
    """Its rows stay and the new table is there."""
    path = tmp_path / "old.db"
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
        with open_store(path, bundled=False) as store:
            file = tmp_path / "apy.csv"
            file.write_text("pool,published_at,apr,apy\nJLP,2026-01-05T18:00:00Z,0.1,0.105\n", "utf-8")
            store.load([file], now=datetime(2026, 6, 1, tzinfo=UTC))
            assert "custody_state" not in {record["table"] for record in store.info()}
    with open_store(path, bundled=False) as store:
        load(store, tmp_path, SOL)
        view = store.view(AT)
        assert view.official_yield("JLP").apy == 0.105
        assert view.custodies("JLP")[0].owned == 1_000
        assert store.check() == []
