"""A log that changes its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate_async.errors import UsageError
from authgate_async.keys import key_id
from authgate_async.log.handover import hand_over
from authgate_async.log.records import KeyChanged
from authgate_async.log.verify import Bad, verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Scribe

OURS, THEIRS = b"s" * 32, b"x" * 32
"""The seeds of the scribe and of the stranger."""


def test_a_log_that_was_handed_over_verifies_under_its_first_key(
    scribe: Scribe, stranger: Scribe, tmp_path: Path
) -> None:
    """Old sessions under the old key, new ones under the one that it named."""
    scribe.write(tmp_path, "r")
    hand_over(tmp_path, OURS, stranger.kernel.public_key)
    stranger.write(tmp_path, "s")
    report = verify(tmp_path, scribe.kernel.public_key)
    assert (report.bad, report.sessions, report.sealed) == (None, 3, True)
    assert report.key == stranger.kernel.public_key.hex()
    hand_over(tmp_path, THEIRS, scribe.kernel.public_key)
    scribe.write(tmp_path, "t")
    assert verify(tmp_path, scribe.kernel.public_key).ok


def _bad(folder: Path, key: bytes) -> Bad:
    bad = verify(folder, key).bad
    assert bad is not None
    return bad


def test_the_old_key_is_over(scribe: Scribe, stranger: Scribe, tmp_path: Path) -> None:
    """Who took the old key cannot go on with it, and who has only the new one has no past."""
    scribe.write(tmp_path, "r")
    hand_over(tmp_path, OURS, stranger.kernel.public_key)
    size = verify(tmp_path).records
    scribe.write(tmp_path, "s")
    assert _bad(tmp_path, scribe.kernel.public_key).index == size
    assert _bad(tmp_path, stranger.kernel.public_key).index == 0


def test_only_the_logs_own_key_can_hand_it_over(
    scribe: Scribe, stranger: Scribe, tmp_path: Path
) -> None:
    """Another key is refused, and a session that it writes all the same is found."""
    size = scribe.write(tmp_path, "r").stat().st_size
    with pytest.raises(UsageError, match="under another key"):
        hand_over(tmp_path, THEIRS, stranger.kernel.public_key)
    assert (tmp_path / "log.jsonl").stat().st_size == size


def _changed(scribe: Scribe, to: Scribe) -> list[object]:
    key = to.kernel.public_key
    return [scribe.opened(), KeyChanged(key_id=key_id(key), public_key=key.hex(), time=0)]


def test_a_hand_over_that_the_old_key_did_not_sign_is_none(
    scribe: Scribe, stranger: Scribe, tmp_path: Path
) -> None:
    """Without a checkpoint over it, anybody may have put it behind the log."""
    log = LogFile.open(tmp_path, "os")
    log.append(_changed(scribe, stranger))  # type: ignore[arg-type]
    log.close()
    stranger.write(tmp_path, "r")
    assert _bad(tmp_path, scribe.kernel.public_key).index == 2
    assert verify(tmp_path).ok


def test_a_hand_over_names_a_key_by_its_id(
    scribe: Scribe, stranger: Scribe, tmp_path: Path
) -> None:
    """Key and id belong together, as where a session opens."""
    log = LogFile.open(tmp_path, "os", scribe.kernel)
    wrong = KeyChanged(key_id="0" * 16, public_key=stranger.kernel.public_key.hex(), time=0)
    log.append([scribe.opened(), wrong])
    log.close()
    assert "`key_id` is not that" in _bad(tmp_path, scribe.kernel.public_key).problem
