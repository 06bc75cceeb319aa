"""Canonical arguments: one value, one encoding, or an error with the place."""

import enum
import json
import math
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async import canonical as module
from authgate_async.canonical import MAX_BYTES, MAX_DEPTH, MAX_INTEGER, canonical, digest
from authgate_async.errors import ArgumentError

THOROUGH = settings(max_examples=500, derandomize=True, deadline=None)

integers = st.integers(-MAX_INTEGER, MAX_INTEGER)
texts = st.text(max_size=6) | st.sampled_from(["", "\x00\x1f\x7f", '"\\/', "\u2028", "\U0001f600"])
keys = texts | st.sampled_from(["\ufb33", "\U0001f600", "é", "e", "E", "\x80", "a", "aa", "B"])


def _values(scalars: st.SearchStrategy[Any], names: st.SearchStrategy[str]) -> Any:
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=12,
    )


plain = st.none() | st.booleans() | integers | texts
ascii_names = st.text(st.characters(max_codepoint=127), max_size=4)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@THOROUGH
@given(_values(plain, ascii_names))
def test_the_fast_encoder_gives_the_bytes_of_rfc8785(value: Any) -> None:
    """Without floats and with ASCII keys, both encoders agree: that is why one may stand in."""
    assert module._fast(value) == rfc8785.dumps(value)


@THOROUGH
@given(_values(plain | numbers, keys))
def test_every_value_gives_the_bytes_of_rfc8785(value: Any) -> None:
    """Whichever encoder is taken, the result is RFC 8785's."""
    assert canonical(value) == rfc8785.dumps(value)


def _read_number(digits: str) -> float:
    """Read as JavaScript does: past 2^53 there are floats only."""
    return int(digits) if abs(int(digits)) <= MAX_INTEGER else float(digits)


@THOROUGH
@given(_values(plain | numbers, keys))
def test_the_encoding_of_what_was_decoded_is_the_same(value: Any) -> None:
    """Reading the bytes and encoding again changes nothing, if large numbers are read as floats."""
    data = canonical(value)
    assert canonical(json.loads(data, parse_int=_read_number)) == data


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}'),
        ((1, (2,)), b"[1,[2]]"),
        ({}, b"{}"),
        ("é\n\x7f", b'"\xc3\xa9\\n\x7f"'),
        ({"a": 1.0, "b": -0.0, "c": 1e21, "d": 1e-7}, b'{"a":1,"b":0,"c":1e+21,"d":1e-7}'),
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'.encode()),
        (MAX_INTEGER, b"9007199254740991"),
        (-MAX_INTEGER, b"-9007199254740991"),
    ],
)
def test_values_encode_as_the_standard_says(value: Any, data: bytes) -> None:
    """Sorted by UTF-16, no spaces, the shortest numbers, the least escapes."""
    assert canonical(value) == data


class Colour(enum.IntEnum):
    """An integer that is not only an integer."""

    RED = 1


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"a": [0, 2**53]}, r"`\$\.a\[1\]` is an integer beyond"),
        (-(2**53), r"`\$` is an integer beyond"),
        ({"a": math.nan}, r"`\$\.a` is not a finite number"),
        ([math.inf], r"`\$\[0\]` is not a finite number"),
        ([[-math.inf]], r"`\$\[0\]\[0\]` is not a finite number"),
        ({1: "a"}, r"`\$` has a key that is no string"),
        ({"a": {None: 1}}, r"`\$\.a` has a key that is no string"),
        ({"a": "\ud800"}, r"`\$\.a` has half of a surrogate pair"),
        ({"\udfff": 1}, r"`\$` has half of a surrogate pair"),
        ({"a": b"bytes"}, r"`\$\.a` has no JSON form; convert it"),
        ([Decimal(1)], r"`\$\[0\]` has no JSON form"),
        (Colour.RED, r"`\$` has no JSON form"),
        ({"a": {1, 2}}, r"`\$\.a` has no JSON form"),
        (CYCLE, "is nested deeper than 32"),
        ({"x\x1b[2J\u202e": math.nan}, r'`\$\["x\\u001b\[2J\\u202e"\]` is not a finite number'),
    ],
)
def test_what_has_no_canonical_form_is_refused_with_its_place(value: Any, sentence: str) -> None:
    """The sentence opens with the path, in which nothing can garble a terminal."""
    with pytest.raises(ArgumentError, match=sentence):
        canonical(value)


def _nested(depth: int, innermost: Any = 1) -> Any:
    value = innermost
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize("innermost", [1, 1.5])
def test_nesting_is_bounded(innermost: float) -> None:
    """Thirty-two levels encode, thirty-three do not, by either encoder."""
    assert canonical(_nested(MAX_DEPTH, innermost)) == rfc8785.dumps(_nested(MAX_DEPTH, innermost))
    with pytest.raises(ArgumentError, match="is nested deeper than 32"):
        canonical(_nested(MAX_DEPTH + 1, innermost))


@pytest.mark.parametrize("depth", [10_000])
def test_endless_nesting_is_an_error_and_no_crash(depth: int) -> None:
    """The bound is met long before the interpreter's own."""
    with pytest.raises(ArgumentError, match="is nested deeper than 32"):
        canonical(_nested(depth))


def test_a_long_place_is_cut() -> None:
    """A key of many bytes does not make a sentence of as many."""
    with pytest.raises(ArgumentError) as caught:
        canonical({"k" * 60_000: math.nan})
    assert len(str(caught.value)) < 300


def test_size_is_bounded_by_the_bytes_that_come_out() -> None:
    """64 KiB encode, one byte more does not, and escapes count."""
    assert len(canonical("x" * (MAX_BYTES - 2))) == MAX_BYTES
    for value in ("x" * (MAX_BYTES - 1), "\n" * (MAX_BYTES // 2), ["é" * (MAX_BYTES // 2)]):
        with pytest.raises(ArgumentError, match=f"at most {MAX_BYTES} bytes are allowed"):
            canonical(value)


DOUBLED: dict[str, Any] = {
    "lists": lambda value: [value, value],
    "tuples": lambda value: (value, value),
    "dicts": lambda value: {"a": value, "b": value},
}


@pytest.mark.parametrize("kind", DOUBLED)
def test_shared_containers_cost_no_more_than_they_could_encode_to(kind: str) -> None:
    """Thirty objects that stand in 2^30 places are refused long before all are looked at."""
    value: Any = []
    for _ in range(30):
        value = DOUBLED[kind](value)
    with pytest.raises(ArgumentError, match=f"at most {MAX_BYTES} bytes are allowed"):
        canonical(value)


@pytest.mark.parametrize(
    "value",
    [
        [0] * (MAX_BYTES // 2 - 2) + [10],
        [None] * (MAX_BYTES // 5),
        {str(n): n for n in range(5000)},
        {"k" * (MAX_BYTES - 6): 1},
        [[]] * (MAX_BYTES // 3),
    ],
)
def test_what_fits_is_not_refused_before_it_is_encoded(value: Any) -> None:
    """The walk counts the least that each place can take, never more."""
    assert len(canonical(value)) <= MAX_BYTES


@pytest.mark.parametrize(
    "value",
    ["x" * MAX_BYTES, ["x" * 60_000] * 60_000, [0] * (MAX_BYTES + 1), {"k" * MAX_BYTES: 1}],
)
def test_what_cannot_fit_is_not_encoded(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    """A text that stands in many places would make gigabytes of a few bytes."""
    monkeypatch.delattr(module, "_fast")
    with pytest.raises(ArgumentError, match=f"at most {MAX_BYTES} bytes are allowed"):
        canonical(value)


class Booby(type):
    """A class of classes on which everything is a trap."""

    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError(name)

    def __hash__(cls) -> int:
        raise AssertionError

    def __eq__(cls, other: object) -> bool:
        raise AssertionError

    def __instancecheck__(cls, instance: object) -> bool:
        raise AssertionError


class Trap(metaclass=Booby):
    """One of them, of which instances are traps as well."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    def __repr__(self) -> str:
        raise AssertionError


PLACED: dict[str, Any] = {
    "by itself": lambda trap: trap,
    "in a list": lambda trap: [trap],
    "as a value": lambda trap: {"a": trap},
    "as a key": lambda trap: {trap: 1},
}


@pytest.mark.parametrize("where", PLACED)
def test_nothing_of_a_hostile_class_is_touched(where: str) -> None:
    """Neither its name nor its hash nor its equality: it is refused for what it is not."""
    with pytest.raises(ArgumentError, match=r"no JSON form|no string"):
        canonical(PLACED[where](Trap()))


def test_a_digest_is_sha256() -> None:
    """Of the bytes as they are."""
    assert digest(b"{}") == sha256(b"{}").digest()
