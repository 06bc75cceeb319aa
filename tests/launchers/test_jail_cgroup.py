"""The layer `cgroup`: what a call takes in all is bounded, and its group is nobody else's.

These tests take a machine that delegates control groups; `.ci/machine` starts one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import msgspec
import pytest

from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers import cgroups
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.protocol import Call, Limits, ToolRef

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from authgate_async.launchers.protocol import Ended, Folder

    Make = Callable[..., Call]

MIB = 2**20
TOOL = ToolRef("groups", "tool")
PATIENT = {"wall_ms": 600_000, "cpu_seconds": 600}
"""An emulated machine is slow."""
LIMITS = {
    "memory_bytes": 256 * MIB,
    "scratch_bytes": 32 * MIB,
    "file_bytes": 2**30,
    "processes": 1000,
    **PATIENT,
}
"""What each process may take; three that keep to it do not keep to what all may take."""


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a template as long as an emulated machine takes to start one."""
    for module in ("spawning", "cells.pool"):
        monkeypatch.setattr(f"authgate_async.launchers.{module}.START_SECONDS", 600)


@pytest.fixture(scope="module")
def home() -> Path:
    """Find the group in which runtimes make theirs."""
    try:
        return cgroups.settle().path
    except SandboxUnavailableError as error:
        pytest.skip(str(error))


def groups(home: Path) -> list[Path]:
    """Return the groups for calls, one for each template."""
    return sorted(home.glob("authgate-calls-*"))


def leaves(home: Path) -> list[Path]:
    """Return the groups of single cells."""
    return [path for group in groups(home) for path in group.iterdir() if path.is_dir()]


def make(
    body: str,
    *folders: Folder,
    programs: bool = False,
    limits: dict[str, int] | None = None,
    **args: Any,
) -> Call:
    """Make a call of a body."""
    held = Limits(**(LIMITS | (limits or {})))
    data = msgspec.json.encode({"body": body, **args})
    return Call("a1", TOOL, data, folders, held, programs)


@asynccontextmanager
async def entered(**options: Any) -> AsyncIterator[JailLauncher]:
    """Enter a launcher of one call at a time, which must have the layer."""
    async with JailLauncher(tools=[TOOL], processes=1, armed=1, **options) as own:
        assert "cgroup" in own.layers, own.lacking
        yield own


async def lived(own: JailLauncher, call: Call) -> Ended:
    """See a call return."""
    ended = await own.launch(call)
    assert ended.cause == "returned", ended
    return ended


async def endless(own: JailLauncher, call: Call) -> None:
    """Run a call that must not end by itself."""
    ended = await own.launch(call)
    raise AssertionError(ended)


async def test_layers(home: Path) -> None:
    """Where groups are delegated the layer is there, and tasks are bounded on every Linux."""
    async with entered() as own:
        assert {"cgroup", "tasks"} <= set(own.layers)
        assert own.lacking == {}
        await lived(own, make("take", size=1))
        assert leaves(home)
        for leaf in leaves(home):
            values = [(leaf / name).read_text().strip() for name in VALUES]
            assert values == [*VALUES.values()]
    assert groups(home) == []


VALUES = {"pids.max": "301", "memory.oom.group": "1", "memory.swap.max": "0"}


async def test_memory_of_all_processes(home: Path) -> None:
    """Processes that each keep to their limit, but not to the call's, are ended; it says so."""
    del home
    async with entered() as own:
        ended = await own.launch(make("take", programs=True, size=150, processes=3))
        assert ended.cause == "memory_limit", ended
        assert ended.error == (
            "the call was killed: its processes and its scratch folder took more than its memory "
            f"limit of {288 * MIB} bytes in all"
        )
        await lived(own, make("take", programs=True, size=100, processes=2))


async def test_scratch_counts(home: Path) -> None:
    """The scratch folder is part of what a call takes."""
    del home
    async with entered() as own:
        args = {"path": "a", "size": 150, "processes": 2, "limits": {"scratch_bytes": 128 * MIB}}
        await lived(own, make("write_and_take", programs=True, written=0, **args))
        ended = await own.launch(make("write_and_take", programs=True, written=120, **args))
        assert ended.cause == "memory_limit", ended


async def test_one_process(home: Path) -> None:
    """One process meets its own limit first, as an error that it can catch."""
    del home
    async with entered() as own:
        ended = await own.launch(make("take", size=400))
        assert (ended.cause, ended.error[:24]) == ("raised", "OSError: [Errno 12] Cann"), ended
        await lived(own, make("write_and_take", path="a", written=31, size=200, processes=0))


async def test_limits_of_each_call(home: Path) -> None:
    """A call has its own limit, whatever that of the call before was."""
    del home
    async with entered() as own:
        call = make("take", programs=True, size=150, processes=3)
        for wide, cause in ((True, "returned"), (False, "memory_limit"), (True, "returned")):
            limits = msgspec.structs.replace(call.limits, memory_bytes=(2**30 if wide else 2**28))
            ended = await own.launch(msgspec.structs.replace(call, limits=limits))
            assert ended.cause == cause, ended


async def test_tasks(home: Path) -> None:
    """A call has at most 301 tasks, on every Linux."""
    del home
    async with entered() as own:
        limits = {"memory_bytes": 2**32, "processes": 100_000}
        ended = await lived(own, make("multiply", programs=True, limits=limits))
        count, why = msgspec.json.decode(ended.result)
        assert (250 < count <= 301, why) == (True, "EAGAIN")


async def test_leaves_are_used_again(home: Path) -> None:
    """Calls that end by themselves do not cost a group each."""
    async with entered() as own:
        for _ in range(12):
            await lived(own, make("take", size=1))
        assert len(leaves(home)) < 6


async def test_spent_leaves(home: Path, granted: Any, fifo: Any, tmp_path: Path) -> None:
    """What was killed in a leaf before does not explain the end of a later call in it."""
    outcomes: list[Ended] = []

    async def run(own: JailLauncher, call: Call) -> None:
        outcomes.append(await own.launch(call))

    async with entered() as own:
        await run(own, make("take", programs=True, size=150, processes=3))
        for number in range(4):
            gate = type(fifo)(tmp_path / f"gate{number}")
            held = make("hold", granted(tmp_path), programs=True, fifo=gate.path)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run, own, held)
                await anyio.wait_readable(gate.fileno())
                (running,) = own._current[True].calls.values()
                signal.pidfd_send_signal(running.pidfd, signal.SIGKILL)
            gate.close()
        assert len(leaves(home)) < 6
    assert [ended.cause for ended in outcomes] == ["memory_limit", *["killed"] * 4]
    assert outcomes[-1].error == "the tool's process was ended by SIGKILL"


async def test_charged_leaves(home: Path, granted: Any) -> None:
    """Memory that a call leaves behind in a granted folder is not charged to a later call."""
    place = Path("/dev/shm") / f"authgate-test-{os.getpid()}"  # noqa: S108 - a folder of its own
    await anyio.to_thread.run_sync(place.mkdir)
    try:
        async with entered() as own:
            await lived(own, make("take", size=1))
            for number in range(6):
                path = str(place / str(number))
                await lived(own, make("write", granted(place), path=path, size=100))
            await lived(own, make("take", programs=True, size=100, processes=2))
            charged = [int((leaf / "memory.current").read_text()) for leaf in leaves(home)]
            assert sum(size > 100 * MIB for size in charged) <= 1
    finally:
        for path in place.iterdir():
            path.unlink()
        place.rmdir()


async def test_nothing_is_seen(home: Path) -> None:
    """A call finds no tree of control groups, cannot mount one, and has no descriptor in one."""
    del home
    async with entered() as own:
        for programs in (False, True):
            ended = await own.launch(make("seen", programs=programs))
            assert ended.cause == "returned", ended
            found = msgspec.json.decode(ended.result)
            assert found == {"files": [], "mounted": [-1, "EPERM"], "open": [0, 1, 2, 3]}


async def test_kill(home: Path, jailed: Make, granted: Any, fifo: Any, monkeypatch: Any) -> None:
    """The kill of its group alone ends a call with sixty descendants."""
    del home
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *_: None)
    monkeypatch.setattr("authgate_async.launchers.jail._GRACE_SECONDS", 600)
    limits = PATIENT | {"processes": 100, "open_files": 256}
    args = {"fifo": fifo.path, "count": 60, "linger": True}
    call = jailed(
        "daemonise", granted(Path(fifo.path).parent), limits=limits, programs=True, **args
    )
    async with JailLauncher(tools=[call.tool], processes=1, armed=1) as own:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(endless, own, call)
            seen = 0
            while seen < 60:
                await anyio.wait_readable(fifo.fileno())
                seen += len(os.read(fifo.fileno(), 4096))
            tasks.cancel_scope.cancel()
        assert fifo.marks() == 0
        monkeypatch.undo()


async def test_no_further_group(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no group can be had any more, a call does not run without one."""

    def refuse(_: object) -> None:
        raise SandboxUnavailableError("no more groups")

    async def die_often(own: JailLauncher) -> None:
        for _ in range(6):  # each costs a leaf
            ended = await own.launch(make("die", programs=True))
            assert ended.cause == "killed", ended

    async with entered() as own:
        await lived(own, make("take", programs=True, size=1))
        for group in groups(home):
            (group / "cgroup.max.descendants").write_text("0")
        await die_often(own)  # in the group of a second template
        for group in groups(home):
            (group / "cgroup.max.descendants").write_text("0")
        monkeypatch.setattr(cgroups.Home, "group", refuse)
        with pytest.raises(SandboxUnavailableError, match="no more groups"):
            await die_often(own)


RUNTIME = """
import sys, anyio, msgspec
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers import spawning
from authgate_async.launchers.cells import pool
from authgate_async.launchers.protocol import Call
spawning.START_SECONDS = pool.START_SECONDS = 600
call = msgspec.json.decode(sys.argv[1], type=Call)
async def main():
    async with JailLauncher(tools=[call.tool]) as launcher:
        await launcher.launch(call)
anyio.run(main)
"""


async def test_death_of_the_runtime(home: Path, jailed: Make, granted: Any, fifo: Any) -> None:
    """What a killed runtime leaves behind is removed when the next one starts."""
    folder = granted(Path(fifo.path).parent)
    call = jailed(
        "daemonise",
        folder,
        programs=True,
        limits=PATIENT | {"processes": 100, "open_files": 256},
        fifo=fifo.path,
        count=5,
        linger=True,
    )
    bodies = str(Path(__file__).parent / "bodies")
    runtime = subprocess.Popen(  # noqa: ASYNC220 - it is waited for in a thread
        [sys.executable, "-c", RUNTIME, msgspec.json.encode(call)],
        env={"PYTHONPATH": bodies, "PYTHONSAFEPATH": "1"},
    )
    await anyio.wait_readable(fifo.fileno())
    left = groups(home)
    assert left
    async with entered():
        assert set(left) < set(groups(home))  # they are in use
    runtime.kill()
    await anyio.to_thread.run_sync(runtime.wait)
    assert groups(home) == left
    async with entered() as own:
        assert not set(left) & set(groups(home))
        await lived(own, make("take", size=1))
    assert groups(home) == []
