"""The launcher over many calls: what it keeps, bounds, renews and refuses."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest

from authgate_async.errors import ClosedError, SandboxUnavailableError, UsageError
from authgate_async.launchers import process, spawning
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import CAUSES, ToolRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.protocol import Call

    Make = Callable[..., Call]


def descriptors() -> int:
    """Count our open descriptors."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def children() -> list[int]:
    """List our children, zombies too."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def parents_of(pid: int) -> list[int]:
    """List the children of the template, zombies too."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


async def test_no_leak_over_many_calls(call: Make) -> None:
    """After 200 calls of every kind there are as many descriptors as before, and no process."""
    async with ProcessLauncher() as own:
        await own.launch(call("add", {"a": 1, "b": 1}))
        before = descriptors()
        assert len(children()) == 1
        made = [
            call("add", {"a": 1, "b": 1}),
            call("missing"),
            call("spin", wall_ms=1),
            call("flood", {"fd": 1, "size": 2**20}),
            call("vanish", {"status": 1}),
        ]
        for number in range(200):
            await own.launch(made[number % len(made)])
        assert descriptors() == before
        (template,) = children()
        while parents_of(template):  # the last warden is reaped just after it reports
            await anyio.lowlevel.checkpoint()
    assert children() == []
    assert descriptors() < before


async def test_bounded_and_fair(call: Make) -> None:
    """No more calls run at once than allowed, and the others get their turn in order."""
    order: list[int] = []
    async with ProcessLauncher(processes=2) as own:

        async def run(number: int) -> None:
            async def has_its_place() -> None:
                order.append(number)

            await own.launch(call("add", {"a": 1, "b": 1}), has_its_place)
            assert len(own._running) <= 2

        async with anyio.create_task_group() as tasks:
            for number in range(12):
                tasks.start_soon(run, number)
                await anyio.lowlevel.checkpoint()
    assert sorted(order) == list(range(12))
    # Two that get their places in one tick may go on in either order.
    assert all(abs(place - number) <= 1 for place, number in enumerate(order))


async def test_waiting_does_not_use_up_the_deadline(call: Make) -> None:
    """A call that waited for its turn longer than its deadline still has its whole time."""
    causes: dict[str, str] = {}
    async with ProcessLauncher(processes=1) as own:

        async def run(name: str, made: Call) -> None:
            causes[name] = (await own.launch(made)).cause

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, "first", call("spin", wall_ms=1500))
            tasks.start_soon(run, "second", call("add", {"a": 1, "b": 1}, wall_ms=1400))
    assert causes == {"first": "deadline", "second": "returned"}


async def test_new_template_after_some_calls(call: Make) -> None:
    """A template is replaced after its share of calls, and calls that it still runs go on."""
    async with ProcessLauncher(calls_per_template=2) as own:
        causes: list[str] = []

        async def slow() -> None:
            causes.append((await own.launch(call("nap", {"seconds": 0.5}))).cause)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow)
            fast = [await own.launch(call("add", {"a": 1, "b": 1})) for _ in range(5)]
        assert {*causes, *(ended.cause for ended in fast)} == {"returned"}
        assert own._template is not None
        assert own._template.calls <= 2


async def test_template_killed_between_calls(call: Make) -> None:
    """A template that dies while nothing runs costs no call."""
    async with ProcessLauncher() as own:
        for _ in range(3):
            assert (await own.launch(call("add", {"a": 1, "b": 1}))).cause == "returned"
            (template,) = children()
            os.kill(template, signal.SIGKILL)
            while children():
                await anyio.lowlevel.checkpoint()


async def test_hanging_import(call: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool whose module never ends its import costs its own call, not the launcher."""
    monkeypatch.setattr(process, "START_SECONDS", 2.0)
    async with ProcessLauncher() as own:
        hanging = msgspec.structs.replace(call("x"), tool=ToolRef("hanging", "tool"))
        ended = await own.launch(hanging)
        assert (ended.cause, ended.result) == ("sandbox_died", b"")
        monkeypatch.undo()
    assert children() == []


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise SystemExit('no luck')", "did not start: no luck"),
        ("pass", "did not start: it left no message"),
        ("import time; time.sleep(600)", "was not ready after"),
    ],
)
async def test_template_that_cannot_start(
    call: Make, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    """A template that cannot start is an error that has its last words, and nothing is left."""
    monkeypatch.setattr(spawning, "_PROGRAM", program)
    monkeypatch.setattr(spawning, "START_SECONDS", 2.0)
    async with ProcessLauncher() as own:
        with pytest.raises(SandboxUnavailableError, match=words):
            await own.launch(call("add"))
    assert children() == []


async def test_no_executable(call: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started the error says why, and the place is free again."""
    monkeypatch.setattr("sys.executable", "/no/such/python")
    async with ProcessLauncher(processes=1) as own:
        for _ in range(2):
            with pytest.raises(SandboxUnavailableError, match="No such file"):
                await own.launch(call("add"))
        monkeypatch.setattr("sys.executable", "")
        with pytest.raises(SandboxUnavailableError, match="its own executable"):
            await own.launch(call("add"))


async def test_no_descriptors_left(call: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call for which there are no descriptors is refused and loses none; later ones work."""

    def refuse() -> tuple[int, int]:
        raise OSError(24, "Too many open files")

    async with ProcessLauncher(processes=1) as own:
        await own.launch(call("add", {"a": 1, "b": 1}))
        before = descriptors()
        with monkeypatch.context() as patch:
            patch.setattr("os.pipe", refuse)
            with pytest.raises(SandboxUnavailableError, match="Too many open files"):
                await own.launch(call("add", {"a": 1, "b": 1}))
        assert descriptors() == before
        assert (await own.launch(call("add", {"a": 1, "b": 1}))).cause == "returned"


async def test_closed(call: Make) -> None:
    """A launcher that was left, or never entered, refuses calls."""
    own = ProcessLauncher()
    with pytest.raises(ClosedError):
        await own.launch(call("add"))
    async with own:
        pass
    with pytest.raises(ClosedError):
        await own.launch(call("add"))


async def test_waiting_call_of_a_closed_launcher(call: Make, fifo: Any) -> None:
    """A call that still waits for its turn when the launcher is left is refused, not started."""
    refused: list[str] = []

    async def late(own: ProcessLauncher) -> None:
        try:
            await own.launch(call("add", {"a": 1, "b": 1}))
        except ClosedError as error:
            refused.append(str(error))

    async with anyio.create_task_group() as tasks, ProcessLauncher(processes=1) as own:
        tasks.start_soon(own.launch, call("wait", {"fifo": fifo.path}))
        await anyio.wait_readable(fifo.fileno())
        tasks.start_soon(late, own)
        await anyio.lowlevel.checkpoint()
    assert len(refused) == 1


@pytest.mark.parametrize("wrong", [{"processes": 0}, {"calls_per_template": 0}])
def test_wrong_numbers(wrong: dict[str, int]) -> None:
    """A bound below one is refused."""
    with pytest.raises(UsageError):
        ProcessLauncher(**wrong)


async def test_other_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the level cannot be had, entering says so."""
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(SandboxUnavailableError, match="need Linux"):
        await ProcessLauncher().__aenter__()


async def test_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the native extension, entering says how to get it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SandboxUnavailableError, match="native extension"):
        await ProcessLauncher().__aenter__()


def test_causes_are_named() -> None:
    """The causes that this folder tests are those of the contract."""
    assert set(CAUSES) == {
        *("returned", "raised", "deadline", "output_cap", "cpu_limit", "memory_limit"),
        *("process_limit", "killed", "cancelled", "revoked", "sandbox_died"),
    }
