"""What the tests of the tools share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate_async.launchers.protocol import Folder
from authgate_async.tools import Folders
from authgate_async.wire import Right

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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
