"""No thread is to be had: whoever needs one is told, and nothing is permitted without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


async def test_a_pool_that_others_have_taken_holds_up_nothing(house: Callable[..., Any]) -> None:
    """The actors' threads are their own: all of the program's pool may be busy."""
    async with house() as own:
        pool = anyio.to_thread.current_default_thread_limiter()
        taken = [object() for _ in range(int(pool.total_tokens))]
        for borrower in taken:
            pool.acquire_on_behalf_of_nowait(borrower)
        result = await own.act()
        await own.rt.revoke("g")
        for borrower in taken:
            pool.release_on_behalf_of(borrower)

    assert result.status == "done"
    await own.whole()


@pytest.mark.parametrize(
    ("function", "status", "told"),
    [
        ("_settle_and_decide", "failed", "`gate` died"),
        ("redeem", "failed", "`sandbox supervisor` died"),
        ("settle", "done", ""),
        ("append_groups", "denied", "`log writer` died"),
    ],
)
async def test_a_thread_that_cannot_start_is_told(
    house: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    status: str,
    told: str,
) -> None:
    """The run ends with a sentence, and the next one has its thread."""
    run, errors = anyio.to_thread.run_sync, iter([RuntimeError("can't start new thread")])

    async def starved(call: Any, *args: Any, **options: Any) -> Any:
        named = getattr(call, "func", call).__name__
        if named == function:
            for error in errors:
                raise error
        return await run(call, *args, **options)

    async with house(calls=5) as own:
        monkeypatch.setattr(anyio.to_thread, "run_sync", starved)
        first = await own.act()
        after = await own.act()

    sentences = first.error + "".join(s for step in first.steps for s in step.sentences)
    assert (first.status, after.status) == (status, "done")
    assert told in sentences
    assert not list(errors)
    await own.whole(unused=int(function == "redeem"))
