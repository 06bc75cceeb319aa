from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authgate_async import wire
from authgate_async.log.entries import CHANGE_FIELDS, change_from, change_of, intent_of
from authgate_async.log.records import MAX_INT, decode_record, encode_record

if TYPE_CHECKING:
    from conftest import Scribe

LIMIT = (wire.Constraint("n", "le", "10"),)
GRANT = wire.Grant(
    "g",
    "a",
    "machine",
    "folder",
    "docs",
    "",
    1,
    expires_at=2**63 - 1,
    constraints=LIMIT,
    approvers=("h",),
)
CHANGES = (
    wire.Enrol("a", "machine", b"\x01" * 32),
    wire.Own("a", "h"),
    wire.Declare("folder", "docs", public=True),
    wire.Register(GRANT),
    wire.Delegate(GRANT, "a", "machine"),
    wire.Revoke("g"),
    wire.RevokeHolder("bot", "machine"),
    wire.RevokeHeld("bot", "machine", "file", "docs"),
    wire.AdvanceEpoch(2**63 - 1),
    wire.AdvanceHolderEpoch("bot", "machine", 2**63 - 1),
    wire.Approve(b"i" * 16, b"d" * 32, "h", 1, b"n" * 16, b"s" * 64),
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_recorded_with_all_its_fields(change: wire.Change) -> None:
    """Each kind of change can be stored, with the fields that `verify` asks for."""
    record = change_of(change, wire.Changed("", "", 2**63 - 1), by="h", time=1)
    assert decode_record(encode_record(record)) == record
    assert record.fields.keys() == CHANGE_FIELDS[record.change]
    assert change_from(record) == change


@pytest.mark.parametrize(
    "fields", [{"to": "a"}, {"to": -1}, {"to": 2**70}, {}, {"to": 1, "more": 1}]
)
def test_a_change_that_is_none_is_not_read(fields: dict[str, Any]) -> None:
    """What was not written by `change_of` is an error."""
    changed = wire.Changed("", "", 1)
    record = change_of(wire.AdvanceEpoch(1), changed, by="h", time=1)
    with pytest.raises(ValueError):  # noqa: PT011 - whose sentence is not ours
        change_from(msgspec.structs.replace(record, fields=fields))


def test_a_grant_is_flattened_into_words_and_numbers() -> None:
    """Flags become 0 or 1, bytes hex, and a number too large for JSON its digits."""
    changed = wire.Changed("", "", 1)
    fields = change_of(wire.Register(GRANT), changed, by="h", time=1).fields
    assert (fields["rights"], fields["cross_domain"]) == (1, 0)
    assert fields["expires_at"] == "9223372036854775807"
    assert fields["constraints"] == '[["n","le","10"]]'
    assert change_of(CHANGES[0], changed, by="h", time=1).fields["key"] == "01" * 32


@pytest.mark.parametrize("number", [0, MAX_INT, MAX_INT + 1, 2**63 - 1])
def test_every_verdict_a_kernel_can_give_can_be_stored(scribe: Scribe, number: int) -> None:
    """Numbers up to 2^63 - 1 and hostile text are stored and read back."""
    signed, verdict = _signed(scribe, number)
    record = intent_of(signed, verdict, run="r", seq=0)
    assert decode_record(encode_record(record)) == record
    assert int(record.epoch) == int(record.expires_at) == int(record.requests[0].right) == number


def _signed(scribe: Scribe, number: int) -> tuple[wire.SignedVerdict, wire.Verdict]:
    proof = scribe.intent("r", 0).proof
    verdict = msgspec.structs.replace(
        msgspec.msgpack.decode(bytes.fromhex(proof.verdict), type=wire.Verdict),
        epoch=number,
        issued_at=number,
        expires_at=number,
        actor='"\x00\u2028\U0001f600\\',
        requests=(wire.Request("\n", "", "\x7f", number),),
    )
    return wire.SignedVerdict(msgspec.msgpack.encode(verdict), 0, 1, b"", b""), verdict
