"""The kernel under several Python threads."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from authgate_async.wire import Action, Enrol, Grant, Register, Request, Verdict


@pytest.fixture
def patient() -> Iterator[None]:
    """The interpreter never takes the GIL from a thread; a thread must give it up itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("patient")
def test_another_thread_runs_while_a_batch_is_decided(world: Any, action: Action) -> None:
    """The GIL is released: somebody who waits for it gets it before the batch is done.

    Were it held, the waiting thread could only ever run when `finished` is set already, however
    often this is tried.
    """
    batch = msgspec.msgpack.encode([action] * 3_000)

    def ran_in_between() -> bool:
        started, finished = Event(), Event()

        def decide() -> None:
            started.set()
            world.kernel.decide(batch, 0, bytes(32))
            finished.set()

        worker = Thread(target=decide)
        worker.start()
        started.wait()
        in_between = not finished.is_set()
        worker.join()
        return in_between

    assert any(ran_in_between() for _ in range(50))


def test_changes_and_decisions_from_many_threads_do_not_mix(world: Any, action: Action) -> None:
    """Each thread's answers are those to its own questions."""

    def work(number: int) -> bool:
        world.done(Enrol(f"h{number}", "human"))
        mine = msgspec.structs.replace(action, id=f"run:{number}")
        decoded = [
            msgspec.msgpack.decode(each.verdict, type=Verdict) for each in world.decide(mine, mine)
        ]
        return all(verdict.action_id == mine.id and verdict.permitted for verdict in decoded)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))


def test_many_threads_share_a_budget_to_the_last_call(world: Any, action: Action) -> None:
    """Decisions at the same time permit as many calls as there are, and not one more."""
    budget = Grant("budget", "bot", "machine", "file", "shared", "", 15, max_calls=50)
    parts = [
        Grant(
            f"part-{i}",
            "bot",
            "machine",
            "file",
            "shared",
            f"{i}",
            15,
            parent="budget",
            max_calls=20,
        )
        for i in range(4)
    ]
    world.done(Register(budget), *map(Register, parts))

    def work(number: int) -> int:
        asked = [
            msgspec.structs.replace(action, requests=(Request("file", "shared", f"{i % 4}", 1),))
            for i in range(number, number + 5)
        ]
        answer = world.kernel.decide(msgspec.msgpack.encode(asked), 0, number.to_bytes(32, "big"))
        verdicts = [
            msgspec.msgpack.decode(each[0], type=Verdict) for each in msgspec.msgpack.decode(answer)
        ]
        return sum(verdict.permitted for verdict in verdicts)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(40))) == 50
