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
    plain = _Walk().check(value, ())
    data = _fast(value) if plain else rfc8785.dumps(value)
    if len(data) > MAX_BYTES:
        raise _too_large()
    return data


def digest(data: bytes) -> bytes:
    """Return the SHA-256 of `data`, 32 bytes."""
    return sha256(data).digest()


_MAX_SHOWN = 200

_Place = Sequence[str | int]


class _Walk:
    """One walk over a value; it ends when what it met cannot fit into `MAX_BYTES` any more.

    Containers may be shared, so that there can be far more places than objects: each place that is
    looked at takes its least share of the output first. Of a foreign class nothing is touched.
    """

    def __init__(self) -> None:
        self._left = MAX_BYTES

    def check(self, value: Any, place: _Place) -> bool:
        """Refuse what has no canonical form; tell whether the fast encoder may take the rest."""
        kind = type(value)
        if kind is str:
            self._check_text(value, place)
            return True
        self._left -= 1
        if self._left < 0:
            raise _too_large()
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
        return self._check_inside(value, place)

    def _check_inside(self, value: Any, place: _Place) -> bool:
        kind = type(value)
        if not (kind is dict or kind is list or kind is tuple):
            raise _error(place, "has no JSON form; convert it to a string, number, list or dict")
        if len(place) >= MAX_DEPTH:
            raise _error(place, f"is nested deeper than {MAX_DEPTH}")
        plain = True
        if kind is dict:
            for key, item in value.items():
                plain &= self._check_key(key, place)
                plain &= self.check(item, (*place, key))
        else:
            for index, item in enumerate(value):
                plain &= self.check(item, (*place, index))
        return plain

    def _check_key(self, key: Any, place: _Place) -> bool:
        """Refuse a key that is no string; beyond ASCII, UTF-8 and UTF-16 sort differently."""
        if type(key) is not str:
            raise _error(place, "has a key that is no string")
        self._check_text(key, place)
        return key.isascii()

    def _check_text(self, text: str, place: _Place) -> None:
        self._left -= len(text) + 2
        if self._left < 0:
            raise _too_large()
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise _error(place, "has half of a surrogate pair, which has no UTF-8 form")


def _too_large() -> ArgumentError:
    return ArgumentError(
        f"the arguments are too large: at most {MAX_BYTES} bytes are allowed, "
        "so pass large data as a file"
    )


def _error(place: _Place, why: str) -> ArgumentError:
    shown = "".join(map(_step, place))[:_MAX_SHOWN]
    return ArgumentError(f"`${shown}` {why}")


def _step(step: str | int) -> str:
    """Show one step; a key that could garble a terminal or a log is escaped."""
    if isinstance(step, str) and step.isascii() and step.isidentifier():
        return f".{step}"
    return f"[{json.dumps(step)}]"
