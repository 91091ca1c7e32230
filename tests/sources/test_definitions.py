"""Reading market definitions: what is accepted, what is refused and how the refusal reads."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.errors import LoadError, MissingDataError
from yieldtrade.sources import bundled
from yieldtrade.sources.bundled import bundled_files, bundled_folder, history_files
from yieldtrade.sources.definitions import (
    read_definitions,
)

RULES = """
[[rule]]
name = "borrow_curve.*"
unit = "fraction per year"
kind = "curve"
description = "rate by utilization"
[[rule]]
name = "trading_fee"
unit = "fraction"
minimum = 0
maximum = 0.5
description = "fee"
[[rule]]
name = "clock"
unit = "text"
kind = "text"
allowed = ["wall", "epoch"]
description = "clock"
[[rule]]
name = "epoch_anchor"
unit = "moment"
kind = "moment"
description = "anchor"
[[rule]]
name = "paused"
unit = "yes or no"
kind = "boolean"
description = "paused"
[[rule]]
name = "tick_spacing"
unit = "ticks"
kind = "integer"
minimum = 1
maximum = 100
description = "spacing"
[[rule]]
name = "max_ltv.*"
unit = "fraction"
minimum = 0
maximum = 1
below = "liquidation_ltv.*"
description = "ltv"
[[rule]]
name = "liquidation_ltv.*"
unit = "fraction"
minimum = 0
maximum = 1
description = "ltv"
[[rule]]
name = "borrow.*.min"
unit = "fraction per year"
minimum = 0
maximum = 100
at_most = "borrow.*.target"
description = "rate"
[[rule]]
name = "borrow.*.target"
unit = "fraction per year"
minimum = 0
maximum = 100
description = "rate"
[[rule]]
name = "target_weights.*"
unit = "fraction"
minimum = 0
maximum = 1
sums_to = 1
description = "weight"
"""
VENUE = '[venue]\nid = "v"\nname = "V"\nchain = "c"\nkind = "yield"\n'
POOL = '[pool]\nid = "P"\nname = "Pool"\nvenue = "v"\n'
SAID = 'basis = "onchain"\nsource = "chain"\n'


def parameter(name="trading_fee", value="0.001", unit="fraction", when="2024-01-01T00:00:00Z", more=SAID):
    """Write one [[parameter]]."""
    return f'[[parameter]]\nname = "{name}"\nvalue = {value}\nunit = "{unit}"\nvalid_from = {when}\n{more}'


def change(when, *lines, said=SAID):
    """Write one [[change]]."""
    return "\n".join(["[[change]]", f"valid_from = {when}", said, *lines, ""])


def contract(
    code="JLP-2411", maturity="2024-11-30T00:00:00Z", underlying="JLP", *, venue="v", clock="wall", more=""
):
    """Write one [[contract]]."""
    return (
        f'[[contract]]\nid = "{code}"\nvenue = "{venue}"\nunderlying = "{underlying}"\n'
        f'maturity = {maturity}\nclock = "{clock}"\n{SAID}{more}'
    )


def read(**files):
    """Read texts as files named after their keywords, beside the rules and a venue."""
    texts = {"rules": RULES, "venue": VENUE, **files}
    return read_definitions({f"{name}.toml": text.encode() for name, text in texts.items()})


def problems(**files):
    """Return the problems of the error that reading raises."""
    with pytest.raises(LoadError) as caught:
        read(**files)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({"x": "[pool\n"}, r"x\.toml: not valid TOML: .*line 1", id="syntax"),
        pytest.param({"x": 'a = """b\n\n'}, r"x\.toml: not valid TOML: .*line 3", id="end of file"),
        pytest.param(
            {"x": "casino = 1"}, r"x\.toml: casino = 1: unknown key; known are rule, venue", id="section"
        ),
        pytest.param(
            {"x": "contract = 1"}, r"x\.toml: contract: write each as \[\[contract\]\]", id="no list"
        ),
        pytest.param({"x": "contract = [1]"}, r"x\.toml: contract: write each as", id="no tables"),
        pytest.param(
            {"venue": VENUE + 'colour = "red"'},
            r"venue\.toml: \[venue\]: colour = 'red': unknown key",
            id="key",
        ),
        pytest.param(
            {"venue": VENUE.replace("yield", "casino")},
            r"\[venue\]: kind = 'casino': allowed is yield or lending or perps",
            id="kind",
        ),
        pytest.param(
            {"venue": VENUE.replace('name = "V"\n', "")},
            r"\[venue\]: name is missing; a text is needed",
            id="name",
        ),
        pytest.param(
            {"x": VENUE}, r"x\.toml: \[venue\]: id = 'v': defined already by venue\.toml", id="twice"
        ),
        pytest.param(
            {"x": parameter()}, r"x\.toml: \[\[parameter\]\] 1 \(trading_fee\): .*no \[venue\]", id="orphan"
        ),
        pytest.param(
            {"x": change("2024-01-01T00:00:00Z", "target_weights.SOL = 1")},
            r"x\.toml: \[\[change\]\] 1 .*no \[pool\]",
            id="orphan change",
        ),
        pytest.param(
            {"venue": VENUE + parameter("traiding_fee")},
            r"\[\[parameter\]\] 1 \(traiding_fee\): value = 0\.001: unknown parameter .*nearest: trading_fee",
            id="misspelt",
        ),
        pytest.param(
            {"venue": VENUE + parameter(value="0.7")},
            r"\(trading_fee\): value = 0\.7: allowed is a number from 0 to 0\.5 \(fraction\)",
            id="range",
        ),
        pytest.param(
            {"venue": VENUE + parameter(value="nan")}, r"value = nan: allowed is a number", id="nan"
        ),
        pytest.param(
            {"venue": VENUE + parameter(value="inf")}, r"value = inf: allowed is a number", id="inf"
        ),
        pytest.param(
            {"venue": VENUE + parameter(value="true")}, r"value = True: allowed is a number", id="bool"
        ),
        pytest.param(
            {"venue": VENUE + parameter(value='"0.1"')}, r"value = '0\.1': allowed is a number", id="text"
        ),
        pytest.param(
            {"venue": VENUE + parameter("tick_spacing", "1.5", "ticks")},
            r"value = 1\.5: allowed is a whole number from 1 to 100 \(ticks\)",
            id="integer",
        ),
        pytest.param(
            {"venue": VENUE + parameter("paused", "1", "yes or no")},
            r"value = 1: allowed is true or false",
            id="boolean",
        ),
        pytest.param(
            {"venue": VENUE + parameter("clock", '"moon"', "text")},
            r"value = 'moon': allowed is wall or epoch",
            id="words",
        ),
        pytest.param(
            {"venue": VENUE + parameter("epoch_anchor", '"2024-09-02T00:00:00"', "moment")},
            r"value = '2024-09-02T00:00:00': allowed is a time with its zone",
            id="moment",
        ),
        pytest.param(
            {"venue": VENUE + parameter("borrow_curve.USDC", '"0:0.1 1:0.05"', "fraction per year")},
            r"\(borrow_curve\.USDC\): value = '0:0\.1 1:0\.05': point 1 of a borrow curve falls",
            id="falling curve",
        ),
        pytest.param(
            {"venue": VENUE + parameter("borrow_curve.USDC", "0.1", "fraction per year")},
            r"value = 0\.1: a borrow curve has 2 to 11 points",
            id="curve",
        ),
        pytest.param(
            {"venue": VENUE + parameter().replace("value = 0.001\n", "")},
            r"value is missing; allowed",
            id="no value",
        ),
        pytest.param(
            {"venue": VENUE + parameter(unit="percent")}, r"unit = 'percent': allowed is fraction", id="unit"
        ),
        pytest.param(
            {"venue": VENUE + parameter(more='basis = "onchain"')},
            r"\(trading_fee\): source is missing",
            id="source",
        ),
        pytest.param(
            {"venue": VENUE + parameter(more='source = "s"')},
            r"\(trading_fee\): basis is missing",
            id="basis",
        ),
        pytest.param(
            {"venue": VENUE + parameter(more='source = "s"\nbasis = "hearsay"')},
            r"basis = 'hearsay': allowed is documentation or onchain",
            id="hearsay",
        ),
        pytest.param(
            {"venue": VENUE + parameter().replace("valid_from = 2024-01-01T00:00:00Z\n", "")},
            r"\(trading_fee\): valid_from is missing; a time with its zone",
            id="no date",
        ),
        pytest.param(
            {"venue": VENUE + parameter(when="2024-01-01T00:00:00")},
            r"valid_from = 2024-01-01T00:00:00: a time with its zone",
            id="naive",
        ),
        pytest.param(
            {"venue": VENUE + parameter(when="2024-01-01")},
            r"valid_from = 2024-01-01: a time with",
            id="day only",
        ),
        pytest.param(
            {"venue": VENUE + parameter() + parameter(value="0.002")},
            r"\[\[parameter\]\] 2 .*: name = 'trading_fee': stated already for 2024-01-01T00:00:00Z",
            id="same day",
        ),
        pytest.param(
            {"venue": VENUE + parameter("max_ltv.JLP", "0.9") + parameter("liquidation_ltv.JLP", "0.9")},
            r"at 2024-01-01T00:00:00Z: max_ltv\.JLP = 0\.9: must stay below liquidation_ltv\.JLP = 0\.9",
            id="ltv order",
        ),
        pytest.param(
            {"x": POOL.replace('"v"', '"w"')},
            r"\[pool\]: venue = 'w': unknown venue; known are v",
            id="pool venue",
        ),
        pytest.param(
            {
                "x": POOL
                + change("2024-06-07T00:00:00Z", "borrow.SOL.min = 0.1")
                + change("2024-06-06T00:00:00Z", "borrow.SOL.min = 0.2")
            },
            r"\[\[change\]\] 2 \(2024-06-06T00:00:00Z\): valid_from = 2024-06-06T00:00:00Z: "
            r"must come after the set before it, 2024-06-07T00:00:00Z",
            id="order",
        ),
        pytest.param(
            {
                "x": POOL
                + change("2024-06-07T00:00:00Z", "borrow.SOL.min = 0.1")
                + change("2024-06-07T00:00:00Z", "borrow.ETH.min = 0.1")
            },
            r"must come after the set before it",
            id="equal dates",
        ),
        pytest.param(
            {"x": POOL + change("2024-06-07T00:00:00Z")}, r"names no parameter that changes", id="empty"
        ),
        pytest.param(
            {"x": POOL + change("2024-06-07T00:00:00Z", "borrow.SOL.min = 0.1", said='basis = "onchain"')},
            r"\[\[change\]\] 1 \(2024-06-07T00:00:00Z\): source is missing",
            id="set source",
        ),
        pytest.param(
            {"x": POOL + change("2024-06-07T00:00:00Z", "borrow.SOL.kink = 0.8")},
            r"borrow\.SOL\.kink = 0\.8: unknown parameter borrow\.SOL\.kink; nearest: borrow",
            id="set key",
        ),
        pytest.param(
            {"x": POOL + change("2024-06-07T00:00:00Z", "borrow.SOL = { min = 0.7, target = 0.6 }")},
            r"at 2024-06-07T00:00:00Z: borrow\.SOL\.min = 0\.7: must not exceed borrow\.SOL\.target = 0\.6",
            id="curve",
        ),
        pytest.param(
            {"x": POOL + change("2024-06-07T00:00:00Z", "target_weights = { SOL = 0.5, BTC = 0.4 }")},
            r"target_weights\.\* sums to 0\.9, not 1: target_weights\.BTC = 0\.4, target_weights\.SOL = 0\.5",
            id="weights",
        ),
        pytest.param(
            {"x": contract(venue="mars")}, r"\(JLP-2411\): venue = 'mars': unknown venue", id="venue"
        ),
        pytest.param({"x": contract(clock="moon")}, r"clock = 'moon': allowed is wall or epoch", id="clock"),
        pytest.param(
            {"x": contract(maturity="2024-12-01T00:00:00Z")},
            r"contract 'JLP-2411' does not agree with its maturity 2024-12-01T00:00:00Z",
            id="maturity",
        ),
        pytest.param(
            {"x": contract(maturity="2024-11-30")},
            r"maturity = 2024-11-30: a time with its zone",
            id="no hour",
        ),
        pytest.param({"x": contract("JLP")}, r"'JLP' is neither NAME-YYMM", id="code"),
        pytest.param(
            {"x": contract(underlying="SOL")}, r"underlying = 'SOL': the code says JLP", id="underlying"
        ),
        pytest.param(
            {"x": contract() + contract()},
            r"\[\[contract\]\] 2 .*: id = 'JLP-2411': defined already by x\.toml: \[\[contract\]\] 1",
            id="contract twice",
        ),
        pytest.param(
            {"x": contract(more='[[contract.figure]]\nkind = "pool"\nsource = "s"')},
            r"\[\[figure\]\] 1 \(pool\): states neither implied_apy nor yt_price",
            id="empty figure",
        ),
        pytest.param(
            {"x": contract(more='[[contract.figure]]\nkind = "pool"\nsource = "s"\nyt_price = 1.0')},
            r"yt_price = 1\.0: allowed is a number between -inf and 1",
            id="figure",
        ),
        pytest.param(
            {"x": contract(more='[[contract.figure]]\nkind = "pool"\nsource = "s"\nimplied_apy = -1')},
            r"implied_apy = -1: allowed is a number between -1 and inf",
            id="figure yield",
        ),
        pytest.param(
            {"x": '[[rule]]\nname = "y"\nunit = "text"\ndescription = "d"\nallowed = "z"'},
            r"\[\[rule\]\] 1 \(y\): allowed = 'z': a list of texts is needed",
            id="rule words",
        ),
        pytest.param(
            {"x": '[[rule]]\nname = "clock"\nunit = "text"\ndescription = "d"'},
            r"x\.toml: \[\[rule\]\] 1 \(clock\): name = 'clock': a rule for this name exists",
            id="rule twice",
        ),
    ],
)
def test_each_fault_is_told_with_file_table_key_value_and_what_is_allowed(files, expected):
    """A broken definition is refused by one line that lets the reader find and mend it."""
    found = problems(**files)
    assert len(found) == 1
    assert re.search(expected, found[0])


def test_the_problems_of_all_files_come_in_one_error_in_order_of_file():
    """Nothing is held back: each file's problems are there, and the message counts them."""
    with pytest.raises(LoadError, match=r"2 problems.*first: a\.toml: ") as caught:
        read(b="[pool\n", a=contract(clock="moon"))
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["a.toml", "b.toml"]


def test_a_section_that_is_no_table_is_refused():
    """``pool = 1`` is told as what it is."""
    assert "x.toml: [pool]: must be a table" in problems(x="pool = 1")


def test_text_that_is_not_utf8_is_refused_with_its_line():
    """Bytes that are no UTF-8 are told by file and line."""
    with pytest.raises(LoadError) as caught:
        read_definitions({"x.toml": b"# one\n# \xff\n"})
    assert caught.value.problems == ("x.toml: line 2 is not UTF-8 text; save the file as UTF-8",)


def test_a_byte_order_mark_is_accepted():
    """Editors that begin a file with a byte order mark do no harm."""
    assert read_definitions({"x.toml": VENUE.encode("utf-8-sig")}).venues[0].venue_id == "v"


def test_a_venue_keeps_every_dated_value_in_the_order_stated():
    """Two values of one name on different days are both kept, with date, basis, source, unit and file."""
    text = VENUE + parameter() + parameter(value="0.002", when="2025-01-01T00:00:00+01:00")
    (venue,) = read(venue=text).venues
    assert [(p.value, p.valid_from) for p in venue.parameters] == [
        (0.001, datetime(2024, 1, 1, tzinfo=UTC)),
        (0.002, datetime(2024, 12, 31, 23, tzinfo=UTC)),
    ]
    first = venue.parameters[0]
    assert (first.unit, first.basis, first.source, venue.file) == (
        "fraction",
        "onchain",
        "chain",
        "venue.toml",
    )


@pytest.mark.parametrize(
    "lines",
    [
        ("borrow.SOL.min = 0.1", "borrow.SOL.target = 0.6", "target_weights.SOL = 1"),
        ("borrow.SOL = { min = 0.1, target = 0.6 }", "target_weights = { SOL = 1 }"),
        ("[change.borrow.SOL]", "min = 0.1", "target = 0.6", "[change.target_weights]", "SOL = 1"),
    ],
)
def test_nested_tables_inline_tables_and_dotted_keys_are_the_same_parameters(lines):
    """However a change set nests its keys, its parameters bear dotted names and the unit of their rule."""
    (pool,) = read(x=POOL + change("2024-06-07T00:00:00Z", *lines)).pools
    assert {(p.name, p.value, p.unit) for p in pool.changes[0].parameters} == {
        ("borrow.SOL.min", 0.1, "fraction per year"),
        ("borrow.SOL.target", 0.6, "fraction per year"),
        ("target_weights.SOL", 1, "fraction"),
    }


def test_weights_are_summed_over_the_fold_so_that_a_set_may_name_only_what_changes():
    """Moving weight between two assets needs only the two."""
    sets = change("2024-01-01T00:00:00Z", "target_weights = { A = 0.5, B = 0.3, C = 0.2 }")
    assert read(x=POOL + sets + change("2025-01-01T00:00:00Z", "target_weights = { A = 0.6, C = 0.1 }"))
    (found,) = problems(x=POOL + sets + change("2025-01-01T00:00:00Z", "target_weights = { A = 0.6 }"))
    assert "at 2025-01-01T00:00:00Z: target_weights.* sums to 1.1" in found


def test_a_recommendation_is_judged_but_does_not_enter_what_later_sets_build_on():
    """Recommended weights must sum to 1 themselves and leave the sum of those in force alone."""
    advice = 'basis = "recommendation"\nsource = "forum"\n'
    sets = (
        change("2024-01-01T00:00:00Z", "target_weights = { A = 0.5, B = 0.5 }")
        + change("2024-06-01T00:00:00Z", "target_weights = { A = 0.9, B = 0.1 }", said=advice)
        + change("2025-01-01T00:00:00Z", "target_weights = { B = 0.4, C = 0.1 }")
    )
    assert [p.basis for p in read(x=POOL + sets).pools[0].changes[1].parameters] == ["recommendation"] * 2


def test_a_moment_is_kept_as_text_in_utc_however_it_is_written():
    """A parameter that is a moment may be a TOML time or a text; it is stored as text that names UTC."""
    for value in ("2024-09-02T02:00:00+02:00", '"2024-09-02T02:00:00+02:00"', '"2024-09-02"'):
        (venue,) = read(venue=VENUE + parameter("epoch_anchor", value, "moment")).venues
        assert venue.parameters[0].value == "2024-09-02T00:00:00Z"


def test_a_parameter_of_a_contract_takes_date_basis_and_source_from_its_contract():
    """What a contract says once need not be said again for each of its parameters."""
    own = '[[contract.parameter]]\nname = "paused"\nvalue = true\nunit = "yes or no"'
    more = f"valid_from = 2024-09-05T00:00:00Z\n{own}"
    (found,) = read(x=contract(more=more)).contracts
    (own,) = found.parameters
    assert (own.valid_from, own.basis, own.source) == (found.valid_from, "onchain", "chain")


def test_a_suffix_after_a_dot_may_tell_contracts_of_one_underlying_and_day_apart():
    """The code carries the suffix, the underlying does not."""
    (found,) = read(x=contract("weETH.bsc-26SEP24", "2024-09-26T00:00:00Z", "weETH")).contracts
    assert found.underlying == "weETH"


@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_accepted_exactly_within_its_range(value):
    """Ends included, everything within is kept to the last bit and everything outside refused."""
    text = VENUE + parameter(value=repr(value))
    if 0 <= value <= 0.5:
        assert read(venue=text).venues[0].parameters[0].value == value
    else:
        assert "allowed is a number from 0 to 0.5" in problems(venue=text)[0]


SCALARS = st.sampled_from(
    [
        "1",
        "-1",
        "1.5",
        "nan",
        "true",
        '""',
        '"x"',
        "[]",
        "[1]",
        "{}",
        "{a=1}",
        "2024-01-01",
        "07:32:00",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:00:00-14:00",
        '"0001-01-01T00:00:00+14:00"',
        '"2024-01-01"',
    ]
)


@given(data=st.data())
def test_whatever_stands_in_a_key_is_read_or_refused(data):
    """No value of any key ends in another error than the one that lists the problems."""
    texts = {
        "rules": RULES,
        "venue": VENUE + parameter() + parameter("epoch_anchor", '"2024-09-02"', "moment"),
        "pool": POOL + change("2024-06-07T00:00:00Z", "target_weights.SOL = 1"),
        "contract": contract(
            more='note = "n"\n[[contract.figure]]\nkind = "k"\nsource = "s"\nyt_price = 0.1'
        ),
    }
    name = data.draw(st.sampled_from(sorted(texts)))
    lines = texts[name].splitlines()
    place = data.draw(st.sampled_from([at for at, line in enumerate(lines) if " = " in line]))
    lines[place] = f"{lines[place].split(' = ')[0]} = {data.draw(SCALARS)}"
    with contextlib.suppress(LoadError):
        assert read(**{**texts, name: "\n".join(lines)}).rules


def user(text):
    """Read a text as the user's own file."""
    return read_definitions({"mine.toml": text.encode()}, user=True)


def test_a_users_venue_lies_over_the_bundled_one_and_its_basis_is_user():
    """Only the id and what differs need be said; whatever basis is claimed, the user vouches for it."""
    (venue,) = user('[venue]\nid = "ratex"\n' + parameter(value="0.002")).venues
    assert (venue.name, venue.kind, venue.file) == ("RateX", "yield", "mine.toml")
    assert [(p.name, p.value, p.basis) for p in venue.parameters] == [("trading_fee", 0.002, "user")]


def test_a_users_contract_keeps_the_bundled_parameters_it_does_not_replace():
    """A new length of the period leaves its anchor, and what held before the user's date, in place."""
    text = (
        '[[contract]]\nid = "JLP-2411"\nsource = "me"\n'
        '[[contract.parameter]]\nname = "epoch_seconds"\nvalue = 604800\nunit = "seconds"\n'
    )
    (found,) = user(text).contracts
    values = {p.name: (p.value, p.basis) for p in found.parameters}
    assert values["epoch_seconds"] == (604800, "user")
    assert values["epoch_anchor"] == ("2024-09-02T00:00:00Z", "assumed")
    assert found.maturity == datetime(2024, 11, 30, tzinfo=UTC)
    (later,) = user(text + "valid_from = 2024-10-01T00:00:00Z\n").contracts
    assert [p.value for p in later.parameters if p.name == "epoch_seconds"] == [86400, 604800]


def test_a_users_pool_set_is_judged_on_top_of_the_bundled_ones():
    """A weight that breaks the sum of the bundled weights is refused though the user names one asset only."""
    text = '[pool]\nid = "JLP"\n' + change("2025-06-15T00:00:00Z", "target_weights.SOL = 0.9")
    with pytest.raises(LoadError, match=r"mine.toml: \[pool\]: at 2025-06-15T00:00:00Z: target_weights"):
        user(text)
    (pool,) = user(text.replace("target_weights.SOL = 0.9", "aum_limit_usd = 2e9")).pools
    assert [(p.name, p.basis) for c in pool.changes for p in c.parameters] == [("aum_limit_usd", "user")]


def test_a_users_contract_may_name_a_venue_known_elsewhere():
    """Venues already stored count as known; without them the venue is refused."""
    files = {"mine.toml": contract(venue="mine").encode()}
    with pytest.raises(LoadError, match="unknown venue"):
        read_definitions(files, user=True)
    assert read_definitions(files, user=True, known_venues=["mine"]).contracts[0].venue_id == "mine"


def test_a_users_contract_of_its_own_must_be_complete():
    """A contract that is not bundled has nothing to inherit."""
    with pytest.raises(LoadError) as caught:
        user('[[contract]]\nid = "XYZ-2612"\nvenue = "ratex"\n')
    assert [problem.split("): ")[1].split(" ")[0] for problem in caught.value.problems] == [
        "source",
        "clock",
        "underlying",
        "maturity",
    ]


def test_the_bundled_folder_is_found_installed_and_in_a_checkout(tmp_path, monkeypatch):
    """The folder inside the package comes first, then the one beside it; failing both it says what to do."""
    module = tmp_path / "yieldtrade" / "sources" / "definitions.py"
    monkeypatch.setattr(bundled, "__file__", str(module))
    with pytest.raises(MissingDataError, match="install yieldtrade again"):
        bundled_folder()
    for folder in (tmp_path / "markets", tmp_path / "yieldtrade" / "_markets"):
        folder.mkdir(parents=True)
        (folder / "parameters.toml").write_text(RULES)
        assert bundled_folder() == str(folder)
    (folder / "venues").mkdir()
    (folder / "venues" / "v.toml").write_text(VENUE)
    assert list(bundled_files()) == ["parameters.toml", "venues/v.toml"]


def test_history_files_are_the_tables_and_nothing_else():
    """The document beside the tables is no table."""
    files = history_files()
    assert {name.rpartition(".")[2] for name in files} == {"csv", "json"}
    assert files["prices_daily.csv"].startswith(b"date,sol_usd,btc_usd,eth_usd\n")


def test_reading_definitions_imports_no_numerical_library():
    """Definitions are read on the way to a quote, which must stay quick."""
    program = (
        "import sys; from yieldtrade.sources.bundled import bundled_files; "
        "from yieldtrade.sources.definitions import read_definitions; "
        "read_definitions(bundled_files()); print({'numpy', 'pandas'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert SimpleNamespace(out=run.stdout.strip(), err=run.stderr) == SimpleNamespace(out="set()", err="")


def test_a_borrow_curve_is_kept_as_it_is_written():
    """A curve that bends where it may is a value like any other text."""
    written = "0:0 0.7:0.05 0.85:0.10 1:0.5"
    (venue,) = read(venue=VENUE + parameter("borrow_curve.USDC", f'"{written}"', "fraction per year")).venues
    assert venue.parameters[0].value == written
