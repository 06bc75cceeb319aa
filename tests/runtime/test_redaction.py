"""What is kept off the log, in a runtime: nothing leaks, and everything still verifies."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from authgate_async import Task, tool
from authgate_async.errors import KeyFileError, PolicyError
from authgate_async.keys import key_id
from authgate_async.launchers.protocol import Limits
from authgate_async.log.keeping import salts_key
from authgate_async.log.lines import Fault
from authgate_async.log.opening import claims, clear_of
from authgate_async.log.verify import verify
from authgate_async.wire import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authgate_async.redaction import ArgsKept, OutputsKept
    from authgate_async.tools import Tool

    Told = Callable[..., Any]

AUDITOR = X25519PrivateKey.from_private_bytes(b"\x07" * 32)
PUBLIC = AUDITOR.public_key().public_bytes_raw()
MINE = key_id(PUBLIC)
SEED = b"\x05" * 32
PIN = "4711"
PHRASE = "hunter-4711"
"""Long enough not to occur by chance in a digest."""

VALUES = (PHRASE, PIN, f"-{PHRASE}", [PHRASE])
STEPS = tuple({"tool": "tell", "args": {"pin": value}} for value in VALUES)


def telling(
    args: ArgsKept = "full", outputs: OutputsKept = "checksum", result_bytes: int = 2**20
) -> Tool:
    """Return a tool that says what it is told, or fails and quotes it."""

    @tool(
        resource="compute:echo",
        right="execute",
        level="inline",
        record_args=args,
        record_outputs=outputs,
        limits=Limits(result_bytes=result_bytes),
    )
    async def tell(pin: str) -> str:
        if pin.startswith("-"):
            raise ValueError(f"what is {pin}?")
        return pin

    return tell


def records(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a log."""
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    return [json.loads(line)["record"] for line in lines]


@pytest.fixture
def told(runtime: Told, tmp_path: Path) -> Told:
    """Run four steps whose arguments and outputs are secrets, and return what was logged."""

    async def act(args: ArgsKept, outputs: OutputsKept) -> list[dict[str, Any]]:
        log, tools = tmp_path / "log", (telling(args, outputs),)
        async with runtime(tools=tools, log=log, key=SEED, auditor=PUBLIC) as rt:
            task = Task(agent="bot", intent=f"say {PHRASE}", steps=STEPS)
            result = await rt.run(task)
        assert [step.value for step in result.steps] == [PHRASE, PIN, None, None]
        assert result.steps[2].error == f"ValueError: what is -{PHRASE}?"
        report = await to_thread.run_sync(verify, log)
        assert report.ok, report
        found: list[dict[str, Any]] = await to_thread.run_sync(records, log)
        return found

    return act


def of(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the records of one kind."""
    return [record for record in found if record["kind"] == kind]


@pytest.mark.parametrize("outputs", ["checksum", "full", "digest", "sealed"])
@pytest.mark.parametrize("args", ["full", "digest", "sealed"])
async def test_what_is_kept_back_is_in_no_line(
    told: Told, capsys: pytest.CaptureFixture[str], args: ArgsKept, outputs: OutputsKept
) -> None:
    """Not in a record, a sentence, an error, or the operator's log; and every log verifies."""
    found = await told(args, outputs)
    shown = {kind: PHRASE in json.dumps(of(found, kind)) for kind in ("intent", "rejected")}
    results = "".join(record["result"] for record in of(found, "outcome"))
    errors = "".join(record["error"] for record in of(found, "outcome"))
    tells = args == "full" and outputs in ("checksum", "full")
    assert shown == {"intent": args == "full", "rejected": False}
    assert (PHRASE in results) == (outputs == "full")
    assert (PHRASE in errors) == tells
    assert (PHRASE in capsys.readouterr().err) == tells
    assert (PHRASE in json.dumps(found)) == (args == "full" or outputs == "full")


@pytest.mark.parametrize("args", ["digest", "sealed"])
async def test_a_pin_cannot_be_guessed_from_its_record(told: Told, args: ArgsKept) -> None:
    """No digest in the intent or its signed verdict is one that a guesser could make of it."""
    intent = of(await told(args, "digest"), "intent")[1]
    digest = sha256(b'{"pin":"4711"}').digest()
    signed = bytes.fromhex(intent["proof"]["verdict"])
    verdict = msgspec.msgpack.decode(signed, type=Verdict)
    requests = msgspec.to_builtins(verdict.requests)
    action = (intent["action_id"], "bot", "machine", "tell", digest, requests, (), 0, 0, b"")
    guessed = sha256(msgspec.msgpack.encode(action)).digest()
    assert digest not in signed
    assert guessed not in signed
    assert not {digest.hex(), guessed.hex()} & set(map(str, intent.values()))


async def test_where_arguments_are_in_clear_the_same_guess_is_right(told: Told) -> None:
    """The test above would see it: without a salt these are the digests."""
    intent = of(await told("full", "checksum"), "intent")[1]
    digest = sha256(b'{"pin":"4711"}').digest()
    request = [["compute", "echo", "", 4]]
    action = (intent["action_id"], "bot", "machine", "tell", digest, request, (), 0, 0, b"")
    assert intent["args_digest"] == digest.hex()
    assert intent["action_digest"] == sha256(msgspec.msgpack.encode(action)).hexdigest()


async def test_the_auditor_reads_what_was_sealed(told: Told) -> None:
    """Arguments, results and the tool's own words, held against the digests beside them."""
    found = await told("sealed", "sealed")
    assert of(found, "log_opened")[0]["auditor"] == MINE
    intents = [clear_of(record, MINE, AUDITOR, MINE) for record in of(found, "intent")]
    outcomes = [clear_of(record, MINE, AUDITOR, MINE) for record in of(found, "outcome")]
    assert [each and each["args"] for each in intents] == [
        f'{{"pin":"{value}"}}' for value in VALUES[:3]
    ]
    assert [each and each["result"] for each in outcomes] == [f'"{PHRASE}"', f'"{PIN}"', ""]
    assert [each and each["error"] for each in outcomes] == [
        "", "", f"ValueError: what is -{PHRASE}?",
    ]  # fmt: skip


async def test_sealed_texts_cannot_change_places(told: Told) -> None:
    """One record's sealed text in another, or another digest beside it, is found by the auditor."""
    found = await told("sealed", "sealed")
    one, two = of(found, "intent")[:2]
    with pytest.raises(Fault, match="changed, or sealed for another record"):
        clear_of(one | {"sealed_args": two["sealed_args"]}, MINE, AUDITOR, MINE)
    with pytest.raises(Fault, match="`args` is not what the digest beside it is of"):
        clear_of(one | {"args_digest": two["args_digest"]}, MINE, AUDITOR, MINE)
    outcome = of(found, "outcome")[0]
    for name in ("result", "stdout", "stderr"):
        with pytest.raises(Fault, match=f"`{name}` is not what the digest beside it is of"):
            clear_of(outcome | {f"{name}_digest": "0" * 64}, MINE, AUDITOR, MINE)
    with pytest.raises(
        Fault, match=f"sealed to the auditor's key 0123, and the key given is {MINE}"
    ):
        clear_of(one, "0123", AUDITOR, MINE)


async def test_who_has_the_logs_key_can_check_a_claim(told: Told) -> None:
    """Of digests, not of what is sealed; and nobody can without that key."""
    found, key = await told("digest", "digest"), salts_key(SEED)
    intent, outcome = of(found, "intent")[1], of(found, "outcome")[1]
    opened = of(found, "run_opened")[0]
    assert claims(intent, b'{"pin":"4711"}', key) == "arguments"
    assert claims(outcome, b'"4711"', key) == "result"
    assert claims(opened, f"say {PHRASE}".encode(), key) == "task's sentence"
    assert claims(intent, b'{"pin":"4712"}', key) == ""
    assert claims(intent, b'{"pin":"4711"}', None) == ""
    assert claims(intent, b'{"pin":"4711"}', salts_key(b"\x06" * 32)) == ""
    assert claims(of(found, "run_closed")[0], b"", key) == ""


@pytest.mark.parametrize("kept", [{"args": "sealed"}, {"outputs": "sealed"}])
async def test_nothing_is_sealed_to_nobody(runtime: Told, kept: dict[str, Any]) -> None:
    """A runtime that should seal and has no auditor's key does not start."""
    with pytest.raises(PolicyError, match=r"records of tool `tell`.*keygen --auditor FILE"):
        async with runtime(tools=(telling(**kept),)):
            pass


@pytest.mark.parametrize("key", [b"short", bytes(32)])
async def test_a_key_that_nothing_can_be_sealed_to_is_refused(runtime: Told, key: bytes) -> None:
    """One of another length, and one of a small order, with which everybody agrees on zeros."""
    with pytest.raises(KeyFileError, match="auditor's key"):
        async with runtime(auditor=key):
            pass


@pytest.mark.parametrize("outputs", ["full", "sealed"])
async def test_outputs_that_no_record_has_room_for_are_refused(
    runtime: Told, outputs: OutputsKept
) -> None:
    """At the start, with the limits that would have to be lower, and not when a call has ended."""
    large = telling(outputs=outputs, result_bytes=2**21)
    with pytest.raises(PolicyError, match="`tell` are to be recorded and may not fit a record"):
        async with runtime(tools=(large,), auditor=PUBLIC):
            pass


@pytest.mark.parametrize("outputs", ["full", "sealed"])
async def test_the_largest_outputs_that_are_taken_fit(
    runtime: Told, tmp_path: Path, outputs: OutputsKept
) -> None:
    """A result in which every byte takes two, as long as it may be: it is recorded."""
    most = 2**21 - 128 - 2 * 2**17

    @tool(
        resource="compute:echo",
        right="execute",
        level="inline",
        record_outputs=outputs,
        limits=Limits(result_bytes=most),
    )
    async def swell() -> str:
        return "\\" * (most // 2 - 1)

    async with runtime(tools=(swell,), log=tmp_path / "log", auditor=PUBLIC) as rt:
        result = await rt.run(Task(agent="bot", steps=({"tool": "swell"},)))
    assert (result.status, result.steps[0].error) == ("done", "")
    (outcome,) = of(await to_thread.run_sync(records, tmp_path / "log"), "outcome")
    assert len(outcome["result"] or outcome["sealed_outputs"]) >= most
    assert (await to_thread.run_sync(verify, tmp_path / "log")).ok


async def test_what_a_planner_says_may_have_what_is_kept_back(
    runtime: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    """The caller is told; the operator's log only where nothing is kept back."""

    class Planner:
        async def plan(self, *_: object) -> object:
            raise ValueError(PHRASE)

    for args, shown in (("digest", False), ("full", True)):
        async with runtime(planner=Planner(), tools=(telling(args),)) as rt:
            result = await rt.run("say it", agent="bot")
        assert PHRASE in result.error
        assert (PHRASE in capsys.readouterr().err) == shown
