"""A log that cannot be written closes the gate, and loses nothing that has happened."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio import to_thread

from authgate_async import Task, tool
from authgate_async.actors import log_writer
from authgate_async.errors import LogUnavailableError
from authgate_async.log.records import Refusal
from authgate_async.log.storage import Storage
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile
from authgate_async.messages import Append, Appended

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HI = Task(agent="bot", steps=({"tool": "echo", "args": {"text": "hi"}},))
HOLD = Task(agent="bot", steps=({"tool": "hold"},))


class Held:
    """Lets a call begin, and end when it is told."""

    begun: anyio.Event
    end: anyio.Event


@tool(resource="compute:echo", right="execute", level="inline")
async def hold() -> str:
    """Run until told to end."""
    Held.begun.set()
    await Held.end.wait()
    return "held"


@tool(resource="compute:echo", right="execute", level="inline")
async def echo(text: str) -> str:
    """Give the text back."""
    return text


class Disk:
    """A disk that is full, or not; `written` tells of a write since there is room again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._full = False
        self.written = threading.Event()
        write = Storage.write

        def on_disk(storage: Storage, data: bytes) -> None:
            if self._full:
                raise LogUnavailableError("the log cannot be written: No space left on device")
            write(storage, data)
            self.written.set()

        monkeypatch.setattr(Storage, "write", on_disk)

    def fill(self) -> None:
        """Take all space."""
        self._full = True

    def free(self) -> None:
        """Give it back."""
        self.written.clear()
        self._full = False


@pytest.fixture
async def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk under the log, and a log writer that does not wait long before it tries again."""
    monkeypatch.setattr(log_writer, "FIRST_RETRY", 0.001)
    Held.begun, Held.end = anyio.Event(), anyio.Event()
    return Disk(monkeypatch)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The log's folder."""
    return tmp_path / "log"


async def whole(folder: Path) -> list[dict[str, Any]]:
    """See that the log is sealed and lacks nothing; return its records."""
    report = await to_thread.run_sync(verify, folder)
    assert (report.bad, report.sealed) == (None, True)
    assert (report.open_runs, report.without_outcome) == (0, 0)
    text = await anyio.Path(folder / "log.jsonl").read_text()
    return [json.loads(line)["record"] for line in text.splitlines()]


async def test_a_call_that_runs_ends_and_its_record_is_kept(
    runtime: Callable[..., Any], log: Path, disk: Disk
) -> None:
    """Its end is written, before anything else, when there is room, though nobody asks for it."""
    results: list[Any] = []
    async with runtime(log=log, tools=(hold, echo)) as rt:
        async with anyio.create_task_group() as group:

            async def act() -> None:
                results.append(await rt.run(HOLD))

            group.start_soon(act)
            await Held.begun.wait()
            disk.fill()
            Held.end.set()
        assert results[0].steps[0].cause == "returned"
        assert "the record is kept" in results[0].steps[0].error
        disk.free()
        await to_thread.run_sync(disk.written.wait)
        after = await rt.run(HI)

    assert after.status == "done"
    kinds = [(r["kind"], r.get("cause", "")) for r in await whole(log) if "run" in r]
    assert kinds[:4] == [
        *(("run_opened", ""), ("intent", ""), ("outcome", "returned"), ("run_closed", ""))
    ]


async def test_the_gate_is_closed_and_opens_again(
    runtime: Callable[..., Any], log: Path, disk: Disk
) -> None:
    """Without room nothing is permitted and no run is half in the log; with room all goes on."""
    async with runtime(log=log, tools=(hold, echo)) as rt:
        disk.fill()
        closed = [await rt.run(HI) for _ in range(3)]
        disk.free()
        opened = await rt.run(HI)

    assert [result.steps[0].codes for result in closed] == [("log_unavailable",)] * 3
    assert opened.status == "done"
    runs = [record["run"] for record in await whole(log) if record["kind"] == "run_opened"]
    assert runs == [opened.run]


async def test_a_group_without_records_crashes_nobody(
    runtime: Callable[..., Any], log: Path, disk: Disk
) -> None:
    """While there is no room it is answered like any other, and nothing of it is kept."""
    refusal = Refusal(
        action_id="r:0", code="permit_forged", permit_digest="0" * 64, sentence="no", time=1
    )
    async with runtime(log=log, tools=(hold, echo)) as rt:
        writer = rt._required().log
        disk.fill()
        problems = (await writer.ask(Append(((), (refusal,))), Appended, timeout=60)).problems
        disk.free()
        after = await rt.run(HI)

    assert problems[0].endswith("No space left on device")
    assert problems[1].endswith("as soon as that can be)")
    assert after.status == "done"


async def test_a_run_whose_end_there_was_room_for_is_whole(
    runtime: Callable[..., Any], log: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first step that the gate could not record leaves a run of no steps."""
    reply = log_writer.LogWriter._fail

    def once(self: log_writer.LogWriter, *args: Any) -> str:
        disk.free()
        return reply(self, *args)

    monkeypatch.setattr(log_writer.LogWriter, "_fail", once)
    async with runtime(log=log, tools=(hold, echo)) as rt:
        disk.fill()
        result = await rt.run(HI)

    assert (result.status, result.steps[0].codes) == ("denied", ("log_unavailable",))
    [closed] = [record for record in await whole(log) if record["kind"] == "run_closed"]
    assert (closed["run"], closed["steps"]) == (result.run, 0)


async def test_nothing_is_kept_of_runs_that_never_began(
    runtime: Callable[..., Any], disk: Disk, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the disk is full, what is kept is bounded by what ran before."""
    files: list[LogFile] = []
    init = log_writer.LogWriter.__init__
    monkeypatch.setattr(
        log_writer.LogWriter,
        "__init__",
        lambda self, file: (files.append(file), init(self, file))[1],
    )
    async with runtime(log=log, tools=(hold, echo)) as rt:
        disk.fill()
        for _ in range(20):
            await rt.run(HI)
        assert files[0].kept == []
        disk.free()


async def test_what_could_never_be_written_is_told_by_the_next_opening(
    runtime: Callable[..., Any], log: Path, disk: Disk
) -> None:
    """A runtime that ends with a full disk has no seal, and its call is recorded as interrupted."""

    async def end_full() -> None:
        async with runtime(log=log, tools=(hold, echo)) as rt, anyio.create_task_group() as group:
            group.start_soon(rt.run, HOLD)
            await Held.begun.wait()
            disk.fill()
            Held.end.set()

    with pytest.raises(LogUnavailableError, match="No space left"):
        await end_full()
    disk.free()
    async with runtime(log=log, tools=(hold, echo)):
        pass
    records = await whole(log)
    assert [record["cause"] for record in records if record["kind"] == "outcome"] == ["interrupted"]
    assert [r["status"] for r in records if r["kind"] == "run_closed"] == ["interrupted"]


async def _end_while_full(rt: Any, disk: Disk) -> None:
    """A run whose call ends when there is no room."""
    async with anyio.create_task_group() as group:
        group.start_soon(rt.run, HOLD)
        await Held.begun.wait()
        disk.fill()
        Held.end.set()


async def test_what_is_kept_is_tried_once_more_at_the_end(
    runtime: Callable[..., Any], log: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that ends before the next attempt is due makes one, so that the log is whole."""
    monkeypatch.setattr(log_writer, "FIRST_RETRY", 10_000.0)
    async with runtime(log=log, tools=(hold, echo)) as rt:
        await _end_while_full(rt, disk)
        disk.free()
    await whole(log)


async def test_a_crash_of_the_writer_loses_nothing_of_what_it_kept(
    runtime: Callable[..., Any], log: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next incarnation goes on trying."""
    append, bugs, crashed = LogFile.append_groups, [RuntimeError("a bug")], threading.Event()

    def crash_once(file: LogFile, *args: Any, **options: Any) -> Any:
        if bugs:
            crashed.set()
            raise bugs.pop()
        return append(file, *args, **options)

    async with runtime(log=log, tools=(hold, echo)) as rt:
        await _end_while_full(rt, disk)
        monkeypatch.setattr(LogFile, "append_groups", crash_once)
        await to_thread.run_sync(crashed.wait)
        disk.free()
        await to_thread.run_sync(disk.written.wait)
    await whole(log)
