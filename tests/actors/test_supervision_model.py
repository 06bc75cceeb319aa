"""Random work, random crashes, random patience, against a model of what each asker may see."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async.actors.crew import Crew
from authgate_async.actors.supervision import Restarts, supervise
from authgate_async.errors import AuthgateError, UsageError
from authgate_async.testing import virtual_clock

if TYPE_CHECKING:
    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.mailbox import Inbox

Deed = Literal["ok", "slow", "fail", "crash", "die", "child"]


class Job(msgspec.Struct, frozen=True, tag=True):
    """What the actor is to do; the number names the request."""

    number: int
    deed: Deed


class Done(msgspec.Struct, frozen=True):
    """It was done."""

    number: int


ALLOWED = {
    "ok": {"Done"},
    "slow": {"Done"},
    "fail": {"UsageError"},
    "crash": {"InternalError"},
    "die": set[str](),
    "child": {"Done"},
}
ALWAYS = {"ActorDiedError", "AskTimeoutError", "ClosedError", "cancelled"}
jobs = st.tuples(
    st.sampled_from(["ok", "slow", "fail", "crash", "die", "child"]),
    st.sampled_from([0.5, 3.0, 1000.0]),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.none() | st.sampled_from([0.05, 2.0]),
)


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Time is virtual in this file."""
    return virtual_clock(request.param)


class Worker:
    """Does each deed; `begun` counts the requests that it saw."""

    def __init__(self, begun: Counter[int]) -> None:
        self.begun = begun

    async def run(self, inbox: Inbox[Job]) -> None:
        """Batches of two, with slow deeds as children."""
        async with Crew(2, on_crash=None) as crew:
            while batch := await inbox.batch(2):
                for envelope in batch:
                    self.begun[envelope.message.number] += 1
                    if envelope.message.deed == "child":
                        await crew.start(self.work, envelope)
                    elif envelope.message.deed == "die":
                        raise LookupError("died outside of the block")
                    else:
                        await self.work(envelope)

    async def work(self, envelope: Envelope[Job]) -> None:
        """Settle one envelope."""
        job = envelope.message
        with envelope:
            if job.deed == "fail":
                envelope.fail(UsageError("as told"))
            elif job.deed == "crash":
                raise ValueError("as told")
            else:
                await anyio.sleep(0 if job.deed == "ok" else 1)
                envelope.reply(Done(job.number))


@settings(max_examples=80, deadline=None)
@given(st.lists(jobs, min_size=1, max_size=12), st.integers(1, 3), st.sampled_from([0, 2, 99]))
async def test_every_request_has_exactly_one_fate(
    plan: list[tuple[Deed, float, float, float | None]], capacity: int, limit: int
) -> None:
    """Answered, failed, returned, overdue or refused: exactly one, and the fitting one."""
    begun: Counter[int] = Counter()
    begins = list(accumulate((pause for _, _, pause, _ in plan), initial=0.0))[: len(plan)]
    fates: dict[int, list[str]] = {number: [] for number in range(len(plan))}

    async def ask(number: int, begin: float) -> None:
        deed, timeout, _, patience = plan[number]
        await anyio.sleep(begin)
        with anyio.move_on_after(1e6 if patience is None else patience) as scope:
            try:
                answer = await ref.ask(Job(number, deed), Done, timeout=timeout)
                assert answer.number == number
                fates[number].append("Done")
            except AuthgateError as error:
                fates[number].append(type(error).__name__)
        if scope.cancelled_caught:
            fates[number].append("cancelled")

    async with anyio.create_task_group() as askers:
        try:
            async with supervise(grace=2, on_crash=lambda *_: None) as supervisor:
                restarts = Restarts(limit=limit, window=1e6, first_pause=0.2)
                ref = supervisor.start(
                    "w", partial(Worker, begun), Job, capacity=capacity, restarts=restarts
                )
                for number, begin in enumerate(begins):
                    askers.start_soon(ask, number, begin)
                await anyio.sleep(begins[-1])
        except AuthgateError as error:
            assert "`w` crashed" in str(error)  # noqa: PT017 - it may also end well

    stats = ref.stats()
    assert (stats.depth, stats.in_hand, stats.pushed_back) == (0, 0, 0)
    assert stats.taken >= begun.total()
    for number, (deed, *_) in enumerate(plan):
        (fate,) = fates[number]
        assert fate in ALLOWED[deed] | ALWAYS
        assert begun[number] <= 1
        assert begun[number] == 1 or fate not in ALLOWED[deed]
