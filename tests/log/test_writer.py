from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from authgate_async.errors import ClosedError, UsageError
from authgate_async.log import numbering
from authgate_async.log.lines import MAX_RECORD, read_line
from authgate_async.log.records import Checkpoint, Sealed, decode_record, encode_record
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from conftest import Scribe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log folder that is not there yet."""
    return tmp_path / "logs" / "one"


def records(file: Path) -> list[object]:
    """What the file holds."""
    lines = file.read_bytes().splitlines(keepends=True)
    return [decode_record(read_line(raw).record) for raw in lines]


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_records_are_in_the_file_in_order(scribe: Scribe, folder: Path, durability: str) -> None:
    """What was appended is in the file when `append` returns."""
    log = LogFile.open(folder, durability)  # type: ignore[arg-type]
    assert log.append([scribe.opened(), scribe.refusal()]) == 0
    assert log.append([scribe.refusal()]) == 2
    assert records(folder / "log.jsonl") == [scribe.opened(), scribe.refusal(), scribe.refusal()]
    log.close()


def test_folder_and_files_are_private(scribe: Scribe, folder: Path) -> None:
    """Nobody else can read a log."""
    scribe.write(folder)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (folder, *sorted(folder.iterdir()))]
    assert modes == [0o700, 0o600, 0o600]


def test_a_written_log_verifies_sealed(scribe: Scribe, folder: Path) -> None:
    """A log of whole runs that was closed in order has nothing to object to."""
    report = verify(scribe.write(folder, "r1", "r2"))
    assert (report.bad, report.sealed, report.runs, report.open_runs) == (None, True, 2, 0)


def test_a_log_goes_on_after_reopening(scribe: Scribe, folder: Path) -> None:
    """A second session continues the chain of the first, sealed or not."""
    for seal in (True, False, True):
        scribe.write(folder, "r", seal=seal)
    report = verify(folder)
    assert (report.bad, report.sessions, report.sealed) == (None, 3, True)


def test_closing_twice_or_without_records_changes_nothing(scribe: Scribe, folder: Path) -> None:
    """A seal is written once, and only over something new."""
    size = scribe.write(folder).stat().st_size
    log = LogFile.open(folder, "os")
    log.close()
    log.close()
    assert (folder / "log.jsonl").stat().st_size == size


def test_a_seal_is_written_once(scribe: Scribe) -> None:
    """Closing again after a session with records adds no second seal."""
    log = LogFile.open(None, "memory", scribe.kernel)
    log.append([scribe.opened()])
    assert log.count == 2
    log.close()
    log.close()
    assert log.count == 4


def test_a_closed_log_takes_nothing(scribe: Scribe, folder: Path) -> None:
    """Appending after closing is an error that says so."""
    log = LogFile.open(folder, "os")
    log.close()
    with pytest.raises(ClosedError, match="open it again"):
        log.append([scribe.opened()])


class _Failing:
    """A signer that signs once."""

    def __init__(self, scribe: Scribe) -> None:
        self._kernel = scribe.kernel
        self._left = 1
        self.public_key = scribe.kernel.public_key

    def sign_checkpoint(self, origin: str, size: int, root: bytes) -> bytes:
        """Sign, or fail."""
        self._left -= 1
        return (
            self._kernel.sign_checkpoint(origin, size, root) if self._left >= 0 else bytes(1 // 0)
        )


def test_the_folder_is_free_after_a_seal_that_failed(scribe: Scribe, folder: Path) -> None:
    """Closing lets go of the lock whatever happens."""
    log = LogFile.open(folder, "os", _Failing(scribe))
    log.append([scribe.opened()])
    with pytest.raises(ZeroDivisionError):
        log.close()
    LogFile.open(folder, "os").close()


def test_runs_are_numbered_densely_across_appends(scribe: Scribe, folder: Path) -> None:
    """Interleaved runs get their own numbers, and the closing record the count of steps."""
    log = LogFile.open(folder, "os")
    log.append([scribe.opened(), *scribe.changes, *scribe.run("a")[:2], *scribe.run("b")[:1]])
    log.append([*scribe.run("b")[3:4], *scribe.run("a")[2:]])
    log.append([scribe.closed("b")])
    log.close()
    found = records(folder / "log.jsonl")[5:]
    numbers = [(r.run, r.run_seq) for r in found]  # type: ignore[attr-defined]
    assert sorted(numbers) == [("a", n) for n in range(6)] + [("b", n) for n in range(3)]
    assert [r.steps for r in found if hasattr(r, "steps")] == [3, 1]
    assert verify(folder).bad is None


def test_a_bad_group_is_left_out_whole_and_holds_up_nobody(scribe: Scribe, folder: Path) -> None:
    """Of several senders, only the one with a bad record is refused."""
    log = LogFile.open(folder, "os")
    log.append([scribe.opened(), *scribe.changes])
    bad = msgspec.structs.replace(scribe.refusal(), sentence="\ud800")
    answers = log.append_groups([scribe.run("a"), [scribe.run_opened("b"), bad], scribe.run("b")])
    assert [isinstance(answer, UsageError) for answer in answers] == [False, True, False]
    assert (answers[0], answers[2], log.count) == (5, 11, 17)
    log.close()
    assert verify(folder).bad is None


@pytest.mark.parametrize(
    ("first", "second"), [("closed", "x"), ("intent", "x"), ("rejected", "x"), ("run_opened", "r")]
)
def test_what_would_break_the_log_is_refused(
    scribe: Scribe, folder: Path, first: str, second: str
) -> None:
    """A record of a run that is not open, or a second opening, is not written."""
    log = LogFile.open(folder, "os")
    log.append([scribe.opened(), scribe.run_opened("r")])
    extra = (1,) if first in ("intent", "rejected") else ()
    with pytest.raises(UsageError, match=f"run `{second}` is"):
        log.append([getattr(scribe, first)(second, *extra)])
    log.close()
    assert verify(folder).records == 2


def test_an_outcome_may_come_after_the_end_of_its_run(scribe: Scribe, folder: Path) -> None:
    """It gets the next number; a second one, or another record of the run, is refused."""
    opened, intent, outcome, *_ = scribe.run("r")
    log = LogFile.open(folder, "os")
    log.owing.add("r")
    log.append([scribe.opened(), *scribe.changes, opened, intent, scribe.closed("r")])
    with pytest.raises(UsageError, match="not open"):
        log.append([scribe.rejected("r", 1)])
    with pytest.raises(UsageError, match="open already"):
        log.append([opened])
    log.append([outcome])
    with pytest.raises(UsageError, match="not open"):
        log.append([outcome])
    log.close()
    report = verify(folder)
    assert (report.bad, report.records, report.without_outcome) == (None, 9, 0)


def test_an_outcome_that_no_permit_waits_for_is_refused(scribe: Scribe, folder: Path) -> None:
    """An outcome without its intent would spoil the log."""
    opened, intent, outcome, *_ = scribe.run("r")
    log = LogFile.open(folder, "os")
    log.append([scribe.opened(), opened])
    with pytest.raises(UsageError, match="owes no outcome"):
        log.append([outcome])
    log.append([intent, outcome])
    with pytest.raises(UsageError, match="owes no outcome"):
        log.append([outcome])
    log.close()


def test_what_is_owed_for_ever_does_not_fill_memory(
    scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of closed runs only those are remembered whose outcomes may come, and only so many."""
    monkeypatch.setattr(numbering, "MAX_LATE", 2)
    log = LogFile.open(None, "memory")
    log.append([scribe.opened()])
    log.owing.update("abcx")
    for run in ("a", "b", "c", "d"):
        whole = scribe.run(f"whole-{run}")
        log.append([*scribe.run(run)[:2], *whole[:1]])
        log.append([scribe.closed(run), *whole[1:]])
    assert (list(log._numbering._late), log._numbering._open) == (["b", "c"], {})
    for run in "bc":
        log.append([scribe.outcome(scribe.intent(run, 0))])
    assert (log._numbering._late, log.owing) == ({}, {"x"})
    with pytest.raises(UsageError, match="run `d` is not open"):
        log.append([scribe.outcome(scribe.intent("d", 0))])


def test_a_session_begins_with_log_opened_once(scribe: Scribe, folder: Path) -> None:
    """Without its opening record, or with a second one, nothing is written."""
    log = LogFile.open(folder, "os")
    with pytest.raises(UsageError, match="log_opened"):
        log.append([scribe.refusal()])
    log.append([scribe.opened()])
    with pytest.raises(UsageError, match="log_opened"):
        log.append([scribe.refusal(), scribe.opened()])
    for ours in (Sealed(nodes="", time=0), Checkpoint(note="")):
        with pytest.raises(UsageError, match="the writer's"):
            log.append([ours])
    assert log.count == 1
    log.close()


def test_a_record_too_long_for_a_line_is_refused(scribe: Scribe, folder: Path) -> None:
    """The longest record is written and verifies; one byte more is refused."""
    log = LogFile.open(folder, "os")
    log.append([scribe.opened()])
    bare = msgspec.structs.replace(scribe.refusal(), sentence="")
    longest = "x" * (MAX_RECORD - len(encode_record(bare)))
    with pytest.raises(UsageError, match="shorten it"):
        log.append([msgspec.structs.replace(bare, sentence=longest + "x")])
    log.append([msgspec.structs.replace(bare, sentence=longest)])
    log.close()
    LogFile.open(folder, "os").close()
    assert (verify(folder).bad, verify(folder).records) == (None, 2)


def test_appending_nothing_writes_nothing(scribe: Scribe, folder: Path) -> None:
    """An empty append gives the next index."""
    log = LogFile.open(folder, "os")
    assert log.append([]) == 0
    log.append([scribe.opened()])
    assert (log.append([]), log.append_groups([]), log.count) == (1, [], 1)
    log.close()


def test_threads_take_turns(scribe: Scribe, folder: Path) -> None:
    """Appends from several threads at once give one unbroken chain."""
    log = LogFile.open(folder, "os")
    log.append([scribe.opened(), *scribe.changes])
    runs = [scribe.run(f"r{n}") for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        firsts = sorted(pool.map(log.append, runs))
    log.close()
    assert firsts == [5 + 6 * n for n in range(64)]
    assert verify(folder).bad is None


def test_memory_keeps_the_chain_and_no_file(scribe: Scribe, tmp_path: Path) -> None:
    """A log in memory has the same sums as one on disk."""
    file = scribe.write(tmp_path / "log", "r", seal=False)
    log = LogFile.open(None, "memory")
    log.append([scribe.opened(), *scribe.changes, *scribe.run("r"), scribe.refusal()])
    assert log.head == read_line(file.read_bytes().splitlines(keepends=True)[-1]).sum
    log.close()
    assert log.count == 12


@pytest.mark.parametrize(
    ("folder_", "durability", "message"),
    [
        (Path("x"), "memory", "no folder"),
        (None, "os", "needs a folder"),
        (None, "none", "none of"),
    ],
)
def test_contradictory_settings_are_refused(
    folder_: Path | None, durability: str, message: str
) -> None:
    """Nothing is guessed about where a log should be."""
    with pytest.raises(UsageError, match=message):
        LogFile.open(folder_, durability)  # type: ignore[arg-type]
