"""Kill a loaded runtime at random moments, again and again, and look at what its log kept.

``python redteam/crashes.py --kills 500 FOLDER`` needs a new folder and takes a few minutes. It
fails if a run that was handed out is not in the log whole, if a call or a run was not ended, or if
a log does not verify. Of three logs one stays in one file, one begins another every 64 KiB, and one
removes each at once: what it removes is put aside, and must be true when it is put back. ``--seed``
draws the same moments again.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from authgate_async import Policy, Rotation, Runtime, Task, keys, oplog, tool
from authgate_async.backends import make_kernel
from authgate_async.log.entries import opening_of
from authgate_async.log.lines import read_line
from authgate_async.log.segments import firsts, name_of
from authgate_async.log.storage import Storage
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile
from authgate_async.policy import Principal
from authgate_async.wire import Grant, Right

if TYPE_CHECKING:
    from authgate_async.log.verify import Report

AGENTS = 16
STEPS = 3
SERIES = 4
"""Kills of one log, before a new one is begun."""

READY = "ready"

ROTATIONS = {
    "none": Rotation(),
    "kept": Rotation(file_bytes=2**16),
    "removed": Rotation(file_bytes=2**16, keep_seconds=0),
}


@tool(resource="compute:work", right="execute", level="inline")
async def work(number: int) -> int:
    """Take a moment, so that calls are in flight when the runtime is killed."""
    await anyio.sleep(0.001)
    return number


def _put_aside(storage: Storage, first: int) -> None:
    """Do what `Storage.remove` does, as far as the log's folder can tell."""
    (storage._folder / name_of(first)).rename(_aside(storage._folder) / name_of(first))
    storage._sync_names()


def _aside(log: Path) -> Path:
    return log.parent / "aside"


async def _load(folder: Path, key: Path, rotation: Rotation) -> None:
    """Run agents until killed; each run that was handed out is one line on stdout."""
    names = [f"bot{number}" for number in range(AGENTS)]
    policy = Policy(
        principals=(
            Principal("ann", "human"),
            *(Principal(name, "machine", owner="ann") for name in names),
        ),
        grants=tuple(
            Grant(f"g-{name}", name, "machine", "compute", "work", "", Right.EXECUTE)
            for name in names
        ),
    )
    steps = tuple({"tool": "work", "args": {"number": number}} for number in range(STEPS))
    async with Runtime(policy, tools=(work,), log=folder, key=key, rotation=rotation) as rt:
        _tell(READY)

        async def serve(name: str) -> None:
            while True:
                result = await rt.run(Task(agent=name, steps=steps))
                _tell(f"{result.run} {result.status}")

        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(serve, name)


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the parent reads it


class Series:
    """One log, and what its runtimes acknowledged before they were killed."""

    def __init__(self, folder: Path, draw: random.Random, rotation: str) -> None:
        folder.mkdir(parents=True)
        self._rotation = rotation
        self._log, self._key, self._draw = folder / "log", folder / "key", draw
        self._public = keys.generate(self._key)
        _aside(self._log).mkdir()
        self._acknowledged: set[str] = set()
        self._torn: list[int] = []

    def kill_one(self) -> None:
        """Start a runtime, let it work, and kill it at some moment."""
        place = [str(self._log), str(self._key)]
        command = [sys.executable, __file__, "--worker", self._rotation, *place]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            lines = iter(worker.stdout or ())
            # Some are killed as they open the log, when they end what the one before left behind.
            for _ in range(self._draw.choice((0, 1, 2, 10, 60))):
                self._take(next(lines, ""))
            time.sleep(self._draw.random() * 0.01)  # a random moment is what is wanted
            worker.send_signal(signal.SIGKILL)
            for line in lines:
                self._take(line)
        assert worker.returncode == -signal.SIGKILL, "the runtime ended by itself"
        self._torn.append(self._cut())

    def _take(self, line: str) -> None:
        run, _, status = line.strip().partition(" ")
        if line.endswith("\n") and status:
            assert status == "done", line
            self._acknowledged.add(run)

    def _bytes(self) -> list[bytes]:
        """What each file holds."""
        there = firsts(self._log) if self._log.exists() else []
        files = [self._log / name_of(first) for first in there]
        return [file.read_bytes() for file in files if file.exists()]

    def _cut(self) -> int:
        """How many bytes the next opening may cut."""
        data = (self._bytes() or [b""])[-1]
        begun = not data or data.startswith(b'{"index":0,') or b'"kind":"checkpoint"' in data
        return len(data) - data.rfind(b"\n") - 1 if begun else len(data)

    def check(self) -> tuple[int, int, int]:
        """Open the log once more, and see that all is there; return runs, torn tails, files."""
        kernel = make_kernel(seed=keys.load_seed(self._key), entropy=bytes(32))
        log = LogFile.open(self._log, "os", kernel)
        opened = opening_of(kernel, backend="none", cut_bytes=log.cut_bytes, layers=(), time=0)
        log.append([opened])
        log.close()
        self._verify()
        for file in _aside(self._log).iterdir():
            file.rename(self._log / file.name)
        assert not self._verify().removed
        records = [
            json.loads(read_line(raw).record)
            for data in self._bytes()
            for raw in data.splitlines(keepends=True)
        ]
        done = {r["run"] for r in records if r["kind"] == "run_closed" and r["status"] == "done"}
        assert self._acknowledged <= done, self._acknowledged - done
        # A runtime that was killed before it wrote told nobody what it cut.
        told = [r["cut_bytes"] for r in records if r["kind"] == "log_opened" and r["cut_bytes"]]
        torn = [length for length in self._torn if length]
        assert sum(told) <= sum(torn), (told, torn)
        return len(self._acknowledged), len(torn), len(self._bytes())

    def _verify(self) -> Report:
        report = verify(self._log, self._public)
        assert report.ok, report
        assert report.sealed, report
        assert (report.open_runs, report.without_outcome) == (0, 0), report
        return report


def main() -> None:
    """Kill as often as was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--worker", choices=ROTATIONS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("key", type=Path, nargs="?")
    args = parser.parse_args()
    if args.worker:
        oplog.configure("critical")
        Storage.remove = _put_aside  # type: ignore[method-assign]
        anyio.run(_load, args.folder, args.key, ROTATIONS[args.worker])
        return
    seed = time.time_ns() if args.seed is None else args.seed
    draw = random.Random(seed)  # noqa: S311 - moments are no secrets
    kills, runs, torn, files = 0, 0, 0, 0
    for rotation in cycle(ROTATIONS):
        series = Series(args.folder / str(kills), draw, rotation)
        for _ in range(min(SERIES, args.kills - kills)):
            series.kill_one()
            kills += 1
        more_runs, more_torn, more_files = series.check()
        runs, torn, files = runs + more_runs, torn + more_torn, files + more_files
        if kills == args.kills:
            break
    told = f"{runs} runs acknowledged and kept, {torn} torn tails cut, {files} files"
    _tell(f"seed {seed}: {kills} kills, {told}")


if __name__ == "__main__":
    main()
