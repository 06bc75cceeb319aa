"""The log with `fsync`: acknowledged records, by 1, 16 and 256 writers at once.

Ours: tasks that each wait for their record, through the log writer's mailbox; hash chain, tree and
a signed checkpoint in each group commit. SQLite: threads with a connection each, WAL,
`synchronous=FULL`, one insert a commit, no signature. Bare: one `write` and one `fsync`, of a
record, or of 256 (then a figure is of all of them). Bare loop: as many tasks as writers, which
hand a finished line to one thread and wait; nothing is made of it, hashed or signed, so no log that
answers tasks of an event loop can be faster.
All write the same bytes to the same disk: `--folder` says where, and must be no memory file system.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import anyio.to_thread

from authgate_async.actors.log_writer import LogWriter
from authgate_async.actors.recording import record
from authgate_async.actors.supervision import supervise
from authgate_async.actors.waiter import waiters
from authgate_async.backends import make_kernel
from authgate_async.log.lines import FIRST, make_line
from authgate_async.log.records import FORMAT, LogOpened, Refusal, encode_record
from authgate_async.log.writer import LogFile
from authgate_async.messages import Append
from benches.table import Row, Subject, arguments, measure, show

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate_async.actors.waiter import Waiter

WRITERS = (1, 16, 256)
RECORDS = 2_048
"""Of one round, shared by the writers; a lone writer and the bare disk write fewer."""
FEW = 256

_RECORD = Refusal(
    action_id="0123456789abcdef:7",
    code="permit_expired",
    permit_digest="0" * 64,
    sentence="the permit of action `0123456789abcdef:7` is valid from 1 to 2, not at 3",
    time=1_700_000_000_000_000,
)
_LINE, _ = make_line(1, FIRST, encode_record(_RECORD))

Measured = tuple[float, float]
"""Seconds a record, and the 99th percentile of the seconds that one waited."""


def count(writers: int) -> int:
    """Return how many records each of so many writers writes."""
    return max(1, (FEW if writers == 1 else RECORDS) // writers)


def ours(folder: Path, writers: int) -> Measured:
    """Append through the log writer; opening and sealing are outside the clock."""
    return anyio.run(_ours, folder, writers)


async def _ours(folder: Path, writers: int) -> Measured:
    kernel = make_kernel(seed=bytes(32), entropy=os.urandom(32))
    waits: list[float] = []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file = LogFile.open(Path(place) / "log", "fsync", kernel)
        file.append([_opening(kernel.key_id, kernel.public_key)])
        async with supervise(grace=60, on_crash=print, clock=time.monotonic) as actors:
            log = actors.start("log writer", lambda: LogWriter(file), Append)

            async def write() -> None:
                for _ in range(count(writers)):
                    began = time.perf_counter()
                    (problem,) = await record(log, ((_RECORD,),), timeout=60)
                    waits.append(time.perf_counter() - began)
                    assert not problem, problem

            began = time.perf_counter()
            async with anyio.create_task_group() as group:
                for _ in range(writers):
                    group.start_soon(write)
            seconds = time.perf_counter() - began
        file.close()
    return seconds / len(waits), _p99(waits)


def _opening(key_id: str, public_key: bytes) -> LogOpened:
    return LogOpened(
        backend="rust",
        cut_bytes=0,
        format=FORMAT,
        key_id=key_id,
        layers=(),
        public_key=public_key.hex(),
        time=0,
        version="0",
    )


def sqlite(folder: Path, writers: int) -> Measured:
    """Insert from threads, each with its own connection and a commit for each row."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "log.db"
        with closing(_connect(path)) as first:
            first.execute("create table log (id integer primary key, line blob)")
        start = Barrier(writers + 1)
        with ThreadPoolExecutor(writers) as pool:
            writing = [pool.submit(_insert, path, count(writers), start) for _ in range(writers)]
            start.wait()
            began = time.perf_counter()
            waits = [wait for each in writing for wait in each.result()]
            seconds = time.perf_counter() - began
    return seconds / len(waits), _p99(waits)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=600, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    return connection


def _insert(path: Path, number: int, start: Barrier) -> list[float]:
    with closing(_connect(path)) as connection:
        start.wait()
        moments = [time.perf_counter()]
        for _ in range(number):
            connection.execute("insert into log (line) values (?)", (_LINE,))
            moments.append(time.perf_counter())
    return [after - before for before, after in pairwise(moments)]


def bare(folder: Path, lines: int = 1) -> Measured:
    """Write so many lines and sync them, again and again; seconds a sync, and their percentile."""
    with tempfile.TemporaryFile(dir=folder) as file:
        moments = [time.perf_counter()]
        for _ in range(FEW):
            os.write(file.fileno(), _LINE * lines)
            os.fsync(file.fileno())
            moments.append(time.perf_counter())
    waits = [after - before for before, after in pairwise(moments)]
    return statistics.fmean(waits), _p99(waits)


def bare_loop(folder: Path, writers: int) -> Measured:
    """Have a thread write and sync the lines of all tasks that wait, and wake them."""
    return anyio.run(_bare_loop, folder, writers)


async def _bare_loop(folder: Path, writers: int) -> Measured:
    waits: list[float] = []
    waiter = waiters()
    waiting: list[Waiter] = []

    async def write() -> None:
        for _ in range(count(writers)):
            began = time.perf_counter()
            mine = waiter()
            waiting.append(mine)
            await mine
            waits.append(time.perf_counter() - began)

    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(writers):
                group.start_soon(write)
            for _ in range(count(writers)):
                while len(waiting) < writers:
                    await anyio.lowlevel.checkpoint()
                await anyio.to_thread.run_sync(_sync, file.fileno(), _LINE * writers)
                for done in waiting:
                    done.set_result(None)
                waiting.clear()
        seconds = time.perf_counter() - began
    return seconds / len(waits), _p99(waits)


def _sync(descriptor: int, lines: bytes) -> None:
    os.write(descriptor, lines)
    os.fsync(descriptor)


def _p99(waits: Sequence[float]) -> float:
    return sorted(waits)[len(waits) * 99 // 100]


class Waits:
    """Runs once for two rows: the rate, and the 99th percentile of the waits."""

    def __init__(self, run: Callable[[], Measured]) -> None:
        self._run = run
        self._left: dict[int, float] = {}

    def part(self, index: int) -> float:
        """Return one of both figures; the other one of the same run is next."""
        if index not in self._left:
            self._left = dict(enumerate(self._run()))
        return self._left.pop(index)


def _subjects(folder: Path) -> list[Subject]:
    runs: dict[str, tuple[str, Waits]] = {}
    for writers in WRITERS:
        runs[f"authgate_async, {writers}"] = (
            "authgate_async",
            Waits(partial(ours, folder, writers)),
        )
    for writers in WRITERS:
        runs[f"SQLite, {writers}"] = ("sqlite3", Waits(partial(sqlite, folder, writers)))
    runs[f"bare loop, {WRITERS[-1]}"] = ("os", Waits(partial(bare_loop, folder, WRITERS[-1])))
    runs["write and fsync, 1"] = ("os", Waits(partial(bare, folder)))
    runs["write and fsync, 256 lines"] = ("os", Waits(partial(bare, folder, WRITERS[-1])))
    return [
        Subject(f"{name}{what}", package, partial(waits.part, index))
        for name, (package, waits) in runs.items()
        for index, what in enumerate(("", ", p99"))
    ]


def _ratios(rows: Sequence[Row]) -> dict[str, float]:
    medians = {row.name: row.median for row in rows}
    ratios = {
        f"vs_sqlite_{writers}": medians[f"SQLite, {writers}"]
        / medians[f"authgate_async, {writers}"]
        for writers in WRITERS
    }
    # Less is better in these: what the unluckiest of 256 writers wait, in `fsync`s of a line by
    # itself, and like with like, in the percentile of those that sync as much as a group commit.
    # The bare loop says how low the first could be on this machine and disk.
    p99 = medians[f"authgate_async, {WRITERS[-1]}, p99"]
    loop = medians[f"bare loop, {WRITERS[-1]}, p99"]
    return ratios | {
        "bare_loop_p99_vs_fsync": loop / medians["write and fsync, 1"],
        "p99_vs_fsync": p99 / medians["write and fsync, 1"],
        "p99_vs_group_fsync_p99": p99 / medians["write and fsync, 256 lines, p99"],
    }


def _versioned(row: Row) -> Row:
    """Name the version of what is in no package."""
    versions = {"SQLite": sqlite3.sqlite_version, "write and fsync": sys.platform}
    versions["bare loop"] = sys.platform
    return replace(row, version=versions.get(row.name.partition(",")[0], row.version))


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument(
        "--folder", type=Path, default=Path(), help="a folder on the disk in question"
    )
    options = parser.parse_args()
    rows = [_versioned(row) for row in measure(_subjects(options.folder.resolve()), options.rounds)]
    show("One acknowledged record", rows, _ratios(rows), as_json=options.json)


if __name__ == "__main__":
    main()
