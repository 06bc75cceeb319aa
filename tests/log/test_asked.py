"""Which calls of a log wait for a human."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authgate_async import wire
from authgate_async.errors import LogCorruptError
from authgate_async.log.asked import questions
from authgate_async.log.lines import FIRST, make_line
from authgate_async.log.writer import LogFile
from authgate_async.reference.approvals import approval_statement
from authgate_async.reference.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Scribe

NOW = 1_700_000_000_000_000
K = Signer(b"k" * 32)

Records = list[Any]
Shown = list[tuple[str, tuple[str, ...]]]


@pytest.fixture
def begun(scribe: Scribe) -> Records:
    """A session in which `k` must approve, and two runs that ask for it."""
    grant = wire.Grant("safe", "a", "machine", "folder", "safe", "", 1, approvers=("k",))
    changes = [scribe.change(wire.Enrol("k", "human", K.public_key))]
    changes.append(scribe.change(wire.Register(grant)))
    asked = [each for run in ("r", "s") for each in (scribe.run_opened(run), scribe.asked(run, 0))]
    return [scribe.opened(), *scribe.changes, *changes, *asked]


@pytest.fixture
def ask(scribe: Scribe, tmp_path: Path) -> Callable[..., Shown]:
    """Write records; return which calls wait at a time, each with who has approved it."""

    def written(records: Records, now: int = NOW) -> Shown:
        log = LogFile.open(tmp_path / "log", "os", scribe.kernel)
        log.append(records)
        found = questions(tmp_path / "log" / "log.jsonl", now)
        log.close()
        assert questions(tmp_path / "log" / "log.jsonl", now) == []  # it is sealed
        return [(one.call.action_id, one.approved) for one in found]

    return written


def _approval(scribe: Scribe, asked: Any) -> Any:
    digest, instance = bytes.fromhex(asked.action_digest), bytes.fromhex(asked.instance)
    bare = wire.Approve(instance, digest, "k", NOW + 5, b"n" * 16, b"")
    return scribe.change(replace(bare, signature=K.sign(approval_statement(bare))))


def test_what_was_asked_and_not_answered_waits(ask: Any, begun: Records) -> None:
    """In the order in which it was asked."""
    assert ask(begun) == [("r:0", ()), ("s:0", ())]


def test_what_was_answered_does_not(ask: Any, begun: Records, scribe: Scribe) -> None:
    """By a decision on the step, or by turning it away."""
    given = _approval(scribe, begun[-3])
    assert ask([*begun, given, scribe.intent("r", 0, "safe")]) == [("s:0", ())]


def test_what_was_turned_away_does_not(ask: Any, begun: Records, scribe: Scribe) -> None:
    """Nobody came in time."""
    assert ask([*begun, scribe.rejected("s", 0)]) == [("r:0", ())]


def test_what_ended_with_its_run_does_not(ask: Any, begun: Records, scribe: Scribe) -> None:
    """It was cancelled; other runs go on."""
    assert ask([*begun, scribe.closed("r")]) == [("s:0", ())]


def test_a_session_after_it_ends_it(
    ask: Any, begun: Records, scribe: Scribe, tmp_path: Path
) -> None:
    """Whoever asked was killed; the next one records that the runs were interrupted, or not yet."""
    killed = LogFile.open(tmp_path / "log", "os", None)
    killed.append(begun)
    killed.close()
    assert [one.call.action_id for one in questions(tmp_path / "log" / "log.jsonl", NOW)] == [
        "r:0",
        "s:0",
    ]
    assert ask([scribe.opened()]) == []


def test_its_deadline_ends_it(ask: Any, begun: Records) -> None:
    """Also where nobody has recorded that."""
    assert ask(begun, NOW + 9) == []


def test_who_has_approved_is_told(ask: Any, begun: Records, scribe: Scribe) -> None:
    """A refused approval is none."""
    given = _approval(scribe, begun[-3])
    refused = replace(_approval(scribe, begun[-1]), code="approval_used")
    assert ask([*begun, given, refused]) == [("r:0", ("k",)), ("s:0", ())]


def test_a_record_that_is_none_is_told(tmp_path: Path) -> None:
    """With its number, in a log whose chain is whole."""
    line, _ = make_line(0, FIRST, b'{"kind":"approval_asked"}')
    (tmp_path / "log.jsonl").write_bytes(line)
    with pytest.raises(LogCorruptError, match="record 0: "):
        questions(tmp_path / "log.jsonl", NOW)
