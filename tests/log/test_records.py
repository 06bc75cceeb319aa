from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from authgate_async.errors import UsageError
from authgate_async.log.lines import Fault
from authgate_async.log.records import (
    MAX_INT,
    Record,
    RunClosed,
    RunOpened,
    decode_record,
    encode_record,
    render_record,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def _texts(kind: inspect.StrType) -> SearchStrategy[str]:
    if kind.min_length is not None:  # a digest
        return st.from_regex("[0-9a-f]{64}", fullmatch=True)
    return TEXT if kind.pattern is None else st.from_regex(re.compile(kind.pattern, re.ASCII))


def _values(kind: Any) -> SearchStrategy[Any]:  # noqa: PLR0911  # a table
    """Values of a type, as `msgspec` understands the type."""
    match kind:
        case inspect.StrType():
            return _texts(kind)
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.UnionType(types=types):
            return st.one_of(*map(_values, types))
        case inspect.VarTupleType(item_type=item):
            return st.lists(_values(item), max_size=3).map(tuple)
        case inspect.TupleType(item_types=items):
            return st.tuples(*map(_values, items))
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key), _values(value), max_size=4)
        case inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: _values(field.type) for field in fields})
    raise NotImplementedError(kind)


RECORDS = _values(inspect.type_info(Record))


@given(RECORDS)
def test_a_record_is_stored_as_rfc_8785_has_it(record: Record) -> None:
    """Every record, whatever its strings, is stored in RFC 8785 canonical form."""
    assert encode_record(record) == rfc8785.dumps(msgspec.to_builtins(record))


@given(RECORDS)
def test_a_record_comes_back_from_storage_and_channel(record: Record) -> None:
    """What was stored or sent is read as the same record."""
    assert decode_record(encode_record(record)) == record
    sent = msgspec.msgpack.encode(record)
    assert msgspec.msgpack.decode(sent, type=Record) == record


@pytest.mark.parametrize("digest", ["g" * 64, "A" * 64, "é" * 64, "0" * 63 + "\n"])
def test_a_digest_of_other_digits_is_neither_stored_nor_read(digest: str) -> None:
    """A channel looks at the length of a digest only; where it counts, each digit is looked at."""
    record = RunOpened(agent="a", intent_digest=digest, run="r", task="t", time=0)
    with pytest.raises(UsageError, match=r"64 hex digits - at `.*intent_digest`"):
        encode_record(record)
    with pytest.raises(Fault, match="64 hex digits"):
        decode_record(render_record(record))


def test_every_kind_has_its_name_in_the_union() -> None:
    """The kinds of the format are these and no others."""
    tags = {cls.__struct_config__.tag for cls in get_args(Record)}
    assert tags == {
        "approval_asked",
        "change",
        "checkpoint",
        "grants_carried",
        "intent",
        "key_changed",
        "log_opened",
        "outcome",
        "records_removed",
        "refusal",
        "rejected",
        "run_carried",
        "run_closed",
        "run_opened",
        "sealed",
        "segment_opened",
    }


CLOSED = RunClosed(run="r", status="done", time=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"time": -1},
        {"time": MAX_INT + 1},
        {"time": 2**70},
        {"time": 0.5},
        {"time": True},
        {"status": "Done"},
        {"status": "done\n"},
        {"run": "\ud800"},
        {"run": b"r"},
        {"run": object()},
    ],
)
def test_a_value_out_of_range_is_never_stored(changes: dict[str, Any]) -> None:
    """What could not be read back is refused with the record's kind and a remedy."""
    record = msgspec.structs.replace(CLOSED, **changes)
    with pytest.raises(UsageError, match=r"RunClosed record cannot be stored: .*; mend that value"):
        encode_record(record)


STORED = encode_record(CLOSED)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b'"time":1', b'"time": 1'),
        lambda data: data.replace(b'"time":1', b'"time":1.0'),
        lambda data: data.replace(b'"time":1', b'"time":1e0'),
        lambda data: data.replace(b'"time":1', b'"time":1,"time":1'),
        lambda data: data.replace(b'"time":1', b'"time":-0'),
        lambda data: data.replace(b'"run":"r"', b'"run":"\\u0072"'),
        lambda data: data.replace(
            b'"kind":"run_closed","run":"r"', b'"run":"r","kind":"run_closed"'
        ),
        lambda data: data[:-1] + b',"kind":"run_closed"}',
    ],
)
def test_another_spelling_of_a_record_is_a_fault(change: Callable[[bytes], bytes]) -> None:
    """Only the canonical bytes are the record, so that a digest has one meaning."""
    changed = change(STORED)
    with pytest.raises(Fault):
        decode_record(changed)
