"""Sandbox escape: hostile bodies against the jail, or against what the level `process` promises."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from authgate_async.policy import Resource
from redteam.bodies.probes import (
    BOTH,
    JAILED,
    probe_in_jail,
    probe_in_process,
    probe_with_programs,
)
from redteam.broken.jails import (
    keeps_the_environment,
    no_jail,
    sharing,
    shows_too_much,
    without,
    without_own,
)
from redteam.engineers import Broken, Category
from redteam.outside import Outside
from redteam.stage import open_stage, temporary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

CALLS = 3
STEPS = 4
"""Of each call, one after the other: what one leaves may help the next."""


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Put secrets, sockets and a process outside, and let bodies at them."""
    jailed = setting.level == "jail"
    tools = (probe_in_jail, probe_with_programs) if jailed else (probe_in_process,)
    with temporary() as folder, Outside(folder) as outside:
        resources = (
            Resource("folder", "granted", path=str(outside.granted)),
            Resource("folder", "readonly", path=str(outside.readonly)),
            Resource("folder", "dropbox", path=str(outside.dropbox)),
        )
        async with open_stage(setting, tools, resources=resources) as stage:
            body = await stage.enrol("body")
            await stage.rt.grant(body, "execute", "compute:probe")
            await stage.rt.grant(body, ("read", "write"), "folder:granted")
            await stage.rt.grant(body, "read", "folder:readonly")
            await stage.rt.grant(body, "write", "folder:dropbox")

            async def attack(engineer: Engineer) -> None:
                for _ in range(CALLS):
                    await _attack(stage, outside, engineer, jailed=jailed)
                await _calm(stage, outside)

            yield attack


async def _attack(stage: Stage, outside: Outside, engineer: Engineer, *, jailed: bool) -> None:
    random = engineer.random
    programs = random.random() < 0.5 and jailed
    pool = sorted(JAILED if jailed else BOTH)
    steps = []
    for _ in range(STEPS):
        name = pool[int(random.random() * len(pool))]
        if name == "fork" and programs:
            name = "read"
        path, how = _path(outside, random)
        engineer.tries(f"{name} {how}, {'with' if programs else 'without'} programs")
        steps.append((name, path))
    args = {"steps": steps, "at": outside.at}
    tool = "probe_with_programs" if programs else "probe"
    result = await stage.steps("body", {"tool": tool, "args": args})
    outside.check(result)
    if result.steps[0].cause not in _ENDS:
        raise AssertionError(f"the call ended in no way of its own: {result}")


_ENDS = {"returned", "killed", "cpu_limit", "memory_limit", "process_limit"}
"""How a hostile body may end."""


async def _calm(stage: Stage, outside: Outside) -> None:
    """After all that, a body still gets what its permit names."""
    args = {"steps": [], "at": outside.at}
    result = await stage.steps("body", {"tool": "probe", "args": args})
    if result.steps[0].value != ["fine", "kept"]:
        raise AssertionError(f"what is allowed did not work: {result}")


def _path(outside: Outside, random: Random) -> tuple[str, str]:
    """Return a path to something hidden, in one of its spellings."""
    target = ("secret", "keep.txt")[random.random() < 0.3]
    real = str(outside.hidden / target)
    ways = {
        "as it is": real,
        "from here": "../" * 30 + real[1:],
        "from the granted folder": f"{outside.granted}/../hidden/{target}",
        "through a planted link": f"{outside.granted}/room/{target}",
        "by a planted link": str(outside.granted / "link"),
        "by the root of this process": f"/proc/self/root{real}",
        "by the first process": f"/proc/1/root{real}",
        "by the victim's root": f"/proc/{outside.at['victim']}/root{real}",
        "with more slashes": real.replace("/", "//"),
        "with dots": real.replace("/", "/./"),
        "by the working folder": "/proc/self/cwd/" + "../" * 30 + real[1:],
        "by a descriptor": f"/dev/fd/0/../../..{real}",
    }
    how = sorted(ways)[int(random.random() * len(ways))]
    return ways[how], f"{target} {how}"


CATEGORY = Category(
    "sandbox-escape",
    "a body gets what its permit names, and what it started ends with it",
    arena,
    (
        Broken("no jail at all", no_jail, level="jail"),
        Broken("a sandbox that keeps the environment", keeps_the_environment),
        Broken("a jail that shows what is not granted", shows_too_much, level="jail"),
        Broken("a jail without its filter", without("seccomp"), level="jail"),
        Broken("a jail without Landlock", without("landlock_restrict_self"), level="jail"),
        Broken("a jail without limits", without("setrlimit", "prlimit64"), level="jail"),
        Broken("a jail that keeps its capabilities", without("capset"), level="jail"),
        Broken("a jail that has the machine's name", sharing("uts"), level="jail"),
        Broken("a jail without processes of its own", without_own("pid"), level="jail"),
        Broken("a process without limits", without("setrlimit", "prlimit64"), level="process"),
    ),
)
