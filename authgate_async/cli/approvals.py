"""`authgate approvals`: what waits for a human, as the log has it, and the human's answer."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from authgate_async.approvals import sign_approval, write_approval
from authgate_async.cli.exits import Exit
from authgate_async.cli.output import json_text, print_json, print_text, say, write_line
from authgate_async.errors import UsageError
from authgate_async.log.asked import questions
from authgate_async.policy.problems import escape, quote
from authgate_async.spool import put
from authgate_async.wire import Right

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from authgate_async.log.asked import Question

__all__ = ["run"]

_MICRO = 1_000_000


def run(args: Namespace) -> Exit:
    """List the calls that wait, or approve one."""
    found = questions(args.log, time.time_ns() // 1000)
    if args.part == "sign":
        _sign(args, found)
    elif args.json:
        for one in found:
            print_json(_plain(one))
    elif found:
        print_text("\n\n".join("\n".join(_told(one)) for one in found))
    else:
        say("no call waits for an approval")
    return Exit.OK


def _sign(args: Namespace, found: list[Question]) -> None:
    """Show the call, and sign what was shown."""
    one = next((one for one in found if one.call.action_id == args.action), None)
    if one is None:
        remedy = "see `authgate approvals list`"
        raise UsageError(f"no call {quote(args.action)} waits in the log {args.log}; {remedy}")
    if one.withheld:
        raise UsageError(
            f"the log keeps no arguments of {quote(args.action)}, and nobody should approve what "
            "they do not see; approve it in the program, with `waiting` and `approve`"
        )
    approval = sign_approval(one.call, _approver(args, one), args.key)
    say(*_told(one))
    if args.to is None:
        write_line(sys.stdout.buffer, write_approval(approval), "stdout")
    else:
        say(f"approved by {approval.approver}: {put(args.to, approval)}")


def _approver(args: Namespace, one: Question) -> str:
    left = [name for name in one.call.approvers if name not in one.approved]
    if args.approver is None and len(left) == 1:
        return left[0]
    if args.approver in one.call.approvers:
        return str(args.approver)
    who = ", ".join(map(quote, one.call.approvers))
    raise UsageError(f"say who approves with --as NAME; this call can be approved by {who}")


def _told(one: Question) -> Iterator[str]:
    """Everything that the digest is of, so that nobody approves more than they see."""
    for line in _lines(one):
        yield line
        if not line.isascii():  # letters of other scripts may look like others
            yield f"  ASCII   {json_text(line, ascii_only=True)}"


def _lines(one: Question) -> Iterator[str]:
    call = one.call
    yield f"call      {_text(call.action_id)}, record {one.number}"
    yield f"agent     {_text(call.agent)}, {call.agent_kind}"
    yield f"tool      {_text(call.tool)}"
    yield f"arguments {'are kept off the log' if one.withheld else json_text(call.args)}"
    for asked in call.requests:
        scope = f", scope {_text(asked.scope)}" if asked.scope else ""
        right = str(Right(asked.right).name).lower()
        yield f"asks to   {right} {_text(f'{asked.rtype}:{asked.name}')}{scope}"
    for sentence in call.sentences:
        yield f"because   {escape(sentence)}"
    if one.approved:
        yield f"approved  by {', '.join(map(_text, one.approved))}, which is not enough"
    yield f"until     {_moment(call.deadline)}"


def _text(value: str) -> str:
    """Quote a name as JSON, so that none can pass for more than a name."""
    return json_text(msgspec.json.encode(value).decode())


def _moment(micros: int) -> str:
    try:
        return datetime.fromtimestamp(micros / _MICRO, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return str(micros)


def _plain(one: Question) -> dict[str, object]:
    call = msgspec.structs.asdict(one.call)
    call["requests"] = [msgspec.structs.asdict(asked) for asked in one.call.requests]
    shown = {name: v.hex() if isinstance(v, bytes) else v for name, v in call.items()}
    return {"index": one.number, "approved": one.approved, "withheld": one.withheld} | shown
