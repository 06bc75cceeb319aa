"""A log shows of each permit that the humans approved it whom its grants ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace

from authgate_async import wire
from authgate_async.log.complete import RunStory
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile
from authgate_async.reference.approvals import approval_statement
from authgate_async.reference.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authgate_async.log.records import ApprovalAsked
    from authgate_async.log.rotation import Rotation
    from conftest import Scribe

K, L = Signer(b"k" * 32), Signer(b"l" * 32)
NOW = 1_700_000_000_000_000

Records = list[Any]


def _approve(asked: ApprovalAsked, by: str = "k", **fields: Any) -> wire.Approve:
    """An approval of what was asked, signed by `k` or `l`."""
    bare = wire.Approve(
        bytes.fromhex(asked.instance),
        bytes.fromhex(asked.action_digest),
        by,
        NOW + 9,
        b"n" * 16,
        b"",
    )
    bare = replace(bare, **fields)
    signer = K if by == "k" else L
    return replace(bare, signature=signer.sign(approval_statement(bare)))


@pytest.fixture
def story(scribe: Scribe) -> Records:
    """The session and its grants, a run, what it asks, the approval, the permit, and the end."""
    grant = wire.Grant("safe", "a", "machine", "folder", "safe", "", 1, approvers=("k", "l"))
    changes = [
        wire.Enrol("k", "human", K.public_key),
        wire.Enrol("l", "human", L.public_key),
        wire.Register(grant),
    ]
    more = [scribe.change(change) for change in changes]
    asked = scribe.asked("r", 0)
    given = scribe.change(_approve(asked))
    permitted = scribe.intent("r", 0, "safe")
    assert (given.code, permitted.permitted) == ("", 1)
    return [
        scribe.opened(),
        *scribe.changes,
        *more,
        scribe.run_opened("r"),
        asked,
        given,
        permitted,
        scribe.outcome(permitted),
        scribe.closed("r"),
    ]


ASKED, GIVEN, PERMITTED = -5, -4, -3


@pytest.fixture
def check(scribe: Scribe, tmp_path: Path) -> Callable[[Records], str]:
    """Write records in order under the scribe's key; return what verification finds."""

    def write(records: Records) -> str:
        log = LogFile.open(tmp_path / "log", "os", scribe.kernel)
        log.append(records)
        log.close()
        bad = verify(tmp_path / "log" / "log.jsonl").bad
        return "" if bad is None else bad.problem

    return write


def test_a_permit_that_was_approved_verifies(
    check: Callable[[Records], str], story: Records
) -> None:
    """What was asked, the approval and the permit stand in their order, and are true."""
    assert check(story) == ""


def _given(story: Records, scribe: Scribe, **fields: Any) -> Records:
    """The same with another approval in its place, said to be taken."""
    approval = _approve(story[ASKED], **fields)
    made = scribe.change(approval)
    story[GIVEN] = replace(made, code="", sentence="")
    return story


def _signature(story: Records, _: Scribe) -> Records:
    fields = story[GIVEN].fields | {"signature": "00" * 64}
    story[GIVEN] = replace(story[GIVEN], fields=fields)
    return story


def _unhexed(story: Records, _: Scribe) -> Records:
    fields = story[GIVEN].fields | {"nonce": "x"}
    story[GIVEN] = replace(story[GIVEN], fields=fields)
    return story


NOBODY = "it rests on grant `safe`, whose approvers did not approve it"
FORGERIES: dict[str, tuple[Callable[[Records, Scribe], Records], str]] = {
    "without an approval": (lambda story, _: story[:GIVEN] + story[PERMITTED:], NOBODY),
    "after the permit": (
        lambda story, _: [*story[:GIVEN], story[PERMITTED], story[GIVEN], *story[PERMITTED + 1 :]],
        NOBODY,
    ),
    "refused": (
        lambda story, _: [*story[:GIVEN], replace(story[GIVEN], code="x"), *story[PERMITTED:]],
        NOBODY,
    ),
    "of another action": (
        lambda story, scribe: _given(story, scribe, action_digest=b"d" * 32, nonce=b"m" * 16),
        NOBODY,
    ),
    "for another runtime": (
        lambda story, scribe: _given(story, scribe, instance=b"i" * 16, nonce=b"m" * 16),
        NOBODY,
    ),
    "over before": (
        lambda story, scribe: _given(story, scribe, expires_at=NOW, nonce=b"m" * 16),
        NOBODY,
    ),
    "in another's name": (_signature, "the approval of `k` is not signed with their key"),
    "by somebody who has no key": (
        lambda story, scribe: _given(story, scribe, by="h", nonce=b"m" * 16),
        "the approval of `h` is not signed with their key",
    ),
    "twice": (
        lambda story, _: [*story[:PERMITTED], story[GIVEN], *story[PERMITTED:]],
        "the approval of `k` was given before",
    ),
    "for two permits": (
        lambda story, _: [*story, story[-6], story[ASKED], *story[PERMITTED:]],
        NOBODY,
    ),
    "not in hex": (_unhexed, "its fields cannot be read"),
    "asked of what was permitted": (
        lambda story, _: _asked(story, proof=story[PERMITTED].proof),
        "is not what its signed verdict says",
    ),
    "with another question": (
        lambda story, _: _asked(story, approvers=("h",)),
        "its `approvers` is not what its signed verdict says",
    ),
    "with other arguments": (
        lambda story, _: _asked(story, args="{}"),
        "its `args` have another digest than `args_digest`",
    ),
    "by another agent": (
        lambda story, _: [*story[:-6], replace(story[-6], agent="b"), *story[ASKED:]],
        "its agent is not that of run `r`",
    ),
    "after the step": (
        lambda story, _: [*story[:ASKED], *story[GIVEN:PERMITTED + 1], story[ASKED], *story[-2:]],
        "step 0 of run `r` comes twice or too late",
    ),
}  # fmt: skip


def _asked(story: Records, **fields: Any) -> Records:
    story[ASKED] = replace(story[ASKED], **fields)
    return story


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_story_is_found(
    check: Callable[[Records], str], story: Records, scribe: Scribe, name: str
) -> None:
    """Each is written by whoever has the log's key, and told at its record."""
    forge, problem = FORGERIES[name]
    assert problem in check(forge(story, scribe))


def test_a_denial_that_waits_for_nobody_was_not_asked(
    check: Callable[[Records], str], story: Records, scribe: Scribe
) -> None:
    """A question whose verdict has another reason is a fault."""
    denied = scribe.intent("r", 0, "secrets")
    fields = {name: getattr(denied, name) for name in ("action_digest", "proof", "sentences")}
    requests = denied.requests
    wrong = replace(story[ASKED], approvers=(), requests=requests, **fields)
    story[ASKED] = wrong
    assert "does not say that an approval is all that is missing" in check(story)


def test_either_of_the_named_is_enough(
    check: Callable[[Records], str], story: Records, scribe: Scribe
) -> None:
    """The approval of `l` serves where `k` or `l` is asked."""
    assert check(_given(story, scribe, by="l", nonce=b"m" * 16)) == ""


def test_the_story_of_a_run_has_what_was_asked(
    check: Callable[[Records], str], story: Records, tmp_path: Path
) -> None:
    """`audit complete` counts the question among the records of its run."""
    assert check(story) == ""
    run = RunStory("r")
    report = verify(tmp_path / "log", see=run.take)
    assert (len(run.records), run.lacks(report)) == (5, [])


def test_a_killed_runtime_is_recovered_with_a_question_open(
    story: Records, scribe: Scribe, tmp_path: Path
) -> None:
    """The run that waited is closed as interrupted, with its numbers right."""
    log = LogFile.open(tmp_path / "log", "os", None)
    log.append(story[:GIVEN])
    log.close()
    again = LogFile.open(tmp_path / "log", "os", scribe.kernel)
    again.append([scribe.opened()])
    again.close()
    report = verify(tmp_path / "log" / "log.jsonl")
    assert (report.bad, report.open_runs) == (None, 0)


def test_msgspec_reads_what_was_asked(story: Records) -> None:
    """The record travels to the log writer as MessagePack and comes back the same."""
    asked = story[ASKED]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(asked), type=type(asked)) == asked


def test_an_approval_holds_where_its_human_was_removed(
    scribe: Scribe, tmp_path: Path, fleeting: Rotation, story: Records
) -> None:
    """Whose enrolment retention removed approves as the kernel took it: that is no fault."""
    log = LogFile.open(tmp_path, "os", scribe.kernel, fleeting)
    for group in (story[:ASKED], story[ASKED:GIVEN], story[GIVEN:]):
        log.append(group)
    log.close()
    kept: list[str] = []
    report = verify(tmp_path, see=lambda _, record: kept.append(type(record).__name__))
    assert (report.bad, report.removed[0][0]) == (None, 0)
    assert (kept.count("RegistryChange"), kept.count("Intent")) == (1, 1)


def test_an_approval_is_checked_where_its_human_is_there(
    scribe: Scribe, tmp_path: Path, tight: Rotation, story: Records
) -> None:
    """Over a boundary it is held against the key in the file before."""
    _signature(story, scribe)
    log = LogFile.open(tmp_path, "os", scribe.kernel, tight)
    for group in (story[:GIVEN], story[GIVEN:]):
        log.append(group)
    log.close()
    bad = verify(tmp_path).bad
    assert bad is not None
    assert "not signed with their key" in bad.problem
