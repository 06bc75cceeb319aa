"""Killed between any two system calls of rotating and removing, a log loses and lies about nothing.

The calls are counted once; then the same work is done again and again, each time killed before
another call, or in the middle of a write.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.log.segments import HASHES, LINES, firsts
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authgate_async.log.records import Record
    from authgate_async.log.rotation import Rotation
    from conftest import Scribe

CALLS = ("open", "write", "fsync", "ftruncate", "unlink", "rename", "fstat", "pread", "mkdir")


class _KilledError(BaseException):
    """The process is dead: nothing that it would do is done any more."""


class _Kernel:
    """Lets system calls through until the one that the process does not live to see."""

    def __init__(self, patch: pytest.MonkeyPatch, last: int, *, torn: bool = False) -> None:
        self.count = 0
        self._last = last
        self._torn = torn
        for name in CALLS:
            patch.setattr(os, name, self._call(name, getattr(os, name)))

    def _call(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self._last and self._torn and name == "write":
                call(args[0], bytes(args[1])[: len(args[1]) // 2])
            if self.count >= self._last:
                raise _KilledError
            return call(*args, **options)

        return counted


def _work(scribe: Scribe, folder: Path, rule: Rotation, acknowledged: list[int]) -> None:
    """Write four files, of which two or three are removed; note what is acknowledged."""
    log = LogFile.open(folder, "fsync", scribe.kernel, rule)
    b = scribe.run("b")
    opening: list[Record] = [scribe.opened(log.cut_bytes), *scribe.changes]
    try:
        for group in (opening, scribe.run("a"), b[:2], b[2:]):
            log.append(group)
            acknowledged.append(log.count)
        log.close()
    finally:
        log._storage.close()  # type: ignore[union-attr]


def _calls(scribe: Scribe, folder: Path, rule: Rotation) -> int:
    with pytest.MonkeyPatch.context() as patch:
        kernel = _Kernel(patch, 10**9)
        _work(scribe, folder, rule, [])
        return kernel.count


@pytest.mark.parametrize("torn", [False, True])
def test_killed_between_any_two_system_calls(
    scribe: Scribe, tmp_path: Path, fleeting: Rotation, *, torn: bool
) -> None:
    """What was acknowledged is there, nothing is called damaged, and the log goes on."""
    number = _calls(scribe, tmp_path / "counted", fleeting)
    assert number > 50
    assert firsts(tmp_path / "counted", HASHES)
    for last in range(1, number + 1):
        folder = tmp_path / str(last)
        acknowledged = [0]
        with pytest.MonkeyPatch.context() as patch:
            _Kernel(patch, last, torn=torn)
            with pytest.raises(_KilledError):
                _work(scribe, folder, fleeting, acknowledged)
        _check(scribe, folder, fleeting, acknowledged[-1])


def _check(scribe: Scribe, folder: Path, rule: Rotation, acknowledged: int) -> None:
    if folder.exists() and firsts(folder):
        left = verify(folder, scribe.kernel.public_key)
        if left.bad is not None and left.records:
            assert "middle of a line" in left.bad.problem, left.bad
        assert left.records >= acknowledged
    log = LogFile.open(folder, "fsync", scribe.kernel, rule)
    assert log.count >= acknowledged
    for group in (
        [scribe.opened(log.cut_bytes), *scribe.changes],
        scribe.run("c"),
        scribe.run("d"),
    ):
        log.append(group)
    log.close()
    report = verify(folder, scribe.kernel.public_key)
    assert (report.bad, report.sealed, report.open_runs) == (None, True, 0)
    assert firsts(folder, LINES)


def test_the_calls_that_are_counted_are_made(
    scribe: Scribe, tmp_path: Path, fleeting: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step that changes a file or a name is among them."""
    seen: set[str] = set()
    for name in CALLS:
        monkeypatch.setattr(os, name, _noting(name, getattr(os, name), seen))
    _work(scribe, tmp_path / "log", fleeting, [])
    monkeypatch.undo()
    assert seen >= {"open", "write", "fsync", "unlink", "rename", "mkdir"}


def _noting(name: str, call: Callable[..., Any], seen: set[str]) -> Callable[..., Any]:
    def noted(*args: Any, **options: Any) -> Any:
        seen.add(name)
        return call(*args, **options)

    return noted
