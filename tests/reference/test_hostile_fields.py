"""What is malformed is neither quoted in a sentence nor signed."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest

from authgate_async.backends import make_kernel
from authgate_async.wire import (
    Action,
    Declare,
    Enrol,
    Grant,
    Own,
    Register,
    Request,
    SignedVerdict,
    Verdict,
)

SECRET = b"\x01" * 32
MARK = "evil"
SANE = Action("a", "bot", "machine", "t", b"{}", (Request("f", "n", "s", 1),))
PLACES = {
    "id": lambda text: {"id": text},
    "actor": lambda text: {"actor": text},
    "kind": lambda text: {"kind": text},
    "tool": lambda text: {"tool": text},
    "rtype": lambda text: {"requests": (Request(text, "n", "s", 1),)},
    "name": lambda text: {"requests": (Request("f", text, "s", 2),)},
    "scope": lambda text: {"requests": (Request("f", "n", text, 4),)},
    "args": lambda text: {"args": text.encode()},
    "human": lambda text: {"governs_humans": (text,)},
    "65th request": lambda text: {"requests": (*SANE.requests * 64, Request(text, "n", "s", 1))},
    "proof": lambda text: {"proof": text.encode()},
}

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode


@pytest.fixture(params=["rust", "python"])
def kernel(request: pytest.FixtureRequest) -> Any:
    """A kernel in which much can be said of `bot`: it may read, in another trust domain."""
    made = make_kernel(request.param, seed=SECRET, entropy=SECRET)
    grant = Grant("g", "bot", "machine", "f", "n", "s", 15)
    people = [Enrol("ann", "human"), Enrol("bot", "machine"), Own("bot", "ann")]
    made.change(encode([*people, Declare("f", "n", trust_domain="D"), Register(grant)]), 0)
    return made


def _decided(kernel: Any, action: Action) -> tuple[bytes, Verdict]:
    output = kernel.decide(encode([action]), 1, SECRET)
    (signed,) = decode(output, type=tuple[SignedVerdict])
    return output, decode(signed.verdict, type=Verdict)


def _digest(action: Action) -> bytes:
    """The digest of an action with that of its arguments in their place."""
    digested = msgspec.structs.replace(action, args=sha256(action.args).digest())
    return sha256(encode(msgspec.structs.astuple(digested)[:10])).digest()


@pytest.mark.parametrize("flaw", ["\n", "x" * 5_000, "\x9b"])
@pytest.mark.parametrize("place", PLACES)
def test_no_malformed_text_is_told_or_signed(kernel: Any, place: str, flaw: str) -> None:
    """Whichever field has it, with a control character or far too long: it is in no byte of it."""
    action = msgspec.structs.replace(SANE, **PLACES[place](MARK + flaw))
    output, verdict = _decided(kernel, action)
    assert not verdict.permitted
    assert MARK.encode() not in output
    assert len(output) < 10_000


def test_what_is_well_formed_stays_in_the_verdict(kernel: Any) -> None:
    """Only malformed fields are cut, and the digest is over the action as it came."""
    requests = (Request("f", "", "s", 3), Request("f", "n", "", 1))
    action = msgspec.structs.replace(SANE, tool="", requests=requests)
    _, verdict = _decided(kernel, action)
    assert (verdict.action_id, verdict.actor, verdict.kind, verdict.tool) == (
        "a", "bot", "machine", "",
    )  # fmt: skip
    assert verdict.args_digest == sha256(action.args).digest()
    assert verdict.requests == requests
    assert verdict.action_digest == _digest(action)
