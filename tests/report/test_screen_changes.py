"""What changed between two screens."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade.report.screen_changes import FIGURES, carried, change_records, changes, told

AT = "2026-05-05T00:00:00Z"


def record(*, status="accepted", reasons=(), break_even=("value", 0.12), parameters=(), **figures):
    """A row of a screen with what is compared."""
    kind, value = break_even
    return {
        "status": status,
        "reasons": [{"code": code} for code in reasons],
        "break_evens": {"borrow": {"status": kind, "value": value}},
        "inputs": [
            {"name": "implied_apy", "value": 0.2},
            *({"name": name, "value": value} for name, value in dict(parameters).items()),
        ],
        "horizon_return": 0.03,
        **figures,
    }


def one(before, after, **more):
    """The fields of the only change of a row."""
    found = changes({"r": before}, {"r": after}, AT, **more)
    return found[0].event_record()["fields"] if found else {}


def test_the_same_screen_twice_has_no_change():
    """Nothing is told when nothing differs."""
    rows = {"a": record(), "b": record(status="rejected")}
    assert changes(rows, rows, AT) == ()


def test_rows_appear_change_and_vanish():
    """In the order of the later screen, what vanished last; values old and new."""
    before = {"z": record(), "gone": record(), "y": record()}
    after = {"new": record(horizon_return=0.5), "y": record(horizon_return=0.04), "z": record()}
    found = changes(before, after, AT)
    assert [(change.event, change.row_id) for change in found] == [
        ("appeared", "new"),
        ("changed", "y"),
        ("vanished", "gone"),
    ]
    new, changed, gone = (change.event_record() for change in found)
    assert new["fields"]["horizon_return"] == [None, 0.5]
    assert changed == {
        "event": "changed",
        "row_id": "y",
        "fields": {"horizon_return": [0.03, 0.04]},
        "at": AT,
    }
    assert gone["fields"]["status"] == ["accepted", None]


def test_a_status_and_its_reasons_change():
    """A row that is no longer accepted says so and why."""
    fields = one(record(), record(status="rejected", reasons=("stale_data",)))
    assert fields == {"status": ["accepted", "rejected"], "reasons": [[], ["stale_data"]]}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_changes_beyond_the_tolerance_of_the_larger_value(name):
    """1 against 0.99 is 1 % of 1: no change; 0.98 is one; a sign or an end of existence too."""
    base = record(**{name: 1.0})
    assert one(base, record(**{name: 0.9901})) == {}
    assert one(base, record(**{name: 0.98})) == {name: [1.0, 0.98]}
    assert one(base, record(**{name: 0.98}), tolerance=0.05) == {}
    assert one(base, record(**{name: None})) == {name: [1.0, None]}
    assert one(record(**{name: 1e-9}), record(**{name: -1e-9})) == {name: [1e-9, -1e-9]}


def test_a_break_even_that_does_not_exist_says_whether_never_or_always():
    """From a number to none, and between the two ways of having none."""
    never, always = record(break_even=("never", None)), record(break_even=("always", None))
    assert one(record(), never) == {"break_even_borrow": [0.12, "never"]}
    assert one(never, always) == {"break_even_borrow": ["never", "always"]}
    assert one(record(), record(break_even=("value", 0.1201))) == {}


def test_a_parameter_changes_at_any_difference():
    """The smallest change of a borrow curve is told with its old and new value; an estimate's is not."""
    before = record(parameters={"kamino.borrow_curve": "0:0.01;0.9:0.05", "kamino.pt_max_ltv": 0.8})
    after = record(parameters={"kamino.borrow_curve": "0:0.01;0.9:0.06", "kamino.pt_max_ltv": 0.8000001})
    assert one(before, after) == {
        "input.kamino.borrow_curve": ["0:0.01;0.9:0.05", "0:0.01;0.9:0.06"],
        "input.kamino.pt_max_ltv": [0.8, 0.8000001],
    }
    assert one(record(), record(parameters={"v.fee": 0.001})) == {"input.v.fee": [None, 0.001]}
    other = record()
    other["inputs"][0]["value"] = 0.9
    assert one(record(), other) == {}


def test_only_a_row_that_is_or_was_accepted_concerns_accepted_ones():
    """Rejected before and after does not; accepted on either side does."""
    good, bad = record(), record(status="rejected")
    for before, after, expected in (
        ({}, {"r": bad}, False),
        ({}, {"r": good}, True),
        ({"r": bad}, {"r": record(status="rejected", reasons=("x",))}, False),
        ({"r": bad}, {"r": good}, True),
        ({"r": good}, {"r": record(p_loss=0.2)}, True),
        ({"r": good}, {}, True),
    ):
        assert [change.concerns_accepted for change in changes(before, after, AT)] == [expected]


def test_a_slow_drift_is_told_when_it_adds_up():
    """Steps of 0.4 % under a tolerance of 1 %: each third one is told, with the last told value."""
    known, level, seen = {"r": record(horizon_return=1.0)}, 1.0, []
    for _ in range(6):
        level *= 1.004
        rows = {"r": record(horizon_return=level)}
        found = changes(known, rows, AT)
        seen.append([pair for change in found for pair in change.fields.get("horizon_return", ())])
        known = carried(known, rows, found)
    assert [bool(pair) for pair in seen] == [False, False, True, False, False, True]
    assert seen[2] == pytest.approx([1.0, 1.004**3])
    assert seen[5] == pytest.approx([1.004**3, 1.004**6])


FIGURE = st.none() | st.floats(-1e6, 1e6)
ROWS = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(
        record,
        status=st.sampled_from(["accepted", "rejected"]),
        horizon_return=FIGURE,
        p_loss=FIGURE,
        break_even=st.tuples(st.just("value"), st.floats(-1, 1)) | st.just(("never", None)),
    ),
)


@given(ROWS, ROWS)
def test_looking_backwards_tells_the_reverse(before, after):
    """What appeared vanishes, and every pair turns round."""
    opposite = {"appeared": "vanished", "vanished": "appeared", "changed": "changed"}
    there = {change.row_id: change for change in changes(before, after, AT)}
    back = {change.row_id: change for change in changes(after, before, AT)}
    assert {row: opposite[change.event] for row, change in there.items()} == {
        row: change.event for row, change in back.items()
    }
    for row, change in there.items():
        assert {name: (new, old) for name, (old, new) in change.fields.items()} == back[row].fields


def test_events_are_json_and_words_and_rows():
    """One event reads as JSON, as lines for a person and as a record a field."""
    found = changes(
        {"r": record(parameters={"kamino.pt_max_ltv": 0.8})},
        {"r": record(status="rejected", parameters={"kamino.pt_max_ltv": 0.75})},
        AT,
    )
    assert json.loads(json.dumps(found[0].event_record()))["fields"]["status"] == ["accepted", "rejected"]
    assert list(told(found[0])) == [
        f"changed r, as of {AT}",
        "  status: accepted -> rejected",
        "  input.kamino.pt_max_ltv: 80.00% -> 75.00%",
    ]
    assert [row["field"] for row in change_records(found)] == ["status", "input.kamino.pt_max_ltv"]
