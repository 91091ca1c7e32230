"""``markets``: venues, pools and contracts, each parameter with its date and source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from yieldtrade.cli.options import opened, output_options, store_options
from yieldtrade.conventions import iso
from yieldtrade.errors import UnknownNameError
from yieldtrade.report.output import Column
from yieldtrade.store.codec import encode_parameter

if TYPE_CHECKING:
    from datetime import datetime

    from yieldtrade.cli.options import Output
    from yieldtrade.market import Contract, MarketView

KINDS = ("venues", "pools", "contracts")

_LIST = (
    Column("kind", "kind"),
    Column("name", "name"),
    Column("venue", "venue"),
    Column("underlying", "underlying"),
    Column("maturity", "maturity", "moment"),
    Column("clock", "clock"),
    Column("parameters", "parameters", "integer"),
)
_SHOW = (
    Column("name", "parameter"),
    Column("value", "value"),
    Column("unit", "unit"),
    Column("valid_from", "valid from", "moment"),
    Column("basis", "basis"),
    Column("source", "source"),
    Column("note", "note"),
)


@click.command(epilog="Examples: yieldtrade markets contracts --underlying JLP; yieldtrade markets ratex")
@click.argument("name", required=False)
@click.option("--underlying", help="Only contracts on this underlying.")
@click.option("--live", is_flag=True, help="Only contracts that have not matured.")
@store_options
@output_options
def markets(
    name: str | None,
    underlying: str | None,
    *,
    live: bool,
    db: str | None,
    as_of: datetime | None,
    output: Output,
) -> None:
    """List and show venues, pools and contracts with their sources.

    NAME is venues, pools or contracts for a list of one kind, or the name of one of them.
    """
    with opened(db) as store:
        view = store.view(as_of)
        if name is None or name in KINDS:
            records = _listing(view, name, live=live)
            if underlying is not None:
                records = [record for record in records if record["underlying"] == underlying]
            output.write(records, _LIST)
        else:
            output.write(_parameters(view, name), _SHOW)


def _listing(view: MarketView, kind: str | None, *, live: bool) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    if kind in (None, "venues"):
        records.extend(
            _row("venue", name, parameters=len(view.venue(name).terms.parameters))
            for name in view.facts.venue_ids()
        )
    if kind in (None, "pools"):
        records.extend(
            _row("pool", name, parameters=len(view.pool(name).terms.parameters))
            for name in view.facts.pool_ids()
        )
    if kind in (None, "contracts"):
        contracts = view.live_contracts() if live else view.contracts()
        records.extend(map(_contract_row, contracts))
    return records


def _contract_row(contract: Contract) -> dict[str, Any]:
    return _row(
        "contract",
        contract.contract_id,
        venue=contract.venue_id,
        underlying=contract.underlying,
        maturity=iso(contract.maturity),
        clock=contract.clock,
        parameters=len(contract.terms.parameters),
    )


def _row(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": name,
        "venue": None,
        "underlying": None,
        "maturity": None,
        "clock": None,
        **more,
    }


def _parameters(view: MarketView, name: str) -> list[dict[str, Any]]:
    facts = view.facts
    names = (*facts.venue_ids(), *facts.pool_ids(), *facts.contract_ids())
    if name in facts.venue_ids():
        return list(map(encode_parameter, view.venue(name).terms.parameters.values()))
    if name.upper() in facts.pool_ids():
        return list(map(encode_parameter, view.pool(name).terms.parameters.values()))
    if facts.contract(name.removeprefix("PT-").removeprefix("YT-")) is None:
        raise UnknownNameError("venue, pool or contract", name, names, "yieldtrade markets")
    contract = view.contract(name)
    about = [
        ("venue", contract.venue_id),
        ("underlying", contract.underlying),
        ("maturity", iso(contract.maturity)),
        ("clock", contract.clock),
    ]
    head = [_fact(key, value, contract) for key, value in about]
    figures = [
        {
            **_fact(f"figure ({figure.kind})", figure.implied_apy or figure.yt_price, contract),
            "unit": "implied APY" if figure.implied_apy is not None else "ST per YT",
            "valid_from": iso(figure.at) if figure.at else "undated",
            "source": figure.source,
            "note": figure.note,
        }
        for figure in contract.figures
    ]
    return [*head, *figures, *map(encode_parameter, contract.terms.parameters.values())]


def _fact(name: str, value: Any, contract: Contract) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "unit": "",
        "valid_from": None,
        "basis": "definition",
        "source": contract.source,
        "note": contract.note,
    }
