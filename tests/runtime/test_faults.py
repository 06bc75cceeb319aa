"""What breaks is told, hurts nobody else, and permits nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async import Runtime, Task
from authgate_async.errors import (
    ClosedError,
    KeyFileError,
    LogUnavailableError,
    PolicyError,
    SandboxUnavailableError,
)
from authgate_async.launchers.inline import InlineLauncher
from authgate_async.log.verify import verify
from authgate_async.policy import Policy
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

    async def once(launcher: InlineLauncher, call: Any) -> Any:
        for bug in bugs:
            raise bug
        return await launch(launcher, call)

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


async def test_shut_down_before_it_began_it_does_not_begin() -> None:
    """A request to stop that comes early is kept."""
    rt = Runtime(log=None)
    rt.shutdown()
    with pytest.raises(ClosedError):
        async with rt:
            pass
