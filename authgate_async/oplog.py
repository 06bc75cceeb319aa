"""The operator's log: one JSON object a line, on stderr or wherever `configure` says.

It tells a person what goes on; what can be proved stands in `authgate_async.log`. Nothing here is
global to structlog: importing it changes nothing for a program that uses structlog itself.

Lines are printable ASCII whatever a hostile string holds, so that no value can end a line, move a
cursor or hide text; a JSON reader gives back the original. A line that cannot be written is lost:
an operator's full disk or closed terminal must not stop a run.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Literal, TextIO, TypeAlias, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from authgate_async.errors import UsageError

__all__ = ["LEVELS", "NAMES", "Logger", "configure", "get_logger"]

Logger: TypeAlias = FilteringBoundLogger
"""What `get_logger` gives: `debug` to `critical`, and `bind`, which makes another logger."""

LevelName = Literal["debug", "info", "warning", "error", "critical"]

LEVELS: tuple[LevelName, ...] = ("debug", "info", "warning", "error", "critical")

NAMES = {
    "agent": "gen_ai.agent.name",
    "tool": "gen_ai.tool.name",
}
"""Our keyword, and the field it becomes: the names of OpenTelemetry's GenAI conventions where they
have one (open-telemetry/semantic-conventions-genai, status Development). Others keep their name,
`run_id`, `step` and `action_id` among them."""

_LARGE = 2**63
"""What a line does not spell out: Python refuses to, for an integer of thousands of digits."""

_UNSAFE = re.compile(r"[^\x20-\x7e]")


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Say from which level on lines are written, and where (`sys.stderr` by default).

    Loggers that were got before keep what they had. Raises `UsageError` for an unknown level.
    """
    global _logger  # noqa: PLW0603  # the one setting of this module
    _logger = _make(level, stream)


def get_logger(**fields: Any) -> Logger:
    """Return a logger with these fields bound, say `run_id`, `agent`, `step` and `action_id`."""
    logger = _logger or _make("info", None)
    return logger.bind(**fields)


def _make(level: str, stream: TextIO | None) -> Logger:
    if level not in LEVELS:
        raise UsageError(f"there is no level `{level}`; use one of {', '.join(LEVELS)}")
    lazy = structlog.wrap_logger(
        _Lines(stream),
        processors=[structlog.processors.format_exc_info, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
    )
    # Bound at once: the lazy proxy would look the class up again for each line, filtered or not.
    return cast("Logger", lazy.bind())


class _Lines:
    """Writes each line whole, and never raises. `sys.stderr` is looked up for each line."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lock = Lock()

    def write(self, line: str) -> None:
        """Write one line; what the stream refuses is dropped."""
        stream = self._stream if self._stream is not None else sys.stderr
        with self._lock, suppress(OSError, ValueError, AttributeError):
            stream.write(line)
            stream.flush()

    debug = info = warning = error = critical = write


def _render(_logger: object, method: str, event: EventDict) -> str:
    fields = {
        "ts": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "level": method,
        "event": event.pop("event", ""),
    }
    for name, value in event.items():
        fields.setdefault(NAMES.get(name, name), value)
    return _escape(_to_json(fields)) + "\n"


def _to_json(fields: dict[str, Any]) -> str:
    try:
        return msgspec.json.encode(fields, enc_hook=repr).decode()
    except Exception as error:  # noqa: BLE001  # whatever a foreign value does, the line is written
        plain = {_text(name): _plain(value) for name, value in fields.items()}
        plain["unrendered"] = type(error).__name__
        return msgspec.json.encode(plain).decode()


def _plain(value: Any) -> str | int:
    """Keep what is simple; of the rest tell only the type, since its `repr` may be at fault."""
    if isinstance(value, str):
        return _text(value)
    return value if type(value) is int and abs(value) < _LARGE else type(value).__name__


def _text(value: str) -> str:
    """Spell out the halves of surrogate pairs, which UTF-8 does not have."""
    return value.encode("utf-8", "backslashreplace").decode()


def _escape(line: str) -> str:
    return line if line.isascii() and line.isprintable() else _UNSAFE.sub(_unit, line)


def _unit(match: re.Match[str]) -> str:
    """Escape one character as JSON does, in UTF-16 units."""
    units = match[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


_logger: Logger | None = None
