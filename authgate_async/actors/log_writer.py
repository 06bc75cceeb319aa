"""The log writer: one group commit for everything that waits, and an answer once it is durable."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from anyio import CancelScope, CapacityLimiter, to_thread

from authgate_async.errors import UnavailableError
from authgate_async.messages import Append, Appended

if TYPE_CHECKING:
    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.mailbox import Inbox
    from authgate_async.log.writer import LogFile

__all__ = ["LogWriter"]

GROUP = 1024
"""Messages in one group commit at most."""


class LogWriter:
    """The actor; the file outlives it.

    No cancellation reaches it: what other actors record while they are cancelled still gets into
    the log. It ends when its mailbox is closed and drained.
    """

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._thread = CapacityLimiter(1)

    async def run(self, inbox: Inbox[Append]) -> None:
        """Serve until the mailbox is drained."""
        with CancelScope(shield=True):
            while batch := await inbox.batch(GROUP):
                await self._commit(batch)

    async def _commit(self, batch: list[Envelope[Append]]) -> None:
        groups = [group for envelope in batch for group in envelope.message.groups]
        try:
            results = await to_thread.run_sync(
                partial(self._file.append_groups, groups, checked=True), limiter=self._thread
            )
        except UnavailableError as error:
            for envelope in batch:
                envelope.fail(error)
            return
        problems = tuple(["" if isinstance(result, int) else str(result) for result in results])
        begin = 0
        for envelope in batch:
            end = begin + len(envelope.message.groups)
            envelope.reply(Appended(problems[begin:end]))
            begin = end
