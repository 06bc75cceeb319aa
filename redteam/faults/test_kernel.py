"""The kernel fails: nothing is permitted for it, what ran has its outcome, and the next call works.

A kernel that raises is a bug of ours. One that panics raises what no `except Exception` catches.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authgate_async import assembly
from authgate_async.actors.running import Running
from authgate_async.errors import ActorDiedError
from authgate_async.reference import ReferenceKernel

if TYPE_CHECKING:
    from collections.abc import Callable


class PanicError(BaseException):
    """What pyo3 makes of a panic has this form."""


def failing(patch: pytest.MonkeyPatch, name: str, error: BaseException) -> None:
    """Have one method of the kernel fail once."""
    method, errors = getattr(ReferenceKernel, name), iter([error])

    def once(kernel: ReferenceKernel, *args: Any) -> Any:
        for one in errors:
            raise one
        return method(kernel, *args)

    patch.setattr(ReferenceKernel, name, once)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    """What the runtime of the test knows of calls that run."""
    known = Running()
    monkeypatch.setattr(assembly, "Running", lambda: known)
    return known


@pytest.mark.parametrize("name", ["decide", "redeem"])
async def test_what_cannot_be_decided_does_not_run(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, running: Running, name: str
) -> None:
    """The run fails with a sentence, what runs beside it has an outcome, and the next call runs."""
    async with house(backend="python") as own:
        own.begin("hold")
        await own.held.begun.wait()
        failing(monkeypatch, name, RuntimeError("a bug"))
        failed = await own.act()
        after = await own.act()
        own.held.end.set()

    assert (failed.status, after.status) == ("failed", "done")
    assert "died with the request in its hands" in failed.error
    ended = [outcome["cause"] for outcome in own.records("outcome")]
    assert sorted(ended) == ["cancelled" if name == "redeem" else "returned", "returned"]
    assert not running.permits()
    await own.whole(unused=int(name == "redeem"))


@pytest.mark.parametrize("name", ["decide", "redeem", "change", "stale"])
async def test_a_kernel_that_panics_ends_the_runtime(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What it holds cannot be trusted any more: the panic comes out, and the log is whole."""
    with pytest.raises(PanicError):  # noqa: PT012 - the block is what ends
        async with house(backend="python", calls=2) as own:
            log = own
            own.begin("hold")
            await own.held.begun.wait()
            failing(monkeypatch, name, PanicError("a panic"))
            if name in {"change", "stale"}:
                own.group.start_soon(revoke, own)
            else:
                own.begin(text="hi")
            await anyio.sleep_forever()

    assert "cancelled" in [outcome["cause"] for outcome in log.records("outcome")]
    await log.whole(unused=int(name == "redeem"))


async def revoke(own: Any) -> None:
    """Try to take away what the call that runs rests on."""
    with suppress(ActorDiedError):
        await own.rt.revoke("g")


@pytest.mark.parametrize("error", [RuntimeError("a bug"), PanicError("a panic")], ids=repr)
async def test_what_cannot_be_settled_is_recorded(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A call that ran has its outcome; what was reserved for it stays reserved."""
    async with house(backend="python", calls=2) as own:
        failing(monkeypatch, "settle", error)
        results = [await own.act() for _ in range(3)]

    assert [result.status for result in results] == ["done", "done", "denied"]
    assert results[2].steps[0].codes == ("budget",)
    assert len(own.records("outcome")) == 2
    await own.whole()


async def test_a_change_that_cannot_be_made_is_none(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller is told, and what it would have changed is as before."""
    async with house(backend="python") as own:
        failing(monkeypatch, "change", RuntimeError("a bug"))
        with pytest.raises(ActorDiedError, match="`gate` died"):
            await own.rt.revoke("g")
        assert (await own.act()).status == "done"
        await own.rt.revoke("g")
        assert (await own.act()).status == "denied"
    await own.whole()
