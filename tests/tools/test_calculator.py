from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async.tools import ToolFailure
from authgate_async.tools.calculator import MAX_DEPTH, MAX_LENGTH, calculator
from authgate_async.wire import Request, Right

RESULTS = [
    ("2+2", "4"),
    ("(3 + 4) * 5", "35"),
    ("7 / 2", "3.5"),
    ("7 // 2", "3"),
    ("-7 // 2", "-4"),
    ("-7 % 3", "2"),
    ("7.5 % 2", "1.5"),
    ("2 ** 10", "1024"),
    ("2 ** -1", "0.5"),
    ("-2 ** 2", "-4"),
    ("(-8) ** 3.0", "-512.0"),
    ("0 ** 0", "1"),
    ("1 ** 99999999", "1"),
    ("(-1) ** 99999999", "-1"),
    ("+-+3", "-3"),
    ("1e3", "1000.0"),
    (".5 + 5.", "5.5"),
    ("abs(-3)", "3"),
    ("round(2.5)", "2"),
    ("round(2.567, 2)", "2.57"),
    ("round(1234, -2)", "1200"),
    ("min(3, 1, 2)", "1"),
    ("max(3, 1, 2.5)", "3"),
    ("sqrt(16)", "4.0"),
    ("pi", str(math.pi)),
    ("e", str(math.e)),
    ("2 ** 4000", str(2**4000)),
    ("9007199254740993", "9007199254740993"),
    ("  1\t+ 1 ", "2"),
    ("+".join(["1"] * 100), "100"),
]


@pytest.mark.parametrize(("expression", "result"), RESULTS)
def test_arithmetic_has_pythons_meaning(expression: str, result: str) -> None:
    """The result is Python's own, as text."""
    assert calculator(expression) == result


SENTENCES = [
    ("1/0", "divides by zero"),
    ("0.0 ** -1", "divides by zero"),
    ("1 % 0", "divides by zero"),
    ("2^3", r"write a power as \*\*"),
    ("foo(1)", "does not know `foo`"),
    ("sqrt(-1)", "negative"),
    ("(-8) ** 0.5", "not a real number"),
    ("round(1, 401)", "digits"),
    ("round(1, 0.5)", "digits"),
    ("min(1)", "takes 2 to"),
    ("abs(1, 2)", "takes 1 numbers, not 2"),
    ("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), "deep"),
    ("1" * (MAX_LENGTH + 1), "characters"),
    ("-" * 250 + "1", "parts"),
    ("1 +", "complete"),
    ("", "complete"),
]


@pytest.mark.parametrize(("expression", "sentence"), SENTENCES)
def test_a_refusal_says_why(expression: str, sentence: str) -> None:
    """What cannot be computed is told in a sentence that names the reason."""
    with pytest.raises(ToolFailure, match=sentence):
        calculator(expression)


def test_the_deepest_brackets_that_fit_are_computed() -> None:
    """The limits are for the hostile: 32 brackets are fine."""
    assert calculator("(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH) == "1"


def test_it_asks_to_execute_the_calculator() -> None:
    """The calculator is a resource like any other."""
    assert calculator.bind({"expression": "1"}).requests == (
        Request("compute", "calculator", "", Right.EXECUTE),
    )


_numbers = st.one_of(
    st.integers(0, 40).map(str),
    st.decimals(0, 40, places=2).map(str),
    st.sampled_from(["pi", "e"]),
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    signs = st.sampled_from(["+", "-", "*", "/", "//", "%", "**"])
    return st.one_of(
        st.tuples(inner, signs, inner).map(lambda p: f"({p[0]}{p[1]}{p[2]})"),
        st.tuples(st.sampled_from("+-"), inner).map("".join),
        st.tuples(st.sampled_from(["abs", "sqrt", "round"]), inner).map(
            lambda p: f"{p[0]}({p[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda p: f"{p[0]}({p[1]},{p[2]})"
        ),
    )


_NAMES = {"pi": math.pi, "e": math.e, "sqrt": math.sqrt}


@given(st.recursive(_numbers, _grow, max_leaves=6))
def test_it_agrees_with_python(expression: str) -> None:
    """What the calculator computes is what Python computes; else it refuses in a sentence."""
    try:
        result = calculator(expression)
    except ToolFailure:
        return
    # Only expressions that the calculator took come here, so Python's own work is bounded too.
    assert result == str(eval(expression, {}, dict(_NAMES)))  # noqa: S307 - generated above


@given(st.text(alphabet="0123456789.eE+-*/%(), _xabsqrtpi\n\x00é", max_size=60))
def test_any_text_is_computed_or_refused(text: str) -> None:
    """No text makes the calculator do anything but return a number or raise ToolFailure."""
    try:
        assert math.isfinite(float(calculator(text)) if len(text) < 20 else 0)
    except (ToolFailure, OverflowError):
        return
