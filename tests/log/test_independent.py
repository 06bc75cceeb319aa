"""Other tools take what this log hands out: Go's `sumdb/note` and `tlog`, and torchwood."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authgate_async.log.lines import leaf_of
from authgate_async.log.notes import read_note, verifier_key
from authgate_async.log.proofs import prove
from authgate_async.log.reading import last_checkpoint, true_lines
from authgate_async.log.tiles import export_tiles

if TYPE_CHECKING:
    from conftest import Scribe

SOURCE = Path(__file__).with_name("independent")


def _go(*args: str, at: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["go", *args], cwd=at, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go here")
    source = tmp_path_factory.mktemp("go") / "independent"
    shutil.copytree(SOURCE, source)
    fetched = _go("mod", "download", at=source)
    if fetched.returncode:
        pytest.skip(f"its modules cannot be fetched: {fetched.stderr.strip()[-200:]}")
    built = _go("build", "-o", "checker", ".", at=source)
    assert built.returncode == 0, built.stderr
    return source / "checker"


class Published:
    """A log, and all that can be handed out of it."""

    def __init__(self, scribe: Scribe, folder: Path, index: int) -> None:
        self.file = scribe.write(folder / "log", *[f"r{n}" for n in range(50)])
        self.size, note = last_checkpoint(self.file)
        self.checkpoint = folder / "checkpoint"
        self.proof = folder / "of.tlog-proof"
        self.tiles = folder / "tiles"
        self.key = verifier_key(read_note(note).origin, scribe.kernel.public_key)
        self.checkpoint.write_text(note)
        self.proof.write_text(prove(folder / "log", index))
        export_tiles(folder / "log", self.tiles)

    def check(self, checker: Path) -> subprocess.CompletedProcess[bytes]:
        """Let the other tools look at it."""
        args = [self.key, *map(str, (self.checkpoint, self.proof, self.tiles))]
        return subprocess.run([checker, *args], capture_output=True, check=False)


@pytest.mark.parametrize("index", [0, 100, 255, 256, 306])
def test_note_checkpoint_proof_and_tiles_verify(
    checker: Path, scribe: Scribe, tmp_path: Path, index: int
) -> None:
    """Signature, origin, root, inclusion and every tile hold, and the entries are our lines."""
    published = Published(scribe, tmp_path, index)
    done = published.check(checker)
    assert (done.returncode, done.stderr) == (0, b"")
    ours = [leaf_of(line) for line in true_lines(published.file)]
    assert done.stdout.splitlines() == ours[: published.size]


@pytest.mark.parametrize("part", ["checkpoint", "proof", "entries", "hashes"])
def test_they_find_what_was_changed(
    checker: Path, scribe: Scribe, tmp_path: Path, part: str
) -> None:
    """The check can fail: a changed character in any part is refused by them, too."""
    published = Published(scribe, tmp_path, 7)
    tile = published.tiles / "tile"
    file = {
        "checkpoint": published.checkpoint,
        "proof": published.proof,
        "entries": tile / "entries" / "000",
        "hashes": tile / "0" / "000",
    }[part]
    data = bytearray(file.read_bytes())
    data[60] ^= 1
    file.write_bytes(data)
    assert published.check(checker).returncode == 1
