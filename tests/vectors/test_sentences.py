"""Every denial says which grant, which argument, which bound, and what would have been allowed.

The corpus is what both kernels give byte for byte (`test_vectors.py`), so what holds of its
sentences holds of theirs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authgate_async import wire
from authgate_async.backends import Backend, make_kernel

HERE = Path(__file__).parent

WHO = r"(?:human|machine) `[^`]+`"
RESOURCE = r"`[^`]+:[^`]+`"
GRANT = r"grant `[^`]+`"
PARENT = rf"{GRANT} names parent `[^`]+`, which (?:is not there|was revoked)"
RIGHTS = "read|write|execute|delegate"
UNITS = "calls|microseconds of wall time|bytes of output|units of cost"
BOUNDS = (
    rf"scope, at most `[^`]*`|rights, at most (?:{RIGHTS})(?:, (?:{RIGHTS}))*|"
    r"confidence, at most \d+|expiry, at most \d+|epoch, at most \d+|"
    rf"trust domains, at most its own|budget, at most \d+ (?:{UNITS})"
)
KINDS = "missing|true or false|a number|text|a list|an object"
ALLOWED = (
    r"equal to B|as one of B|as a list of one or more of B|as text that begins with B|"
    r"as text that matches B as a whole|as text without a match of B|as a number of at most B|"
    r"as a number of at least B|as text or a list of length B at most|left out|"
    r"as a path in B without `\.\.`|as a URL without user info whose host is B"
).replace("B", "`.+`")
ACROSS = "only a cross-domain grant reaches it"
APPROVERS = r"human `[^`]+`(?: or human `[^`]+`)*"
NAMES = r"it allows (?:only `[^`]+`(?:, `[^`]+`)*|none)"

SENTENCES = {
    "malformed": [r"`[^`]+` .+"],
    "forbidden_flag": [r"flag `\w+` is set; no grant can permit that"],
    "unowned_machine": [rf"{WHO} has no registered human owner"],
    "machine_dominion": [rf"{WHO} may not govern {WHO}"],
    "identity_mismatch": [
        r"`[^`]+` is enrolled as a \w+, not as a \w+",
        rf"{WHO} is not enrolled",
        rf"{WHO} must sign its actions with its enrolled key",
        rf"the proof of {WHO} does not verify",
    ],
    "no_grant": [rf"{WHO} holds no grant to (?:{RIGHTS}) {RESOURCE}"],
    "expired": [rf"{GRANT} expired at \d+"],
    "epoch_stale": [rf"{GRANT} is of epoch \d+, below \d+"],
    "chain_broken": [
        PARENT,
        rf"{GRANT} may not be delegated",
        rf"{GRANT} has a chain of more than 16 links",
    ],
    "attenuation": [
        rf"{GRANT} is wider than its parent `[^`]+` in (?:{BOUNDS})",
        rf"{GRANT} is on another resource than its parent `[^`]+`",
    ],
    "constraint": [
        rf"{GRANT} allows argument `[^`]+` only (?:{ALLOWED}); it is (?:{KINDS})",
        rf"{GRANT} does not allow argument `[^`]+`; {NAMES}",
        rf"{GRANT} does not allow an argument whose name is malformed; {NAMES}",
        rf"{GRANT} judges arguments, and those of this call are no JSON object",
    ],
    "trust_domain": [
        rf"{RESOURCE} is in trust domain `[^`]+`, {WHO} is in (?:`[^`]+`|none); {ACROSS}",
    ],
    "budget": [rf"{GRANT} has \d+ of \d+ (?:{UNITS}) left, and the call needs \d+"],
    "approval_required": [
        rf"{GRANT} requires an approval of digest [0-9a-f]{{64}} by {APPROVERS}",
    ],
}


def _told() -> set[tuple[str, str]]:
    """Every code and sentence that an action is denied with in the corpus."""
    vectors = [one for file in HERE.glob("*.json") for one in json.loads(file.read_text())]
    steps = [step for vector in vectors for step in vector.get("steps", ())]
    verdicts = [one for step in steps if step["op"] == "decide" for one in step.get("expected", ())]
    return {(code, sentence) for one in verdicts for code, sentence in one["violations"]}


def test_every_code_says_what_is_missing() -> None:
    """A new code, a new sentence of an old one, and one that never occurs all fail here."""
    told = _told()
    assert SENTENCES.keys() == set(wire.DENIAL_CODES)
    for code, sentence in told:
        assert any(re.fullmatch(one, sentence) for one in SENTENCES[code]), (code, sentence)
    for code, patterns in SENTENCES.items():
        said = [sentence for each, sentence in told if each == code]
        assert all(any(re.fullmatch(one, each) for each in said) for one in patterns), code


PLACE: Any = ("bot", "human", "compute", "x", "")
BOUNDS = {
    "eq": "1", "one_of": "[1,2]", "all_in": '["q"]', "prefix": '"q"', "regex": '"q+"',
    "not_regex": '"z"', "le": "7", "ge": "7", "max_len": "3", "subpath": '"/srv"',
    "host": '"*.example"', "absent": "true",
}  # fmt: skip
WRONG = {"le": "8", "ge": "6", "absent": "1"}


def _denied(backend: Backend, grant: wire.Grant, args: bytes, **needs: int) -> Any:
    kernel = make_kernel(backend, seed=bytes(32), entropy=bytes(32))
    changes = [wire.Enrol("bot", "human"), wire.Register(grant)]
    kernel.change(msgspec.msgpack.encode(changes), 1)
    request = wire.Request("compute", "x", "", 4)
    action = wire.Action("a", "bot", "human", "t", args, (request,), **needs)
    (signed,) = msgspec.msgpack.decode(
        kernel.decide(msgspec.msgpack.encode([action]), 1, bytes(32)), type=list[wire.SignedVerdict]
    )
    return msgspec.msgpack.decode(signed.verdict, type=wire.Verdict).violations


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize("op", wire.OPERATORS)
def test_a_bound_that_does_not_hold_is_named_with_its_argument(op: str, backend: Backend) -> None:
    """Of each operator: the grant, the argument, the bound as it was written, and what came."""
    bound = BOUNDS[op]
    grant = wire.Grant("g", *PLACE, 4, constraints=(wire.Constraint("arg", op, bound),))
    args = b'{"arg":' + WRONG.get(op, '"zzzz"').encode() + b"}"
    ((code, sentence),) = _denied(backend, grant, args)
    assert code == "constraint"
    assert sentence.startswith("grant `g` allows argument `arg` only ")
    assert op == "absent" or f"`{bound}`" in sentence
    assert sentence.endswith("; it is " + ("a number" if op in WRONG else "text"))


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize(
    ("limit", "needs", "rest"),
    [
        ("max_calls", {}, "calls left, and the call needs 1"),
        ("max_wall_us", {"wall_us": 3}, "microseconds of wall time left, and the call needs 3"),
        ("max_output_bytes", {"output_bytes": 3}, "bytes of output left, and the call needs 3"),
        ("max_cost", {"cost": 3}, "units of cost left, and the call needs 3"),
    ],
)  # fmt: skip
def test_a_limit_that_is_reached_is_named_with_what_is_left(
    limit: str, needs: dict[str, int], rest: str, backend: Backend
) -> None:
    """Of each limit: the grant, what is left of how much, and what the call needs."""
    grant = wire.Grant("g", *PLACE, 4, **{limit: 0})  # type: ignore[arg-type]
    assert _denied(backend, grant, b"{}", **needs) == (("budget", f"grant `g` has 0 of 0 {rest}"),)
