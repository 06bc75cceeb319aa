"""What crosses a channel: MessagePack of frozen structs, and failures as code and sentence."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from authgate_async import errors
from authgate_async.errors import AuthgateError, InternalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Failure", "decoder", "encode"]

UNFIT = (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError)
"""What msgspec raises for a value that it cannot encode, or bytes that are not of the type."""

_ENCODE = msgspec.msgpack.Encoder().encode


class Failure(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An error on the channel: `code` is the name of a class of `authgate_async.errors`."""

    code: str
    sentence: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Name the nearest class of the tree that is made of a sentence alone."""
        tree = (kind for kind in type(error).__mro__ if kind.__name__ in errors.__all__)
        plain = (kind.__name__ for kind in tree if "__init__" not in vars(kind))
        code = next(plain, "InternalError")
        # A sentence may quote hostile text; lone surrogates have no place on the channel.
        sentence = str(error).encode("utf-8", "backslashreplace").decode()
        return cls(code, sentence)

    def error(self) -> AuthgateError:
        """The error to raise at the asker; its class and sentence are those it was made of."""
        kind: type[AuthgateError] = getattr(errors, self.code)
        return kind(self.sentence)


def encode(message: object) -> bytes:
    """MessagePack of a message.

    Raises:
        UsageError: it holds something that has no MessagePack form.
    """
    try:
        return _ENCODE(message)
    except UNFIT as error:
        name = type(message).__name__
        raise UsageError(f"`{name}` cannot be put on a channel: {error}") from error


@cache
def decoder(union: Any) -> Callable[[bytes], Any]:
    """A strict decoder for a frozen struct, or a union of tagged ones.

    Raises:
        InternalError: a member is not a frozen struct, or one of several has no tag.
    """
    members = get_args(union) or (union,)
    for member in members:
        if not (isinstance(member, type) and issubclass(member, msgspec.Struct)):
            raise InternalError(f"`{member}` cannot be a message: make it a msgspec.Struct")
        if not member.__struct_config__.frozen:
            raise InternalError(f"`{member.__name__}` cannot be a message: add `frozen=True`")
        if len(members) > 1 and member.__struct_config__.tag is None:
            raise InternalError(f"`{member.__name__}` is one of several messages: give it a `tag`")
    return msgspec.msgpack.Decoder(union).decode
