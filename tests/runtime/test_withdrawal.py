"""What is taken away from an agent reaches the calls that it has running."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest

from authgate_async import Policy, Runtime, Task, tool
from authgate_async.actors.running import Permit
from authgate_async.actors.sandbox_supervisor import SandboxSupervisor
from authgate_async.errors import RefusedError
from authgate_async.policy import Resource
from authgate_async.wire import Grant, Right

BODIES = Path(__file__).parent / "bodies"
WAIT = {"tool": "wait", "args": {}}


async def _begun(waiting: list[float], count: int) -> None:
    while len(waiting) < count:
        await anyio.lowlevel.checkpoint()


Taking = Callable[[Runtime], Awaitable[object]]

WAYS: dict[str, tuple[Taking, str]] = {
    "grant": (lambda rt: rt.revoke("g-bot"), "`g-bot`, which was revoked"),
    "holder": (lambda rt: rt.revoke_holder("machine:bot"), "`g-bot`, which was revoked"),
    "holder on a resource": (
        lambda rt: rt.revoke_holder("machine:bot", "compute:echo"),
        "`g-bot`, which was revoked",
    ),
    "epoch": (lambda rt: rt.advance_epoch(), "is of epoch 0, below 1"),
    "epoch of a holder": (
        lambda rt: rt.advance_epoch(holder="machine:bot"),
        "`g-bot`, which is of epoch 0, below 1",
    ),
}
"""How something can be taken away, and what the outcome of a call then says."""

BY_WAY = pytest.mark.parametrize(("take", "why"), WAYS.values(), ids=WAYS)


@BY_WAY
async def test_a_running_call_ends(
    runtime: Callable[..., Any], waiting: list[float], tmp_path: Path, take: Taking, why: str
) -> None:
    """A call whose grant is revoked, or whose epoch is over, ends, and its outcome says why."""
    results = []
    async with runtime(log=tmp_path / "log") as rt:

        async def act() -> None:
            results.append(await rt.run(Task(agent="bot", steps=(WAIT,))))

        async with anyio.create_task_group() as group:
            group.start_soon(act)
            await _begun(waiting, 1)
            await take(rt)

    (step,) = results[0].steps
    assert step.error.endswith(why)
    log = await anyio.Path(tmp_path / "log" / "log.jsonl").read_text()
    records = [json.loads(line)["record"] for line in log.splitlines() if '"record"' in line]
    assert [each["cause"] for each in records if each["kind"] == "outcome"] == ["revoked"]


async def test_the_word_that_something_was_taken_away_is_let_go(
    runtime: Callable[..., Any],
) -> None:
    """No revocation leaves anything in the hands of who heard of it."""
    async with runtime() as rt:
        for _ in range(3):
            await rt.revoke(await rt.grant("machine:bot", "execute", "compute:other"))
        while (stats := rt.stats()["withdrawals"]).depth or stats.in_hand:
            await anyio.lowlevel.checkpoint()
        assert stats.taken


async def test_only_what_rests_on_it(runtime: Callable[..., Any], waiting: list[float]) -> None:
    """Of many calls those end whose chain leads through the grant, and the others go on."""
    ended: list[str] = []
    async with runtime(*(f"bot-{n}" for n in range(20))) as rt, anyio.create_task_group() as group:

        async def act(name: str) -> None:
            result = await rt.run(Task(agent=name, steps=(WAIT,)))
            ended.append(f"{name}: {result.steps[0].error}")

        for n in range(20):
            group.start_soon(act, f"bot-{n}")
        await _begun(waiting, 20)
        for n in range(10):
            await rt.revoke(f"g-bot-{n}")
        while len(ended) < 10:
            await anyio.lowlevel.checkpoint()
        assert {line.partition(":")[0] for line in ended} == {f"bot-{n}" for n in range(10)}
        assert all("which was revoked" in line for line in ended)
        group.cancel_scope.cancel()


@BY_WAY
async def test_what_was_handed_on(
    runtime: Callable[..., Any],
    policy: Callable[..., Policy],
    waiting: list[float],
    take: Taking,
    why: str,
) -> None:
    """What is taken from one ends the calls of those whom it was handed on to, at any depth."""
    own = policy("bot", "a", "b")
    root = Grant("g-bot", "bot", "machine", "compute", "echo", "", Right.EXECUTE | Right.DELEGATE)
    own = msgspec.structs.replace(own, grants=(root,))
    results = []
    async with runtime(policy=own) as rt:
        both = ("execute", "delegate")
        await rt.delegate(
            "g-bot", "machine:a", both, "compute:echo", by="machine:bot", grant_id="n"
        )
        await rt.delegate("n", "machine:b", "execute", "compute:echo", by="machine:a")

        async def act() -> None:
            results.append(await rt.run(Task(agent="b", steps=(WAIT,))))

        async with anyio.create_task_group() as group:
            group.start_soon(act)
            await _begun(waiting, 1)
            await take(rt)

    assert (results[0].steps[0].cause, results[0].steps[0].error[-len(why) :]) == ("revoked", why)


@BY_WAY
async def test_a_call_ends_while_others_wait_for_a_place(
    runtime: Callable[..., Any], waiting: list[float], take: Taking, why: str
) -> None:
    """Where every place is taken, the word that something was taken away waits for none."""
    names = ("bot", "second", "third")
    results: dict[str, Any] = {}
    async with runtime(*names, max_calls=1) as rt, anyio.create_task_group() as group:

        async def act(name: str) -> None:
            results[name] = await rt.run(Task(agent=name, steps=(WAIT,)))

        for count, name in enumerate(names, start=1):
            group.start_soon(act, name)
            await _begun(waiting, 1)
            while rt.stats()["sandbox supervisor"].taken < count:
                await anyio.lowlevel.checkpoint()
        await take(rt)
        while "bot" not in results:
            await anyio.lowlevel.checkpoint()
        assert results["bot"].steps[0].cause == "revoked"
        assert results["bot"].steps[0].error.endswith(why)
        group.cancel_scope.cancel()


async def test_a_call_that_is_about_to_start(
    runtime: Callable[..., Any], policy: Callable[..., Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Revoked between its redemption and its start, not even a plain function runs."""
    ran: list[str] = []

    @tool(resource="compute:echo", right="execute", level="inline")
    def plain() -> None:
        ran.append("it did")

    own = policy()
    limited = (msgspec.structs.replace(own.grants[0], max_calls=1),)
    withdrawn = anyio.Event()
    withdraw = Permit.withdraw

    def note(permit: Permit, why: str) -> None:
        withdraw(permit, why)
        withdrawn.set()

    monkeypatch.setattr(Permit, "withdraw", note)
    redeem = SandboxSupervisor._redeem

    async def late(supervisor: SandboxSupervisor, batch: list[Any]) -> list[Any]:
        answers = await redeem(supervisor, batch)
        await rt.revoke("g-bot")
        await withdrawn.wait()
        return answers

    monkeypatch.setattr(SandboxSupervisor, "_redeem", late)
    own = msgspec.structs.replace(own, grants=limited)
    async with runtime(policy=own, tools=(plain,)) as rt:
        result = await rt.run(Task(agent="bot", steps=({"tool": "plain", "args": {}},)))

    assert (result.steps[0].cause, ran) == ("revoked", [])


async def test_later_grants_to_a_holder_count(runtime: Callable[..., Any]) -> None:
    """A grant is of its holder's epoch by default, so that it outlasts what was taken before."""
    step = {"tool": "echo", "args": {"text": "hi"}}
    statuses = []
    async with runtime() as rt:

        async def act() -> None:
            statuses.append((await rt.run(Task(agent="bot", steps=(step,)))).status)

        epochs = [await rt.advance_epoch(holder="machine:bot"), await rt.advance_epoch()]
        epochs.append(await rt.advance_epoch(5, holder="machine:bot"))
        await act()
        await rt.grant("machine:bot", "execute", "compute:echo")
        await act()
        await rt.revoke_holder("machine:bot", "compute:echo")
        await act()
        with pytest.raises(RefusedError, match="never held a grant on `compute:other`"):
            await rt.revoke_holder("machine:bot", "compute:other")
        with pytest.raises(RefusedError, match="must be above the epoch 5"):
            await rt.advance_epoch(5, holder="machine:bot")
        epochs.append(await rt.advance_epoch())

    assert (epochs, statuses) == ([1, 1, 5, 2], ["denied", "done", "denied"])


async def test_a_jailed_call_ends_with_all_its_processes(
    runtime: Callable[..., Any],
    policy: Callable[..., Policy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process tree of a revoked call is dead when its outcome is there."""
    folder = tmp_path / "shared"
    folder.mkdir()
    os.mkfifo(folder / "alive")
    reader = os.open(folder / "alive", os.O_RDONLY | os.O_NONBLOCK)
    own = msgspec.structs.replace(
        policy(),
        resources=(Resource("file", "shared", str(folder)),),
        grants=(
            Grant("run", "bot", "machine", "test", "holding", "", Right.EXECUTE),
            Grant("use", "bot", "machine", "file", "shared", "", Right.READ | Right.WRITE),
        ),
    )
    monkeypatch.syspath_prepend(BODIES)
    holding = importlib.import_module("holding").holding

    step = {"tool": "holding", "args": {"path": str(folder / "alive")}}
    results = []
    async with runtime(policy=own, tools=(holding,)) as rt:

        async def act() -> None:
            results.append(await rt.run(Task(agent="bot", steps=(step,))))

        async with anyio.create_task_group() as group:
            group.start_soon(act)
            await anyio.wait_readable(reader)
            await rt.revoke("use")

    assert "grant `use`, which was revoked" in results[0].steps[0].error
    while os.read(reader, 4096):
        pass  # the end of the pipe: nobody holds it any more
    os.close(reader)
