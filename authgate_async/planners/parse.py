"""From whatever a planner returned to steps.

A plan is untrusted. Only JSON's own types pass, by identity of the type: a subclass of `dict` or
`str` runs code of its own when it is read. The result is a copy, so that what was judged cannot
change afterwards.
"""

from __future__ import annotations

import json
import math
from typing import Any

from authgate_async.canonical import MAX_BYTES, MAX_DEPTH, MAX_INTEGER, canonical
from authgate_async.errors import ArgumentError, PlanError
from authgate_async.planners.protocol import Step
from authgate_async.wire import MAX_NAME

__all__ = ["MAX_PLAN", "MAX_RATIONALE", "MAX_STEPS", "parse_plan"]

MAX_STEPS = 64
"""Steps of one plan."""
MAX_RATIONALE = 4096
"""Characters of a rationale."""
MAX_PLAN = 4 * 2**20
"""Bytes of a plan that is JSON text."""

# A float counts as one and takes up to 24 bytes and a comma; less than this needs no exact
# measure.
_SURELY_SMALL = MAX_BYTES // 30
_FIELDS = ("tool", "args", "rationale")

_Place = str | tuple["_Place", str | int]
"""A name, or a key or index inside another place; spelled out only where something is wrong."""

_WORDS: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    bytes: "bytes",
    list: "a list",
    tuple: "a list",
    dict: "an object",
}


def parse_plan(raw: object) -> tuple[Step, ...]:
    """Read a plan: a list (or tuple) of objects or `Step`s, or JSON text of such a list.

    A step has `tool`, and optionally `args` (an object, default empty) and `rationale`. At most
    `MAX_STEPS` steps, and per step `canonical.MAX_BYTES` of arguments nested `canonical.MAX_DEPTH`
    deep.

    Raises:
        PlanError: it is anything else; the sentence opens with the place, as in
            `steps[3].args.path`.
    """
    if type(raw) is bytes or type(raw) is str:
        raw = _from_text(raw)
    if type(raw) is not list and type(raw) is not tuple:
        raise _error("steps", f"must be a list of steps, not {_word(raw)}")
    if len(raw) > MAX_STEPS:
        raise _error("steps", f"has {len(raw)} entries; a plan has at most {MAX_STEPS}")
    return tuple([_step(item, ("steps", index)) for index, item in enumerate(raw)])


def _from_text(raw: bytes | str) -> object:
    if len(raw) > MAX_PLAN:
        raise _error("steps", f"is longer than {MAX_PLAN} bytes of JSON")
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        found: object = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise _error(
            "steps", "is not JSON; answer with a JSON list and nothing around it"
        ) from None
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _error("steps", "has an object with one key twice")
    return found


def _constant(name: str) -> object:
    raise _error("steps", f"has {name}, which is not JSON")


def _step(item: object, place: _Place) -> Step:
    if type(item) is Step:
        item = {"tool": item.tool, "args": item.args, "rationale": item.rationale}
    if type(item) is not dict:
        raise _error(place, f"must be an object with `tool` and `args`, not {_word(item)}")
    for key in item:
        if type(key) is not str or key not in _FIELDS:
            raise _error(
                _inside(_shown(place), key), "is no field of a step; use tool, args and rationale"
            )
    tool = _text(item.get("tool"), (place, "tool"))
    if not tool.isprintable() or not 0 < len(tool.encode()) <= MAX_NAME:
        raise _error((place, "tool"), f"must be 1 to {MAX_NAME} bytes without control characters")
    rationale = _text(item.get("rationale", ""), (place, "rationale"))
    if len(rationale) > MAX_RATIONALE:
        raise _error((place, "rationale"), f"has more than {MAX_RATIONALE} characters")
    return Step(tool, _args(item.get("args", {}), (place, "args")), rationale)


def _args(args: object, place: _Place) -> dict[str, Any]:
    if type(args) is not dict:
        raise _error(place, f"must be an object, not {_word(args)}")
    copier = _Copier(place)
    copied: dict[str, Any] = copier.copy(args, place, 0)
    if copier.size > _SURELY_SMALL:
        try:
            canonical(copied)
        except ArgumentError:
            raise copier.too_large() from None
    return copied


class _Copier:
    """Copies JSON values and counts, so that one that holds itself ends at the limit."""

    def __init__(self, root: _Place) -> None:
        self.size = 0
        self._root = root

    def too_large(self) -> PlanError:
        return _error(self._root, f"takes more than {MAX_BYTES} bytes; pass large data as a file")

    def copy(self, value: Any, place: _Place, depth: int) -> Any:
        self._count(1)
        kind = type(value)
        if kind is str:
            self._count(len(value))
            return _text(value, place)
        if value is None or kind is bool:
            return value
        if kind is int:
            return _integer(value, place)
        if kind is float:
            return _float(value, place)
        if depth >= MAX_DEPTH:
            raise _error(place, f"is nested more than {MAX_DEPTH} deep")
        if kind is list or kind is tuple:
            return [self.copy(item, (place, i), depth + 1) for i, item in enumerate(value)]
        if kind is dict:
            return {
                self._key(k, place): self.copy(v, (place, k), depth + 1) for k, v in value.items()
            }
        raise _error(place, f"must be a JSON value, not {_word(value)}")

    def _key(self, key: Any, place: _Place) -> str:
        if type(key) is not str:
            raise _error(place, f"has a key that is {_word(key)}; keys are text")
        self._count(len(key))
        return _text(key, place)

    def _count(self, size: int) -> None:
        self.size += size
        if self.size > MAX_BYTES:
            raise self.too_large()


def _text(value: object, place: _Place) -> str:
    if type(value) is not str:
        raise _error(place, f"must be text, not {_word(value)}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _error(place, "has half of a surrogate pair, which is no character") from None
    return value


def _integer(value: int, place: _Place) -> int:
    if abs(value) > MAX_INTEGER:
        raise _error(place, "is an integer beyond 2**53 - 1; pass it as text")
    return value


def _float(value: float, place: _Place) -> float:
    if not math.isfinite(value):
        raise _error(place, "must be a finite number")
    return value


def _shown(place: _Place) -> str:
    if isinstance(place, str):
        return place
    outer, key = place
    return f"{_shown(outer)}[{key}]" if type(key) is int else _inside(_shown(outer), key)


def _inside(place: str, key: object) -> str:
    """Return the place of a key, with a hostile one made harmless."""
    if type(key) is not str:
        return f"{place}[?]"
    if key.isascii() and key.isidentifier() and len(key) <= 64:  # noqa: PLR2004 - enough to recognise it
        return f"{place}.{key}"
    return f"{place}[{key[:64]!a}]"


def _word(value: object) -> str:
    """Name the kind of a value without asking the value."""
    return _WORDS.get(type(value), "an object of Python's own")


def _error(place: _Place, why: str) -> PlanError:
    return PlanError(f"`{_shown(place)}` {why}")
