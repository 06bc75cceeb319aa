"""Many lines at once: the same answers as one by one."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from authgate_async import wire
from authgate_async.backends import scanner
from authgate_async.log import scanning
from authgate_async.log.entries import intent_of
from authgate_async.log.lines import FIRST, make_line
from authgate_async.log.records import MAX_INT, Intent, Outcome, encode_record
from authgate_async.log.verify import Report, verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from authgate_async.log.records import Record
    from conftest import Scribe


def chained(records: Sequence[Record]) -> bytes:
    """A log of these records, with a true chain."""
    lines, head = [], FIRST
    for index, record in enumerate(records):
        line, head = make_line(index, head, encode_record(record))
        lines.append(line)
    return b"".join(lines)


def seen(*records: Record) -> list[tuple[Any, ...] | None]:
    """What is seen of records in lines of their own."""
    scan = scanner()
    assert scan is not None
    return scan(chained(records), 0, FIRST).seen()


def both(log: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Report, Report]:
    """Verify with many lines at once, and one by one."""
    fast = verify(log)
    with monkeypatch.context() as patch:
        patch.setattr(scanning, "scanner", lambda: None)
        return fast, verify(log)


@pytest.fixture
def small(scribe: Scribe, tmp_path: Path) -> Path:
    """A log of two runs, as the writer leaves it."""
    path = tmp_path / "log.jsonl"
    one, two = scribe.run("r"), scribe.run("s")
    mixed = [each for pair in itertools.zip_longest(one, two) for each in pair if each]
    path.write_bytes(chained([scribe.opened(), *scribe.changes, *mixed]))
    return path


def test_every_changed_byte_is_told_alike(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Place, sentence and counts are the same, whichever way the log is read."""
    whole = small.read_bytes()
    for at in range(0, len(whole), 7):
        small.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        fast, slow = both(small, monkeypatch)
        assert fast == slow
        assert fast.bad is not None


def test_every_cut_is_told_alike(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the middle of a line, and with pieces shorter than a line."""
    whole = small.read_bytes()
    for size, cut in itertools.product((64, 2**12, 2**17), range(0, len(whole), 211)):
        monkeypatch.setattr(scanning, "PIECE", size)
        small.write_bytes(whole[:cut])
        fast, slow = both(small, monkeypatch)
        assert fast == slow


def _variants(record: Record) -> list[Record]:
    """A record with each field of another value of its type."""
    other = {int: 3, str: "0" * 64, tuple: ()}
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return [
        replace(record, **{name: other[type(value)]})
        for name, value in fields.items()
        if type(value) in other and value != other[type(value)]
    ]


def test_a_forger_who_mends_every_sum_is_told_alike(
    small: Path, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each field of an intent and of an outcome in turn, in a chain that is true again."""
    before = [scribe.opened(), *scribe.changes]
    run = scribe.run("r")
    place = next(at for at, each in enumerate(run) if isinstance(each, Outcome))
    for at in (place - 1, place):
        for forged in _variants(run[at]):
            try:
                small.write_bytes(chained([*before, *run[:at], forged, *run[at + 1 :]]))
            except Exception:  # noqa: BLE001, S112 - a value that no record can have
                continue
            fast, slow = both(small, monkeypatch)
            assert fast == slow, forged


TEXTS = st.text(max_size=8) | st.sampled_from(['"', "\\", "\x00\x1f\b\t\n\f\r\x7f", "é\u2028𝄞", ""])
INTS = st.integers(0, MAX_INT) | st.sampled_from([0, MAX_INT])


@given(name=TEXTS, run=TEXTS, other=TEXTS, seq=INTS, number=st.integers(0, 2**63 - 1))
@settings(max_examples=200, deadline=None)
def test_an_intent_is_seen_whatever_its_texts_and_numbers_are(
    name: str, run: str, other: str, seq: int, number: int
) -> None:
    """Its canonical form is the encoder's, for all characters and up to the largest integer."""
    request = wire.Request(name, other, run, number)
    verdict = wire.Verdict(
        action_id=f"{run}:{seq}",
        action_digest=b"d" * 32,
        actor=name,
        kind="machine",
        tool=other,
        args_digest=b"a" * 32,
        requests=(request, request),
        permitted=False,
        violations=(("no_grant", name), ("budget", other)),
        warnings=((other, name),),
        confidence=0,
        requires_human_arbitration=True,
        chains=(),
        epoch=number,
        nonce=b"n" * 16,
        issued_at=number,
        expires_at=number,
        instance=b"i" * 16,
    )
    signed = wire.SignedVerdict(msgspec.msgpack.encode(verdict), 0, 1, b"", b"s" * 64)
    record = intent_of(signed, verdict, run=run, seq=seq, run_seq=seq)
    (found,) = seen(record)
    assert found is not None
    assert found[:6] == (run, seq, seq, name, False, (b"d" * 32).hex())


@given(texts=st.lists(TEXTS, max_size=3), numbers=st.lists(INTS, min_size=5, max_size=5))
@settings(max_examples=100, deadline=None)
def test_an_outcome_is_seen_whatever_its_texts_and_numbers_are(
    texts: list[str], numbers: list[int]
) -> None:
    """As an intent, where its run and its call are spelled as themselves."""
    digest, strings = "0a" * 32, tuple(texts)
    cpu, memory, seq, time, wall = numbers
    record = Outcome(
        action_digest=digest, action_id="r:1", capped=strings, cause="raised", cpu_us=cpu,
        denials=strings, error="".join(texts), layers=strings, memory_bytes=memory,
        result_digest=digest, run="r", run_seq=seq, seq=seq, stderr_digest=digest,
        stdout_digest=digest, time=time, wall_us=wall,
    )  # fmt: skip
    assert seen(record) == [("r", seq, seq, "r:1", digest)]


def test_most_lines_of_a_log_are_seen(scribe: Scribe) -> None:
    """Every intent and outcome of a usual run; the others are read by themselves."""
    run = scribe.run("r")
    usual = [isinstance(each, Intent | Outcome) for each in run]
    assert [each is not None for each in seen(*run)] == usual
    assert sum(usual) >= 2


def test_what_another_spelling_would_hide_is_not_seen(scribe: Scribe) -> None:
    """A space, an escape for a plain character, a number with a zero before it."""
    scan = scanner()
    assert scan is not None
    for record in scribe.run("r"):
        if not isinstance(record, Intent | Outcome):
            continue
        good = encode_record(record)
        for old, new in (
            (b":", b": "),
            (b'"run":"r"', b'"run":"\\u0072"'),
            (b'"seq":', b'"seq":0'),
        ):
            line, _ = make_line(0, FIRST, good.replace(old, new, 1))
            assert scan(line, 0, FIRST).seen() == [None]
