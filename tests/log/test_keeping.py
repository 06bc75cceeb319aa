"""What is recorded of each tool's calls."""

from __future__ import annotations

from hashlib import sha256
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from authgate_async.launchers.protocol import Cause, Ended
from authgate_async.log.keeping import WITHHELD, Keeper, derived_salt, salts_key
from authgate_async.log.sealing import Place
from authgate_async.redaction import ArgsKept, Kept, OutputsKept
from authgate_async.reference.digests import salted

KEY = salts_key(b"k" * 32)
AUDITOR = X25519PrivateKey.from_private_bytes(b"\x07" * 32).public_key().public_bytes_raw()
PLACE = Place("outcome", "r", 0, "ab" * 32)
PIN = "no hex: 4711"
ENDED = Ended(
    "raised",
    f'"{PIN}"'.encode(),
    f"no such PIN: {PIN}",
    PIN.encode(),
    PIN.encode(),
    denials=(f"open /{PIN} was refused",),
)


def keeper(kept: Kept) -> Keeper:
    """A keeper of one tool `t`."""
    return Keeper({"t": kept}, KEY, AUDITOR)


@pytest.mark.parametrize("args", get_args(ArgsKept))
@pytest.mark.parametrize("outputs", get_args(OutputsKept))
def test_words_of_a_tool_are_recorded_only_where_all_may_be_seen(
    args: ArgsKept, outputs: OutputsKept
) -> None:
    """An error, and what a jail refused, can quote arguments and outputs alike."""
    kept = Kept(args, outputs)
    fields = keeper(kept).outputs("t", ENDED, PLACE)
    open_ = args == "full" and outputs in ("checksum", "full")
    assert kept.tells == open_
    assert fields["error"] == (ENDED.error if open_ else WITHHELD)
    assert fields["denials"] == (ENDED.denials if open_ else (WITHHELD,))
    assert (PIN in str(fields)) == (open_ or outputs == "full")


def test_a_tool_that_nobody_names_is_recorded_as_ever() -> None:
    """Arguments in clear, outputs as plain digests, errors in words."""
    made = keeper(Kept("sealed", "sealed"))
    assert made.args_salt("other", "r", 0) == b""
    assert made.args("other", b"{}", b"", PLACE) == ("{}", "")
    fields = made.outputs("other", ENDED, PLACE)
    assert fields["result_digest"] == sha256(ENDED.result).hexdigest()
    assert (fields["outputs"], fields["error"]) == ("checksum", ENDED.error)


def test_outputs_in_full_are_those_of_their_digests() -> None:
    """The result as text, the streams in hex."""
    fields = keeper(Kept(outputs="full")).outputs("t", ENDED, PLACE)
    assert (fields["result"], fields["stdout"]) == (f'"{PIN}"', PIN.encode().hex())
    assert fields["stderr_digest"] == sha256(PIN.encode()).hexdigest()


@pytest.mark.parametrize("outputs", ["digest", "sealed"])
def test_no_guess_at_an_output_can_be_tried(outputs: OutputsKept) -> None:
    """Neither a plain digest nor an equal one elsewhere says that a stream is this, or empty."""
    made = keeper(Kept(outputs=outputs))
    one = made.outputs("t", ENDED, PLACE)
    two = made.outputs("t", ENDED, Place("outcome", "r", 1, "ab" * 32))
    digests = [fields[f"{name}_digest"] for fields in (one, two) for name in ("stdout", "stderr")]
    assert len(set(digests)) == 4
    assert not {sha256(PIN.encode()).hexdigest(), sha256(b"").hexdigest()} & set(digests)


def test_a_digest_is_checked_with_the_logs_key() -> None:
    """Its salt comes from that key and the step, so that a claim can be checked later."""
    made = keeper(Kept("digest", "digest"))
    salt = derived_salt(KEY, "arguments", "r", 7)
    assert made.args_salt("t", "r", 7) == salt
    assert derived_salt(salts_key(b"o" * 32), "arguments", "r", 7) != salt
    outputs = derived_salt(KEY, "outputs", "r", 0)
    fields = made.outputs("t", ENDED, PLACE)
    assert fields["result_digest"] == salted("result", outputs, ENDED.result).hex()


def test_what_is_sealed_has_a_salt_that_no_key_of_the_log_makes() -> None:
    """Whoever gets that key cannot guess at it; a step has one salt, so one digest to approve."""
    made, other = keeper(Kept("sealed")), keeper(Kept("sealed"))
    salts = [each.args_salt("t", "r", seq) for each in (made, other) for seq in (0, 1)]
    assert len({*salts, derived_salt(KEY, "arguments", "r", 0)}) == 5
    assert made.args_salt("t", "r", 0) == salts[0]


@pytest.mark.parametrize("cause", get_args(Cause))
def test_what_the_sandbox_itself_says_is_told(cause: Cause) -> None:
    """A deadline or a revocation has no word of the tool; whatever else is held back."""
    told = keeper(Kept("sealed")).error("t", Ended(cause, error="why"))
    assert told == (WITHHELD if cause in ("raised", "sandbox_died", "returned") else "why")


def test_a_tasks_sentence_is_salted_where_arguments_are_kept_back() -> None:
    """It has in words what the arguments have; with nothing to keep back it is a plain digest."""
    plain = sha256(b"pay with 4711").hexdigest()
    assert keeper(Kept()).intent_digest("r", "pay with 4711") == plain
    salt = derived_salt(KEY, "intent", "r", 0)
    hidden = keeper(Kept("digest")).intent_digest("r", "pay with 4711")
    assert hidden == salted("intent", salt, b"pay with 4711").hex() != plain


def test_a_keeper_names_its_auditor() -> None:
    """By the first digits of the key's digest, or with nothing."""
    assert keeper(Kept()).auditor_id == sha256(AUDITOR).hexdigest()[:16]
    assert Keeper({}, KEY).auditor_id == ""
