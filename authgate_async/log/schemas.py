"""A JSON Schema (2020-12) for each kind of record; the files in `docs/log-v1/` are these."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import msgspec

from authgate_async.log.records import Record

__all__ = ["schemas"]

_DIGEST = {"minLength": 64, "maxLength": 64}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each kind, by its name."""
    return {str(kind.__struct_config__.tag): _schema(kind) for kind in get_args(Record)}


def _schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    found = msgspec.json.schema(kind)
    parts: dict[str, Any] = found.pop("$defs")
    for part in parts.values():
        _stored(part)
    own: dict[str, Any] = parts.pop(kind.__name__)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return head | own | ({"$defs": parts} if parts else {})


def _stored(node: Any) -> None:
    """Say what holds of a stored record: every field is there, patterns end as in ECMA 262."""
    if isinstance(node, list):
        for each in node:
            _stored(each)
    elif isinstance(node, dict):
        if "properties" in node:
            node["required"] = sorted(node["properties"])
        if node.items() >= _DIGEST.items():
            node["pattern"] = "^[0-9a-f]{64}$"
        if isinstance(node.get("pattern"), str):
            node["pattern"] = node["pattern"].replace("\\Z", "$")
        if isinstance(node.get("description"), str):  # indented as each Python likes
            node["description"] = inspect.cleandoc(node["description"])
        node.pop("default", None)
        for each in node.values():
            _stored(each)
