"""When a file of the log is closed and removed, and what the next one begins with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from authgate_async.errors import UsageError
from authgate_async.keys import key_id
from authgate_async.log.records import Record, SegmentOpened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.log.growth import End
    from authgate_async.log.in_force import InForce
    from authgate_async.log.numbering import Numbering

__all__ = ["MIN_BYTES", "Rotation", "head"]

MIN_BYTES = 2**16
"""The smallest `file_bytes`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """When the log begins another file, and how long it keeps those that are closed.

    Args:
        file_bytes: how long a file is when it is closed (default 64 MiB, at least 64 KiB).
        file_seconds: how old its first record is when a file is closed (default a day, at least 1).
        keep_seconds: how long after its last record a closed file is removed (default None: never).
            The hashes of its records are kept, and the log says which are gone.

    Raises:
        UsageError: A value is out of its range.
    """

    file_bytes: int = 64 * 2**20
    file_seconds: float = 86_400
    keep_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what would make a file for each record, or none ever."""
        if self.file_bytes < MIN_BYTES:
            raise UsageError(
                f"a file of the log has at least {MIN_BYTES} bytes, not {self.file_bytes}"
            )
        if not 1 <= self.file_seconds < math.inf:
            raise UsageError(f"a file of the log lasts at least 1 second, not {self.file_seconds}")
        if self.keep_seconds is not None and not 0 <= self.keep_seconds < math.inf:
            raise UsageError(
                f"a closed file is kept for seconds from 0 on, not {self.keep_seconds}; "
                "say nothing to keep it for ever"
            )


def head(
    end: End, key: bytes, numbering: Numbering, grants: InForce, *, auditor: str, time: int
) -> Iterator[Record]:
    """Yield the records that a file begins with which goes on at `end`, under `key`.

    `auditor` is as in the session's `LogOpened`.
    """
    runs = list(numbering.carried())
    yield SegmentOpened(
        auditor=auditor,
        grants=len(grants),
        key_id=key_id(key),
        nodes=end.tree.nodes.hex(),
        origin=end.origin,
        public_key=key.hex(),
        runs=len(runs),
        time=time,
    )
    yield from runs
    yield from grants.carried()
