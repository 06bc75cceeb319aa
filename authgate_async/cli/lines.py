"""JSON lines from outside, read strictly: every bad line is found before anything is done."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from authgate_async.errors import TaskError
from authgate_async.planners.protocol import Task
from authgate_async.policy.problems import Problem, quote, tell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import IO

__all__ = ["MAX_LINE", "numbered", "parse_line", "read_tasks", "refuse"]

MAX_LINE = 2**20
"""Of one line, in bytes."""

_ENDLESS = 2**24
"""Of a line whose end is not looked for any more, in bytes."""

_T = TypeVar("_T")


def read_tasks(path: Path) -> list[Task]:
    """Read a file of tasks, one JSON object a line.

    Raises:
        TaskError: with one line for each bad line, `FILE:LINE: SENTENCE`.
    """
    try:
        with path.open("rb") as stream:
            return _tasks(stream, str(path))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise TaskError(f"{path}: cannot be read: {why}; name a file of tasks") from None


def _tasks(stream: IO[bytes], file: str) -> list[Task]:
    tasks: list[Task] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for number, line in numbered(stream):
        try:
            task = parse_line(line, Task)
            _check_task(task, seen)
        except ValueError as error:
            problems.append(Problem(file, number, str(error)))
            continue
        tasks.append(task)
        seen.setdefault(task.id, number)
    refuse(problems)
    return tasks


def _check_task(task: Task, seen: dict[str, int]) -> None:
    if not task.agent:
        raise ValueError("`agent` is empty; name the machine that is to do it")
    if not task.intent and task.steps is None:
        raise ValueError("the task asks for nothing; give an `intent` or `steps`")
    if task.id and task.id in seen:
        remedy = "give each task its own"
        raise ValueError(f"`id` {quote(task.id)} is that of line {seen[task.id]} too; {remedy}")


def refuse(problems: Iterable[Problem]) -> None:
    """Raise a `TaskError` with all the problems, if there is one."""
    text = tell(problems)
    if text:
        raise TaskError(text)


def numbered(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield each line with its number, from 1; one that is too long comes cut.

    One that does not end within 16 MiB is the last.
    """
    number = 0
    while line := stream.readline(MAX_LINE + 2):
        number += 1
        yield number, line
        skipped = 0
        while line and not line.endswith(b"\n"):
            skipped += len(line)
            if skipped > _ENDLESS:
                return
            line = stream.readline(MAX_LINE)


def parse_line(line: bytes, kind: type[_T]) -> _T:
    """Decode one line strictly.

    Raises:
        ValueError: it is too long, no JSON, has a key twice, or does not fit; with a sentence.
    """
    line = line.rstrip(b"\r\n")
    if len(line) > MAX_LINE:
        raise ValueError("the line is longer than 1 MiB; shorten it")
    if not line.strip():
        raise ValueError("the line is empty; remove it")
    try:
        # The one reader finds keys that stand twice, the other halves of surrogate pairs.
        json.loads(line.decode(), object_pairs_hook=_no_twins, parse_constant=_no_constant)
        return msgspec.json.decode(line, type=kind)
    except _LineError:
        raise
    except RecursionError:
        raise ValueError("the line nests too deep; flatten it") from None
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8; write it in that encoding") from None
    except json.JSONDecodeError as error:
        where = f"{error.msg} at column {error.colno}"
        raise ValueError(f"the line is not JSON: {where}; mend it there") from None
    except msgspec.ValidationError as error:
        raise ValueError(f"the line does not fit: {error}; mend it") from None
    except msgspec.DecodeError:
        raise ValueError("the line has half of a surrogate pair; mend its \\u") from None
    except ValueError as error:
        raise ValueError(f"the line does not fit: {error}; mend it") from None


class _LineError(ValueError):
    """A sentence of our own from inside the JSON reader."""


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twin, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _LineError(f"key {quote(twin)} stands twice in one object; remove one")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _LineError(f"{name} is no JSON number; write a finite one")
