from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async.canonical import MAX_BYTES, canonical
from authgate_async.errors import ArgumentError, PlanError
from authgate_async.planners.parse import MAX_RATIONALE, MAX_STEPS, parse_plan
from authgate_async.planners.protocol import Step
from authgate_async.wire import MAX_NAME

ONE = {"tool": "t", "args": {"a": [1, 2.5, None, True, {"b": "é"}]}, "rationale": "because"}
PARSED = (Step("t", ONE["args"], "because"),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw", [[ONE], (ONE,), list(PARSED), json.dumps([ONE]), json.dumps([ONE]).encode()]
)
def test_a_plan_comes_in_any_of_its_forms(raw: object) -> None:
    """Objects, steps and JSON text of the same plan are the same plan."""
    assert parse_plan(raw) == PARSED


@pytest.mark.parametrize("raw", [[], (), "[]", b"[]"])
def test_no_steps_is_a_plan(raw: object) -> None:
    """An empty plan ends a run and is no error."""
    assert parse_plan(raw) == ()


def test_args_and_rationale_may_be_left_out() -> None:
    """A step needs a tool only."""
    assert parse_plan([{"tool": "t"}]) == (Step("t", {}, ""),)


def test_the_limits_themselves_fit() -> None:
    """A plan as large as the limits is taken."""
    args = {"a": "x" * (MAX_BYTES - len(canonical({"a": ""})))}
    step = {"tool": "n" * MAX_NAME, "args": args, "rationale": "r" * MAX_RATIONALE}
    assert len(parse_plan([step] * MAX_STEPS)) == MAX_STEPS


def test_what_was_parsed_does_not_follow_the_original() -> None:
    """A planner that keeps its objects cannot change the plan after it was judged."""
    inner: list[Any] = [1]
    plan = [Step("t", {"a": inner})]
    parsed = parse_plan(plan)
    inner.append(2)
    plan.clear()
    assert parsed == (Step("t", {"a": [1]}),)


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ({}, "`steps`"),
        ([ONE, 5], "`steps[1]`"),
        ([ONE, {"tool": 1}], "`steps[1].tool`"),
        ([{"args": {}}], "`steps[0].tool`"),
        ([{"tool": "t", "why": ""}], "`steps[0].why`"),
        ([{"tool": "t", "args": []}], "`steps[0].args`"),
        ([{"tool": "t", "args": {"path": b""}}], "`steps[0].args.path`"),
        ([{"tool": "t", "args": {"a": [0, {"b": 2**53}]}}], "`steps[0].args.a[1].b`"),
        ([{"tool": "t", "args": {"a\x1b": float("nan")}}], "`steps[0].args['a\\x1b']`"),
        ([{"tool": "t", "rationale": None}], "`steps[0].rationale`"),
    ],
)
def test_an_error_opens_with_its_place(raw: object, place: str) -> None:
    """The sentence says where in the plan the fault is."""
    with pytest.raises(PlanError) as caught:
        parse_plan(raw)
    assert str(caught.value).startswith(place + " ")


_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**60), 2**60),
        st.floats(),
        st.text(max_size=8),
        st.binary(max_size=2),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(_values)
def test_arguments_that_parse_have_a_canonical_form(value: object) -> None:
    """What the parser takes can be bound; what has no canonical form is a PlanError."""
    args = {"a": value}
    try:
        (step,) = parse_plan([{"tool": "t", "args": args}])
    except PlanError:
        with pytest.raises(ArgumentError):
            canonical(args)
    else:
        assert canonical(step.args) == canonical(args)


@given(st.one_of(_values, st.text(max_size=30), st.lists(_values, max_size=3)))
def test_nothing_but_plan_errors_come_out(raw: object) -> None:
    """Whatever a planner returns is a tuple of steps or a PlanError."""
    try:
        parsed: object = parse_plan(raw)
    except PlanError as error:
        parsed = str(error).isprintable()
    assert parsed is True or isinstance(parsed, tuple)


@pytest.mark.parametrize("filler", ["\x01", "é", "\U0001f600", "\\"])
def test_size_is_that_of_the_canonical_bytes(filler: str) -> None:
    """The cap holds for the bytes and not for the characters, whatever an escape costs."""
    count = MAX_BYTES // len(canonical(filler)[1:-1])
    with pytest.raises(PlanError, match="bytes"):
        parse_plan([{"tool": "t", "args": {"a": filler * count}}])
    assert parse_plan([{"tool": "t", "args": {"a": filler * (count - 10)}}])


def test_many_small_numbers_are_measured_too() -> None:
    """Numbers count with the bytes that they take."""
    with pytest.raises(PlanError, match="bytes"):
        parse_plan([{"tool": "t", "args": {"a": [-1.2345678901234567e-300] * 4000}}])
