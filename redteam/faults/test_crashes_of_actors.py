"""An actor dies with a message in its hands: who sent it is told, and nothing else is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.actors.mailbox import Mailbox
from authgate_async.actors.withdrawals import Withdrawals

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_withdrawals_that_die_end_what_was_taken_away(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for an answer to that message; the next incarnation looks by itself."""
    look, bugs = Withdrawals._look, iter([RuntimeError("a bug")])

    async def once(own: Withdrawals) -> None:
        for bug in bugs:
            raise bug
        await look(own)

    async with house() as own:
        own.begin("hold")
        await own.held.begun.wait()
        monkeypatch.setattr(Withdrawals, "_look", once)
        await own.rt.revoke("g")
        await own.until(lambda: own.results)

    assert own.results[0].steps[0].cause == "revoked"
    await own.whole()


@pytest.mark.parametrize("actor", ["planner", "gate", "sandbox supervisor", "log writer"])
async def test_who_asked_is_told_and_the_next_is_served(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, actor: str
) -> None:
    """Whichever actor dies with a run's message in its hands, that run fails, with its name."""
    batch, bugs = Mailbox.batch, iter([RuntimeError("a bug")])
    doomed: list[str] = []

    async def taken(box: Mailbox[Any], limit: int) -> Any:
        held = await batch(box, limit)
        if held and box.name in doomed:
            for bug in bugs:
                raise bug
        return held

    monkeypatch.setattr(Mailbox, "batch", taken)
    async with house() as own:
        doomed.append(actor)
        first = await own.act()
        after = await own.act()

    told = first.error + "".join(s for step in first.steps for s in step.sentences)
    assert f"`{actor}` died with the request in its hands" in told
    assert (first.status in {"failed", "denied"}, after.status) == (True, "done")
    assert len(own.records("outcome")) == 1
    await own.whole(unused=int(actor == "sandbox supervisor"))
