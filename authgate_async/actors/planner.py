"""The planner actor: has a planner think, each request in a child task, and parses what it says."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING

import anyio

from authgate_async.actors.crew import Crew
from authgate_async.errors import PlanError
from authgate_async.foreign import is_ours
from authgate_async.launchers.sentences import describe
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
                    plan, waits = self._ask(envelope.message)
                    if waits is not None:
                        handle = await crew.start(self._await, envelope, plan, waits)
                        envelope.on_abandoned(handle.cancel)
                    else:
                        envelope.reply(plan)

    def _ask(self, request: PlanRequest) -> tuple[Plan, Awaitable[object] | None]:
        """Return the plan, and what has to be awaited for another one in its place, if anything.

        A task's own plan has no second part.
        """
        if request.task.steps is not None:
            return _parsed(() if request.results else request.task.steps), None
        try:
            raw = self._planner.plan(request.task, request.results)
            if isawaitable(raw):
                return Plan(error=f"the planner did not answer within {self._limit:g} s"), raw
            return _parsed(raw), None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a planner is not trusted to behave
            return _failed(error), None

    async def _await(
        self, envelope: Envelope[PlanRequest], plan: Plan, waits: Awaitable[object]
    ) -> None:
        with envelope:
            with anyio.move_on_after(self._limit) as scope:
                try:
                    plan = _parsed(await waits)
                except BaseException as error:
                    if is_ours(error, scope):
                        raise
                    plan = _failed(error)
            envelope.reply(plan)

    def _crashed(self, error: Exception) -> None:
        self._oplog.error("planner bug", error=f"{type(error).__name__}: {error}")


def _failed(error: BaseException) -> Plan:
    return Plan(error=f"the planner failed: {describe(error)}")


def _parsed(raw: object) -> Plan:
    """Read what a planner said, whatever it is: a `Plan` of its own would be one nobody read."""
    try:
        steps: tuple[Step, ...] = parse_plan(raw)
    except PlanError as error:
        return Plan(error=f"the plan is malformed: {error}")
    return Plan(steps)
