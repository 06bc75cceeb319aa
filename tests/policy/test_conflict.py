"""Contradictions between bounds on arguments are found, and nothing else is called one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async.policy import load
from authgate_async.policy.conflict import conflict, excess
from authgate_async.policy.texts import Nothing, text_within
from authgate_async.policy.trial import try_policy
from authgate_async.reference.constraints.bounds import compiled
from authgate_async.reference.constraints.judge import forbidden
from authgate_async.wire import Constraint, Grant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _grant(other_args: str = "", grant_id: str = "g", **bounds: object) -> Grant:
    """A grant with bounds, each named `ARG_OP`."""
    pairs = [(name.split("_", 1), json.dumps(bound)) for name, bound in bounds.items()]
    constraints = tuple(Constraint(arg, op, bound) for (arg, op), bound in pairs)
    return Grant(
        grant_id, "b", "machine", "f", "n", "", 1, constraints=constraints, other_args=other_args
    )


CONTRADICTIONS = [
    ([_grant(a_absent=True, a_le=1)], "argument `a` must be left out, and `le` asks for it"),
    ([_grant(a_ge=3, a_le=2)], "argument `a` must be at least 3 and at most 2"),
    ([_grant(a_ge=3), _grant(a_le=2)], "argument `a` must be at least 3 and at most 2"),
    ([_grant(a_prefix="x", a_le=2)], "the bounds of argument `a` ask for different types"),
    ([_grant(a_max_len=2, a_le=2)], "the bounds of argument `a` ask for different types"),
    ([_grant(a_eq=3, a_le=2)], "no value that is allowed for argument `a` passes all its bounds"),
    ([_grant(a_one_of=[1, "x"]), _grant(a_eq="y")], "no value that is allowed for argument `a`"),
    ([_grant(a_le=1), _grant("none", "p")], "grant `p` does not allow argument `a`, which grant"),
    ([_grant(b_le=1), _grant("", "p", a_le=1)], "grant `p` does not allow argument `b`, which"),
    (
        [_grant(a_ge=1000001, a_le=1000000)],
        "argument `a` must be at least 1000001 and at most 1000000",
    ),
    ([_grant(a_all_in=["x"]), _grant(a_all_in=["y"])], "no list passes all bounds of argument `a`"),
    ([_grant(a_all_in=["x"], a_max_len=0)], "no list passes all bounds of argument `a`"),
    *(
        (chain, "no text passes all bounds of argument `a`")
        for chain in (
            [_grant(a_prefix="a"), _grant(a_prefix="b")],
            [_grant(a_prefix="abc", a_max_len=2)],
            [_grant(a_prefix="1", a_regex="[a-z]+")],
            [_grant(a_regex="[0-9]+"), _grant(a_regex="[a-z]+")],
            [_grant(a_regex="[0-9]{10}", a_max_len=9)],
            [_grant(a_regex="(?:ab)+", a_not_regex="b")],
            [_grant(a_not_regex="")],
            [_grant(a_regex="a^b")],
            [_grant(a_regex="a\\bc")],
            [_grant(a_subpath="/srv/data"), _grant(a_subpath="/srv/other")],
            [_grant(a_subpath="/srv", a_prefix="/etc")],
            [_grant(a_subpath="docs", a_prefix="/")],
            [_grant(a_subpath="docs/big", a_max_len=5)],
            [_grant(a_subpath=".", a_max_len=0)],
            [_grant(a_subpath=".", a_prefix="/a")],
            [_grant(a_host="a.example"), _grant(a_host="b.example")],
            [_grant(a_host="*.example", a_prefix="ftp://")],
            [_grant(a_host=["a.example", "b.example"], a_prefix="https://c.")],
            [_grant(a_host="a.example", a_max_len=10)],
        )
    ),
]


@pytest.mark.parametrize(("chain", "why"), CONTRADICTIONS)
def test_a_contradiction_is_told(chain: list[Grant], why: str) -> None:
    """Within a grant and over its chain, with the argument and what is asked of it."""
    assert conflict(chain).startswith(why)


def test_a_budget_of_no_calls_is_told() -> None:
    """Also one further up; any other budget may permit something."""
    none, some = (msgspec.structs.replace(_grant(grant_id="p"), max_calls=n) for n in (0, 1))
    assert conflict([_grant(), none]) == "grant `p` has a budget of no calls"
    assert conflict([_grant(), some]) == ""


SOUND = [
    [_grant()],
    [_grant("none"), _grant()],
    [_grant(a_absent=True), _grant("none")],
    [_grant(a_le=2), _grant("any")],
    [_grant(a_le=2, a_ge=2)],
    [_grant(a_one_of=[1, 9], a_ge=5), _grant(a_le=9)],
    [_grant(a_max_len=2, a_all_in=["x"])],
    [_grant(a_eq={"b": 1})],
    [_grant(a_all_in=["x", "y"]), _grant(a_all_in=["y"], a_max_len=1)],
    [_grant(a_prefix="ab"), _grant(a_prefix="a", a_max_len=2)],
    [_grant(a_regex="[0-9]{10}", a_max_len=10, a_not_regex="[1-9]")],
    [_grant(a_regex="a\\b.c")],
    [_grant(a_subpath="/srv"), _grant(a_subpath="/srv/data", a_prefix="//./srv/./d")],
    [_grant(a_subpath="./docs//big/", a_max_len=8)],
    [_grant(a_host="*.example", a_prefix="HTTPS://A.", a_max_len=17)],
    [_grant(a_host=["127.0.0.1", "b.example"], a_prefix="ws://127.0.0.1:8")],
]


@pytest.mark.parametrize("chain", SOUND)
def test_what_can_be_passed_is_no_contradiction(chain: list[Grant]) -> None:
    """Narrow is not impossible."""
    assert conflict(chain) == ""


WIDER = [
    (_grant(a_le=3), _grant(a_le=2), "le"),
    (_grant(a_ge=1), _grant(a_ge=2), "ge"),
    (_grant(a_max_len=3), _grant(a_max_len=2), "max_len"),
    (_grant(a_prefix="b"), _grant(a_prefix="ab"), "prefix"),
    (_grant(a_all_in=["x", "y"]), _grant(a_all_in=["x"]), "all_in"),
    (_grant(a_one_of=[1, 3]), _grant(a_le=2), "one_of"),
    (_grant(a_eq="b"), _grant(a_regex="a+"), "eq"),
    (_grant(a_subpath="/srv"), _grant(a_subpath="/srv/data"), "subpath"),
    (_grant(a_subpath="docs"), _grant(a_subpath="/docs"), "subpath"),
    (_grant(a_host="*.example"), _grant(a_host="a.example"), "host"),
    (_grant(a_host=["a.example", "b.example"]), _grant(a_host="a.example"), "host"),
    (_grant(a_host="example"), _grant(a_host="*.example"), "host"),
    (_grant(a_regex="[a-z]+"), _grant(a_regex="[a-y]+"), "regex"),
    (_grant(a_regex=".*"), _grant(a_regex="[^b]*"), "regex"),
]


@pytest.mark.parametrize(("child", "parent", "op"), WIDER)
def test_more_than_the_parent_allows_is_told(child: Grant, parent: Grant, op: str) -> None:
    """And its own reverse is not, nor what equals the parent."""
    assert excess(child, parent) == f"`{op}` of argument `a` is wider than its parent `g` allows"
    assert excess(parent, parent) == excess(child, child) == ""
    assert excess(child, _grant()) == ""


def test_narrower_bounds_are_not_told() -> None:
    """Neither a folder below, nor a host below, nor a pattern with fewer texts."""
    pairs = [
        (_grant(a_subpath="/srv/data"), _grant(a_subpath="/srv")),
        (_grant(a_host=["a.example", "*.b.example"]), _grant(a_host="*.example")),
        (_grant(a_regex="[0-9]{4}"), _grant(a_regex="[0-9]+")),
        (_grant(a_not_regex="a"), _grant(a_not_regex="b")),
    ]
    assert [excess(child, parent) for child, parent in pairs] == [""] * 4


def test_an_ancestor_is_called_one() -> None:
    """What a parent leaves free may be bounded further up."""
    child = msgspec.structs.replace(_grant(a_le=3), parent="p")
    told = excess(child, _grant(a_le=2))
    assert told == "`le` of argument `a` is wider than its ancestor `g` allows"


def test_other_arguments_are_free_for_a_child_only_if_for_its_parent() -> None:
    """Saying nothing is saying no more than the parent."""
    free = _grant("any", a_le=1)
    assert excess(free, _grant(a_le=1)).startswith("it leaves other arguments free")
    assert excess(free, free) == excess(free, _grant()) == excess(_grant(), _grant("none")) == ""


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.deferred(lambda: grants), st.deferred(lambda: grants))
def test_only_what_the_parent_refuses_is_more(child: Grant, parent: Grant) -> None:
    """What is told of a child with one bound an argument is a call that its parent turns away."""
    args = [one.arg for one in child.constraints]
    told = excess(child, parent).startswith("`") and not conflict([child])
    if told and len(args) == len(set(args)):
        assert any(
            not list(forbidden([child], args)) and list(forbidden([parent], args))
            for args in _calls()
        )


def _calls() -> list[bytes]:
    tried: list[object] = [None, 0, 1, 2, 3, ["a"], ["a", 1], [2], ["ab"]]
    tried += ["", "a", "ab", "abc", "aaa", "aaaa", "b", "abab", "a ", "ab ", ".b", "A.", "/", "/a"]
    tried += [
        "/a/b",
        "./",
        "a/b",
        "/c",
        "c",
        "ws://",
        "ws://a.b",
        "ws://x.b",
        "ws://any-other-host.b",
    ]
    tried += ["ws://c", "ws://10.0.0.1", "https://a", "https://a.b", " "]
    return [json.dumps({"x": x, "y": y}).encode() for x in tried for y in tried]


def handed_on(bound: str) -> str:
    """Write a policy in which a grant for an argument up to 5 is handed on with this bound."""
    return f"""
[[principals]]
name = "ann"
kind = "human"
[[grants]]
holder = "human:ann"
resource = "compute:x"
rights = ["delegate", "execute"]
id = "up"
args.n = {{ le = 5 }}
[[grants]]
holder = "human:ann"
resource = "compute:x"
rights = ["execute"]
id = "down"
parent = "up"
args.n = {{ {bound} }}
"""


def test_a_check_tells_what_says_too_much(write: Callable[[str], Path]) -> None:
    """`policy check` doubts it, since it has no effect beyond the parent."""
    text = handed_on("le = 6")
    (doubt,) = try_policy(load(write(text)), text, 1, "python").doubtful
    assert doubt.line == 11
    assert "`le` of argument `n` is wider than its parent `up` allows" in doubt.sentence


patterns = ["", "a", "ab", "[^a]", "(?:ab)+", "a{2,3}", ".b.*", "a|b$", "^a\\b", "\\w+\\W"]
quoted = st.sampled_from(patterns).map(json.dumps)
paths = ["/", ".", "/a", "/a/b", "a", "./a//b"]
hosts = ["a.b", "*.b", ["a.b", "c"], "10.0.0.1", "C."]
bounds = st.one_of(
    st.tuples(st.sampled_from(["le", "ge", "max_len"]), st.integers(0, 3)),
    st.tuples(
        st.just("prefix"), st.sampled_from(["", "a", "ab", "/a", "ws://", "./", "https://a"])
    ),
    st.tuples(st.sampled_from(["regex", "not_regex"]), st.sampled_from(patterns)),
    st.tuples(st.just("eq"), st.sampled_from([0, 1, "a", ["a"]])),
    st.tuples(st.sampled_from(["one_of", "all_in"]), st.sampled_from([["a", 1], [2], ["ab"]])),
    st.tuples(st.just("subpath"), st.sampled_from(paths)),
    st.tuples(st.just("host"), st.sampled_from(hosts)),
    st.just(("absent", True)),
)
grants = st.builds(
    lambda pairs, other: Grant(
        "g", "b", "machine", "f", "n", "", 1,
        constraints=tuple(Constraint(arg, op, json.dumps(bound)) for arg, (op, bound) in pairs),
        other_args=other,
    ),
    st.lists(st.tuples(st.sampled_from("xy"), bounds), max_size=3),
    st.sampled_from(["", "any", "none"]),
)  # fmt: skip
texts = st.one_of(
    st.text("ab", max_size=4),
    st.text("ab/.", max_size=7),
    st.from_regex(r"(https?|WS)://(a\.b|x\.B|c|C\.|10\.0\.0\.1)\.?(:80)?(/a)?", fullmatch=True),
)
plain = st.sampled_from([None, 0, 1, 2, 3, "", "a", "ab", [], ["a"], ["a", 1], [2]])
values = st.one_of(plain, texts)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(
    st.sets(
        st.one_of(
            st.tuples(st.just("prefix"), st.sampled_from(['"a"', '"ab"', '"b "'])),
            st.tuples(
                st.sampled_from(["regex", "not_regex"]), st.sampled_from(patterns).map(json.dumps)
            ),
            st.tuples(st.just("max_len"), st.sampled_from(["1", "3"])),
        ),
        min_size=1,
        max_size=4,
    ),
    st.text("ab ", max_size=5),
)
def test_the_search_for_a_text_finds_one_if_there_is_one(
    asked: set[tuple[str, str]], text: str
) -> None:
    """And what it finds passes."""
    tests = [compiled(*one) for one in asked]
    found = text_within(frozenset(asked))
    if isinstance(found, str):
        assert all(test(found) for test in tests)
    assert found is not Nothing.FOUND
    assert found is not Nothing.FITS or not all(test(text) for test in tests)


def test_a_search_that_takes_too_long_says_nothing() -> None:
    """It is given up after a number of steps, and no contradiction is claimed."""
    hard = _grant(a_regex="[ab]*a[ab]{12}", a_not_regex="a[ab]{12}$")
    pairs = frozenset((one.op, one.bound) for one in hard.constraints)
    assert text_within(pairs) is Nothing.FOUND
    assert conflict([hard]) == ""


@settings(max_examples=1_000, derandomize=True, deadline=None)
@given(st.lists(grants, min_size=1, max_size=3), values, values)
def test_no_call_passes_a_contradiction(chain: list[Grant], x: object, y: object) -> None:
    """Whatever passes all grants of a chain is proof that there is none."""
    if not list(forbidden(chain, json.dumps({"x": x, "y": y}).encode())):
        assert conflict(chain) == ""


def test_a_check_tells_the_line_of_a_contradiction(write: Callable[[str], Path]) -> None:
    """`policy check` doubts a grant whose bounds no call can pass, and only that one."""
    text = handed_on("ge = 6")
    policy = load(write(text))
    doubts = [(one.line, one.sentence) for one in try_policy(policy, text, 1, "python").doubtful]
    why = "argument `n` must be at least 6 and at most 5"
    assert doubts == [(11, f"grant `down` can permit nothing: {why}; mend or remove it")]
