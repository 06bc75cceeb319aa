"""The arguments of an action, read from their bytes."""

from __future__ import annotations

import math
from typing import Any

from authgate_async.reference.strict_json import Number, Pairs, parse

__all__ = ["MAX_ARGS", "Arguments", "kind", "read_arguments", "read_value"]

MAX_ARGS = 64 * 1024
_MAX_DEPTH = 32

Arguments = dict[str, Any]
"""By name: None, booleans, floats, strings, lists, and dicts of these."""


def read_arguments(data: bytes) -> Arguments | None:
    """Read a JSON object in UTF-8 without doubles, whose numbers are finite; None for all else."""
    if len(data) > MAX_ARGS:
        return None
    try:
        value = read_value(data.decode())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def read_value(text: str) -> Any:
    """Read one JSON value, every number of it as a double.

    Raises:
        ValueError: It is none, has a name twice in an object, or is nested too deeply.
    """
    return _plain(parse(text), _MAX_DEPTH)


def kind(value: Any) -> str:
    """What a value is, in words."""
    names = {bool: "true or false", float: "a number", str: "text", list: "a list"}
    return "missing" if value is None else names.get(type(value), "an object")


def _plain(value: Any, room: int) -> Any:
    if isinstance(value, Number):
        return _double(value)
    if isinstance(value, str):
        value.encode()  # raises for half of a surrogate pair
        return value
    if not isinstance(value, list):
        return value
    if not room:
        raise ValueError("it is nested too deeply")
    if not isinstance(value, Pairs):
        return [_plain(item, room - 1) for item in value]
    members = {_plain(name, 0): _plain(item, room - 1) for name, item in value}
    if len(members) < len(value):
        raise ValueError("a name is there twice")
    return members


def _double(written: str) -> float:
    value = float(written)
    if not math.isfinite(value):
        raise ValueError("a number is not finite")
    return value
