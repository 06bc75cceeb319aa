from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

import pytest

from authgate_async.cli import blame, doctor, keygen
from authgate_async.cli.exits import Exit
from authgate_async.cli.lines import read_tasks
from authgate_async.errors import (
    ClosedError,
    InternalError,
    KeyFileError,
    LogUnavailableError,
    TaskError,
)
from authgate_async.log.storage import Storage
from authgate_async.policy.problems import Problem, tell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Said

    Cli = Callable[..., Said]

ARGUMENTS = [
    ((), "the following arguments are required: VERB"),
    (("fly",), "invalid choice: 'fly'"),
    (("fly\x1b[31m",), "invalid choice: 'fly\\x1b[31m'"),
    (("run", "x"), "the following arguments are required: --policy"),
    (("batch", "t", "--policy", "p", "--out", "o", "--log", "l", "--concurrency", "0"), "1000000"),
    (("batch", "t", "--policy", "p", "--out", "o", "--log", "l", "--loop", "uv"), "invalid choice"),
    (("decide", "--policy", "p", "--backend", "go"), "invalid choice: 'go'"),
    (("audit",), "the following arguments are required: PART"),
    (("doctor", "\u202e"), "unrecognized arguments: \\u202e"),
    (("doctor", "a\nb\x1b[31m"), "unrecognized arguments: a\\nb\\x1b[31m"),
]


@pytest.mark.parametrize(("args", "sentence"), ARGUMENTS)
def test_a_wrong_argument_gets_one_line_that_points_to_help(
    cli: Cli, args: tuple[str, ...], sentence: str
) -> None:
    """Bad arguments end with status 2 and one printable line on stderr."""
    said = cli(*args)
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
    assert sentence in said.err
    assert said.err.rstrip("\n").isprintable()
    assert "--help" in said.err


VERBS = [
    ("run", "1 + 1", "--policy", "gone.toml"),
    ("batch", "t.jsonl", "--policy", "gone.toml", "--out", "o", "--log", "l"),
    ("decide", "--policy", "gone.toml"),
    ("policy", "check", "gone.toml"),
]


@pytest.mark.parametrize("args", VERBS)
def test_a_policy_that_is_not_there_is_told_by_every_verb(cli: Cli, args: tuple[str, ...]) -> None:
    """The sentence names the file, and nothing is made."""
    said = cli(*args)
    assert said.status == Exit.BAD_INPUT
    assert said.err == (
        "gone.toml: cannot be read: No such file or directory; name a policy file\n"
    )


GOOD = '{"agent": "bot", "intent": "1 + 1"}'
LINES = [
    ("", "the line is empty; remove it"),
    ("{", "the line is not JSON: Expecting property name enclosed in double quotes at column 2"),
    ("[]", "the line does not fit: Expected `object`, got `array`"),
    ('{"agent": 1}', "the line does not fit: Expected `str`, got `int` - at `$.agent`"),
    ('{"agent": "a", "intnt": "x"}', "the line does not fit: Object contains unknown field"),
    ('{"agent": "", "intent": "x"}', "`agent` is empty; name the machine"),
    ('{"agent": "a"}', "the task asks for nothing; give an `intent` or `steps`"),
    ('{"agent": "a", "agent": "b"}', "key `agent` stands twice in one object; remove one"),
    ('{"agent": "a", "steps": [NaN]}', "NaN is no JSON number; write a finite one"),
    ('{"agent": "a", "intent": "\\ud800"}', "the line has half of a surrogate pair"),
    ('{"agent": "a", "steps": ' + "[" * 99_999, "the line nests too deep; flatten it"),
    ('{"agent": "a", "steps": [' + "9" * 9999 + "]}", "the line does not fit: Exceeds the limit"),
    ('{"agent": "a", "intent": "' + "x" * 2**20 + '"}', "the line is longer than 1 MiB"),
    (
        '{"agent": "a", "intent": "x", "id": "\x7f"}\n{"agent": "a", "intent": "x", "id": "\x7f"}',
        "",
    ),
]


@pytest.mark.parametrize(("line", "sentence"), LINES)
def test_a_bad_task_is_told_with_its_line_before_anything_runs(
    cli: Cli, policy: Path, tmp_path: Path, line: str, sentence: str
) -> None:
    """`FILE:LINE: SENTENCE` with status 2; no log, no results, no run."""
    (tmp_path / "t.jsonl").write_text(f"{GOOD}\n{line}\n{GOOD}\n")
    said = cli("batch", "t.jsonl", "--policy", policy, "--out", "o", "--log", "l")
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
    assert said.err.startswith(f"t.jsonl:2: {sentence}" if sentence else "t.jsonl:3: `id` `\\x7f`")
    assert not (tmp_path / "o").exists()
    assert not (tmp_path / "l").exists()


def test_every_bad_task_is_told(cli: Cli, policy: Path, tmp_path: Path) -> None:
    """All bad lines are told at once, also one that is no UTF-8."""
    (tmp_path / "t.jsonl").write_bytes(b'{"agent"\n\xff\n' + GOOD.encode() + b"\n7")
    said = cli("batch", "t.jsonl", "--policy", policy, "--out", "o", "--log", "l")
    places = [line.split(" ")[0] for line in said.err.splitlines()]
    assert places == ["t.jsonl:1:", "t.jsonl:2:", "t.jsonl:4:"]


ACTION = {"id": "1", "actor": "bot", "tool": "calculator", "args": {"expression": "1"}}
ACTIONS = [
    ({"flags": ["flies"]}, "Invalid enum value 'flies'"),
    ({"min_epoch": -1}, "`min_epoch` is out of range"),
    ({"min_epoch": 2**63}, "`min_epoch` is out of range"),
    ({"proof": "zz"}, "`proof` is not hexadecimal"),
    ({"requests": [{"resource": "x", "right": "read"}]}, "`resource` cannot be `x`; write"),
    ({"requests": [{"resource": "x:y", "right": "fly"}]}, "Invalid enum value 'fly'"),
    ({"args": []}, "Expected `object`, got `array`"),
]


@pytest.mark.parametrize(("keys", "sentence"), ACTIONS)
def test_a_bad_action_is_told_before_anything_is_decided(
    cli: Cli, policy: Path, keys: dict[str, object], sentence: str
) -> None:
    """One bad line in stdin gives its place and status 2, and no verdict on any other."""
    lines = [json.dumps(ACTION), json.dumps(ACTION | keys)]
    said = cli("decide", "--policy", policy, stdin="\n".join(lines).encode())
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
    assert said.err.startswith("stdin:2: ")
    assert sentence in said.err


def test_results_are_never_replaced_unasked(cli: Cli, policy: Path, tmp_path: Path) -> None:
    """A file of results that is there is refused and left as it is."""
    (tmp_path / "t.jsonl").write_text(GOOD)
    (tmp_path / "o").write_text("precious")
    said = cli("batch", "t.jsonl", "--policy", policy, "--out", "o", "--log", "l")
    assert (said.status, "--force" in said.err) == (Exit.BAD_INPUT, True)
    assert (tmp_path / "o").read_text() == "precious"


@pytest.mark.parametrize("out", ["l/log.jsonl", "l", "l/new", "x/../l/lock", "soft", "hard"])
def test_results_never_replace_the_log(cli: Cli, policy: Path, tmp_path: Path, out: str) -> None:
    """By no name, not even with --force, do results go into the folder of the log."""
    cli("run", "1 + 1", "--policy", policy, "--log", "l")
    (tmp_path / "t.jsonl").write_text(GOOD)
    (tmp_path / "x").mkdir()
    (tmp_path / "soft").symlink_to("l/log.jsonl")
    (tmp_path / "hard").hardlink_to(tmp_path / "l" / "log.jsonl")
    said = cli("batch", "t.jsonl", "--policy", policy, "--out", out, "--log", "l", "--force")
    assert (said.status, said.out) == (Exit.BAD_INPUT, "")
    assert said.err == f"{out}: belongs to the log l; name another file\n"
    assert cli("audit", "verify", "l").status == Exit.OK


@pytest.mark.parametrize("out", ["t.jsonl", "policy.toml", "k", "soft"])
def test_results_never_replace_what_is_read(
    cli: Cli, policy: Path, tmp_path: Path, out: str
) -> None:
    """Tasks, policy and key are safe from --force."""
    (tmp_path / "t.jsonl").write_text(GOOD)
    (tmp_path / "soft").symlink_to("t.jsonl")
    cli("keygen", "k")
    before = (tmp_path / out).read_bytes()
    where = ("--policy", policy, "--out", out, "--log", "l", "--key", "k", "--force")
    said = cli("batch", "t.jsonl", *where)
    assert said.status == Exit.BAD_INPUT
    assert said.err == f"{out}: is what the batch reads; name another file\n"
    assert (tmp_path / out).read_bytes() == before
    assert not (tmp_path / "l").exists()


@pytest.mark.parametrize("before", [None, "precious"])
def test_a_start_that_fails_leaves_the_results_as_they_were(
    cli: Cli, policy: Path, tmp_path: Path, before: str | None
) -> None:
    """With the log in use no empty file of results is left, and --force empties none."""
    (tmp_path / "t.jsonl").write_text(GOOD)
    if before is not None:
        (tmp_path / "o").write_text(before)
    storage = Storage(tmp_path / "l", sync=False)
    said = cli("batch", "t.jsonl", "--policy", policy, "--out", "o", "--log", "l", "--force")
    storage.close()
    assert said.status == Exit.UNAVAILABLE
    assert "is in use by another process" in said.err
    assert ((tmp_path / "o").read_text() if (tmp_path / "o").exists() else None) == before


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("--out", "no/where"), "no/where: cannot be written: No such file or directory"),
        (("--out", "."), ".: is there already"),
        (("--out", "-", "--json"), "--json and --out - both want stdout"),
        (("--out", "o", "--key", "gone.pem"), "gone.pem cannot be read"),
    ],
)
def test_where_results_or_a_key_cannot_be_is_told(
    cli: Cli, policy: Path, tmp_path: Path, args: tuple[str, ...], sentence: str
) -> None:
    """A place that cannot work is told with status 2 before anything runs."""
    (tmp_path / "t.jsonl").write_text(GOOD)
    said = cli("batch", "t.jsonl", "--policy", policy, "--log", "l", *args)
    assert said.status == Exit.BAD_INPUT
    assert sentence in said.err


def test_an_agent_must_be_named_if_there_are_several(cli: Cli, tmp_path: Path) -> None:
    """`run` guesses no agent."""
    (tmp_path / "p.toml").write_text("")
    said = cli("run", "1 + 1", "--policy", "p.toml")
    assert said.status == Exit.BAD_INPUT
    assert said.err == "the policy has 0 machines; say which with --agent NAME\n"


def test_a_log_that_is_not_there_is_told(cli: Cli) -> None:
    """`audit verify` names the place."""
    said = cli("audit", "verify", "nowhere")
    assert said.status == Exit.BAD_INPUT
    assert "there is no log at nowhere" in said.err


def test_a_key_is_never_overwritten(cli: Cli) -> None:
    """`keygen` refuses a file that is there."""
    assert cli("keygen", "k").status == Exit.OK
    said = cli("keygen", "k")
    assert said.status == Exit.BAD_INPUT
    assert "is there already" in said.err


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_disk_that_takes_no_key_is_told(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, *, wrapped: bool
) -> None:
    """A read-only or full disk is nobody's bad input; `keygen` says what to do."""

    def fail(*_: object) -> None:
        cause = OSError(errno.EROFS, "Read-only file system")
        if wrapped:
            raise KeyFileError("k cannot be written") from cause
        raise cause

    monkeypatch.setattr(keygen, "generate", fail)
    said = cli("keygen", "k")
    assert (said.status, said.out) == (Exit.UNAVAILABLE, "")
    assert said.err.startswith("k cannot be written: Read-only file system; name a file on a disk")


ERRORS = [
    (TaskError("t:1: bad\x1b"), Exit.BAD_INPUT, "t:1: bad\\x1b\n"),
    (LogUnavailableError("full"), Exit.UNAVAILABLE, "full\n"),
    (TaskError("a\nforged"), Exit.BAD_INPUT, "a\\nforged\n"),
    (
        TaskError(tell([Problem("a\nb", 1, "c"), Problem("d", 0, "e\nf")])),
        2,
        "a\\nb:1: c\nd: e\\nf\n",
    ),
    (ClosedError("closed"), Exit.INTERRUPTED, "closed\n"),
    (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted\n"),
    (ExceptionGroup("", [TaskError("a"), ExceptionGroup("", [TaskError("b")])]), 2, "a\nb\n"),
    (BaseExceptionGroup("", [KeyboardInterrupt(), TaskError("a")]), 5, "interrupted\n"),
]


@pytest.mark.parametrize(("error", "status", "told"), ERRORS)
def test_an_error_that_is_no_bug_gets_a_sentence(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, told: str
) -> None:
    """Whose fault an error is decides the status, and no traceback is shown."""
    assert blame.status(error) == status
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("error", [ZeroDivisionError("\x1b"), InternalError("x"), OSError("y")])
def test_a_bug_of_ours_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Only a bug shows a traceback, escaped, with status 1 and the request to report it."""

    def fail(_args: object) -> None:
        raise error

    monkeypatch.setattr(doctor, "run", fail)
    said = cli("doctor")
    assert said.status == Exit.BUG
    assert said.err.startswith("Traceback (most recent call last)")
    assert said.err.endswith(
        "this is a bug of ours, not of yours; please report it with the lines above\n"
    )
    assert "\x1b" not in said.err


@pytest.mark.parametrize("name", ["gone.jsonl", ".", "a\0b"])
def test_tasks_that_cannot_be_read_are_told(cli: Cli, policy: Path, name: str) -> None:
    """A missing file of tasks, a folder and an impossible name each get a sentence."""
    said = cli("batch", name, "--policy", policy, "--out", "o", "--log", "l")
    assert said.status == Exit.BAD_INPUT
    assert "cannot be read: " in said.err
    assert said.err.endswith("; name a file of tasks\n")


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A file of tasks may be longer than any disk: an endless line is told, and is the last."""
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_bytes(b"{}\n")
    os.truncate(tasks, 2**43)
    with pytest.raises(TaskError, match=r"jsonl:2: the line is longer than 1 MiB; shorten it$"):
        read_tasks(tasks)
