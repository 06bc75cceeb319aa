"""When a call in a jail has ended, all of it is dead: a FIFO that they all hold is at its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest

from authgate_async.launchers.jail import JailLauncher

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.protocol import Call, Ended

    Make = Callable[..., Call]

MANY = {"processes": 100, "open_files": 256}


@pytest.fixture(params=["threads", "programs"])
def lingering(request: pytest.FixtureRequest, jailed: Make, granted: Any, fifo: Any) -> Call:
    """Make a call that never ends: of twenty threads, or with sixty descendants."""
    folder = granted(Path(fifo.path).parent)
    if request.param == "threads":
        stacks = {"memory_bytes": 2**33}
        return jailed("crowd", folder, limits=stacks, fifo=fifo.path, count=20)
    args = {"fifo": fifo.path, "count": 60, "linger": True}
    return jailed("daemonise", folder, limits=MANY, programs=True, **args)


async def endless(jail: JailLauncher, call: Call) -> None:
    """Run a call that must not end by itself."""
    ended = await jail.launch(call)
    raise AssertionError(ended)


async def filled(fifo: Any, call: Call) -> None:
    """Wait until every process of a lingering call holds the FIFO."""
    seen, wanted = 0, 60 if call.programs else 1
    while seen < wanted:
        await anyio.wait_readable(fifo.fileno())
        seen += len(os.read(fifo.fileno(), 4096))


async def test_deadline(jail: JailLauncher, lingering: Call, fifo: Any) -> None:
    """At its deadline a call is dead with all that it started, and only then reported."""
    limits = msgspec.structs.replace(lingering.limits, wall_ms=1000)
    ended = await jail.launch(msgspec.structs.replace(lingering, limits=limits))
    assert ended.cause == "deadline", ended
    fifo.marks()


@pytest.mark.parametrize("anyio_backend", ["trio"], scope="module")  # it is about the template
async def test_deadline_is_kept_twice(
    jail: JailLauncher, lingering: Call, fifo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime itself kills at the deadline; if it cannot, the template does a little later."""
    sent: list[int] = []

    def lost(_: int, number: int) -> None:
        sent.append(number)

    monkeypatch.setattr(signal, "pidfd_send_signal", lost)
    limits = msgspec.structs.replace(lingering.limits, wall_ms=300)
    ended = await jail.launch(msgspec.structs.replace(lingering, limits=limits))
    assert ended.cause == "deadline"
    assert sent == [signal.SIGKILL]
    fifo.marks()


async def test_cancellation(jail: JailLauncher, jailed: Make, lingering: Call, fifo: Any) -> None:
    """A cancelled call is dead, with all that it started, when the cancellation goes on."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(endless, jail, lingering)
        await filled(fifo, lingering)
        tasks.cancel_scope.cancel()
    assert fifo.marks() == 0
    assert (await jail.launch(jailed("add", a=1, b=1))).cause == "returned"


async def test_leaving(lingering: Call, fifo: Any) -> None:
    """Leaving the launcher ends what runs, says so, and leaves no process."""
    outcomes: list[Ended] = []

    async def run(own: JailLauncher) -> None:
        outcomes.append(await own.launch(lingering))

    async with anyio.create_task_group() as tasks:
        async with JailLauncher(tools=[lingering.tool]) as own:
            tasks.start_soon(run, own)
            await filled(fifo, lingering)
        assert fifo.marks() == 0
    assert [ended.cause for ended in outcomes] == ["cancelled"]


async def test_daemons(jail: JailLauncher, jailed: Make, granted: Any, fifo: Any) -> None:
    """Processes in their own sessions die with a call that returns."""
    folder = granted(Path(fifo.path).parent)
    args = {"fifo": fifo.path, "count": 5, "linger": False}
    ended = await jail.launch(jailed("daemonise", folder, limits=MANY, programs=True, **args))
    assert (ended.cause, ended.result) == ("returned", b'"gone"'), ended
    fifo.marks()


async def test_too_many_processes(
    jail: JailLauncher, jailed: Make, granted: Any, fifo: Any
) -> None:
    """A call that has too many processes leaves none."""
    folder = granted(Path(fifo.path).parent)
    args = {"fifo": fifo.path, "count": 30, "linger": True}
    made = jailed("daemonise", folder, limits={"processes": 8}, programs=True, **args)
    ended = await jail.launch(made)
    assert ended.cause == "process_limit"
    fifo.marks()


RUNTIME = """
import sys, anyio, msgspec
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.protocol import Call
call = msgspec.json.decode(sys.argv[1], type=Call)
async def main():
    async with JailLauncher(tools=[call.tool]) as launcher:
        await launcher.launch(call)
anyio.run(main)
"""


def test_death_of_the_runtime(lingering: Call, fifo: Any, tmp_path: Path) -> None:
    """When the runtime is killed, its template and every process of every call go too."""
    bodies = str(Path(__file__).parent / "bodies")
    environ = {"PYTHONPATH": bodies, "PYTHONSAFEPATH": "1", "TMPDIR": str(tmp_path)}
    runtime = subprocess.Popen(
        [sys.executable, "-c", RUNTIME, msgspec.json.encode(lingering)], env=environ
    )
    with Path(fifo.path).open("rb") as readers:
        assert readers.read(60 if lingering.programs else 1)
        runtime.send_signal(signal.SIGKILL)
        runtime.wait()
        assert readers.read() == b""  # blocks until the last one is dead
    assert [path.name for path in tmp_path.iterdir()] == ["fifo"]
