"""A log in several files is one log: its chain, tree, runs and grants go on over the boundary."""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authgate_async import wire
from authgate_async.errors import LogCorruptError, LogUnavailableError, UsageError
from authgate_async.log import rotation, segments, writer
from authgate_async.log.complete import RunStory
from authgate_async.log.growth import End
from authgate_async.log.in_force import InForce
from authgate_async.log.lines import FIRST, make_line, read_line
from authgate_async.log.notes import read_note
from authgate_async.log.numbering import Numbering
from authgate_async.log.proofs import check_proof, prove
from authgate_async.log.reading import true_lines
from authgate_async.log.records import (
    Checkpoint,
    GrantsCarried,
    Record,
    RunCarried,
    SegmentOpened,
    decode_record,
    encode_record,
)
from authgate_async.log.rotation import Rotation
from authgate_async.log.segments import firsts, name_of
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Scribe

NOW = 1_700_000_000_000_000
ROW = ("g", "a", "machine", "folder", "docs")
"""The grant that `write_files` carries over."""
BEGINS = [0, 6, 15, 20, 25]
"""Where the files of `write_files` begin."""


def lines_of(folder: Path) -> list[bytes]:
    """All lines of a log, file after file."""
    files = [folder / name_of(first) for first in firsts(folder)]
    return [raw for file in files for raw in file.read_bytes().splitlines(keepends=True)]


def records_of(folder: Path) -> list[Record]:
    """All records of a log."""
    return [decode_record(read_line(raw).record) for raw in lines_of(folder)]


def test_files_are_named_by_their_first_record(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """Each begins with `segment_opened`, ends with a checkpoint, and the last holds the seal."""
    scribe.write_files(tmp_path, tight)
    assert firsts(tmp_path) == BEGINS
    for first in BEGINS:
        lines = (tmp_path / name_of(first)).read_bytes().splitlines(keepends=True)
        begin, *_, end = (decode_record(read_line(raw).record) for raw in lines)
        assert read_line(lines[0]).number == first
        assert isinstance(begin, SegmentOpened) == bool(first)
        assert isinstance(end, Checkpoint)
    report = verify(tmp_path, scribe.kernel.public_key)
    assert (report.bad, report.sealed, report.runs, report.removed) == (None, True, 2, ())


def test_the_chain_is_unbroken(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """File after file, the lines are those of one log: index, `prev` and tree go on."""
    log = scribe.write_files(tmp_path, tight)
    end = End()
    for raw in lines_of(tmp_path):
        line = read_line(raw)
        end.check_place(line)
        end.follow(line)
    assert (end.count, end.head) == (log.count, log.head)


def test_a_closed_file_is_never_touched_again(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """Its bytes stay what they were when the next began."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.append([scribe.opened(), *scribe.changes])
    log.append(scribe.run("a"))
    closed = (tmp_path / "log.jsonl").read_bytes()
    log.append(scribe.run("b"))
    log.close()
    LogFile.open(tmp_path, "os", scribe.kernel, tight).close()
    assert (tmp_path / "log.jsonl").read_bytes() == closed


def test_a_file_is_closed_when_it_is_full(scribe: Scribe, tmp_path: Path) -> None:
    """None but the last is shorter than the size, nor longer than that and one group commit."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, Rotation(file_bytes=2**16))
    log.append([scribe.opened(), *scribe.changes])
    for number in range(100):
        log.append(scribe.run(f"r{number}"))
    log.close()
    sizes = [(tmp_path / name_of(first)).stat().st_size for first in firsts(tmp_path)]
    assert len(sizes) > 5
    assert all(2**16 <= size < 2**16 + 10_000 for size in sizes[:-1])
    assert verify(tmp_path).ok


def test_a_file_is_closed_when_it_is_old(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The age counts from its first record, in this session or one before."""
    monkeypatch.setattr(writer, "_now", lambda: NOW)
    log = LogFile.open(tmp_path, "os", scribe.kernel, Rotation(file_seconds=10))
    log.append([scribe.opened(), *scribe.changes])
    monkeypatch.setattr(writer, "_now", lambda: NOW + 9_999_999)
    log.append(scribe.run("a"))
    log.close()
    assert firsts(tmp_path) == [0]
    log = LogFile.open(tmp_path, "os", scribe.kernel, Rotation(file_seconds=10))
    log.append([scribe.opened(), *scribe.changes])
    monkeypatch.setattr(writer, "_now", lambda: NOW + 10_000_000)
    log.append(scribe.run("b"))
    assert firsts(tmp_path) == [0, 21]
    log.append(scribe.run("c"))
    log.close()
    assert firsts(tmp_path) == [0, 21]
    assert verify(tmp_path).ok


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"file_bytes": 2**16 - 1}, "at least 65536 bytes, not 65535"),
        ({"file_seconds": 0.5}, "at least 1 second, not 0.5"),
        ({"file_seconds": float("nan")}, "at least 1 second"),
        ({"file_seconds": float("inf")}, "at least 1 second"),
        ({"keep_seconds": -1}, "seconds from 0 on, not -1"),
        ({"keep_seconds": float("nan")}, "from 0 on"),
    ],
)
def test_a_rotation_is_checked_at_the_door(options: dict[str, float], told: str) -> None:
    """What could make a file for each record, or none ever, is refused."""
    with pytest.raises(UsageError, match=told):
        Rotation(**options)  # type: ignore[arg-type]


def test_what_a_file_carries_is_not_for_others_to_append(scribe: Scribe) -> None:
    """The records that a file begins with are the writer's own."""
    log = LogFile.open(None, "memory", scribe.kernel)
    log.append([scribe.opened()])
    carried = RunCarried(agent="a", closed=0, due=(), next=1, next_seq=0, run="r", steps=0)
    for record in (carried, GrantsCarried(grants=(ROW,))):
        with pytest.raises(UsageError, match="the writer's own"):
            log.append([record])


# Opening.


def _cut_to_last(folder: Path, into: Path) -> Path:
    """A log of which only the last file is what it was: the others hold other bytes."""
    into.mkdir()
    *closed, last = firsts(folder)
    for first in closed:
        lines = (folder / name_of(first)).read_bytes().splitlines(keepends=True)
        (into / name_of(first)).write_bytes(b"x" * 100 + b"\n" + lines[-1])
    (into / name_of(last)).write_bytes((folder / name_of(last)).read_bytes())
    return into


@pytest.mark.parametrize("seal", [True, False])
def test_opening_costs_the_last_file_only(
    scribe: Scribe, tmp_path: Path, tight: Rotation, monkeypatch: pytest.MonkeyPatch, *, seal: bool
) -> None:
    """Of the others nothing is read but the last line of one; sealed or not, it goes on truly."""
    monkeypatch.setattr(writer, "_now", lambda: NOW)
    scribe.write_files(tmp_path / "log", tight, seal=seal)
    before = len(lines_of(tmp_path / "log"))
    cut = _cut_to_last(tmp_path / "log", tmp_path / "cut")
    for folder in (tmp_path / "log", cut):
        log = LogFile.open(folder, "os", scribe.kernel, tight)
        log.append([scribe.opened(log.cut_bytes), *scribe.changes])
        log.close()
    added = lines_of(tmp_path / "log")[before:]
    assert lines_of(cut)[-len(added) :] == added
    assert verify(tmp_path / "log", scribe.kernel.public_key).ok


def test_what_was_in_flight_is_ended_from_the_last_file(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """Runs that began in a file before are ended, but no permit that was refused as unused."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.append([scribe.opened(), *scribe.changes])
    stale = replace(scribe.refusal(), action_id="b:0", code="permit_stale")
    for name in "abcd":
        log.append(scribe.run(name)[:2])
    log.owing.update("ad")
    log.append([scribe.closed("a"), scribe.closed("d"), stale])
    log.append([scribe.outcome(scribe.intent("d", 0))])
    log._storage.close()  # type: ignore[union-attr]
    log = LogFile.open(_cut_to_last(tmp_path, tmp_path / "cut"), "os", scribe.kernel, tight)
    ends = [(r.run, type(r).__name__) for r in log._endings]  # type: ignore[union-attr]
    assert sorted(ends) == [
        ("a", "Outcome"),
        ("b", "RunClosed"),
        ("c", "Outcome"),
        ("c", "RunClosed"),
    ]
    log.close()
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.append([scribe.opened()])
    log.close()
    report = verify(tmp_path)
    assert (report.bad, report.open_runs, report.without_outcome) == (None, 0, 1)


@pytest.mark.parametrize("nodes", ["00" * 96, "00"])
def test_a_head_that_lies_is_not_believed(
    scribe: Scribe, tmp_path: Path, tight: Rotation, nodes: str
) -> None:
    """Nodes that do not lead to the root that was signed are a damaged log."""
    scribe.write_files(tmp_path, tight, seal=False)
    refile(tmp_path, changed(25, nodes=nodes)(records_of(tmp_path)), BEGINS)
    with pytest.raises(LogCorruptError, match=r"nodes|another root"):
        LogFile.open(tmp_path, "os", scribe.kernel, tight)


def test_a_last_file_under_another_name_is_not_continued(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """What its name says of its first record must be true."""
    scribe.write_files(tmp_path, tight, seal=False)
    (tmp_path / name_of(25)).rename(tmp_path / name_of(26))
    with pytest.raises(LogCorruptError, match="record 26"):
        LogFile.open(tmp_path, "os", scribe.kernel, tight)


def test_a_last_file_without_checkpoint_is_dropped(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """Cut at any byte of its first group commit, it is dropped and told; the log goes on before."""
    scribe.write_files(tmp_path, tight, seal=False)
    file = tmp_path / name_of(BEGINS[-1])
    whole = file.read_bytes()
    before = lines_of(tmp_path)[: BEGINS[-1]]
    checkpoint = whole.rindex(b"\n", 0, -1) + 1
    assert b'"kind":"checkpoint"' in whole[checkpoint:]
    for size in range(len(whole)):
        file.write_bytes(whole[:size])
        log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
        assert (log.cut_bytes, log.count, file.exists()) == (size, BEGINS[-1], False)
        log._storage.close()  # type: ignore[union-attr]
        assert lines_of(tmp_path) == before
    file.write_bytes(whole[:checkpoint])
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.append([scribe.opened(log.cut_bytes), *scribe.changes])
    log.close()
    assert verify(tmp_path, scribe.kernel.public_key).ok


@pytest.mark.parametrize("content", [b"x", b"diary\n", b'{"index":3', b"\0" * 5_000_000])
def test_a_last_file_that_is_something_else_is_left_alone(
    scribe: Scribe, tmp_path: Path, tight: Rotation, content: bytes
) -> None:
    """What the writer cannot have begun with is evidence: nothing is dropped."""
    scribe.write_files(tmp_path, tight, seal=False)
    file = tmp_path / name_of(BEGINS[-1])
    file.write_bytes(content)
    with pytest.raises(LogCorruptError):
        LogFile.open(tmp_path, "os", scribe.kernel, tight)
    assert file.read_bytes() == content


def test_zeros_are_dropped(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """A file of zeros, as a power cut leaves them, is one that was never begun."""
    scribe.write_files(tmp_path, tight, seal=False)
    (tmp_path / name_of(BEGINS[-1])).write_bytes(b"\0" * 5000)
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    assert (log.cut_bytes, log.count) == (5000, BEGINS[-1])
    log.close()


@pytest.mark.parametrize("gone", [[0, 6, 15, 20], [25], [20, 25]])
def test_a_log_whose_end_is_elsewhere_is_not_continued(
    scribe: Scribe, tmp_path: Path, tight: Rotation, gone: list[int]
) -> None:
    """Hashes at the end, or a last file alone that was never begun: nothing is written behind."""
    scribe.write_files(tmp_path, tight, seal=False)
    if gone[-1] == 25:
        for first in gone:
            (tmp_path / name_of(first)).rename(tmp_path / name_of(first, ".hashes"))
    else:
        for first in gone:
            (tmp_path / name_of(first)).unlink()
        (tmp_path / name_of(25)).write_bytes(b"")
    with pytest.raises(LogCorruptError, match="is gone"):
        LogFile.open(tmp_path, "os", scribe.kernel, tight)


# A disk that fails.


@pytest.mark.parametrize("call", ["open", "fsync", "write", "fstat"])
@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_full_disk_at_rotation_loses_nothing(  # noqa: PLR0917  # fixtures
    scribe: Scribe,
    tmp_path: Path,
    tight: Rotation,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    durability: str,
) -> None:
    """Whatever fails as a file is begun, nothing is acknowledged, and the next attempt goes on."""
    log = LogFile.open(tmp_path, durability, scribe.kernel, tight)  # type: ignore[arg-type]
    log.append([scribe.opened(), *scribe.changes])
    count = log.count

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        for _ in range(2):
            if call == "fsync" and durability == "os":
                break
            with pytest.raises(LogUnavailableError, match="No space left"):
                log.append(scribe.run("a"))
    assert log.count == count
    log.append(scribe.run("a"))
    log.append(scribe.run("b"))
    log.close()
    report = verify(tmp_path)
    assert (report.bad, report.sealed, report.runs) == (None, True, 2)


@pytest.mark.parametrize("call", ["open", "write"])
def test_a_log_that_could_not_begin_a_file_is_sealed(
    scribe: Scribe, tmp_path: Path, tight: Rotation, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Closed after that, whichever file it is in has what it must have."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.append([scribe.opened(), *scribe.changes])

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(LogUnavailableError):
            log.append(scribe.run("a"))
    log.close()
    report = verify(tmp_path)
    assert (report.bad, report.sealed) == (None, True)
    LogFile.open(tmp_path, "os", scribe.kernel, tight).close()


def test_a_file_of_that_name_is_not_written_to(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """What somebody put in the next file's place stays as it is; gone, the log goes on."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.append([scribe.opened(), *scribe.changes])
    diary = tmp_path / name_of(6)
    diary.write_bytes(b"my diary")
    with pytest.raises(LogUnavailableError, match="cannot be written"):
        log.append(scribe.run("a"))
    assert diary.read_bytes() == b"my diary"
    diary.unlink()
    log.append(scribe.run("a"))
    log.close()
    assert verify(tmp_path).sealed


def test_the_lock_is_held_over_a_rotation(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """A second writer is turned away whichever file the first is in."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.append([scribe.opened(), *scribe.changes])
    for name in "ab":
        log.append(scribe.run(name))
        with pytest.raises(LogUnavailableError, match="in use"):
            LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.close()


# Readers.


def test_every_record_can_be_proved(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """A proof spans all files."""
    log = scribe.write_files(tmp_path, tight)
    for index in range(log.count - 1):
        proved = check_proof(prove(tmp_path, index), scribe.kernel.public_key)
        assert proved.line.number == index


def test_every_checkpoint_that_was_given_out_is_found(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """`--against` any earlier checkpoint holds, and against one of another log does not."""
    scribe.write_files(tmp_path, tight)
    notes = [r.note for r in records_of(tmp_path) if isinstance(r, Checkpoint)]
    assert len(notes) == len(BEGINS) + 1
    assert all(verify(tmp_path, against=note).ok for note in notes)
    other = notes[2].replace(f"\n{read_note(notes[2]).size}\n", "\n7\n")
    assert not verify(tmp_path, against=other).ok


def test_all_records_of_a_run_are_found(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """A run that goes over three files is complete."""
    scribe.write_files(tmp_path, tight)
    story = RunStory("b")
    report = verify(tmp_path, see=story.take)
    assert (story.lacks(report), len(story.records)) == ([], 6)


def test_following_goes_over_a_rotation(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """Who waits for more gets each line once, whatever file it is in."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    log.append([scribe.opened(), *scribe.changes])
    groups = iter([scribe.run("a"), scribe.run("b"), [scribe.refusal()]])

    class _EndError(Exception):
        pass

    def wait() -> None:
        group = next(groups, None)
        if group is None:
            raise _EndError
        log.append(group)

    seen: list[int] = []
    lines = true_lines(tmp_path, wait)
    with pytest.raises(_EndError):
        deque(map(seen.append, (line.number for line in lines)), maxlen=0)
    assert seen == list(range(log.count))
    log.close()


def test_following_a_log_of_which_a_file_is_gone_ends(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """What is missing never comes: nobody waits for it."""
    scribe.write_files(tmp_path, tight)
    (tmp_path / name_of(15)).unlink()
    with pytest.raises(LogCorruptError, match="record 15: the file that should begin here is gone"):
        deque(true_lines(tmp_path, lambda: pytest.fail("it waits")), maxlen=0)


def test_a_writer_may_go_on_while_its_log_is_verified(
    scribe: Scribe, tmp_path: Path, tight: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines, and then another file, that come between two looks at the folder are no gap."""
    log = LogFile.open(tmp_path, "os", scribe.kernel)
    log.append([scribe.opened(), *scribe.changes])
    look = segments.firsts

    def late(folder: Path, *suffixes: str) -> list[int]:
        if log.count == 6 and looks.pop():
            log.append(scribe.run("a"))
            log._rotation = tight
            log.append(scribe.run("b"))
        return look(folder, *suffixes)

    looks = [True, False]
    monkeypatch.setattr(segments, "firsts", late)
    report = verify(tmp_path)
    assert (report.bad, report.runs, looks) == (None, 2, [])
    log.close()


def test_a_log_may_be_named_by_its_first_file(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """That is the whole log; a copy under another name is what is in it."""
    log = scribe.write_files(tmp_path, tight)
    assert verify(tmp_path / "log.jsonl").records == log.count
    (tmp_path / "copy").write_bytes((tmp_path / "log.jsonl").read_bytes())
    assert verify(tmp_path / "copy").records == BEGINS[1]


@pytest.mark.parametrize("index", range(len(BEGINS)))
def test_a_file_that_is_gone_is_found(
    scribe: Scribe, tmp_path: Path, tight: Rotation, index: int
) -> None:
    """At its first record; if it was the last, the log is not sealed."""
    scribe.write_files(tmp_path, tight)
    (tmp_path / name_of(BEGINS[index])).unlink()
    report = verify(tmp_path)
    if index == len(BEGINS) - 1:
        assert (report.ok, report.sealed) == (True, False)
    else:
        assert report.bad is not None
        assert (report.bad.index, "is gone" in report.bad.problem) == (BEGINS[index], True)


# What is carried over.


def refile(folder: Path, records: list[Record], begins: list[int]) -> None:
    """Write records as a forger does who knows the format, in files that begin where told."""
    lines, head = [], FIRST
    for index, record in enumerate(records):
        line, head = make_line(index, head, encode_record(record))
        lines.append(line)
    for first, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        (folder / name_of(first)).write_bytes(b"".join(lines[first:end]))


def changed(index: int, **fields: object) -> Callable[[list[Record]], list[Record]]:
    """A forgery that alters one record."""

    def forge(records: list[Record]) -> list[Record]:
        records[index] = replace(records[index], **fields)
        return records

    return forge


FORGERIES = {
    "nodes": (changed(15, nodes="00" * 128), 15, "another tree"),
    "origin": (changed(15, origin="other"), 15, "another tree"),
    "key": (changed(15, public_key="00" * 32, key_id="66687aadf862bd77"), 15, "another key"),
    "auditor": (changed(15, auditor="other"), 15, "another auditor"),
    "key_id": (changed(15, key_id="0" * 16), 15, "`key_id` is not that"),
    "more_runs": (changed(15, runs=1), 16, "not all there"),
    "fewer_grants": (changed(15, grants=0), 15, "not those in force"),
    "more_grants": (changed(15, grants=2), 17, "not all there"),
    "fewer_runs": (changed(20, runs=0), 21, "not all there"),
    "other_grant": (changed(16, grants=(("h", *ROW[1:]),)), 16, "not those in force"),
    "other_holder": (changed(16, grants=((ROW[0], "b", *ROW[2:]),)), 16, "not those in force"),
    "no_grants": (changed(16, grants=()), 16, "not all there"),
    "other_run": (changed(21, run="a"), 22, "run `a` was not left as"),
    "agent": (changed(21, agent="b"), 22, "run `b` was not left as"),
    "next": (changed(21, next=3), 22, "run `b` was not left as"),
    "next_seq": (changed(21, next_seq=0), 22, "run `b` was not left as"),
    "steps": (changed(21, steps=2), 22, "run `b` was not left as"),
    "closed": (changed(21, closed=1), 22, "run `b` was not left as"),
    "due": (changed(21, due=()), 22, "run `b` was not left as"),
}


def _ids_twice(records: list[Record]) -> list[Record]:
    return changed(16, grants=(ROW, ROW))(changed(15, grants=2)(records))


FORGERIES["ids_twice"] = (_ids_twice, 16, "not in order")


@pytest.mark.parametrize("name", FORGERIES)
def test_what_a_file_carries_over_is_checked(
    scribe: Scribe, tmp_path: Path, tight: Rotation, name: str
) -> None:
    """A lie about what stands in the files before is found at its record, with true sums too."""
    forge, index, problem = FORGERIES[name]
    scribe.write_files(tmp_path, tight)
    refile(tmp_path, forge(records_of(tmp_path)), BEGINS)
    bad = verify(tmp_path).bad
    assert bad is not None
    assert (bad.index, problem in bad.problem) == (index, True), bad


def test_a_file_begins_behind_a_checkpoint(scribe: Scribe, tmp_path: Path, tight: Rotation) -> None:
    """With a true tree, too: what is not signed when a file is closed could be cut off with it."""
    scribe.write_files(tmp_path, tight)
    records, end = records_of(tmp_path)[:17], End()
    del records[14]
    for record in records[:14]:
        end.grow(encode_record(record))
    refile(tmp_path, changed(14, nodes=end.tree.nodes.hex())(records), [0, 6, 14])
    for first in BEGINS[2:]:
        (tmp_path / name_of(first)).unlink()
    bad = verify(tmp_path).bad
    assert bad is not None
    assert (bad.index, bad.problem) == (14, "the file does not begin behind a checkpoint")


def test_an_open_run_must_be_carried_over(
    scribe: Scribe, tmp_path: Path, tight: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that forgets a run is found, however true its signature."""
    monkeypatch.setattr(rotation, "head", _headless)
    monkeypatch.setattr(writer, "head", _headless)
    scribe.write_files(tmp_path, tight)
    bad = verify(tmp_path).bad
    assert bad is not None
    assert bad.problem == "run `b` is open, and the file does not carry it over"


def _headless(end: End, key: bytes, _: object, grants: object, **more: object) -> list[Record]:
    """A head without runs."""
    return list(_head(end, key, Numbering(), grants, **more))  # type: ignore[arg-type]


_head = rotation.head


@pytest.mark.parametrize("begins", [[0, 6, 15, 25], [0, 6, 15, 19, 25], [0, 5, 15, 20, 25]])
def test_files_begin_where_they_were_begun(
    scribe: Scribe, tmp_path: Path, tight: Rotation, begins: list[int]
) -> None:
    """The same lines, in files that were joined or divided elsewhere, are no log."""
    scribe.write_files(tmp_path, tight)
    records = records_of(tmp_path)
    for first in BEGINS:
        (tmp_path / name_of(first)).unlink()
    refile(tmp_path, records, begins)
    assert not verify(tmp_path).ok


def test_revoked_grants_are_not_carried_over(
    scribe: Scribe, tmp_path: Path, tight: Rotation
) -> None:
    """Only what is in force is; thousands of them are told in several records, in order."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    more = [
        scribe.change(wire.Register(wire.Grant(f"x{n}", "a", "machine", "folder", f"d{n}", "", 1)))
        for n in range(1500)
    ]
    revoked = scribe.change(wire.Revoke("x7"))
    log.append([scribe.opened(), *scribe.changes, *more, revoked])
    log.append([scribe.refusal()])
    log.close()
    carried = [r.grants for r in records_of(tmp_path) if isinstance(r, GrantsCarried)]
    assert list(map(len, carried)) == [1000, 500]
    told = [each[0] for grants in carried for each in grants]
    assert told == sorted({"g", *(f"x{n}" for n in range(1500))} - {"x7"})
    assert verify(tmp_path).ok


def test_what_is_carried_over_does_not_count_as_size(scribe: Scribe, tmp_path: Path) -> None:
    """However much that is, a file is not full because of it."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, Rotation(file_bytes=2**16))
    long = [f"{n:03}" + "x" * 200 for n in range(400)]
    more = [
        scribe.change(wire.Register(wire.Grant(name, "a", "machine", "folder", name, "", 1)))
        for name in long
    ]
    log.append([scribe.opened(), *scribe.changes, *more])
    for _ in range(4):
        log.append([scribe.refusal()])
    log.close()
    assert len(firsts(tmp_path)) == 2
    assert (tmp_path / name_of(firsts(tmp_path)[1])).stat().st_size > 2**16
    assert verify(tmp_path).ok


TAKEN = {
    wire.RevokeHolder("a", "machine"): {"g": "was revoked", "other": ""},
    wire.RevokeHeld("a", "machine", "folder", "docs"): {"g": "was revoked", "other": ""},
    wire.RevokeHeld("a", "machine", "folder", "none"): {"g": "", "other": ""},
}


@pytest.mark.parametrize("taken", TAKEN)
def test_what_is_carried_over_can_be_taken_from_its_holder(
    scribe: Scribe, tmp_path: Path, tight: Rotation, taken: wire.Change
) -> None:
    """Also where the grant itself stands in a file that was removed: its holder is told."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    other = wire.Grant("other", "h", "human", "folder", "docs", "", 1)
    log.append([scribe.opened(), *scribe.changes, scribe.change(wire.Register(other))])
    log.append([scribe.change(taken)])
    log.append([scribe.refusal()])
    log.close()
    assert verify(tmp_path).ok
    carried = [r for r in records_of(tmp_path) if isinstance(r, GrantsCarried)]
    assert len(carried) == 2
    in_force = InForce()
    for row in carried[0].grants:
        in_force.enter(row)
    in_force.follow(scribe.change(taken))
    assert list(in_force.carried()) == [carried[1]]
    assert {each: in_force.against(each) for each in ("g", "other")} == TAKEN[taken]


@pytest.mark.parametrize("taken", TAKEN)
def test_the_writer_keeps_nothing_of_what_was_taken_away(
    scribe: Scribe, taken: wire.Change
) -> None:
    """However many grants come and go, what is written into the next file is all that is known."""
    log = LogFile.open(None, "memory")
    log.append([scribe.opened(), *scribe.changes, scribe.change(taken)])
    in_force = log._grants
    there = dict(in_force._grants)
    for number in range(3):
        for rights in (1, 2):
            grant = wire.Grant(f"g{number}{rights}", "h", "human", "file", f"n{number}", "", rights)
            log.append([scribe.change(wire.Register(grant))])
        log.append([scribe.change(wire.Revoke(f"g{number}1"))])
        log.append([scribe.change(wire.RevokeHeld("h", "human", "file", f"n{number}"))])
    assert in_force._grants == there
    held = [list(ids) for of in (in_force._held or {}).values() for ids in of.values()]
    assert held == [[grant] for grant in there]
    assert list(map(list, in_force.rows())) == list(map(list, there.values()))


def test_a_checkpoint_stands_before_each_file(scribe: Scribe, tmp_path: Path) -> None:
    """A log that nobody signs is not rotated: nothing would show where it was cut."""
    log = LogFile.open(tmp_path, "os", None, Rotation(file_bytes=2**16))
    log.append([scribe.opened(), *scribe.changes])
    for number in range(30):
        log.append(scribe.run(f"r{number}"))
    log.close()
    assert firsts(tmp_path) == [0]
