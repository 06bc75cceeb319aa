"""The planner actor: has a planner think, each request in a child task, and parses what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from authgate_async.actors.crew import Crew
from authgate_async.errors import PlanError
from authgate_async.messages import Plan, PlanRequest
from authgate_async.planners.parse import parse_plan

if TYPE_CHECKING:
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
                    if envelope.message.task.steps is None:
                        scope = await crew.start(self._think, envelope)
                        envelope.on_abandoned(scope.cancel)
                    else:
                        _recite(envelope)

    async def _think(self, envelope: Envelope[PlanRequest]) -> None:
        request = envelope.message
        with envelope:
            try:
                with anyio.fail_after(self._limit):
                    raw = await self._planner.plan(request.task, request.results)
            except TimeoutError:
                answer = Plan(error=f"the planner did not answer within {self._limit:g} s")
            except Exception as error:  # noqa: BLE001 - a planner is not trusted to behave
                answer = Plan(error=f"the planner failed: {type(error).__name__}: {error}")
            else:
                answer = _parsed(raw)
            envelope.reply(answer)

    def _crashed(self, error: Exception) -> None:
        self._oplog.error("planner bug", error=f"{type(error).__name__}: {error}")


def _recite(envelope: Envelope[PlanRequest]) -> None:
    """Answer with the task's own plan; it has one part, so with results there is no more of it."""
    with envelope:
        request = envelope.message
        envelope.reply(Plan() if request.results else _parsed(request.task.steps))


def _parsed(raw: Any) -> Plan:
    try:
        steps: tuple[Step, ...] = parse_plan(raw)
    except PlanError as error:
        return Plan(error=f"the plan is malformed: {error}")
    return Plan(steps)
