"""`authgate audit show`: the records of a log, filtered, as a table or as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, table
from authgate_async.log.reading import log_file, true_lines

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from authgate_async.log.lines import Line

__all__ = ["run"]

_COLUMNS = ("index", "time", "run", "agent", "tool", "kind", "what")
_MICRO = 1_000_000


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
            case "run_opened":
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
    rows = _rows(args)
    if args.json:
        for line, record, _ in rows:
            print_json({"index": line.number, "record": record})
    else:
        shown = (_row(line, record, *whose) for line, record, whose in rows)
        table(str(args.log), _COLUMNS, shown, stderr=False)
    return Exit.OK


def _rows(args: Namespace) -> Iterator[tuple[Line, dict[str, Any], tuple[str, str]]]:
    whose = _Whose()
    for line in true_lines(log_file(args.log)):
        record = msgspec.json.decode(line.record)
        agent, tool = whose.of(record)
        wanted = ((args.run, _run(record)), (args.agent, agent), (args.tool, tool))
        if (
            all(asked is None or asked == found for asked, found in wanted)
            and args.kind in (None, record["kind"])
            and (args.code is None or args.code in _codes(record))
            and _in_time(record, args)
        ):
            yield line, record, (agent, tool)


def _run(record: dict[str, Any]) -> str:
    return str(record.get("run") or record.get("action_id", "").rpartition(":")[0])


def _codes(record: dict[str, Any]) -> list[str]:
    warned = [code for code, _ in record.get("warnings", ())]
    single = [record[name] for name in ("code", "cause", "status") if record.get(name)]
    return [*record.get("codes", ()), *warned, *single]


def _in_time(record: dict[str, Any], args: Namespace) -> bool:
    time = _time(record)
    if args.since is None and args.until is None:
        return True
    if time is None:
        return False
    return (args.since is None or time >= args.since) and (args.until is None or time < args.until)


def _time(record: dict[str, Any]) -> int | None:
    time = record.get("time", record.get("issued_at"))
    return None if time is None else int(time)


def _row(line: Line, record: dict[str, Any], agent: str, tool: str) -> tuple[object, ...]:
    time = _time(record)
    shown = "" if time is None else _shown(time)
    what = " ".join(_codes(record)) or ("permitted" if record.get("permitted") else "")
    return line.number, shown, _run(record), agent, tool, record["kind"], what


def _shown(time: int) -> str:
    try:
        return datetime.fromtimestamp(time / _MICRO, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(time)
