"""Run thousands of agents at once without trusting them.

`Runtime` is the door; `tool` makes a function something that an agent may ask for; `policy.load`
reads who may do what. What stands in `__all__` is public. It is imported when it is first used: the
process that runs tool bodies imports this package too, and must stay small, since its size is the
cost of every fork.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from authgate_async.agents import Agent
    from authgate_async.backends import verify_json
    from authgate_async.batch import Batch
    from authgate_async.errors import AuthgateError
    from authgate_async.launchers.protocol import Limits
    from authgate_async.log.rotation import Rotation
    from authgate_async.planners.protocol import Planner, Step, StepResult, Task
    from authgate_async.planners.rule_planner import RulePlanner
    from authgate_async.planners.scripted import ScriptedPlanner
    from authgate_async.policy import Policy, load
    from authgate_async.runs import RunResult
    from authgate_async.runtime import Runtime
    from authgate_async.tools import Tool, tool

_HOMES = {
    "Agent": "agents",
    "AuthgateError": "errors",
    "Batch": "batch",
    "Limits": "launchers.protocol",
    "Planner": "planners.protocol",
    "Policy": "policy",
    "Rotation": "log.rotation",
    "RulePlanner": "planners.rule_planner",
    "RunResult": "runs",
    "Runtime": "runtime",
    "ScriptedPlanner": "planners.scripted",
    "Step": "planners.protocol",
    "StepResult": "planners.protocol",
    "Task": "planners.protocol",
    "Tool": "tools",
    "load": "policy",
    "tool": "tools",
    "verify_json": "backends",
}

__all__ = [
    "Agent",
    "AuthgateError",
    "Batch",
    "Limits",
    "Planner",
    "Policy",
    "Rotation",
    "RulePlanner",
    "RunResult",
    "Runtime",
    "ScriptedPlanner",
    "Step",
    "StepResult",
    "Task",
    "Tool",
    "load",
    "tool",
    "verify_json",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
