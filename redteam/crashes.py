"""Kill a loaded runtime at random moments, again and again, and look at what its log kept.

``python redteam/crashes.py --kills 500 FOLDER`` needs a new folder and takes a few minutes. It
fails if a run that was handed out is not in the log whole, if a call or a run was not ended, or if
a log does not verify. ``--seed`` draws the same moments again.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import msgspec

from authgate_async import Policy, Runtime, Task, keys, oplog, tool
from authgate_async.backends import make_kernel
from authgate_async.log.lines import read_line
from authgate_async.log.records import decode_record
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile
from authgate_async.policy import Principal
from authgate_async.wire import Grant, Right

AGENTS = 16
STEPS = 3
SERIES = 10
"""Kills of one log, before a new one is begun."""

READY = "ready"


@tool(resource="compute:work", right="execute", level="inline")
async def work(number: int) -> int:
    """Take a moment, so that calls are in flight when the runtime is killed."""
    await anyio.sleep(0.001)
    return number


async def _load(folder: Path, key: Path) -> None:
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
    async with Runtime(policy, tools=(work,), log=folder, key=key) as rt:
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

    def __init__(self, folder: Path, draw: random.Random) -> None:
        folder.mkdir(parents=True)
        self._log, self._key, self._draw = folder / "log", folder / "key", draw
        self._public = keys.generate(self._key)
        self._acknowledged: set[str] = set()
        self._torn: list[int] = []

    def kill_one(self) -> None:
        """Start a runtime, let it work, and kill it at some moment."""
        command = [sys.executable, __file__, "--worker", str(self._log), str(self._key)]
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
        data = self._bytes()
        self._torn.append(len(data) - data.rfind(b"\n") - 1)

    def _take(self, line: str) -> None:
        run, _, status = line.strip().partition(" ")
        if line.endswith("\n") and status:
            assert status == "done", line
            self._acknowledged.add(run)

    def _bytes(self) -> bytes:
        file = self._log / "log.jsonl"
        return file.read_bytes() if file.exists() else b""

    def check(self) -> tuple[int, int]:
        """Open the log once more, and see that all is there; return runs and torn tails."""
        kernel = make_kernel(seed=keys.load_seed(self._key), entropy=bytes(32))
        log = LogFile.open(self._log, "os", kernel)
        first = decode_record(read_line(self._bytes().splitlines(keepends=True)[0]).record)
        log.append([msgspec.structs.replace(first, cut_bytes=log.cut_bytes)])
        log.close()
        report = verify(self._log, self._public)
        assert report.ok, report
        assert report.sealed, report
        assert (report.open_runs, report.without_outcome) == (0, 0), report
        records = [
            json.loads(read_line(raw).record) for raw in self._bytes().splitlines(keepends=True)
        ]
        done = {r["run"] for r in records if r["kind"] == "run_closed" and r["status"] == "done"}
        assert self._acknowledged <= done, self._acknowledged - done
        # A runtime that was killed before it wrote told nobody what it cut.
        told = [r["cut_bytes"] for r in records if r["kind"] == "log_opened" and r["cut_bytes"]]
        torn = [length for length in self._torn if length]
        assert sum(told) <= sum(torn), (told, torn)
        return len(self._acknowledged), len(torn)


def main() -> None:
    """Kill as often as was asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("folder", type=Path)
    parser.add_argument("key", type=Path, nargs="?")
    args = parser.parse_args()
    if args.worker:
        oplog.configure("critical")
        anyio.run(_load, args.folder, args.key)
        return
    seed = time.time_ns() if args.seed is None else args.seed
    draw = random.Random(seed)  # noqa: S311 - moments are no secrets
    kills, runs, torn = 0, 0, 0
    while kills < args.kills:
        series = Series(args.folder / str(kills), draw)
        for _ in range(min(SERIES, args.kills - kills)):
            series.kill_one()
            kills += 1
        more_runs, more_torn = series.check()
        runs, torn = runs + more_runs, torn + more_torn
    _tell(f"seed {seed}: {kills} kills, {runs} runs acknowledged and kept, {torn} torn tails cut")


if __name__ == "__main__":
    main()
