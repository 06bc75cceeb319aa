"""`authgate approvals`: a human sees what waits, and approves exactly that."""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.cli.exits import Exit
from authgate_async.keys import generate
from authgate_async.log.verify import verify

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Cli = Callable[..., Any]
    Start = Callable[..., subprocess.Popen[bytes]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes of POSIX")

SUM = {"expression": "6*7"}
STEERING = {"expression": "1+1\u202e\u0430"}
"""A sign that turns the text around, and a Cyrillic letter that looks like a Latin one."""


@pytest.fixture
def folder(tmp_path: Path, policy: Path) -> Path:
    """The spool; `ann` and `eve` have keys, and one of them must approve a calculation."""
    head, _, tail = policy.read_text().partition('name = "ann"\nkind = "human"\n')
    people = "".join(
        f'name = "{name}"\nkind = "human"\nkey = "{generate(tmp_path / name).hex()}"\n{next_one}'
        for name, next_one in (("ann", "[[principals]]\n"), ("eve", ""))
    )
    asking = 'resource = "compute:calculator"\napprovers = ["ann", "eve"]'
    tail = tail.replace('resource = "compute:calculator"', asking)
    policy.write_text(head + people + tail)
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    return spool


@pytest.fixture
def start(
    authgate: Start, policy: Path, folder: Path, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a batch of one task that makes one calculation with these arguments."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(args: dict[str, str]) -> subprocess.Popen[bytes]:
        task = {"id": "one", "agent": "bot", "steps": [{"tool": "calculator", "args": args}]}
        (tmp_path / "t.jsonl").write_text(json.dumps(task))
        options = ("--policy", policy, "--out", "out.jsonl", "--log", "log")
        begun.append(authgate("batch", "t.jsonl", *options, "--approvals", folder))
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.fixture
def waiting(cli: Cli, tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Wait until a call waits, and return what `list --json` says of it."""

    def wait() -> dict[str, Any]:
        while not (tmp_path / "log" / "log.jsonl").exists():
            time.sleep(0.01)
        while not (said := cli("approvals", "list", "log", "--json")).out:
            time.sleep(0.01)
        found: dict[str, Any] = json.loads(said.out)
        return found

    return wait


def test_a_human_approves_a_call_of_a_running_program(
    cli: Cli, start: Any, waiting: Any, folder: Path, tmp_path: Path
) -> None:
    """List it, sign it into the folder, and it runs; the log is whole, and nothing waits."""
    process = start(SUM)
    call = waiting()["action_id"]
    shown = cli("approvals", "list", "log").out
    assert f'call      "{call}", record ' in shown
    assert 'agent     "bot", machine\ntool      "calculator"\n' in shown
    assert 'arguments {"expression":"6*7"}\nasks to   execute "compute:calculator"\n' in shown
    assert "because   grant `" in shown
    signed = cli("approvals", "sign", call, "log", "--as", "eve", "--key", "eve", "--to", folder)
    assert (signed.status, signed.out) == (Exit.OK, "")
    assert 'arguments {"expression":"6*7"}' in signed.err
    assert "approved by eve: " in signed.err
    assert process.wait() == Exit.OK
    assert json.loads((tmp_path / "out.jsonl").read_text())["steps"][0]["value"] == "42"
    assert list(folder.iterdir()) == []
    assert verify(tmp_path / "log").sealed
    over = cli("approvals", "list", "log")
    assert (over.status, over.out, over.err) == (Exit.OK, "", "no call waits for an approval\n")


def test_the_wrong_key_approves_nothing(cli: Cli, start: Any, waiting: Any, folder: Path) -> None:
    """It is refused, taken away, and told in the operator's log; then the right one is taken."""
    process = start(SUM)
    call = waiting()["action_id"]
    wrong = ("--as", "ann", "--key", "eve", "--to", folder)
    assert cli("approvals", "sign", call, "log", *wrong).status == Exit.OK
    while any(folder.iterdir()):
        time.sleep(0.01)
    assert waiting()["approved"] == []
    right = ("--as", "ann", "--key", "ann", "--to", folder)
    assert cli("approvals", "sign", call, "log", *right).status == Exit.OK
    _, told = process.communicate()
    assert process.returncode == Exit.OK
    refused = [json.loads(line) for line in told.splitlines() if b"approval refused" in line]
    assert "not signed with the enrolled key of human `ann`" in refused[0]["error"]


def test_what_is_shown_cannot_steer_the_terminal_or_the_eye(
    cli: Cli, start: Any, waiting: Any
) -> None:
    """Hidden signs are escapes as JSON has them; what is not ASCII is shown a second time in it."""
    process = start(STEERING)
    waiting()
    shown = cli("approvals", "list", "log").out
    assert '\narguments {"expression":"1+1\\u202e\u0430"}\n' in shown
    assert '\n  ASCII   arguments {"expression":"1+1\\u202e\\u0430"}\n' in shown
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while b"stopping" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    assert process.wait() == Exit.INTERRUPTED
    assert cli("approvals", "list", "log").out == ""


UNSIGNABLE: list[tuple[dict[str, Any], str]] = [
    ({"call": "gone:0"}, "no call `gone:0` waits in the log log; see"),
    ({"--as": "bob"}, "say who approves with --as NAME; this call can be approved by `ann`, "),
    ({"--as": None}, "say who approves with --as NAME"),
    ({"--key": "none"}, "none cannot be read"),
    ({"--to": "none"}, "cannot be written"),
]


@pytest.mark.parametrize("changed", UNSIGNABLE)
def test_what_cannot_be_signed_is_told(
    cli: Cli, start: Any, waiting: Any, folder: Path, changed: Any
) -> None:
    """A sentence says what is wrong, and nothing is approved."""
    fields, sentence = changed
    start(SUM)
    call = waiting()["action_id"]
    given = {"--as": "ann", "--key": "ann", "--to": str(folder)} | fields
    options = [part for pair in given.items() if pair[0] != "call" and pair[1] for part in pair]
    said = cli("approvals", "sign", given.get("call", call), "log", *options)
    assert said.status in {Exit.BAD_INPUT, Exit.UNAVAILABLE}
    assert sentence in said.err
    assert list(folder.iterdir()) == []


def test_an_approval_goes_to_stdout_without_a_folder(
    cli: Cli, start: Any, waiting: Any, folder: Path
) -> None:
    """It is one JSON object, and the folder takes it from any file whose name ends as it should."""
    process = start(SUM)
    call = waiting()["action_id"]
    said = cli("approvals", "sign", call, "log", "--as", "ann", "--key", "ann")
    assert json.loads(said.out)["approver"] == "ann"
    (folder / "mine.draft").write_text(said.out)
    (folder / "mine.draft").rename(folder / "mine.approval")
    assert process.wait() == Exit.OK


def test_arguments_that_the_log_does_not_keep_cannot_be_approved_from_it(
    cli: Cli, start: Any, waiting: Any, policy: Path, folder: Path
) -> None:
    """Nobody approves what they do not see."""
    policy.write_text(policy.read_text() + '[tools.calculator]\nrecord_args = "digest"\n')
    start(SUM)
    found = waiting()
    assert (found["withheld"], found["args"]) == (True, "")
    assert "arguments are kept off the log\n" in cli("approvals", "list", "log").out
    options = ("--as", "ann", "--key", "ann", "--to", folder)
    said = cli("approvals", "sign", found["action_id"], "log", *options)
    assert said.status == Exit.BAD_INPUT
    assert "nobody should approve what they do not see" in said.err
