"""Programs by name: which may be asked for, how they are started, and what is told of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from anyio import to_thread

from authgate_async import Runtime, Task
from authgate_async.errors import ArgumentError
from authgate_async.policy import load
from authgate_async.tools import ToolFailure, programs
from authgate_async.tools.programs import MAX_STREAM, Completed, find
from authgate_async.tools.run_program import run_program
from authgate_async.wire import Request, Right

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Program = Callable[..., Awaitable[Completed]]


async def test_a_program_gets_arguments_and_stdin_and_gives_status_and_streams(
    program: Program,
) -> None:
    """Arguments and stdin go in, exit status, stdout and stderr come out."""
    assert await program("wc", "-w", stdin="three small words") == Completed(0, "3\n", "")
    assert await program("sh", "-c", "cat >&2; exit 3", stdin="é") == Completed(3, "", "é")


def test_it_asks_to_execute_exactly_this_program() -> None:
    """The permit is for one program, by its name."""
    bound = run_program.bind({"program": "wc"})
    assert bound.requests == (Request("program", "wc", "", Right.EXECUTE),)
    assert bound.args == b'{"arguments":[],"program":"wc","stdin":""}'


PATHS = ["", ".", "..", "../bin/sh", "/bin/sh", "bin/sh", "./sh", "~", "C:sh", "a\\b", "x" * 256]
SIGNS = ["-c", "--", "sh -c", "sh;", "$SHELL", "*", "sh ", "sh\n", "\nsh", "s\0h"]
LOOK_ALIKES = ["\uff53\uff48", "\u0455h", "sh\u200b", "\u202esh", "s\u0301h"]


@pytest.mark.parametrize("name", [*PATHS, *SIGNS, *LOOK_ALIKES])
def test_what_is_no_plain_name_is_refused_before_anybody_decides(name: str) -> None:
    """A path, an option, a look-alike or shell syntax is no program's name."""
    with pytest.raises(ArgumentError, match=r"args\.program"):
        run_program.bind({"program": name})


@pytest.mark.parametrize("name", ["sh", "g++", "python3.11", "x86_64-linux-gnu-gcc", "7z", "a..b"])
def test_plain_names_may_be_asked_for(name: str) -> None:
    """Names as programs have them are taken."""
    assert run_program.bind({"program": name}).requests[0].name == name


@pytest.mark.parametrize(
    "arguments", ["-w", [1], [None], ["a\0b"], ["\0"], ["\n\0\n"], ["x" * 70_000], ["x"] * 70_000]
)
def test_arguments_are_a_bounded_list_of_text_without_nul(arguments: Any) -> None:
    """What could not reach a program as it stands, and what is endless, is refused."""
    with pytest.raises(ArgumentError):
        run_program.bind({"program": "wc", "arguments": arguments})


async def test_the_longest_list_and_the_longest_argument_arrive(program: Program) -> None:
    """Whatever is let through at the door can be started."""
    assert (await program("sh", "-c", "echo $#", "sh", *["x"] * 16_000)).stdout == "16000\n"
    assert (await program("sh", "-c", "echo ${#1}", "sh", "x" * 65_000)).stdout == "65000\n"


async def test_no_shell_reads_the_arguments(program: Program) -> None:
    """Every argument arrives as it was written."""
    words = ["$HOME", "`id`", "; echo no", "* ?", "a\nb", "", "é\u202e", "> x"]
    said = await program("printf", "%s\\0", *words)
    assert said.stdout.split("\0")[:-1] == words


async def test_a_program_sees_three_variables_and_an_empty_folder(program: Program) -> None:
    """Nothing of the runtime's environment or folder is there, nor of the call before."""
    said = await program("env")
    names = sorted(said.stdout.splitlines())
    assert names == ["HOME=/.scratch", "LANG=C.UTF-8", "PATH=/usr/bin:/bin"]
    assert await program("sh", "-c", "touch made ~/too; ls") == Completed(0, "made\ntoo\n", "")
    assert await program("ls", "-A") == Completed(0, "", "")


async def test_a_program_reads_no_file_of_the_user(program: Program, workspace: Path) -> None:
    """A permit for a program shows it no file."""
    said = await program("cat", str(workspace / "hello.txt"))
    assert (said.status, said.stdout) == (1, "")
    assert "No such file" in said.stderr


@pytest.mark.parametrize("status", ["SIGTERM", "SIGSEGV", "SIGPIPE", "SIGXFSZ"])
async def test_a_signal_that_ends_a_program_is_named(program: Program, status: str) -> None:
    """A crash is a status, also by a signal that Python would have it ignore."""
    said = await program("sh", "-c", f"echo before; kill -{status[3:]} $$")
    assert said == Completed(status, "before\n", "")


async def test_a_signal_without_a_name_is_told_by_number(program: Program) -> None:
    """Real-time signals have numbers only."""
    assert (await program("sh", "-c", "kill -40 $$")).status == "signal 40"


async def test_a_broken_pipe_ends_a_program_as_usual(program: Program) -> None:
    """`yes | head` is silent."""
    assert await program("sh", "-c", "yes | head -n1") == Completed(0, "y\n", "")


async def test_bytes_that_are_no_text_are_replaced(program: Program) -> None:
    """A result is always text."""
    assert (await program("printf", "a\\377b")).stdout == "a\ufffdb"


async def test_just_the_cap_is_whole_and_fits_into_a_result(program: Program) -> None:
    """Both streams may be full, even of what takes the most JSON."""
    zeros = f"head -c {MAX_STREAM} /dev/zero"
    said = await program("sh", "-c", f"{zeros}; {zeros} >&2")
    assert said == Completed(0, "\0" * MAX_STREAM, "\0" * MAX_STREAM)


async def test_one_byte_more_is_cut_and_said(program: Program) -> None:
    """Of a stream that is too long the first bytes are kept, and the other stream whole."""
    said = await program("sh", "-c", f"echo first >&2; head -c {MAX_STREAM + 1} /dev/zero")
    assert (said.stdout, said.stderr, said.capped) == ("\0" * MAX_STREAM, "first\n", ("stdout",))


@pytest.mark.parametrize("command", ["exec yes", "exec yes >&2", "yes & exec yes >&2"])
async def test_a_program_that_floods_is_killed(program: Program, command: str) -> None:
    """Neither stream can be flooded, nor both at once."""
    said = await program("sh", "-c", command)
    assert said.status == "SIGKILL"
    assert {"stdout": said.stdout, "stderr": said.stderr}[said.capped[0]] == "y\n" * 32768
    assert max(len(said.stdout), len(said.stderr)) <= MAX_STREAM


async def test_a_program_need_not_read_what_it_is_given(program: Program) -> None:
    """Nobody waits for stdin to be taken."""
    assert await program("true", stdin="x" * 65_000) == Completed(0, "", "")
    assert (await program("cat", stdin="x" * 65_000)).stdout == "x" * 65_000


async def test_a_program_without_stdin_finds_its_end(program: Program) -> None:
    """A program that reads is not left waiting."""
    assert await program("cat") == Completed(0, "", "")


@pytest.mark.parametrize("daemon", ["sleep 1000 &", "setsid sleep 1000 &", "(sleep 1000 & ) &"])
async def test_a_daemon_that_holds_the_streams_is_not_waited_for(
    program: Program, daemon: str
) -> None:
    """The program's own end is the end, whoever keeps its output open."""
    assert await program("sh", "-c", f"{daemon} echo done") == Completed(0, "done\n", "")


async def test_a_daemon_that_floods_cannot_hold_up_the_end(program: Program) -> None:
    """What is read is bounded, though it never ends."""
    said = await program("sh", "-c", "yes & echo done")
    assert said.status in (0, "SIGKILL")
    assert len(said.stdout) <= MAX_STREAM


async def test_a_program_that_closes_its_streams_is_waited_for(program: Program) -> None:
    """The end of its output is not the end of a program."""
    assert (await program("sh", "-c", "exec >&- 2>&-; sleep 0.1; exit 4")).status == 4


async def test_the_deadline_ends_a_program(launched: Callable[..., Awaitable[Any]]) -> None:
    """A program that does not end is ended with its call."""
    args = {"program": "sleep", "arguments": ["1000"]}
    assert (await launched(run_program, args, wall_ms=300)).cause == "deadline"


async def test_too_many_processes_end_the_call(launched: Callable[..., Awaitable[Any]]) -> None:
    """The processes that a program starts are counted."""
    args = {"program": "sh", "arguments": ["-c", "sleep 1000 & sleep 1000 & sleep 1000 & wait"]}
    assert (await launched(run_program, args, processes=4)).cause == "process_limit"


async def test_a_program_that_is_not_there_is_a_sentence(
    launched: Callable[..., Awaitable[Any]],
) -> None:
    """The outcome says where it was looked for."""
    ended = await launched(run_program, {"program": "no-such-program"})
    assert ended.cause == "raised"
    assert "no program 'no-such-program' in /usr/bin or /bin" in ended.error


@pytest.mark.parametrize("name", ["", ".", "..", "../bin/sh", "/bin/sh", "no-such-program"])
def test_nothing_is_found_outside_the_two_folders(name: str) -> None:
    """Not even a name that was never checked leads out of them, or to a folder."""
    assert find(name) is None
    with pytest.raises(ToolFailure, match="there is no program"):
        run_program(name)


def test_what_the_system_does_not_start_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is no program is told as such, and nothing stays open."""
    (tmp_path / "text").write_text("just text")
    (tmp_path / "text").chmod(0o700)
    monkeypatch.chdir(tmp_path)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(ToolFailure, match=r"text' cannot be started: Exec format error"):
        programs.complete(str(tmp_path / "text"), stdin="")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


POLICY = """
[[principals]]
name = "ann"
kind = "human"
[[principals]]
name = "bot"
kind = "machine"
owner = "ann"
[[grants]]
holder = "machine:bot"
resource = "program:wc"
rights = ["execute"]
[[grants]]
holder = "machine:bot"
resource = "compute:python"
rights = ["execute"]
"""


@pytest.fixture
async def runtime(anyio_backend: object, tmp_path: Path) -> AsyncIterator[Runtime]:
    """Open a runtime under a policy that grants one program, and Python."""
    del anyio_backend
    (tmp_path / "policy.toml").write_text(POLICY)
    policy = await to_thread.run_sync(load, tmp_path / "policy.toml")
    async with Runtime(policy=policy, log=None) as entered:
        yield entered


async def test_what_a_policy_grants_runs(runtime: Runtime) -> None:
    """An agent runs the program that it was granted, and Python, and gets all of it as a value."""
    wc = {"tool": "run_program", "args": {"program": "wc", "arguments": ["-c"], "stdin": "four"}}
    python = {"tool": "python_exec", "args": {"code": "import sys; sys.exit(print(6 * 7))"}}
    result = await runtime.run(Task(agent="bot", steps=(wc, python)))
    assert result.status == "done"
    assert [step.value for step in result.steps] == [
        {"status": 0, "stdout": "4\n", "stderr": "", "capped": []},
        {"status": 0, "stdout": "42\n", "stderr": "", "capped": []},
    ]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sh", "no_grant"),
        ("wc.sh", "no_grant"),
        ("../bin/wc", "bad_arguments"),
        ("wc\n", "bad_arguments"),
    ],
)
async def test_what_a_policy_does_not_grant_is_denied(
    runtime: Runtime, name: str, code: str
) -> None:
    """Another program is denied by its name, and what is no name is denied as such."""
    step = {"tool": "run_program", "args": {"program": name}}
    result = await runtime.run(Task(agent="bot", steps=(step,)))
    assert (result.status, result.steps[0].codes) == ("denied", (code,))
