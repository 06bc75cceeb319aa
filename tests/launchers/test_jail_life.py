"""The launcher of jails over many calls: what it survives, renews, refuses and keeps."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest

from authgate_async.errors import ClosedError, SandboxUnavailableError, UsageError
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.protocol import Call, ToolRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate_async.launchers.protocol import Ended

    Make = Callable[..., Call]

TOOL = ToolRef("jailed", "tool")


def children(pid: int | str = "self") -> list[int]:
    """List the children of a process, zombies too."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def behind(pidfd: int) -> int:
    """Return the number of the process that a pidfd of ours stays with."""
    found = re.search(
        r"^Pid:\t(\d+)$", Path(f"/proc/self/fdinfo/{pidfd}").read_text(), re.MULTILINE
    )
    assert found
    return int(found[1])


class Held:
    """A call in flight that goes on when it is told to."""

    def __init__(self, jailed: Make, granted: Any, fifo: Any) -> None:
        self.fifo = fifo
        self.gate = Path(f"{fifo.path}.gate")
        os.mkfifo(self.gate)
        folder = granted(self.gate.parent)
        self.call = jailed("wait", folder, fifo=fifo.path, gate=str(self.gate))
        self.ended: Ended | None = None

    async def run(self, own: JailLauncher) -> None:
        """Run it to its end."""
        self.ended = await own.launch(self.call)

    async def runs(self) -> None:
        """Wait until it says that it runs."""
        await anyio.wait_readable(self.fifo.fileno())

    async def go_on(self) -> None:
        """Let it return."""
        await anyio.to_thread.run_sync(self.gate.write_text, "went on")


@pytest.fixture
def held(jailed: Make, granted: Any, fifo: Any) -> Held:
    """Make a call that waits."""
    return Held(jailed, granted, fifo)


@pytest.fixture
def second(jailed: Make, granted: Any, fifo: Any, tmp_path: Path) -> Iterator[Held]:
    """Make another one."""
    other = type(fifo)(tmp_path / "second")
    yield Held(jailed, granted, other)
    other.close()


async def works(own: JailLauncher, jailed: Make) -> None:
    """See a call through."""
    ended = await own.launch(jailed("add", a=1, b=1))
    assert (ended.cause, ended.result) == ("returned", b"2"), ended


def outer(own: JailLauncher) -> int:
    """Return the template as the runtime knows it."""
    return own._current[False].template.pid


def inner(own: JailLauncher) -> int:
    """Return its other half, the first process of its namespace."""
    (child,) = children(outer(own))
    return child


def in_flight(own: JailLauncher) -> int:
    """Return the process of the call that runs."""
    (running,) = own._current[False].calls.values()
    return behind(running.pidfd)


@pytest.mark.parametrize(
    ("victim", "cause"),
    [(outer, "sandbox_died"), (inner, "sandbox_died"), (in_flight, "killed")],
    ids=["outer", "inner", "call"],
)
async def test_kill(held: Held, jailed: Make, victim: Callable[..., int], cause: str) -> None:
    """After `kill -9` of template or call its outcome says so, nothing is left, others work."""
    async with JailLauncher(tools=[TOOL]) as own:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(held.run, own)
            await held.runs()
            os.kill(victim(own), signal.SIGKILL)
        assert held.ended is not None
        assert held.ended.cause == cause
        assert held.ended.error
        assert held.fifo.marks() == 1
        await works(own, jailed)
    assert children() == []


async def test_kill_of_armed_cells(jailed: Make) -> None:
    """When every cell that waits is killed, the next call gets another."""
    async with JailLauncher(tools=[TOOL], armed=4) as own:
        await works(own, jailed)
        for pid in children(inner(own)):
            os.kill(pid, signal.SIGKILL)
            while Path(f"/proc/{pid}").exists():  # noqa: ASYNC240 - reaped by the template
                await anyio.lowlevel.checkpoint()
        await works(own, jailed)


async def test_kill_of_one_waiting_cell_after_another(jailed: Make) -> None:
    """Cells that are killed while nothing runs leave nothing, and cost the next call no try."""
    async with JailLauncher(tools=[TOOL], armed=1) as own:
        await works(own, jailed)
        await all_armed(own)
        before, _ = footprint()
        for _ in range(8):
            (cell,) = children(inner(own))
            os.kill(cell, signal.SIGKILL)
            while cell in children(inner(own)) or not children(inner(own)):
                await anyio.lowlevel.checkpoint()
        await all_armed(own)
        while footprint()[0] > before:
            await anyio.lowlevel.checkpoint()
        await works(own, jailed)


def over(pid: int) -> bool:
    """Return whether a process has ended and is not reaped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def unheard(own: JailLauncher, calls: list[Call]) -> list[Ended]:
    """Make calls that begin and end while their template is stopped; return how they ended."""
    ended: list[Ended] = []

    async def one(call: Call) -> None:
        ended.append(await own.launch(call))

    template = inner(own)
    os.kill(template, signal.SIGSTOP)
    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(one, call)
        while sum(map(over, children(template))) < len(calls):
            await anyio.lowlevel.checkpoint()
        os.kill(template, signal.SIGCONT)
    return ended


async def test_calls_that_a_full_template_hears_of_late(jailed: Make) -> None:
    """Calls begin though no more can be told to their template, which hears of all of them."""
    async with JailLauncher(tools=[TOOL], processes=24, armed=24) as own:
        await all_armed(own)
        control = own._current[False].template.control
        control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least: some six messages
        ended = await unheard(own, [jailed("add", a=1, b=1)] * 24)
        assert [one.result for one in ended] == [b"2"] * 24
        await all_armed(own)


async def test_an_end_that_looks_unarmed(jailed: Make) -> None:
    """A call that exits as cells do that cannot be armed costs the template no cell."""
    async with JailLauncher(tools=[TOOL], processes=1, armed=1) as own:
        await all_armed(own)
        template = outer(own)
        (ended,) = await unheard(own, [jailed("forge", data="", code=71)])
        assert "71" in ended.error, ended
        await works(own, jailed)
        assert outer(own) == template


@pytest.mark.parametrize("victim", [outer, inner])
async def test_kill_between_calls(jailed: Make, victim: Callable[..., int]) -> None:
    """A template that dies while nothing runs costs no call."""
    async with JailLauncher(tools=[TOOL]) as own:
        for _ in range(3):
            await works(own, jailed)
            os.kill(victim(own), signal.SIGKILL)
            while children():
                await anyio.lowlevel.checkpoint()


async def test_new_template_after_some_calls(held: Held, jailed: Make) -> None:
    """A template is replaced after its share of calls, and the call that it still runs goes on."""
    async with JailLauncher(tools=[TOOL], calls_per_template=2) as own:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(held.run, own)
            await held.runs()
            first = outer(own)
            for _ in range(7):
                await works(own, jailed)
            assert first in children()
            assert outer(own) != first
            await held.go_on()
        assert held.ended is not None
        assert (held.ended.cause, held.ended.result) == ("returned", b'"went on"')
        while first in children():
            await anyio.lowlevel.checkpoint()


async def test_calls_of_a_retired_template(held: Held, second: Held, jailed: Make) -> None:
    """Of two calls that a replaced template still runs, the end of one is not that of the other."""
    async with JailLauncher(tools=[TOOL], processes=4) as own:
        async with anyio.create_task_group() as tasks:
            for one in (held, second):
                tasks.start_soon(one.run, own)
                await one.runs()
            await own.launch(jailed("add", tool="third", a=2, b=2))
            await held.go_on()
            while held.ended is None:
                await anyio.lowlevel.checkpoint()
            await works(own, jailed)
            await second.go_on()
        assert held.ended is not None
        assert second.ended is not None
        assert held.ended.result == second.ended.result == b'"went on"'


async def test_new_template_for_a_new_tool(held: Held, jailed: Make) -> None:
    """A tool that the template does not know gets another; the call that runs goes on."""
    async with JailLauncher(tools=[TOOL]) as own:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(held.run, own)
            await held.runs()
            first = outer(own)
            for name in ("third", "tool", "third"):
                ended = await own.launch(jailed("add", tool=name, a=2, b=2))
                assert ended.result == b"4"
            assert outer(own) != first
            await held.go_on()
        assert held.ended is not None
        assert held.ended.result == b'"went on"'


BAD = {
    "raises": ("raise ImportError('not\\ntoday')", "ImportError: not\\ntoday"),
    "exits": ("raise SystemExit(0)", "SystemExit: 0"),
    "lacks": ("", "AttributeError: "),
    "is_no_tool": ("tool = 7", "TypeError: `is_no_tool.tool` is not a tool"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_tool_that_cannot_be_loaded(
    jailed: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Its calls end with the reason; those of other tools work as before."""
    source, error = BAD[name]
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    bad = msgspec.structs.replace(jailed("add"), tool=ToolRef(name, "tool"))
    async with JailLauncher(tools=[TOOL, bad.tool]) as own:
        ended = await own.launch(bad)
        assert (ended.cause, ended.result) == ("raised", b"")
        assert ended.error.startswith(error)
        await works(own, jailed)


THREAD = """
import threading, time
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
tool = 7
"""


async def test_a_tool_that_starts_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that starts a thread as it is imported is named when the launcher is entered."""
    (tmp_path / "starts.py").write_text(THREAD)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SandboxUnavailableError, match=r"`starts\.tool` starts a thread"):
        await JailLauncher(tools=[ToolRef("starts", "tool")]).__aenter__()
    assert children() == []


async def test_a_new_tool_that_starts_a_thread(
    jailed: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it comes later, its own calls fail, and those of the others go on as before."""
    (tmp_path / "late.py").write_text(THREAD)
    monkeypatch.syspath_prepend(tmp_path)
    bad = msgspec.structs.replace(jailed("add", a=1, b=1), tool=ToolRef("late", "tool"))
    async with JailLauncher(tools=[TOOL]) as own:
        first = outer(own)
        for _ in range(2):
            with pytest.raises(SandboxUnavailableError, match=r"`late\.tool` starts a thread"):
                await own.launch(bad)
            await works(own, jailed)
        assert outer(own) == first


SEEDLESS = """
import random
from authgate_async import tool
random.seed = None
@tool(resource="a:b", right="read")
def tool() -> None: ...
"""


async def test_a_cell_that_cannot_go_through_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell that has not drawn random numbers of its own is none: entering says so."""
    (tmp_path / "seedless.py").write_text(SEEDLESS)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SandboxUnavailableError, match="go through a call ahead of it"):
        await JailLauncher(tools=[ToolRef("seedless", "tool")]).__aenter__()
    assert children() == []


async def test_a_tool_that_never_ends_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that never ends its import is an error when the launcher is entered."""
    monkeypatch.setattr("authgate_async.launchers.spawning.START_SECONDS", 1.0)
    with pytest.raises(SandboxUnavailableError, match="not ready after 1 s"):
        await JailLauncher(tools=[ToolRef("hanging", "tool")]).__aenter__()
    assert children() == []


async def test_bounded(jailed: Make) -> None:
    """No more calls run at once than allowed, and all get their turn."""
    results = []
    async with JailLauncher(tools=[TOOL], processes=2) as own:

        async def run(number: int) -> None:
            async def may_start() -> None:
                assert len(own._current[False].calls) < 2

            ended = await own.launch(jailed("add", a=number, b=0), may_start)
            results.append(int(ended.result))

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(run, number)
    assert sorted(results) == list(range(12))


async def test_outside_its_block(jailed: Make) -> None:
    """Before it is entered and after it was left, a launcher takes no call."""
    own = JailLauncher(tools=[TOOL])
    with pytest.raises(ClosedError, match="async with"):
        await own.launch(jailed("add", a=1, b=1))
    async with own:
        await works(own, jailed)
    with pytest.raises(ClosedError, match="async with"):
        await own.launch(jailed("add", a=1, b=1))


@pytest.mark.parametrize("name", ["processes", "armed", "calls_per_template"])
def test_bounds_of_nothing(name: str) -> None:
    """A launcher that could run nothing is refused."""
    with pytest.raises(UsageError, match="at least 1"):
        JailLauncher(**{name: 0})  # type: ignore[arg-type]


def footprint() -> tuple[int, str]:
    """Count our descriptors, and read our mounts."""
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted
    return descriptors, Path("/proc/self/mountinfo").read_text()


async def all_armed(own: JailLauncher) -> None:
    """Wait until no call runs and as many cells wait as may, in each template."""
    for pool in own._current.values():
        while pool.calls or len(pool._armed) < own._armed:
            await anyio.lowlevel.checkpoint()
        (template,) = children(pool.template.pid)
        while len(children(template)) > own._armed:  # one that ended may still be there to reap
            await anyio.lowlevel.checkpoint()


async def test_nothing_is_left(
    jailed: Make, granted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 300 calls of every kind there are no more descriptors, files, mounts and processes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = [
        jailed("add", a=1, b=1),
        jailed("where", granted(tmp_path)),
        jailed("say_and_spin", out="x", limits={"wall_ms": 20}),
        jailed("flood", descriptor=1, size=2**20),
        jailed("forge", data="", code=1),
        jailed("fill", size=1000, files=50),
        jailed("attempt", ways=[["run", "/bin/true"]], programs=True),
    ]
    async with JailLauncher(tools=[TOOL]) as own:
        await own.launch(made[-1])  # for which there is a template of its own
        await all_armed(own)
        before = footprint()

        async def run(begin: int) -> None:
            for number in range(begin, 300, 4):
                await own.launch(made[number % len(made)])

        async with anyio.create_task_group() as tasks:
            for begin in range(4):
                tasks.start_soon(run, begin)
        await all_armed(own)
        assert len(children()) == 2
        assert footprint() == before
    assert children() == []
    assert footprint()[0] < before[0]
    assert not [*tmp_path.iterdir()]  # noqa: ASYNC240 - in a test


async def test_what_a_tool_has_imported_costs_a_call_nothing() -> None:
    """A call has of its template's memory what it looks at."""
    light, whole = ToolRef("ballast", "light"), ToolRef("ballast", "whole")
    async with JailLauncher(tools=(light, whole)) as own:
        for tool, result in (light, b"67108864"), (whole, b"4194304"):
            ended = await own.launch(Call("a1", tool, b"{}"))
            assert ended.result == result, ended
            assert (ended.usage.memory_bytes > 2**26) == (tool == whole), ended.usage


async def test_memory_of_the_template_stays_what_it_is() -> None:
    """Whoever gives memory up, or has it grow, gets zeros or no for an answer, and nothing else."""
    tool = ToolRef("ballast", "giving_up")
    new = ["done", "done", ""]
    async with JailLauncher(tools=(tool,)) as own:
        for programs, old in (False, ["EINVAL", "EINVAL", "kept"]), (True, new):
            ended = await own.launch(Call("a1", tool, b"{}", programs=programs))
            assert json.loads(ended.result) == [old, new], ended
