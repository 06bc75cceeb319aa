"""Bodies, FIFOs that prove that nobody is left, and a launcher that is warm."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import Call, Folder, Limits, ToolRef
from authgate_async.wire import Right

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

BODIES = Path(__file__).parent / "bodies"


@pytest.fixture(scope="module", autouse=True)
def _bodies() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BODIES)
        yield


@pytest.fixture(scope="session")
def call() -> Callable[..., Call]:
    """Make a call of a body: `call("add", {"a": 1, "b": 2}, wall_ms=100)`."""

    def make(name: str, args: dict[str, Any] | None = None, **limits: int) -> Call:
        tool = ToolRef("bodies", name)
        limits.setdefault("wall_ms", 60_000)  # a busy machine must not turn another cause into this
        return Call("a1", tool, msgspec.json.encode(args or {}), limits=Limits(**limits))

    return make


@pytest.fixture(scope="module")
async def launcher(anyio_backend: object, _bodies: None) -> AsyncIterator[ProcessLauncher]:
    """Give all tests of a file that do no harm to it one launcher."""
    del anyio_backend
    async with ProcessLauncher(processes=4) as entered:
        yield entered


class Fifo:
    """A FIFO that bodies hold open: at its end, all of them are dead."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def fileno(self) -> int:
        """Return the reading end."""
        return self._fd

    def marks(self) -> int:
        """Return how many bodies held it; fails while one still does."""
        count = 0
        while data := os.read(self._fd, 4096):  # BlockingIOError: somebody is alive
            count += len(data)
        return count

    def close(self) -> None:
        """Let go."""
        os.close(self._fd)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    """Make a FIFO for one test."""
    made = Fifo(tmp_path / "fifo")
    yield made
    made.close()


JAILED = tuple(ToolRef("jailed", name) for name in ("tool", "other"))
"""What templates know from the start; a third one comes as a surprise."""


@pytest.fixture(scope="session")
def jailed() -> Callable[..., Call]:
    """Make a call for a jail: `jailed("add", folders, a=1, b=2, limits={"wall_ms": 100})`."""

    def make(
        body: str,
        *folders: Folder,
        limits: dict[str, int] | None = None,
        programs: bool = False,
        tool: str = "tool",
        **args: Any,
    ) -> Call:
        held = Limits(**({"wall_ms": 60_000} | (limits or {})))
        data = msgspec.json.encode({"body": body, **args})
        return Call("a1", ToolRef("jailed", tool), data, folders, held, programs)

    return make


@pytest.fixture(scope="session")
def granted() -> Callable[..., Folder]:
    """Grant a place: `granted(path, "sub/file", right=Right.READ)`; all rights on files if none."""

    def make(path: object, scope: str = "", right: int = Right.READ | Right.WRITE) -> Folder:
        return Folder("folder", "docs", str(path), scope, int(right))

    return make


@pytest.fixture(scope="module")
async def jail(anyio_backend: object, _bodies: None) -> AsyncIterator[JailLauncher]:
    """Give all tests of a file that do no harm to it one launcher of jails."""
    del anyio_backend
    async with JailLauncher(tools=JAILED, processes=4) as entered:
        yield entered
