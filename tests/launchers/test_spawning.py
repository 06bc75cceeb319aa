"""A template that ends while its socket stays open: a child of it may hold the other end longer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import anyio
import pytest

from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers.cells.pool import Pool, Switchboard
from authgate_async.launchers.protocol import Call, ToolRef
from authgate_async.launchers.spawning import TemplateProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any


@contextmanager
def held_open() -> Iterator[TemplateProcess]:
    """Make one that says nothing, and whose end of the socket is still held when it is gone."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.settimeout(0)
    with theirs, process.stdin or theirs:
        yield TemplateProcess(process, control, "")


async def _end(
    template: TemplateProcess, *waits: Callable[[], Coroutine[Any, Any, object]]
) -> None:
    """End it while all of these wait; see that none waits any more."""
    async with anyio.create_task_group() as group:
        for wait in waits:
            group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        template.kill()
        await template.reap()


def _fill(control: socket.socket) -> None:
    with suppress(BlockingIOError):
        while True:
            control.send(b"m")


async def test_who_waits_for_it_to_be_ready_is_told() -> None:
    """It has ended, which is another thing than that it takes too long."""
    log = os.memfd_create("log")
    with held_open() as template:

        async def ready() -> None:
            with pytest.raises(SandboxUnavailableError, match="did not start: it left no message"):
                await template.ready(log)

        await _end(template, ready)
    os.close(log)


async def test_a_call_that_waits_to_be_sent_is_not_sent() -> None:
    """Its socket was full, and is gone."""
    sent = []
    with held_open() as template:
        _fill(template.control)

        async def send() -> None:
            sent.append(await template.send(b"m", ()))

        await _end(template, send)
    assert sent == [False]


async def test_calls_of_which_it_was_to_be_told_go_on() -> None:
    """One waits until the socket has room, the other for its turn; neither waits for ever."""
    call = Call("a1", ToolRef("bodies", "add"), b"{}")
    board = Switchboard()
    with held_open() as template:
        pool = Pool(template, (), board, None)
        _fill(template.control)

        async def tell() -> None:
            await pool.tell_template(SimpleNamespace(number=1), call)  # type: ignore[arg-type]

        await _end(template, tell, tell)
    board.close()
