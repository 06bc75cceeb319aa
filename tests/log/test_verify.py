from __future__ import annotations

import tracemalloc
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authgate_async import wire
from authgate_async.errors import LogUnavailableError, UsageError
from authgate_async.log import open_runs, rules
from authgate_async.log.lines import FIRST, MAX_LINE, make_line, read_line
from authgate_async.log.records import Record, decode_record, encode_record
from authgate_async.log.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Scribe

Records = list[Any]


def chained(records: Records) -> bytes:
    """The lines of a forger who knows the format and computes every sum anew."""
    lines, head = [], FIRST
    for index, record in enumerate(records):
        line, head = make_line(index, head, encode_record(record))
        lines.append(line)
    return b"".join(lines)


@pytest.fixture
def log(scribe: Scribe, tmp_path: Path) -> Path:
    """0 opened, 1-4 changes, 5-10 run `r`, 11 refusal, 12 checkpoint, 13 sealed, 14 checkpoint."""
    return scribe.write(tmp_path / "log", "r")


@pytest.fixture
def records(log: Path) -> Records:
    """Its records."""
    return [
        decode_record(read_line(raw).record) for raw in log.read_bytes().splitlines(keepends=True)
    ]


def changed(index: int, **fields: Any) -> Callable[[Records], Records]:
    """A forgery that alters one record."""

    def forge(records: Records) -> Records:
        records[index] = replace(records[index], **fields)
        return records

    return forge


def proof(**fields: Any) -> Callable[[Records], Records]:
    """A forgery that alters the proof of the permit."""
    return lambda records: changed(6, proof=replace(records[6].proof, **fields))(records)


def note(change: Callable[[str], str]) -> Callable[[Records], Records]:
    """A forgery that alters the first checkpoint."""

    def forge(records: Records) -> Records:
        assert change(records[12].note) != records[12].note
        return changed(12, note=change(records[12].note))(records)

    return forge


def without(index: int) -> Callable[[Records], Records]:
    """A forgery that leaves one record out."""
    return lambda records: records[:index] + records[index + 1 :]


def moved(index: int, to: int) -> Callable[[Records], Records]:
    """A forgery that puts one record at another place."""

    def forge(records: Records) -> Records:
        records.insert(to, records.pop(index))
        return records

    return forge


NOTHING = sha256(b"").hexdigest()
FULL = {
    "outputs": "full",
    "result_digest": NOTHING,
    "stdout_digest": NOTHING,
    "stderr_digest": NOTHING,
}
FORGERIES = {
    "no_opening": (without(0), 0, "does not begin with `log_opened`"),
    "key_id": (changed(0, key_id="0" * 16), 0, "`key_id` is not that"),
    "change_fields": (changed(1, fields={"name": "a"}), 1, "not those of the change `enrol`"),
    "change_kind": (changed(1, change="other"), 1, "not those of the change `other`"),
    "run_twice": (lambda r: [*r[:6], r[5], *r[6:]], 6, "open already"),
    "run_from_one": (changed(5, run_seq=1), 5, "other than 0"),
    "run_unknown": (without(5), 5, "run `r` is not open"),
    "gap": (without(8), 8, "`run_seq` is 4 where 3 is due"),
    "agent": (changed(8, agent="b"), 8, "agent is not that of run"),
    "step_twice": (changed(8, seq=0), 8, "comes twice or too late"),
    "steps": (changed(10, steps=2), 10, "has 3 steps, not 2"),
    "outcome_digest": (changed(7, action_digest="0" * 64), 7, "no permitted intent"),
    "outcome_id": (changed(7, action_id="r:1"), 7, "no permitted intent"),
    "outcome_step": (changed(7, seq=1), 7, "no permitted intent"),
    "verdict": (proof(verdict="90"), 6, "verdict cannot be read"),
    "verdict_hex": (proof(verdict="9"), 6, "`verdict` is not hex"),
    "path": (proof(path="00" * 32), 6, "does not verify"),
    "size": (proof(size=2), 6, "does not verify"),
    "signature": (proof(signature="00" * 64), 6, "does not verify"),
    "signature_hex": (proof(signature="AB" * 64), 6, "`proof` is not what"),
    "args": (changed(6, args="{}"), 6, "another digest"),
    "args_twice": (changed(6, sealed_args="00" * 48), 6, "both in clear and sealed"),
    "args_unsealed": (changed(6, args="", sealed_args="00" * 47), 6, "`sealed_args` is no sealed"),
    "args_sealed_hex": (changed(6, args="", sealed_args="x" * 96), 6, "`sealed_args` is not hex"),
    "result": (changed(7, outputs="full", result="1"), 7, "`result` has another digest"),
    "stdout": (changed(7, **FULL, stdout="31"), 7, "`stdout` has another digest"),
    "stderr": (changed(7, **FULL, stderr="31"), 7, "`stderr` has another digest"),
    "stream_hex": (changed(7, **FULL, stderr="x"), 7, "`stderr` is not hex"),
    "result_shown": (changed(7, result="1"), 7, "it shows its `result`, and says"),
    "stdout_shown": (changed(7, outputs="digest", stdout="31"), 7, "it shows its `stdout`"),
    "outputs_unsealed": (changed(7, outputs="sealed"), 7, "`sealed_outputs` is no sealed text"),
    "outputs_sealed_too": (changed(7, sealed_outputs="00" * 48), 7, "there where none is due"),
    "seal_time": (changed(13, time=0), 14, "another root than the records before it"),
    "seal_nodes": (changed(13, nodes="00" * 64), 13, "other nodes than the tree"),
    "seal_alone": (moved(13, 14), 13, "over 14 records, not over 13"),
    "seal_early": (moved(13, 12), 12, "other nodes than the tree"),
    "behind_seal": (lambda r: [*r[:14], r[11], r[14]], 14, "between the seal and its checkpoint"),
    "checkpoint_size": (note(lambda n: n.replace("\n12\n", "\n11\n")), 12, "does not verify"),
    "checkpoint_zeros": (note(lambda n: n.replace("\n12\n", "\n012\n")), 12, "not a checkpoint"),
    "checkpoint_origin": (note(lambda n: n.replace("authgate_async/", "a/")), 12, "is of this key"),
    "checkpoint_spaces": (note(lambda n: n + "\n"), 12, "not a checkpoint"),
    "checkpoint_base64": (note(lambda n: n.replace("=\n\n", "\n\n")), 12, "not a checkpoint"),
    "checkpoint_of_another_size": (lambda r: [*r[:12], r[14]], 12, "over 14 records, not over 12"),
    "checkpoint_twice": (lambda r: [*r[:13], r[12], *r[13:]], 13, "over 12 records, not over 13"),
    "covered": (changed(11, code="other"), 12, "another root than the records before it"),
    "grant_unnamed": (without(4), 5, "rests on grant `g`, which this log never named"),
    "grant_later": (moved(4, 6), 5, "grant `g`, which this log never named"),
    "grant_refused": (changed(4, code="conflict"), 6, "grant `g`, which this log never named"),
    "after_seal": (lambda r: [*r, r[11]], 15, "follows the seal"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forger_who_mends_every_sum_is_found(log: Path, records: Records, name: str) -> None:
    """What breaks a rule is found at its record, with a true chain too."""
    forge, index, problem = FORGERIES[name]
    log.write_bytes(chained(forge(records)))
    bad = verify(log).bad
    assert bad is not None
    assert bad.index == index
    assert problem in bad.problem
    assert bad.remedy


def test_a_line_keeps_its_index_and_its_predecessor(log: Path, records: Records) -> None:
    """A line with a true sum is still at fault at another index, or behind another line."""
    first, head = make_line(0, FIRST, encode_record(records[0]))
    for index, prev, problem in ((2, head, "index 2 where 1"), (1, FIRST, "does not follow")):
        line, _ = make_line(index, prev, encode_record(records[1]))
        log.write_bytes(first + line)
        bad = verify(log).bad
        assert bad is not None
        assert (bad.index, problem in bad.problem) == (1, True)


def test_a_torn_last_line_is_told_with_its_own_remedy(log: Path) -> None:
    """A line without its end is no forgery, and the report says what becomes of it."""
    log.write_bytes(log.read_bytes()[:-1])
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, "middle of a line" in bad.problem) == (14, True)
    assert "opening the log for writing cuts" in bad.remedy


def test_a_forged_name_cannot_write_to_the_terminal(log: Path, records: Records) -> None:
    """What the report quotes from a log is short, and has no control characters."""
    run = "\x1b[2J\n\u202e" + "x" * 10_000
    log.write_bytes(chained([*records[:5], replace(records[8], run=run)]))
    bad = verify(log).bad
    assert bad is not None
    assert (bad.problem.isprintable(), len(bad.problem) < 400) == (True, True)
    assert bad.problem.startswith("run `\\x1b[2J\\n\\u202ex")


VERDICT_FIELDS = {
    "action_digest": "0" * 64,
    "action_id": "r:9",
    "agent_kind": "human",
    "arbitration": 1,
    "args_digest": "0" * 64,
    "chains": (("other",),),
    "codes": ("no_grant",),
    "confidence": 1,
    "epoch": 9,
    "expires_at": 9,
    "issued_at": 9,
    "nonce": "00" * 16,
    "permitted": 0,
    "requests": (),
    "sentences": ("no",),
    "tool": "other",
    "warnings": (("low_confidence", "x"),),
}


@pytest.mark.parametrize("field", VERDICT_FIELDS)
def test_an_intent_says_what_its_verdict_says(log: Path, records: Records, field: str) -> None:
    """No word of an intent can differ from the signed verdict."""
    log.write_bytes(chained(changed(6, **{field: VERDICT_FIELDS[field]})(records)))
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, f"`{field}` is not what its signed" in bad.problem) == (6, True)


def test_a_verdict_is_about_its_own_step(scribe: Scribe, log: Path, records: Records) -> None:
    """A true verdict of another step is not this step's."""
    other = scribe.intent("r", 0, action_id="q:0")
    log.write_bytes(chained(changed(6, **_fields(other, run_seq=1))(records)))
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, bad.problem) == (6, "its verdict is about another step")


def _fields(record: Record, **fields: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__} | fields


@pytest.mark.parametrize("between", ["", "r", "h", "p", "pg", "ghp", "rg", "x", "d", "e", "f"])
def test_a_grant_is_in_force_until_it_is_revoked(
    scribe: Scribe, log: Path, records: Records, between: str
) -> None:
    """After its revocation nothing rests on a grant, and entering it again does not help."""
    revoked = scribe.change(wire.Revoke("g"))
    held = (records[4].fields[name] for name in ("holder", "holder_kind", "rtype", "name"))
    holder, kind, rtype, name = map(str, held)
    changes = {
        "h": scribe.change(wire.RevokeHolder(holder, kind)),
        "p": scribe.change(wire.RevokeHeld(holder, kind, rtype, name)),
        "e": scribe.change(wire.RevokeHeld(holder, kind, rtype, "other")),
        "f": scribe.change(wire.RevokeHolder("other", kind)),
        "r": revoked,
        "g": records[4],
        "x": replace(revoked, code="no_grant"),
        "d": scribe.change(wire.Revoke("other")),
    }
    log.write_bytes(chained([*records[:6], *map(changes.__getitem__, between), records[6]]))
    bad = verify(log).bad
    if not set("rhp") & set(between):
        assert bad is None
    else:
        assert bad is not None
        told = (bad.index, bad.problem)
        assert told == (6 + len(between), "it rests on grant `g`, which was revoked")


def test_a_revocation_does_not_reach_back(scribe: Scribe, log: Path, records: Records) -> None:
    """What rested on a grant before its revocation stays good."""
    log.write_bytes(chained([*records[:7], scribe.change(wire.Revoke("g")), records[7]]))
    assert verify(log).bad is None


def test_every_grant_of_a_chain_must_have_been_named(delegating: Scribe, tmp_path: Path) -> None:
    """A permit on a delegated grant rests on its ancestors too."""
    whole = [delegating.opened(), *delegating.changes, *delegating.run("r")[:1]]
    whole.append(replace(delegating.intent("r", 0), run_seq=1))
    log = tmp_path / "log.jsonl"
    log.write_bytes(chained(whole))
    assert (whole[-1].chains, verify(log).bad) == ((("c", "g"),), None)
    for revoked in ("g", "c"):
        forged = [*whole[:-1], delegating.change(wire.Revoke(revoked)), whole[-1]]
        log.write_bytes(chained(forged))
        bad = verify(log).bad
        assert bad is not None
        assert bad.problem == f"it rests on grant `{revoked}`, which was revoked"
    for place, missing in ((-3, "c"), (-4, "g")):
        log.write_bytes(chained([*whole[:place], *whole[place + 1 :]]))
        bad = verify(log).bad
        assert bad is not None
        assert bad.problem == f"it rests on grant `{missing}`, which this log never named"


def test_a_grant_is_named_in_each_session(log: Path, records: Records) -> None:
    """A kernel that starts anew knows no grant of the session before."""
    session = [records[0], *records[5:7]]
    log.write_bytes(chained([*records[:7], *session]))
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, "never named" in bad.problem) == (9, True)
    log.write_bytes(chained([*records[:7], *records[:7]]))
    assert verify(log).bad is None


def test_an_outcome_after_a_denial_is_found(scribe: Scribe, log: Path, records: Records) -> None:
    """A call that was denied can have no outcome."""
    outcome = replace(scribe.outcome(records[9]), run_seq=5)
    log.write_bytes(chained([*records[:10], outcome]))
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, "no permitted intent" in bad.problem) == (10, True)


def test_a_second_outcome_is_found(log: Path, records: Records) -> None:
    """A permit is good for one call."""
    again = replace(records[7], run_seq=3)
    log.write_bytes(chained([*records[:8], again]))
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, "no permitted intent" in bad.problem) == (8, True)


def test_one_batch_costs_one_verification(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that was just verified is not computed again; one over another root is."""
    computed: list[bytes] = []
    verify_signed = rules.verify_signed

    def counted(key: bytes, signed: bytes) -> bool:
        computed.append(signed)
        return verify_signed(key, signed)

    monkeypatch.setattr(rules, "verify_signed", counted)
    intents = scribe.intents("r", 3)
    log = tmp_path / "log.jsonl"
    whole = [scribe.opened(), *scribe.changes, scribe.run_opened("r"), *intents]
    log.write_bytes(chained(whole))
    assert (verify(log).bad, len(computed)) == (None, 1)
    for spoiled in ({"signature": "00" * 64}, {"path": "00" * 64}, {"size": 4}, {"index": 0}):
        last = replace(intents[2], proof=replace(intents[2].proof, **spoiled))
        log.write_bytes(chained([*whole[:-1], last]))
        bad = verify(log).bad
        assert bad is not None
        assert (bad.index, "does not verify" in bad.problem) == (len(whole) - 1, True)


def test_the_key_that_is_given_decides(scribe: Scribe, stranger: Scribe, log: Path) -> None:
    """A log under another key than the one given is refused at its first record."""
    report = verify(log, scribe.kernel.public_key)
    assert (report.bad, report.key_given, report.key) == (
        None,
        True,
        scribe.kernel.public_key.hex(),
    )
    bad = verify(log, stranger.kernel.public_key).bad
    assert bad is not None
    assert (bad.index, "not under the one given" in bad.problem) == (0, True)
    assert "which key" in bad.remedy


def test_the_report_says_where_the_key_is_from(scribe: Scribe, log: Path) -> None:
    """Without a key given, the log's own is taken, and the report says that."""
    report = verify(log)
    assert (report.key_given, report.key) == (False, scribe.kernel.public_key.hex())


def test_sessions_may_have_different_keys(scribe: Scribe, stranger: Scribe, tmp_path: Path) -> None:
    """Each session is checked under its own key, unless one is given."""
    scribe.write(tmp_path, "r")
    stranger.write(tmp_path, "r")
    assert verify(tmp_path).bad is None
    bad = verify(tmp_path, scribe.kernel.public_key).bad
    assert bad is not None
    assert bad.index == 15


def test_a_session_that_was_not_sealed_leaves_its_runs_open(log: Path, records: Records) -> None:
    """After a crash the runs of the dead process are counted as open, and can have no record."""
    log.write_bytes(chained([*records[:8], records[0], records[5]]))
    report = verify(log)
    assert (report.bad, report.sessions, report.runs, report.open_runs) == (None, 2, 2, 2)
    assert not report.sealed
    log.write_bytes(chained([*records[:8], records[0], records[8]]))
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, bad.problem) == (9, "run `r` is not open")


def test_a_session_can_only_interrupt_what_another_left(log: Path, records: Records) -> None:
    """No call of its own, nothing of a run that has its end, and nothing of a sealed session."""
    lost = replace(records[7], cause="interrupted")
    closed = replace(records[10], run_seq=2, steps=1, status="interrupted")
    late = replace(lost, run_seq=3)
    opened, own, again = records[0], lost, replace(closed, run_seq=3)
    for forged, told in (
        ([*records[:7], own], "run `r` is not open"),
        ([*records[:7], closed, opened, again], "run `r` is not open"),
        ([*records[:7], closed, opened, late, replace(late, run_seq=4)], "run `r` is not open"),
        ([*records[:7], opened, replace(lost, action_id="r:1")], "no permitted intent"),
    ):
        log.write_bytes(chained(forged))
        bad = verify(log).bad
        assert bad is not None
        assert (bad.index, told in bad.problem) == (len(forged) - 1, True)
    for whole in ([*records[:7], opened, lost], [*records[:7], closed, opened, late]):
        log.write_bytes(chained(whole))
        assert (verify(log).bad, verify(log).without_outcome) == (None, 0)


def test_an_outcome_may_follow_the_end_of_its_run(log: Path, records: Records) -> None:
    """The outcome of a call that was cancelled with its run comes late, and once."""
    closed, late = replace(records[10], run_seq=2, steps=1), replace(records[7], run_seq=3)
    log.write_bytes(chained([*records[:7], closed, late]))
    assert (verify(log).bad, verify(log).without_outcome) == (None, 0)
    for more in (replace(late, run_seq=4), replace(records[8], run_seq=4)):
        log.write_bytes(chained([*records[:7], closed, late, more]))
        bad = verify(log).bad
        assert bad is not None
        assert (bad.index, bad.problem) == (9, "run `r` is not open")


def test_a_run_that_owes_an_outcome_takes_nothing_else(log: Path, records: Records) -> None:
    """After its end a run has no further step, and its id is not free."""
    closed = replace(records[10], run_seq=2, steps=1)
    for more in (replace(records[8], run_seq=3), records[5]):
        log.write_bytes(chained([*records[:7], closed, more]))
        bad = verify(log).bad
        assert bad is not None
        assert (bad.index, bad.problem.startswith("run `r` is ")) == (8, True)


def test_what_is_owed_is_forgotten_with_a_new_session(log: Path, records: Records) -> None:
    """A late outcome belongs to the process that started the call."""
    closed, late = replace(records[10], run_seq=2, steps=1), replace(records[7], run_seq=3)
    log.write_bytes(chained([*records[:7], closed, records[0], late]))
    report = verify(log)
    assert report.bad is not None
    assert (report.bad.index, report.without_outcome) == (9, 1)


def test_only_so_many_are_remembered(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that never get their outcome do not fill memory; they stay counted."""
    monkeypatch.setattr(open_runs, "MAX_LATE", 1)
    unused = [*records[5:7], replace(records[10], run_seq=2, steps=1)]
    ids = [f"r{n}" for n in range(4)]
    kept = rules.Rules(None)
    monkeypatch.setattr(rules, "check_intent", lambda _: (None, None))
    monkeypatch.setattr(rules.Rules, "_check_signature", lambda *_: None)
    for record in [*records[:5], *(replace(each, run=run) for run in ids for each in unused)]:
        kept.check(read_line(make_line(0, FIRST, encode_record(record))[0]), record)
    assert (kept.runs.without_outcome, list(kept.runs._late)) == (4, ["r2", "r3"])


def test_permits_without_an_outcome_are_counted(log: Path, records: Records) -> None:
    """A permit that was never used is no fault, and is told."""
    closed = replace(records[10], run_seq=2, steps=1)
    log.write_bytes(chained([*records[:7], closed]))
    assert (verify(log).bad, verify(log).without_outcome) == (None, 1)


def test_the_good_part_is_counted_and_the_bad_place_told(log: Path) -> None:
    """The report gives the byte offset at which the bad line begins."""
    raw = log.read_bytes()
    offset = raw.index(b'{"index":7,')
    log.write_bytes(raw.replace(b'"cause":"returned"', b'"cause":"raised"'))
    report = verify(log)
    assert report.bad is not None
    assert (report.records, report.bad.index, report.bad.offset) == (7, 7, offset)
    assert (report.ok, report.sealed) == (False, False)


def test_an_empty_log_is_bad(log: Path) -> None:
    """Cutting a log to nothing is found."""
    log.write_bytes(b"")
    report = verify(log)
    assert report.bad is not None
    assert (report.records, report.bad.problem) == (0, "the log is empty")


@pytest.mark.parametrize("tail", [b"x" * (MAX_LINE + 1), b"x" * (MAX_LINE + 1) + b"\n"])
def test_a_line_without_end_is_not_read_to_its_end(log: Path, tail: bytes) -> None:
    """A line that is too long is a fault at once."""
    log.write_bytes(log.read_bytes() + tail)
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, "longer than" in bad.problem) == (15, True)


def test_nesting_cannot_exhaust_the_reader(log: Path, records: Records) -> None:
    """A record of ten thousand brackets is a fault like any other."""
    lines = chained(records[:1])
    line, _ = make_line(1, read_line(lines).sum, b'{"kind":' + b"[" * 10_000 + b"]" * 10_000 + b"}")
    log.write_bytes(lines + line)
    bad = verify(log).bad
    assert bad is not None
    assert (bad.index, "not one that this version knows" in bad.problem) == (1, True)


def test_a_log_may_be_named_by_its_file(log: Path) -> None:
    """Folder and file give the same report."""
    assert verify(log) == verify(log.parent)


def test_no_log_is_told_with_a_remedy(tmp_path: Path) -> None:
    """A path without a log is a mistake of the caller's."""
    with pytest.raises(UsageError, match="name the folder that holds its"):
        verify(tmp_path)


def test_a_log_that_cannot_be_read_is_told(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading error is not mistaken for a bad log."""

    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(log), "open", fail)
    with pytest.raises(LogUnavailableError, match="Permission denied; see to"):
        verify(log)


def test_memory_does_not_grow_with_the_log(
    log: Path, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed runs and lines that were read are forgotten."""
    monkeypatch.setattr(rules, "verify_signed", lambda *_: True)
    log.write_bytes(chained([*records[:5], *records[5:11] * 400]))
    size = log.stat().st_size
    tracemalloc.start()
    assert verify(log).runs == 400
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 5
