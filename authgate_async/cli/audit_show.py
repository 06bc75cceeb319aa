"""`authgate audit show`, `tail`, `schema`: records, filtered, for people or as JSON; their form."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text, table
from authgate_async.errors import UsageError
from authgate_async.log.reading import true_lines
from authgate_async.log.schemas import schemas
from authgate_async.policy.problems import escape, quote

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

    from authgate_async.log.lines import Line

__all__ = ["Found", "found_records", "run"]

_COLUMNS = ("index", "time", "run", "agent", "tool", "kind", "what")
_MICRO = 1_000_000
_PAUSE = 0.2
"""Seconds between two looks at a log that is followed."""


class Found(NamedTuple):
    """A record that matches, with whose it is, and the key that its session sealed to."""

    line: Line
    record: dict[str, Any]
    agent: str
    tool: str
    auditor: str


class _Whose:
    """Tells the agent and the tool of records that name only their run or their action."""

    def __init__(self) -> None:
        self._runs: dict[str, str] = {}
        self._actions: dict[str, tuple[str, str]] = {}

    def of(self, record: dict[str, Any]) -> tuple[str, str]:
        run, action = record.get("run", ""), record.get("action_id", "")
        agent, tool = self._actions.get(action, (self._runs.get(run, ""), ""))
        agent, tool = record.get("agent") or agent, record.get("tool") or tool
        match record["kind"]:
            case "run_opened" | "run_carried":
                self._runs[run] = agent
            case "run_closed":
                self._runs.pop(run, None)
            case "intent" if record["permitted"]:
                self._actions[action] = (agent, tool)
            case "outcome":
                self._actions.pop(action, None)
            case _:
                pass
        return agent, tool


def run(args: Namespace) -> Exit:
    """List what matches all filters, in the log's order."""
    if args.part == "schema":
        _schema(args.kind)
    elif args.part == "tail":
        _tail(args)
    elif args.json:
        for found in found_records(args):
            _print(found, as_json=True)
    else:
        table(str(args.log), _COLUMNS, map(_row, found_records(args)), stderr=False)
    return Exit.OK


def _schema(kind: str | None) -> None:
    known = schemas()
    if kind is not None and kind not in known:
        raise UsageError(f"there is no kind {quote(kind)}; there are {', '.join(known)}")
    print_text(json.dumps(known if kind is None else known[kind], indent=2))


def _tail(args: Namespace) -> None:
    """Print the last ones, and with `--follow` each that comes, until interrupted."""
    last: deque[Found] = deque(maxlen=args.lines)

    def print_last() -> None:
        while last:
            _print(last.popleft(), as_json=args.json)

    def wait() -> None:
        print_last()
        time.sleep(_PAUSE)

    for found in found_records(args, wait if args.follow else None):
        last.append(found)
    print_last()


def _print(found: Found, *, as_json: bool) -> None:
    if as_json:
        print_json({"index": found.line.number, "record": found.record})
    else:
        print_text("\t".join(escape(str(cell)) for cell in _row(found)))


def found_records(args: Namespace, wait: Callable[[], None] | None = None) -> Iterator[Found]:
    """Yield the records that match all filters; at the log's end `wait` for more, if given."""
    whose, auditor = _Whose(), ""
    for line in true_lines(args.log, wait):
        record = msgspec.json.decode(line.record)
        auditor = record.get("auditor", auditor)
        agent, tool = whose.of(record)
        wanted = ((args.run, _run(record)), (args.agent, agent), (args.tool, tool))
        if (
            all(asked is None or asked == found for asked, found in wanted)
            and args.kind in (None, record["kind"])
            and (args.code is None or args.code in _codes(record))
            and _in_time(record, args)
        ):
            yield Found(line, record, agent, tool, auditor)


def _run(record: dict[str, Any]) -> str:
    return str(record.get("run") or record.get("action_id", "").rpartition(":")[0])


def _codes(record: dict[str, Any]) -> list[str]:
    warned = [code for code, _ in record.get("warnings", ())]
    single = [record[name] for name in ("code", "cause", "status") if record.get(name)]
    return [*record.get("codes", ()), *warned, *single]


def _in_time(record: dict[str, Any], args: Namespace) -> bool:
    if args.since is None and args.until is None:
        return True
    moment = _time(record)
    return moment is not None and (args.since or 0) <= moment < (args.until or math.inf)


def _time(record: dict[str, Any]) -> int | None:
    moment = record.get("time", record.get("issued_at"))
    return None if moment is None else int(moment)


def _row(found: Found) -> tuple[object, ...]:
    line, record, agent, tool, _ = found
    moment = _time(record)
    shown = "" if moment is None else _shown(moment)
    what = " ".join(_codes(record)) or ("permitted" if record.get("permitted") else "")
    return line.number, shown, _run(record), agent, tool, record["kind"], what


def _shown(moment: int) -> str:
    try:
        return datetime.fromtimestamp(moment / _MICRO, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(moment)
