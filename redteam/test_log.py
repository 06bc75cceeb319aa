"""Whoever can write to a finished log cannot change what it says without being found."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import pytest

from authgate_async import backends, wire
from authgate_async.backends import make_kernel
from authgate_async.log import notes, rules
from authgate_async.log import records as log_records
from authgate_async.log.entries import change_of, intent_of
from authgate_async.log.lines import make_line
from authgate_async.log.verify import Bad, verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from pathlib import Path

    from authgate_async.backends import Kernel

NOW = 1_700_000_000_000_000
DIGEST = sha256(b"").hexdigest()


def _decide(kernel: Kernel, run: str, seq: int, name: str) -> log_records.Intent:
    asked = (wire.Request("folder", name, "", 1),)
    action = wire.Action(f"{run}:{seq}", "a", "human", "file_read", b"{}", asked)
    answer = kernel.decide(msgspec.msgpack.encode([action]), NOW, b"n" * 32)
    (signed,) = msgspec.msgpack.decode(answer, type=list[wire.SignedVerdict])
    verdict = msgspec.msgpack.decode(signed.verdict, type=wire.Verdict)
    return intent_of(signed, verdict, run=run, seq=seq, args="{}")


def _outcome(intent: log_records.Intent) -> log_records.Outcome:
    return log_records.Outcome(
        action_digest=intent.action_digest,
        action_id=intent.action_id,
        capped=(),
        cause="returned",
        cpu_us=1,
        denials=(),
        error="",
        layers=(),
        memory_bytes=1,
        result_digest=DIGEST,
        run=intent.run,
        seq=intent.seq,
        stderr_digest=DIGEST,
        stdout_digest=DIGEST,
        time=NOW,
        wall_us=1,
    )


def _write(folder: Path, run: str, *, seal: bool = True) -> Path:
    """Twelve records: opened, two changes, a run of five, refusal, checkpoint, seal, checkpoint."""
    kernel = make_kernel("python", seed=b"s" * 32, entropy=b"e" * 32)
    changes = (
        wire.Enrol("a", "human"),
        wire.Register(wire.Grant("g", "a", "human", "folder", "docs", "", 1)),
    )
    kernel.change(msgspec.msgpack.encode(changes), NOW)
    opened = log_records.LogOpened(
        backend="python",
        cut_bytes=0,
        format=log_records.FORMAT,
        key_id=kernel.key_id,
        layers=(),
        public_key=kernel.public_key.hex(),
        time=NOW,
        version="0",
    )
    permit, denial = _decide(kernel, run, 0, "docs"), _decide(kernel, run, 1, "secrets")
    log = LogFile.open(folder, "os", kernel if seal else None)
    log.append(
        [
            opened,
            *(change_of(each, wire.Changed("", "", 0), by="h", time=NOW) for each in changes),
            log_records.RunOpened(agent="a", intent_digest=DIGEST, run=run, task="", time=NOW),
            permit,
            _outcome(permit),
            denial,
            log_records.RunClosed(run=run, status="denied", time=NOW),
            log_records.Refusal(
                action_id="", code="permit_forged", permit_digest=DIGEST, sentence="", time=NOW
            ),
        ]
    )
    log.close()
    return folder / "log.jsonl"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sealed log of twelve records; signatures that were checked once are not computed again."""
    for module, name in ((rules, "verify_signed"), (notes, "verify_checkpoint")):
        monkeypatch.setattr(module, name, cache(getattr(backends, name)))
    return _write(tmp_path / "log", "r")


@pytest.fixture
def lines(log: Path) -> list[bytes]:
    """Its lines."""
    return log.read_bytes().splitlines(keepends=True)


def _bad(log: Path, lines: list[bytes]) -> Bad:
    log.write_bytes(b"".join(lines))
    bad = verify(log).bad
    assert bad is not None
    return bad


def test_the_untouched_log_verifies(log: Path) -> None:
    """The log that the others attack is whole and sealed."""
    report = verify(log)
    assert (report.bad, report.sealed, report.records) == (None, True, 12)


@pytest.mark.parametrize("flip", [0x01, 0x20])
def test_every_changed_byte_is_found_at_its_record(
    log: Path, lines: list[bytes], flip: int
) -> None:
    """Change any one byte of the log, and the record that it belongs to is named."""
    offset = 0
    with log.open("r+b", buffering=0) as file:
        for index, line in enumerate(lines):
            for place, byte in enumerate(line, offset):
                file.seek(place)
                file.write(bytes([byte ^ flip]))
                bad = verify(log).bad
                assert bad is not None, place
                assert (bad.index, bad.offset) == (index, offset), place
                file.seek(place)
                file.write(bytes([byte]))
            offset += len(line)
    assert verify(log).ok


def test_a_cut_anywhere_is_told(log: Path, lines: list[bytes]) -> None:
    """Cut in a line, the log is torn at that record; cut between lines, it is not sealed."""
    ends, size = {0}, 0
    for line in lines:
        size += len(line)
        ends.add(size)
    for end in range(size - 1, -1, -1):
        with log.open("r+b") as file:
            file.truncate(end)
        report = verify(log)
        assert not report.sealed
        if end in ends and end:
            assert report.ok, end
        else:
            assert report.bad is not None, end
            assert report.bad.index == sum(border <= end for border in ends) - 1


@pytest.mark.parametrize("index", range(12))
def test_a_deleted_record_is_found(log: Path, lines: list[bytes], index: int) -> None:
    """Delete any record, and the gap is named; delete the last, and the seal is gone."""
    log.write_bytes(b"".join(lines[:index] + lines[index + 1 :]))
    report = verify(log)
    if index == 11:
        assert (report.ok, report.sealed) == (True, False)
    else:
        assert report.bad is not None
        assert report.bad.index == index


@pytest.mark.parametrize("source", range(12))
def test_a_repeated_record_is_found(log: Path, lines: list[bytes], source: int) -> None:
    """Insert a copy of any record anywhere, and it is found where it stands or just behind."""
    for place in range(13):
        bad = _bad(log, [*lines[:place], lines[source], *lines[place:]])
        assert bad.index == (place + 1 if place == source else place)


@pytest.mark.parametrize("first", range(12))
def test_swapped_records_are_found(log: Path, lines: list[bytes], first: int) -> None:
    """Swap any two records, and the first of the two places is named."""
    for second in range(first + 1, 12):
        swapped = list(lines)
        swapped[first], swapped[second] = lines[second], lines[first]
        assert _bad(log, swapped).index == first


@pytest.mark.parametrize("place", range(4, 12))
def test_spliced_logs_are_found(log: Path, lines: list[bytes], tmp_path: Path, place: int) -> None:
    """The beginning of one log and the end of another do not make a third, even under one key.

    Both begin with the same three records.
    """
    other = _write(tmp_path / "other", "q").read_bytes().splitlines(keepends=True)
    assert _bad(log, [*lines[:place], *other[place:]]).index == place


def test_a_record_put_in_with_true_sums_breaks_the_checkpoint(
    log: Path, lines: list[bytes]
) -> None:
    """Somebody who computes every later sum anew still has no signature over them."""
    bare = [line[line.index(b'"record":') + 9 : line.rindex(b',"sum"')] for line in lines]
    refusal = bare[8].replace(b'"sentence":""', b'"sentence":"x"')
    head = "0" * 64
    forged = []
    for index, record in enumerate([*bare[:8], refusal, *bare[9:]]):
        line, head = make_line(index, head, record)
        forged.append(line)
    bad = _bad(log, forged)
    told = "the checkpoint has another root than the records before it"
    assert (bad.index, bad.problem) == (9, told)


def test_another_log_in_its_place_is_found_by_who_knows_the_key(log: Path) -> None:
    """A whole log under another key verifies by itself, but not against the key that was meant."""
    meant = make_kernel("python", seed=b"t" * 32, entropy=b"e" * 32).public_key
    assert verify(log).ok
    report = verify(log, meant)
    assert report.bad is not None
    assert report.bad.index == 0


def test_what_follows_a_seal_belongs_to_a_new_session(log: Path, lines: list[bytes]) -> None:
    """A true line after the seal, with index and chain in order, is found."""
    head = sha256(b"\0" + lines[11][: lines[11].rindex(b',"sum"')]).hexdigest()
    bare = lines[8][lines[8].index(b'"record":') + 9 : lines[8].rindex(b',"sum"')]
    added, _ = make_line(12, head, bare)
    assert _bad(log, [*lines, added]).index == 12
