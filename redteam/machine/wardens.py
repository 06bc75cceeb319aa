"""What passes for the template of processes, its wardens and its bodies; see `jails.py`."""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
import msgspec

from authgate_async.launchers import frames
from authgate_async.launchers.frames import LOST, READY, STARTED, Input, Order
from redteam.machine.jails import work
from redteam.machine.table import Template, first

if TYPE_CHECKING:
    from authgate_async.launchers.protocol import ToolRef
    from redteam.machine.table import Level, Process, Table
    from redteam.machine.world import Call, World

__all__ = ["Wardens"]

REPORT = frames._REPORT
BYTES = 2**16
FDS = 5
EXITED, ORDERED, ABANDONED = 0, 3, 4


class Wardens(Template):
    """A template of processes, with a warden and a body for each call."""

    level: Level = "process"

    def __init__(self, table: Table, world: World, control: int) -> None:
        super().__init__(table, world, control)
        self.process = table.start("template", self._serve)

    async def _serve(self, own: Process) -> int:
        try:
            await self._table.point("process", "hello", self, own)
            with suppress(ConnectionError):
                self._control.send(READY)
            self.ready = True
            async with anyio.create_task_group() as self._tasks:
                while (taken := await self._receive()) is not None:
                    await self._take(own, *taken)
        finally:
            self._leave()
            self._control.close()
        return 0

    async def _receive(self) -> tuple[bytes, list[int]] | None:
        await anyio.wait_readable(self._control)
        with suppress(ConnectionError):
            message, fds, _, _ = socket.recv_fds(self._control, BYTES, FDS)
            return (message, fds) if message else None
        return None

    def _leave(self) -> None:
        """Take with it what was sent, and not received yet."""
        with suppress(OSError):
            while (taken := socket.recv_fds(self._control, BYTES, FDS))[0]:
                self._lose(taken[1])

    def _lose(self, fds: list[int]) -> None:
        if self.fallen:
            self._world.strike(self._call(fds[-1]), "sandbox_died")
        for fd in fds:
            os.close(fd)

    def _call(self, given: int) -> Call:
        message = msgspec.msgpack.decode(os.pread(given, BYTES, 0), type=Input)
        return self._world.calls[json.loads(message.args)["token"]]

    async def _take(self, own: Process, message: bytes, fds: list[int]) -> None:
        own.call = self._call(fds[-1])
        try:
            await self._table.point("process", "order", self, own)
        except BaseException:
            self._lose(fds)
            raise
        tool = msgspec.msgpack.decode(message, type=Order).tool
        status = socket.socket(fileno=os.dup(fds[0]))
        warden = self._table.start("warden", partial(self._watch, tool, fds))
        warden.call = own.call
        self._tasks.start_soon(self._reap, warden, status)

    async def _reap(self, warden: Process, status: socket.socket) -> None:
        """Close its own end of the status socket when all of a call is gone, and not before."""
        told = False
        try:
            await warden.dead.wait()
            await self._table.turns()
            if warden.signal and warden.child is not None:
                await warden.child.dead.wait()
            if warden.signal:
                with suppress(OSError):
                    status.send(LOST)
            told = True
        finally:
            status.close()
            if self.fallen and not told:
                self._world.strike(warden.call, "sandbox_died")

    async def _watch(self, tool: ToolRef, fds: list[int], own: Process) -> int:
        status = socket.socket(fileno=fds[0])
        body = own.child = self._table.start("body", partial(self._body, tool, fds[1:]))
        body.call = own.call
        with status, ExitStack() as end:
            end.callback(self._strike, own)
            try:
                await self._table.turns()
                self._say(status, STARTED)
                why = await first(
                    body.dead.wait,
                    partial(anyio.wait_readable, status),
                    self.process.dead.wait,
                )
            finally:
                body.kill()
            await body.dead.wait()
            if self.fallen and self.process.dead.is_set():
                self._world.strike(own.call, "sandbox_died")
            await self._table.point("process", "report", self, own)
            why = (EXITED, ORDERED, ABANDONED)[why]
            self._say(status, REPORT.pack(b"E", why, body.code, body.signal, 0, 0))
        return 0

    @staticmethod
    def _say(status: socket.socket, message: bytes) -> None:
        with suppress(OSError):
            status.send(message)

    async def _body(self, tool: ToolRef, fds: list[int], own: Process) -> int:
        with ExitStack() as held:
            for fd in fds:
                held.callback(os.close, fd)
            held.callback(self._strike, own)
            given = msgspec.msgpack.decode(os.pread(fds[-1], BYTES, 0), type=Input)
            await self._table.point("process", "begin", self, own)
            return await work(self._world, (self, own), tool, json.loads(given.args), fds[2])

    def _strike(self, own: Process) -> None:
        if own.fallen:
            self._world.strike(own.call, "killed")
