"""The second machine: bodies that are processes and jails, and templates that are killed.

The first machine only plays them, so that what it finds replays; here they are the system's own.
Processes take their time, so it is real, and a failure does not replay: what fails is printed as a
program, which may have to be run more than once. It is smaller for that: each rule waits until what
it did has come to its end.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    initialize,
    multiple,
    precondition,
    rule,
)

from authgate_async import Policy, Runtime, Task, oplog
from authgate_async.log.verify import verify
from authgate_async.policy import Principal, Resource
from authgate_async.wire import Grant, Right
from redteam.bodies.lingering import STAY
from redteam.machine.base import Driven, belongings
from redteam.machine.model import Held, Model
from redteam.machine.stage import Stage
from redteam.machine.world import HOLDERS, PLACES, hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from authgate_async import RunResult

__all__ = ["ProcessMachine"]

Level = Literal["process", "jail"]

TEMPLATES = {"process": b"launchers.template", "jail": b"cells.template"}
"""What the command line of a level's template has."""

KILLS = 3
TURN = 0.002


@dataclass(eq=False)
class Call:
    """A run of one step; `grant` is what it rests on, `cause` how it has ended."""

    token: str
    agent: str
    place: str
    level: Level
    grant: str
    cause: str = ""
    result: RunResult | None = None
    over: bool = False
    scope: anyio.CancelScope = field(init=False)


class Site:
    """A live runtime, and a board on which bodies leave marks."""

    def __init__(self, folder: Path, model: Model, patience: float) -> None:
        self.patience = patience
        self.folder, self.board = folder, folder / "board"
        self.board.mkdir()
        self.model = model
        self.rt: Runtime
        self._group: anyio.abc.TaskGroup

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Live in it; leaving it cancels what still runs."""
        write = Right.WRITE
        policy = Policy(
            principals=(
                Principal("ann", "human"),
                *[Principal(name, "machine", owner="ann") for name in HOLDERS],
            ),
            resources=(Resource("board", "marks", path=str(self.board)),),
            grants=tuple(
                Grant(f"board-{n}", n, "machine", "board", "marks", "", write) for n in HOLDERS
            ),
            tools=(),
        )
        log = self.folder / "log"
        async with (
            Runtime(policy, tools=STAY, log=log, durability="os", grace=0) as self.rt,
            anyio.create_task_group() as self._group,
        ):
            yield
            self._group.cancel_scope.cancel()

    async def begin(self, call: Call) -> None:
        """Ask for a call, and wait until its body has begun, or it is over without."""
        call.scope = anyio.CancelScope()
        self._group.start_soon(self._run, call)
        began = f"{call.token}-began"
        await self.until(lambda: call.over or self.marked(began), f"{call.token} hangs")

    async def _run(self, call: Call) -> None:
        args = {"name": call.place, "token": call.token}
        with call.scope:
            step = {"tool": f"stay_{call.level}", "args": args}
            call.result = await self.rt.run(Task(agent=call.agent, steps=(step,)))
        call.over = True

    async def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait for something that happens in another process."""
        with anyio.move_on_after(self.patience):
            while not holds():  # noqa: ASYNC110 - what is waited for is a file
                await anyio.sleep(TURN)
        hold(holds(), f"{what}, after {self.patience:g} s")

    async def end(self, calls: list[Call]) -> None:
        """Wait until these are over."""
        names = ", ".join(call.token for call in calls)
        await self.until(lambda: all(call.over for call in calls), f"{names} still runs")

    async def kill(self, level: Level) -> None:
        """Kill the templates of a level, and wait until the runtime has seen to that."""
        pids = _templates(level)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        gone = f"a template of the level {level} is not reaped"
        await self.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), gone)

    def marked(self, token: str) -> bool:
        """Whether a body left this mark."""
        return (self.board / token).exists()


def _templates(level: Level) -> list[int]:
    """List those of our children that are templates of a level."""
    found = Path("/proc/self/task").glob("*/children")
    children = [pid for own in found for pid in own.read_text().split()]
    return [
        int(pid)
        for pid in children
        if TEMPLATES[level] in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


holders = st.sampled_from(HOLDERS)
places = st.sampled_from(PLACES)
levels = st.sampled_from(("process", "jail"))
picks = st.integers(0, 9)


class ProcessMachine(Driven):
    """Drives one runtime with both levels."""

    patience = 300.0
    """Seconds after which something counts as hanging."""

    grants = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.running: list[Call] = []
        """Those that should be. What is drawn may depend on no process."""
        self.kills = 0

    @initialize(target=grants, holder=holders)
    def start(self, holder: str) -> str:
        """Open a runtime in which somebody may do something."""
        oplog.configure("critical")
        self.plant(self.patch)
        self.site = Site(Path(self.temporary.name), self.model, self.patience)
        self.stage = Stage(self.site.open(), 0, virtual=False)
        return self.grant(holder, PLACES[0])

    # Authority.

    @rule(target=grants, holder=holders, place=places)
    def grant(self, holder: str, place: str) -> str:
        """Grant something."""
        held = self._held(holder, place)
        options = {"grant_id": held.id, "epoch": held.epoch}
        rights = ("read", "delegate")
        self._go(self.site.rt.grant, f"machine:{holder}", rights, f"vault:{place}", **options)
        return held.id

    @rule(target=grants, parent=grants, holder=holders)
    def delegate(self, parent: str, holder: str) -> Any:
        """Hand it on, if it stands."""
        above = self.model.grants[parent]
        held = self._held(holder, above.place)
        held.parent = parent
        if self.model.refusal(held, above.holder, 1):
            del self.model.grants[held.id]
            return multiple()
        options = {"grant_id": held.id, "epoch": held.epoch, "by": f"machine:{above.holder}"}
        rights, where = ("read", "delegate"), f"vault:{held.place}"
        self._go(self.site.rt.delegate, parent, f"machine:{holder}", rights, where, **options)
        return held.id

    @rule(grant=grants, way=st.sampled_from(("grant", "held")))
    def take(self, grant: str, way: str) -> None:
        """Take something away: what runs on it ends, whatever it runs in."""
        held, rt = self.model.grants[grant], self.site.rt
        if way == "grant":
            self._go(rt.revoke, grant)
            self.model.revoke(grant=grant)
        else:
            self._go(rt.revoke_holder, f"machine:{held.holder}", f"vault:{held.place}")
            self.model.revoke(held.holder, held.place)
        self._end([c for c in self.running if not self.model.stands(c.grant, 0)], "revoked")

    # Work.

    @rule(agent=holders, place=places, level=levels)
    def act(self, agent: str, place: str, level: Level) -> None:
        """Ask for a call; it begins if the rules permit it, and not otherwise."""
        self.count += 1
        codes, grant = self.model.judge(agent, place, 1, 1, approved=False)
        call = Call(f"call{self.count}", agent, place, level, grant)
        self.calls.append(call)
        self._go(self.site.begin, call)
        if codes:
            told = call.result.steps[0].codes if call.result and call.result.steps else ()
            hold(told == codes, f"{call.token} was told {told}, and the rules say {codes}")
            hold(not self.site.marked(f"{call.token}-began"), f"{call.token} ran on nothing")
        else:
            hold(not call.over, f"{call.token} should have begun, and is over: {call.result}")
            self.running.append(call)

    @precondition(lambda self: self.running)
    @rule(pick=picks)
    def release(self, pick: int) -> None:
        """Let a body return."""
        call = self.running[pick % len(self.running)]
        (self.site.board / f"{call.token}-go").touch()
        self._end([call], "returned")
        hold(self.site.marked(call.token), f"{call.token} returned without its work")

    @precondition(lambda self: self.running)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        """Cancel a run."""
        call = self.running[pick % len(self.running)]
        self._go(self._drop, call)
        self._end([call], "cancelled")

    async def _drop(self, call: Call) -> None:
        call.scope.cancel()

    @precondition(lambda self: self.kills < KILLS)
    @rule(level=levels)
    def kill(self, level: Level) -> None:
        """Kill the templates of a level: their calls are over, and the next one has another."""
        self.kills += 1
        self._go(self.site.kill, level)
        self._end([call for call in self.running if call.level == level], "sandbox_died")

    # How.

    def _end(self, calls: list[Call], cause: str) -> None:
        """See that these end, in this way, and that no other does."""
        self.running = [call for call in self.running if call not in calls]
        self._go(self.site.end, calls)
        for call in calls:
            call.cause = cause
            if call.result is not None:
                (step,) = call.result.steps
                hold(step.cause == cause, f"{call.token} ended as {step.cause}, not {cause}")
            # Whoever is still alive goes on, and leaves a mark that is found at the end.
            (self.site.board / f"{call.token}-go").touch()
        ended = [call.token for call in self.running if call.over]
        hold(not ended, f"{ended} ended with others")

    def _ended(self) -> None:
        report = verify(self.site.folder / "log")
        whole = report.ok and report.sealed and not report.open_runs
        hold(whole, f"the log does not hold: {report}")
        causes = self._recorded()
        for call in self.calls:
            began = self.site.marked(f"{call.token}-began")
            expected = [call.cause or "cancelled"] if began else []
            hold(causes[call.token] == expected, f"{call.token} has outcomes {causes[call.token]}")
            worked = self.site.marked(call.token)
            hold(worked == (call.cause == "returned"), f"{call.token} outlived its end")
        found = belongings()
        # Idle threads end by themselves.
        kept = ("descriptors", "children")
        left = {name: found[name] for name in kept if found[name] > self.before[name]}
        hold(not left, f"left behind: {left}, and before there were {self.before}")

    def _recorded(self) -> dict[str, list[str]]:
        """Return the causes in the log, by the tokens of calls."""
        causes: dict[str, list[str]] = {call.token: [] for call in self.calls}
        of: dict[str, str] = {}
        for line in (self.site.folder / "log" / "log.jsonl").read_text().splitlines():
            record = json.loads(line)["record"]
            if record["kind"] == "intent":
                of[record["action_id"]] = json.loads(record["args"])["token"]
            elif record["kind"] == "outcome":
                causes[of[record["action_id"]]].append(record["cause"])
        return causes

    def _held(self, holder: str, place: str) -> Held:
        self.count += 1
        epoch = self.model.epoch_of(holder)
        held = Held(f"g{self.count}", holder, place, delegates=True, epoch=epoch)
        self.model.grants[held.id] = held
        return held

    def _go(self, function: Any, *args: Any, **options: Any) -> Any:
        assert self.stage is not None
        return self.stage(function, *args, **options)
