"""A live runtime, what its agents have running, and what its log says so far.

Whatever a tool's body sees is held against the log and the model at the moment when it begins.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async import Policy, Runtime, Task
from authgate_async.actors.mailbox import Mailbox
from authgate_async.errors import ActorDiedError
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile
from authgate_async.policy import Principal, RunLimits
from redteam.machine.tools import tools_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import pytest

    from authgate_async import RunResult
    from authgate_async.approvals import WaitingCall
    from authgate_async.backends import Backend
    from redteam.machine.model import Model
    from redteam.machine.table import Table

__all__ = [
    "ANN",
    "BEGIN",
    "HOLDERS",
    "PLACES",
    "ROOM",
    "WAIT",
    "BrokenError",
    "Call",
    "World",
    "crashing",
    "hold",
]

HOLDERS = ("m0", "m1")
PLACES = ("a", "b")
ANN = b"a" * 32
"""The key of the human who approves."""

BEGIN = 1_800_000_000 * 1_000_000
"""The first moment, in microseconds."""

ROOM = 2
"""Calls of one level that have a process at once."""

WAIT = 120
"""Seconds that a call waits for an approval."""


class BrokenError(AssertionError):
    """A promise was broken; the sentence says which."""


def hold(condition: object, sentence: str) -> None:
    """Fail the example with this sentence unless the condition holds."""
    if not condition:
        raise BrokenError(sentence)


@dataclass(eq=False)
class Call:
    """One run of one step, and what became of it. `began` counts how often its body did."""

    token: str
    agent: str
    tool: str
    place: str
    amount: int
    result: RunResult | None = None
    intent: dict[str, Any] | None = None
    outcomes: list[str] = field(default_factory=list)
    began: int = 0
    running: bool = False
    body: str = ""
    asked: bool = False
    approved: bool = False
    dropped: bool = False
    asked_at: float = 0.0
    began_at: float = 0.0
    ended_at: float = 0.0
    struck: set[str] = field(default_factory=set)
    """How it may have ended because the machine killed something."""
    scope: anyio.CancelScope = field(init=False)
    free: anyio.Event = field(init=False)

    @property
    def args(self) -> dict[str, Any]:
        """The arguments that its agent proposed."""
        return {"amount": self.amount, "place": self.place, "token": self.token}

    @property
    def level(self) -> str:
        """Where its body runs."""
        return self.tool.partition("_")[2] or "inline"

    @property
    def waits(self) -> bool:
        """Whether a human has been asked, and nothing has come of it."""
        over = self.dropped or self.result is not None or self.intent is not None
        return self.asked and not over

    @property
    def rests_on(self) -> str:
        """The grant that the kernel says justifies it."""
        return str(self.intent["chains"][0][0]) if self.intent and self.intent["chains"] else ""


class World:
    """Entered by `open`; `now` is the wall clock of the runtime, in microseconds."""

    def __init__(
        self,
        folder: Path,
        backend: Backend,
        model: Model,
        play: Callable[[World, anyio.abc.TaskGroup], Table],
    ) -> None:
        self.folder = folder
        self.model = model
        self.now = BEGIN
        self.calls: dict[str, Call] = {}
        self.crashes = 0
        self.broken: list[BrokenError] = []
        """What bodies found: raised in them, it would only be their outcome."""
        self.rt: Runtime
        self.table: Table
        self._play = play
        self._backend: Backend = backend
        self._read = 0
        self._of: dict[str, Call] = {}
        self._group: anyio.abc.TaskGroup

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Live in it; leaving it cancels what still runs."""
        public = Ed25519PrivateKey.from_private_bytes(ANN).public_key().public_bytes_raw()
        people = [Principal(name, "machine", owner="ann") for name in HOLDERS]
        policy = Policy(
            principals=(Principal("ann", "human", key=public), *people),
            tools=(),
            limits=RunLimits(approval_ms=WAIT * 1000, grace_ms=0),
        )
        async with anyio.create_task_group() as processes:
            self.table = self._play(self, processes)
            try:
                async with self._living(policy):
                    yield
                await anyio.wait_all_tasks_blocked()
            finally:
                left = self.table.close()
            hold(not left, f"processes outlive the runtime: {left}")

    @asynccontextmanager
    async def _living(self, policy: Policy) -> AsyncIterator[None]:
        async with (
            Runtime(
                policy,
                tools=tools_of(self),
                backend=self._backend,
                log=self.folder,
                durability="os",
                max_processes=ROOM,
                now=lambda: self.now,
            ) as self.rt,
            anyio.create_task_group() as self._group,
        ):
            yield
            self._group.cancel_scope.cancel()

    # What agents do.

    async def begin(self, call: Call) -> None:
        """Have an agent ask for a call; return before it is decided."""
        self.calls[call.token] = call
        call.scope, call.free = anyio.CancelScope(), anyio.Event()
        call.asked_at = anyio.current_time()
        self._group.start_soon(self._run, call)

    async def _run(self, call: Call) -> None:
        task = Task(agent=call.agent, steps=({"tool": call.tool, "args": call.args},))
        with call.scope:
            call.result = await self.rt.run(task)

    async def waiting(self) -> tuple[WaitingCall, ...]:
        """Return the calls that humans may approve, by their arguments."""
        while True:
            with suppress(ActorDiedError):
                return tuple(sorted(await self.rt.waiting(), key=lambda call: call.args))

    async def turns(self, count: int) -> None:
        """Let every task that can go on take so many turns."""
        for _ in range(count):
            await anyio.lowlevel.checkpoint()

    async def settle(self) -> None:
        """Let everything come to rest."""
        await anyio.wait_all_tasks_blocked()
        while self.crashes or self.table.stuck:
            self.crashes = 0
            # An actor pauses, and may not crash more than five times a minute.
            await anyio.sleep(16)
            await anyio.wait_all_tasks_blocked()
        self.read()

    # What bodies see.

    def begun(self, token: str, place: str, amount: int) -> Call:
        """A body is about to do its work: see that whatever must come before it has."""
        try:
            return self._begun(token, place, amount)
        except BrokenError as error:
            self.broken.append(error)
            raise

    def _begun(self, token: str, place: str, amount: int) -> Call:
        self.read()
        call = self.calls.get(token)
        if call is None:
            raise BrokenError(f"a body ran for a call that nobody asked for: {token}")
        call.began += 1
        call.began_at = anyio.current_time()
        hold((place, amount) == (call.place, call.amount), f"{token} ran with other arguments")
        hold(call.began == 1, f"{token} ran twice")
        hold(call.intent is not None, f"{token} ran, and its intent is not in the log")
        grant = call.rests_on
        hold(grant in self.model.grants, f"{token} ran on no grant that was given: {grant!r}")
        held = self.model.grants[grant]
        hold(
            (held.holder, held.place) == (call.agent, call.place),
            f"{token} ran on a grant of somebody else or something else: {grant}",
        )
        faults = self.model.faults(held, amount, self.now, approved=call.approved)
        # A process that was handed its call goes on for the moment until it is killed.
        stands = self.stands(call)
        hold(stands or call.level != "inline", f"{token} ran on {grant}, which was taken away")
        hold(not (stands and faults), f"{token} ran on {grant}, against which stands {faults}")
        self.model.use(grant)
        call.running = True
        return call

    async def work(self, token: str, place: str, amount: int, *, lingers: bool) -> str:
        """Be a body."""
        call = self.begun(token, place, amount)
        try:
            if lingers:
                await call.free.wait()
            call.body = "returned"
        except BaseException:
            call.body = "cancelled"
            raise
        finally:
            call.running, call.ended_at = False, anyio.current_time()
        return token

    def strike(self, call: Call | None, cause: str) -> None:
        """A call, if it is one, may end in this way, since the machine killed something."""
        if call is not None:
            call.struck.add(cause)

    def strike_level(self, level: str) -> None:
        """The same goes for whatever may wait for a template that never gets ready."""
        for call in self.calls.values():
            if call.level == level and call.result is None:
                call.struck.add("sandbox_died")

    def stands(self, call: Call) -> bool:
        """Whether nothing that a permitted call rests on was taken away."""
        epoch = int(call.intent["epoch"]) if call.intent else 0
        return self.model.stands(call.rests_on, epoch)

    # What the log says.

    def read(self) -> None:
        """Read what was added to the log."""
        with (self.folder / "log.jsonl").open("rb") as file:
            file.seek(self._read)
            for line in file:
                hold(line.endswith(b"\n"), "a line of the log is torn")
                self._read += len(line)
                self._see(json.loads(line)["record"])

    def _see(self, record: dict[str, Any]) -> None:
        if record["kind"] == "intent" and record["permitted"]:
            args = json.loads(record["args"])
            call = self.calls[args["token"]]
            same = (args, record["agent"], record["tool"]) == (call.args, call.agent, call.tool)
            hold(same, f"the log has another call permitted than was asked for: {record['args']}")
            hold(call.intent is None, f"{call.token} was permitted twice")
            call.intent = record
            self._of[record["action_id"]] = call
        elif record["kind"] == "approval_asked":
            self.calls[json.loads(record["args"])["token"]].asked = True
        elif record["kind"] == "outcome":
            call = self._of[record["action_id"]]
            hold(not call.running, f"{call.token} runs, and its outcome is in the log")
            call.outcomes.append(record["cause"])
            if not call.began:  # it had its place, and so used up what it was permitted
                self.model.use(call.rests_on)

    def verify(self, *, closed: bool) -> None:
        """See that the log holds as it is."""
        report = verify(self.folder)
        hold(report.ok, f"the log does not verify: {report.bad}")
        hold(report.sealed == closed, f"the log is sealed: {report.sealed}")
        hold(not closed or not report.open_runs, f"{report.open_runs} runs have no end in the log")


def crashing(patch: pytest.MonkeyPatch, world: World) -> set[str]:
    """Return a set: an actor whose name is in it crashes with the next messages in its hands.

    The log writer does so in the log, before it has written or, if it is `late`, behind that.
    """
    doomed: set[str] = set()
    batch, append = Mailbox.batch, LogFile.append_groups

    def die(name: str) -> None:
        if name in doomed:
            doomed.discard(name)
            world.crashes += 1
            raise RuntimeError(f"`{name}` was made to crash")

    async def taken(box: Mailbox[Any], limit: int) -> Any:
        if held := await batch(box, limit):
            die(box.name)
        return held

    def appended(file: LogFile, groups: Any, **options: Any) -> Any:
        die("log")
        answers = append(file, groups, **options)
        die("log, late")
        return answers

    patch.setattr(Mailbox, "batch", taken)
    patch.setattr(LogFile, "append_groups", appended)
    return doomed
