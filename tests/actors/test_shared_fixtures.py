"""The suite's own fixtures: were they to fail silently, every other test would promise less."""

from __future__ import annotations

import asyncio  # noqa: TID251 - which loop is it?
import os
import sys
import types
from typing import Any

import anyio
import pytest
from blockbuster import BlockBuster, BlockingError

from authgate_async import testing


def test_each_loop_of_this_python_is_there(pytestconfig: pytest.Config) -> None:
    """Asyncio, uvloop and trio, and eager tasks where Python has them; none is skipped."""
    (root,) = [
        plugin
        for plugin in pytestconfig.pluginmanager.get_plugins()
        if getattr(plugin, "__file__", None) == str(pytestconfig.rootpath / "conftest.py")
    ]
    eager = {"asyncio+eager"} if sys.version_info >= (3, 12) else set()
    assert set(root.loops()) == {"asyncio", "asyncio+uvloop", "trio"} | eager


async def test_a_loop_is_what_it_is_called(request: pytest.FixtureRequest) -> None:
    """A parameter that fell back to plain asyncio would promise what it does not check."""
    name = request.node.callspec.id
    if name == "trio":
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return
    loop = asyncio.get_running_loop()
    assert type(loop).__module__.startswith("uvloop") == (name == "asyncio+uvloop")
    assert (loop.get_task_factory() is not None) == (name == "asyncio+eager")
    assert loop.get_debug() == (name != "asyncio+uvloop")


def test_the_environment_is_scrubbed() -> None:
    """What the caller's shell sets does not reach a test; the time zone is UTC."""
    assert os.environ["TZ"] == "UTC"
    assert not any(name.startswith(("AUTHGATE", "PYTHONPATH", "XDG")) for name in os.environ)


async def test_a_blocking_call_of_the_package_fails_the_test(
    blockbuster: BlockBuster, anyio_backend_name: str
) -> None:
    """Code whose file lies in the package may not sleep on the loop; the test's own code may."""
    code = compile("import time\ndef nap(): time.sleep(0)", testing.__file__, "exec")
    module: Any = types.ModuleType("nap")
    exec(code, module.__dict__)  # noqa: S102 - code that claims to lie in the package
    if anyio_backend_name == "asyncio":
        with pytest.raises(BlockingError, match=r"time\.sleep"):
            module.nap()
        blockbuster.deactivate()
    module.nap()
    await anyio.lowlevel.checkpoint()
