from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from authgate_async.cli import doctor
from authgate_async.cli.exits import Exit
from authgate_async.cli.output import json_line
from authgate_async.errors import LogUnavailableError
from authgate_async.log.storage import Storage
from authgate_async.policy import load
from authgate_async.policy.trial import try_policy
from authgate_async.tools.web_search import build_index

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Said

    Cli = Callable[..., Said]

NOW = 1_800_000_000_000_000


def test_a_sound_policy_is_summarised(cli: Cli, policy: Path) -> None:
    """`policy check` says what is in the file."""
    said = cli("policy", "check", policy)
    assert said.out == "the policy is sound: 2 principals, 1 resources, 2 grants, all tools\n"
    assert (said.status, said.err) == (Exit.OK, "")


WEB = '[[resources]]\nid = "search:web"\npath = "index"\n'


@pytest.mark.parametrize("kind", ["folder", "junk", "empty", "index", "off"])
def test_a_place_to_search_must_be_an_index(cli: Cli, tmp_path: Path, kind: str) -> None:
    """`policy check` opens the index as the tool does; where the tool is off, it is no matter."""
    if kind == "folder":
        (tmp_path / "index").mkdir()
    else:
        (tmp_path / "index").write_text("" if kind == "empty" else "junk " * 999)
    if kind == "index":
        (tmp_path / "texts").mkdir()
        build_index(tmp_path / "texts", tmp_path / "index")
    (tmp_path / "p.toml").write_text(WEB + ("[tools.calculator]" if kind == "off" else ""))
    said = cli("policy", "check", "p.toml")
    sound = kind in ("index", "off")
    assert said.status == (Exit.OK if sound else Exit.BAD_INPUT)
    assert said.err.startswith("" if sound else "p.toml:3: `path` of `search:web` is no search")


def test_problems_of_a_policy_are_for_people_and_for_machines(cli: Cli, tmp_path: Path) -> None:
    """The same problems are on stderr as lines and with --json on stdout as one object."""
    (tmp_path / "p.toml").write_text("a = 1\nb = 2\n")
    said = cli("policy", "check", "p.toml", "--json")
    found = json.loads(said.out)
    assert said.status == Exit.BAD_INPUT
    assert [problem["line"] for problem in found["problems"]] == [1, 2]
    assert [line[:9] for line in said.err.splitlines()] == ["p.toml:1:", "p.toml:2:"]
    assert found["ok"] is False


HOLDER = '[[grants]]\nholder = "machine:bot"\nresource = "file:workspace"\nrights = ["read"]\n'
DOUBTS = [
    (
        '[[principals]]\nname = "x"\nkind = "machine"',
        0,
        "machine `x` has no owner and can do nothing",
    ),
    (HOLDER + "expires_at = 2001-01-01T00:00:00Z", 0, "can permit nothing: grant `g"),
    (HOLDER + 'id = "g"\nparent = "g"', 0, "grant `g` can permit nothing: grant `g` may not be"),
    (HOLDER + "budget.calls = 0", 0, "can permit nothing: grant `g"),
    (HOLDER.replace("workspace", "w2"), 0, "`file:w2` has no folder, so no tool can reach it"),
    (f'{HOLDER}id = "r"\n{HOLDER}parent = "r"', 5, "grant `r` may not be delegated"),
    (
        HOLDER.replace("read", "delegate") + f'id = "r"\n{HOLDER}parent = "r"',
        5,
        "is wider than its parent `r` in rights",
    ),
]


@pytest.mark.parametrize(("text", "offset", "doubt"), DOUBTS)
def test_what_can_have_no_effect_is_doubted(
    policy: Path, text: str, offset: int, doubt: str
) -> None:
    """A grant or a machine that can permit nothing is told with its line, by asking the kernel."""
    first = policy.read_text().count("\n") + 1
    whole = policy.read_text() + text
    policy.write_text(whole)
    trial = try_policy(load(policy), whole, NOW, "python")
    assert trial.refused == ()
    told = [problem.sentence for problem in trial.doubtful if problem.line == first + offset]
    assert any(doubt in sentence for sentence in told)


def test_doubts_do_not_make_a_policy_bad(cli: Cli, policy: Path) -> None:
    """Warnings are on stderr, and the status stays 0."""
    policy.write_text(policy.read_text() + '[[principals]]\nname = "trial"\nkind = "machine"')
    said = cli("policy", "check", policy)
    assert said.status == Exit.OK
    assert said.err.startswith("warning: ")


def test_what_the_kernel_refuses_is_a_problem(cli: Cli, policy: Path) -> None:
    """A key of the right length that is no point is found by the kernel, and told by two verbs."""
    key = "02" + "00" * 31
    text = f'[[principals]]\nname = "x"\nkind = "human"\nkey = "{key}"\n'
    policy.write_text(policy.read_text() + text)
    checked, decided = cli("policy", "check", policy), cli("decide", "--policy", policy)
    assert (checked.status, decided.status) == (Exit.BAD_INPUT, Exit.BAD_INPUT)
    assert "human `x`: the kernel refuses it" in checked.err
    assert "the kernel refuses it" in decided.err


def test_the_schema_is_json(cli: Cli) -> None:
    """`policy schema` prints a JSON Schema."""
    assert json.loads(cli("policy", "schema").out)["$defs"]["PolicyForm"]


ASK = {"id": "1", "actor": "bot", "tool": "t", "requests": [{"resource": "a:b", "right": "read"}]}
SUM = {"id": "1", "actor": "bot", "tool": "calculator", "args": {"expression": "1 + 1"}}
FILE = {"id": "1", "actor": "bot", "tool": "file_read", "args": {"path": "public/a.txt"}}
VERDICTS = [
    (SUM, []),
    (FILE, []),
    (FILE | {"args": {"path": "b.txt"}}, ["no_grant"]),
    (FILE | {"args": {"path": "public/../b.txt"}}, ["no_grant"]),
    (SUM | {"actor": "x"}, ["unowned_machine", "identity_mismatch", "no_grant"]),
    (SUM | {"kind": "robot"}, ["malformed"]),
    (SUM | {"flags": ["coerces", "deceives"]}, ["forbidden_flag", "forbidden_flag"]),
    (SUM | {"governs_humans": ["ann"]}, ["machine_dominion"]),
    (SUM | {"min_epoch": 1}, ["epoch_stale"]),
    (SUM | {"tool": "gone"}, ["unknown_tool"]),
    (SUM | {"args": {"x": 1}}, ["bad_arguments"]),
    (ASK, ["no_grant"]),
    (ASK | {"args": {"n": 2**60}}, ["bad_arguments"]),
]


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize(("action", "codes"), VERDICTS)
def test_an_action_gets_its_verdict(
    cli: Cli, policy: Path, backend: str, action: dict[str, object], codes: list[str]
) -> None:
    """`decide` answers one line for one line, with every violation, by either kernel."""
    said = cli(
        "decide", "--policy", policy, "--backend", backend, stdin=json.dumps(action).encode()
    )
    answer = json.loads(said.out)
    assert [code for code, _ in answer["violations"]] == codes
    assert answer["permitted"] is not bool(codes)
    assert said.status == (Exit.DENIED if codes else Exit.OK)


def test_answers_keep_the_order_over_many_batches(cli: Cli, policy: Path) -> None:
    """Thousands of actions are answered in the order in which they were asked."""
    lines = [json.dumps((SUM if n % 3 else ASK) | {"id": str(n)}) for n in range(1200)]
    said = cli("decide", "--policy", policy, stdin="\n".join(lines).encode())
    answers = [json.loads(line) for line in said.out.splitlines()]
    assert [answer["id"] for answer in answers] == [str(n) for n in range(1200)]
    assert [answer["permitted"] for answer in answers] == [bool(n % 3) for n in range(1200)]


def test_one_task_prints_what_its_tool_returned(cli: Cli, policy: Path) -> None:
    """`run` has the result on stdout, and finds the only machine by itself."""
    said = cli("run", "What is 6 * 7?", "--policy", policy, "--log-level", "error")
    assert (said.status, said.out, said.err) == (Exit.OK, "42\n", "")


def test_a_result_cannot_steer_the_terminal(cli: Cli, policy: Path) -> None:
    """What a tool returned is printed with control characters escaped."""
    said = cli("run", "Read public/a.txt", "--policy", policy, "--log-level", "error")
    assert said.out == "hello\\x1b[31m\n"


def test_a_denied_task_says_why(cli: Cli, policy: Path) -> None:
    """`run` ends with status 3 and names each violation."""
    said = cli("run", "Read b.txt", "--policy", policy, "--log-level", "error")
    assert (said.status, said.out) == (Exit.DENIED, "")
    assert said.err == (
        "file_read: denied\n"
        "  no_grant: machine `bot` holds no grant to read `file:workspace/b.txt`\n"
    )


@pytest.mark.parametrize(
    ("intent", "status", "told"),
    [
        ("Hum.", Exit.OK, "the planner found nothing to do in this intent"),
        ("Read public/gone.txt", Exit.FAILED, "file_read: raised: ToolFailure: "),
        ("Read public/gone.txt and read b.txt", Exit.FAILED, "file_read: denied"),
    ],
)
def test_a_task_without_a_result_says_so(
    cli: Cli, policy: Path, intent: str, status: Exit, told: str
) -> None:
    """An empty plan and a failing tool each get a sentence on stderr; only the tool failed."""
    said = cli("run", intent, "--policy", policy, "--log-level", "error")
    assert (said.status, said.out) == (status, "")
    assert told in said.err


def test_a_batch_whose_tools_fail_is_no_success(cli: Cli, policy: Path, tmp_path: Path) -> None:
    """A run may be done although its tool failed; the status of the batch tells it still."""
    (tmp_path / "t.jsonl").write_text('{"agent": "bot", "intent": "Read public/gone.txt"}')
    said = cli("batch", "t.jsonl", "--policy", policy, "--out", "o", "--log", "l", "--json")
    summary = json.loads(said.out)
    assert (summary["done"], summary["tool_errors"], said.status) == (1, 1, Exit.FAILED)


def test_a_task_can_be_read_by_a_machine(cli: Cli, policy: Path) -> None:
    """`run --json` prints the whole result as one object."""
    said = cli("run", "What is 6 * 7?", "--policy", policy, "--json", "--backend", "python")
    result = json.loads(said.out)
    assert (result["status"], result["steps"][0]["value"]) == ("done", "42")


TASKS = [
    ("sum", {"agent": "bot", "intent": "What is 1 + 1?"}, "done"),
    ("no", {"agent": "bot", "intent": "Read b.txt"}, "denied"),
    ("plan", {"agent": "bot", "steps": [{"tool": "calculator"}]}, "denied"),
    ("broken", {"agent": "bot", "steps": [{"toool": "calculator"}]}, "failed"),
]


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A file of tasks with every end that a task can have by itself."""
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps({"id": name} | task) + "\n" for name, task, _ in TASKS))
    return path


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_batch_writes_each_result_and_a_log_that_verifies(
    cli: Cli, policy: Path, tasks: Path, tmp_path: Path, loop: str
) -> None:
    """Every task has its line in the results, the summary counts them, and the log holds."""
    where = ("--policy", policy, "--out", "o", "--log", "l", "--loop", loop)
    said = cli("batch", tasks, *where, "--json", "--concurrency", "2")
    results = [json.loads(line) for line in (tmp_path / "o").read_text().splitlines()]
    assert {result["task"]: result["status"] for result in results} == {
        name: status for name, _, status in TASKS
    }
    summary = json.loads(said.out)
    assert (summary["done"], summary["denied"], summary["failed"]) == (1, 2, 1)
    assert summary["codes"] == {"bad_arguments": 1, "no_grant": 1}
    assert said.status == Exit.FAILED
    verified = cli("audit", "verify", "l")
    assert (verified.status, verified.out[:15]) == (Exit.OK, "the log holds: ")


@pytest.mark.parametrize(
    ("count", "status"), [(0, Exit.OK), (1, Exit.OK), (2, Exit.DENIED), (4, Exit.FAILED)]
)
def test_the_status_of_a_batch_tells_the_worst(
    cli: Cli, policy: Path, tasks: Path, count: int, status: Exit
) -> None:
    """0 all done, 3 some denied, 4 some failed; an empty batch is done."""
    tasks.write_text("".join(tasks.read_text().splitlines(keepends=True)[:count]))
    said = cli("batch", tasks, "--policy", policy, "--out", "-", "--log", "l")
    assert said.status == status
    assert len(said.out.splitlines()) == count
    assert f"{count} tasks" in said.err


@pytest.mark.parametrize("how", ["--json", "--log-level=error"])
def test_with_a_full_log_it_is_told_what_was_done(
    cli: Cli, policy: Path, tasks: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A log that cannot even be sealed ends the batch with its summary and with a sentence."""
    write = Storage.write

    def until_full(storage: Storage, data: bytes) -> None:
        if b'"kind":"sealed"' in data:
            raise LogUnavailableError("the log l is full")
        write(storage, data)

    monkeypatch.setattr(Storage, "write", until_full)
    said = cli("batch", tasks, "--policy", policy, "--out", "o", "--log", "l", how)
    assert said.status == Exit.UNAVAILABLE
    assert said.err.endswith("\nthe log l is full\n")
    told = said.out if how == "--json" else "".join(said.err.split())
    assert ('"denied":2' if how == "--json" else "denied2") in told


def test_results_are_replaced_when_asked(
    cli: Cli, policy: Path, tasks: Path, tmp_path: Path
) -> None:
    """`--force` starts the file of results anew."""
    (tmp_path / "o").write_text("old\n")
    cli("batch", tasks, "--policy", policy, "--out", "o", "--log", "l", "--force")
    assert len((tmp_path / "o").read_text().splitlines()) == len(TASKS)


def test_a_log_is_checked_against_a_key(cli: Cli, policy: Path) -> None:
    """The key that signed passes, another one does not, and JSON says which."""
    for name in ("ours", "other"):
        cli("keygen", name)
    cli("run", "1 + 1", "--policy", policy, "--log", "l", "--key", "ours")
    good = cli("audit", "verify", "l", "--key", "ours.pub", "--json")
    bad = cli("audit", "verify", "l", "--key", "other.pub", "--json")
    assert (good.status, json.loads(good.out)["ok"]) == (Exit.OK, True)
    assert (bad.status, json.loads(bad.out)["ok"]) == (Exit.BAD_INPUT, False)


def test_a_changed_log_is_caught_at_its_record(cli: Cli, policy: Path, tmp_path: Path) -> None:
    """`audit verify` names the record in which a byte was flipped."""
    cli("run", "1 + 1", "--policy", policy, "--log", "l")
    [log] = [path for path in (tmp_path / "l").iterdir() if b"\n" in path.read_bytes()]
    lines = log.read_bytes().split(b"\n")
    lines[2] = lines[2][:-5] + bytes([lines[2][-5] ^ 1]) + lines[2][-4:]
    log.write_bytes(b"\n".join(lines))
    said = cli("audit", "verify", "l")
    assert said.status == Exit.BAD_INPUT
    assert ": record 2 at byte " in said.err


def test_an_unfinished_log_is_told(cli: Cli, policy: Path, tmp_path: Path) -> None:
    """A log whose end is missing verifies as far as it goes, with notes."""
    cli("run", "1 + 1", "--policy", policy, "--log", "l")
    [log] = [path for path in (tmp_path / "l").iterdir() if b"\n" in path.read_bytes()]
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-4]))
    said = cli("audit", "verify", "l")
    assert said.status == Exit.OK
    assert "note: the log is not sealed, so its end may be missing" in said.err
    assert "runs have no closing record" in said.err


def test_a_key_pair_is_made(cli: Cli, tmp_path: Path) -> None:
    """`keygen` names both files, and says the same as JSON."""
    assert "private key  k  (keep it" in cli("keygen", "k").out
    made = json.loads(cli("keygen", "k2", "--json").out)
    assert (made["private"], made["public"], len(made["key"])) == ("k2", "k2.pub", 64)
    assert (tmp_path / "k2").exists()


def test_json_cannot_steer_the_terminal_and_means_the_same() -> None:
    """Hidden characters are escaped in JSON too, and a reader gets back what was written."""
    value = {"a\x7f": "\u202e\u2028\U000e0041é"}
    line = json_line(value)
    assert line == b'{"a\\u007f":"\\u202e\\u2028\\udb40\\udc41\xc3\xa9"}\n'
    assert json.loads(line) == value


def test_the_doctor_names_what_is_missing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extension `doctor` says how to build it, in a table and by its status."""
    monkeypatch.setitem(sys.modules, "authgate_async._native", None)
    said = cli("doctor")
    assert said.status == Exit.UNAVAILABLE
    assert "build it with `make demo`" in " ".join(said.out.split())
    assert "jail deadline" in said.out


def test_the_doctor_notices_an_extension_of_another_version(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extension that denies by other codes is told."""
    monkeypatch.setattr(doctor, "DENIAL_CODES", ("other",))
    finding = json.loads(cli("doctor", "--json").out)["extension"]
    assert finding["ok"] is False
    assert "another version" in finding["finding"]


def test_a_task_that_cannot_be_planned_fails(cli: Cli, policy: Path) -> None:
    """`run` tells the planner's error and ends with status 4."""
    said = cli("run", "x" * 70_000, "--policy", policy, "--log-level", "critical")
    assert (said.status, said.out) == (Exit.FAILED, "")
    assert said.err.startswith("failed: ")
