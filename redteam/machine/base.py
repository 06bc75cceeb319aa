"""What a machine stands on: a runtime on its stage, and what must hold of it after each rule."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant

from authgate_async import assembly, oplog
from authgate_async.errors import ActorDiedError, LogUnavailableError, RefusedError
from redteam.machine.model import Model
from redteam.machine.stage import EndlessError, Stage, one_thread
from redteam.machine.standins import play
from redteam.machine.tools import DEADLINE
from redteam.machine.world import ROOM, WAIT, Call, World, crashing, hold

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authgate_async.backends import Backend

__all__ = ["Base", "Driven", "belongings"]


class Driven(RuleBasedStateMachine):
    """Drives a runtime on a stage, in a folder that goes away; `plant` is for subclasses."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.model = Model()
        self.count = 0
        self.before = belongings()
        self.temporary = tempfile.TemporaryDirectory()
        self.stage: Stage | None = None

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        """Break something; the machine itself breaks nothing."""

    def teardown(self) -> None:
        """End the runtime; see that its log is whole, and that nothing of it is left."""
        whole = sys.exc_info()[0] is None
        try:
            if self.stage is not None:
                self._close(whole=whole)
                if whole:
                    self._ended()
        finally:
            self.patch.undo()
            self.temporary.cleanup()

    def _close(self, *, whole: bool) -> None:
        assert self.stage is not None
        try:
            self.stage.close()
        except EndlessError:
            hold(not whole, "the runtime does not end")

    def _ended(self) -> None:
        raise NotImplementedError


class Base(Driven):
    """Has no rules of its own; `backend` and `plant` are for subclasses to set."""

    backend: Backend = "rust"

    def __init__(self) -> None:
        super().__init__()
        self.crashes = self.kills = 0
        self.exact = True
        """Whether all was at rest before the next thing happens."""
        self.skewed = False
        self.closing = False
        self.latest = 0
        """The latest moment at which an approval was taken."""

    def open(self, seed: int) -> None:
        """Start a runtime whose loop takes turns in an order that is drawn from the seed."""
        oplog.configure("critical")
        one_thread(self.patch, seed)
        # Deadlines of asks are in the loop's time here, since that is what jumps.
        self.patch.setattr(assembly, "time", SimpleNamespace(monotonic=anyio.current_time))
        log = Path(self.temporary.name) / "log"
        self.world = World(log, self.backend, self.model, partial(play, self.patch, seed))
        self.doomed = crashing(self.patch, self.world)
        self.plant(self.patch)
        self.stage = Stage(self.world.open(), seed)

    def _ended(self) -> None:
        self.closing = True
        self.world.read()
        self.world.verify(closed=True)
        for call in self.world.calls.values():
            self._over(call)
        left = {name: count for name, count in belongings().items() if count > self.before[name]}
        hold(not left, f"left behind: {left}, and before there were {self.before}")

    # What must hold.

    @invariant()
    def sound(self) -> None:
        """At rest, what runs rests on what stands, and what is over has its one outcome."""
        if self.stage is None or not self.exact:
            return
        self.world.verify(closed=False)
        for call in self.world.calls.values():
            if call.running:
                hold(not call.outcomes, f"{call.token} runs, and has an outcome already")
                hold(self.world.stands(call), f"{call.token} runs on what was taken away")
                hold(not call.dropped, f"{call.token} runs, and its run was cancelled")
                hold(self._time() < call.began_at + DEADLINE, f"{call.token} runs for too long")
            elif call.waits:
                late = self._time() - call.asked_at
                hold(late < WAIT + 17, f"{call.token} waits for an approval after {late} s")
            else:
                over = call.result is not None or call.dropped
                hold(over or self._queued(call), f"{call.token} hangs")
                self._over(call)
        for held in self.model.grants.values():
            spent = self.model.used[held.id]
            hold(held.calls is None or spent <= held.calls, f"{held.id} was used {spent} times")

    def _over(self, call: Call) -> None:
        if call.result is not None and call.result.status == "denied":
            (step,) = call.result.steps
            hold(step.codes and all(step.sentences), f"{call.token} was denied without a reason")
        elif call.result is not None and call.result.status != "done":
            hold(call.result.error, f"{call.token} is {call.result.status} without a sentence")
        hold(not call.running, f"{call.token} still runs")
        if not call.began and call.level == "inline":
            hold(not call.outcomes, f"{call.token} never began, and has an outcome")
        elif call.began or call.outcomes:
            hold(len(call.outcomes) == 1, f"{call.token} has the outcomes {call.outcomes}")
            ended = call.outcomes[0]
            hold(ended in self._causes(call), f"{call.token} ended as {ended}")

    def _causes(self, call: Call) -> set[str]:
        """Return how a call that is over may have ended."""
        causes = set(call.struck)
        if not self.world.stands(call):
            causes.add("revoked")  # also in the moment in which it returns
        ordered = call.dropped or self.closing or self.crashes
        if ordered and not (call.level == "inline" and call.body == "returned"):
            causes.add("cancelled")
        if call.body == "returned":
            causes.add("returned")
        elif call.began and call.ended_at >= call.began_at + DEADLINE:
            causes = {"deadline"}
        return causes

    def _queued(self, call: Call) -> bool:
        """Whether it waits, as it may, until another call of its level is over."""
        running = [other for other in self._among("running") if other.level == call.level]
        waits = call.intent is not None and not (call.began or call.outcomes)
        return call.level != "inline" and waits and len(running) == ROOM

    # How.

    def _go(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        assert self.stage is not None
        answer = self.stage(function, *args)
        if self.world.broken:
            raise self.world.broken[0]
        return answer

    def _pass(self, turns: int | None) -> None:
        if turns is None:
            self._go(self.world.settle)
        else:
            self._go(self.world.turns, turns)
        self.exact = turns is None

    def _time(self) -> float:
        async def now() -> float:
            return anyio.current_time()

        return float(self._go(now))

    def _change(self, change: Callable[[], Awaitable[object]]) -> str | None:
        """Make a change, anew if an actor died with it; return the code with which it is refused.

        None if it was made or refused, and the log does not know of it yet.
        """
        while True:
            try:
                self._go(change)
            except RefusedError as error:
                return error.code
            except ActorDiedError:
                continue
            except LogUnavailableError:
                return None
            return ""

    def _calm(self) -> bool:
        """Whether nothing is about to go wrong, and nothing is reserved for what has not begun."""
        waiting = [call for call in self._among("open") if self._queued(call)]
        return not (self.doomed or self.world.table.doomed or waiting)

    def _judge(self, call: Call) -> tuple[tuple[str, ...], str]:
        return self.model.judge(
            call.agent, call.place, call.amount, self.world.now, approved=call.approved
        )

    def _as_judged(self, call: Call, codes: tuple[str, ...], grant: str) -> None:
        """See that a call that nothing disturbed was decided as the rules say."""
        if set(codes) == {"approval_required"}:
            hold(call.waits, f"{call.token} should wait for an approval: {call.result}")
        elif codes:
            told = call.result.steps[0].codes if call.result and call.result.steps else ()
            hold(told == codes, f"{call.token} was told {told}, and the rules say {codes}")
        elif not (self.skewed and _replayed(call)):
            began = call.began or self._queued(call)
            hold(began, f"{call.token} should have begun: {call.result}")
            hold(call.rests_on == grant, f"{call.token} rests on {call.rests_on}, not on {grant}")

    def _pick(self, which: str, pick: int) -> Call:
        among = self._among(which)
        return among[pick % len(among)]

    def _among(self, which: str) -> list[Call]:
        calls = self.world.calls.values() if self.stage is not None else ()
        if which == "open":
            return [call for call in calls if call.result is None and not call.dropped]
        return [call for call in calls if getattr(call, which)]


def _replayed(call: Call) -> bool:
    """Whether a permit was refused because the clock went back before one that has ended."""
    return call.result is not None and call.result.steps[-1].codes == ("permit_replayed",)


def belongings() -> dict[str, int]:
    """Count what a runtime might leave behind in this process."""
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "threads": threading.active_count(),
        "children": len(children.split()),
    }
