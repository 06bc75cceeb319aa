"""What the template and the body do, looked at from within one process."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authgate_async.launchers import body, loading, template
from authgate_async.launchers.frames import ERROR, MEMORY, RESULT, Input
from authgate_async.launchers.protocol import Limits, ToolRef, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_template_of_a_jail_stays_light() -> None:
    """What it imports is copied for each call: nothing of this is for what it does."""
    heavy = {"anyio", "asyncio", "cryptography", "pathlib", "socket", "structlog", "subprocess"}
    code = "import sys, authgate_async.launchers.cells.template; print(*sys.modules)"
    bare, full = (
        subprocess.run([sys.executable, "-I", "-c", words], capture_output=True, check=True)
        for words in ("import sys, msgspec; print(*sys.modules)", code)
    )
    assert heavy & set(full.stdout.decode().split()) <= set(bare.stdout.decode().split())


class Raising:
    """A tool that raises what it is given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Raise."""
        del args, folders
        raise self.error


class Echo:
    """A tool that gives back its arguments."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Return the arguments."""
        assert folders == ()
        return args


@pytest.fixture(autouse=True)
def _plain_streams(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the body streams of the kind that it has, and nothing of ours."""
    with Path(os.devnull).open("w") as out, Path(os.devnull).open("w") as err:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        yield
    gc.unfreeze()


def outcome(tool: Any) -> tuple[int, bytes]:
    """Run a tool as a body does."""
    kind, content, _ = body.outcome(tool, b"[1]", ())
    return kind, content


def test_outcomes() -> None:
    """A result, an error, an exit and a lack of memory each have their frame."""
    assert outcome(Echo()) == (RESULT, b"[1]")
    assert outcome(Raising(ValueError("x"))) == (ERROR, b"ValueError: x")
    assert outcome(Raising(SystemExit(2))) == (ERROR, b"SystemExit: 2")
    assert outcome(Raising(MemoryError())) == (MEMORY, b"")


def test_no_memory_for_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is no memory left even to say so, an empty frame says it."""

    def refuse(_: BaseException) -> bytes:
        raise MemoryError

    monkeypatch.setattr(body, "error_content", refuse)
    assert body._error(ValueError()) == (MEMORY, b"")


def test_streams_that_the_tool_broke(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that cannot be flushed changes nothing of the outcome."""

    class Spoiler(Echo):
        def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
            monkeypatch.setattr(sys, "stdout", None)
            return super().invoke(args, folders)

    assert outcome(Spoiler()) == (RESULT, b"[1]")


def test_input() -> None:
    """The input is read whole from its start."""
    file = os.memfd_create("test")
    os.write(file, msgspec.msgpack.encode(Input(b"{}", ())))
    assert msgspec.msgpack.decode(body._read(file), type=Input) == Input(b"{}", ())
    os.close(file)


def test_we_are_no_template() -> None:
    """A process that only imports the template's module is none, and may start launchers."""
    assert template.loading.inside is False


def test_numbers() -> None:
    """The limits go to the native side in its order."""
    limits = Limits(
        cpu_seconds=1, memory_bytes=2, file_bytes=3, open_files=4, processes=5, scratch_bytes=6
    )
    assert numbers(limits) == (1, 2, 3, 4, 5, 6)


def test_warm_up() -> None:
    """Warming up runs without a tool and leaves no descriptor."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    body.warm_up()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_loading_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool is found once, and then remembered."""
    monkeypatch.setattr(loading, "_loaded", {})
    ref = ToolRef("bodies", "add")
    assert loading.load(ref) is loading.load(ref)
    assert [*loading._loaded] == [ref]


def test_loading_scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A script is run once for all its tools; one that fails is run again."""
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.delitem(sys.modules, loading.SCRIPT_NAME, raising=False)
    script = tmp_path / "script.txt"
    script.write_text("raise ValueError")
    with pytest.raises(ValueError):  # noqa: PT011
        loading.load(ToolRef("__main__", "a", str(script)))
    script.write_text("class A:\n  def invoke(self): ...\na = A()\nb = A()\n")
    tools = [loading.load(ToolRef("__main__", name, str(script))) for name in ("a", "b")]
    assert {type(tool).__module__ for tool in tools} == {loading.SCRIPT_NAME}
    del sys.modules[loading.SCRIPT_NAME]
