"""Permits put straight into the sandbox supervisor's mailbox: only a good one starts, and once."""

from __future__ import annotations

import hashlib
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest
from anyio import to_thread

from authgate_async import Policy, Runtime, tool
from authgate_async.errors import UsageError
from authgate_async.log.verify import verify
from authgate_async.messages import Decided, Execute, Finished, Propose
from authgate_async.policy import Principal
from authgate_async.wire import Grant, Right, SignedVerdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from authgate_async.assembly import Parts

RAN: list[str] = []

UNSIGNED = msgspec.msgpack.encode(SignedVerdict(b"", 0, 1, b"", bytes(64)))


@tool(resource="compute:mark", right="execute", level="inline")
async def mark(text: str) -> str:
    """Leave a mark."""
    RAN.append(text)
    return text


POLICY = Policy(
    principals=(Principal("ann", "human"), Principal("bot", "machine", owner="ann")),
    grants=(Grant("g", "bot", "machine", "compute", "mark", "", Right.EXECUTE),),
)


class Clock:
    """A clock that the attacker moves."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000

    def __call__(self) -> int:
        """Tell the time."""
        return self.now


class Door:
    """What an attacker inside the process has: the actors' own references."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self.runtime = runtime
        self.clock = clock
        self.parts: Parts = runtime._required()

    async def permit(self, text: str = "x", run: str = "r1", agent: str = "bot") -> Decided:
        """Get a decision in the regular way."""
        step = Propose(run, 0, agent, "machine", "mark", {"text": text}, _opening(run, agent))
        return await self.parts.gate.ask(step, Decided, timeout=60)

    async def execute(self, permit: bytes, args: bytes, name: str = "mark") -> Finished:
        """Put a permit into the supervisor's mailbox."""
        message = Execute("r1", 0, "bot", permit, name, args)
        return await self.parts.supervisor.ask(message, Finished, timeout=60)


def _opening(run: str, agent: str) -> Any:
    from authgate_async.log.records import RunOpened  # noqa: PLC0415 - only here

    digest = hashlib.sha256(b"").hexdigest()
    return RunOpened(agent=agent, intent_digest=digest, run=run, task="t", time=1)


@pytest.fixture(params=["rust", "python"])
def door(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Open a runtime whose insides the attacker can reach."""

    @asynccontextmanager
    async def enter() -> AsyncIterator[Door]:
        RAN.clear()
        clock = Clock()
        async with Runtime(
            POLICY, tools=(mark,), backend=request.param, log=tmp_path / "log", now=clock
        ) as rt:
            yield Door(rt, clock)
        report = await to_thread.run_sync(verify, tmp_path / "log")
        assert report.ok, report

    return enter


async def test_a_good_permit_starts_its_call_once(door: Callable[..., Any]) -> None:
    """The regular way works, and a replay is refused."""
    async with door() as d:
        decided = await d.permit()
        first = await d.execute(decided.permit, decided.args)
        again = await d.execute(decided.permit, decided.args)

    assert (first.cause, again.refusal) == ("returned", "permit_replayed")
    assert RAN == ["x"]


async def test_of_many_replays_at_once_one_wins(door: Callable[..., Any]) -> None:
    """A hundred tasks with one permit start one call."""
    answers: list[Finished] = []
    async with door() as d:
        decided = await d.permit()

        async def use() -> None:
            answers.append(await d.execute(decided.permit, decided.args))

        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(use)

    assert RAN == ["x"]
    assert sorted(a.refusal for a in answers) == ["", *["permit_replayed"] * 99]


async def test_every_flipped_byte_is_refused(door: Callable[..., Any]) -> None:
    """A permit with any one byte changed starts nothing."""
    async with door() as d:
        decided = await d.permit()
        answers = []
        async with anyio.create_task_group() as group:

            async def use(permit: bytes) -> None:
                answers.append(await d.execute(permit, decided.args))

            for place in range(len(decided.permit)):
                altered = bytearray(decided.permit)
                altered[place] ^= 1 << (place % 8)
                group.start_soon(use, bytes(altered))

    assert RAN == []
    assert {a.refusal for a in answers} == {"permit_forged"}


@pytest.mark.parametrize(
    ("permit", "args", "name", "code"),
    [
        (b"", None, "mark", "permit_forged"),
        (b"\xc1" * 100, None, "mark", "permit_forged"),
        (b"\x95" + b"\xdd\xff\xff\xff\xff" * 4, None, "mark", "permit_forged"),
        (UNSIGNED, None, "mark", "permit_forged"),
        (None, b'{"text":"y"}', "mark", "permit_mismatch"),
        (None, b'{"text": "x"}', "mark", "permit_mismatch"),
        (None, b"", "mark", "permit_mismatch"),
        (None, None, "calculator", "permit_mismatch"),
    ],
)  # fmt: skip
async def test_forged_and_swapped_permits_are_refused(
    door: Callable[..., Any], permit: bytes | None, args: bytes | None, name: str, code: str
) -> None:
    """No signature, other arguments, another tool: nothing starts, and it is told which."""
    async with door() as d:
        decided = await d.permit()
        answer = await d.execute(
            decided.permit if permit is None else permit,
            decided.args if args is None else args,
            name,
        )

    assert (answer.refusal, answer.cause, RAN) == (code, None, [])


async def test_a_permit_of_another_runtime_is_forged(door: Callable[..., Any]) -> None:
    """Another runtime's kernel signs with another key."""
    async with Runtime(POLICY, tools=(mark,), log=None) as other:
        foreign = await Door(other, Clock()).permit()
    async with door() as d:
        await d.permit()
        answer = await d.execute(foreign.permit, foreign.args)

    assert (answer.refusal, RAN) == ("permit_forged", [])


@pytest.mark.parametrize("jump", [60_000_000, 3_600_000_000, -1])
async def test_a_permit_is_good_for_its_time_only(door: Callable[..., Any], jump: int) -> None:
    """After its end, and before its beginning when a clock jumps back, it is refused."""
    async with door() as d:
        decided = await d.permit()
        d.clock.now += jump
        answer = await d.execute(decided.permit, decided.args)

    assert (answer.refusal, RAN) == ("permit_expired", [])


@pytest.mark.parametrize("change", ["epoch", "revoke"])
async def test_a_permit_whose_ground_is_gone_is_stale(
    door: Callable[..., Any], change: str
) -> None:
    """Between decision and execution the epoch rose, or the grant was revoked."""
    async with door() as d:
        decided = await d.permit()
        await (d.runtime.advance_epoch() if change == "epoch" else d.runtime.revoke("g"))
        answer = await d.execute(decided.permit, decided.args)

    assert (answer.refusal, RAN) == ("permit_stale", [])


async def test_a_denial_is_no_permit(door: Callable[..., Any]) -> None:
    """The signed verdict of a denial, which the gate keeps to itself, starts nothing either."""
    async with door() as d:
        denied = await d.permit(agent="eve")
        lines = await anyio.Path(d.runtime._settings.log / "log.jsonl").read_bytes()
        intent = next(
            record
            for line in lines.splitlines()
            if (record := json.loads(line)["record"])["kind"] == "intent"
        )
        proof = intent["proof"]
        signed = SignedVerdict(
            bytes.fromhex(proof["verdict"]),
            proof["index"],
            proof["size"],
            bytes.fromhex(proof["path"]),
            bytes.fromhex(proof["signature"]),
        )
        answer = await d.execute(msgspec.msgpack.encode(signed), denied.args)

    assert denied.permit == b""
    assert (answer.refusal, RAN) == ("permit_denied", [])


@pytest.mark.parametrize("actor", ["planner", "gate", "supervisor", "log"])
@pytest.mark.parametrize("message", [None, 5, "text", b"bytes", Finished(None), [1, 2], {"a": 1}])
async def test_what_is_no_message_is_refused_at_the_door(
    door: Callable[..., Any], actor: str, message: Any
) -> None:
    """Another type on a channel is told to its sender, counted, and hurts nobody."""
    async with door() as d:
        ref = getattr(d.parts, actor)
        with pytest.raises(UsageError):
            await ref.ask(message, Finished, timeout=60)
        decided = await d.permit()
        answer = await d.execute(decided.permit, decided.args)
        refused = ref.stats().refused

    assert (answer.cause, refused) == ("returned", 1)
