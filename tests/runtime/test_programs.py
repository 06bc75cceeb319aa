"""Programs as users start them: their own tools are found by the process that runs a body."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import anyio
from authgate_async import Runtime, tool
{extra}

@tool(resource="compute:twice", right="execute")
def twice(number: int) -> int:
    return {call}

async def main():
    async with Runtime(tools=(twice,), log=None) as rt:
        await rt.enrol("human:ann")
        await rt.enrol("machine:bot", owner="ann")
        await rt.grant("machine:bot", "execute", "compute:twice")
        result = await rt.agent("bot").call("twice", number=21)
        print(result.cause, result.value, result.error)

if __name__ == "__main__":
    anyio.run(main)
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write a package with a program that imports its neighbour by a relative import."""
    folder = tmp_path / "house"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "near.py").write_text("def double(number):\n    return number * 2\n")
    text = PROGRAM.format(extra="from .near import double", call="double(number)")
    (folder / "app.py").write_text(text)
    (tmp_path / "script.py").write_text(PROGRAM.format(extra="", call="number * 2"))
    return tmp_path


@pytest.mark.parametrize("arguments", [("-m", "house.app"), ("script.py",)])
def test_a_program_of_the_users_runs_its_own_tools(
    package: Path, arguments: tuple[str, ...]
) -> None:
    """Started by `-m` or as a script, its process-level tools work."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=package,
        env={"PYTHONPATH": str(package), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.stdout.strip() == "returned 42", done.stderr[-1000:]
