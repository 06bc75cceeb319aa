"""A cell, and the call in it, seen from the runtime."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

import anyio

from authgate_async.launchers.cells.messages import ORDER, call_message
from authgate_async.launchers.frames import ERROR_BYTES, FRAME_HEAD, NOTES_BYTES, read_refusal
from authgate_async.launchers.streams import Stream, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate_async.launchers.frames import Report
    from authgate_async.launchers.protocol import Call, Cause

__all__ = ["Armed", "Jailed"]


class Armed:
    """A cell that waits for a call. It ends when its descriptors are closed."""

    def __init__(
        self, number: int, fds: Sequence[int], further: Callable[[], object] | None = None
    ) -> None:
        self.number = number
        self._fds = fds
        self._further = further
        self.pidfd, self.order, self.said, *self.pipes = fds

    def kill(self) -> None:
        """End the first process of its pid namespace, and so all; `further` ends them too."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        if self._further is not None:
            self._further()

    def close(self) -> None:
        """Let go of it."""
        for fd in self._fds:
            os.close(fd)


class Jailed:
    """A call from the moment when its cell gets it."""

    def __init__(self, armed: Armed, call: Call, changed: Callable[[Jailed], None]) -> None:
        limits = call.limits
        framed = 2 * FRAME_HEAD.size + NOTES_BYTES + max(limits.result_bytes, ERROR_BYTES)
        caps = {"stdout": limits.stdout_bytes, "stderr": limits.stderr_bytes, "result": framed}
        named = zip(caps.items(), armed.pipes, strict=True)
        self.streams = tuple([Stream(name, cap, fd) for (name, cap), fd in named])
        self.stdout, self.stderr, self.result = self.streams
        self.number = armed.number
        self.cause: Cause | None = None
        """Why the runtime ended it; None while it has not."""
        self.report: Report | None = None
        self.refusal = b""
        self.lost = False
        self.unconfined = b""
        """Why the jail did not close around it, if it did not."""
        self.over = anyio.Event()
        """Set when every process of the call is known to be gone."""
        self._armed = armed
        self._changed = changed

    def begin(self, tool: int, call: Call) -> bool:
        """Hand over the call, whose tool has that number in the plan of the template.

        False if the cell is gone, and then the call has not started.
        """
        fill(self._armed.said, call_message(tool, call))
        try:
            os.write(self._armed.order, ORDER)
        except BrokenPipeError:
            return False
        return True

    @property
    def pidfd(self) -> int:
        """Stays with the first process of the call, whoever gets its number later."""
        return self._armed.pidfd

    @property
    def capped(self) -> tuple[str, ...]:
        """The streams on which more than their cap came."""
        return tuple([stream.name for stream in self.streams if stream.over])

    def pull(self, stream: Stream) -> bool:
        """Take in what a stream has; False if it has no more. Ends the call at its cap."""
        more = stream.pull()
        if stream.over:
            self.end("output_cap")
        return more

    def end(self, cause: Cause) -> None:
        """Kill every process of the call; the first cause stays."""
        if self.cause is not None or self.over.is_set():
            return
        self.cause = cause
        self._changed(self)
        self._armed.kill()

    def ended(self, report: Report | None) -> None:
        """Take in how it ended; None if only the template could have told."""
        self.report = report
        self.unconfined = read_refusal(self._armed.said, report)
        for stream in self.streams:
            stream.drain()
        self.over.set()

    def close(self) -> None:
        """Let go of every descriptor."""
        self._armed.close()
