"""Where the results of a batch go: a file that costs nobody what was there before."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from authgate_async.cli.output import write_line
from authgate_async.errors import UsageError
from authgate_async.policy.problems import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Results", "keep_apart"]


def keep_apart(out: str, log: Path, inputs: Iterable[Path]) -> None:
    """See that results are written neither into the log nor over what a batch reads.

    Raises:
        UsageError: they would be.
    """
    if out == "-":
        return
    try:
        place = Path(out).resolve()
        folder = log.resolve()
        inside = any(_same(above, folder) for above in (place, *place.parents))
        linked = folder.is_dir() and any(_same(place, part) for part in folder.iterdir())
        own = next((path for path in inputs if _same(place, path.resolve())), None)
    except (OSError, ValueError, RuntimeError):  # what is wrong is told where it is opened
        return
    if inside or linked:
        raise UsageError(f"{escape(out)}: belongs to the log {escape(str(log))}; name another file")
    if own is not None:
        raise UsageError(f"{escape(out)}: is what the batch reads; name another file")


def _same(one: Path, other: Path) -> bool:
    if one == other:
        return True
    with suppress(OSError):  # what is not there is no other name of anything
        return one.samefile(other)
    return False


class Results:
    """A file of results, opened at once, so that a bad place is told early.

    What was in it is given up only at `begin`; without that, nothing was changed. `-` is stdout.

    Raises:
        UsageError: the file is there and `force` is not given, or it cannot be opened.
    """

    def __init__(self, out: str, *, force: bool) -> None:
        self._out = out
        self._made = False
        self.begun = False
        self._stream = sys.stdout.buffer if out == "-" else self._open(force=force)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._out == "-":
            return
        with suppress(OSError):  # each line was flushed: only one that failed is left, and told
            self._stream.close()
        if self._made and not self.begun:
            with suppress(OSError):
                Path(self._out).unlink()

    def begin(self) -> None:
        """Start the file anew."""
        self.begun = True
        if self._out != "-" and stat.S_ISREG(os.fstat(self._stream.fileno()).st_mode):
            self._stream.truncate(0)

    def write(self, line: bytes) -> None:
        """Write one result at once; raises as `write_line` does."""
        write_line(self._stream, line, "stdout" if self._out == "-" else self._out)

    def _open(self, *, force: bool) -> IO[bytes]:
        try:
            with suppress(FileExistsError):
                stream = open(self._out, "xb")  # noqa: PTH123, SIM115 - `__exit__` closes it
                self._made = True
                return stream
            if force:
                return open(self._out, "ab")  # noqa: PTH123 - likewise
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            sentence = f"cannot be written: {why}; name another file"
            raise UsageError(f"{escape(self._out)}: {sentence}") from None
        remedy = "name another file, or replace it with --force"
        raise UsageError(f"{escape(self._out)}: is there already; {remedy}")
