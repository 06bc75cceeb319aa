"""The exit statuses of `authgate`, which a script may rely on."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Exit"]


class Exit(IntEnum):
    """What the status of a command says; of several that apply to a batch, the highest."""

    OK = 0
    """All that was asked is done."""

    BUG = 1
    """A bug of ours; the traceback is on stderr."""

    BAD_INPUT = 2
    """An argument, policy, task, key or log is wrong; the sentence says where and what to do."""

    DENIED = 3
    """At least one run, or one action, was denied; or would be, that had been permitted."""

    FAILED = 4
    """At least one run could not go on, a call that was permitted did not return, or a recorded
    intent cannot be decided again."""

    INTERRUPTED = 5
    """It was stopped before its end; what was done is kept."""

    UNAVAILABLE = 6
    """Something outside is missing, full or gone; trying later can help."""
