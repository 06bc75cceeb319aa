"""`authgate batch TASKS.jsonl --policy P --out RESULTS.jsonl --log DIR`: many tasks at once."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, TYPE_CHECKING

from anyio import to_thread

from authgate_async.cli.entry import configure_log, drained, on_loop
from authgate_async.cli.exits import Exit
from authgate_async.cli.lines import read_tasks
from authgate_async.cli.output import json_line, print_json, say, table, write_line
from authgate_async.errors import ClosedError, UsageError
from authgate_async.policy import load
from authgate_async.policy.tools import find_tools
from authgate_async.runtime import Runtime

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator, Sequence

    from authgate_async.planners.protocol import Task
    from authgate_async.runs import RunResult

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
    with _results(args.out, force=args.force) as write, _progress(len(tasks)) as advance:
        tally = _Tally(write, advance)
        runtime = Runtime(policy, backend=args.backend, log=args.log, key=args.key)
        body = partial(_run_all, runtime, tasks, args.concurrency, tally)
        on_loop(partial(drained, runtime, body), args.loop)
    return _summarise(tally, len(tasks), args)


async def _run_all(
    runtime: Runtime, tasks: Sequence[Task], concurrency: int | None, tally: _Tally
) -> None:
    with suppress(ClosedError):  # stopped before it began: then no task was started
        async with runtime.run_batch(tasks, concurrency=concurrency) as results:
            async for result in results:
                await to_thread.run_sync(tally.add, result)  # the disk may be slow


class _Tally:
    """Writes each result at once, and counts."""

    def __init__(self, write: Callable[[bytes], None], advance: Callable[[], None]) -> None:
        self._write = write
        self._advance = advance
        self.statuses: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.tool_errors = 0

    def add(self, result: RunResult) -> None:
        self._write(json_line(result))
        self.statuses[result.status] += 1
        self.codes.update({code for step in result.steps for code in step.codes})
        self.tool_errors += sum(step.permitted and bool(step.error) for step in result.steps)
        self._advance()


@contextmanager
def _results(out: str, *, force: bool) -> Iterator[Callable[[bytes], None]]:
    """Open where results go; a file that is there is never replaced unasked."""
    if out == "-":
        yield lambda line: write_line(sys.stdout.buffer, line, "stdout")
        return
    stream = _open(out, force=force)
    try:
        yield lambda line: write_line(stream, line, out)
    finally:
        with suppress(OSError):  # each line was flushed: only one that failed is left, and told
            stream.close()


def _open(out: str, *, force: bool) -> IO[bytes]:
    try:
        return open(out, "wb" if force else "xb")  # noqa: PTH123 - the caller closes it
    except FileExistsError:
        remedy = "name another file, or replace it with --force"
        raise UsageError(f"{out}: is there already; {remedy}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{out}: cannot be written: {why}; name another file") from None


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


def _summarise(tally: _Tally, total: int, args: Namespace) -> Exit:
    counts = {status: tally.statuses[status] for status in _STATUSES}
    counts["not_started"] = total - sum(counts.values())
    if args.json:
        files = {"out": args.out, "log": str(args.log)}
        codes = dict(sorted(tally.codes.items()))
        print_json(counts | {"tool_errors": tally.tool_errors, "codes": codes} | files)
    else:
        rows = [(name.replace("_", " "), number) for name, number in counts.items()]
        rows.append(("tool errors", tally.tool_errors))
        rows += [(f"  {code}", number) for code, number in sorted(tally.codes.items())]
        table(f"{total} tasks", ("outcome", "count"), rows)
        say(f"results: {args.out}\nlog: {args.log}")
    return _exit(counts)


def _exit(counts: dict[str, int]) -> Exit:
    if counts["interrupted"] or counts["not_started"]:
        return Exit.INTERRUPTED
    if counts["failed"]:
        return Exit.FAILED
    return Exit.DENIED if counts["denied"] else Exit.OK
