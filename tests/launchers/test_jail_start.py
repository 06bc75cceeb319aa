"""No jail, no call: what cannot be confined does not run, and says why and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.launchers.frames import NOT_CONFINED, Report, read_refusal
from authgate_async.launchers.jail import JAIL_LAYERS, JailLauncher
from authgate_async.launchers.protocol import LAYERS, ToolRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.protocol import Call

    Make = Callable[..., Call]

TOOL = ToolRef("jailed", "tool")

ENTER = """
import anyio
from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers.jail import JailLauncher
async def main():
    async with JailLauncher():
        print("had")
try:
    anyio.run(main)
except SandboxUnavailableError as error:
    print(error)
"""
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can change these")
needs_unshare = pytest.mark.skipif(not shutil.which("unshare"), reason="`unshare` is not there")


def entered_in(*options: str, script: str) -> str:
    """Enter a launcher where a script has changed the surroundings; return what came of it."""
    shell = ["unshare", *options, "sh", "-ec", f'{script}\nexec "$@"', "sh"]
    command = [*shell, sys.executable, "-c", ENTER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@needs_unshare
def test_without_user_namespaces() -> None:
    """Where user namespaces are forbidden, the start says which setting stands in the way."""
    script = "echo 0 > /proc/sys/user/max_user_namespaces"
    said = entered_in("--user", "--map-root-user", script=script)
    assert "cannot make a user namespace" in said
    assert said.endswith("set the sysctl user.max_user_namespaces above 0")


@needs_root
@needs_unshare
def test_with_half_a_proc() -> None:
    """Where a part of `/proc` is covered, as in a container, the start says so."""
    said = entered_in("--mount", script="mount -t tmpfs tmpfs /proc/fs")
    assert "cannot mount /proc, which takes a machine or container whose own /proc is whole" in said


@needs_root
@needs_unshare
def test_with_a_proc_that_cannot_be_written() -> None:
    """Where `/proc` is read-only, the start says at which step that was in the way."""
    said = entered_in("--mount", script="mount -o remount,bind,ro /proc")
    assert "cannot map the user of a user namespace" in said


@needs_unshare
def test_a_start_that_works_says_so() -> None:
    """The same program has its jail where nothing is in the way: the tests above can fail."""
    assert entered_in("--user", "--map-root-user", script="true") == "had"


def test_layers() -> None:
    """Before it was entered, a launcher promises what every jail has, and no more."""
    assert JailLauncher().layers == JAIL_LAYERS == LAYERS[:20]
    assert set(LAYERS) - set(JAIL_LAYERS) == {"tasks", "landlock_scope", "cgroup"}


UNLOCKABLE: dict[str, tuple[tuple[str, str], dict[str, int], str]] = {
    "scope above": (("/usr", "../etc"), {}, "read the scope of a grant"),
    "scope absolute": (("/usr", "/etc"), {}, "read the scope of a grant"),
    "relative": (("usr", ""), {}, "read the scope of a grant"),
    "no room for streams": (("/usr", ""), {"open_files": 2}, "install the streams"),
}


@pytest.mark.parametrize("kind", UNLOCKABLE)
async def test_a_call_that_cannot_be_locked_in(
    jail: JailLauncher, jailed: Make, granted: Any, fifo: Any, kind: str
) -> None:
    """Its tool does not run, its outcome names the step, and the launcher goes on."""
    place, limits, step = UNLOCKABLE[kind]
    folders = (granted(Path(fifo.path).parent), granted(*place))
    ended = await jail.launch(jailed("mark", *folders, fifo=fifo.path, limits=limits))
    assert (ended.cause, ended.result) == ("sandbox_died", b"")
    assert "the process could not be confined" in ended.error
    assert step in ended.error
    assert fifo.marks() == 0
    ended = await jail.launch(jailed("mark", folders[0], fifo=fifo.path))
    assert (ended.cause, fifo.marks()) == ("returned", 1)


@needs_root
async def test_a_grant_where_the_scratch_folder_lies(
    jail: JailLauncher, jailed: Make, granted: Any
) -> None:
    """A granted folder cannot take the place of the scratch folder, or lie in it."""
    place = Path("/.scratch")
    place.mkdir(exist_ok=True)  # noqa: ASYNC240 - in a test
    try:
        ended = await jail.launch(jailed("where", granted(place)))
    finally:
        place.rmdir()  # noqa: ASYNC240 - in a test
    assert ended.cause == "sandbox_died"
    assert "the place of the scratch folder" in ended.error


@pytest.mark.parametrize("programs", [False, True], ids=["python", "programs"])
async def test_a_tool_that_ends_as_if_it_were_not_locked_in(
    jail: JailLauncher, jailed: Make, *, programs: bool
) -> None:
    """A tool that ends with the same status has failed; it cannot blame the jail."""
    made = jailed("forge", data=b"Snot my fault".hex(), code=NOT_CONFINED, programs=programs)
    ended = await jail.launch(made)
    assert ended.cause == "raised"
    assert ended.error == f"the tool ended its process with status {NOT_CONFINED}"


@pytest.mark.parametrize(
    ("word", "code", "told"),
    [
        (b"Swhy", NOT_CONFINED, b"why"),
        (b"Swhy", 0, b""),
        (b"Xwhy", NOT_CONFINED, b""),
        (b"", NOT_CONFINED, b""),
    ],
)
def test_the_word_of_a_call_that_was_not_locked_in(word: bytes, code: int, told: bytes) -> None:
    """It counts only with the status that goes with it, and only if it is such a word."""
    with tempfile.TemporaryFile() as file:
        file.write(word)
        file.flush()
        assert read_refusal(file.fileno(), Report("exited", code, 0, 0, 0)) == told
        assert read_refusal(file.fileno(), None) == b""


async def test_a_cell_of_another_kind(jailed: Make) -> None:
    """A cell whose filter is not that of the call does not run it."""
    async with JailLauncher(tools=[TOOL]) as own:
        own._current[True] = own._current[False]
        ended = await own.launch(jailed("add", a=1, b=1, programs=True))
        assert ended.cause == "sandbox_died"
        assert "cannot run a call of another kind" in ended.error
        assert (await own.launch(jailed("add", a=1, b=1))).result == b"2"


async def test_a_template_for_each_kind(jailed: Make) -> None:
    """Calls that may start programs have a template of their own, from the first of them on."""
    async with JailLauncher(tools=[TOOL]) as own:
        assert len(own._templates) == 1
        for programs in (True, False, True):
            ended = await own.launch(jailed("add", a=1, b=1, programs=programs))
            assert ended.result == b"2"
        assert len(own._templates) == 2
