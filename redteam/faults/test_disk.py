"""The disk under a live runtime is slow, or takes a write and not its confirmation."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


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
