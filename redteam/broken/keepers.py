"""Keepers that do not keep what they should."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING
from unittest import mock

from authgate_async.log import keeping
from authgate_async.log.keeping import Keeper
from authgate_async.redaction import Kept

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["digests_without_salt", "keeps_nothing_back", "tells_errors"]


def keeps_nothing_back() -> AbstractContextManager[object]:
    """Leave out what is declared of a tool."""
    return mock.patch.object(Keeper, "of", return_value=Kept())


def digests_without_salt() -> AbstractContextManager[object]:
    """Leave out the salt of digests of outputs."""
    return mock.patch.object(keeping, "salted", lambda _, __, data: sha256(data).digest())


def tells_errors() -> AbstractContextManager[object]:
    """Leave out that what a tool said is kept back with its outputs."""
    return mock.patch.object(Keeper, "error", lambda _, __, ended: ended.error)
