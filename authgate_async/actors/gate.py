"""The gate: turns proposed steps into actions, has the kernel decide them, and records that.

It answers only when the decision is durable. Decisions are made in batches, one kernel call each,
in a worker thread; while one batch waits for the disk the next is decided.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, cast

import msgspec
from anyio import CapacityLimiter, to_thread

from authgate_async.actors.answers import Answer, Asked, Desk, action_id, unrecorded
from authgate_async.actors.crew import Crew
from authgate_async.actors.recording import record
from authgate_async.actors.waiting import MOST, Call, Waiting
from authgate_async.errors import ClosedError
from authgate_async.log.entries import change_of
from authgate_async.messages import (
    Applied,
    Apply,
    Decided,
    Forgo,
    Pending,
    Propose,
    Waits,
    Withdraw,
)
from authgate_async.wire import (
    Approve,
    Changed,
    Delegate,
    Enrol,
    Own,
    Register,
    Settlement,
    SignedVerdict,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.mailbox import Inbox
    from authgate_async.actors.reference import Ref
    from authgate_async.backends import Kernel
    from authgate_async.launchers.protocol import Limits
    from authgate_async.log.keeping import Keeper
    from authgate_async.log.records import Record
    from authgate_async.messages import Append, GateMessage
    from authgate_async.oplog import Logger
    from authgate_async.tools.toolset import ToolSet
    from authgate_async.wire import Change

__all__ = ["Gate"]

BATCH = 512
"""Steps decided in one kernel call at most."""

IN_FLIGHT = 2
"""Batches between mailbox and disk at most: one at the disk, one in the kernel.

More of them are smaller, and cost more thread switches than they save waiting.
"""

_GIVES = (Approve, Delegate, Enrol, Own, Register)
"""Changes that take nothing away."""

_signed = msgspec.msgpack.Decoder(list[SignedVerdict]).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode
_changed = msgspec.msgpack.Decoder(tuple[Changed, ...]).decode
_encode = msgspec.msgpack.Encoder().encode


class Gate:
    """The actor; `now` is in microseconds since the Unix epoch.

    `limits` are those of each tool's calls: what a call may use is reserved from the budgets of its
    grants. `keeper` says what is recorded of a tool's arguments. `owed` are records of changes that
    are in force and not in the log yet; it outlives a crash. A call that needs an approval waits
    `approval_seconds` for it.
    """

    def __init__(
        self,
        *,
        kernel: Kernel,
        tools: ToolSet,
        limits: Mapping[str, Limits],
        log: Ref[Append],
        withdrawals: Ref[Withdraw],
        owed: list[tuple[Record, ...]],
        keeper: Keeper,
        now: Callable[[], int],
        oplog: Logger,
        record_timeout: float,
        approval_seconds: float,
    ) -> None:
        self._kernel = kernel
        self._desk = Desk(tools, limits, keeper, now)
        self._log = log
        self._withdrawals = withdrawals
        self._owed = owed
        self._now = now
        self._oplog = oplog
        self._record_timeout = record_timeout
        self._threads = CapacityLimiter(IN_FLIGHT)
        self._waiting = Waiting(approval_seconds)
        self._doubtful: dict[Call, None] = {}
        self._unused: list[bytes] = []

    async def run(self, inbox: Inbox[GateMessage]) -> None:
        """Serve until the mailbox is drained."""
        async with Crew(1 + IN_FLIGHT, on_crash=None) as crew:
            late = await crew.start(self._end_late)
            while batch := await inbox.batch(BATCH):
                steps: list[Envelope[Propose]] = []
                for envelope in batch:
                    if isinstance(envelope.message, Propose):
                        steps.append(cast("Envelope[Propose]", envelope))
                        continue
                    if isinstance(envelope.message, Pending):
                        envelope.reply(Waits(self._waiting.shown()))
                        continue
                    if isinstance(envelope.message, Forgo):
                        self._unused.append(envelope.message.nonce)
                        envelope.done()
                        continue
                    # A change stands in the log after what was decided without it, and before
                    # what is decided with it.
                    await self._begin(steps, crew)
                    steps = []
                    await crew.room(IN_FLIGHT)
                    await self._apply(cast("Envelope[Apply]", envelope))
                await self._begin(steps, crew)
            late.cancel()
        self._waiting.close()

    async def _begin(self, steps: list[Envelope[Propose]], crew: Crew) -> None:
        if self._owed:
            await crew.room(IN_FLIGHT)
            if problem := await self._pay():
                for envelope in steps:
                    envelope.reply(unrecorded(action_id(envelope.message), problem))
                return
            await self._reconsider()
        if steps:
            await crew.start(self._decide, steps)

    async def _decide(self, steps: list[Envelope[Propose]]) -> None:
        asked: list[Asked] = []
        answers: list[Answer] = []
        for envelope in steps:
            turned = self._desk.turn(envelope)
            if isinstance(turned, Asked):
                asked.append(turned)
            else:
                answers.append(turned)
        for one, signed in zip(asked, await self._verdicts(asked), strict=True):
            verdict = _verdict(signed.verdict)
            waits = not verdict.permitted and bool(verdict.approvers)
            make = self._wait if waits else self._decision
            answers.append(make(one, signed, verdict))
        await self._answer(answers)

    def _decision(self, one: Asked, signed: SignedVerdict, verdict: Verdict) -> Answer:
        if verdict.permitted:
            # What it reserves is given back before the next decision if it reaches nobody.
            one.envelope.on_abandoned(partial(self._unused.append, verdict.nonce))
        return self._desk.decision(one, signed, verdict)

    def _wait(self, one: Asked, signed: SignedVerdict, verdict: Verdict) -> Answer:
        """Let a call wait for its approval, if there is room."""
        if self._waiting.full:
            sentence = f"{MOST} calls wait for an approval already; try again when some have ended"
            return self._desk.rejection(one.envelope, "approvals_full", sentence)
        call = self._waiting.add(one.envelope, one.action, verdict)
        return self._desk.question(one, signed, call)

    async def _verdicts(self, asked: Sequence[Asked]) -> list[SignedVerdict]:
        if not asked:
            return []
        actions = _encode([one.action for one in asked])
        unused = [Settlement(nonce, redeemed=False, started=False) for nonce in self._unused]
        self._unused.clear()
        decide = partial(_settle_and_decide, self._kernel, unused, actions)
        return _signed(
            await to_thread.run_sync(decide, self._now(), os.urandom(32), limiter=self._threads)
        )

    async def _answer(self, answers: list[Answer]) -> None:
        """Answer once the records are durable; without a record nothing is permitted."""
        answers = [answer for answer in answers if not self._left(answer.envelope)]
        groups = tuple(answer.group() for answer in answers)
        problems = await record(self._log, groups, timeout=self._record_timeout)
        for answer, problem in zip(answers, problems, strict=True):
            decided = answer.decided
            if answer.waits is not None:
                if not problem:
                    answer.waits.recorded = True
                    self._tell_wait(answer.waits)
                    continue
                if not self._waiting.take(answer.waits):
                    continue
            if problem:
                if decided.nonce:
                    self._unused.append(decided.nonce)
                decided = unrecorded(decided.action_id, problem, opened=answer.asked)
            answer.envelope.reply(decided)
            if not decided.permit:
                self._tell_denial(answer.envelope.message, decided)

    def _left(self, envelope: Envelope[Propose]) -> bool:
        """Whether nobody waits for the answer any more.

        Then the run's end may be in the log already, and its opening must not come after it.
        """
        if envelope.abandoned and not envelope.settled:
            envelope.fail(ClosedError("the call was cancelled while it was decided"))
        return envelope.abandoned

    def _tell_wait(self, call: Call) -> None:
        step = call.envelope.message
        self._oplog.warning(
            "waits for an approval",
            run_id=step.run,
            agent=step.agent,
            step=step.seq,
            action_id=call.action.id,
            tool=step.tool,
            sentences=[sentence for _, sentence in call.verdict.violations],
        )

    def _tell_denial(self, step: Propose, decided: Decided) -> None:
        self._oplog.info(
            "denied",
            run_id=step.run,
            agent=step.agent,
            step=step.seq,
            action_id=decided.action_id,
            tool=step.tool,
            codes=decided.codes,
            sentences=decided.sentences,
        )

    async def _apply(self, envelope: Envelope[Apply]) -> None:
        changes = envelope.message.changes
        if refused := self._waiting.refusal(changes):
            self._oplog.warning("approval refused", code=refused.code, error=refused.sentence)
            envelope.reply(Applied((refused,)))
            return
        now = self._now()
        results = _changed(
            await to_thread.run_sync(
                self._kernel.change, _encode(changes), now, limiter=self._threads
            )
        )
        group = tuple(
            change_of(change, result, by=envelope.message.by, time=now)
            for change, result in zip(changes, results, strict=True)
        )
        self._owed.append(group)
        # Also where the change cannot be recorded: it is in force.
        if not all(isinstance(change, _GIVES) for change in changes):
            await self._withdrawals.tell(Withdraw())
        self._doubt(changes, results)
        if problem := await self._pay():
            sentence = f"in force, but nothing is decided until it is recorded: {problem}"
            envelope.reply(Applied(results, sentence))
        else:
            envelope.reply(Applied(results))
            await self._reconsider()

    def _doubt(self, changes: Sequence[Change], results: Sequence[Changed]) -> None:
        """Note which of the calls that wait are to be decided anew."""
        done = [pair[0] for pair in zip(changes, results, strict=True) if not pair[1].code]
        approved = {change.action_digest for change in done if isinstance(change, Approve)}
        every = not all(isinstance(change, _GIVES) for change in done)
        for call in self._waiting:
            if every or call.verdict.action_digest in approved:
                self._doubtful[call] = None

    async def _reconsider(self) -> None:
        """Decide anew what was approved, or may have lost what it rests on."""
        calls = [call for call in self._doubtful if self._waiting.has(call)]
        self._doubtful.clear()
        for begin in range(0, len(calls), BATCH):
            await self._decide_anew(calls[begin : begin + BATCH])

    async def _decide_anew(self, calls: list[Call]) -> None:
        asked = [Asked(call.envelope, call.action, call.action.args) for call in calls]
        answers: list[Answer] = []
        for call, one, signed in zip(calls, asked, await self._verdicts(asked), strict=True):
            verdict = _verdict(signed.verdict)
            if not verdict.permitted and verdict.approvers:
                call.verdict = verdict
            elif self._waiting.take(call):
                answer = self._decision(one, signed, verdict)
                answers.append(msgspec.structs.replace(answer, asked=True))
        await self._answer(answers)

    async def _end_late(self) -> None:
        """Turn away what nobody approved in time."""
        while True:
            await self._answer([self._late(call) for call in await self._waiting.late()])

    def _late(self, call: Call) -> Answer:
        why = "; ".join(sentence for _, sentence in call.verdict.violations)
        sentence = f"no approval came within {self._waiting.seconds:g} s: {why}"
        return self._desk.rejection(call.envelope, "approval_timeout", sentence, asked=True)

    async def _pay(self) -> str:
        """Record the changes that the log does not know yet; return a sentence if it cannot be."""
        problems = await record(self._log, tuple(self._owed), timeout=self._record_timeout)
        problem = next(filter(None, problems), "")
        if not problem:
            self._owed.clear()
        return problem


def _settle_and_decide(
    kernel: Kernel, unused: list[Settlement], actions: bytes, now: int, entropy: bytes
) -> bytes:
    if unused:
        kernel.settle(_encode(unused))
    return kernel.decide(actions, now, entropy)
