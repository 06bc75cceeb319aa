"""Both sides of the wire declare the same structs: what one encodes, the other takes and gives."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest

from authgate_async.wire import (
    Action,
    AdvanceEpoch,
    AdvanceHolderEpoch,
    Changed,
    Declare,
    Delegate,
    Enrol,
    Grant,
    Own,
    Redeemed,
    Redemption,
    Register,
    Request,
    Revoke,
    RevokeHeld,
    RevokeHolder,
    SignedVerdict,
    Verdict,
)

encode = msgspec.msgpack.encode

GRANT = Grant("g", "é", "human", "file", "docs", "a/b", 15, 7, 2**63 - 1, 3, "p", cross_domain=True)
ACTION = Action(
    "i" * 40,
    "a" * 300,
    "human",
    "t" * 70_000,
    b"d" * 300,
    tuple(Request("r", "n", "s", right) for right in (0, 127, 128, 2**63 - 1)) * 5,
    ("h",) * 17,
    2**32,
    2**16,
    b"p" * 64,
)
CHANGES = [
    Enrol("ann", "human", b"k" * 32, "D"),
    Own("bot", "ann"),
    Declare("file", "docs", public=True, trust_domain="D"),
    Register(GRANT),
    Delegate(GRANT, "ann", "human"),
    Revoke("g"),
    RevokeHolder("bot", "machine"),
    RevokeHeld("bot", "machine", "file", "docs"),
    AdvanceEpoch(7),
    AdvanceHolderEpoch("bot", "machine", 7),
]
MESSAGES: list[tuple[str, Any]] = [
    ("decide", ACTION),
    ("redeem", Redemption(b"p" * 400, "t", b"{}")),
    *(("change", change) for change in CHANGES),
]
BY_NAME = pytest.mark.parametrize(
    ("operation", "message"), MESSAGES, ids=lambda x: type(x).__name__
)


def _call(world: Any, operation: str, data: bytes) -> bytes:
    more = [bytes(32)] if operation == "decide" else []
    answer: bytes = getattr(world.kernel, operation)(data, 0, *more)
    return answer


@BY_NAME
def test_what_python_encodes_is_taken(world: Any, operation: str, message: Any) -> None:
    """One answer comes back for each message of every type, twice in one list."""
    answer = _call(world, operation, encode([message, message]))
    assert len(msgspec.msgpack.decode(answer)) == 2


def _odd(message: Any) -> list[Any]:
    """The message's array with a field missing, with one more, and with each of a wrong type."""
    fields = msgspec.msgpack.decode(encode(message))
    wrong: list[Any] = [fields[:-1], [*fields, ""], {"a": 1}, None]
    values: tuple[Any, ...] = (None, -1, 1.0, 2**63, {}, [None])
    places = range(len(fields))
    return wrong + [[*fields[:at], value, *fields[at + 1 :]] for at in places for value in values]


@BY_NAME
def test_what_is_not_the_message_raises(world: Any, operation: str, message: Any) -> None:
    """A list with one wrong message raises, and the good one before it had no effect."""
    for odd in _odd(message):
        with pytest.raises(ValueError, match="the bytes do not decode: at byte"):
            _call(world, operation, encode([message, odd]))


@BY_NAME
def test_anything_after_the_list_raises(world: Any, operation: str, message: Any) -> None:
    """Bytes too many, or too few, are no list of messages."""
    data = encode([message])
    for odd in (data + b"\x00", data[:-1], b"", data + data):
        with pytest.raises(ValueError, match="the bytes do not decode: at byte"):
            _call(world, operation, odd)


def test_text_that_is_not_utf8_raises(world: Any) -> None:
    """A surrogate, or any other byte that is no UTF-8, is no text."""
    data = encode([Revoke("xyz")])
    for odd in (b"\xed\xa0\x80", b"\xff\xfe\xfd", b"a\x80b"):
        with pytest.raises(ValueError, match="text was expected"):
            _call(world, "change", data.replace(b"xyz", odd))


@pytest.mark.parametrize(
    ("operation", "message", "answer"),
    [
        ("change", Revoke("nobody's"), Changed),
        ("redeem", Redemption(b"", "t", b""), Redeemed),
        ("decide", ACTION, SignedVerdict),
    ],
)
def test_answers_are_as_python_would_encode_them(
    world: Any, operation: str, message: Any, answer: Any
) -> None:
    """Decoding and encoding an answer in Python gives the same bytes."""
    data = _call(world, operation, encode([message] * 20))
    assert encode(msgspec.msgpack.decode(data, type=list[answer])) == data


def test_a_verdict_is_as_python_would_encode_it(world: Any, action: Action) -> None:
    """Permits, denials, and verdicts with large parts alike."""
    for signed in world.decide(action, ACTION, msgspec.structs.replace(action, flags=3)):
        verdict = msgspec.msgpack.decode(signed.verdict, type=Verdict)
        assert encode(verdict) == signed.verdict


@pytest.mark.parametrize("proof", [b"", b"x", b"p" * 300])
def test_the_digest_is_of_the_action_without_its_proof(world: Any, proof: bytes) -> None:
    """SHA-256 of what Python encodes, without what is to be reserved."""
    action = msgspec.structs.replace(ACTION, proof=proof)
    verdict = msgspec.msgpack.decode(world.decide(action)[0].verdict, type=Verdict)
    args_digest = sha256(ACTION.args).digest()
    digested = msgspec.structs.replace(ACTION, args=args_digest, proof=b"")
    fields = msgspec.structs.astuple(digested)[:10]
    assert verdict.action_digest == sha256(encode(fields)).digest()
