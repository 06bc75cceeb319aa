"""An actor dies with a message in its hands: who sent it is told, and nothing else is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authgate_async.actors.withdrawals import Withdrawals

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


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
