"""What the four actors say to each other, as MessagePack.

Each actor takes one tagged union and answers with the struct named beside the message:

=================== ============== ====================================================
actor               message        answer
=================== ============== ====================================================
planner             `PlanRequest`  `Plan`
gate                `Propose`      `Decided`
gate                `Apply`        `Applied`
gate                `Pending`      `Waits`
sandbox supervisor  `Execute`      `Finished`
sandbox supervisor  `Settle`       `Settled`
withdrawals         `Withdraw`     none
log writer          `Append`       `Appended`
=================== ============== ====================================================
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from authgate_async.approvals import WaitingCall
from authgate_async.launchers.protocol import Cause
from authgate_async.log.records import Record, RunOpened
from authgate_async.planners.protocol import Step, StepResult, Task
from authgate_async.wire import Change, Changed

__all__ = [
    "GATE_CODES",
    "Append",
    "Appended",
    "Applied",
    "Apply",
    "Decided",
    "Execute",
    "Finished",
    "Forgo",
    "GateMessage",
    "Pending",
    "Plan",
    "PlanRequest",
    "Propose",
    "Settle",
    "Settled",
    "SupervisorMessage",
    "Waits",
    "Withdraw",
]

GATE_CODES = (
    "unknown_tool",
    "bad_arguments",
    "log_unavailable",
    "approval_timeout",
    "approvals_full",
)
"""Denials of the gate itself, beside the kernel's `wire.DENIAL_CODES`."""


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A positional message."""


class PlanRequest(_Message, frozen=True, tag="plan"):
    """Ask for the next steps of a run; `results` are those so far."""

    run: str
    task: Task
    results: tuple[StepResult, ...] = ()


class Plan(_Message, frozen=True):
    """The next steps; none ends the run. `error` says that the planner failed, or how."""

    steps: tuple[Step, ...] = ()
    error: str = ""


class Propose(_Message, frozen=True, tag="propose"):
    """Ask whether one step may run. `opening` is the run's opening record, with its first step."""

    run: str
    seq: int
    agent: str
    kind: str
    tool: str
    args: dict[str, Any]
    opening: RunOpened | None = None
    proof: bytes = b""


class Decided(_Message, frozen=True):
    """The recorded decision. `permit` is empty for a denial; `args` is what it is bound to.

    `opened` says whether the run's opening is in the log. `salt` is that of their digest, or empty.
    `nonce` is the permit's.
    """

    action_id: str
    permit: bytes = b""
    args: bytes = b""
    codes: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    opened: bool = True
    salt: bytes = b""
    nonce: bytes = b""


class Apply(_Message, frozen=True, tag="apply"):
    """Change the registry; `by` says who asked, for the record."""

    changes: tuple[Change, ...]
    by: str = "operator"


class Applied(_Message, frozen=True):
    """What became of each change, in order; `problem` says that the log does not have them yet."""

    results: tuple[Changed, ...]
    problem: str = ""


class Forgo(_Message, frozen=True, tag="forgo"):
    """Give up a permit, by its nonce; what a call of it holds that runs is left to that call."""

    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class Pending(_Message, frozen=True, tag="pending"):
    """Ask for the calls that wait for an approval."""


class Waits(_Message, frozen=True):
    """They do, in the order of their deadlines."""

    calls: tuple[WaitingCall, ...]


class Execute(_Message, frozen=True, tag="execute"):
    """Run the call that a permit is for."""

    run: str
    seq: int
    agent: str
    permit: bytes
    tool: str
    args: bytes
    salt: bytes = b""


class Settle(_Message, frozen=True, tag="settle"):
    """Ask to be told when no call of a run is under way or unrecorded any more."""

    run: str


class Withdraw(_Message, frozen=True, tag="withdraw"):
    """Something was taken away: end the calls whose permits rest on it."""


class Settled(_Message, frozen=True):
    """None is."""


class Finished(_Message, frozen=True):
    """How the call ended; a `refusal` code means that the permit was refused and nothing ran."""

    cause: Cause | None
    result: bytes = b""
    error: str = ""
    refusal: str = ""


class Append(_Message, frozen=True, tag="append"):
    """Make groups of records durable in one commit, in order, each group whole or not at all.

    `owing` says that outcomes of the runs that are closed here may come later: of others none can.
    """

    groups: tuple[tuple[Record, ...], ...]
    owing: bool = False


class Appended(_Message, frozen=True):
    """What became of each group: an empty sentence means durable, another says why not."""

    problems: tuple[str, ...]


GateMessage = Propose | Apply | Forgo | Pending
SupervisorMessage = Execute | Settle
