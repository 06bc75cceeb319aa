"""`authgate audit open` and `claim`, and the keys that they take."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from authgate_async.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Said

    Cli = Callable[..., Said]

SEALED = """
[tools.calculator]
record_args = "sealed"
record_outputs = "sealed"
[tools.file_read]
record_args = "digest"
record_outputs = "digest"
"""
ARGS = '{"expression":"40+2"}'


@pytest.fixture
def log(cli: Cli, policy: Path, tmp_path: Path) -> Path:
    """A log of a sealed sum, and of a file that is kept as a digest."""
    policy.write_text(policy.read_text() + SEALED)
    assert cli("keygen", "k").status == Exit.OK
    assert cli("keygen", "--auditor", "a").status == Exit.OK
    for intent in ("40 + 2", "read public/a.txt"):
        said = cli("run", intent, "--policy", policy, "--key", "k", "--auditor", "a.pub")
        assert said.status == Exit.OK
    return tmp_path / "authgate-log" / "log.jsonl"


def _place(log: Path, kind: str, tool: str = "") -> int:
    for line in map(json.loads, log.read_text().splitlines()):
        if line["record"]["kind"] == kind and tool in line["record"].get("tool", ""):
            return int(line["index"])
    raise AssertionError(kind)


def test_the_auditor_sees_what_was_sealed_and_nobody_needs_a_key_to_verify(
    cli: Cli, log: Path
) -> None:
    """The clear text stands in no line; `verify` and `complete` take no auditor's key."""
    assert "40+2" not in log.read_text()
    assert cli("audit", "verify", "--key", "k.pub").status == Exit.OK
    said = cli("audit", "open", "--key", "a")
    assert said.status == Exit.OK
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert [row[3:] for row in rows] == [
        ["calculator", "args", ARGS],
        ["calculator", "result", '"42"'],
    ]


@pytest.mark.usefixtures("log")
def test_what_is_opened_can_be_read_by_programs_and_filtered(cli: Cli) -> None:
    """One JSON object a record, of those that the filters of `show` let through."""
    said = cli("audit", "open", "--key", "a", "--json", "--kind", "outcome")
    (told,) = map(json.loads, said.out.splitlines())
    assert (told["tool"], told["agent"], told["result"]) == ("calculator", "bot", '"42"')
    said = cli("audit", "open", "--key", "a", "--tool", "file_read")
    assert (said.status, said.out) == (Exit.OK, "")
    assert "nothing is sealed in the records" in said.err


def test_another_auditors_key_is_told_by_name(cli: Cli, log: Path) -> None:
    """Which key it is sealed to, and which was given, for each record."""
    cli("keygen", "--auditor", "b")
    said = cli("audit", "open", "--key", "b")
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
    opened = json.loads(log.read_text().splitlines()[0])["record"]["auditor"]
    assert said.err.count(f"is sealed to the auditor's key {opened}, and the key given is ") == 2


def test_a_line_that_was_changed_is_not_opened(cli: Cli, log: Path) -> None:
    """Sums and places are checked as it is read."""
    data = log.read_text()
    at = data.index('"sealed_args":"') + 20
    log.write_text(data[:at] + ("0" if data[at] != "0" else "1") + data[at + 1 :])
    said = cli("audit", "open", "--key", "a")
    assert said.status == Exit.BAD_INPUT
    assert "does not match its own sum" in said.err


@pytest.mark.usefixtures("log")
def test_an_auditors_key_that_others_can_read_is_refused(cli: Cli, tmp_path: Path) -> None:
    """It is made with mode 0600, and with another it opens nothing."""
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    (tmp_path / "a").chmod(0o640)
    said = cli("audit", "open", "--key", "a")
    assert (said.status, "run `chmod 600 a`" in said.err) == (Exit.BAD_INPUT, True)


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("key", "told"),
    [("k", "it holds a key of the kind `signing`"), ("a.pub", "can be read by others")],
)
def test_a_key_for_something_else_opens_nothing(cli: Cli, key: str, told: str) -> None:
    """One that signs, or the public half."""
    said = cli("audit", "open", "--key", key)
    assert (said.status, told in said.err) == (Exit.BAD_INPUT, True)


def test_a_policy_that_seals_needs_the_auditors_key(cli: Cli, policy: Path) -> None:
    """Nothing runs without it, and the sentence says what to do."""
    policy.write_text(policy.read_text() + SEALED)
    said = cli("run", "40 + 2", "--policy", policy)
    assert said.status == Exit.BAD_INPUT
    assert "records of tool `calculator` are to be sealed, and there is no key" in said.err
    cli("keygen", "k")
    said = cli("run", "40 + 2", "--policy", policy, "--auditor", "k.pub")
    assert (said.status, "does not hold an X25519 public key" in said.err) == (2, True)


def test_a_claim_is_checked_with_the_logs_own_key(cli: Cli, log: Path, tmp_path: Path) -> None:
    """The holder of that key says yes or no; another key is told, and without one nothing is."""
    index = str(_place(log, "intent", "file_read"))
    text = '{"path":"public/%s.txt","root":"workspace"}'
    (tmp_path / "yes").write_text(text % "a" + "\n")  # as an editor ends it
    (tmp_path / "no").write_text(text % "b")
    said = cli("audit", "claim", index, "yes", "--key", "k")
    assert (said.status, said.out) == (Exit.OK, f"record {index}: yes is its arguments\n")
    for name, key in (("no", ("--key", "k")), ("yes", ())):
        said = cli("audit", "claim", index, name, *key)
        assert said.status == Exit.BAD_INPUT
        assert f"record {index} has no digest that {name} is shown to be of" in said.err
    cli("keygen", "other")
    said = cli("audit", "claim", index, "yes", "--key", "other")
    assert (said.status, "other is not the key under which" in said.err) == (2, True)


@pytest.mark.usefixtures("log")
def test_a_claim_about_nothing_is_an_error(cli: Cli, tmp_path: Path) -> None:
    """A record that is not there, a file that is not there."""
    (tmp_path / "text").write_text("x")
    said = cli("audit", "claim", "999", "text")
    assert (said.status, "has no record 999" in said.err) == (Exit.BAD_INPUT, True)
    said = cli("audit", "claim", "0", "none")
    assert (said.status, "none cannot be read: No such file" in said.err) == (2, True)
