"""The planner actor: has a planner think, each request in a child task, and parses what it says."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING

import anyio

from authgate_async.actors.crew import Crew
from authgate_async.errors import PlanError
from authgate_async.foreign import is_ours
from authgate_async.messages import Plan, PlanRequest
from authgate_async.planners.parse import parse_plan

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.mailbox import Inbox
    from authgate_async.oplog import Logger
    from authgate_async.planners.protocol import Planner, Step

__all__ = ["PlannerActor"]

BATCH = 256


class PlannerActor:
    """The actor. It has at most `size` requests in thought, each for at most `limit` seconds."""

    def __init__(self, planner: Planner, *, size: int, limit: float, oplog: Logger) -> None:
        self._planner = planner
        self._size = size
        self._limit = limit
        self._oplog = oplog

    async def run(self, inbox: Inbox[PlanRequest]) -> None:
        """Serve until the mailbox is drained."""
        async with Crew(self._size, on_crash=self._crashed) as crew:
            while batch := await inbox.batch(BATCH):
                for envelope in batch:
                    raw = self._ask(envelope.message)
                    if isawaitable(raw):
                        handle = await crew.start(self._await, envelope, raw)
                        envelope.on_abandoned(handle.cancel)
                    else:
                        envelope.reply(_parsed(raw))

    def _ask(self, request: PlanRequest) -> object:
        """Return what the planner returns, or the task's own plan, which has no second part."""
        if request.task.steps is not None:
            return () if request.results else request.task.steps
        try:
            return self._planner.plan(request.task, request.results)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a planner is not trusted to behave
            return _failed(error)

    async def _await(self, envelope: Envelope[PlanRequest], plan: Awaitable[object]) -> None:
        with envelope:
            raw: object = Plan(error=f"the planner did not answer within {self._limit:g} s")
            with anyio.move_on_after(self._limit) as scope:
                try:
                    raw = await plan
                except BaseException as error:
                    if is_ours(error, scope):
                        raise
                    raw = _failed(error)
            envelope.reply(_parsed(raw))

    def _crashed(self, error: Exception) -> None:
        self._oplog.error("planner bug", error=f"{type(error).__name__}: {error}")


def _failed(error: BaseException) -> Plan:
    return Plan(error=f"the planner failed: {type(error).__name__}: {error}")


def _parsed(raw: object) -> Plan:
    if isinstance(raw, Plan):
        return raw
    try:
        steps: tuple[Step, ...] = parse_plan(raw)
    except PlanError as error:
        return Plan(error=f"the plan is malformed: {error}")
    return Plan(steps)
