"""The working folder of a call: its own, bounded, gone with it; all around it is read-only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest

from authgate_async.launchers.cells import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.jail import JailLauncher
    from authgate_async.launchers.protocol import Call

    Make = Callable[..., Call]

MIB = 2**20
BELOW_TMP = any(path.startswith("/tmp/") for path in shown.paths())  # noqa: S108 - looked at
REFUSED = {"EACCES", "EROFS", "EPERM"}


async def result(jail: JailLauncher, call: Call) -> Any:
    """Return what a call returned."""
    ended = await jail.launch(call)
    assert ended.cause == "returned", ended
    return msgspec.json.decode(ended.result)


async def test_where(jail: JailLauncher, jailed: Make) -> None:
    """A call works in an empty folder, which `/tmp` leads to, and all that it makes is private.

    Where this Python itself lies below `/tmp`, no link can stand in its place.
    """
    folder, *names = await result(jail, jailed("where"))
    assert names == []
    other = folder if BELOW_TMP else "/tmp"  # noqa: S108 - a name of this call's own folder
    ways = [["make", "new"], ["read", f"{other}/new"], ["mask", "new"], ["mask", folder]]
    ways += [["folder", "inner"], ["link", "link"], ["remove", "new"]]
    found = await result(jail, jailed("attempt", ways=ways))
    assert found == ["done", "new", 0o600, 0o700, "done", "done", "done"]


async def test_gone_afterwards(jail: JailLauncher, jailed: Make) -> None:
    """The next call finds nothing of it, and neither does anybody outside."""
    name = f"left-{secrets.token_hex(8)}"
    mounts = Path("/proc/self/mountinfo")
    before = await anyio.Path(mounts).read_text()
    assert await result(jail, jailed("attempt", ways=[["make", name]])) == ["done"]
    assert (await result(jail, jailed("where")))[1:] == []
    assert await anyio.Path(mounts).read_text() == before
    for place in ("/tmp", "/var/tmp", "/dev/shm", "/.scratch", "/"):  # noqa: S108 - looked into
        assert not os.path.lexists(os.path.join(place, name))  # noqa: PTH118, ASYNC240


async def test_private(jail: JailLauncher, jailed: Make, granted: Any, fifo: Any) -> None:
    """Two calls at the same time do not see each other's files."""
    folder = granted(Path(fifo.path).parent)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(jail.launch, jailed("wait", folder, fifo=fifo.path))
        await anyio.wait_readable(fifo.fileno())
        first = await result(jail, jailed("attempt", ways=[["make", "mine"]]))
        second = await result(jail, jailed("where"))
        tasks.cancel_scope.cancel()
    assert (first, second[1:]) == (["done"], [])


@pytest.mark.parametrize("size", [1, 100], ids=["less than the default", "more"])
async def test_bytes(jail: JailLauncher, jailed: Make, size: int) -> None:
    """It holds `scratch_bytes` in all files together, and not one more."""
    limits = {"scratch_bytes": size * MIB}
    made = jailed("fill", limits=limits, size=MIB // 4, files=4 * size + 4)
    assert await result(jail, made) == size * MIB


async def test_bytes_of_the_next_call(jail: JailLauncher, jailed: Make) -> None:
    """A bound is that of one call: the next has its own again."""
    await result(jail, jailed("fill", limits={"scratch_bytes": MIB}, size=MIB, files=2))
    assert await result(jail, jailed("fill", size=MIB, files=3)) == 3 * MIB


async def test_number_of_files(jail: JailLauncher, jailed: Make) -> None:
    """It holds a bounded number of files, empty ones too."""
    assert 4000 < await result(jail, jailed("fill", size=0, files=10_000)) < 8192


@pytest.mark.parametrize("programs", [False, True], ids=["python", "programs"])
async def test_around_it(jail: JailLauncher, jailed: Make, *, programs: bool) -> None:
    """Nothing else can be written: not the root, not what is shown of the machine, no device."""
    folders = ("/", "/dev", "/etc", "/usr", "/usr/bin", os.path.dirname(os.__file__))  # noqa: PTH120
    ways = [["make", f"{folder}/new"] for folder in folders]
    ways += [["folder", f"{folder}/new"] for folder in folders]
    ways += [["rename", path] for path in ("/usr", "/tmp", "/.scratch", "/dev/null")]  # noqa: S108
    ways += [["remove", path] for path in ("/tmp", "/dev/null", os.__file__)]  # noqa: S108
    ways += [["write", os.__file__], ["cut", os.__file__], ["mode", "/"]]
    ways += [[verb, "/dev/null"] for verb in ("mode", "times")]
    found = await result(jail, jailed("attempt", ways=ways, programs=programs))
    assert set(found) <= REFUSED | {"ENOENT", "EBUSY"}


async def test_devices(jail: JailLauncher, jailed: Make) -> None:
    """The null device takes what it is given, and is the only one that does."""
    ways = [["write", "/dev/null"], ["read", "/dev/null"], ["write", "/dev/kmsg"]]
    assert await result(jail, jailed("attempt", ways=ways)) == ["done", "", "ENOENT"]


async def test_nothing_in_it_is_executed(jail: JailLauncher, jailed: Make) -> None:
    """A program that a call puts into its folder cannot be run."""
    ways = [["make", "program"], ["mode", "program"], ["run", "./program"], ["run", "/bin/true"]]
    found = await result(jail, jailed("attempt", ways=ways, programs=True))
    assert found == ["done", "done", "EACCES", 0]


async def test_surroundings(jail: JailLauncher, jailed: Make) -> None:
    """A call has no environment, four descriptors, and is the first process that it knows."""
    found = await result(jail, jailed("status"))
    assert found == {"environ": {}, "pid": 1, "descriptors": [0, 1, 2, 3]}
