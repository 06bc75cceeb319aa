"""How the other actors have something recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.errors import AuthgateError
from authgate_async.messages import Append, Appended

if TYPE_CHECKING:
    from authgate_async.actors.reference import Ref
    from authgate_async.log.records import Record

__all__ = ["Groups", "record"]

Groups = tuple[tuple["Record", ...], ...]


async def record(
    log: Ref[Append],
    groups: Groups,
    *,
    timeout: float,  # noqa: ASYNC109 - the mailbox keeps the deadline
    owing: bool = False,
) -> tuple[str, ...]:
    """Wait until the groups are durable; return a sentence for each that is not, else an empty one.

    `timeout` is in seconds; `owing` is as in `Append`. A log that cannot be reached or written
    fails all groups.
    """
    try:
        appended = await log.ask(Append(groups, owing), Appended, timeout=timeout)
    except AuthgateError as error:
        return (str(error),) * len(groups)
    return appended.problems
