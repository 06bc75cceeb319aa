"""What passes for the template of jails and its cells: tasks that say what those would say.

They speak the real protocol over real sockets, pipes and files, so that the runtime meets a
template that may be gone at each turn. No jail closes around anything here, no tool is loaded and
nothing is forked: that is the system's part, which `processes.py` and the escapes have.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from authgate_async.launchers.cells import messages
from authgate_async.launchers.cells.messages import ARMED, HEAD, Plan
from authgate_async.launchers.frames import FRAME_HEAD, READY, RESULT
from redteam.machine.table import Template
from redteam.machine.world import BrokenError

if TYPE_CHECKING:
    from authgate_async.launchers.protocol import ToolRef
    from redteam.machine.table import Level, Process, Table
    from redteam.machine.world import World

__all__ = ["Jails", "work"]

CALL, ENDED, TAKE = messages._CALL, messages._ENDED, messages._TAKE
BYTES = 2**18
FACTS = bytes([0, 0])
"""A machine without the layers that one may lack."""


class Jails(Template):
    """A template of jails, which is two processes, and its cells."""

    level: Level = "jail"

    def __init__(self, table: Table, world: World, control: int) -> None:
        super().__init__(table, world, control)
        self._cells: dict[int, Process] = {}
        self._armed: set[int] = set()
        self._plan: Plan
        self.process = table.start("jail, outside", self._wait)

    def fell(self) -> None:
        """Kill one of the two."""
        self.mark()
        (self.process if self._table.coin() else self._inner).kill()

    async def _wait(self, own: Process) -> int:
        self._inner = self._table.start("jail", self._serve)
        self._table.after(own, self._inner.kill)
        await self._inner.dead.wait()
        await self._table.turns()
        return self._inner.code

    async def _serve(self, own: Process) -> int:
        try:
            if not (plan := await self._receive()):
                return 1
            self._plan = msgspec.msgpack.decode(plan, type=Plan)
            await self._table.point("jail", "hello", self, own)
            self._say(READY + FACTS)
            self.ready = True
            async with anyio.create_task_group() as self._tasks:
                for _ in range(self._plan.armed):
                    self._arm()
                await self._hear()
                self._tasks.cancel_scope.cancel()
        finally:
            self._control.close()
            with anyio.CancelScope(shield=True):
                await self._end()
        return 0

    async def _hear(self) -> None:
        while message := await self._receive():
            await self._table.turns()
            self._another(TAKE.unpack(message)[0])

    async def _receive(self) -> bytes:
        """Return a message, or nothing when the runtime has hung up."""
        await anyio.wait_readable(self._control)
        with suppress(ConnectionError):
            return self._control.recv(BYTES)
        return b""

    def _say(self, message: bytes) -> None:
        with suppress(ConnectionError):  # the end is near
            self._control.send(message)

    def _another(self, number: int) -> None:
        if number in self._armed:
            self._armed.discard(number)
            self._arm()

    def _arm(self) -> None:
        number = len(self._cells) + 1
        self._armed.add(number)
        cell = self._table.start("cell", partial(self._cell, number, self._control.dup()))
        self._cells[number] = cell
        self._tasks.start_soon(self._reap, number, cell)

    async def _reap(self, number: int, cell: Process) -> None:
        await cell.dead.wait()
        await self._table.point("jail", "report", self, cell)
        cell.reaped = True
        self._say(ENDED.pack(b"E", number, 0, cell.code, cell.signal, 0, 0))
        self._another(number)

    async def _end(self) -> None:
        """All others of a pid namespace end with its first process."""
        for cell in self._cells.values():
            cell.kill()
        for cell in self._cells.values():
            await cell.dead.wait()
            if self.fallen and not cell.reaped:
                self._world.strike(cell.call, "sandbox_died")

    async def _cell(self, number: int, control: socket.socket, own: Process) -> int:
        with ExitStack() as held:
            held.callback(control.close)
            await self._table.point("jail", "arm", self, own)
            order, said, result = self._announce(number, control, own, held)
            control.close()
            held.callback(self._leave, own, order, said)
            await anyio.wait_readable(order)
            if not os.read(order, 1):
                return 0
            tool, args = self._told(said)
            own.call = self._world.calls[args["token"]]
            await self._table.point("jail", "order", self, own)
            return await work(self._world, (self, own), tool, args, result)

    def _announce(
        self, number: int, control: socket.socket, own: Process, held: ExitStack
    ) -> tuple[int, int, int]:
        """Send what `Waiting::announce` sends; return what the cell keeps."""
        pipes = [os.pipe() for _ in range(4)]
        (order, ordering), *streams = pipes
        said = os.memfd_create("authgate-call")
        for fd in (order, said, *[writing for _, writing in streams]):
            held.callback(os.close, fd)
        handed = [os.dup(own.pidfd), ordering, os.dup(said), *[reading for reading, _ in streams]]
        for fd in (order, ordering, *handed[3:]):
            os.set_blocking(fd, False)
        try:
            socket.send_fds(control, [HEAD.pack(ARMED, number)], handed)
        except OSError:
            own.kill()
        for fd in handed:
            os.close(fd)
        return order, said, streams[2][1]

    def _told(self, said: int) -> tuple[ToolRef, dict[str, Any]]:
        message = os.pread(said, BYTES, 0)
        return self._plan.tools[CALL.unpack_from(message)[0]], json.loads(message[CALL.size :])

    def _leave(self, own: Process, order: int, said: int) -> None:
        """See whether a call was handed over that nobody has read, and what it has to expect."""
        with suppress(BlockingIOError):
            if own.call is None and os.read(order, 1):
                own.call = self._world.calls[self._told(said)[1]["token"]]
        if own.fallen:
            self._world.strike(own.call, "killed")


async def work(
    world: World, who: tuple[Template, Process], tool: ToolRef, args: dict[str, Any], result: int
) -> int:
    """Do the work of a body, hand back one frame, and return the code of its process."""
    template, own = who
    try:
        content = await world.work(**args, lingers=tool.qualname.startswith("slow"))
    except BrokenError:
        return 1  # the world has noted it
    answer = json.dumps(content).encode()
    frame = FRAME_HEAD.pack(bytes([RESULT]), len(answer)) + answer
    half = len(frame) // 2
    for part, name in ((frame[:half], "half"), (frame[half:], "result")):
        with suppress(BrokenPipeError):
            os.write(result, part)
        await world.table.point(template.level, name, template, own)
    return 0
