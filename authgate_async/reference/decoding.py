"""Bytes from the wire, taken only in their one canonical form."""

from __future__ import annotations

from typing import TypeVar

import msgspec

__all__ = ["decode"]

_T = TypeVar("_T")


def decode(data: bytes, kind: type[_T]) -> _T:
    """Decode MessagePack into `kind`.

    Raises:
        ValueError: The bytes are something else, a number is out of range, a field is missing (also
            one that has a default), or a header is not in its shortest form: equal values are equal
            bytes.
    """
    value = msgspec.msgpack.decode(data, type=kind)
    if msgspec.msgpack.encode(value) != data:
        raise ValueError("the bytes do not decode: a field is missing or a header is too long")
    return value
