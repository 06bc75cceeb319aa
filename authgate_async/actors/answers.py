"""What becomes of a step at the gate: what the kernel is asked, what is recorded and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from authgate_async.actions import action_of, needs_of
from authgate_async.actors.envelope import Envelope
from authgate_async.actors.waiting import Call
from authgate_async.errors import ArgumentError
from authgate_async.log.entries import asked_of, intent_of
from authgate_async.log.records import ApprovalAsked, Intent, Rejected
from authgate_async.log.sealing import Place
from authgate_async.messages import Decided, Propose
from authgate_async.wire import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authgate_async.launchers.protocol import Limits
    from authgate_async.log.keeping import Keeper
    from authgate_async.log.records import Record
    from authgate_async.tools.toolset import ToolSet
    from authgate_async.wire import SignedVerdict, Verdict

__all__ = ["Answer", "Asked", "Desk", "action_id", "unrecorded"]

_WITHHELD = (
    "the arguments do not fit the tool; which and how is not told, since the log would keep it"
)

_encode = msgspec.msgpack.Encoder().encode


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A step that the kernel is asked about."""

    envelope: Envelope[Propose]
    action: Action
    args: bytes


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What to record of a step, and what to answer once that is done.

    One that waits (`waits`) is answered later. The opening of a run is recorded with the first that
    is known of it.
    """

    envelope: Envelope[Propose]
    record: Intent | Rejected | ApprovalAsked
    decided: Decided
    waits: Call | None = None
    asked: bool = False

    def group(self) -> tuple[Record, ...]:
        """Return what is recorded together."""
        opening = None if self.asked else self.envelope.message.opening
        return (self.record,) if opening is None else (opening, self.record)


class Desk:
    """Makes actions of steps, and answers of verdicts. Neither asks nor records anything itself."""

    def __init__(
        self,
        tools: ToolSet,
        limits: Mapping[str, Limits],
        keeper: Keeper,
        now: Callable[[], int],
    ) -> None:
        self._tools = tools
        self._needs = {tool.name: needs_of(tool, limits[tool.name]) for tool in tools}
        self._keeper = keeper
        self._now = now

    def turn(self, envelope: Envelope[Propose]) -> Asked | Answer:
        """Bind a step to its tool, or turn it away before the kernel sees it."""
        step = envelope.message
        tool = self._tools.get(step.tool)
        if tool is None:
            names = ", ".join(tool.name for tool in self._tools) or "none"
            sentence = f"there is no tool `{step.tool}`; there are {names}"
            return self.rejection(envelope, "unknown_tool", sentence)
        try:
            bound = tool.bind(step.args)
        except ArgumentError as error:
            told = str(error) if self._keeper.of(step.tool).args == "full" else _WITHHELD
            return self.rejection(envelope, "bad_arguments", told)
        salt = self._keeper.args_salt(step.tool, step.run, step.seq)
        action = action_of(step, bound, self._needs[tool.name], salt)
        return Asked(envelope, action, bound.args)

    def decision(self, one: Asked, signed: SignedVerdict, verdict: Verdict) -> Answer:
        """Answer with a verdict."""
        step = one.envelope.message
        args, sealed = self._recorded_args("intent", one, verdict)
        record = intent_of(
            signed, verdict, run=step.run, seq=step.seq, args=args, sealed_args=sealed
        )
        return Answer(one.envelope, record, _decided(one, signed, verdict))

    def question(self, one: Asked, signed: SignedVerdict, call: Call) -> Answer:
        """Record that a call waits for its approval."""
        step, verdict = one.envelope.message, call.verdict
        args, sealed = self._recorded_args("approval_asked", one, verdict)
        record = asked_of(
            signed,
            verdict,
            run=step.run,
            seq=step.seq,
            args=args,
            sealed_args=sealed,
            deadline=call.until,
        )
        return Answer(one.envelope, record, Decided(verdict.action_id), call)

    def rejection(
        self, envelope: Envelope[Propose], code: str, sentence: str, *, asked: bool = False
    ) -> Answer:
        """Turn a step away, for what is no rule of the kernel."""
        step = envelope.message
        record = Rejected(
            agent=step.agent,
            code=code,
            run=step.run,
            sentence=sentence,
            seq=step.seq,
            time=self._now(),
            tool=step.tool,
        )
        decided = Decided(action_id(step), codes=(code,), sentences=(sentence,))
        return Answer(envelope, record, decided, asked=asked)

    def _recorded_args(self, kind: str, one: Asked, verdict: Verdict) -> tuple[str, str]:
        step = one.envelope.message
        place = Place(kind, step.run, step.seq, verdict.action_digest.hex())
        return self._keeper.args(step.tool, one.args, one.action.salt, place)


def action_id(step: Propose) -> str:
    """Return the id that a step's action has."""
    return f"{step.run}:{step.seq}"


def unrecorded(action: str, problem: str, *, opened: bool = False) -> Decided:
    """Answer a step whose decision the log did not take."""
    sentence = f"the decision could not be recorded, so nothing is permitted: {problem}"
    codes, sentences = ("log_unavailable",), (sentence,)
    return Decided(action, codes=codes, sentences=sentences, opened=opened)


def _decided(one: Asked, signed: SignedVerdict, verdict: Verdict) -> Decided:
    return Decided(
        action_id=verdict.action_id,
        permit=_encode(signed) if verdict.permitted else b"",
        args=one.args,
        codes=tuple([code for code, _ in verdict.violations]),
        sentences=tuple([sentence for _, sentence in verdict.violations]),
        warnings=tuple([code for code, _ in verdict.warnings]),
        salt=one.action.salt,
        nonce=verdict.nonce if verdict.permitted else b"",
    )
