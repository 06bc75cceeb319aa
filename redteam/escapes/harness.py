"""Runs every snippet, without a jail or through a launcher, and prints what became of each as JSON.

It is started as a program, once for each user and event loop, by `staging.py`:
`harness.py KIND FOLDER [LOOP [NAMES]]`, where KIND is `bare`, `jail` or `process`, and NAMES are
the snippets that are run (default: all). `jail+HOW-WHAT` is a jail that lacks something.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from authgate_async.launchers.protocol import Call, Folder, Limits, ToolRef
from authgate_async.wire import Right

sys.path.insert(0, str(Path(__file__).parents[1]))

from escapes import declare, world
from escapes.naive import Running, Seen
from escapes.world import SECRET, World

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from authgate_async.launchers.protocol import Ended, Launcher
    from escapes.declare import Mode, Proof, Snippet

__all__ = ["Outcome"]

LIMITS = {
    "cpu_seconds": 1,
    "memory_bytes": 256 * 2**20,
    "file_bytes": 4 * 2**20,
    "open_files": 64,
    "processes": 8,
    "stdout_bytes": 2**16,
    "stderr_bytes": 2**16,
    "result_bytes": 2**16,
}
"""What a call may use; snippets claim what is well beyond it."""

LONG_MS = 20_000
SHORT_MS = 400
MARGIN_SECONDS = 30.0
"""How long after its deadline a call may end before it counts as hanging."""

BARE_TRIES = 500

PEAK_BYTES = 24 * 2**20
"""What a call that floods may cost this process: the caps, and what an allocator keeps."""

_NOT_LOOKED_AT = 2**63

CALM = ToolRef("escapes.calm", "calm")
"""The harmless call that follows each snippet."""

SHORT = {"linger", "spin", "spin_deaf"}
"""What needs its deadline, besides the endless ones."""


class Outcome(msgspec.Struct):
    """What became of one snippet: what shows that it got out, how each turn ended, what was after.

    `evidence` is empty if it was stopped. `after` is what the next, harmless, call returned.
    """

    evidence: dict[str, str]
    ended: list[str]
    after: str = ""


def main(kind: str, folder: Path, loop: str, names: str = "") -> None:
    """Run all that `kind` says and print the outcomes."""
    kind, *lacks = kind.split("+")
    sys.dont_write_bytecode = True
    sys.path.append(str(folder / "library"))
    signal.signal(signal.SIGURG, lambda number, _: world.poked.append(number))
    snippets = declare.load()
    if kind == "bare":
        found = {"": {one.name: bare(one, folder) for one in snippets.values() if _can_bite(one)}}
    else:
        for name in set(names.split(",")).symmetric_difference(snippets) if names else ():
            del snippets[name]
        with contextlib.ExitStack() as patches:
            for lack in lacks:
                patches.enter_context(_lacking(*lack.split("-")))
            found = anyio.run(_through_launcher, kind, folder, backend=loop)
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _lacking(how: str, what: str) -> AbstractContextManager[object]:
    """Leave off a layer, or have a kind of namespace shared with the machine or between calls."""
    sys.path.append(str(Path(__file__).parents[2]))
    from redteam.broken import jails  # noqa: PLC0415 - not everybody who gets here may read it

    ways = {"sharing": jails.sharing, "own": jails.without_own, "without": jails.without}
    return ways[how](what)()


def _can_bite(snippet: Snippet) -> bool:
    return not snippet.root or os.getuid() == 0


# Without a jail


def bare(snippet: Snippet, folder: Path) -> Outcome:
    """Run a snippet, or its two turns, with nothing in its way."""
    with World(folder, LIMITS["file_bytes"]) as outside:
        seen = _bare_turns(snippet, outside)
        evidence: dict[Proof, str] = outside.evidence()
        for one in seen:
            _judge_bare(snippet, one, outside, evidence)
        if snippet.proof == "sibling" and seen[0].killed:
            evidence["sibling"] = "it was killed"
        return Outcome(evidence, [one.text()[:200].decode("utf-8", "replace") for one in seen])


def _bare_turns(snippet: Snippet, outside: World) -> list[Seen]:
    if snippet.turns == "once":
        return [_run_bare(snippet, outside, 0).ended(outside.fifo if snippet.endless else None)]
    first = _run_bare(snippet, outside, 1)
    if snippet.turns == "after":
        return [first.ended(), _run_bare(snippet, outside, 2).ended()]
    while not first.step() and not outside.ready():
        pass
    second = _run_bare(snippet, outside, 2).ended()
    for _ in range(BARE_TRIES if snippet.again > 1 else 0):  # what is a race is won some time
        if _leak(second.text(), outside):
            break
        second = _run_bare(snippet, outside, 2).ended()
    return [first.ended() if snippet.proof == "sibling" else first.close(), second]


def _run_bare(snippet: Snippet, outside: World, turn: int) -> Running:
    scratch = outside.folder / "scratch" / str(turn)
    scratch.mkdir(exist_ok=True)
    return Running(snippet, outside.target(turn), scratch)


def _judge_bare(snippet: Snippet, seen: Seen, outside: World, evidence: dict[Proof, str]) -> None:
    if leaked := _leak(seen.text(), outside):
        evidence["secret"] = leaked
    if snippet.proof == "claim" and seen.claim() not in ("", '""'):
        evidence["claim"] = seen.claim()[:200]
    if seen.harmed or seen.messages or seen.streams[2][:1] == b"S":
        evidence["runner"] = seen.harmed or f"it believes {seen.messages}"
    if seen.problem():
        evidence["output"] = seen.problem()
    for stream, cap in zip(seen.streams, ("stdout", "stderr", "result"), strict=True):
        if len(stream) > LIMITS[f"{cap}_bytes"]:
            evidence["output"] = f"{len(stream)} bytes of {cap}"


def _leak(data: bytes, outside: World) -> str:
    found = re.findall(rb"S(?:ECRET|IBLING)-[0-9a-f]{32}", data)
    known = {SECRET.encode(), outside.sibling.encode()}
    return b" ".join(known.intersection(found)).decode()


# Through a launcher


async def _through_launcher(kind: str, folder: Path) -> dict[str, dict[str, Outcome]]:
    """Run every snippet in every mode that it is meant for, each followed by a harmless call."""
    modes: tuple[Mode, ...] = declare.BOTH
    async with _launcher(kind) as launcher:
        return {
            mode: {
                snippet.name: await confined(launcher, snippet, mode, folder)
                for snippet in declare.SNIPPETS.values()
                if mode in snippet.modes
            }
            for mode in modes
        }


def _launcher(kind: str) -> Launcher:
    if kind == "process":
        from authgate_async.launchers.process import ProcessLauncher  # noqa: PLC0415

        return ProcessLauncher(processes=4)
    from authgate_async.launchers.jail import JailLauncher  # noqa: PLC0415

    tools = [_tool(snippet) for snippet in declare.SNIPPETS.values()]
    return JailLauncher(tools=(*tools, CALM), processes=4)


def _tool(snippet: Snippet) -> ToolRef:
    return ToolRef(snippet.module, snippet.name)


async def confined(launcher: Launcher, snippet: Snippet, mode: Mode, folder: Path) -> Outcome:
    """Run a snippet, or its two turns, as calls of a launcher, and judge by what stands outside."""
    with World(folder, LIMITS["file_bytes"]) as outside:
        before = _peak_now() if snippet.proof == "output" else _NOT_LOOKED_AT
        seen = await _confined_turns(launcher, snippet, mode, outside)
        evidence = outside.evidence()
        if (grown := _peak() - before) > PEAK_BYTES:
            evidence["output"] = f"the runtime grew by {grown} bytes"
        for one in seen:
            _judge(one, outside, evidence)
        if snippet.proof == "sibling" and seen[0] and seen[0].cause == "killed":
            evidence["sibling"] = seen[0].error
        call = _call(CALM, outside, mode, 0, LONG_MS)
        after = await _launched(launcher, call)
        ended = [f"{one.cause}: {one.error}" if one else "hangs" for one in seen]
        return Outcome(evidence, ended, _of(after))


def _of(ended: Ended | None) -> str:
    if ended is None:
        return "hangs"
    return ended.result.decode() if ended.cause == "returned" else f"{ended.cause}: {ended.error}"


async def _confined_turns(
    launcher: Launcher, snippet: Snippet, mode: Mode, outside: World
) -> list[Ended | None]:
    endless = snippet.endless or snippet.name in SHORT
    calls = [
        _call(_tool(snippet), outside, mode, turn, SHORT_MS if endless else LONG_MS)
        for turn in ((0,) if snippet.turns == "once" else (1, 2))
    ]
    if snippet.inner:
        calls[1] = msgspec.structs.replace(calls[1], folders=_folders(outside, snippet.inner))
    if snippet.turns == "once":
        return [await _launched(launcher, calls[0])]
    if snippet.turns == "after":
        return [await _launched(launcher, call) for call in calls]
    return await _beside(launcher, calls, snippet, outside)


async def _beside(
    launcher: Launcher, calls: list[Call], snippet: Snippet, outside: World
) -> list[Ended | None]:
    """Run the first call, and the second ones once it says that it is ready, or has ended."""
    seen: list[Ended | None] = []
    ready, over = anyio.Event(), anyio.Event()

    async def first() -> None:
        seen.append(await _launched(launcher, calls[0]))
        ready.set()
        over.set()

    async def hear() -> None:
        await anyio.wait_readable(outside.fifo)
        ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        tasks.start_soon(hear)
        await ready.wait()
        later = [await _launched(launcher, calls[1]) for _ in range(snippet.again)]
        if snippet.proof == "sibling":
            await over.wait()
        tasks.cancel_scope.cancel()
    return [*seen, *later]


async def _launched(launcher: Launcher, call: Call) -> Ended | None:
    """Run a call; None if it does not end."""
    with anyio.move_on_after(call.limits.wall_ms / 1000 + MARGIN_SECONDS):
        return await launcher.launch(call)
    return None


def _call(tool: ToolRef, outside: World, mode: Mode, turn: int, wall_ms: int) -> Call:
    return Call(
        action_id=f"{tool.qualname}-{turn}",
        tool=tool,
        args=json.dumps(outside.target(turn)).encode(),
        folders=_folders(outside, ""),
        limits=Limits(wall_ms=wall_ms, **LIMITS),
        programs=mode == "programs",
    )


def _folders(outside: World, inner: str) -> tuple[Any, ...]:
    both = int(Right.READ | Right.WRITE)
    granted, readonly = (str(outside.folder / name) for name in ("granted", "readonly"))
    scope = "inner" if inner == "scope" else ""
    path = granted + "/inner" if inner == "path" else granted
    return (
        Folder("folder", "granted", path, scope, both),
        Folder("folder", "readonly", readonly, "", int(Right.READ)),
    )


def _judge(ended: Ended | None, outside: World, evidence: dict[Proof, str]) -> None:
    """Add what an outcome itself gives away."""
    if ended is None:
        evidence["runner"] = "the call does not end"
        return
    streams = [ended.result, ended.stdout, ended.stderr]
    if leaked := _leak(b" ".join([msgspec.json.encode(ended), *streams]), outside):
        evidence["secret"] = leaked
    if ended.cause == "returned" and ended.result != b'""':
        evidence["claim"] = ended.result[:200].decode("utf-8", "replace")
    if ended.cause in ("sandbox_died", "cancelled"):
        evidence["runner"] = f"{ended.cause}: {ended.error}"
    sentences = (ended.error, *ended.denials)
    if not all(one.isprintable() and len(one) <= 500 for one in sentences) or len(sentences) > 20:
        evidence["output"] = "not a few harmless sentences"
    for stream in ("stdout", "stderr", "result"):
        if len(getattr(ended, stream)) > LIMITS[f"{stream}_bytes"]:
            evidence["output"] = f"more than the cap of {stream}"


def _peak_now() -> int:
    """Return the memory that this process has, and have its peak counted from here on."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """Return the most memory that this process had, in bytes, since `_peak_now`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
