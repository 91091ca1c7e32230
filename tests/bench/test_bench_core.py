"""Budgets of quotes, prices and loading, each as a ratio within its group (the number in brackets)."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from yieldtrade.sources.files import parse_file
from yieldtrade.store import Store
from yieldtrade.store.record import transaction
from yieldtrade.store.write import load_parsed
from yieldtrade.tokens.pricing import implied_yield_from_yt, yt_price

MILLION = 1_000_000
HELLO = "import click\n@click.command()\ndef hello(): click.echo('hello')\nhello()"


@pytest.fixture(scope="module")
def inputs():
    """A million yields and times."""
    rng = np.random.default_rng(1)
    return rng.uniform(0.01, 0.6, MILLION), rng.uniform(0.02, 1.0, MILLION)


@pytest.mark.benchmark(group="cold quote: at most 1.5x a click hello")
@pytest.mark.parametrize("what", ["hello", "quote"])
def test_cold_process(benchmark, bundled_path, what):
    """A whole process, from nothing to the printed quote."""
    hello = [sys.executable, "-c", HELLO]
    quote = ["-m", "yieldtrade", "quote", "JLP-2411", "--implied", "0.35", "--db", str(bundled_path)]
    command = hello if what == "hello" else [sys.executable, *quote]
    # both run from bytecode, as installed packages do
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    benchmark.pedantic(
        lambda: subprocess.run(command, check=True, capture_output=True, env=environment),
        rounds=25,
        warmup_rounds=3,
    )


@pytest.mark.benchmark(group="1e6 YT prices: at most 1.5x bare numpy")
def test_prices_bare(benchmark, inputs):
    """The bare expression."""
    r, tau = inputs
    benchmark(lambda: -np.expm1(-tau * np.log1p(r)))


@pytest.mark.benchmark(group="1e6 YT prices: at most 1.5x bare numpy")
def test_prices(benchmark, inputs):
    """The same with its domain checked."""
    benchmark(yt_price, *inputs)


@pytest.mark.benchmark(group="1e6 implied yields: at most 1.5x bare numpy")
def test_yields_bare(benchmark, inputs):
    """The bare inverse."""
    prices = yt_price(*inputs)
    benchmark(lambda: np.expm1(-np.log1p(-prices) / inputs[1]))


@pytest.mark.benchmark(group="1e6 implied yields: at most 1.5x bare numpy")
def test_yields(benchmark, inputs):
    """The same with its domain checked."""
    prices = yt_price(*inputs)
    benchmark(implied_yield_from_yt, prices, inputs[1])


@pytest.mark.benchmark(group="10,000 prices: QuantLib at least 300x ours")
@pytest.mark.parametrize("what", ["ours", "quantlib"])
def test_against_quantlib(benchmark, inputs, what):
    """One library call an array against a zero bond re-quoted for each yield."""
    import QuantLib as ql

    yields = inputs[0][:10_000]
    if what == "ours":
        benchmark(yt_price, yields, 0.5)
        return
    today = ql.Date(1, 1, 2026)
    quote = ql.SimpleQuote(0.1)
    curve = ql.FlatForward(today, ql.QuoteHandle(quote), ql.Actual365Fixed(), ql.Compounded, ql.Annual)
    bond = ql.ZeroCouponBond(0, ql.NullCalendar(), 1.0, today + 182, ql.Unadjusted, 100.0, today)
    bond.setPricingEngine(ql.DiscountingBondEngine(ql.YieldTermStructureHandle(curve)))
    ql.Settings.instance().evaluationDate = today

    def requote():
        prices = []
        for value in yields:
            quote.setValue(float(value))
            prices.append(1 - bond.NPV())
        return prices

    benchmark.pedantic(requote, rounds=3)


@pytest.mark.benchmark(group="load of 1e6 rows: at most 6.7 s is 150,000 rows a second")
@pytest.mark.parametrize("what", ["write", "parse and write"])
def test_load(benchmark, tmp_path, what):
    """A million rows into SQLite in one transaction."""
    lines = [
        f"JLP,series_{n},{2000 + n % 20}-{1 + d // 28:02}-{1 + d % 28:02},{n + d / 7:.4f}\n"
        for n in range(4000)
        for d in range(250)
    ]
    data = ("pool,series,date,value\n" + "".join(lines)).encode()
    now = datetime(2026, 6, 1, tzinfo=UTC)
    counter = iter(range(100))

    def read():
        return parse_file(data, name="big.csv", locator="bench", now=now)

    parsed = read() if what == "write" else None

    def load():
        with Store(tmp_path / f"{next(counter)}.db") as store:
            store.prepare(bundled=False, notify=lambda _line: None)
            with store.writing() as conn, transaction(conn):
                assert load_parsed(conn, parsed or read(), "2026-06-01T00:00:00Z").added == MILLION

    benchmark.pedantic(load, rounds=2)
