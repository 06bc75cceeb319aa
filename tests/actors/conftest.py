"""What the tests of the actors share: messages, a supervisor with notes, a bare mailbox."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import msgspec
import pytest

from authgate_async.actors.mailbox import Mailbox
from authgate_async.actors.reference import Deadlines, Ref
from authgate_async.actors.supervision import Supervisor, supervise


class Add(msgspec.Struct, frozen=True, tag="add"):
    """A message with an answer."""

    left: int
    right: int = 0


class Note(msgspec.Struct, frozen=True, tag="note"):
    """A message without one."""

    text: str


class Sum(msgspec.Struct, frozen=True):
    """The answer to `Add`."""

    value: int


class Vocabulary:
    """The messages, for tests that cannot import this file."""

    Add, Note, Sum = Add, Note, Sum
    union = Add | Note


House = Callable[[], AbstractAsyncContextManager[Supervisor]]


@pytest.fixture
def words() -> type[Vocabulary]:
    """The messages of the tests' actors."""
    return Vocabulary


@pytest.fixture
def crashes() -> list[tuple[str, Exception]]:
    """What the supervisor of `house` was told of."""
    return []


@pytest.fixture
def house(crashes: list[tuple[str, Exception]]) -> House:
    """Open a supervisor with five seconds of grace."""
    return partial(supervise, grace=5, on_crash=lambda *crash: crashes.append(crash))


@pytest.fixture
def box() -> Mailbox[Any]:
    """A mailbox for two envelopes, without an actor."""
    return Mailbox("box", Vocabulary.union, capacity=2)


@pytest.fixture
def ref(box: Mailbox[Any]) -> Ref[Any]:
    """A reference to `box`; nobody ends its overdue asks."""
    return Ref(box, Deadlines())
