"""What the tests of the command line share: a policy, and two ways to call `authgate`."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from authgate_async import oplog
from authgate_async.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blockbuster import BlockBuster

POLICY = """
[limits]
grace_ms = 600000

[[principals]]
name = "ann"
kind = "human"
[[principals]]
name = "bot"
kind = "machine"
owner = "ann"

[[resources]]
id = "file:workspace"
path = "docs"

[[grants]]
holder = "machine:bot"
resource = "compute:calculator"
rights = ["execute"]
[[grants]]
holder = "machine:bot"
resource = "file:workspace"
scope = "public"
rights = ["read"]
"""


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy file under which `bot` may calculate and read below `docs/public`."""
    (tmp_path / "docs" / "public").mkdir(parents=True)
    (tmp_path / "docs" / "public" / "a.txt").write_text("hello\x1b[31m")
    (tmp_path / "docs" / "b.txt").write_text("secret")
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    blockbuster: BlockBuster,
) -> Callable[..., Said]:
    """Call `authgate` in this process, from a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(oplog, "_logger", None)
    blockbuster.deactivate()  # how the runtime starts is watched by its own tests

    def call(*args: str | Path, stdin: bytes = b"") -> Said:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            status = main([str(arg) for arg in args])
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return Said(int(status), captured.out, captured.err)

    return call


@pytest.fixture
def authgate(tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start `authgate` as a real process in a folder of its own."""

    def start(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "authgate_async.cli", *map(str, args)],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start
