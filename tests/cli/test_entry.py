from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any, Self, cast

import anyio
import anyio.lowlevel
import pytest

from authgate_async import oplog
from authgate_async.cli import entry
from authgate_async.cli.entry import configure_log, drained, on_loop

if TYPE_CHECKING:
    from authgate_async.cli.entry import Loop
    from authgate_async.runtime import Runtime

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class _Runtime:
    """Stands for a runtime: notes each call of `shutdown`, and in what state it came."""

    def __init__(self, heard: list[str], *, before: int = 0, after: int = 0) -> None:
        self.heard = heard
        self.calls: list[bool] = []
        self.before = before
        self.after = after
        self.entered = False

    async def __aenter__(self) -> Self:
        await _raise(self.before, self.heard)
        self.entered = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await _raise(self.after, self.heard)

    def shutdown(self) -> None:
        self.calls.append(self.entered)


@pytest.fixture(autouse=True)
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the command line said about signals."""
    said: list[str] = []
    monkeypatch.setattr(entry, "say", said.append)
    return said


async def _raise(times: int, heard: list[str]) -> None:
    """Raise a signal as often, each once the one before was heard; the third is heard by nobody."""
    for _ in range(times):
        before = len(heard)
        signal.raise_signal(signal.SIGINT)
        while len(heard) == before:
            await anyio.lowlevel.checkpoint()


async def _nothing() -> str:
    await anyio.lowlevel.checkpoint()
    return "done"


def _drained(runtime: _Runtime, loop: Loop) -> Any:
    async def main() -> str:
        return await drained(cast("Runtime", runtime), _nothing)

    return on_loop(main, loop)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_signal_before_the_start_is_kept(loop: Loop, times: int, heard: list[str]) -> None:
    """A Ctrl-C that comes while the runtime starts reaches it once it has."""
    runtime = _Runtime(heard, before=times)
    assert _drained(runtime, loop) == "done"
    assert runtime.calls == [True] * times


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_signals_are_heard_while_the_runtime_ends(loop: Loop, heard: list[str]) -> None:
    """Two signals during the drain reach the runtime too, one by one."""
    runtime = _Runtime(heard, after=2)
    assert _drained(runtime, loop) == "done"
    assert runtime.calls == [True, True]


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_the_third_signal_has_its_usual_effect(loop: Loop, heard: list[str]) -> None:
    """When stopping hangs, one more Ctrl-C ends the program as if it had no say in it."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - alone, or in the loop's group
        _drained(_Runtime(heard, before=3), loop)
    assert caught.group_contains(KeyboardInterrupt) or caught.errisinstance(KeyboardInterrupt)


@pytest.mark.parametrize(("level", "shown"), [(None, True), ("info", True), ("error", False)])
def test_into_a_pipe_the_log_tells_everything(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    level: str | None,
    shown: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Without a terminal the operator log starts at info, unless a level is asked for."""
    monkeypatch.setattr(oplog, "_logger", None)
    configure_log(level)
    oplog.get_logger().info("hello")
    assert ("hello" in capsys.readouterr().err) is shown
