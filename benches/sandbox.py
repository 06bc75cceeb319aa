"""The jail: 8 calls at once, one call now and then, calls one after another, and bare forks.

Ours runs a tool that prints 2 + 2 and returns it; the rivals start a Python that prints it, which
is what they can do. `calls_vs_bubblewrap_8` and `latency_vs_bubblewrap` say how many times better
ours is than `bwrap ... python3 -c`; `full_jail_vs_fork` how many times dearer a call is than a bare
fork and wait of the same process, without Python's hooks. The calls of that ratio come one after
another and each arms a cell for a later one, so that no work is left out.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import Call, Limits, ToolRef
from benches.rivals import jails
from benches.table import Subject, arguments, measure, ratios, show, version_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authgate_async.launchers.protocol import Launcher

AT_ONCE = 8
DESCENDANTS = 60
SLICE_SECONDS = 0.5
SINGLE_CALLS = 10
PAUSE_SECONDS = 0.02
KILL_AFTER_MS = 500

FOUR = Call("bench", ToolRef("benches.bodies", "four"), b"{}")
CROWD = Call(
    "bench",
    ToolRef("benches.bodies", "crowd"),
    b'{"children":%d}' % DESCENDANTS,
    limits=Limits(processes=DESCENDANTS + 4, wall_ms=KILL_AFTER_MS),
    programs=True,
)

LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


def jail() -> Launcher:
    """Make ours."""
    return JailLauncher(tools=(FOUR.tool, CROWD.tool), processes=AT_ONCE)


def process() -> Launcher:
    """Make our level without a jail."""
    return ProcessLauncher(processes=AT_ONCE)


async def four(launcher: Launcher) -> None:
    """Make one call."""
    ended = await launcher.launch(FOUR)
    assert (ended.result, ended.stdout) == (b"4", b"4\n"), ended


def on_loop(
    make: Callable[[], Launcher],
    work: Callable[[Launcher], Awaitable[float]],
    loop: str = "asyncio",
) -> float:
    """Measure with a launcher that was entered and has made some calls."""

    async def main() -> float:
        async with make() as launcher:
            for _ in range(AT_ONCE):
                await four(launcher)
            return await work(launcher)

    return anyio.run(main, **LOOPS[loop])


async def calls_at_once(launcher: Launcher, callers: int) -> float:
    """Return seconds per call when so many tasks make one call after another."""
    began = time.perf_counter()
    count = 0

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() < began + SLICE_SECONDS:
            await four(launcher)
            count += 1

    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(caller)
    return (time.perf_counter() - began) / count


async def single_calls(launcher: Launcher) -> float:
    """Return the median seconds of calls between which the launcher has time."""
    seconds = []
    for _ in range(SINGLE_CALLS):
        await anyio.sleep(PAUSE_SECONDS)
        began = time.perf_counter()
        await four(launcher)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


async def kill_crowd(launcher: Launcher) -> float:
    """Return seconds from a deadline to the outcome, with all descendants there and all gone."""
    await launcher.launch(msgspec.structs.replace(FOUR, programs=True))  # starts their template
    begun = 0.0

    async def begin() -> None:
        nonlocal begun
        begun = time.perf_counter()

    ended = await launcher.launch(CROWD, begin)
    ran = time.perf_counter() - begun
    assert (ended.cause, ended.stdout) == ("deadline", b"all there\n"), ended
    return ran - KILL_AFTER_MS / 1000


def rival_at_once(call: Callable[[], None]) -> float:
    """Return seconds per call when so many threads make one call after another."""
    began = time.perf_counter()

    def caller(_: int) -> int:
        count = 0
        while time.perf_counter() < began + SLICE_SECONDS:
            call()
            count += 1
        return count

    with ThreadPoolExecutor(AT_ONCE) as threads:
        count = sum(threads.map(caller, range(AT_ONCE)))
    return (time.perf_counter() - began) / count


def rival_single(call: Callable[[], None]) -> float:
    """Return the median seconds of calls with pauses between them."""
    seconds = []
    for _ in range(SINGLE_CALLS):
        time.sleep(PAUSE_SECONDS)
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def fork(kind: str) -> float:
    """Return seconds per fork and wait of a process like a jail's template."""
    command = (sys.executable, "-m", "benches.forking", kind)
    folder = Path(__file__).parents[1]
    return float(subprocess.check_output(command, cwd=folder))  # noqa: S603 - this Python, ours


def ours() -> list[Subject]:
    """Return what there is to measure of ours, and the forks below it."""
    eight = partial(calls_at_once, callers=AT_ONCE)
    one = partial(calls_at_once, callers=1)
    works: dict[str, Callable[[], float]] = {
        "jail, 8 at once": partial(on_loop, jail, eight),
        "jail, 8 at once, uvloop": partial(on_loop, jail, eight, "uvloop"),
        "jail, 8 at once, trio": partial(on_loop, jail, eight, "trio"),
        "process level, 8 at once": partial(on_loop, process, eight),
        "jail, one now and then": partial(on_loop, jail, single_calls),
        "process level, one now and then": partial(on_loop, process, single_calls),
        "jail, one after another": partial(on_loop, jail, one),
        "process level, one after another": partial(on_loop, process, one),
        "fork and wait, raw": partial(fork, "raw"),
        "fork and wait, `os.fork`": partial(fork, "hooks"),
        "fork and wait, raw, memory not frozen": partial(fork, "warm"),
        f"jail, kill {DESCENDANTS} descendants": partial(on_loop, jail, kill_crowd),
    }
    if find_spec("uvloop") is None:
        del works["jail, 8 at once, uvloop"]
    version = version_of("authgate_async")
    return [Subject(name, version, run) for name, run in works.items()]


def rivals() -> list[Subject]:
    """Return what there is to measure of the others."""
    modes = {"8 at once": rival_at_once, "one now and then": rival_single}
    return [
        Subject(f"{rival.name}, {mode}", rival.version, rival.call and partial(run, rival.call))
        for mode, run in modes.items()
        for rival in jails.found()
    ]


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__, rounds=9).parse_args()
    rows = measure([*ours(), *rivals()], options.rounds)
    show("One call in a jail", rows, ratios(rows, _RATIOS), as_json=options.json)


_RATIOS = {
    "calls_vs_bubblewrap_8": ("bubblewrap, 8 at once", "jail, 8 at once"),
    "latency_vs_bubblewrap": ("bubblewrap, one now and then", "jail, one now and then"),
    "full_jail_vs_fork": ("jail, one after another", "fork and wait, raw"),
}


if __name__ == "__main__":
    main()
