"""A planner that says what it was told to say: for tests, demos and replays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from authgate_async.planners.protocol import StepResult, Task

__all__ = ["ScriptedPlanner"]

Script = Callable[["Task", Sequence["StepResult"]], object]


class ScriptedPlanner:
    """Plays plans by heart.

    `plans` is one plan for every task, a mapping from task id or agent (the id counts first) to
    plans, or a function of the task and the results. A plan is a list of steps, or a list of such
    lists: then each round of `plan` gets the next, chosen by the number of results, so that one
    planner serves any number of tasks at once. A task without a plan gets an empty one. Nothing is
    checked: what it says may be as wrong as an untrusted planner's.
    """

    def __init__(self, plans: Mapping[str, Any] | Sequence[Any] | Script) -> None:
        self._plans = plans

    def plan(self, task: Task, results: Sequence[StepResult]) -> object:
        """Return the steps of the round that follows these results."""
        if callable(self._plans):
            return self._plans(task, results)
        plan: Any = self._plans
        if isinstance(plan, Mapping):
            plan = plan.get(task.id, plan.get(task.agent, ()))
        return _round(plan, len(results))


def _round(plan: Any, done: int) -> object:
    is_rounds = isinstance(plan, list | tuple) and any(
        isinstance(part, list | tuple) for part in plan
    )
    before = 0
    for steps in plan if is_rounds else (plan,):
        if before == done:
            return steps
        before += len(steps) if isinstance(steps, list | tuple) else 1
    return ()
