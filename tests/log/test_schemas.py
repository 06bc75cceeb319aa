"""The schema files of the records."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authgate_async.log import rotation
from authgate_async.log.lines import read_line
from authgate_async.log.records import KeyChanged, RecordsRemoved, encode_record
from authgate_async.log.schemas import schemas
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from conftest import Scribe

FOLDER = Path(__file__).parents[2] / "docs" / "log-v1"


def test_the_files_are_those_of_the_code() -> None:
    """A kind that changed has another file: `authgate audit schema KIND` prints it."""
    files = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    assert files == schemas()


def _fits(value: Any, schema: dict[str, Any], parts: dict[str, Any]) -> bool:
    """A reader of these schemas, of no others: every keyword that they use."""
    if "$ref" in schema:
        return _fits(value, parts[schema["$ref"].rpartition("/")[2]], parts)
    if "anyOf" in schema:
        return any(_fits(value, each, parts) for each in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    return _TYPES[schema["type"]](value, schema, parts)


def _integer_fits(value: Any, schema: dict[str, Any], _: Any) -> bool:
    low, high = schema.get("minimum", 0), schema.get("maximum", 2**63)
    return isinstance(value, int) and low <= value <= high


def _string_fits(value: Any, schema: dict[str, Any], _: Any) -> bool:
    longest, pattern = schema.get("maxLength", 2**32), schema.get("pattern", "")
    return isinstance(value, str) and len(value) <= longest and bool(re.search(pattern, value))


def _array_fits(value: Any, schema: dict[str, Any], parts: dict[str, Any]) -> bool:
    if not isinstance(value, list):
        return False
    items = [*schema.get("prefixItems", ())]
    rest = [schema["items"]] * (len(value) - len(items)) if schema.get("items") else []
    pairs = zip(value, items + rest, strict=True)
    return all(_fits(each, its, parts) for each, its in pairs)


def _object_fits(value: Any, schema: dict[str, Any], parts: dict[str, Any]) -> bool:
    known, more = schema.get("properties", {}), schema.get("additionalProperties", False)
    if not isinstance(value, dict) or not set(schema.get("required", ())) <= value.keys():
        return False
    return all(
        (found := known.get(name, more)) is not False and _fits(each, found, parts)
        for name, each in value.items()
    )


_TYPES = {
    "integer": _integer_fits,
    "string": _string_fits,
    "array": _array_fits,
    "object": _object_fits,
}


@pytest.fixture
def stored(scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Records of every kind, as a log has them."""
    monkeypatch.setattr(rotation, "MIN_BYTES", 1)
    log = LogFile.open(tmp_path, "os", scribe.kernel, rotation.Rotation(file_bytes=1))
    log.append([scribe.opened(), *scribe.changes, *scribe.run("r")[:2], scribe.refusal()])
    log.append(scribe.run("r")[2:])
    log.close()
    changed = KeyChanged(key_id="0" * 16, public_key="0" * 64, time=0)
    removed = RecordsRemoved(end=1, time=0)
    asked = msgspec.json.decode(encode_record(scribe.asked("r", 9)))
    read = [
        msgspec.json.decode(read_line(raw).record)
        for file in tmp_path.glob("*.jsonl")
        for raw in file.read_bytes().splitlines(keepends=True)
    ]
    return [*read, msgspec.to_builtins(changed), msgspec.to_builtins(removed), asked]


def test_what_is_stored_fits_its_schema(stored: list[dict[str, Any]]) -> None:
    """Each record, of each kind; with a field more or less it does not."""
    by_kind = schemas()
    assert {record["kind"] for record in stored} == by_kind.keys()
    for record in stored:
        schema = by_kind[record["kind"]]
        parts = schema.get("$defs", {})
        assert _fits(record, schema, parts), record
        assert not _fits(record | {"more": 1}, schema, parts)
        for name in record:
            less = {key: value for key, value in record.items() if key != name}
            assert not _fits(less, schema, parts)
