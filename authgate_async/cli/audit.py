"""`authgate audit verify DIR`: check a log, and name the first record that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text, say
from authgate_async.keys import load_public
from authgate_async.log.verify import verify

if TYPE_CHECKING:
    from argparse import Namespace

    from authgate_async.log.verify import Report

__all__ = ["run"]


def run(args: Namespace) -> Exit:
    """Check a log and tell what was found."""
    key = load_public(args.key) if args.key else None
    report = verify(args.log, key)
    if args.json:
        print_json({"ok": report.ok, "report": report})
    if report.bad is not None:
        bad = report.bad
        say(f"{report.path}: record {bad.index} at byte {bad.offset}: {bad.problem}; {bad.remedy}")
        return Exit.BAD_INPUT
    if not args.json:
        _tell(report)
    return Exit.OK


def _tell(report: Report) -> None:
    print_text(
        f"the log holds: {report.records} records, {report.sessions} sessions, {report.runs} runs"
    )
    print_text(f"key {report.key} ({'given' if report.key_given else 'named by the log itself'})")
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
