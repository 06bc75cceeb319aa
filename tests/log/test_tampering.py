"""Whatever is changed in a log of several files, of which one was removed, is found where it is.

What should be found is worked out here from the bytes alone: the first line that is not the one
that was written there.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from authgate_async import backends
from authgate_async.log import notes, rules
from authgate_async.log.segments import HASHES, LINES, firsts, name_of
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authgate_async.log.rotation import Rotation
    from authgate_async.log.verify import Bad
    from conftest import Scribe

pytestmark = pytest.mark.timeout(600)


class Files:
    """The files of a log: their lines as they were written, and as somebody left them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begins = firsts(folder, LINES)
        self.lines = {first: self.read(first).splitlines(keepends=True) for first in self.begins}

    def read(self, first: int) -> bytes:
        """The bytes of a file."""
        return (self.folder / name_of(first)).read_bytes()

    def bad(self, first: int, data: bytes) -> Bad | None:
        """Verify with these bytes in one file."""
        file = self.folder / name_of(first)
        file.write_bytes(data)
        try:
            report = verify(self.folder)
            assert not (report.ok and report.sealed), "nobody would see that"
            return report.bad
        finally:
            file.write_bytes(b"".join(self.lines[first]))

    def place(self, first: int, data: bytes) -> tuple[int, int]:
        """The first record of a file, and the byte in it, at which these are not its lines."""
        index = offset = 0
        found = data.splitlines(keepends=True)
        for mine, its in zip(found, self.lines[first], strict=False):
            if mine != its:
                break
            index, offset = index + 1, offset + len(its)
        return first + index, offset

    def check(self, first: int, data: bytes) -> None:
        """What is wrong is named where it begins; a last file that is cut between lines, as cut."""
        bad, (index, offset) = self.bad(first, data), self.place(first, data)
        whole = b"".join(self.lines[first])
        if bad is None or "no signed record" in bad.problem:
            # Between two lines of the last file; before it told what was removed, that is missed.
            assert first == self.begins[-1]
            assert whole.startswith(data)
            assert data.endswith(b"\n") or not data
        elif index == first + len(self.lines[first]) or offset == len(data):
            assert bad.index == index, (first, index, bad)
        else:
            file = str(self.folder / name_of(first))
            assert (bad.index, bad.offset, bad.file) == (index, offset, file), bad


@pytest.fixture
def files(
    scribe: Scribe, tmp_path: Path, tight: Rotation, monkeypatch: pytest.MonkeyPatch
) -> Files:
    """A run that goes over three files; the one before them was removed.

    Signatures that were checked once are not computed again.
    """
    for module, name in ((rules, "verify_signed"), (notes, "verify_checkpoint")):
        monkeypatch.setattr(module, name, cache(getattr(backends, name)))
    log = LogFile.open(tmp_path, "os", scribe.kernel, replace(tight, keep_seconds=10**6))
    run = scribe.run("r")
    for group in ([scribe.opened(), *scribe.changes], run[:2], run[2:4]):
        log.append(group)
    os.utime(tmp_path / name_of(0), (0, 0))
    log.append([scribe.closed("r")])
    log.close()
    assert firsts(tmp_path, HASHES) == [0]
    return Files(tmp_path)


def test_the_untouched_log_verifies(files: Files) -> None:
    """The log that the others attack is whole and sealed, and tells of what was removed."""
    report = verify(files.folder)
    assert (report.bad, report.sealed, report.removed) == (None, True, ((0, 6),))
    assert len(files.begins) == 3


CHANGES: dict[str, Callable[[bytes, int], bytes]] = {
    "bit": lambda data, at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :],
    "newline": lambda data, at: data[:at] + b"\n" + data[at + 1 :],
    "deleted": lambda data, at: data[:at] + data[at + 1 :],
    "inserted": lambda data, at: data[:at] + b"0" + data[at:],
    "broken": lambda data, at: data[:at] + b"\n" + data[at:],
    "swapped": lambda data, at: data[:at] + data[at : at + 2][::-1] + data[at + 2 :],
    "cut": lambda data, at: data[:at],
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_changed_byte_is_found(files: Files, change: str) -> None:
    """Changed, deleted, put in, swapped with the next, or the rest cut off: at any byte."""
    for first in files.begins:
        whole = b"".join(files.lines[first])
        for at in range(len(whole)):
            data = CHANGES[change](whole, at)
            if data != whole:
                files.check(first, data)
    assert verify(files.folder).sealed


@pytest.mark.parametrize("flip", [1, 128])
def test_every_changed_byte_of_the_hashes_is_found(files: Files, flip: int) -> None:
    """The first record behind them is at fault, since it names their tree."""
    path = files.folder / name_of(0, HASHES)
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
        bad = verify(files.folder).bad
        assert bad is not None
        assert bad.index == 6
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        bad = verify(files.folder).bad
        assert bad is not None
        assert bad.index == size // 32


def _places(files: Files) -> Iterator[tuple[int, int]]:
    for first, lines in files.lines.items():
        yield from ((first, number) for number in range(len(lines)))


def test_a_deleted_line_is_found(files: Files) -> None:
    """Any line of any file."""
    for first, number in _places(files):
        lines = files.lines[first]
        files.check(first, b"".join(lines[:number] + lines[number + 1 :]))


def test_a_line_put_in_is_found(files: Files) -> None:
    """A copy of any line, anywhere in any file."""
    every = [line for lines in files.lines.values() for line in lines]
    for first, lines in files.lines.items():
        for number in range(len(lines) + 1):
            for line in every:
                files.check(first, b"".join([*lines[:number], line, *lines[number:]]))


def test_lines_that_were_swapped_are_found(files: Files) -> None:
    """Any two of the log; the one that comes first is named."""
    places = list(_places(files))
    for one, (first, number) in enumerate(places):
        for other, place in places[one + 1 :]:
            mine, its = list(files.lines[first]), files.lines[other]
            if first == other:
                mine[number], mine[place] = mine[place], mine[number]
                files.check(first, b"".join(mine))
                continue
            mine[number] = its[place]
            changed = [*its[:place], files.lines[first][number], *its[place + 1 :]]
            (files.folder / name_of(other)).write_bytes(b"".join(changed))
            files.check(first, b"".join(mine))
            (files.folder / name_of(other)).write_bytes(b"".join(its))


def test_files_that_were_swapped_or_repeated_are_found(files: Files) -> None:
    """Any file in the place of any other."""
    for first in files.begins:
        for other in files.begins:
            if first != other:
                files.check(first, b"".join(files.lines[other]))


def test_lines_that_moved_over_a_boundary_are_found(files: Files) -> None:
    """A file that ends sooner or later than it did, its neighbour making up for it."""
    for first, after in zip(files.begins, files.begins[1:], strict=False):
        mine, its = files.lines[first], files.lines[after]
        both = mine + its
        for border in range(len(both) + 1):
            if border == len(mine):
                continue
            file = files.folder / name_of(after)
            file.write_bytes(b"".join(both[border:]))
            bad = files.bad(first, b"".join(both[:border]))
            assert bad is not None
            assert bad.index == min(first + border, after)
            file.write_bytes(b"".join(its))


def test_spliced_logs_are_found(
    files: Files,
    scribe: Scribe,
    tmp_path: Path,
    tight: Rotation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Files, and ends of files, of another log under the same key."""
    other = tmp_path / "other"
    opened = structs.replace(scribe.opened(), time=0)
    monkeypatch.setattr(scribe, "opened", lambda _: opened)
    scribe.write_files(other, tight)
    for first in files.begins:
        for name in firsts(other):
            lines = (other / name_of(name)).read_bytes().splitlines(keepends=True)
            for number in range(len(files.lines[first])):
                spliced = b"".join([*files.lines[first][:number], *lines[number:]])
                if spliced != b"".join(files.lines[first]):
                    files.check(first, spliced)


@pytest.mark.parametrize("suffix", [LINES, HASHES])
def test_a_file_that_is_gone_is_found(files: Files, suffix: str) -> None:
    """Any file but the last; that is a log that is not sealed."""
    for first in firsts(files.folder, suffix):
        file = files.folder / name_of(first, suffix)
        shutil.move(file, files.folder / "away")
        report = verify(files.folder)
        if first == files.begins[-1]:
            assert (report.ok, report.sealed) == (False, False)  # what tells of the removal is gone
        else:
            assert report.bad is not None
            assert report.bad.index == first
        shutil.move(files.folder / "away", file)
