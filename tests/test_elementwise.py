"""The one way a formula is applied: to numbers by math, to arrays in blocks by numpy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yieldtrade import elementwise
from yieldtrade.elementwise import (
    Bound,
    as_array,
    as_fields,
    check_choice,
    checked,
    evaluate,
    namespace,
    not_negative,
    positive,
    ratio,
    share,
    where,
)
from yieldtrade.errors import DomainError, ExpiredError

BOUNDS = (positive("x"), Bound("y", lambda y, **_: y < 10, "must be below 10", ExpiredError))


def log_ratio(x, y, on_error="raise"):
    """Apply y*ln(x) for x > 0 and y < 10."""
    return evaluate(lambda xp, x, y: y * xp.log(x), BOUNDS, on_error, x=x, y=y)


@pytest.fixture
def small_blocks(monkeypatch):
    """Make blocks of four elements, so that small arrays span several."""
    monkeypatch.setattr(elementwise, "BLOCK", 4)


@pytest.mark.parametrize(
    "scalar", [2, 2.0, np.float64(2), np.float32(2), np.int64(2), np.uint8(2), np.array(2), np.array(2.0)]
)
def test_whatever_is_one_number_gives_a_python_float(scalar):
    """Python and numpy scalars and 0-d arrays, alone or mixed, give a plain float."""
    for result in (log_ratio(scalar, 3), log_ratio(scalar, scalar), log_ratio(3, scalar)):
        assert type(result) is float
    assert log_ratio(scalar, 3) == pytest.approx(3 * math.log(2), rel=1e-15)


@pytest.mark.parametrize("array", [[2.0], (2, 3), np.array([2, 3], dtype=np.int8), np.ones((2, 0)), []])
def test_whatever_has_an_axis_gives_an_array(array):
    """Lists, tuples and arrays of any size, even none, give float64 of their shape."""
    result = log_ratio(array, 3)
    assert result.dtype == np.float64
    assert result.shape == np.shape(array)


def test_arguments_broadcast():
    """Arguments broadcast by numpy's rules."""
    assert log_ratio(np.ones((2, 1, 3)), np.ones((4, 1))).shape == (2, 4, 3)
    with pytest.raises(DomainError, match=r"do not broadcast: x\(2,\), y\(3,\)"):
        log_ratio([1, 2], [1, 2, 3])


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((11,), (11,)),
        ((11,), ()),
        ((1,), (11,)),
        ((5, 3), (3,)),
        ((5, 1), (1, 3)),
        ((1, 9), (7, 1)),
        ((3, 0), ()),
    ],
)
def test_blocks_change_nothing(left, right):
    """Worked in blocks, every shape gives exactly what one pass of numpy gives."""
    rng = np.random.default_rng(5)
    x, y = rng.uniform(1, 2, left), rng.uniform(0, 9, right)
    assert np.array_equal(log_ratio(x, y), y * np.log(x))


def test_a_long_array_spans_blocks():
    """More elements than a block holds, in either memory order, give what one pass gives."""
    x = np.linspace(1, 2, elementwise.BLOCK + 10)
    assert np.array_equal(log_ratio(x, 2.0), 2.0 * np.log(x))
    assert np.array_equal(log_ratio(x[::-1], 2.0), 2.0 * np.log(x[::-1]))


def test_the_result_never_shares_memory_with_an_argument():
    """A formula that hands back its argument still gives a new array."""
    x = np.ones(3)
    result = evaluate(lambda _xp, x: x, (), "raise", x=x)
    result[0] = 5
    assert x[0] == 1


@pytest.mark.usefixtures("small_blocks")
@given(st.integers(0, 29), st.integers(0, 29))
def test_the_first_bad_element_is_named(first, second):
    """Whichever check it fails, the bad element that comes first is the one named, with index and value."""
    x, y = np.full((10, 3), 2.0), np.full((10, 3), 3.0)
    x.flat[first] = -7.0
    y.flat[second] = 70.0
    index = ", ".join(str(i) for i in np.unravel_index(min(first, second), (10, 3)))
    message = (
        f"x[{index}] = -7.0 must be above 0" if first <= second else f"y[{index}] = 70.0 must be below 10"
    )
    with pytest.raises(DomainError) as caught:
        log_ratio(x, y)
    assert str(caught.value) == message
    assert isinstance(caught.value, ExpiredError) == (second < first)


def test_an_element_with_several_faults_is_named_by_the_first_check():
    """Not being finite counts before a bound, and bounds count in their order."""
    with pytest.raises(DomainError, match=r"^y\[1\] = nan is not a finite number"):
        log_ratio([1, -1], [1, math.nan])
    with pytest.raises(DomainError, match=r"^x\[1\] = -1.0 must be above 0"):
        log_ratio([1, -1], [1, 70])


def test_a_broadcast_argument_is_named_at_the_element_it_spoils():
    """The index is that of the result, the value that of the argument."""
    with pytest.raises(DomainError, match=r"^x\[0, 1\] = -3.0 "):
        log_ratio(np.array([1.0, -3.0]), np.ones((4, 1)))
    with pytest.raises(DomainError, match=r"^y\[0\] = 70.0 "):
        log_ratio([1.0, 2.0], 70)


@pytest.mark.usefixtures("small_blocks")
def test_nan_where_bad_and_the_rest_computed():
    """With on_error="nan" every kind of bad element is NaN and every good one what it is alone."""
    x = np.array([2.0, -1.0, math.nan, 3.0, math.inf, 4.0, 5.0, 1.0])
    y = np.array([3.0, 3.0, 3.0, 70.0, 3.0, math.nan, 3.0, -math.inf])
    result = log_ratio(x, y, on_error="nan")
    assert np.isnan(result).tolist() == [False, True, True, True, True, True, False, True]
    assert result[[0, 6]].tolist() == [3 * np.log(2.0), 3 * np.log(5.0)]
    assert math.isnan(log_ratio(-1, 3, on_error="nan"))
    assert math.isnan(log_ratio(np.array(-1), 3, on_error="nan"))


def test_only_two_words_say_what_to_do_with_errors():
    """An unknown on_error is refused with the allowed words."""
    with pytest.raises(DomainError, match="on_error = 'ignore': allowed are 'raise', 'nan'"):
        log_ratio(1, 1, on_error="ignore")


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (True, "bool"),
        ([1.0, 2.0, True], "bool"),
        ((1.0, np.True_), "bool"),
        (np.array([True]), "bool"),
        ("0.3", "str"),
        (None, "object"),
        ([0.3, None], "object"),
        ([0.3, "x"], "str"),
        (1j, "complex"),
        (np.datetime64("2024-01-01"), "datetime64"),
    ],
)
def test_what_is_not_a_number_is_refused(value, what):
    """Booleans, text, None, complex numbers and dates are refused by name, whatever on_error says."""
    for on_error in ("raise", "nan"):
        with pytest.raises(DomainError, match=rf"^x holds {what}.* values: numbers are required"):
            log_ratio(value, 1, on_error)


def test_ragged_rows_are_refused():
    """Rows of unequal length are refused with the argument's name."""
    with pytest.raises(DomainError, match="x is not a regular array"):
        log_ratio([[1, 2], [3]], 1)


def test_integers_too_large_are_not_finite_numbers():
    """An integer beyond the floats is refused like infinity, alone and in an array."""
    with pytest.raises(DomainError, match=r"^x = inf is not a finite number"):
        log_ratio(10**400, 1)
    with pytest.raises(DomainError, match=r"^x\[1\] = inf is not a finite number"):
        log_ratio([1, 10**400], 1)
    assert as_array("x", [1, 2**70]).tolist() == [1.0, float(2**70)]


@pytest.mark.parametrize("x", [1000.0, [1.0, 1000.0]])
def test_overflow_is_refused(x):
    """A result beyond the floats is refused, by its arguments or by its index."""
    with pytest.raises(DomainError, match="too large to represent"):
        evaluate(lambda xp, x: xp.exp(x), (), "raise", x=x)


def test_infinity_passes_only_where_it_is_an_answer():
    """With finite=False an infinite result is returned, NaN and overflowing functions are still refused."""
    inverse = {
        "formula": lambda xp, x: ratio(xp, 1.0, x, at_zero=math.inf),
        "bounds": (),
        "on_error": "raise",
    }
    assert evaluate(**inverse, finite=False, x=0) == math.inf
    assert evaluate(**inverse, finite=False, x=[0.0, 2.0]).tolist() == [math.inf, 0.5]
    for x in (0, [0.0]):
        with pytest.raises(DomainError, match="too large"):
            evaluate(**inverse, x=x)
        with pytest.raises(DomainError, match="too large"):
            evaluate(lambda _xp, x: x * math.inf, (), "raise", finite=False, x=x)


@pytest.mark.parametrize("xp", [math, np])
def test_where_and_ratio_mean_the_same_for_numbers_and_arrays(xp):
    """The two functions that math lacks choose and divide alike in either namespace."""
    assert where(xp, True, 3.0, 4.0) == 3.0
    assert where(xp, False, 3.0, 4.0) == 4.0
    assert ratio(xp, 3.0, 2.0, at_zero=9.0) == 1.5
    assert ratio(xp, 3.0, 0.0, at_zero=9.0) == 9.0


def test_namespace_is_math_for_numbers_alone():
    """Numbers are worked by math; one array among them calls for numpy."""
    assert namespace(1, 2.0) is math
    assert namespace(1, np.ones(2)) is np


def test_fields_of_a_result():
    """Numbers come with None for NaN, arrays in one shape."""
    assert as_fields(math, a=1.0, b=math.nan, c="word") == {"a": 1.0, "b": None, "c": "word"}
    fields = as_fields(np, a=np.ones(3), b=math.nan)
    assert fields["b"].shape == (3,)
    assert np.isnan(fields["b"]).all()


def test_checked_returns_what_it_was_given():
    """A value within its bounds comes back as a float or float64, one outside is refused by name."""
    assert checked("fee", 0, share("fee")) == 0.0
    assert checked("fee", [0, 0.5], share("fee")).tolist() == [0, 0.5]
    with pytest.raises(DomainError, match=r"fee = 1.0 must be 0 or more and below 1"):
        checked("fee", 1, share("fee"))
    with pytest.raises(DomainError, match=r"size = -1.0 must be 0 or more"):
        checked("size", -1, not_negative("size"))


def test_a_word_must_be_one_of_those_allowed():
    """An unknown word is refused with the allowed ones."""
    check_choice("side", "long", ("long", "short"))
    with pytest.raises(DomainError, match="side = 'flat': allowed are 'long', 'short'"):
        check_choice("side", "flat", ("long", "short"))
