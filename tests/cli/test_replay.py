"""`authgate replay`: what a log would have been under other grants."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Callable[..., Any]

TASKS = (
    {"agent": "bot", "steps": [{"tool": "calculator", "args": {"expression": "6*7"}}]},
    {"agent": "bot", "steps": [{"tool": "file_read", "args": {"path": "b.txt"}}]},
)
WITHHELD = '\n[tools.calculator]\nrecord_args = "digest"\n[tools.file_read]\n'
BOUNDED = 'args.expression = { regex = "[0-9+]*" }\n'


@pytest.fixture
def log(cli: Cli, policy: Path, tmp_path: Path) -> Path:
    """A log of two tasks under the shared policy: the first permitted, the second denied."""
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text("\n".join(map(json.dumps, TASKS)) + "\n")
    said = cli("batch", tasks, "--policy", policy, "--out", "out.jsonl", "--log", "log")
    assert said.status == Exit.DENIED
    return tmp_path / "log"


def _bounded(policy: Path) -> None:
    text = policy.read_text()
    policy.write_text(text.replace('rights = ["execute"]\n', f'rights = ["execute"]\n{BOUNDED}'))


@pytest.mark.parametrize("backend", ["rust", "python"])
def test_the_same_policy_flips_nothing(cli: Cli, policy: Path, log: Path, backend: str) -> None:
    """All is as it was, and what nothing needed is told."""
    said = cli("replay", log, "--policy", policy, "--backend", backend)
    assert (said.status, said.err) == (Exit.OK, "")
    assert "decided as recorded         2" in said.out
    assert "grants never used" in said.out
    assert "no smaller set of the policy's grants is enough" in said.out


@pytest.mark.parametrize("backend", ["rust", "python"])
def test_what_flips_is_told_with_its_reason(
    cli: Cli, policy: Path, log: Path, backend: str
) -> None:
    """For people, and as JSON lines with the summary last; the status says that it would break."""
    _bounded(policy)
    options = ("replay", log, "--policy", policy, "--backend", backend)
    said = cli(*options)
    assert said.status == Exit.DENIED
    assert "`calculator` by `bot` was permitted, and would be denied\n  constraint: " in said.out
    found = cli(*options, "--json")
    flip, last = map(json.loads, found.out.splitlines())
    assert found.status == Exit.DENIED
    assert (flip["was_permitted"], flip["permitted"], flip["tool"]) == (True, False, "calculator")
    assert last["summary"]["now_denied"] == 1
    assert last["summary"]["least"] == {"grants": [], "how": "least"}


def test_what_would_be_permitted_names_its_grant(cli: Cli, policy: Path, log: Path) -> None:
    """That alone is no reason for a status; and a name cannot steer the terminal."""
    text = policy.read_text().replace('scope = "public"\n', 'id = "\\u202ewide"\n')
    policy.write_text(text)
    said = cli("replay", log, "--policy", policy)
    assert said.status == Exit.OK
    assert "was denied, and would be permitted\n  by grant `\\u202ewide`" in said.out
    assert not {"\x1b", "\u202e"} & set(said.out)


def test_what_cannot_be_decided_again_has_a_status(cli: Cli, policy: Path, log: Path) -> None:
    """The reason is told, and nothing is guessed."""
    policy.write_text(policy.read_text() + WITHHELD)
    cli("run", "6*7", "--policy", policy, "--log", log)
    _bounded(policy)
    said = cli("replay", log, "--policy", policy)
    assert said.status == Exit.FAILED
    assert "was permitted, and cannot be decided again\n  the log holds only" in said.out
    assert re.search(r"cannot be decided again \(arguments\) +1$", said.out, re.MULTILINE)
    *_, undecided, last = map(
        json.loads, cli("replay", log, "--policy", policy, "--json").out.splitlines()
    )
    assert undecided["permitted"] is None
    assert undecided["undecided"]["code"] == "arguments"
    assert last["summary"]["undecided"] == {"arguments": 1}


def test_a_log_that_does_not_verify_is_not_decided(
    cli: Cli, policy: Path, log: Path, tmp_path: Path
) -> None:
    """Nor is one under another key than the one given, and nothing is on stdout."""
    file = log / "log.jsonl"
    cli("keygen", tmp_path / "key")
    said = cli("replay", log, "--policy", policy, "--key", tmp_path / "key.pub")
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
    assert "was written under the key" in said.err
    file.write_bytes(file.read_bytes().replace(b'"permitted":1', b'"permitted":0', 1))
    said = cli("replay", log, "--policy", policy)
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
    assert "record 10 at byte" in said.err
    said = cli("replay", tmp_path / "nowhere", "--policy", policy)
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
