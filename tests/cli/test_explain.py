"""`authgate explain`: the verdict of `decide`, and what led to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.cli.exits import Exit
from authgate_async.wire import DENIAL_CODES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Callable[..., Any]

MORE = """
[[grants]]
id = "root"
holder = "human:ann"
resource = "compute:calculator"
rights = ["execute", "delegate"]
budget.calls = 1
[[grants]]
id = "sums"
holder = "machine:bot"
resource = "compute:calculator"
rights = ["execute"]
parent = "root"
budget.calls = 1
args.expression = { regex = "[0-9+ ]+" }
[[resources]]
id = "file:open"
public = true
"""
SUM = {"id": "1", "actor": "bot", "tool": "calculator", "args": {"expression": "1 + 1"}}


@pytest.fixture
def explain(cli: Cli, policy: Path, tmp_path: Path) -> Callable[..., tuple[Any, Any]]:
    """Explain an action under the shared policy without its first grant; text and JSON."""
    head, _, tail = policy.read_text().partition("[[grants]]")
    policy.write_text(head + "[[grants]]" + tail.partition("[[grants]]")[2] + MORE)

    def call(action: dict[str, object], backend: str = "rust") -> tuple[Any, Any]:
        file = tmp_path / "action.json"
        file.write_text(json.dumps(action, indent=2))
        options = ("--policy", policy, file, "--backend", backend)
        plain, found = cli("explain", *options), cli("explain", *options, "--json")
        assert plain.status == found.status
        return plain, json.loads(found.out)

    return call


@pytest.mark.parametrize("backend", ["rust", "python"])
def test_a_permit_is_explained_by_its_chain(explain: Any, backend: str) -> None:
    """Every rule held, and the grant that permits it stands with all that it was handed on from."""
    plain, found = explain(SUM, backend)
    assert plain.status == Exit.OK
    assert [rule["code"] for rule in found["rules"]] == list(DENIAL_CODES)
    assert {rule["state"] for rule in found["rules"]} == {"held"}
    assert found["answer"]["permitted"] is True
    [request] = found["requests"]
    assert request["grants"] == [{"chain": ["sums", "root"], "faults": []}]
    assert "grant `sums` from `root`: permits it" in plain.out


def test_a_denial_names_the_rules_that_failed(explain: Any) -> None:
    """With the kernel's own sentence, and the grant that was near."""
    plain, found = explain(SUM | {"args": {"expression": "6*7"}})
    assert plain.status == Exit.DENIED
    [failed] = [rule for rule in found["rules"] if rule["state"] == "failed"]
    assert failed["code"] == "constraint"
    assert failed["sentences"] == [sentence for _, sentence in found["answer"]["violations"]]
    [[code, sentence]] = found["requests"][0]["grants"][0]["faults"]
    assert (code, [sentence]) == ("constraint", failed["sentences"])
    assert f"    constraint: {sentence}" in plain.out


def test_what_only_lacks_an_approval_is_said_to_wait(explain: Any, policy: Path) -> None:
    """The grant, who may approve and the digest are named; it is no permit yet."""
    key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    text = policy.read_text().replace('name = "ann"', f'name = "ann"\nkey = "{key}"')
    policy.write_text(text.replace('id = "root"', 'id = "root"\napprovers = ["ann"]'))
    plain, found = explain(SUM)
    assert plain.status == Exit.DENIED
    assert plain.out.startswith("action `1` waits for an approval\n")
    [[code, sentence]] = found["requests"][0]["grants"][0]["faults"]
    assert code == "approval_required"
    assert sentence.startswith("grant `root` requires an approval of digest ")
    assert sentence.endswith(" by human `ann`")


def test_requests_without_a_grant_and_public_ones_say_so(explain: Any) -> None:
    """Each request is told by itself."""
    asked = [
        {"resource": "file:open", "right": "read"},
        {"resource": "file:open", "right": "write", "scope": "a"},
    ]
    plain, found = explain(SUM | {"requests": asked})
    assert [request["public"] for request in found["requests"]] == [True, False]
    assert "read `file:open`\n  is public: no grant is needed" in plain.out
    assert "write `file:open/a`\n  no grant of the actor covers it" in plain.out


def test_what_was_not_judged_is_not_said_to_have_held(explain: Any) -> None:
    """Neither behind a malformed name, nor where the gate turns the call away."""
    _, nameless = explain(SUM | {"actor": ""})
    states = {rule["code"]: rule["state"] for rule in nameless["rules"]}
    assert states.pop("malformed") == "failed"
    assert states.pop("forbidden_flag") == "held"
    assert set(states.values()) == {"not judged"}
    _, turned = explain(SUM | {"tool": "gone"})
    assert turned["rules"][0]["code"] == "unknown_tool"
    assert {rule["state"] for rule in turned["rules"][1:]} == {"not judged"}
    assert turned["requests"] == []


def test_text_from_outside_cannot_steer_the_terminal(explain: Any) -> None:
    """An id with an escape is shown escaped."""
    plain, _ = explain(SUM | {"id": "a\x1b[2J"})
    assert "\x1b" not in plain.out


@pytest.mark.parametrize(
    ("text", "why"),
    [("[]", "action.json: "), ("{", "action.json: "), ('{"id": "1"}', "actor"), (None, "read")],
)
def test_what_is_no_action_is_bad_input(
    cli: Cli, policy: Path, tmp_path: Path, text: str | None, why: str
) -> None:
    """The file and what is wrong with it are named, and nothing is decided."""
    file = tmp_path / "action.json"
    if text is not None:
        file.write_text(text)
    said = cli("explain", "--policy", policy, file)
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
    assert why in said.err
