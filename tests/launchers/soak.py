"""20,000 calls through one launcher of jails: nothing left, and memory that does not grow.

Run it from the checkout, not as a test: `python tests/launchers/soak.py [CALLS]`. Four calls run at
a time, one in ten of them hostile, with or without a granted folder; templates are replaced as they
always are. It prints one line, and fails if, after all calls, there are more descriptors, mounts,
namespaces, temporary files or processes than after the first thousand, or if the resident memory of
runtime or template has grown by more than a tenth.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import anyio
import anyio.lowlevel
import msgspec

sys.path.insert(0, str(Path(__file__).with_name("bodies")))

from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.protocol import Call, Folder, Limits, ToolRef

CALLS = 20_000
EARLY = 1_000
AT_ONCE = 4
TOOL = ToolRef("jailed", "tool")
GROWTH = 1.1


def calls(place: str) -> list[Call]:
    """Return the calls that are run in turn."""
    folder = (Folder("folder", "docs", place, "", 3),)
    plain = _call({"body": "add", "a": 1, "b": 1})
    granted = _call({"body": "attempt", "ways": [["write", f"{place}/file"]]}, folder)
    hostile = [
        _call({"body": "say_and_spin", "out": "x"}, wall_ms=20),
        _call({"body": "flood", "descriptor": 1, "size": 2**20}),
        _call({"body": "forge", "data": "ff", "code": 1}),
        _call({"body": "fill", "size": 1000, "files": 100}),
        _call({"body": "connect", "family": 2}),
        _call({"body": "attempt", "ways": [["run", "/bin/true"]]}, programs=True),
    ]
    return [one for last in hostile for one in [*[plain, granted] * 4, plain, last]]


def _call(
    args: dict[str, object],
    folders: tuple[Folder, ...] = (),
    wall_ms: int = 60_000,
    *,
    programs: bool = False,
) -> Call:
    limits = Limits(wall_ms=wall_ms)
    return Call("a1", TOOL, msgspec.json.encode(args), folders, limits, programs)


def resident(pid: int | str) -> int:
    """Return the resident memory of a process in KiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else 0


def children(pid: int | str) -> list[int]:
    """List the children of a process, zombies too."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def namespaces() -> int:
    """Count the namespaces that our processes are in."""
    ours = [*(pids := children("self")), *[one for pid in pids for one in children(pid)], "self"]
    return len({os.readlink(f"/proc/{pid}/ns/{kind}") for pid in ours for kind in ("mnt", "pid")})  # noqa: PTH115


def measure(own: JailLauncher, temporary: str) -> dict[str, int]:
    """Count what may leak; at a time when no call runs and every cell that may be is armed."""
    outer = own._current[False].template.pid
    (inner,) = children(outer)
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "mounts": len(Path("/proc/self/mountinfo").read_text().splitlines()),
        "namespaces": namespaces(),
        "files": len(os.listdir(temporary)),  # noqa: PTH208
        "templates": len(children("self")),
        "cells": len(children(inner)),
        "runtime_kib": resident("self"),
        "template_kib": resident(inner),
    }


async def quiet(own: JailLauncher) -> None:
    """Wait until no call runs, the cells of each kind are armed, and other templates are reaped."""
    while len(children("self")) > len(own._current):
        await anyio.lowlevel.checkpoint()
    for pool in own._current.values():
        while pool.calls or len(pool._armed) < own._armed:
            await anyio.lowlevel.checkpoint()
        (inner,) = children(pool.template.pid)
        while len(children(inner)) > own._armed:
            await anyio.lowlevel.checkpoint()


async def main(count: int) -> int:
    """Run the calls; return how many figures are worse than at the beginning."""
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as temporary:
        os.environ["TMPDIR"] = temporary
        Path(place, "file").write_text("")  # noqa: ASYNC240
        made = calls(place)
        async with JailLauncher(tools=[TOOL], processes=AT_ONCE + 1) as own:
            await run(own, made, EARLY)
            early = measure(own, temporary)
            begun = anyio.current_time()
            causes = await run(own, made, count)
            took = anyio.current_time() - begun
            late = measure(own, temporary)
        left = len(children("self"))
    print(  # noqa: T201
        json.dumps(
            {
                "calls": count,
                "seconds": round(took),
                "causes": causes,
                "early": early,
                "late": late,
                "left": left,
            }
        )
    )
    worse = [key for key in early if late[key] > early[key] * (GROWTH if "kib" in key else 1)]
    return len(worse) + left


async def run(own: JailLauncher, made: list[Call], count: int) -> dict[str, int]:
    """Run so many calls, some at a time; return how often each way of ending came."""
    causes: dict[str, int] = {}
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            cause = (await own.launch(made[number % len(made)])).cause
            causes[cause] = causes.get(cause, 0) + 1

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(worker)
    await quiet(own)
    return causes


if __name__ == "__main__":
    sys.exit(anyio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else CALLS) > 0)
