from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from authgate_async.cli.exits import Exit
from authgate_async.log.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[bytes]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

TOOLS = '''
import anyio
from authgate_async.tools import tool

@tool(resource="test:wait", right="execute", level="inline")
async def wait(name: str) -> str:
    """Say that it started, and wait until it is let go."""
    await anyio.Path("started-" + name).touch()
    while not await anyio.Path("go").exists():
        await anyio.sleep(0.01)
    return name
'''
RULES = """
[[grants]]
holder = "machine:bot"
resource = "test:wait"
rights = ["execute"]
[tools.wait]
import = "waiting_tool:wait"
limits = { wall_ms = 600000 }
"""


@pytest.fixture(autouse=True)
def _not_deaf() -> Iterator[None]:
    """Under `nohup` everything that is started ignores this signal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def batch(authgate: Start, policy: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a batch of two tasks of one agent, each of which waits for a file `go`."""
    (tmp_path / "waiting_tool.py").write_text(TOOLS)
    policy.write_text(policy.read_text() + RULES)
    tasks = [
        {"id": name, "agent": "bot", "steps": [{"tool": "wait", "args": {"name": name}}]}
        for name in ("one", "two")
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, tasks)))

    def start(loop: str) -> subprocess.Popen[bytes]:
        where = ("--policy", policy, "--out", "o", "--log", "l", "--loop", loop)
        quiet = ("--log-level", "error")
        env = os.environ | {"PYTHONPATH": str(tmp_path)}
        return authgate("batch", "t.jsonl", *where, *quiet, env=env)

    return start


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    with process:
        try:
            yield
        finally:
            if process.poll() is None:
                process.kill()


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait for a file that the process makes; the test's own time limit ends a hang."""
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def _results(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return {result["task"]: result["status"] for result in map(json.loads, lines)}


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_what_runs_finish(
    batch: Callable[..., subprocess.Popen[bytes]],
    tmp_path: Path,
    loop: str,
    number: signal.Signals,
) -> None:
    """After one Ctrl-C the running task ends as done, the next never starts, the log holds."""
    process = batch(loop)
    with _ended(process):
        _wait_for(tmp_path / "started-one", process)
        process.send_signal(number)
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"stopping: what runs may finish")
        (tmp_path / "go").touch()
        process.communicate()
    assert process.returncode == Exit.INTERRUPTED
    assert _results(tmp_path / "o")["one"] == "done"
    assert not (tmp_path / "started-two").exists()
    report = verify(tmp_path / "l")
    assert report.ok
    assert report.sealed


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_the_second_signal_stops_at_once(
    batch: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, loop: str
) -> None:
    """After two Ctrl-C the running task is cut off, and the log is valid and closed."""
    process = batch(loop)
    with _ended(process):
        _wait_for(tmp_path / "started-one", process)
        assert process.stderr is not None
        for told in (b"stopping: what runs", b"stopping at once"):
            process.send_signal(signal.SIGINT)
            assert process.stderr.readline().startswith(told)
        process.communicate()
    assert process.returncode == Exit.INTERRUPTED
    assert "done" not in _results(tmp_path / "o").values()
    report = verify(tmp_path / "l")
    assert report.ok
    assert (report.sealed, report.open_runs) == (True, 0)


def test_a_reader_that_goes_away_is_met_in_silence(authgate: Start, policy: Path) -> None:
    """A closed pipe on stdout gives neither traceback nor message, and its own status."""
    process = authgate("decide", "--policy", policy)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    line = json.dumps({"id": "1", "actor": "bot", "tool": "x"}) + "\n"
    _, errors = process.communicate(line.encode() * 10)
    assert (process.returncode, errors) == (Exit.INTERRUPTED, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_disk_is_told(authgate: Start, policy: Path, tmp_path: Path) -> None:
    """Results that cannot be written end the batch with what was done and why; the log holds."""
    (tmp_path / "t.jsonl").write_text('{"agent": "bot", "intent": "1 + 1"}')
    where = ("--policy", policy, "--out", "/dev/full", "--force", "--log", "l")
    process = authgate("batch", "t.jsonl", *where, "--log-level", "error")
    _, errors = process.communicate()
    assert process.returncode == Exit.UNAVAILABLE
    assert errors.splitlines()[0].rstrip() == b"1 tasks"
    assert errors.endswith(b"\n/dev/full cannot be written: No space left on device; make room\n")
    assert verify(tmp_path / "l").ok


def test_what_was_switched_off_for_a_hangup_stays_so(
    batch: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    """Under `nohup` a closed terminal ends nothing."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    process = batch("asyncio")
    signal.signal(signal.SIGHUP, before)
    with _ended(process):
        _wait_for(tmp_path / "started-one", process)
        process.send_signal(signal.SIGHUP)
        (tmp_path / "go").touch()
        process.communicate()
    assert process.returncode == Exit.OK


FULL = b"stdout cannot be written: No space left on device; make room\n"
REDIRECTED = [
    ("doctor >/dev/full", Exit.UNAVAILABLE, b"", FULL),
    ("doctor --json >/dev/full", Exit.UNAVAILABLE, b"", FULL),
    ("policy schema >/dev/full", Exit.UNAVAILABLE, b"", FULL),
    ("policy schema >&-", Exit.OK, b"", b""),
    ("decide --policy policy.toml <&-", Exit.OK, b"", b""),
    ("run '6 * 7' --policy policy.toml 2>&-", Exit.OK, b"42\n", b""),
    ("run '6 * 7' --policy policy.toml 2>/dev/full", Exit.OK, b"42\n", b""),
    ("run 'Read b.txt' --policy policy.toml 2>/dev/full", Exit.DENIED, b"", b""),
    ("run 'Read b.txt' --policy policy.toml <&- >&- 2>&-", Exit.DENIED, b"", b""),
]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize(("command", "status", "out", "errors"), REDIRECTED)
def test_streams_may_be_full_or_closed(
    tmp_path: Path, command: str, status: Exit, out: bytes, errors: bytes
) -> None:
    """Data that cannot be written is told; a stream that the caller closed is not missed."""
    shell = f'exec "$0" -m authgate_async.cli {command}'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, out, errors)


def test_data_goes_to_stdout_and_the_rest_to_stderr(
    authgate: Start, policy: Path, tmp_path: Path
) -> None:
    """With `--out -` stdout is JSON lines and nothing else, and no bar is drawn into a pipe."""
    (tmp_path / "t.jsonl").write_text('{"agent": "bot", "intent": "What is 1 + 1?"}')
    process = authgate("batch", "t.jsonl", "--policy", policy, "--out", "-", "--log", "l")
    out, errors = process.communicate()
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["done"]
    assert b"\x1b" not in errors
    assert b"1 tasks" in errors


def test_help_imports_nothing_heavy() -> None:
    """`authgate --help` needs neither the event loops, nor msgspec, nor rich."""
    code = (
        "import sys, contextlib, io\n"
        "from authgate_async.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(['--help'])\n"
        "print(*{'anyio', 'msgspec', 'rich', 'structlog', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == ""


def test_the_doctor_tells_what_is_there(authgate: Start) -> None:
    """`doctor --json` finds the extension, the loops and each layer of the sandbox."""
    out, _ = authgate("doctor", "--json").communicate()
    facts = json.loads(out)
    assert facts["extension"] == {"ok": True, "finding": "loaded"}
    assert facts["loops"]["trio"] is True
    assert {layer["name"] for layer in facts["sandbox"]} >= {"deadline", "memory"}


def test_a_person_at_a_terminal_sees_a_bar_and_no_log_lines(policy: Path, tmp_path: Path) -> None:
    """On a terminal progress is drawn, and only warnings of the operator log come between."""
    import pty  # noqa: PLC0415 - POSIX only

    (tmp_path / "t.jsonl").write_text('{"agent": "bot", "intent": "What is 1 + 1?"}')
    ours, theirs = pty.openpty()
    where = ("--policy", policy, "--out", "o", "--log", "l")
    command = [sys.executable, "-m", "authgate_async.cli", "batch", "t.jsonl", *where]
    env = os.environ | {"TERM": "xterm"}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux says so when the other end is closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait() == Exit.OK
    assert b"1/1" in shown
    assert b'"level":"info"' not in shown
