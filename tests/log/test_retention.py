"""What retention removes is told, and everything else can still be proved."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from authgate_async.backends import compact_range
from authgate_async.errors import UsageError
from authgate_async.log import writer
from authgate_async.log.complete import RunStory
from authgate_async.log.handover import hand_over
from authgate_async.log.lines import FIRST, make_line, read_line
from authgate_async.log.proofs import check_proof, prove
from authgate_async.log.reading import true_lines
from authgate_async.log.records import Checkpoint, RecordsRemoved, decode_record, encode_record
from authgate_async.log.segments import HASHES, firsts, name_of
from authgate_async.log.tiles import export_tiles
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from pathlib import Path

    from authgate_async.log.rotation import Rotation
    from authgate_async.log.verify import Report
    from conftest import Scribe


class Kept:
    """A log of which the older files were removed, and a copy of each taken before."""

    def __init__(self, scribe: Scribe, folder: Path, rule: Rotation) -> None:
        self.scribe, self.folder, self.copy = scribe, folder / "log", folder / "copy"
        self.copy.mkdir()
        remove = writer.Storage.remove

        def remember(storage: writer.Storage, first: int) -> None:
            shutil.copy2(self.folder / name_of(first), self.copy)
            remove(storage, first)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writer.Storage, "remove", remember)
            self.log = scribe.write_files(self.folder, rule)
        self.removed = firsts(self.copy)
        self.end = firsts(self.folder)[len(self.removed)]

    def verify(self, against: str | None = None) -> Report:
        """Check what is left."""
        return verify(self.folder, self.scribe.kernel.public_key, against=against)

    def notes(self, *folders: Path) -> list[str]:
        """All checkpoints that were ever in it."""
        records = [
            decode_record(read_line(raw).record)
            for folder in folders
            for file in sorted(folder.glob("*.jsonl"))
            for raw in file.read_bytes().splitlines(keepends=True)
        ]
        return [record.note for record in records if isinstance(record, Checkpoint)]


@pytest.fixture
def kept(scribe: Scribe, tmp_path: Path, fleeting: Rotation) -> Kept:
    """Four files are gone, the fifth holds the rest of run `b`."""
    return Kept(scribe, tmp_path, fleeting)


def test_what_is_gone_is_told_and_the_rest_holds(kept: Kept) -> None:
    """The report names the records; the last file verifies with what it carries over."""
    report = kept.verify()
    assert (report.bad, report.sealed) == (None, True)
    assert (report.removed, report.records) == (((0, kept.end),), kept.log.count)
    assert firsts(kept.folder, HASHES) == kept.removed
    assert firsts(kept.folder, ".jsonl") == [kept.end]


def test_a_file_stays_until_it_is_old(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """`keep` counts from its last record, and the files go in their order."""
    rule = replace(tight, keep_seconds=1000)
    scribe.write_files(tmp_path, rule)
    assert verify(tmp_path).removed == ()
    files = [tmp_path / name_of(first) for first in firsts(tmp_path)]
    for old in (files[0], files[1], files[3]):
        os.utime(old, (0, 0))
    scribe.write_files(tmp_path, rule)
    report = verify(tmp_path)
    assert (report.bad, report.removed) == (None, ((0, int(files[2].stem[4:])),))


def test_every_record_that_is_left_can_be_proved(kept: Kept) -> None:
    """The sums of the others are enough; of a removed one it is said where to look."""
    for index in range(kept.end, kept.log.count - 1):
        proved = check_proof(prove(kept.folder, index), kept.scribe.kernel.public_key)
        assert proved.line.number == index
    with pytest.raises(UsageError, match="record 3 was removed by retention; put its file back"):
        prove(kept.folder, 3)


def test_every_checkpoint_ever_given_out_is_of_this_log(kept: Kept) -> None:
    """`--against` holds for checkpoints over what is gone, and for no other."""
    notes = kept.notes(kept.folder, kept.copy)
    assert len(notes) > 8
    for note in notes:
        assert kept.verify(note).ok
        origin, size, _, rest = note.split("\n", 3)
        forged = "\n".join([origin, size, "A" * 43 + "=", rest])
        report = kept.verify(forged)
        assert report.bad is not None
        assert "not the log of the checkpoint" in report.bad.problem
        assert report.bad.index == int(size)


def test_the_tiles_are_those_of_the_whole_log(kept: Kept, tmp_path: Path) -> None:
    """Every hash is there; bundles with a removed record are left out."""
    whole = tmp_path / "whole"
    shutil.copytree(kept.folder, whole)
    for file in kept.copy.iterdir():
        shutil.copy2(file, whole)
    size, left_out = export_tiles(kept.folder, tmp_path / "tiles")
    assert (size, left_out) == (export_tiles(whole, tmp_path / "all")[0], 1)
    for tile in (tmp_path / "all" / "tile" / "0").rglob("*"):
        if tile.is_file():
            there = tmp_path / "tiles" / tile.relative_to(tmp_path / "all")
            assert there.read_bytes() == tile.read_bytes()


def test_a_file_that_is_put_back_is_verified(kept: Kept) -> None:
    """Whole and in its place it is a part of the log again; altered it is found."""
    middle = kept.removed[1]
    shutil.copy2(kept.copy / name_of(middle), kept.folder)
    report = kept.verify()
    assert (report.bad, report.removed) == (None, ((0, middle), (kept.removed[2], kept.end)))
    assert check_proof(prove(kept.folder, middle + 2), kept.scribe.kernel.public_key)
    file = kept.folder / name_of(middle)
    file.write_bytes(file.read_bytes().replace(b'"segment_opened"', b'"segment_opener"'))
    assert kept.verify().bad is not None


def test_showing_and_completing_say_what_they_can(kept: Kept) -> None:
    """A run that began in what is gone is told so; one that is wholly there is not known."""
    assert [line.number for line in true_lines(kept.folder)] == list(
        range(kept.end, kept.log.count)
    )
    for run, told in (
        ("b", f"its first 3 are among records 0 to {kept.end - 1}, which were removed"),
        ("a", f"unless it is among records 0 to {kept.end - 1}"),
    ):
        story = RunStory(run)
        (lack,) = story.lacks(verify(kept.folder, see=story.take))
        assert told in lack


# Somebody else's removal.


def test_a_deletion_is_no_retention(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """Whoever puts true hashes in a file's place cannot say in the log that it was removed."""
    scribe.write_files(tmp_path, tight)
    for first, end in ((6, 15), (0, 6)):
        file = tmp_path / name_of(first)
        sums = [read_line(raw).sum for raw in file.read_bytes().splitlines(keepends=True)]
        (tmp_path / name_of(first, HASHES)).write_bytes(bytes.fromhex("".join(sums)))
        file.unlink()
        report = verify(tmp_path)
        assert report.bad is not None
        assert report.bad.index == first
        assert f"records {first} to {end - 1} are gone, and no signed record" in report.bad.problem


def test_a_removal_that_nobody_signed_does_not_count(kept: Kept) -> None:
    """`records_removed` counts under a checkpoint only."""
    file = kept.folder / name_of(kept.end)
    lines = file.read_bytes().splitlines(keepends=True)
    told = next(n for n, raw in enumerate(lines) if b'"kind":"records_removed"' in raw)
    file.write_bytes(b"".join(lines[: told + 1]))
    report = kept.verify()
    assert report.bad is not None
    assert "no signed record" in report.bad.problem


def test_a_removal_of_what_is_not_there_yet_is_no_record(scribe: Scribe, tmp_path: Path) -> None:
    """The writer cannot allow a deletion of records to come."""
    file = scribe.write(tmp_path, "r")
    lines = [
        decode_record(read_line(raw).record) for raw in file.read_bytes().splitlines(keepends=True)
    ]
    for end, index in ((12, None), (13, 12)):
        head, raws = FIRST, []
        for number, record in enumerate([*lines[:12], RecordsRemoved(end=end, time=0)]):
            raw, head = make_line(number, head, encode_record(record))
            raws.append(raw)
        file.write_bytes(b"".join(raws))
        bad = verify(file).bad
        assert (bad.index if bad else None) == index


def test_every_changed_byte_of_the_hashes_is_found(kept: Kept) -> None:
    """Where the tree they lead to is named: in the first record that is there."""
    for path in kept.folder.glob("*.hashes"):
        data = path.read_bytes()
        for place in range(0, len(data), 7):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            bad = kept.verify().bad
            assert bad is not None
            assert bad.index == kept.end
        path.write_bytes(data)
    assert kept.verify().ok


@pytest.mark.parametrize("change", ["shorter", "longer", "torn", "more", "empty", "gone"])
def test_hashes_that_are_not_whole_are_found(kept: Kept, change: str) -> None:
    """A hash too few or too many, a part of one, or none."""
    path = kept.folder / name_of(kept.removed[1], HASHES)
    data = path.read_bytes()
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes(
            {
                "shorter": data[:-32],
                "longer": data + bytes(32),
                "torn": data[:-1],
                "more": data + b"x",
                "empty": b"",
            }[change]
        )
    bad = kept.verify().bad
    assert bad is not None
    assert kept.removed[1] <= bad.index <= kept.end


# Keys.


def test_a_key_handed_over_in_what_is_gone(
    scribe: Scribe, stranger: Scribe, tmp_path: Path, tight: Rotation, fleeting: Rotation
) -> None:
    """The first key is refused with what to do; that of the first record left holds."""
    scribe.write_files(tmp_path, tight)
    hand_over(tmp_path, b"s" * 32, stranger.kernel.public_key)
    for _ in range(2):
        stranger.write_files(tmp_path, fleeting)
    assert verify(tmp_path, stranger.kernel.public_key).ok
    bad = verify(tmp_path, scribe.kernel.public_key).bad
    assert bad is not None
    assert "give that key, if the log was handed over" in bad.remedy


def test_a_log_may_be_handed_over_after_a_removal(kept: Kept, stranger: Scribe) -> None:
    """The key that it is under now is found in the records that are left."""
    hand_over(kept.folder, b"s" * 32, stranger.kernel.public_key)
    assert kept.verify().ok


# What cannot be removed.


def test_a_damaged_file_is_kept_and_told(
    scribe: Scribe, tmp_path: Path, fleeting: Rotation
) -> None:
    """Retention destroys no evidence, and what was appended stays acknowledged."""
    told: list[str] = []
    log = LogFile.open(tmp_path, "os", scribe.kernel, fleeting, told.append)
    log.append([scribe.opened(), *scribe.changes])
    file = tmp_path / "log.jsonl"
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"time":1700000000000000', b'"time":1700000000000001', 1))
    log.append(scribe.run("a"))
    assert file.exists()
    (sentence,) = told
    assert sentence.startswith("records 0 to 5 cannot be removed from the log: the line does not")
    log.close()


def test_a_file_that_was_cut_is_kept_and_told(
    scribe: Scribe, tmp_path: Path, fleeting: Rotation
) -> None:
    """True lines of which the last are missing are no whole file."""
    told: list[str] = []
    log = LogFile.open(tmp_path, "os", scribe.kernel, fleeting, told.append)
    log.append([scribe.opened(), *scribe.changes])
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    log._storage.size = file.stat().st_size  # type: ignore[union-attr]
    log.append(scribe.run("a"))
    log.close()
    assert file.exists()
    assert "it ends at record 5 and the next file begins at 6" in told[0]


@pytest.mark.parametrize("step", ["open", "fsync", "rename", "write", "unlink"])
def test_a_disk_that_fails_keeps_the_file(
    scribe: Scribe,
    tmp_path: Path,
    fleeting: Rotation,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """Whatever fails as a file is removed is told, and a later round removes it."""
    told: list[str] = []
    log = LogFile.open(tmp_path, "fsync", scribe.kernel, fleeting, told.append)
    log.append([scribe.opened(), *scribe.changes])
    keep = writer.Storage.keep_hashes

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def broken(storage: writer.Storage, first: int, end: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if step in {"open", "fsync"}:
                patch.setattr(os, step, fail)
            elif step == "rename":
                patch.setattr("pathlib.Path.rename", fail)
            keep(storage, first, end)
        if step == "write":
            monkeypatch.setattr(os, "write", fail)
        elif step == "unlink":
            monkeypatch.setattr("pathlib.Path.unlink", fail)

    monkeypatch.setattr(writer.Storage, "keep_hashes", broken)
    log.append(scribe.run("a"))
    monkeypatch.undo()
    assert len(told) == 1
    assert "No space left" in told[0]
    assert (tmp_path / "log.jsonl").exists()
    assert verify(tmp_path).ok
    log.append(scribe.run("b"))
    log.append([scribe.refusal()])
    log.close()
    report = verify(tmp_path)
    assert (report.bad, report.sealed, report.removed[0][0]) == (None, True, 0)


def test_the_kept_sums_lead_to_the_tree(kept: Kept) -> None:
    """They are the leaves of RFC 6962, in order."""
    tree = compact_range()
    for first in kept.removed:
        data = (kept.folder / name_of(first, HASHES)).read_bytes()
        for at in range(0, len(data), 32):
            tree.push(data[at : at + 32])
    assert tree.size == kept.end
    opened = read_line((kept.folder / name_of(kept.end)).read_bytes().split(b"\n")[0] + b"\n")
    assert decode_record(opened.record).nodes == tree.nodes.hex()  # type: ignore[union-attr]
