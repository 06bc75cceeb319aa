"""An attacker inside the process cannot stretch a budget; nor can bad luck use it up."""

from __future__ import annotations

import hashlib
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest

from authgate_async import Policy, Runtime, Task, tool
from authgate_async.log.records import RunOpened
from authgate_async.messages import Decided, Execute, Finished, Propose
from authgate_async.policy import Principal, RunLimits
from authgate_async.wire import Grant, Redemption, Right, Settlement, SignedVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

RELEASE: list[anyio.Event] = []


@tool(resource="compute:mark", right="execute", level="inline")
async def wait() -> None:
    """Run until it is let go."""
    RELEASE[0].set()
    await RELEASE[1].wait()


@tool(resource="compute:mark", right="execute", level="inline")
async def mark(text: str) -> str:
    """Give the text back."""
    return text


def _policy(calls: int, processes: int = 0) -> Policy:
    sums = Grant("s", "bot", "machine", "compute", "calculator", "", 4, max_calls=calls)
    return Policy(
        principals=(Principal("ann", "human"), Principal("bot", "machine", owner="ann")),
        grants=(
            Grant("g", "bot", "machine", "compute", "mark", "", Right.EXECUTE, max_calls=calls),
            sums,
        ),
        limits=RunLimits(max_processes=processes),
    )


class Door:
    """What an attacker inside the process has: the actors' own references."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.parts = runtime._required()

    async def permit(self, run: str, name: str = "mark", **args: str) -> Decided:
        """Get a decision in the regular way."""
        empty = hashlib.sha256(b"").hexdigest()
        opening = RunOpened(agent="bot", intent_digest=empty, run=run, task="t", time=1)
        step = Propose(run, 0, "bot", "machine", name, args, opening)
        return await self.parts.gate.ask(step, Decided, timeout=60)

    async def execute(self, run: str, decided: Decided, name: str = "mark") -> Finished:
        """Put a permit into the supervisor's mailbox."""
        message = Execute(run, 0, "bot", decided.permit, name, decided.args)
        return await self.parts.supervisor.ask(message, Finished, timeout=60)


@pytest.fixture(params=["rust", "python"])
def door(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Open a runtime whose insides the attacker can reach."""

    @asynccontextmanager
    async def enter(calls: int, processes: int = 0) -> AsyncIterator[Door]:
        RELEASE[:] = [anyio.Event(), anyio.Event()]
        policy = _policy(calls, processes)
        async with Runtime(policy, tools=(wait, mark), backend=request.param, log=None) as rt:
            yield Door(rt)

    return enter


async def test_a_replay_gives_nothing_back_of_a_call_that_runs(door: Callable[..., Any]) -> None:
    """The refusal of the second use leaves what the first one holds."""
    async with door(1) as d, anyio.create_task_group() as group:
        decided = await d.permit("r1", "wait")
        group.start_soon(d.execute, "r1", decided, "wait")
        await RELEASE[0].wait()
        again = await d.execute("r1", decided, "wait")
        more = await d.permit("r2", text="x")
        RELEASE[1].set()

    assert again.refusal == "permit_replayed"
    assert more.codes == ("budget",)


async def test_a_permit_under_another_run_uses_nothing_up(door: Callable[..., Any]) -> None:
    """It is redeemed and turned away; what it held is there for a call that is what it says."""
    async with door(1) as d:
        decided = await d.permit("r1", text="x")
        stolen = await d.execute("r2", decided)
        more = await d.permit("r3", text="x")
        ran = await d.execute("r3", more)

    assert stolen.refusal == "permit_mismatch"
    assert ran.cause == "returned"


async def test_a_call_that_is_cancelled_in_the_queue_was_none(door: Callable[..., Any]) -> None:
    """It never started, so that its place in the budget is free at once, and its permit dead."""
    slow = {"tool": "calculator", "args": {"expression": "1+1"}}
    task = Task(agent="bot", steps=(slow,))
    async with door(1, processes=1) as d:
        slots = d.parts.launchers["jail"]._slots
        await slots.acquire()
        async with anyio.create_task_group() as group:
            group.start_soon(d.runtime.run, task)
            while d.runtime.stats()["sandbox supervisor"].taken == 0:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        slots.release()
        result = await d.runtime.run(task)

    assert (result.status, result.steps[0].value) == ("done", "2")


async def test_a_settlement_made_up_gives_back_nothing_that_runs(door: Callable[..., Any]) -> None:
    """One that was not redeemed cannot speak for one that was."""
    async with door(1) as d:
        decided = await d.permit("r1", text="x")
        verdict = msgspec.msgpack.decode(
            msgspec.msgpack.decode(decided.permit, type=SignedVerdict).verdict, type=Verdict
        )
        kernel, encode = d.parts.kernel, msgspec.msgpack.encode
        redemption = Redemption(decided.permit, "mark", decided.args)
        kernel.redeem(encode([redemption]), time.time_ns() // 1000)
        settlement = Settlement(verdict.nonce, redeemed=False, started=False)
        assert msgspec.msgpack.decode(kernel.settle(encode([settlement]))) == [False]
        more = await d.permit("r2", text="x")

    assert more.codes == ("budget",)
