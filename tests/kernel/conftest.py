"""A small world on the native kernel: `ann` is a human, `bot` her machine."""

from collections.abc import Callable

import msgspec
import pytest

from authgate_async._native import Kernel
from authgate_async.wire import (
    Action,
    Change,
    Changed,
    Enrol,
    Grant,
    Own,
    Redeemed,
    Redemption,
    Register,
    Request,
    SignedVerdict,
)

NOW = 1_000


class World:
    """A kernel, and short ways to talk to it."""

    now = NOW
    entropy = b"\x03" * 32

    def __init__(self) -> None:
        self.kernel = Kernel(b"\x01" * 32, b"\x02" * 32, 60_000_000)
        self.done(Enrol("ann", "human"), Enrol("bot", "machine"), Own("bot", "ann"))
        self.done(Register(Grant("g", "bot", "machine", "file", "docs", "", 15)))

    def change(self, *changes: Change) -> list[Changed]:
        """Apply changes."""
        answer = self.kernel.change(msgspec.msgpack.encode(changes), NOW)
        return msgspec.msgpack.decode(answer, type=list[Changed])

    def done(self, *changes: Change) -> None:
        """Apply changes, none of which is refused."""
        assert [changed.sentence for changed in self.change(*changes)] == [""] * len(changes)

    def decide(self, *actions: Action) -> list[SignedVerdict]:
        """Decide actions."""
        answer = self.kernel.decide(msgspec.msgpack.encode(actions), NOW, self.entropy)
        return msgspec.msgpack.decode(answer, type=list[SignedVerdict])

    def redeem(self, *permits: bytes) -> list[str]:
        """Redeem permits; gives the codes."""
        batch = [Redemption(permit, "tool", b"{}") for permit in permits]
        answer = self.kernel.redeem(msgspec.msgpack.encode(batch), NOW)
        return [each.code for each in msgspec.msgpack.decode(answer, type=list[Redeemed])]


@pytest.fixture
def world() -> World:
    """A fresh world."""
    return World()


@pytest.fixture(scope="session")
def action() -> Action:
    """Reading one file: `bot` may."""
    return Action("run:1", "bot", "machine", "tool", b"{}", (Request("file", "docs", "a", 1),))


@pytest.fixture
def permit(world: World, action: Action) -> bytes:
    """The encoded permit of that action."""
    return msgspec.msgpack.encode(world.decide(action)[0])


@pytest.fixture(scope="session")
def make_world() -> Callable[[], World]:
    """Makes worlds."""
    return World
