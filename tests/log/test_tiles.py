"""A log as static files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from authgate_async.errors import UnavailableError, UsageError
from authgate_async.log import tiles
from authgate_async.log.lines import leaf_of
from authgate_async.log.reading import last_checkpoint, true_lines
from authgate_async.log.tiles import export_tiles
from authgate_async.log.writer import LogFile
from authgate_async.reference.tree import levels

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Scribe


def _filled(scribe: Scribe, folder: Path, count: int) -> Path:
    log = LogFile.open(folder, "os", scribe.kernel)
    log.append([scribe.opened(), *[scribe.refusal()] * (count - 4)])
    log.close()
    return folder / "log.jsonl"


def _paths(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("size", "files"),
    [
        (5, ["tile/0/000.p/5"]),
        (256, ["tile/0/000", "tile/1/000.p/1"]),
        (600, ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]),
    ],
)
def test_the_files_are_those_of_the_specification(
    scribe: Scribe, tmp_path: Path, size: int, files: list[str]
) -> None:
    """Full tiles, partial ones under `.p`, bundles beside level 0, and the checkpoint."""
    _filled(scribe, tmp_path / "log", size + 1)
    assert export_tiles(tmp_path / "log", tmp_path / "out") == (size, 0)
    bundles = [file.replace("tile/0/", "tile/entries/") for file in files if "tile/0" in file]
    assert _paths(tmp_path / "out") == sorted(["checkpoint", *files, *bundles])


def test_tiles_hold_hashes_and_bundles_hold_leaves(scribe: Scribe, tmp_path: Path) -> None:
    """Level 1 is the root over 256 leaves; an entry has its length before it."""
    file = _filled(scribe, tmp_path / "log", 300)
    export_tiles(file, tmp_path / "out")
    leaves = [leaf_of(line) for line in true_lines(file)][:256]
    tile = tmp_path / "out" / "tile"
    assert (tile / "0" / "000").read_bytes() == b"".join(levels(leaves)[0])
    assert (tile / "1" / "000.p" / "1").read_bytes() == levels(leaves)[-1][0]
    bundle = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
    assert (tile / "entries" / "000").read_bytes() == bundle
    assert (tmp_path / "out" / "checkpoint").read_text() == last_checkpoint(file)[1]


@pytest.mark.parametrize(
    ("number", "path"), [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")]
)
def test_a_number_is_written_as_the_specification_has_it(
    tmp_path: Path, number: int, path: str
) -> None:
    """Three digits a folder, all but the last with an `x`."""
    tiles._put(tmp_path, number, 256, b"")
    assert _paths(tmp_path) == [path]


def test_a_bundle_that_has_no_form_is_left_out_and_told(scribe: Scribe, tmp_path: Path) -> None:
    """An entry of 65536 bytes cannot be written there; the hashes are."""
    log = LogFile.open(tmp_path / "log", "os", scribe.kernel)
    long = msgspec.structs.replace(scribe.refusal(), sentence="x" * 70_000)
    log.append([scribe.opened(), long])
    log.close()
    assert export_tiles(tmp_path / "log", tmp_path / "out") == (4, 1)
    assert _paths(tmp_path / "out") == ["checkpoint", "tile/0/000.p/4"]


def test_nothing_is_overwritten(scribe: Scribe, tmp_path: Path) -> None:
    """A folder that holds something, or a file in its place, is refused."""
    _filled(scribe, tmp_path / "log", 5)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not empty"):
        export_tiles(tmp_path / "log", tmp_path)
    with pytest.raises(UnavailableError, match="cannot be written"):
        export_tiles(tmp_path / "log", tmp_path / "file")
