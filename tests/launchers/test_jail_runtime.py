"""The jail as a runtime uses it: tools without their own check, the log, required layers."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import pytest

from authgate_async import Policy, Runtime, Task
from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers.jail import JAIL_LAYERS
from authgate_async.launchers.protocol import LAYERS
from authgate_async.log.verify import verify
from authgate_async.policy import Principal
from authgate_async.policy.model import Resource
from authgate_async.wire import Grant, Right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Open = Callable[..., Runtime]

TOOLS = '''
import contextlib
import os

from authgate_async import tool
from authgate_async.launchers import loading
from authgate_async.tools import Folders, file_read as original

@contextlib.contextmanager
def opened(root, path):
    descriptor = os.open(os.path.join(root, path), os.O_RDONLY)
    yield descriptor
    os.close(descriptor)

if loading.inside:  # not in the process of the tests
    original.split_path = lambda path: path
    original._opened = opened

claim = {"resource": "file:{root}", "scope": "{path}", "right": "read"}

@tool(**claim)
def jailed(path: str, aim: str, folders: Folders, root: str = "docs") -> str:
    """Read another file than the one that was asked for."""
    return original.file_read(aim, folders, root)

@tool(**claim, level="process")
def bare(path: str, aim: str, folders: Folders, root: str = "docs") -> str:
    """Do the same without a jail."""
    return original.file_read(aim, folders, root)
'''


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make a module of tools whose own check of paths is gone in the process that runs them."""
    (tmp_path / "house").mkdir()
    (tmp_path / "house/fooled.py").write_text(TOOLS)
    monkeypatch.syspath_prepend(tmp_path / "house")
    yield importlib.import_module("fooled")
    del sys.modules["fooled"]


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Make the folder that the agent may read."""
    place = tmp_path / "docs"
    (place / "sub").mkdir(parents=True)
    for name in ("docs/a", "docs/beside", "docs/sub/b", "secret"):
        (tmp_path / name).write_text(f"text of {name}")
    (place / "link").symlink_to("../secret")
    return place


@pytest.fixture
def runtime(docs: Path, tmp_path: Path) -> Open:
    """Open a runtime whose agent may read in `docs`; keywords go to the policy."""

    def make(*tools: Any, **options: Any) -> Runtime:
        policy = Policy(
            principals=(Principal("ann", "human"), Principal("bot", "machine", owner="ann")),
            resources=(Resource("file", "docs", str(docs)),),
            grants=(Grant("g", "bot", "machine", "file", "docs", "", Right.READ),),
            tools=(),
            **options,
        )
        return Runtime(policy, tools=tools, log=tmp_path / "log")

    return make


def step(tool: str, **args: str) -> dict[str, Any]:
    """Write a step of a plan."""
    return {"tool": tool, "args": args}


AIMS = ("beside", "sub/b", "../secret", "link", "sub/../beside", "{place}/beside", "/etc/passwd")
NO = ("FileNotFoundError: [Errno 2]", "PermissionError: [Errno 13]")


@pytest.mark.parametrize("aim", AIMS)
async def test_a_tool_that_is_fooled(runtime: Open, tools: Any, docs: Path, aim: str) -> None:
    """Without its own check `file_read` can open only what its permit names: the machine says no.

    Without a jail the same tool reads what it was fooled into: so the attack is one.
    """
    aim = aim.format(place=docs)
    async with runtime(tools.jailed, tools.bare) as rt:
        bot = rt.agent("bot")
        honest = await bot.call("jailed", path="a", aim="a")
        fooled = await bot.call("jailed", path="a", aim=aim)
        bare = await bot.call("bare", path="a", aim=aim)
    assert (honest.cause, honest.value) == ("returned", "text of docs/a")
    assert (fooled.cause, fooled.value) == ("raised", None)
    assert fooled.error.startswith(NO)
    assert bare.cause == "returned"
    assert bare.value


def records(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Read the records of a kind from a log, which must be sound."""
    assert verify(folder).ok
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    found = [json.loads(line)["record"] for line in lines]
    return [record for record in found if record["kind"] == kind]


async def test_the_log(runtime: Open, tools: Any, docs: Path, tmp_path: Path) -> None:
    """Each outcome names the layers that held its call, and what the jail refused it."""
    del docs
    steps = (step("jailed", path="a", aim="a"), step("jailed", path="a", aim="/etc/passwd"))
    async with runtime(tools.jailed, tools.bare) as rt:
        await rt.run(Task(agent="bot", steps=(*steps, step("bare", path="a", aim="a"))))
    outcomes = await anyio.to_thread.run_sync(records, tmp_path / "log", "outcome")
    good, refused, bare = outcomes
    assert set(JAIL_LAYERS) <= set(good["layers"]) <= set(LAYERS)
    assert good["layers"] == refused["layers"]
    assert not {"landlock", "seccomp", "mount_namespace"} & set(bare["layers"])
    assert (good["cause"], good["denials"]) == ("returned", [])
    (denial,) = refused["denials"]
    assert denial == "`/etc/passwd` is not there: no part of this call's permit covers it"
    assert bare["denials"] == []


async def test_a_layer_that_a_tool_lacks(runtime: Open, tools: Any) -> None:
    """A runtime with a tool that lacks a required layer does not start, and says which."""
    wanted = ("cpu", "seccomp", "landlock")
    with pytest.raises(SandboxUnavailableError) as caught:
        await runtime(tools.jailed, tools.bare, require=wanted).__aenter__()
    assert str(caught.value).startswith(
        "the policy requires seccomp, landlock, which a call of `bare` at level `process` does not"
    )
    assert "`authgate doctor`" in str(caught.value)


async def test_layers_that_all_tools_have(runtime: Open, tools: Any) -> None:
    """A runtime whose tools are all jailed starts with every layer of a jail required."""
    async with runtime(tools.jailed, require=JAIL_LAYERS) as rt:
        ended = await rt.agent("bot").call("jailed", path="a", aim="a")
    assert ended.cause == "returned"


async def test_a_layer_that_no_machine_has(
    runtime: Open, tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A required layer that this machine cannot give stops the start of a jailed tool too."""
    monkeypatch.setattr("authgate_async.launchers.jail._further", lambda *_, **__: ())
    with pytest.raises(SandboxUnavailableError, match="requires tasks, cgroup, which"):
        await runtime(tools.jailed, require=("tasks", "cgroup")).__aenter__()
