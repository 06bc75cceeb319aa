"""A folder into which humans put approvals for a runtime that runs.

The signature is what counts; what is checked of a file is that nobody else can choose or change
what is read, so that the folder is no way in for anything but approvals.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import anyio
from anyio import to_thread

from authgate_async.approvals import MAX_BYTES, read_approval, write_approval
from authgate_async.errors import ClosedError, RefusedError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from authgate_async.oplog import Logger
    from authgate_async.wire import Approve

__all__ = ["SUFFIX", "Spool", "put"]

SUFFIX = ".approval"
"""What the name of an approval's file ends with; other files are left alone."""

PAUSE = 0.5
"""Seconds between two looks into the folder."""

AT_ONCE = 64
"""Files read in one look."""

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def put(folder: Path, approval: Approve) -> Path:
    """Write an approval into a folder, whole or not at all; return the file.

    Raises:
        UnavailableError: it cannot be written.
    """
    name = f"{approval.action_digest.hex()[:16]}-{approval.nonce.hex()[:16]}{SUFFIX}"
    draft, file = folder / f".{name}", folder / name
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(write_approval(approval))
        draft.rename(file)
    except OSError as error:
        raise UnavailableError(f"{file} cannot be written: {error.strerror}; make room") from error
    return file


class _Found(NamedTuple):
    """A file, and the approval in it or why it is none."""

    name: str
    approval: Approve | UsageError


class Spool:
    """The folder; it is this user's own, and nobody else can write to it.

    Raises:
        UsageError: it is not there, or not so.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stuck: set[str] = set()
        try:
            status = folder.stat()
        except OSError as error:
            raise UsageError(
                f"the folder for approvals {folder} cannot be read: {error.strerror}; make it"
            ) from None
        if not stat.S_ISDIR(status.st_mode) or not _own(status):
            raise UsageError(
                f"{folder} cannot take approvals: it must be a folder of the user who runs this, "
                f"to which nobody else can write; run `chmod 700 {folder}`"
            )

    async def serve(self, approve: Callable[[Approve], Awaitable[None]], oplog: Logger) -> None:
        """Hand over what is put there, until the runtime closes; each file is removed then."""
        with suppress(ClosedError):
            while True:
                for found in await to_thread.run_sync(self._look):
                    if await _handed_over(found, approve, oplog):
                        await to_thread.run_sync(self._remove, found.name)
                await anyio.sleep(PAUSE)

    def _look(self) -> list[_Found]:
        try:
            names = sorted(name for name in os.listdir(self._folder) if _is_ours(name))  # noqa: PTH208 - names
        except OSError:
            return []  # it was taken away; it may come back
        fresh = [name for name in names if name not in self._stuck]
        return [_Found(name, _read(self._folder / name)) for name in fresh[:AT_ONCE]]

    def _remove(self, name: str) -> None:
        try:
            (self._folder / name).unlink()
        except OSError:
            self._stuck.add(name)  # whoever put it there can take it away


async def _handed_over(
    found: _Found, approve: Callable[[Approve], Awaitable[None]], oplog: Logger
) -> bool:
    """Hand one approval over; False if that can be tried again."""
    if isinstance(found.approval, UsageError):
        oplog.warning("approval refused", file=found.name, error=str(found.approval))
        return True
    try:
        await approve(found.approval)
    except (RefusedError, UsageError) as error:
        oplog.warning("approval refused", file=found.name, error=str(error))
    except ClosedError:
        raise
    except UnavailableError as error:
        oplog.warning("approval waits", file=found.name, error=str(error))
        return False
    else:
        oplog.info("approved", file=found.name, approver=found.approval.approver)
    return True


def _is_ours(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS


def _read(path: Path) -> Approve | UsageError:
    """Read through one descriptor, so that what was checked is what is read."""
    try:
        # A FIFO would hold up an `open` that waits for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return UsageError(f"it cannot be read: {error.strerror}")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _own(status):
            return UsageError("it is no file of this user's own that nobody else can write to")
        return read_approval(os.read(descriptor, MAX_BYTES + 1))
    except OSError as error:
        return UsageError(f"it cannot be read: {error.strerror}")
    except UsageError as error:
        return error
    finally:
        os.close(descriptor)
