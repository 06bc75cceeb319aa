"""What the tests of faults share: a runtime with a log, tools that can be held, a look at it."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from authgate_async import Policy, Runtime, Task, oplog, tool
from authgate_async.log.verify import verify
from authgate_async.policy import Principal, RunLimits
from authgate_async.wire import NO_LIMIT, Grant, Right

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from authgate_async import RunResult


class Held:
    """A call that runs until it is let go; made anew for each test."""

    begun: anyio.Event
    end: anyio.Event


@tool(resource="compute:echo", right="execute", level="inline")
async def echo(text: str) -> str:
    """Give the text back."""
    return text


@tool(resource="compute:echo", right="execute", level="inline")
async def hold() -> str:
    """Run until told to end."""
    Held.begun.set()
    await Held.end.wait()
    return "held"


class House:
    """A runtime, what its runs came to, and its log."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.rt: Runtime
        self.group: anyio.abc.TaskGroup
        self.results: list[RunResult] = []
        Held.begun, Held.end = anyio.Event(), anyio.Event()
        self.held = Held

    def begin(self, name: str = "echo", agent: str = "bot", /, **args: Any) -> anyio.CancelScope:
        """Begin a run of one step; return what cancels it."""
        scope = anyio.CancelScope()
        self.group.start_soon(self._run, scope, agent, name, args)
        return scope

    async def _run(
        self, scope: anyio.CancelScope, agent: str, name: str, args: dict[str, Any]
    ) -> None:
        with scope:
            self.results.append(await self.act(name, agent, **args))

    async def act(self, name: str = "echo", agent: str = "bot", /, **args: Any) -> RunResult:
        """Run one step."""
        if name == "echo":
            args = {"text": "hi", **args}
        return await self.rt.run(Task(agent=agent, steps=({"tool": name, "args": args},)))

    async def until(self, holds: Callable[[], object]) -> None:
        """Let others go on until something holds."""
        while not holds():
            await anyio.lowlevel.checkpoint()

    def records(self, kind: str = "") -> list[dict[str, Any]]:
        """What the log holds, or what of one kind."""
        lines = (self.log / "log.jsonl").read_text().splitlines()
        records = [json.loads(line)["record"] for line in lines]
        return [record for record in records if kind in {"", record["kind"]}]

    async def whole(self, unused: int = 0) -> None:
        """See that the log is sealed, holds, and lacks nothing but the use of `unused` permits."""
        report = await anyio.to_thread.run_sync(verify, self.log)
        assert (report.bad, report.sealed) == (None, True)
        assert (report.open_runs, report.without_outcome) == (0, unused)


@pytest.fixture(params=["asyncio", "trio"], scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """A fault is the same on every asyncio."""
    return str(request.param)


@pytest.fixture
def house(tmp_path: Path) -> Callable[..., Any]:
    """Open a runtime whose `bot` may echo and hold; keywords go to `Runtime`.

    With `calls` so many in all.
    """
    oplog.configure("critical")

    def policy(calls: int) -> Policy:
        may = Grant("g", "bot", "machine", "compute", "echo", "", Right.EXECUTE, max_calls=calls)
        people = (Principal("ann", "human"), Principal("bot", "machine", owner="ann"))
        limits = RunLimits(grace_ms=5000)
        return Policy(principals=people, grants=(may,), tools=(), limits=limits)

    @asynccontextmanager
    async def enter(calls: int = NO_LIMIT, **options: Any) -> AsyncIterator[House]:
        own = House(tmp_path / "log")
        options = {"policy": policy(calls), "tools": (echo, hold), "log": own.log, **options}
        async with Runtime(**options) as own.rt, anyio.create_task_group() as own.group:
            yield own

    return enter
