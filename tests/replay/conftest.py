"""What the tests of replay share: real runs that leave a log, and the log decided again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio.to_thread
import pytest

from authgate_async import Policy, Runtime, Task, tool
from authgate_async.log.verify import verify
from authgate_async.policy import Principal
from authgate_async.replay import Judged, Summary, replay
from authgate_async.replay.replay import Last
from authgate_async.wire import Grant, Right

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@tool(resource="compute:echo", right="execute", level="inline")
async def echo(text: str) -> str:
    """Give the text back."""
    return text


PEOPLE = (Principal("ann", "human"), Principal("bot", "machine", owner="ann"))


class Replayed(NamedTuple):
    """Every intent as it is decided again, and the summary."""

    intents: list[Judged]
    summary: Summary

    @property
    def permitted(self) -> list[bool | None]:
        """What became of each."""
        return [one.permitted for one in self.intents]


class House:
    """A policy for `bot`, whose owner is `ann`; runs under one; their log, decided again."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"

    def policy(self, *grants: Grant, **options: Any) -> Policy:
        """Make a policy with these grants."""
        return Policy(**{"principals": PEOPLE, "grants": grants, "source": "p.toml", **options})

    def grant(self, grant_id: str = "g", **options: Any) -> Grant:
        """Make a grant: `bot` may execute `compute:calculator`, unless something else is said."""
        plain = {"holder": "bot", "holder_kind": "machine", "rtype": "compute", "scope": ""}
        what = {"name": "calculator", "rights": int(Right.EXECUTE)}
        return Grant(**{"id": grant_id, **plain, **what, **options})

    def sums(self, *expressions: str) -> Task:
        """Make a task of `bot` that calculates one expression after another."""
        steps = tuple({"tool": "calculator", "args": {"expression": one}} for one in expressions)
        return Task(agent="bot", steps=steps)

    @asynccontextmanager
    async def open(self, policy: Policy, **options: Any) -> AsyncIterator[Runtime]:
        """Open a runtime that writes the log of this test; keywords go to `Runtime`."""
        options = {"log": self.log, "durability": "os", "tools": (echo,), **options}
        async with Runtime(policy, **options) as rt:
            yield rt

    async def again(self, policy: Policy, backend: Any = "rust") -> Replayed:
        """Verify the log of this test, and decide it again under a policy."""
        return await anyio.to_thread.run_sync(self._again, policy, backend)

    def _again(self, policy: Policy, backend: Any) -> Replayed:
        last = Last()
        assert verify(self.log, see=last.see).ok
        found: list[Judged] = []
        summary = replay(self.log, last, policy, backend, found.append)
        return Replayed(found, summary)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A house with a folder of its own."""
    return House(tmp_path)
