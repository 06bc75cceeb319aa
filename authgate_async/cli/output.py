"""What a command prints: data on stdout, everything else on stderr.

What came from outside is escaped, so that it can neither steer a terminal nor end a line. Data that
cannot be written is an error; a message that cannot is lost, since it must not stop a run.
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Any, TextIO

import msgspec

from authgate_async.errors import UnavailableError
from authgate_async.policy.problems import escape, hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "forget",
    "json_line",
    "json_text",
    "print_json",
    "print_text",
    "say",
    "table",
    "write_line",
]


_WIDE = 100_000
"""Characters of a line that is not for a terminal: a row stays whole, for `grep` and the like."""


def say(*lines: str) -> None:
    """Print lines to stderr; each is escaped, a line break in it too."""
    _tell("".join(f"{escape(line)}\n" for line in lines))


def _tell(text: str) -> None:
    try:
        print(text, end="", file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        forget(sys.stderr)


def json_line(value: Any) -> bytes:
    """Return a value as one line of JSON without control, format or line-breaking characters."""
    return json_text(msgspec.json.encode(value).decode()).encode() + b"\n"


def json_text(text: str, *, ascii_only: bool = False) -> str:
    """Return JSON text of the same value without hidden characters, or with none but ASCII's."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _json_escape(char) if hidden(char) or (ascii_only and not char.isascii()) else char
        for char in text
    )


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def print_json(value: Any) -> None:
    """Print a value to stdout as one line of JSON, at once."""
    write_line(sys.stdout.buffer, json_line(value), "stdout")


def print_text(text: str) -> None:
    """Print lines of our own making to stdout, at once."""
    _print(f"{text}\n")


def _print(text: str) -> None:
    write_line(sys.stdout.buffer, text.encode("utf-8", "backslashreplace"), "stdout")


def write_line(stream: IO[bytes], line: bytes, name: str) -> None:
    """Write a line and flush it.

    Raises:
        BrokenPipeError: the reader is gone.
        UnavailableError: it cannot be written for another reason, say a full disk.
    """
    try:
        stream.write(line)
        stream.flush()
    except OSError as error:
        if stream is sys.stdout.buffer:
            forget(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise UnavailableError(f"{name} cannot be written: {error.strerror}; make room") from error


def forget(stream: TextIO) -> None:
    """Point a stream at nothing, so that the interpreter's own flush at exit finds no fault."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, stderr: bool = True
) -> None:
    """Print a table: with frames to a terminal, as plain columns elsewhere."""
    from rich import box  # noqa: PLC0415 - a second of imports, for tables only
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDE
    drawn = Table(
        title=title, title_justify="left", box=box.SIMPLE if console.is_terminal else None
    )
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(escape(str(cell))) for cell in row))
    with console.capture() as capture:
        console.print(drawn)
    text = "\n".join(line.rstrip() for line in capture.get().split("\n"))
    (_tell if stderr else _print)(text)
