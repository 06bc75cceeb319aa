"""`authgate replay LOG --policy P`: what a log would have been under other grants."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from authgate_async.cli.audit import tell_bad
from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text, table
from authgate_async.errors import UsageError
from authgate_async.keys import load_public
from authgate_async.log.verify import verify
from authgate_async.policy import load
from authgate_async.policy.problems import escape
from authgate_async.replay.replay import Last, replay

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from authgate_async.replay import Judged, Summary

__all__ = ["run"]

_HOW = {
    "least": "no smaller set of the policy's grants is enough",
    "irredundant": "none can be left out; a smaller set of others may be enough",
    "used": "all that permits rest on; budgets keep a smaller set from being enough",
    "all": "the whole policy; no smaller set that was tried is enough",
}


def run(args: Namespace) -> Exit:
    """Verify a log, decide it again, and tell what differs as it is found."""
    policy = load(args.policy)
    last = Last()
    report = verify(args.log, load_public(args.key) if args.key else None, see=last.see)
    if not report.ok:
        return tell_bad(report)
    if report.removed:
        raise UsageError(
            f"{report.path} cannot be decided again: what it says of its first "
            f"{report.removed[-1][1]} records was removed; put the files back that you kept of them"
        )
    see = partial(_tell, as_json=args.json)
    summary = replay(args.log, last, policy, args.backend, see)
    if args.json:
        print_json({"summary": summary})
    else:
        _summarise(summary)
    if summary.undecided:
        return Exit.FAILED
    return Exit.DENIED if summary.now_denied else Exit.OK


def _tell(one: Judged, *, as_json: bool) -> None:
    """Tell of an intent that is decided otherwise, or cannot be decided."""
    if one.permitted is bool(one.intent.permitted):
        return
    if as_json:
        print_json(_found(one))
    else:
        intent = one.intent
        place = f"record {one.number}, {intent.action_id}: `{intent.tool}` by `{intent.agent}`"
        print_text("\n".join(escape(line) for line in (f"{place} {_what(one)}", *_why(one))))


def _found(one: Judged) -> dict[str, Any]:
    intent = one.intent
    return {
        "index": one.number,
        "action_id": intent.action_id,
        "agent": intent.agent,
        "tool": intent.tool,
        "was_permitted": bool(intent.permitted),
        "permitted": one.permitted,
        "violations": one.violations,
        "chains": one.chains,
        "undecided": one.doubt and {"code": one.doubt.code, "sentence": one.doubt.sentence},
    }


def _what(one: Judged) -> str:
    was = "was permitted" if one.intent.permitted else "was denied"
    if one.doubt is not None:
        return f"{was}, and cannot be decided again"
    return f"{was}, and would be {'permitted' if one.permitted else 'denied'}"


def _why(one: Judged) -> Iterator[str]:
    if one.doubt is not None:
        yield f"  {one.doubt.sentence}"
    for code, sentence in one.violations:
        yield f"  {code}: {sentence}"
    for chain in one.chains:
        if chain:
            yield f"  by grant {' from '.join(f'`{grant}`' for grant in chain)}"


def _summarise(summary: Summary) -> None:
    table("replay", ("what", "count"), _counts(summary), stderr=False)
    if summary.grants:
        rows = [
            (used.id, used.permits, " ".join(used.rights_not_needed)) for used in summary.grants
        ]
        table("grants used", ("grant", "permits", "rights not needed"), rows, stderr=False)
    if summary.unused:
        table("grants never used", ("grant",), [(one,) for one in summary.unused], stderr=False)
    if summary.least.grants:
        title = f"enough for what was permitted: {_HOW[summary.least.how]}"
        table(title, ("grant",), [(one,) for one in summary.least.grants], stderr=False)


def _counts(summary: Summary) -> Iterator[tuple[str, int]]:
    yield "intents", summary.intents
    yield "decided as recorded", summary.as_recorded
    yield "permitted, would be denied", summary.now_denied
    yield "denied, would be permitted", summary.now_permitted
    for code, number in summary.undecided.items():
        yield f"cannot be decided again ({code})", number
    yield "steps that no kernel saw", summary.rejected
    for what, number in summary.changes.items():
        yield f"recorded changes {what}", number
