"""Changing a log's key: the old one says which is next."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from authgate_async.backends import make_kernel
from authgate_async.errors import UsageError
from authgate_async.keys import key_id
from authgate_async.log.entries import opening_of
from authgate_async.log.reading import true_lines
from authgate_async.log.records import KeyChanged
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hand_over"]

_OPENED = (b'"kind":"log_opened"', b'"kind":"segment_opened"')


def hand_over(folder: Path, seed: bytes, public_key: bytes) -> None:
    """Record in the log, under its key, that later sessions are under `public_key`, 32 bytes.

    `seed` is the private half of the key that the log's last session was written under.

    Raises:
        UsageError: There is no log, or `seed` is of another key.
        LogUnavailableError: It is in use, or cannot be written.
        LogCorruptError: It is damaged.
    """
    kernel = make_kernel("auto", seed=seed, entropy=os.urandom(32))
    if _last_key(folder) != kernel.public_key:
        raise UsageError(
            f"the log {folder} was last written under another key than the one given; "
            "give the private half of that one"
        )
    log = LogFile.open(folder, "fsync", kernel)
    try:
        now = time.time_ns() // 1000
        opened = opening_of(kernel, backend="none", cut_bytes=log.cut_bytes, layers=(), time=now)
        changed = KeyChanged(key_id=key_id(public_key), public_key=public_key.hex(), time=now)
        log.append([opened, changed])
    finally:
        log.close()


def _last_key(folder: Path) -> bytes:
    last = b""
    for line in true_lines(folder):
        if any(mark in line.record for mark in _OPENED):
            record = msgspec.json.decode(line.record)
            if record["kind"] in {"log_opened", "segment_opened"}:
                last = bytes.fromhex(record["public_key"])
    return last
