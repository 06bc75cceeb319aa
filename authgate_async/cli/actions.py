"""Actions from outside, and the verdicts on them."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, Literal

import msgspec

from authgate_async.actions import needs_of
from authgate_async.backends import Backend, make_kernel
from authgate_async.canonical import canonical
from authgate_async.cli.lines import MAX_LINE, numbered, parse_line, refuse
from authgate_async.errors import ArgumentError, PolicyError, TaskError
from authgate_async.policy.problems import Problem, quote, tell
from authgate_async.policy.tools import find_tools
from authgate_async.tools import ToolSet
from authgate_async.wire import FLAGS, Action, Changed, Request, Right, SignedVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from authgate_async.policy import Policy

__all__ = ["ActionLine", "Answer", "Judge", "RequestLine", "read_action", "read_actions"]

_BATCH = 512
_SECRET_BYTES = 32
_PER_UNIT = 1_000_000
_STDIN = "stdin"
_Flag = Literal[FLAGS]  # type: ignore[valid-type] # the wire's own list

_encode = msgspec.msgpack.Encoder().encode
_changed = msgspec.msgpack.Decoder(list[Changed]).decode
_signed = msgspec.msgpack.Decoder(list[SignedVerdict]).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode


class RequestLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One resource, `TYPE:NAME`, and one right that an action asks for."""

    resource: str
    right: Literal["read", "write", "execute", "delegate"]
    scope: str = ""


class ActionLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of input; without `requests` the tool says what its arguments need."""

    id: str
    actor: str
    tool: str
    kind: str = "machine"
    args: dict[str, Any] = {}
    requests: tuple[RequestLine, ...] | None = None
    governs_humans: tuple[str, ...] = ()
    flags: tuple[_Flag, ...] = ()
    min_epoch: int = 0
    proof: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One line of output; `violations` and `warnings` are pairs of code and sentence."""

    id: str
    permitted: bool
    violations: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    confidence: float = 0.0
    requires_human_arbitration: bool = False
    chains: tuple[tuple[str, ...], ...] = ()
    epoch: int = 0


class Judge:
    """A policy in a kernel of its own, at a time that stands still; `now` is in microseconds.

    Raises:
        PolicyError: the kernel refuses a part of the policy.
        BackendMissingError: as for `make_kernel`.
    """

    def __init__(self, policy: Policy, backend: Backend, now: int) -> None:
        secret = os.urandom(_SECRET_BYTES)
        self._kernel = make_kernel(backend, seed=secret, entropy=secret)
        self._now = now
        self._policy = policy
        self._tools = ToolSet(find_tools(policy))
        for changed in _changed(self._kernel.change(_encode(policy.changes()), now)):
            if changed.code:
                raise PolicyError(f"{policy.source}: the kernel refuses it: {changed.sentence}")

    def answers(self, lines: Sequence[ActionLine]) -> Iterator[Answer]:
        """Yield the answer to each action, in order."""
        for start in range(0, len(lines), _BATCH):
            yield from self._batch(lines[start : start + _BATCH])

    def _batch(self, lines: Sequence[ActionLine]) -> Iterator[Answer]:
        asked = [self.action(line) for line in lines]
        actions = [one for one in asked if isinstance(one, Action)]
        answer = self._kernel.decide(_encode(actions), self._now, os.urandom(_SECRET_BYTES))
        verdicts = iter([_verdict(signed.verdict) for signed in _signed(answer)])
        for one in asked:
            yield one if isinstance(one, Answer) else _answer(next(verdicts))

    def action(self, line: ActionLine) -> Action | Answer:
        """Return what the kernel is asked, or the denial of a call that the gate would not make."""
        if line.requests is None and line.tool not in self._tools:
            sentence = f"there is no tool {quote(line.tool)}; give `requests`, or a tool's name"
            return _denied(line, "unknown_tool", sentence)
        try:
            args, requests = self._needs(line)
        except ArgumentError as error:
            return _denied(line, "bad_arguments", str(error))
        wall_us, output_bytes, cost = self._reserved(line.tool)
        return Action(
            id=line.id,
            actor=line.actor,
            kind=line.kind,
            tool=line.tool,
            args=args,
            requests=requests,
            governs_humans=line.governs_humans,
            flags=sum(1 << FLAGS.index(flag) for flag in set(line.flags)),
            min_epoch=line.min_epoch,
            proof=bytes.fromhex(line.proof),
            wall_us=wall_us,
            output_bytes=output_bytes,
            cost=cost,
        )

    def _reserved(self, name: str) -> tuple[int, int, int]:
        """Return what the gate would reserve for a call; nothing for an unknown tool."""
        if name not in self._tools:
            return 0, 0, 0
        tool = self._tools[name]
        return needs_of(tool, self._policy.limits_for(name, tool.limits))

    def _needs(self, line: ActionLine) -> tuple[bytes, tuple[Request, ...]]:
        if line.requests is not None:
            return canonical(line.args), tuple(map(_request, line.requests))
        bound = self._tools[line.tool].bind(line.args)
        return bound.args, bound.requests


def read_actions(stream: IO[bytes]) -> list[ActionLine]:
    """Read actions, one JSON object a line.

    Raises:
        TaskError: with one line for each bad line, `stdin:LINE: SENTENCE`.
    """
    lines: list[ActionLine] = []
    problems: list[Problem] = []
    for number, text in numbered(stream):
        try:
            line = parse_line(text, ActionLine)
            _check(line)
        except ValueError as error:
            problems.append(Problem(_STDIN, number, str(error)))
        else:
            lines.append(line)
    refuse(problems)
    return lines


def read_action(path: Path) -> ActionLine:
    """Read the one action in a file, a JSON object as `decide` takes it, over any number of lines.

    Raises:
        TaskError: it cannot be read, or is none: `FILE: SENTENCE`.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_LINE + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise TaskError(f"{path}: cannot be read: {why}; name a file with an action") from None
    try:
        line = parse_line(text, ActionLine)
        _check(line)
    except ValueError as error:
        raise TaskError(tell([Problem(str(path), 0, str(error))])) from None
    return line


def _check(line: ActionLine) -> None:
    """Refuse what has no form on the wire; what has one and is wrong is for the kernel to deny."""
    if not 0 <= line.min_epoch < 2**63:
        raise ValueError("`min_epoch` is out of range; give 0 to 9223372036854775807")
    for request in line.requests or ():
        if ":" not in request.resource:
            raise ValueError(f"`resource` cannot be {quote(request.resource)}; write TYPE:NAME")
    try:
        bytes.fromhex(line.proof)
    except ValueError:
        raise ValueError("`proof` is not hexadecimal; give a signature of 64 bytes") from None


def _request(line: RequestLine) -> Request:
    rtype, _, name = line.resource.partition(":")
    return Request(rtype, name, line.scope, int(Right[line.right.upper()]))


def _denied(line: ActionLine, code: str, sentence: str) -> Answer:
    return Answer(id=line.id, permitted=False, violations=((code, sentence),))


def _answer(verdict: Verdict) -> Answer:
    return Answer(
        id=verdict.action_id,
        permitted=verdict.permitted,
        violations=verdict.violations,
        warnings=verdict.warnings,
        confidence=verdict.confidence / _PER_UNIT,
        requires_human_arbitration=verdict.requires_human_arbitration,
        chains=verdict.chains,
        epoch=verdict.epoch,
    )
