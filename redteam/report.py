"""The tables, and the same as JSON. There is no time in them, nor what the setting was.

So the same seed gives the same bytes, whatever the kernel, the event loop and the level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authgate_async.cli.output import print_text, table
from authgate_async.policy.problems import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redteam.campaign import Tally, Trial

__all__ = ["as_data", "failed", "rows_of", "show"]

COLUMNS = ("category", "engineers", "attacks", "held", "escaped", "hung", "errors")
TRIALS = ("category", "broken runtime", "found")


def rows_of(tallies: Sequence[Tally]) -> list[tuple[str, ...]]:
    """Return the table of a campaign, its sums last."""
    rows = [_row(tally) for tally in tallies]
    sums = [sum(row[place] for row in rows) for place in range(len(COLUMNS) - 1)]
    names = [tally.category for tally in tallies]
    return [
        (name, *map(str, row))
        for name, row in zip([*names, "all"], [*rows, tuple(sums)], strict=True)
    ]


def _row(tally: Tally) -> tuple[int, ...]:
    return tally.engineers, tally.attacks, *tally.counts.values()


def failed(tallies: Sequence[Tally], trials: Sequence[Trial]) -> bool:
    """Whether anything got out, hung or went wrong, or a broken runtime passed as sound."""
    return any(tally.findings for tally in tallies) or not all(trial.caught for trial in trials)


def as_data(tallies: Sequence[Tally], trials: Sequence[Trial]) -> dict[str, Any]:
    """Return all of it in plain values."""
    return {
        "table": [dict(zip(COLUMNS, row, strict=True)) for row in rows_of(tallies)],
        "different_plans": {each.category: len(set(each.plans)) for each in tallies},
        "findings": [
            {
                "engineer": each.engineer,
                "became": each.became,
                "evidence": each.evidence,
                "plan": list(each.plan),
            }
            for tally in tallies
            for each in tally.findings
        ],
        "broken": [
            {
                "category": each.category,
                "runtime": each.runtime,
                "found": each.caught,
                "evidence": "" if each.caught else each.evidence,
            }
            for each in trials
        ],
    }


def show(title: str, tallies: Sequence[Tally], trials: Sequence[Trial]) -> None:
    """Print the tables, and what was found."""
    if tallies:
        table(title, COLUMNS, rows_of(tallies), stderr=False)
    if trials:
        rows = [(each.category, each.runtime, "yes" if each.caught else "NO") for each in trials]
        table(f"{title}, broken", TRIALS, rows, stderr=False)
        for trial in (each for each in trials if not each.caught):
            print_text(f"{trial.runtime}: {escape(trial.evidence) or 'no engineer won'}")
    for finding in (each for tally in tallies for each in tally.findings):
        print_text(f"{finding.engineer}, {finding.became}: {escape(finding.evidence)}")
        print_text(f"  it had tried: {escape('; '.join(finding.plan))}")
