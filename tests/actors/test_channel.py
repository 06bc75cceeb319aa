from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async import errors
from authgate_async.actors.channel import Failure, decoder, encode
from authgate_async.actors.mailbox import Mailbox
from authgate_async.errors import AuthgateError, InternalError, RefusedError, UsageError


class Loose(msgspec.Struct):
    """Not frozen."""


class Bare(msgspec.Struct, frozen=True):
    """No tag."""


class Text(msgspec.Struct, frozen=True, tag=True):
    """One of several, with a payload of any kind."""

    payload: Any


class Other(msgspec.Struct, frozen=True, tag=True):
    """Another of several."""

    payload: Any


PLAIN = sorted(set(errors.__all__) - {"RefusedError"})
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("union", "remedy"),
    [(Loose, "frozen=True"), (Bare | Text, "tag"), (int, "Struct"), (Text | None, "Struct")],
)
def test_only_frozen_tagged_structs_are_messages(union: object, remedy: str) -> None:
    """A message type that could be mutable or ambiguous is refused, with what to do."""
    with pytest.raises(InternalError, match=remedy):
        decoder(union)


@pytest.mark.parametrize("name", PLAIN)
def test_an_error_crosses_the_channel_as_itself(name: str) -> None:
    """Every plain class of the tree arrives as the same class with the same sentence."""
    error = Failure.of(getattr(errors, name)("do this")).error()
    assert type(error).__name__ == name
    assert str(error) == "do this"


@pytest.mark.parametrize(
    ("error", "arrives"),
    [
        (ValueError("x"), InternalError),
        (RefusedError("conflict", "x"), UsageError),
        (type("Own", (UsageError,), {})("x"), UsageError),
    ],
)
def test_an_error_with_no_place_in_the_tree_arrives_as_the_nearest(
    error: Exception, arrives: type[AuthgateError]
) -> None:
    """A class that the other side cannot build from a sentence becomes its nearest plain parent."""
    assert type(Failure.of(error).error()) is arrives


def test_a_failure_quotes_hostile_text_safely() -> None:
    """Lone surrogates in a sentence do not stop the failure from being told."""
    assert str(Failure.of(UsageError("bad \udc80")).error()) == "bad \\udc80"


@pytest.mark.parametrize(
    "payload", [object(), "\ud800", 2**64, DEEP], ids=lambda p: type(p).__name__
)
def test_what_has_no_messagepack_form_is_a_usage_error(payload: object) -> None:
    """An object, a lone surrogate, a huge number, endless nesting: each gets a sentence."""
    with pytest.raises(UsageError, match="`Text` cannot be put on a channel"):
        encode(Text(payload))


@given(st.binary(max_size=64) | st.integers(1, 50_000).map(lambda n: b"\x91" * n))
async def test_no_bytes_crash_the_door(data: bytes) -> None:
    """Whatever bytes arrive, the mailbox takes a message or refuses and counts; nothing else."""
    box: Mailbox[Any] = Mailbox("box", Text | Other, capacity=1)
    try:
        box.post(data, asks=False)
    except UsageError:
        assert box.stats().refused == 1
    else:
        assert box.stats().depth == 1
