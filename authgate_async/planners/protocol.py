"""What a planner is, and what goes into it and comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Planner", "Step", "StepResult", "Task"]


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One piece of work for one agent.

    `intent` is an English sentence for a planner. `steps`, if given, is the plan itself: it is used
    in place of a planner's, and trusted no more. `id` names the task in results; the runtime makes
    one if it is empty.
    """

    agent: str
    intent: str = ""
    id: str = ""
    steps: tuple[Any, ...] | None = None


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One tool call of a plan, after parsing: `args` is a JSON object."""

    tool: str
    args: dict[str, Any] = {}
    rationale: str = ""


class StepResult(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of one step.

    `permitted` is the verdict; `codes` and `sentences` say why not. For a permitted step `cause`
    says how the call ended (`launchers.protocol.Cause`), `value` is what the tool returned, `error`
    one sentence if it did not.
    """

    seq: int
    tool: str
    action_id: str
    permitted: bool
    codes: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    cause: str = ""
    value: Any = None
    error: str = ""


class Planner(Protocol):
    """Turns a task into steps. What it returns is untrusted data.

    The runtime calls `plan` with the results so far: first with none, then after each batch of
    steps that it returned has run. An empty list ends the run, and so do 1,000 steps. It lets a
    cancellation pass: one that swallows it holds up the end of the runtime.
    """

    def plan(self, task: Task, results: Sequence[StepResult]) -> object:
        """Return a list of steps, each a mapping with `tool`, `args` and optionally `rationale`.

        A planner that waits, for a model say, declares it `async`; one that does not must be quick.
        """
        ...
