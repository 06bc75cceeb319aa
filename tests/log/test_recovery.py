"""A log that its writer left behind: what is there stays, what was in flight is ended."""

from __future__ import annotations

import errno
from io import BytesIO
from typing import TYPE_CHECKING

import msgspec
import pytest

from authgate_async.errors import LogCorruptError, LogUnavailableError
from authgate_async.log import recovery, writer
from authgate_async.log.growth import End
from authgate_async.log.lines import read_line
from authgate_async.log.records import Outcome, Record, RunClosed, decode_record
from authgate_async.log.recovery import recover
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Scribe


def records(file: Path) -> list[Record]:
    """What the file holds."""
    lines = file.read_bytes().splitlines(keepends=True)
    return [decode_record(read_line(raw).record) for raw in lines]


def leave(log: LogFile) -> None:
    """Let go of a log as a process does that is killed."""
    log._storage.close()  # type: ignore[union-attr]


def begin(scribe: Scribe, folder: Path, *more: Record) -> Path:
    """Write a session that is never closed."""
    log = LogFile.open(folder, "os", scribe.kernel)
    log.append([scribe.opened(log.cut_bytes), *scribe.changes, *more])
    leave(log)
    return folder / "log.jsonl"


def go_on(scribe: Scribe, folder: Path) -> list[Record]:
    """Open the log again, close it in order, and return what the second session wrote."""
    file = folder / "log.jsonl"
    before = file.read_bytes().count(b"\n")
    log = LogFile.open(folder, "os", scribe.kernel)
    log.append([scribe.opened(log.cut_bytes)])
    log.close()
    report = verify(folder, scribe.kernel.public_key)
    assert (report.bad, report.sealed) == (None, True)
    return records(file)[before:]


class _Counted(BytesIO):
    """Bytes that know how many of them were read."""

    taken = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line."""
        line = super().readline(size)
        self.taken += len(line)
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        """Read the rest."""
        data = super().read(size)
        self.taken += len(data)
        return data


def _whole(data: bytes) -> End:
    end = End()
    for raw in data.splitlines(keepends=True):
        end.follow(read_line(raw))
    return end


def _same(one: End, other: End) -> bool:
    return (one.head, one.origin, one.tree.nodes) == (other.head, other.origin, other.tree.nodes)


def test_a_sealed_log_is_opened_without_being_read(scribe: Scribe, tmp_path: Path) -> None:
    """Its ends tell all; the tree goes on as if every line had been read."""
    data = scribe.write(tmp_path, *[f"r{n}" for n in range(30)]).read_bytes()
    stream = _Counted(data)
    found = recover(stream, 0)
    assert (_same(found.end, _whole(data)), found.places, found.records) == (True, {}, ())
    assert stream.taken < 2**14 + 1000 < len(data) / 4


def test_a_log_without_a_seal_is_read_whole(scribe: Scribe, tmp_path: Path) -> None:
    """Wherever between two lines it ends, the tree is the one over all lines that are there."""
    lines = scribe.write(tmp_path, "r").read_bytes().splitlines(keepends=True)
    for count in range(len(lines) + 1):
        data = b"".join(lines[:count])
        assert _same(recover(BytesIO(data), 0).end, _whole(data))


def test_nodes_that_lie_are_not_believed(scribe: Scribe, tmp_path: Path) -> None:
    """A seal whose nodes do not lead to the root of its checkpoint tells nothing."""
    file = scribe.write(tmp_path, "r")
    *rest, seal, checkpoint = records(file)
    forged = [*rest, msgspec.structs.replace(seal, nodes="00" * 96), checkpoint]
    end = End()
    data = b"".join(end.grow(msgspec.json.encode(record, order="sorted")) for record in forged)
    assert _same(recover(BytesIO(data), 0).end, _whole(data))


def test_what_was_in_flight_is_ended(scribe: Scribe, tmp_path: Path) -> None:
    """A call without outcome is interrupted, an open run closed, right behind `log_opened`."""
    begin(scribe, tmp_path, *scribe.run("done"), *scribe.run("r")[:2], scribe.run_opened("q"))
    _, outcome, r, q, *_ = go_on(scribe, tmp_path)
    assert isinstance(outcome, Outcome)
    assert (outcome.action_id, outcome.cause, outcome.run_seq) == ("r:0", "interrupted", 2)
    ends = [(end.run, end.status, end.run_seq, end.steps) for end in (r, q)]  # type: ignore[union-attr]
    assert ends == [("r", "interrupted", 3, 1), ("q", "interrupted", 1, 0)]
    report = verify(tmp_path)
    assert (report.open_runs, report.without_outcome) == (0, 0)


def test_a_call_that_outlived_its_run_is_ended(scribe: Scribe, tmp_path: Path) -> None:
    """A run that was closed gets the outcome that it owes, and no second closing record."""
    begin(scribe, tmp_path, *scribe.run("r")[:2], scribe.closed("r"))
    _, outcome, checkpoint, *_ = go_on(scribe, tmp_path)
    assert isinstance(outcome, Outcome)
    assert (outcome.cause, outcome.run_seq) == ("interrupted", 3)
    assert not isinstance(checkpoint, RunClosed)


@pytest.mark.parametrize(
    ("code", "ended"), [("permit_expired", 0), ("permit_stale", 0), ("permit_replayed", 1)]
)
def test_a_permit_that_was_refused_started_nothing(
    scribe: Scribe, tmp_path: Path, code: str, ended: int
) -> None:
    """It needs no outcome, unless what was refused was its second use."""
    refusal = msgspec.structs.replace(scribe.refusal(), action_id="r:0", code=code)
    begin(scribe, tmp_path, *scribe.run("r")[:2], refusal)
    assert sum(isinstance(record, Outcome) for record in go_on(scribe, tmp_path)) == ended


def test_a_seal_leaves_nothing_in_flight(scribe: Scribe, tmp_path: Path) -> None:
    """What a closed session left open stays so: its process ended in order."""
    log = LogFile.open(tmp_path, "os", scribe.kernel)
    log.append([scribe.opened(), *scribe.changes, *scribe.run("r")[:2]])
    log.close()
    assert len(go_on(scribe, tmp_path)) == 4
    begin(scribe, tmp_path)
    assert len(go_on(scribe, tmp_path)) == 4
    assert verify(tmp_path).open_runs == 1


def test_a_session_that_ends_another_may_die_too(scribe: Scribe, tmp_path: Path) -> None:
    """Killed in the middle of ending a run, the one after it ends what is left."""
    file = begin(scribe, tmp_path, *scribe.run("r")[:2], *scribe.run("q")[:2])
    size = file.stat().st_size
    whole = begin(scribe, tmp_path).read_bytes()
    for more in range(1, 5):
        kept = b"".join(whole[size:].splitlines(keepends=True)[:more])
        file.write_bytes(whole[:size] + kept)
        ended = [r for r in go_on(scribe, tmp_path) if isinstance(r, Outcome | RunClosed)]
        assert len(ended) == 4 - (more - 1)
        assert (verify(tmp_path).open_runs, verify(tmp_path).without_outcome) == (0, 0)


def test_a_run_of_that_name_may_begin_again(scribe: Scribe, tmp_path: Path) -> None:
    """What was interrupted is over."""
    begin(scribe, tmp_path, *scribe.run("r")[:2])
    begin(scribe, tmp_path, *scribe.run("r")[:2])
    go_on(scribe, tmp_path)
    assert (verify(tmp_path).runs, verify(tmp_path).open_runs) == (2, 0)


def test_only_so_many_late_calls_are_remembered(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed runs whose permits were never used do not fill memory."""
    monkeypatch.setattr(recovery, "MAX_LATE", 2)
    runs = [[*scribe.run(name)[:2], scribe.closed(name)] for name in ("a", "b", "c")]
    file = begin(scribe, tmp_path, *(record for run in runs for record in run))
    with file.open("rb") as stream:
        assert list(recover(stream, 0).places) == ["b", "c"]


@pytest.mark.parametrize("index", [0, 5, 11])
def test_a_damaged_log_is_not_continued(scribe: Scribe, tmp_path: Path, index: int) -> None:
    """Where the log was not sealed, every line must be true before another is added."""
    file = begin(scribe, tmp_path, *scribe.run("r"))
    lines = file.read_bytes().splitlines(keepends=True)
    damaged = [*lines[:index], lines[index].replace(b'"', b"'", 1), *lines[index + 1 :]]
    for content in (damaged, lines[:index] + lines[index + 1 :]):
        file.write_bytes(b"".join(content))
        if content[-1] == lines[-1]:
            with pytest.raises(LogCorruptError, match="cannot be continued"):
                LogFile.open(tmp_path, "os", scribe.kernel)
            assert file.read_bytes() == b"".join(content)


def test_a_log_cut_at_any_byte_goes_on(scribe: Scribe, tmp_path: Path) -> None:
    """Whole lines stay, the torn one is cut and told, and the log that goes on verifies."""
    whole = begin(scribe, tmp_path, *scribe.run("r")[:3]).read_bytes()
    file = tmp_path / "log.jsonl"
    for size in range(len(whole) + 1):
        file.write_bytes(whole[:size])
        log = LogFile.open(tmp_path, "os", scribe.kernel)
        kept = whole.rfind(b"\n", 0, size) + 1
        assert (log.cut_bytes, log.count) == (size - kept, whole[:kept].count(b"\n"))
        log.append([scribe.opened(log.cut_bytes)])
        leave(log)
        assert file.read_bytes().startswith(whole[:kept])
        assert verify(tmp_path, scribe.kernel.public_key).bad is None


def test_a_disk_that_cannot_be_read_is_told_and_gives_the_lock_back(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log is not begun anew because its lines could not be read."""
    begin(scribe, tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(writer, "recover", fail)
    with pytest.raises(LogUnavailableError, match="cannot be read: Input/output error"):
        LogFile.open(tmp_path, "os", scribe.kernel)
    monkeypatch.undo()
    LogFile.open(tmp_path, "os", scribe.kernel).close()
