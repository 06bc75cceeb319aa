"""Whose fault an error is, told to the user in sentences and to scripts as a status."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import say
from authgate_async.errors import ClosedError, UnavailableError, UsageError
from authgate_async.policy.problems import Told

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["status"]


def status(error: BaseException) -> Exit:
    """Tell an error to the user, and return the exit status for it."""
    causes = list(_leaves(error))
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        say("interrupted")
        return Exit.INTERRUPTED
    if all(isinstance(cause, BrokenPipeError) for cause in causes):
        return Exit.INTERRUPTED
    if not all(isinstance(cause, UsageError | UnavailableError) for cause in causes):
        say(*"".join(traceback.format_exception(error)).rstrip().split("\n"))
        say("this is a bug of ours, not of yours; please report it with the lines above")
        return Exit.BUG
    for cause in causes:
        say(*_sentences(cause))
    if any(isinstance(cause, ClosedError) for cause in causes):
        return Exit.INTERRUPTED
    usage = any(isinstance(cause, UsageError) for cause in causes)
    return Exit.BAD_INPUT if usage else Exit.UNAVAILABLE


def _sentences(error: BaseException) -> list[str]:
    text = str(error)
    return text.split("\n") if error.args and isinstance(error.args[0], Told) else [text]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
