"""The disk under a live runtime is slow, or takes a write and not its confirmation."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_until_a_slow_disk_confirms_nothing_starts(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body begins behind the sync of its intent, however long that takes."""
    sync, syncing, go_on = os.fsync, threading.Event(), threading.Event()

    def slow(descriptor: int) -> None:
        syncing.set()
        go_on.wait()
        sync(descriptor)

    async with house() as own:
        monkeypatch.setattr(os, "fsync", slow)
        own.begin("hold")
        await anyio.to_thread.run_sync(syncing.wait)
        for _ in range(1000):
            await anyio.lowlevel.checkpoint()
        began = own.held.begun.is_set()
        go_on.set()
        await own.held.begun.wait()
        own.held.end.set()

    assert not began
    await own.whole()


@pytest.mark.parametrize("fault", ["sync", "short"])
async def test_what_the_disk_does_not_take_is_denied(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A write that stops half-way, or is not confirmed, is cut off; then the log goes on."""
    write, faults = os.write, iter([OSError(errno.EIO, "Input/output error")])

    def sync(_: int) -> None:
        for error in faults:
            raise error

    def short(descriptor: int, data: Any) -> int:
        for error in faults:
            write(descriptor, data[: len(data) // 2])
            raise error
        return write(descriptor, data)

    async with house() as own:
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync" if fault == "sync" else "write", locals()[fault])
            first = await own.act()
        after = await own.act()

    assert (first.status, first.steps[0].codes) == ("denied", ("log_unavailable",))
    assert "Input/output error" in first.steps[0].sentences[0]
    assert after.status == "done"
    assert len(own.records("outcome")) == 1
    await own.whole()
