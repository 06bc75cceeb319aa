"""The log's writer dies, before it has written or behind that: nothing is lost, or told twice."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from authgate_async import tool
from authgate_async.actors.outcomes import Recorder
from authgate_async.errors import AskTimeoutError, LogUnavailableError
from authgate_async.log.writer import LogFile
from authgate_async.reference import ReferenceKernel
from redteam.faults.conftest import Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.log.records import Record


class Dying:
    """A log that meets a bug with the next record of a kind, before its write or behind that."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.kind, self.late = "", False
        self._append = LogFile.append_groups
        patch.setattr(LogFile, "append_groups", lambda *a, **k: self.append(*a, **k))  # noqa: PLW0108

    def append(self, file: LogFile, groups: list[list[Record]], **options: Any) -> Any:
        """Append, or crash, or both."""
        dies = self.kind in {type(record).__name__ for group in groups for record in group}
        self.kind = "" if dies else self.kind
        answers = self._append(file, groups, **options) if self.late or not dies else []
        if dies:
            raise RuntimeError("a bug in the log")
        return answers


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Dying:
    """Have the log die when a test says so."""
    return Dying(monkeypatch)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("kind", "status"), [("Intent", "denied"), ("Outcome", "done"), ("RunClosed", "failed")]
)
async def test_nothing_that_happened_is_lost(
    house: Callable[..., Any], dying: Dying, kind: str, status: str, *, late: bool
) -> None:
    """The next incarnation writes it, once; the run is told, and what follows it goes on."""
    async with house() as own:
        dying.kind, dying.late = kind, late
        result = await own.act()
        after = await own.act()

    assert (result.status, after.status) == (status, "done")
    told = result.error + "".join(s for step in result.steps for s in (step.error, *step.sentences))
    assert "`log writer` died with the request in its hands" in told
    assert len(own.records("outcome")) == 1 + (kind != "Intent")
    assert len(own.records("run_closed")) == len(own.records("run_opened")) == 2
    await own.whole(unused=int(kind == "Intent" and late))


@pytest.mark.parametrize("late", [False, True])
async def test_a_change_is_recorded_once(
    house: Callable[..., Any], dying: Dying, *, late: bool
) -> None:
    """It is in force, its caller is told that it is not recorded, and its record comes later."""
    async with house() as own:
        await own.rt.advance_epoch()
        dying.kind, dying.late = "RegistryChange", late
        with pytest.raises(LogUnavailableError, match="in force, but nothing is decided until"):
            await own.rt.advance_epoch(holder="machine:bot")
        grant = await own.rt.grant("machine:bot", "execute", "compute:echo")
        result = await own.act()

    assert result.status == "done"
    changes = own.records("change")[-3:]
    assert [(change["change"], change["epoch"]) for change in changes] == [
        ("advance_epoch", 1),
        ("advance_holder_epoch", 2),
        ("register", 1),
    ]
    assert changes[-1]["fields"]["id"] == grant
    await own.whole()


async def test_a_log_that_dies_at_the_end_is_sealed_with_all_it_owes(
    house: Callable[..., Any], dying: Dying
) -> None:
    """With no time for another incarnation, what happened is written before the seal."""
    async with house(grace=0) as own:
        own.begin("hold")
        await own.held.begun.wait()
        dying.kind = "Outcome"
        own.group.cancel_scope.cancel()

    assert [outcome["cause"] for outcome in own.records("outcome")] == ["cancelled"]
    await own.whole()


async def test_a_run_that_is_cancelled_while_it_is_decided_is_opened_once(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end overtakes the decision, which nobody waits for any more and which is not recorded."""
    decide, deciding, go_on = ReferenceKernel.decide, threading.Event(), threading.Event()

    def slow(kernel: ReferenceKernel, *args: Any) -> bytes:
        deciding.set()
        go_on.wait()
        return decide(kernel, *args)

    async with house(backend="python") as own:
        monkeypatch.setattr(ReferenceKernel, "decide", slow)
        own.begin(text="hi").cancel()
        scope = own.begin(text="hi")
        await anyio.to_thread.run_sync(deciding.wait)
        scope.cancel()
        await own.until(lambda: len(own.records("run_closed")) == 2)
        go_on.set()
        await own.until(lambda: own.rt.stats()["gate"].in_hand == 0)

    assert [run["status"] for run in own.records("run_closed")] == ["interrupted"] * 2
    assert len(own.records("run_opened")) == 2
    await own.whole()


@tool(resource="compute:echo", right="execute", level="inline")
async def stubborn() -> str:
    """Hear of no cancellation until let go."""
    with anyio.CancelScope(shield=True):
        Held.begun.set()
        await Held.end.wait()
    return "at last"


async def test_a_call_that_cannot_be_ended_has_its_outcome_after_its_run(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is closed when nobody waits any longer, and owes it."""
    late = AskTimeoutError("nobody waits any longer")
    monkeypatch.setattr(Recorder, "settle", lambda _, envelope: envelope.fail(late))
    async with house(tools=(stubborn,)) as own:
        scope = own.begin("stubborn")
        await own.held.begun.wait()
        scope.cancel()
        await own.until(lambda: own.records("run_closed"))
        assert not own.records("outcome")
        own.held.end.set()
        await own.until(lambda: own.records("outcome"))

    (closed,), (outcome,) = own.records("run_closed"), own.records("outcome")
    assert outcome["run_seq"] == closed["run_seq"] + 1
    await own.whole()
