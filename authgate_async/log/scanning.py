"""Reading a log in pieces, many lines at once, where the extension is there.

Native code says yes to what it has seen in full; everything else, above all what is wrong, is read
by `reading` and told by `rules`. So both see the same log, and there is one place for each fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from authgate_async.backends import scanner
from authgate_async.log.lines import Line
from authgate_async.log.reading import take
from authgate_async.log.records import decode_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.backends import Scan
    from authgate_async.log.records import Record
    from authgate_async.log.rules import Rules

__all__ = ["Lines"]

PIECE = 2**17
"""Bytes that are looked at together; a line that is longer is read by itself."""


class Lines:
    """Checks the lines of a file in order; `offset` is where the line begins that is next.

    `see` gets each record after it was checked; `stop_at` is a number of records before which, and
    up to which, all are read one by one.
    """

    def __init__(
        self,
        stream: BinaryIO,
        rules: Rules,
        see: Callable[[Line, Record], None] | None,
        stop_at: int | None,
    ) -> None:
        self._stream = stream
        self._rules = rules
        self._see = see
        self._stop_at = stop_at
        self._scan = scanner() if see is None else None
        self.offset = stream.tell()

    def read(self, passed: Callable[[], None]) -> None:
        """Read to the end; `passed` is called behind each record that was read by itself.

        Raises:
            Fault: a line is wrong; it is at `offset`.
        """
        while self._read_piece(passed) or self._read_line(passed):
            pass

    def _read_line(self, passed: Callable[[], None]) -> bool:
        self._stream.seek(self.offset)
        line = take(self._stream, self._rules.end)
        if line is None:
            return False
        self._check(line, passed)
        self.offset = self._stream.tell()
        return True

    def _read_piece(self, passed: Callable[[], None]) -> bool:
        """Read the lines that are in order, if there are any."""
        if self._scan is None:
            return False
        self._stream.seek(self.offset)
        piece, end = self._stream.read(PIECE), self._rules.end
        scan = self._scan(piece, end.count, end.head)
        begin = self.offset
        self._take(scan, piece, passed)
        self.offset = begin + scan.length
        return scan.length > 0

    def _take(self, scan: Scan, piece: bytes, passed: Callable[[], None]) -> None:
        rules, end, begin = self._rules, self._rules.end, self.offset
        every = scan.seen()
        if self._stop_at is not None and end.count < self._stop_at <= end.count + len(every):
            every = [None] * len(every)
        done = 0
        for number, seen in enumerate(every):
            if seen is not None and rules.passes(seen):
                continue
            end.pass_over(scan.sums(done, number))
            done = number + 1
            line, first, last = scan.place(number)
            self.offset = begin + line
            sum_ = scan.sums(number, done).hex()
            self._check(Line(end.count, end.head, piece[first:last], sum_), passed)
        end.pass_over(scan.sums(done, len(every)))

    def _check(self, line: Line, passed: Callable[[], None]) -> None:
        record = decode_record(line.record)
        self._rules.check(line, record)
        passed()
        if self._see is not None:
            self._see(line, record)
