"""When a call has ended, every process of it is dead: a FIFO that they all hold is at its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authgate_async.launchers import spawning
from authgate_async.launchers.process import ProcessLauncher

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.protocol import Call

    Make = Callable[..., Call]


@pytest.mark.parametrize(
    ("linger", "cause"), [(False, "returned"), (True, "deadline")], ids=["return", "deadline"]
)
async def test_daemons(
    launcher: ProcessLauncher,
    call: Make,
    *,
    fifo: Any,
    linger: bool,
    cause: str,
) -> None:
    """Double-forked processes in their own sessions die with the call, however it ends."""
    args = {"fifo": fifo.path, "count": 5, "linger": linger}
    ended = await launcher.launch(call("daemonise", args, wall_ms=3000, processes=20))
    assert ended.cause == cause
    fifo.marks()


async def test_too_many_processes(launcher: ProcessLauncher, call: Make, fifo: Any) -> None:
    """A call that has too many processes leaves none."""
    args = {"fifo": fifo.path, "count": 30, "linger": True}
    ended = await launcher.launch(call("daemonise", args, processes=8))
    assert ended.cause == "process_limit"
    fifo.marks()


async def test_cancellation(launcher: ProcessLauncher, call: Make, fifo: Any) -> None:
    """A cancelled call is dead, with all that it started, when the cancellation goes on."""
    args = {"fifo": fifo.path, "count": 3, "linger": True}
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(launcher.launch, call("daemonise", args))
        await anyio.wait_readable(fifo.fileno())
        tasks.cancel_scope.cancel()
    assert fifo.marks() > 0
    assert (await launcher.launch(call("add", {"a": 1, "b": 1}))).cause == "returned"


async def test_leaving_ends_calls(call: Make, fifo: Any) -> None:
    """Leaving the launcher ends what runs, says so, and leaves no process."""
    outcomes = []

    async def run(own: ProcessLauncher) -> None:
        outcomes.append(await own.launch(call("wait", {"fifo": fifo.path})))

    async with anyio.create_task_group() as tasks, ProcessLauncher() as own:
        tasks.start_soon(run, own)
        await anyio.wait_readable(fifo.fileno())
    assert [ended.cause for ended in outcomes] == ["cancelled"]
    assert fifo.marks() == 1


RUNTIME = """
import sys, anyio
from authgate_async.launchers import process, spawning
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import Call, Limits, ToolRef
async def main():
    async with ProcessLauncher() as launcher:
        await launcher.launch(Call("a1", ToolRef("bodies", "daemonise"), sys.argv[1].encode(),
                                   limits=Limits(wall_ms=600_000, processes=20)))
anyio.run(main)
"""


def test_death_of_the_runtime(fifo: Any, tmp_path: Path) -> None:
    """When the runtime is killed, its template and every process of every call go too."""
    path = fifo.path
    args = f'{{"fifo": "{path}", "count": 3, "linger": true}}'
    bodies = str(Path(__file__).parent / "bodies")
    environ = {"PYTHONPATH": bodies, "PYTHONSAFEPATH": "1", "TMPDIR": str(tmp_path)}
    runtime = subprocess.Popen([sys.executable, "-c", RUNTIME, args], env=environ)
    with Path(path).open("rb") as readers:
        assert readers.read(3) == b"xxx"
        runtime.send_signal(signal.SIGKILL)
        runtime.wait()
        assert readers.read() == b""  # blocks until the last one is dead
    while list(tmp_path.glob("authgate-*")):  # the template removes its folder as its last act
        os.sched_yield()


async def test_death_of_the_warden(launcher: ProcessLauncher, call: Make, fifo: Any) -> None:
    """A call that kills the process that watches it is killed whole."""
    ended = await launcher.launch(call("kill_warden", {"fifo": fifo.path}))
    assert ended.cause == "killed"
    assert fifo.marks() == 1


async def test_stubborn_call(call: Make, fifo: Any) -> None:
    """A call that stops all that could end it is reported at its deadline, and ended after it."""
    async with ProcessLauncher(processes=1) as own:
        made = call("stop_all_above", {"fifo": fifo.path}, wall_ms=500)
        assert (await own.launch(made)).cause == "deadline"
        assert len(own._running) == 1
        assert (await own.launch(call("add", {"a": 1, "b": 1}))).cause == "returned"
        assert fifo.marks() == 1


async def test_deaf_template(call: Make, fifo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the template cannot be woken, it is killed, which wakes the wardens."""
    monkeypatch.setattr(spawning.TemplateProcess, "wake", lambda _: None)
    async with ProcessLauncher(processes=1) as own:
        made = call("stop_all_above", {"fifo": fifo.path}, wall_ms=500)
        assert (await own.launch(made)).cause == "deadline"
    assert fifo.marks() == 1


async def test_death_of_the_template(call: Make, fifo: Any) -> None:
    """When the template dies, the call in flight says so and leaves nothing; later calls work."""
    async with ProcessLauncher() as own:
        ended = await own.launch(call("kill_template", {"fifo": fifo.path}))
        assert ended.cause == "sandbox_died"
        assert fifo.marks() == 1
        assert (await own.launch(call("add", {"a": 1, "b": 1}))).cause == "returned"
