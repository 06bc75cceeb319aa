"""`authgate audit verify`, `complete` and `checkpoint` check a log whole; `hand-over`: its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text, say
from authgate_async.errors import UsageError
from authgate_async.keys import key_id, load_public, load_seed
from authgate_async.log.complete import RunStory
from authgate_async.log.handover import hand_over
from authgate_async.log.notes import read_note, verifier_key
from authgate_async.log.verify import verify

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from authgate_async.log.verify import Report

__all__ = ["run", "tell_bad"]


def run(args: Namespace) -> Exit:
    """Check a log and tell what was asked, or hand it over to another key."""
    if args.part == "hand-over":
        return _hand_over(args)
    key = load_public(args.key) if args.key else None
    if args.part == "complete":
        return _complete(args, key)
    if args.part == "checkpoint":
        return _checkpoint(args, key)
    return _verify(args, key)


def _verify(args: Namespace, key: bytes | None) -> Exit:
    against = _text(args.against) if args.against else None
    report = verify(args.log, key, against=against)
    if args.json:
        print_json({"ok": report.ok, "report": report})
    if not report.ok:
        return tell_bad(report)
    if not args.json:
        _tell(report)
    return Exit.OK


def _complete(args: Namespace, key: bytes | None) -> Exit:
    story = RunStory(args.run)
    report = verify(args.log, key, see=story.take)
    if not report.ok:
        return tell_bad(report)
    lacks = story.lacks(report)
    if args.json:
        told = {"complete": not lacks, "run": args.run, "records": story.records, "lacks": lacks}
        print_json(told)
    for sentence in lacks:
        say(f"run {args.run}: {sentence}")
    if not lacks and not args.json:
        print_text(f"these are all {len(story.records)} records of the run, none is missing:")
        print_text(" ".join(map(str, story.records)))
    return Exit.BAD_INPUT if lacks else Exit.OK


def _checkpoint(args: Namespace, key: bytes | None) -> Exit:
    report = verify(args.log, key)
    if not report.ok:
        return tell_bad(report)
    if not report.checkpoint:
        raise UsageError(f"{report.path} has no checkpoint: nothing in it was ever acknowledged")
    print_text(report.checkpoint.removesuffix("\n"))
    name = read_note(report.checkpoint).origin
    say(f"verifier key: {verifier_key(name, bytes.fromhex(report.key))}")
    return Exit.OK


def _hand_over(args: Namespace) -> Exit:
    key = load_public(args.to)
    hand_over(args.log, load_seed(args.key), key)
    print_text(f"the log {args.log} goes on under the key {key_id(key)}; run with its private half")
    return Exit.OK


def tell_bad(report: Report) -> Exit:
    """Say which record of a log is bad, and what to do."""
    bad = report.bad
    if bad is not None:
        place = f"{bad.file or report.path}: record {bad.index} at byte {bad.offset}"
        say(f"{place}: {bad.problem}; {bad.remedy}")
    return Exit.BAD_INPUT


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be read: {why}; name a file with a checkpoint") from None


def _tell(report: Report) -> None:
    print_text(
        f"the log holds: {report.records} records, {report.sessions} sessions, {report.runs} runs"
    )
    print_text(f"key {report.key} ({'given' if report.key_given else 'named by the log itself'})")
    for first, end in report.removed:
        print_text(f"records {first} to {end - 1} were removed by retention; their hashes hold")
    for count, what in (
        (report.open_runs, "runs have no closing record"),
        (report.without_outcome, "permits have no outcome"),
    ):
        if count:
            say(f"note: {count} {what}")
    if report.covered and (bare := report.records - report.covered - 1):
        say(f"note: the last {bare} records are under no checkpoint; they were never acknowledged")
    if not report.sealed:
        say("note: the log is not sealed, so its end may be missing")
