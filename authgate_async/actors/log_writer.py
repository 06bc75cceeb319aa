"""The log writer: one group commit for everything that waits, and an answer once it is durable.

While the log cannot be written, a decision has no record and so permits nothing: the gate is
closed, and opens with the first write that succeeds. What has happened already, the end of a call
or of a run, is kept and written before anything else.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import CancelScope, CapacityLimiter, to_thread

from authgate_async.actors.crew import Crew
from authgate_async.errors import UnavailableError
from authgate_async.log.records import Outcome, Refusal, RunClosed, RunOpened
from authgate_async.messages import Append, Appended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.mailbox import Inbox
    from authgate_async.errors import UsageError
    from authgate_async.log.records import Record
    from authgate_async.log.writer import LogFile

    Group = tuple[Record, ...]

__all__ = ["LogWriter"]

GROUP = 1024
"""Messages in one group commit at most."""

FIRST_RETRY = 0.1
LAST_RETRY = 5.0
"""Seconds until what is kept is tried again, at first and at most; each time twice as long."""

_HAPPENED = (Outcome, Refusal, RunClosed)
"""What cannot be undone by not recording it. Of a run that was never opened nothing came."""


class LogWriter:
    """The actor; the file outlives it, and so does what is `kept` there.

    No cancellation reaches it: what other actors record while they are cancelled still gets into
    the log. It ends when its mailbox is closed and drained. What is kept then is written as the
    file is closed.
    """

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._kept = file.kept
        self._thread = CapacityLimiter(1)
        self._turn = anyio.Lock()
        self._keeps = anyio.Event()

    async def run(self, inbox: Inbox[Append]) -> None:
        """Serve until the mailbox is drained."""
        with CancelScope(shield=True):
            async with Crew(1, on_crash=None) as crew:
                retry = await crew.start(self._retry)
                while batch := await inbox.batch(GROUP):
                    async with self._turn:
                        await self._commit(batch)
                retry.cancel()

    async def _commit(self, batch: list[Envelope[Append]]) -> None:
        groups = [group for envelope in batch for group in envelope.message.groups]
        for envelope in batch:
            if envelope.message.owing:
                self._file.owing.update(_closed_in(envelope.message))
        try:
            results = await self._append(groups)
        except UnavailableError as error:
            self._answer(batch, [self._fail(group, error) for group in groups])
        except Exception:
            # A bug ends this incarnation; the next one writes what has happened, if that is not in
            # the log already: then the log takes no second outcome or end.
            self._kept.extend(filter(self._happened, groups))
            raise
        else:
            problems = ["" if isinstance(result, int) else str(result) for result in results]
            self._answer(batch, problems)

    def _answer(self, batch: list[Envelope[Append]], problems: list[str]) -> None:
        begin = 0
        for envelope in batch:
            end = begin + len(envelope.message.groups)
            envelope.reply(Appended(tuple(problems[begin:end])))
            begin = end

    def _fail(self, group: Group, error: UnavailableError) -> str:
        if not self._happened(group):
            return str(error)
        self._kept.append(group)
        self._keeps.set()
        return f"{error} (the record is kept, and written as soon as that can be)"

    def _happened(self, group: Group) -> bool:
        if group and isinstance(group[0], RunOpened) and self._file.began(group[0]):
            group = group[1:]
        return bool(group) and all(isinstance(record, _HAPPENED) for record in group)

    async def _append(self, groups: Sequence[Group]) -> list[int | UsageError]:
        """Append what is kept, and behind it these groups; return what became of these."""
        kept = len(self._kept)
        results = await to_thread.run_sync(
            partial(self._file.append_groups, [*self._kept, *groups], checked=True),
            limiter=self._thread,
        )
        self._kept.clear()
        return results[kept:]

    async def _retry(self) -> None:
        """Write what is kept though nobody asks for anything."""
        if self._kept:
            self._keeps.set()
        while True:
            await self._keeps.wait()
            self._keeps = anyio.Event()
            pause = FIRST_RETRY
            while self._kept:
                await anyio.sleep(pause)
                pause = min(2 * pause, LAST_RETRY)
                async with self._turn:
                    await self._try_again()

    async def _try_again(self) -> None:
        try:
            await self._append(())
        except UnavailableError:
            return  # whoever asked was told; it stays kept


def _closed_in(message: Append) -> Iterator[str]:
    records = (record for group in message.groups for record in group)
    return (record.run for record in records if isinstance(record, RunClosed))
