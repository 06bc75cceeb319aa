"""What breaks is told, hurts nobody else, and permits nothing."""

from __future__ import annotations

import asyncio  # noqa: TID251 - its cancellation is what a tool raises here
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest

from authgate_async import Runtime, Task, runs, tool
from authgate_async.errors import (
    ClosedError,
    KeyFileError,
    LogUnavailableError,
    PolicyError,
    SandboxUnavailableError,
    UsageError,
)
from authgate_async.launchers.inline import InlineLauncher
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile
from authgate_async.messages import GATE_CODES
from authgate_async.policy import Policy, Resource, RunLimits
from authgate_async.reference import ReferenceKernel
from authgate_async.wire import Grant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HI = Task(agent="bot", steps=({"tool": "echo", "args": {"text": "hi"}},))


async def test_a_crash_of_the_gate_fails_what_it_held_and_nothing_else(
    runtime: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run in its hands fails with a sentence; the gate is restarted and decides again."""
    decide = ReferenceKernel.decide
    crashes = iter([RuntimeError("a bug")])

    def once(kernel: ReferenceKernel, actions: bytes, now: int, entropy: bytes) -> bytes:
        for crash in crashes:
            raise crash
        return decide(kernel, actions, now, entropy)

    monkeypatch.setattr(ReferenceKernel, "decide", once)
    async with runtime(backend="python") as rt:
        first = await rt.run(HI)
        second = await rt.run(HI)

    assert (first.status, second.status) == ("failed", "done")
    assert "gate" in first.error


@pytest.mark.parametrize("error", [SandboxUnavailableError("no process"), ClosedError("closed")])
async def test_a_launcher_that_cannot_launch_is_an_outcome(
    runtime: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A level that fails says so in the outcome of the call."""

    async def launch(*_: object) -> None:
        raise error

    monkeypatch.setattr(InlineLauncher, "launch", launch)
    async with runtime() as rt:
        result = await rt.run(HI)

    assert (result.steps[0].cause, result.steps[0].error) == ("sandbox_died", str(error))


async def test_a_bug_in_a_launcher_hurts_one_call(
    runtime: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that should not be ends its own call, and the supervisor goes on."""
    launch = InlineLauncher.launch
    bugs = iter([RuntimeError("a bug")])

    async def once(*args: Any) -> Any:
        for bug in bugs:
            raise bug
        return await launch(*args)

    monkeypatch.setattr(InlineLauncher, "launch", once)
    async with runtime() as rt:
        first = await rt.run(HI)
        second = await rt.run(HI)

    assert (first.steps[0].cause, second.steps[0].cause) == ("sandbox_died", "returned")


FULL_DISK = """
import json, resource, sys
import anyio
from authgate_async import Policy, Runtime, Task, tool
from authgate_async.oplog import configure
from authgate_async.policy import Principal
from authgate_async.wire import Grant, Right

ran = []

@tool(resource="compute:mark", right="execute", level="inline")
def mark(text: str) -> str:
    ran.append(text)
    return text

async def main():
    policy = Policy(
        principals=(Principal("ann", "human"), Principal("bot", "machine", owner="ann")),
        grants=(Grant("g", "bot", "machine", "compute", "mark", "", Right.EXECUTE),),
    )
    told = []
    async with Runtime(policy, tools=(mark,), log=sys.argv[2]) as rt:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
        for n in range(100):
            steps = ({"tool": "mark", "args": {"text": str(n)}},)
            result = await rt.run(Task(agent="bot", steps=steps))
            told.append(result.status)
            if result.status != "done":
                break
        before = len(ran)
        blocked = await rt.run(Task(agent="bot", steps=({"tool": "mark", "args": {"text": "no"}},)))
        at_end = len(ran)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        again = await rt.run(Task(agent="bot", steps=({"tool": "mark", "args": {"text": "yes"}},)))
    print(json.dumps({
        "runs": len(told),
        "before": before,
        "at_end": at_end,
        "codes": blocked.steps[0].codes,
        "again": again.status,
        "ran": ran[-1],
    }))

configure("critical")
anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_full_disk_permits_nothing_and_opens_again(loop: str, tmp_path: Path) -> None:
    """Without room for its record no tool starts; with room again it does; the log is whole."""
    command = [sys.executable, "-I", "-c", FULL_DISK, loop, str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)

    assert 1 < seen["runs"] < 100
    assert seen["at_end"] == seen["before"]
    assert seen["codes"] == ["log_unavailable"]
    assert (seen["again"], seen["ran"]) == ("done", "yes")
    report = verify(tmp_path / "log")
    assert report.ok, report


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"log": "/proc/nothing/here"}, LogUnavailableError),
        ({"key": b"short"}, KeyFileError),
        ({"key": "/no/such/key"}, KeyFileError),
        (
            {"policy": Policy(grants=(Grant("g", "nobody", "machine", "a", "b", "", 1),))},
            PolicyError,
        ),
    ],
)
async def test_a_runtime_that_cannot_start_says_why(
    options: dict[str, Any], error: type[Exception]
) -> None:
    """A bad log, key or policy is an error at the door, and nothing is left behind."""
    with pytest.raises(error, match=r"\w+ \w+"):
        async with Runtime(**{"log": None, **options}):
            pass


@pytest.mark.parametrize("log", ["docs", "docs/log", ".", "docs/../docs/x", "link/log"])
async def test_a_log_where_a_tool_could_write_is_refused(
    policy: Callable[..., Policy], tmp_path: Path, log: str
) -> None:
    """The log lies in no folder that tools are handed, nor one of these in it, by whatever name."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "link").symlink_to("docs")
    shared = Resource("file", "workspace", str(tmp_path / "docs"))
    handing = msgspec.structs.replace(policy(), resources=(shared,))
    with pytest.raises(UsageError, match="`file:workspace` lie in each other"):
        async with Runtime(handing, log=tmp_path / log):
            pass
    async with Runtime(handing, log=tmp_path / "docs-log"):
        pass


async def test_shut_down_before_it_began_it_does_not_begin() -> None:
    """A request to stop that comes early is kept."""
    rt = Runtime(log=None)
    rt.shutdown()
    with pytest.raises(ClosedError):
        async with rt:
            pass


class Rude(BaseException):
    """What no `except Exception` catches."""


WAITING: list[float] = []


@tool(resource="compute:echo", right="execute", level="inline")
async def wait() -> None:
    """Never end."""
    WAITING.append(anyio.current_time())
    await anyio.sleep_forever()


@tool(resource="compute:echo", right="execute", level="inline")
def rude(kind: str) -> None:
    """Raise what ends most programs."""
    raise {"exit": SystemExit(3), "base": Rude("mine")}[kind]


@tool(resource="compute:echo", right="execute", level="inline")
async def rude_later(kind: str) -> None:
    """Do so in a coroutine; `cancel` is a cancellation that nobody asked for."""
    await anyio.lowlevel.checkpoint()
    if kind == "cancel":
        raise asyncio.CancelledError
    rude.function(kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("rude", "exit"), ("rude", "base"), ("rude_later", "exit"), ("rude_later", "base")],
)
async def test_whatever_an_inline_tool_raises_is_its_outcome(
    runtime: Callable[..., Any], name: str, kind: str
) -> None:
    """It ends its own call, and no other that runs beside it."""
    WAITING.clear()
    steps = ({"tool": name, "args": {"kind": kind}},)
    async with (
        runtime("bot", "other", tools=(rude, rude_later, wait), grace=30) as rt,
        anyio.create_task_group() as group,
    ):
        group.start_soon(rt.run, Task(agent="other", steps=({"tool": "wait"},)))
        while not WAITING:
            await anyio.lowlevel.checkpoint()
        result = await rt.run(Task(agent="bot", steps=steps))
        still = len(rt._active)
        group.cancel_scope.cancel()

    assert (result.steps[0].cause, still) == ("raised", 1)


async def test_a_cancellation_that_nobody_asked_for_is_an_error(
    runtime: Callable[..., Any], anyio_backend_name: str
) -> None:
    """On asyncio any code can raise one; it must not end its siblings."""
    steps = ({"tool": "rude_later", "args": {"kind": "cancel"}},)
    async with runtime(tools=(rude_later,)) as rt:
        result = await rt.run(Task(agent="bot", steps=steps))
        again = await rt.run(Task(agent="bot", steps=steps))

    assert (result.steps[0].cause, again.steps[0].cause) == ("raised", "raised")
    assert anyio_backend_name in {"asyncio", "trio"}


class Leaver:
    """A planner that leaves."""

    def plan(self, task: Task, results: object) -> object:  # noqa: ARG002 - its form
        """Exit at once, or when awaited."""
        if task.intent == "now":
            raise SystemExit(3)
        return self.later()

    async def later(self) -> None:
        """Exit in a coroutine."""
        await anyio.lowlevel.checkpoint()
        raise SystemExit(3)


@pytest.mark.parametrize("intent", ["now", "later"])
async def test_a_planner_that_exits_fails_its_run(runtime: Callable[..., Any], intent: str) -> None:
    """The runtime is not the planner's to end."""
    async with runtime(planner=Leaver()) as rt:
        left = await rt.run(intent, agent="bot")
        after = await rt.run(HI)

    assert (left.status, after.status) == ("failed", "done")
    assert "SystemExit" in left.error


class Endless:
    """A planner that never has enough."""

    def plan(self, task: Task, results: object) -> object:  # noqa: ARG002 - its form
        """Echo once more."""
        return [{"tool": "echo", "args": {"text": "more"}}]


async def test_a_run_that_never_ends_is_ended(
    runtime: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run has a largest number of steps."""
    monkeypatch.setattr(runs, "MAX_STEPS", 5)
    async with runtime(planner=Endless()) as rt:
        result = await rt.run("anything", agent="bot")

    assert (result.status, len(result.steps)) == ("failed", 5)
    assert "more than 5 steps" in result.error


@pytest.mark.parametrize("change", ["revoke", "epoch", "expire"])
async def test_a_call_that_queued_too_long_does_not_start(
    runtime: Callable[..., Any], policy: Callable[..., Policy], change: str
) -> None:
    """A permit is redeemed when a process is free: by then its ground may be gone."""
    clock = [time.time_ns() // 1000]
    own = policy("bot", "other")
    own = msgspec.structs.replace(own, limits=RunLimits(max_processes=1))
    slow = {"tool": "calculator", "args": {"expression": "1+1"}}
    async with runtime(policy=own, now=lambda: clock[0]) as rt:
        grant = await rt.grant("machine:bot", "execute", "compute:calculator")
        launcher = rt._parts.launchers["jail"]
        await launcher._slots.acquire()
        async with anyio.create_task_group() as group:
            results: list[Any] = []

            async def act() -> None:
                results.append(await rt.run(Task(agent="bot", steps=(slow,))))

            group.start_soon(act)
            while rt.stats()["sandbox supervisor"].taken == 0:
                await anyio.lowlevel.checkpoint()
            if change == "revoke":
                await rt.revoke(grant)
            elif change == "epoch":
                await rt.advance_epoch()
            else:
                clock[0] += 60_000_000
            launcher._slots.release()

    code = "permit_expired" if change == "expire" else "permit_stale"
    assert (results[0].status, results[0].steps[0].codes) == ("failed", (code,))


class Full:
    """A log that has no room, and has again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.write = LogFile.append_groups
        # A bound method would not get the file.
        monkeypatch.setattr(LogFile, "append_groups", lambda *a, **k: self.append(*a, **k))  # noqa: PLW0108

    def append(self, *args: Any, **options: Any) -> Any:
        """Append, or have no room."""
        if self.full:
            raise LogUnavailableError("the disk is full; make room")
        return self.write(*args, **options)


async def test_a_change_without_a_record_decides_nothing(
    runtime: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the log has named a grant, no decision is made; then its record comes first."""
    disk = Full(monkeypatch)
    task = Task(agent="bot", steps=({"tool": "calculator", "args": {"expression": "6*7"}},))
    async with runtime(log=tmp_path / "log") as rt:
        disk.full = True
        with pytest.raises(LogUnavailableError, match="until it is recorded"):
            await rt.grant("machine:bot", "execute", "compute:calculator", grant_id="late")
        blocked = await rt.run(task)
        disk.full = False
        after = await rt.run(task)

    assert blocked.steps[0].codes == ("log_unavailable",)
    assert after.steps[0].value == "42"
    lines = await anyio.Path(tmp_path / "log" / "log.jsonl").read_text()
    story = [json.loads(line)["record"] for line in lines.splitlines()]
    named = next(n for n, r in enumerate(story) if r.get("fields", {}).get("id") == "late")
    decided = next(n for n, r in enumerate(story) if r["kind"] == "intent")
    assert named < decided


@pytest.mark.parametrize(
    "options",
    [
        {"max_calls": 0},
        {"max_processes": 0},
        {"grace": float("nan")},
        {"grace": -1},
        {"durability": "sometimes"},
        {"planner": object()},
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(options: dict[str, Any]) -> None:
    """A runtime says so when it is made, not when it is used."""
    with pytest.raises(UsageError, match=r"\w+ \w+"):
        Runtime(**{"log": None, **options})


async def test_without_process_tools_no_process_level_is_needed(
    runtime: Callable[..., Any], policy: Callable[..., Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that can confine no process runs inline tools, on the reference kernel too."""
    for level in ("process", "jail"):
        name = f"authgate_async.launchers.{level}.require_platform"
        monkeypatch.setattr(name, lambda: 1 / 0)
    own = msgspec.structs.replace(policy(), tools=())
    async with runtime(policy=own, backend="python") as rt:
        result = await rt.run(HI)

    assert result.status == "done"


async def test_a_call_cancelled_in_the_queue_leaves_no_outcome(
    runtime: Callable[..., Any], policy: Callable[..., Policy], tmp_path: Path
) -> None:
    """What never started has no outcome, its permit is not spent, and its run ends all the same."""
    own = msgspec.structs.replace(policy(), limits=RunLimits(max_processes=1))
    slow = {"tool": "calculator", "args": {"expression": "1+1"}}
    async with runtime(policy=own, log=tmp_path / "log") as rt:
        await rt.grant("machine:bot", "execute", "compute:calculator")
        launcher = rt._parts.launchers["jail"]
        await launcher._slots.acquire()
        async with anyio.create_task_group() as group:
            group.start_soon(rt.run, Task(agent="bot", steps=(slow,)))
            while rt.stats()["sandbox supervisor"].taken == 0:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        in_hand = rt.stats()["sandbox supervisor"].in_hand
        launcher._slots.release()

    lines = await anyio.Path(tmp_path / "log" / "log.jsonl").read_text()
    kinds = [json.loads(line)["record"]["kind"] for line in lines.splitlines()]
    assert [kind for kind in kinds if kind in {"intent", "outcome", "run_closed"}] == [
        "intent",
        "run_closed",
    ]
    assert in_hand == 0


async def test_every_code_of_the_gate_is_given(
    runtime: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate's own denials are those that it declares, and each of them happens."""
    disk = Full(monkeypatch)
    given: set[str] = set()
    async with runtime() as rt:
        for step in ({"tool": "nonsense"}, {"tool": "echo"}, HI.steps[0]):
            disk.full = step is HI.steps[0]
            result = await rt.run(Task(agent="bot", steps=(step,)))
            given.update(result.steps[0].codes)
        disk.full = False

    # The other two have their tests in `test_approvals.py`.
    assert given == set(GATE_CODES) - {"approval_timeout", "approvals_full"}
