"""Reads parsed TOML into the forms, one field at a time, so that no fault hides another."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import msgspec

from authgate_async.policy.problems import Faults, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.policy.locate import Path

__all__ = ["read_table", "read_tables"]

_Form = TypeVar("_Form", bound=msgspec.Struct)
_NATIVE = (datetime, date, time)
_GOT = re.compile(r"^Expected `[^`]*`, got `([^`]*)`")
_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "date": "a date without a time",
    "datetime": "a date",
    "float": "a number",
    "int": "a number",
    "object": "a table",
    "str": "a string",
    "time": "a time of day",
}


def read_table(raw: object, form: type[_Form], where: Path, faults: Faults) -> _Form | None:
    """Return the form that a table is, or None if it is no table; faults are noted.

    So that the rest can be judged too, a key that lacks a sound value is left at its default, and
    one without a default becomes UNSET.
    """
    try:
        return msgspec.convert(raw, form, builtin_types=_NATIVE)
    except msgspec.ValidationError:
        if isinstance(raw, dict):
            return _salvage(raw, form, where, faults)
    faults.add(where, f"`{where[-1] if where else ''}` must be a table; write its keys one a line")
    return None


def read_tables(
    raw: object, form: type[_Form], where: Path, faults: Faults
) -> Iterator[tuple[Path, _Form]]:
    """Yield each sound table of a list of tables with its place."""
    if not isinstance(raw, list):
        faults.add(
            where, f"`{where[-1]}` must be a list of tables; write [[{where[-1]}]] above each"
        )
        return
    for index, item in enumerate(raw):
        entry = read_table(item, form, (*where, index), faults)
        if entry is not None:
            yield (*where, index), entry


def _salvage(raw: dict[str, Any], form: type[_Form], where: Path, faults: Faults) -> _Form:
    fields = _fields(form)
    for key in (key for key in raw if key not in fields):
        faults.add((*where, key), _unknown(key, fields, where))
    values = {}
    for key, field in fields.items():
        if key in raw:
            value = _value(raw[key], field.type, (*where, key), faults)
        else:
            value = msgspec.UNSET
            if field.required:
                faults.add(where, f"`{key}` is missing; give {_meaning(field.type)}")
        if value is not msgspec.UNSET or field.required:
            values[field.name] = value
    return form(**values)


def _unknown(key: str, fields: dict[str, msgspec.structs.FieldInfo], where: Path) -> str:
    table = next((str(part) for part in reversed(where) if isinstance(part, str)), "")
    place = f"of `{table}`" if table else "of a policy"
    near = get_close_matches(key[:64], fields, n=1)
    remedy = f"did you mean `{near[0]}`?" if near else f"the keys are {', '.join(fields)}"
    return f"{quote(key)} is no key {place}; {remedy}"


def _value(value: object, kind: Any, where: Path, faults: Faults) -> object:
    """Return a value as what its field holds, or UNSET once a fault is noted."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return read_table(value, kind, where, faults) or msgspec.UNSET
    form = next((get_args(part)[1] for part in _parts(kind) if get_origin(part) is dict), None)
    if form is not None and isinstance(value, dict):
        read = {key: read_table(one, form, (*where, key), faults) for key, one in value.items()}
        return {key: one for key, one in read.items() if one is not None}
    try:
        return msgspec.convert(value, kind, builtin_types=_NATIVE)
    except msgspec.ValidationError as error:
        item = _item(kind)
        if isinstance(value, list) and item is not None:
            for index, element in enumerate(value):
                _judge(element, item, (*where, index), _meaning(kind), faults)
        else:
            faults.add(where, _sentence(value, str(error), where, _meaning(kind)))
        return msgspec.UNSET


def _judge(value: object, kind: Any, where: Path, meaning: str, faults: Faults) -> None:
    try:
        msgspec.convert(value, kind, builtin_types=_NATIVE)
    except msgspec.ValidationError as error:
        faults.add(where, _sentence(value, str(error), where, meaning))


def _sentence(value: object, error: str, where: Path, meaning: str) -> str:
    name = f"`{where[-2]}[{where[-1]}]`" if isinstance(where[-1], int) else f"`{where[-1]}`"
    got = _GOT.match(error)
    why = f"is {_WORDS.get(got[1], got[1])}" if got else f"cannot be {quote(value)}"
    return f"{name} {why}; give {meaning}"


@cache
def _fields(form: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(form)}


def _parts(kind: Any) -> Iterator[Any]:
    """Yield a type and all the types that it is made of."""
    yield kind
    for part in (*getattr(kind, "__metadata__", ()), *get_args(kind)):
        yield from _parts(part)


def _meaning(kind: Any) -> str:
    metas = (part for part in _parts(kind) if isinstance(part, msgspec.Meta))
    return next((meta.description for meta in metas if meta.description), "")


def _item(kind: Any) -> Any:
    lists = (part for part in _parts(kind) if get_origin(part) is tuple)
    return next((get_args(part)[0] for part in lists), None)
