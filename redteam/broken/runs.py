"""Runs and planners that believe what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

from authgate_async.actors import planner
from authgate_async.planners.protocol import Step
from authgate_async.runs import RunDriver

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["goes_on_after_denials", "takes_any_plan"]

_step = RunDriver._step


async def _anyway(driver: RunDriver, run: Any, step: Step) -> bool:
    await _step(driver, run, step)
    return True


def goes_on_after_denials() -> AbstractContextManager[object]:
    """Leave out that a denied step ends its run."""
    return mock.patch.object(RunDriver, "_step", _anyway)


def _lenient(raw: Any) -> tuple[Step, ...]:
    """Take what has the look of steps, unread and uncopied."""
    return tuple(
        item if isinstance(item, Step) else Step(item.get("tool", "take"), item.get("args", {}))
        for item in raw
        if isinstance(item, Step) or hasattr(item, "get")
    )


def takes_any_plan() -> AbstractContextManager[object]:
    """Leave out that a plan is parsed strictly, and copied."""
    return mock.patch.object(planner, "parse_plan", _lenient)
