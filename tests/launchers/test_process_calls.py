"""What a call finds, and what it gives back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import Call, Folder, ToolRef

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Call]


async def test_result(launcher: ProcessLauncher, call: Make) -> None:
    """A call that returns gives its result and no error."""
    ended = await launcher.launch(call("add", {"a": 1, "b": 2}))
    assert (ended.cause, ended.result, ended.error) == ("returned", b"3", "")
    assert ended.usage.wall_us > 0
    assert ended.usage.cpu_us > 0
    assert ended.usage.memory_bytes > 2**20


async def test_streams(launcher: ProcessLauncher, call: Make) -> None:
    """What a body prints is kept, apart from its result."""
    ended = await launcher.launch(call("say", {"out": "to you", "err": "and you"}))
    assert (ended.stdout, ended.stderr, ended.result) == (b"to you\n", b"and you", b"null")
    assert ended.capped == ()


async def test_large_arguments_and_folders(launcher: ProcessLauncher) -> None:
    """Arguments of any size and the granted folders arrive as they were sent."""
    text = "é" * 600_000
    args = msgspec.json.encode({"text": text, "folders": []})
    folder = Folder("folder", "docs", "/srv/docs", "", 1)
    made = Call("a1", ToolRef("bodies", "echo"), args, (folder,))
    limits = msgspec.structs.replace(made.limits, result_bytes=2**23)
    ended = await launcher.launch(msgspec.structs.replace(made, limits=limits))
    assert msgspec.json.decode(ended.result) == [text, ["/srv/docs"]]


async def test_surroundings(launcher: ProcessLauncher, call: Make) -> None:
    """A body has no environment, input, event loop, but four descriptors and its own folder."""
    found = msgspec.json.decode((await launcher.launch(call("surroundings"))).result)
    assert found["environ"] == {}
    assert (found["stdin"], found["fds"], found["modules"]) == ("", 4, [])
    assert (found["mode"], found["no_new_privs"], found["core"]) == (0o700, True, [0, 0])
    assert found["blocked"] is False
    assert found["pid"] != os.getpid()


async def test_folder_goes_away(call: Make) -> None:
    """Neither what a body writes to its folder nor the folder itself outlives the launcher."""
    async with ProcessLauncher() as own:
        found = msgspec.json.decode((await own.launch(call("surroundings"))).result)
    assert not Path(found["folder"]).parent.exists()


async def test_fresh_process(launcher: ProcessLauncher, call: Make) -> None:
    """Nothing that a call changes in its process reaches the next call."""
    first = await launcher.launch(call("remember", {"what": "a"}))
    assert first.result in (b'"spoilt"', b"[]")
    for _ in range(2):
        assert (await launcher.launch(call("add", {"a": 2, "b": 2}))).result == b"4"
    second = await launcher.launch(call("remember", {"what": "b"}))
    assert second.result == first.result


@pytest.mark.parametrize(
    ("tool", "error"),
    [
        (ToolRef("bodies", "missing"), "AttributeError: "),
        (ToolRef("no_such_module", "add"), "ModuleNotFoundError: "),
        (ToolRef("bodies", "not_a_tool"), "TypeError: `bodies.not_a_tool` is not a tool"),
        (ToolRef("bodies", "Stub"), "TypeError: `bodies.Stub` is not a tool"),
        (ToolRef("__main__", "add", "/no/such/script.py"), "FileNotFoundError: "),
    ],
)
async def test_no_tool(launcher: ProcessLauncher, tool: ToolRef, error: str) -> None:
    """A tool that cannot be found is the call's error, and the launcher goes on."""
    ended = await launcher.launch(Call("a1", tool, b"{}"))
    assert ended.cause == "raised"
    assert ended.error.startswith(error)


async def test_built_in_tool(launcher: ProcessLauncher) -> None:
    """A real tool runs, and the template stays as light as it was."""
    tool = ToolRef("authgate_async.tools.calculator", "calculator")
    ended = await launcher.launch(Call("a1", tool, b'{"expression":"6*7"}'))
    assert (ended.cause, ended.error) == ("returned", "")
    found = await launcher.launch(Call("a1", ToolRef("bodies", "surroundings"), b"{}"))
    assert msgspec.json.decode(found.result)["modules"] == []


SCRIPT = """
import sys
import anyio
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import Call, ToolRef

class Tool:
    def invoke(self, args, folders):
        return b'"%s"' % __name__.encode()

tool = Tool()

async def main():
    async with ProcessLauncher() as launcher:
        ended = await launcher.launch(Call("a1", ToolRef("__main__", "tool", __file__), b"{}"))
        print(ended.cause, ended.result.decode(), ended.error)

GUARD
    anyio.run(main)
"""


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        ("if __name__ == '__main__':", 'returned "__authgate_main__"'),
        ("if True:", "raised  UsageError: this runs inside a tool call"),
    ],
)
def test_script(tmp_path: Path, guard: str, said: str) -> None:
    """A tool in a script is found; a script that starts again in the template is told why not."""
    script = tmp_path / "script"
    script.write_text(SCRIPT.replace("GUARD", guard))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(said)
    assert not list(tmp_path.glob("__pycache__"))
