"""The folder into which humans put approvals: nothing else gets in through it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from authgate_async import Runtime
from authgate_async.approvals import write_approval
from authgate_async.errors import (
    ClosedError,
    LogUnavailableError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from authgate_async.policy import Policy, Resource
from authgate_async.spool import SUFFIX, Spool, put
from authgate_async.wire import Approve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes of POSIX")

GOOD = Approve(b"i" * 16, b"d" * 32, "ann", 9, b"n" * 16, b"s" * 64)


class Told:
    """An operator log that only remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def warning(self, event: str, **more: Any) -> None:
        """Remember."""
        self.lines.append((event, more["file"], more["error"]))

    def info(self, event: str, **more: Any) -> None:
        """Remember."""
        self.lines.append((event, more["file"], more["approver"]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as it should be."""
    made = tmp_path / "spool"
    made.mkdir(mode=0o700)
    return made


async def _served(folder: Path, *answers: Exception | None) -> tuple[list[Approve], Told]:
    """Serve until so many approvals were handed over, answered so; then close."""
    taken: list[Approve] = []
    told, left = Told(), iter(answers)

    async def approve(approval: Approve) -> None:
        try:
            answer = next(left)
        except StopIteration:
            raise ClosedError("the runtime is shutting down") from None
        taken.append(approval)
        if answer is not None:
            raise answer

    spool = await anyio.to_thread.run_sync(Spool, folder)
    await spool.serve(approve, told)  # type: ignore[arg-type]
    return taken, told


async def test_an_approval_is_handed_over_and_removed(folder: Path) -> None:
    """What was put is taken once, in the order of the names, and what was done is told."""
    await anyio.to_thread.run_sync(put, folder, GOOD)
    path = anyio.Path(folder)
    await (path / f"zz{SUFFIX}").write_bytes(write_approval(GOOD))
    taken, told = await _served(folder, None)
    assert taken == [GOOD]
    assert [line[0] for line in told.lines] == ["approved"]
    assert [each.name async for each in path.iterdir()] == [f"zz{SUFFIX}"]


@pytest.mark.parametrize(
    "error", [RefusedError("approval_used", "the approval was given before"), UsageError("no")]
)
async def test_a_refused_one_is_removed_and_told(folder: Path, error: Exception) -> None:
    """It is not tried again."""
    await anyio.to_thread.run_sync(put, folder, GOOD)
    path = anyio.Path(folder) / f"zz{SUFFIX}"
    await path.write_bytes(write_approval(GOOD))
    taken, told = await _served(folder, error)
    assert (len(taken), told.lines[0][0], told.lines[0][2]) == (1, "approval refused", str(error))
    assert [each.name async for each in anyio.Path(folder).iterdir()] == [f"zz{SUFFIX}"]


async def test_while_the_log_cannot_be_written_it_stays(folder: Path) -> None:
    """It is tried again until it is taken."""
    await anyio.to_thread.run_sync(put, folder, GOOD)
    taken, told = await _served(folder, LogUnavailableError("the disk is full"))
    assert [line[0] for line in told.lines] == ["approval waits"]
    assert len(taken) == 1
    assert len([each async for each in anyio.Path(folder).iterdir()]) == 1


def _link(path: Path) -> None:
    (path.parent.parent / "elsewhere").write_bytes(write_approval(GOOD))
    path.symlink_to(path.parent.parent / "elsewhere")


def _open_to_others(path: Path) -> None:
    path.write_bytes(write_approval(GOOD))
    path.chmod(0o622)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "it is no file of this user's own"),
    "a link": (_link, "it cannot be read"),
    "writable by others": (_open_to_others, "it is no file of this user's own"),
    "too long": (lambda path: path.write_bytes(b" " * 4097), "it is longer than 4096 bytes"),
    "no approval": (lambda path: path.write_bytes(b"{}"), "it is no approval"),
    "empty": (lambda path: path.write_bytes(b""), "it is no approval"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_approval_is_turned_away(folder: Path, name: str) -> None:
    """At the door, with a sentence, and removed; what it points at stays."""
    make, sentence = HOSTILE[name]
    await anyio.to_thread.run_sync(make, folder / f"a{SUFFIX}")
    await anyio.to_thread.run_sync(put, folder, GOOD)
    await (anyio.Path(folder) / f"zz{SUFFIX}").write_bytes(write_approval(GOOD))
    taken, told = await _served(folder, None)
    assert taken == [GOOD]
    assert [each.name async for each in anyio.Path(folder).iterdir()] == [f"zz{SUFFIX}"]
    refused = [line for line in told.lines if line[0] == "approval refused"]
    assert refused[0][1] == f"a{SUFFIX}"
    assert refused[0][2].startswith(sentence)


async def test_what_cannot_be_removed_is_told_once(folder: Path) -> None:
    """A folder in a file's place is not told anew at every look."""
    await (anyio.Path(folder) / f"0{SUFFIX}").mkdir()
    await anyio.to_thread.run_sync(put, folder, GOOD)
    _, told = await _served(folder, LogUnavailableError("full"), LogUnavailableError("full"))
    assert [line[0] for line in told.lines] == ["approval refused", *["approval waits"] * 2]


async def test_other_files_are_left_alone(folder: Path) -> None:
    """Drafts and whatever has another name."""
    path = anyio.Path(folder)
    for name in ("notes.txt", f".draft{SUFFIX}"):
        await (path / name).write_bytes(write_approval(GOOD))
    await anyio.to_thread.run_sync(put, folder, GOOD)
    await (path / f"zz{SUFFIX}").write_bytes(write_approval(GOOD))
    taken, _ = await _served(folder, None)
    assert len(taken) == 1
    left = {each.name async for each in path.iterdir()}
    assert left == {"notes.txt", f".draft{SUFFIX}", f"zz{SUFFIX}"}


def _missing(folder: Path) -> None:
    folder.rmdir()


def _file(folder: Path) -> None:
    folder.rmdir()
    folder.write_bytes(b"")
    folder.chmod(0o700)


def _shared(folder: Path) -> None:
    folder.chmod(0o770)


@pytest.mark.parametrize("spoil", [_missing, _file, _shared])
async def test_a_folder_that_others_can_fill_is_refused(
    folder: Path, spoil: Callable[[Path], None]
) -> None:
    """The runtime does not start with one."""
    await anyio.to_thread.run_sync(spoil, folder)
    with pytest.raises(UsageError, match="approvals"):
        async with Runtime(approvals=folder, log=None):
            pass


async def test_a_folder_that_a_tool_is_handed_is_refused(folder: Path) -> None:
    """A tool could put files there, or remove them."""
    policy = Policy(resources=(Resource("file", "w", str(folder)),))
    with pytest.raises(UsageError, match="lie in each other: a tool could put files there"):
        async with Runtime(policy, approvals=folder, log=None):
            pass


def test_what_cannot_be_written_is_told(folder: Path) -> None:
    """And leaves nothing that could be taken for an approval."""
    put(folder, GOOD)
    folder.rename(folder.parent / "away")
    with pytest.raises(UnavailableError, match="cannot be written"):
        put(folder, GOOD)
