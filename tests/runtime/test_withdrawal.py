"""What is taken away from an agent reaches the calls that it has running."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import msgspec
import pytest

from authgate_async import Policy, Task
from authgate_async.policy import Resource
from authgate_async.wire import Grant, Right

if TYPE_CHECKING:
    from collections.abc import Callable

BODIES = Path(__file__).parent / "bodies"
WAIT = {"tool": "wait", "args": {}}


async def _begun(waiting: list[float], count: int) -> None:
    while len(waiting) < count:
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("how", ["revoke", "epoch"])
async def test_a_running_call_ends(
    runtime: Callable[..., Any], waiting: list[float], tmp_path: Path, how: str
) -> None:
    """A call whose grant is revoked, or whose epoch is over, ends, and its outcome says why."""
    results = []
    async with runtime(log=tmp_path / "log") as rt:

        async def act() -> None:
            results.append(await rt.run(Task(agent="bot", steps=(WAIT,))))

        async with anyio.create_task_group() as group:
            group.start_soon(act)
            await _begun(waiting, 1)
            await (rt.revoke("g-bot") if how == "revoke" else rt.advance_epoch())

    (step,) = results[0].steps
    assert step.error.startswith("grant `g-bot` was" if how == "revoke" else "the epoch rose to 1")
    log = await anyio.Path(tmp_path / "log" / "log.jsonl").read_text()
    records = [json.loads(line)["record"] for line in log.splitlines() if '"record"' in line]
    assert [each["cause"] for each in records if each["kind"] == "outcome"] == ["revoked"]


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
        assert all("was revoked while the call ran" in line for line in ended)
        group.cancel_scope.cancel()


async def test_what_was_handed_on(
    runtime: Callable[..., Any], policy: Callable[..., Policy], waiting: list[float]
) -> None:
    """Revoking a grant ends the calls of those whom it was handed on to, at any depth."""
    own = policy("a", "b")
    root = Grant("root", "a", "machine", "compute", "echo", "", Right.EXECUTE | Right.DELEGATE)
    own = msgspec.structs.replace(own, grants=(root,))
    results = []
    async with runtime(policy=own) as rt:
        await rt.delegate("root", "machine:b", "execute", "compute:echo", by="machine:a")

        async def act() -> None:
            results.append(await rt.run(Task(agent="b", steps=(WAIT,))))

        async with anyio.create_task_group() as group:
            group.start_soon(act)
            await _begun(waiting, 1)
            await rt.revoke("root")

    assert "grant `root` was revoked while the call ran" in results[0].steps[0].error


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

    assert "grant `use` was revoked" in results[0].steps[0].error
    while os.read(reader, 4096):
        pass  # the end of the pipe: nobody holds it any more
    os.close(reader)
