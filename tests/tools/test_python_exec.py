"""Snippets of Python: each ends as `python -c` would, and spoils nothing but itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.errors import ArgumentError
from authgate_async.tools.programs import MAX_STREAM, Completed
from authgate_async.tools.python_exec import python_exec
from authgate_async.wire import Request, Right

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    Python = Callable[..., Awaitable[Completed]]


async def test_a_snippet_prints_and_reads(python: Python) -> None:
    """Stdin goes in, stdout and stderr come out, all of it UTF-8."""
    code = "import sys\nprint(input(), sys.stdin.read())\nprint('é', file=sys.stderr)"
    assert await python(code, stdin="größe\nzwei") == Completed(0, "größe zwei\n", "é\n")


def test_it_asks_to_execute_python() -> None:
    """The permit is for Python, whatever the code."""
    bound = python_exec.bind({"code": "pass"})
    assert bound.requests == (Request("compute", "python", "", Right.EXECUTE),)
    assert bound.args == b'{"code":"pass","stdin":""}'


@pytest.mark.parametrize("code", [1, None, "a\0b", "\0", "x" * 70_000])
def test_code_is_bounded_text_without_nul(code: Any) -> None:
    """What could not reach the interpreter as it stands is refused."""
    with pytest.raises(ArgumentError):
        python_exec.bind({"code": code})


async def test_the_longest_code_runs(python: Python) -> None:
    """Whatever is let through at the door can be started."""
    assert (await python("#" * 65_000 + "\nprint(1)")).stdout == "1\n"


@pytest.mark.parametrize(
    ("code", "status", "stderr"),
    [
        ("", 0, ""),
        ("raise SystemExit", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("exit(4)", 4, ""),
        ("import os; os._exit(5)", 5, ""),
        ("import os; os.abort()", "SIGABRT", ""),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL", ""),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV", ""),
        ("import os; os.closerange(0, 64)", 0, ""),
        ("import builtins; builtins.__dict__.clear()", 0, ""),
        ("import sys; sys.modules.clear(); sys.stdout = sys.exit = None", 0, ""),
    ],
)
async def test_a_snippet_may_end_as_it_likes(
    python: Python, code: str, status: int | str, stderr: str
) -> None:
    """An exit, a crash and a signal are statuses."""
    said = await python(f"print('before', flush=True)\n{code}")
    assert said == Completed(status, "before\n", stderr)


@pytest.mark.parametrize(
    ("code", "place", "error"),
    [
        ("x = 0\n1/x", 'File "<string>", line 2, in <module>', "ZeroDivisionError: division"),
        ("def f(:", 'File "<string>", line 1', "SyntaxError: "),
        ("bytearray(2**40)", 'File "<string>", line 1', "MemoryError"),
        ("open('/etc/passwd')", 'File "<string>", line 1', "FileNotFoundError: "),
        ("open('/usr/x', 'w')", 'File "<string>", line 1', "Error: [Errno "),
        ("import socket; socket.socket()", 'File "<string>", line 1', "PermissionError: "),
        ("import os; os.write(3, b'R')", 'File "<string>", line 1', "OSError: [Errno 9]"),
    ],
)
async def test_an_error_is_a_traceback(python: Python, code: str, place: str, error: str) -> None:
    """The traceback of a snippet is on its stderr, with its own lines, and its status is 1."""
    said = await python(code)
    assert (said.status, said.stdout) == (1, "")
    assert place in said.stderr
    assert error in said.stderr


async def test_threads_and_exit_handlers_have_their_end(python: Python) -> None:
    """Threads that count are waited for, and exit handlers run."""
    code = """
import atexit, threading, time
go = threading.Event()
threading.Thread(target=lambda: (go.wait(), print("thread"))).start()
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
atexit.register(print, "handler")
print("main")
go.set()
"""
    said = await python(code)
    assert (said.status, sorted(said.stdout.split())) == (0, ["handler", "main", "thread"])


async def test_a_snippet_that_floods_is_killed(python: Python) -> None:
    """Output is cut at the cap, and said to be."""
    said = await python("while True: print('y')")
    assert (said.status, said.stdout) == ("SIGKILL", "y\n" * (MAX_STREAM // 2))
    assert said.capped == ("stdout",)


async def test_a_snippet_that_spins_is_killed(python: Python) -> None:
    """Processor time is bounded, and the tool lives to tell it."""
    said = await python("print('on', flush=True)\nwhile True: pass", cpu_seconds=1)
    assert said == Completed("SIGKILL", "on\n", "")


async def test_a_snippet_that_waits_for_ever_meets_the_deadline(
    launched: Callable[..., Awaitable[Any]],
) -> None:
    """The deadline is the call's."""
    code = "import time; time.sleep(1000)"
    assert (await launched(python_exec, {"code": code}, wall_ms=300)).cause == "deadline"


async def test_a_snippet_cannot_kill_the_tool(python: Python) -> None:
    """The process that reads it is out of reach of its signals."""
    code = "import os\nfor pid in 1, os.getppid():\n os.kill(pid, 9)\nprint('on')"
    assert await python(code) == Completed(0, "on\n", "")


async def test_a_snippet_may_start_processes(python: Python) -> None:
    """Python's own ways to start a process work."""
    code = "import subprocess; print(subprocess.check_output(['wc', '-c'], input=b'four'))"
    assert (await python(code)).stdout == "b'4\\n'\n"


async def test_a_snippet_has_the_installed_packages(python: Python) -> None:
    """Packages that are installed beside the runtime can be imported."""
    assert (await python("import msgspec; print(msgspec.json.encode(1))")).stdout == "b'1'\n"


async def test_every_snippet_starts_afresh(python: Python) -> None:
    """No module, no random number and no file is left of the template or of another call."""
    code = """
import os, random, sys
print(random.random(), file=sys.stderr)
print([name for name in sys.modules if "authgate" in name], os.listdir())
open("left", "w").close()
"""
    one, other = await python(code), await python(code)
    assert one.stdout == other.stdout == "[] []\n"
    assert one.stderr != other.stderr


async def test_a_snippet_sees_no_file_of_the_user(python: Python, workspace: Path) -> None:
    """A permit for Python shows it no file."""
    code = f"import os; print(os.path.exists({str(workspace)!r}), sorted(os.environ.items()))"
    said = await python(code)
    environ = [("HOME", "/.scratch"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")]
    assert said.stdout == f"False {environ}\n"
