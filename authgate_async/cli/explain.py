"""`authgate explain --policy P ACTION.json`: why an action is permitted or denied."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from authgate_async.cli.actions import Answer, Judge, read_action
from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text
from authgate_async.policy import load
from authgate_async.policy.problems import escape
from authgate_async.reference.explain import explain
from authgate_async.reference.malformed import in_names
from authgate_async.wire import DENIAL_CODES, Action, Right

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from authgate_async.reference.explain import Explained

__all__ = ["run"]


class _Rule(msgspec.Struct, frozen=True):
    """A rule: `held`, `failed` with its sentences, or `not judged`."""

    code: str
    state: str
    sentences: tuple[str, ...] = ()


class _Grant(msgspec.Struct, frozen=True):
    """A grant that covers a request: the ids up to the root, and what is against it."""

    chain: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]


class _Request(msgspec.Struct, frozen=True):
    """What was asked, whether everybody may, and the holder's grants that cover it."""

    right: str
    resource: str
    scope: str
    public: bool
    grants: tuple[_Grant, ...]


class _Explanation(msgspec.Struct, frozen=True):
    """An answer as `decide` gives it, and what led to it."""

    answer: Answer
    rules: tuple[_Rule, ...]
    requests: tuple[_Request, ...]


def run(args: Namespace) -> Exit:
    """Explain one action; nothing runs."""
    now = time.time_ns() // 1000
    policy = load(args.policy)
    judge = Judge(policy, args.backend, now)
    line = read_action(args.action)
    action = judge.action(line)
    (answer,) = judge.answers([line])
    explained: list[Explained] = []
    if isinstance(action, Action):
        explained = explain(policy.changes(), action, now)
    requests = tuple(map(_request, explained))
    explanation = _Explanation(answer, tuple(_rules(action, answer)), requests)
    if args.json:
        print_json(explanation)
    else:
        print_text("\n".join(map(escape, _lines(explanation))))
    return Exit.OK if answer.permitted else Exit.DENIED


def _rules(action: Action | Answer, answer: Answer) -> Iterator[_Rule]:
    """Tell of each rule of the kernel, and before them of the gate's own denial."""
    found: dict[str, list[str]] = {}
    for code, sentence in answer.violations:
        found.setdefault(code, []).append(sentence)
    at_gate = not isinstance(action, Action)
    nameless = isinstance(action, Action) and any(in_names(action))
    for code in (*(code for code in found if code not in DENIAL_CODES), *DENIAL_CODES):
        judged = not at_gate and (not nameless or code in {"malformed", "forbidden_flag"})
        state = "failed" if code in found else "held" if judged else "not judged"
        yield _Rule(code, state, tuple(found.get(code, ())))


def _request(explained: Explained) -> _Request:
    request = explained.request
    return _Request(
        str(Right(request.right).name).lower(),
        f"{request.rtype}:{request.name}",
        request.scope,
        explained.public,
        tuple(_Grant(one.chain, one.faults) for one in explained.candidates),
    )


def _lines(explanation: _Explanation) -> Iterator[str]:
    answer = explanation.answer
    yield f"action `{answer.id}` {_fate(answer)}"
    for rule in explanation.rules:
        yield f"  {rule.code}: {rule.state}"
        yield from (f"    {sentence}" for sentence in rule.sentences)
    for code, sentence in answer.warnings:
        yield f"  warning {code}: {sentence}"
    for request in explanation.requests:
        yield from _told(request)


def _fate(answer: Answer) -> str:
    if answer.permitted:
        return "is permitted"
    codes = {code for code, _ in answer.violations}
    return "waits for an approval" if codes == {"approval_required"} else "is denied"


def _told(request: _Request) -> Iterator[str]:
    scope = f"/{request.scope}" if request.scope else ""
    yield f"{request.right} `{request.resource}{scope}`"
    if request.public:
        yield "  is public: no grant is needed"
        return
    if not request.grants:
        yield "  no grant of the actor covers it"
    for grant in request.grants:
        chain = " from ".join(f"`{one}`" for one in grant.chain)
        yield f"  grant {chain}: {'does not permit it' if grant.faults else 'permits it'}"
        yield from (f"    {code}: {sentence}" for code, sentence in grant.faults)
