"""What the tests of the tools share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.protocol import Call, Folder, Limits
from authgate_async.tools import Folders
from authgate_async.tools.programs import Completed
from authgate_async.tools.python_exec import python_exec
from authgate_async.tools.run_program import run_program
from authgate_async.wire import Right

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from authgate_async.launchers.protocol import Ended
    from authgate_async.tools import Tool


@pytest.fixture
def granted() -> Callable[[Path], Folders]:
    """Return what a permit to read a folder as `file:workspace` gives to the body."""

    def make(path: Path) -> Folders:
        return Folders((Folder("file", "workspace", str(path), "", int(Right.READ)),))

    return make


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a folder with `hello.txt` and `notes/a.md`, and a secret beside it."""
    root = tmp_path / "workspace"
    (root / "notes").mkdir(parents=True)
    (root / "hello.txt").write_text("hello")
    (root / "notes" / "a.md").write_text("é")
    (tmp_path / "secret.txt").write_text("SECRET")
    return root


@pytest.fixture(scope="module")
async def jail(anyio_backend: object) -> AsyncIterator[JailLauncher]:
    """Give all tests of a file one jail for the tools that start programs."""
    del anyio_backend
    async with JailLauncher(tools=[python_exec.ref, run_program.ref], processes=4) as entered:
        yield entered


@pytest.fixture
def launched(jail: JailLauncher) -> Callable[..., Awaitable[Ended]]:
    """Call a tool with checked arguments in a jail, under limits by name."""

    async def launch(tool: Tool, args: dict[str, Any], **limits: int) -> Ended:
        limits.setdefault("wall_ms", 60_000)  # a busy machine must not turn another end into this
        bound = tool.bind(args).args
        call = Call("a1", tool.ref, bound, limits=Limits(**limits), programs=tool.programs)
        return await jail.launch(call)

    return launch


@pytest.fixture
def python(launched: Callable[..., Awaitable[Ended]]) -> Callable[..., Awaitable[Completed]]:
    """Run a snippet in a jail, by a call that must return."""

    async def run(code: str, stdin: str = "", **limits: int) -> Completed:
        return completed(await launched(python_exec, {"code": code, "stdin": stdin}, **limits))

    return run


@pytest.fixture
def program(launched: Callable[..., Awaitable[Ended]]) -> Callable[..., Awaitable[Completed]]:
    """Run a program in a jail, by a call that must return."""

    async def run(name: str, *arguments: str, stdin: str = "", **limits: int) -> Completed:
        args = {"program": name, "arguments": arguments, "stdin": stdin}
        return completed(await launched(run_program, args, **limits))

    return run


def completed(ended: Ended) -> Completed:
    """Return what a call says of its program."""
    assert (ended.cause, ended.error) == ("returned", "")
    return msgspec.json.decode(ended.result, type=Completed)
