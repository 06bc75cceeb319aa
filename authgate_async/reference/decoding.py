"""Bytes from the wire, with every field there."""

from __future__ import annotations

from typing import TypeVar

import msgspec

__all__ = ["decode"]

_T = TypeVar("_T")


def decode(data: bytes, kind: type[_T]) -> _T:
    """Decode MessagePack into `kind`.

    Raises:
        ValueError: The bytes are something else, a number is out of range, or a field is missing,
            also one that has a default: on the wire every field stands.
    """
    value = msgspec.msgpack.decode(data, type=kind)
    if msgspec.msgpack.encode(value) != msgspec.msgpack.encode(msgspec.msgpack.decode(data)):
        raise ValueError("the bytes do not decode: a field is missing")
    return value
