"""`authgate batch TASKS.jsonl --policy P --out RESULTS.jsonl --log DIR`: many tasks at once."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from anyio import to_thread

from authgate_async.cli.entry import configure_log, drained, on_loop, runtime_of
from authgate_async.cli.exits import Exit
from authgate_async.cli.lines import read_tasks
from authgate_async.cli.output import json_line, print_json, say, table
from authgate_async.cli.results import Results, keep_apart
from authgate_async.errors import ClosedError, UnavailableError, UsageError
from authgate_async.policy import load
from authgate_async.policy.tools import find_tools

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Sequence

    from authgate_async.planners.protocol import Task
    from authgate_async.runs import RunResult
    from authgate_async.runtime import Runtime

__all__ = ["run"]

_STATUSES = ("done", "denied", "failed", "interrupted")


def run(args: Namespace) -> Exit:
    """Run the tasks; write each result as it comes."""
    if args.json and args.out == "-":
        raise UsageError("--json and --out - both want stdout; name a file for the results")
    policy = load(args.policy)
    find_tools(policy)  # an import that fails is told before anything is made
    tasks = read_tasks(args.tasks)
    configure_log(args.log_level)
    keep_apart(args.out, args.log, [args.tasks, args.policy, *([args.key] if args.key else [])])
    results = Results(args.out, force=args.force)
    tally = _Tally(results)
    try:
        with results, _progress(len(tasks)) as tally.advance:
            runtime = runtime_of(policy, args)
            body = partial(_run_all, runtime, tasks, args.concurrency, tally)
            on_loop(partial(drained, runtime, body), args.loop)
    except BaseException:
        if results.begun:
            with suppress(OSError, UnavailableError):  # the first error is the one to tell
                _summarise(tally, len(tasks), args, rest="no_result")
        raise
    return _summarise(tally, len(tasks), args)


async def _run_all(
    runtime: Runtime, tasks: Sequence[Task], concurrency: int | None, tally: _Tally
) -> None:
    tally.results.begin()
    with suppress(ClosedError):  # stopped before it began: then no task was started
        async with runtime.run_batch(tasks, concurrency=concurrency) as results:
            async for result in results:
                await to_thread.run_sync(tally.add, result)  # the disk may be slow


class _Tally:
    """Counts each result, and writes it at once."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.advance: Callable[[], None] = lambda: None
        self.statuses: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.tool_errors = 0

    def add(self, result: RunResult) -> None:
        self.statuses[result.status] += 1
        self.codes.update({code for step in result.steps for code in step.codes})
        self.tool_errors += sum(step.permitted and bool(step.error) for step in result.steps)
        self.results.write(json_line(result))
        self.advance()


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415 - for terminals only
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TimeElapsedColumn,
    )

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("tasks", total=total)
        yield lambda: progress.advance(bar)


def _summarise(tally: _Tally, total: int, args: Namespace, rest: str = "not_started") -> Exit:
    counts = {status: tally.statuses[status] for status in _STATUSES}
    counts[rest] = total - sum(counts.values())
    if args.json:
        files = {"out": args.out, "log": str(args.log)}
        codes = dict(sorted(tally.codes.items()))
        print_json(counts | {"tool_errors": tally.tool_errors, "codes": codes} | files)
    else:
        rows = [(name.replace("_", " "), number) for name, number in counts.items()]
        rows.append(("tool errors", tally.tool_errors))
        rows += [(f"  {code}", number) for code, number in sorted(tally.codes.items())]
        table(f"{total} tasks", ("outcome", "count"), rows)
        say(f"results: {args.out}", f"log: {args.log}")
    return _exit(counts, rest, tally.tool_errors)


def _exit(counts: dict[str, int], rest: str, tool_errors: int) -> Exit:
    if counts["interrupted"] or counts[rest]:
        return Exit.INTERRUPTED
    if counts["failed"] or tool_errors:
        return Exit.FAILED
    return Exit.DENIED if counts["denied"] else Exit.OK
