"""A log as static files: the tile layout of c2sp.org/tlog-tiles, for any web server to hand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.backends import compact_range
from authgate_async.errors import UnavailableError, UsageError
from authgate_async.log.lines import leaf_of
from authgate_async.log.reading import all_sums, last_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["export_tiles"]

WIDTH = 256
"""Hashes in a full tile, entries in a full bundle."""

_LONGEST = 2**16 - 1
_GROUP = 1000


def export_tiles(log: Path, folder: Path) -> tuple[int, int]:
    """Write the tree under the log's last checkpoint, and its entries, below an empty `folder`.

    An entry is a record's leaf. A bundle with an entry of more than 65 535 bytes has no form there
    and is left out, and so is one with a record that retention removed. Returns how many entries
    the tree has, and how many bundles were left out.

    Raises:
        UsageError: There is no log, it has no checkpoint, or `folder` holds something.
        LogCorruptError: A line is damaged or out of its place.
        UnavailableError: The log cannot be read, or the files cannot be written.
    """
    size, note = last_checkpoint(log)
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a new folder")
        left_out = _write(log, size, folder / "tile")
        (folder / "checkpoint").write_text(note)
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be written: {error.strerror}") from error
    return size, left_out


def _write(log: Path, size: int, folder: Path) -> int:
    tiles, bundles = _Tiles(folder), _Bundles(folder / "entries")
    for number, (sum_, line) in enumerate(all_sums(log)):
        if number == size:
            break
        bundles.add(None if line is None else leaf_of(line))
        tiles.add(0, bytes.fromhex(sum_))
    tiles.finish()
    bundles.finish()
    return bundles.left_out


class _Tiles:
    """The tiles of each level that are being filled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._levels: list[tuple[int, list[bytes]]] = []

    def add(self, level: int, node: bytes) -> None:
        if level == len(self._levels):
            self._levels.append((0, []))
        number, nodes = self._levels[level]
        nodes.append(node)
        if len(nodes) == WIDTH:
            _put(self._folder / str(level), number, WIDTH, b"".join(nodes))
            self._levels[level] = (number + 1, [])
            self.add(level + 1, _root(nodes))

    def finish(self) -> None:
        for level, (number, nodes) in enumerate(self._levels):
            if nodes:
                _put(self._folder / str(level), number, len(nodes), b"".join(nodes))


class _Bundles:
    """The bundle that is being filled; `left_out` counts those with an entry too long, or gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._entries: list[bytes | None] = []
        self.left_out = 0

    def add(self, entry: bytes | None) -> None:
        self._entries.append(entry)
        if len(self._entries) == WIDTH:
            self.finish()

    def finish(self) -> None:
        if not self._entries:
            return
        there = [each for each in self._entries if each is not None and len(each) <= _LONGEST]
        if len(there) < len(self._entries):
            self.left_out += 1
        else:
            data = b"".join(len(each).to_bytes(2, "big") + each for each in there)
            _put(self._folder, self._number, len(self._entries), data)
        self._number += 1
        self._entries = []


def _root(nodes: list[bytes]) -> bytes:
    whole = compact_range()
    for node in nodes:
        whole.push(node)
    return whole.root()


def _put(folder: Path, number: int, width: int, data: bytes) -> None:
    parts = [f"{number % _GROUP:03}"]
    while number >= _GROUP:
        number //= _GROUP
        parts.append(f"x{number % _GROUP:03}")
    path = folder.joinpath(*reversed(parts))
    if width < WIDTH:
        path = path.with_name(f"{path.name}.p") / str(width)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
