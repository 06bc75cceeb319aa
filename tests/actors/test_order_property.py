from __future__ import annotations

from itertools import cycle

import anyio
import msgspec
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async.actors.mailbox import Mailbox
from authgate_async.actors.reference import Deadlines, Ref


class Item(msgspec.Struct, frozen=True, tag=True):
    """The N-th message of a sender."""

    sender: int
    number: int


class Ack(msgspec.Struct, frozen=True):
    """Taken."""

    number: int


Patience = int | None
"""A task is cancelled after so many turns, or never."""

patience = st.none() | st.integers(0, 4)
sends = st.tuples(st.booleans(), st.integers(0, 3), patience)
takes = st.tuples(st.integers(1, 5), patience)


async def turns(count: int) -> None:
    """Let the others run so many times."""
    for _ in range(count):
        await checkpoint()


async def cancel_after(scope: anyio.CancelScope, count: int) -> None:
    """Lose patience."""
    await turns(count)
    scope.cancel()


class World:
    """Senders and one receiver over one mailbox, and what each of them saw."""

    def __init__(self, capacity: int) -> None:
        self.box: Mailbox[Item] = Mailbox("box", Item, capacity=capacity)
        self.ref = Ref(self.box, Deadlines())
        self.sent: set[tuple[int, int]] = set()
        self.got: list[tuple[int, int]] = []

    async def send(self, sender: int, plan: list[tuple[bool, int, Patience]]) -> None:
        """Tell or ask, one after the other, and note what went through."""
        for number, (asks, pause, patience) in enumerate(plan):
            await turns(pause)
            async with anyio.create_task_group() as group:
                if patience is not None:
                    group.start_soon(cancel_after, group.cancel_scope, patience)
                item = Item(sender, number)
                if asks:
                    assert (await self.ref.ask(item, Ack, timeout=60)).number == number
                else:
                    await self.ref.tell(item)
                self.sent.add((sender, number))
                group.cancel_scope.cancel()

    async def receive(self, plan: list[tuple[int, Patience]]) -> None:
        """Take batches until the mailbox is drained; a cancelled receiver tries again."""
        for limit, patience in cycle(plan):
            async with anyio.create_task_group() as group:
                if patience is not None:
                    group.start_soon(cancel_after, group.cancel_scope, patience)
                batch = await self.box.batch(limit)
                if not batch:
                    group.cancel_scope.cancel()
                    return
                assert len(batch) <= limit
                for envelope in batch:
                    self.got.append((envelope.message.sender, envelope.message.number))
                    envelope.reply(Ack(envelope.message.number))
                group.cancel_scope.cancel()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4),
    st.lists(st.lists(sends, max_size=6), min_size=1, max_size=4),
    st.lists(takes, min_size=1, max_size=4).filter(lambda plan: any(p is None for _, p in plan)),
)
async def test_every_interleaving_keeps_order_and_loses_nothing(
    capacity: int,
    senders: list[list[tuple[bool, int, Patience]]],
    receiver: list[tuple[int, Patience]],
) -> None:
    """Each sender's messages arrive in order, once at most, and surely if the send went through."""
    world = World(capacity)
    async with anyio.create_task_group() as group:
        group.start_soon(world.receive, receiver)
        async with anyio.create_task_group() as crowd:
            for sender, plan in enumerate(senders):
                crowd.start_soon(world.send, sender, plan)
        world.box.close()
    for sender in range(len(senders)):
        numbers = [number for who, number in world.got if who == sender]
        assert numbers == sorted(set(numbers))
    assert world.sent <= set(world.got)
    stats = world.box.stats()
    assert (stats.depth, stats.pushed_back, stats.in_hand) == (0, 0, 0)
    assert stats.peak_depth <= capacity
