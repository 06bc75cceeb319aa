"""JSON read strictly against a table of fields; an error names the field by its path."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

__all__ = [
    "Field",
    "Number",
    "Pairs",
    "boolean",
    "each",
    "integer",
    "mapping",
    "number",
    "one_object",
    "parse",
    "text",
]

_T = TypeVar("_T")
_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 19

Reader = Callable[[Any, str], _T]
"""Takes a parsed value and its path."""


class Pairs(list[tuple[str, Any]]):
    """An object as it was written, doubles included."""


class Number(str):
    """A number as it was written: `1` and `1.0` differ for a field that counts."""

    __slots__ = ()


class Field(NamedTuple):
    """How to read one field; one without a default must be there."""

    read: Reader[Any]
    default: Any = ...


_DECODER = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=Number
)


def parse(source: str) -> Any:
    """Parse the text of one JSON value.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return _DECODER.decode(source)
    except json.JSONDecodeError as error:
        raise ValueError(f"the text is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError("the text is nested too deeply") from error


def one_object(fields: Mapping[str, Field]) -> Reader[dict[str, Any]]:
    """Read an object of exactly these fields, with defaults filled in."""

    def read(value: Any, path: str) -> dict[str, Any]:
        pairs = dict(_unique(value, path))
        for name in pairs:
            if name not in fields:
                raise _error(_below(path, name), "is not a known field")
        for name, field in fields.items():
            if name not in pairs and field.default is ...:
                raise _error(_below(path, name), "is missing")
        return {
            name: field.read(pairs[name], _below(path, name)) if name in pairs else field.default
            for name, field in fields.items()
        }

    return read


def mapping(value: Any, path: str) -> dict[str, str]:
    """Read an object from names to names."""
    return {text(name, path): text(v, _below(path, name)) for name, v in _unique(value, path)}


def each(read_one: Reader[_T]) -> Reader[list[_T]]:
    """Read an array."""

    def read(value: Any, path: str) -> list[_T]:
        if not isinstance(value, list) or isinstance(value, Pairs):
            raise _error(path, "must be an array")
        return [read_one(one, f"{path}[{place}]") for place, one in enumerate(value)]

    return read


def text(value: Any, path: str) -> str:
    """Read a string of Unicode scalar values."""
    if not isinstance(value, str) or isinstance(value, Number):
        raise _error(path, "must be a string")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _error(path, "has half of a surrogate pair")
    return value


def boolean(value: Any, path: str) -> bool:
    """Read `true` or `false`."""
    if not isinstance(value, bool):
        raise _error(path, "must be true or false")
    return value


def integer(value: Any, path: str) -> int:
    """Read an integer from 0 to 2^63 - 1, written without a point or an exponent."""
    digits = isinstance(value, Number) and value.isdecimal() and len(value) <= _MAX_DIGITS
    if not digits or int(value) > _MAX_INTEGER:
        raise _error(path, f"must be an integer from 0 to {_MAX_INTEGER}")
    return int(value)


def number(value: Any, path: str) -> float:
    """Read a finite number."""
    if not isinstance(value, Number):
        raise _error(path, "must be a number")
    if not math.isfinite(float(value)):
        raise _error(path, "must be finite")
    return float(value)


def _unique(value: Any, path: str) -> list[tuple[str, Any]]:
    if not isinstance(value, Pairs):
        raise _error(path, "must be an object")
    seen = set()
    for name, _ in value:
        if name in seen:
            raise _error(_below(path, name), "is there twice")
        seen.add(name)
    return value


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _error(path: str, why: str) -> ValueError:
    return ValueError(f"`{path}` {why}" if path else f"the text {why}")
