"""The one encoding of a tool call's arguments: RFC 8785 canonical JSON, bounded.

What is signed is a digest of these bytes, so two encodings of one value would be two calls. Values
are what JSON has: None, booleans, integers, floats, strings, lists (or tuples) and dicts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec
import rfc8785

from authgate_async.errors import ArgumentError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_INTEGER", "canonical", "digest"]

MAX_DEPTH = 32
"""Lists and dicts inside each other."""

MAX_BYTES = 64 * 2**10
"""Of the encoded arguments."""

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly (RFC 8785 section 3.1, RFC 7493)."""

_fast = msgspec.json.Encoder(order="sorted").encode
"""Gives the same bytes as `rfc8785` where no float and no key beyond ASCII occurs; tested so."""


def canonical(value: Any) -> bytes:
    """Encode a value; values that JSON cannot tell apart, as 1 and 1.0, give the same bytes.

    Raises:
        ArgumentError: A value that JSON has no form for, an integer beyond 2^53 - 1, NaN, infinity,
            a key that is not a string, half of a surrogate pair, nesting over `MAX_DEPTH`, or more
            than `MAX_BYTES` of output; the sentence opens with the place, as in `$.a[0]`.
    """
    plain = _check(value, ())
    data = _fast(value) if plain else rfc8785.dumps(value)
    if len(data) > MAX_BYTES:
        raise ArgumentError(
            f"the arguments take {len(data)} bytes; at most {MAX_BYTES} are allowed, "
            "so pass large data as a file"
        )
    return data


def digest(data: bytes) -> bytes:
    """Return the SHA-256 of `data`, 32 bytes."""
    return sha256(data).digest()


_MAX_SHOWN = 200

_Place = Sequence[str | int]


def _check(value: Any, place: _Place) -> bool:
    """Refuse what has no canonical form, and say whether the fast encoder may take the rest."""
    kind = type(value)
    if kind is str:
        _check_text(value, place)
        return True
    if kind is bool or value is None:
        return True
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise _error(place, "is an integer beyond 2^53 - 1; pass it as a string")
        return True
    if kind is float:
        if not math.isfinite(value):
            raise _error(place, "is not a finite number")
        return False
    return _check_inside(value, place)


def _check_inside(value: Any, place: _Place) -> bool:
    if len(place) >= MAX_DEPTH:
        raise _error(place, f"is nested deeper than {MAX_DEPTH}")
    if type(value) is dict:
        keys = [_check_key(key, place) for key in value]
        values = [_check(value[key], (*place, key)) for key in value]
        return all(keys) and all(values)
    if type(value) in {list, tuple}:
        items = [_check(item, (*place, index)) for index, item in enumerate(value)]
        return all(items)
    raise _error(place, f"has no JSON form; `{type(value).__name__}` must be converted first")


def _check_key(key: Any, place: _Place) -> bool:
    """Refuse a key that is no string; beyond ASCII, UTF-8 and UTF-16 sort differently."""
    if type(key) is not str:
        raise _error(place, f"has a key of type `{type(key).__name__}`; keys must be strings")
    _check_text(key, place)
    return key.isascii()


def _check_text(text: str, place: _Place) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise _error(place, "has half of a surrogate pair, which has no UTF-8 form")


def _error(place: _Place, why: str) -> ArgumentError:
    shown = "".join(map(_step, place))[:_MAX_SHOWN]
    return ArgumentError(f"`${shown}` {why}")


def _step(step: str | int) -> str:
    """Show one step; a key that could garble a terminal or a log is escaped."""
    if isinstance(step, str) and step.isascii() and step.isidentifier():
        return f".{step}"
    return f"[{json.dumps(step)}]"
