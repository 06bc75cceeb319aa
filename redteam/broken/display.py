"""Outputs that escape nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

from authgate_async import oplog
from authgate_async.cli import audit_show, output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

__all__ = ["shows_what_it_gets", "tells_what_it_gets"]


@contextmanager
def shows_what_it_gets() -> Iterator[None]:
    """Leave out that cells are escaped, in tables and lines."""
    with mock.patch.object(output, "escape", str), mock.patch.object(audit_show, "escape", str):
        yield


def tells_what_it_gets() -> AbstractContextManager[object]:
    """Leave out that a line of the operator's log has no hidden characters."""
    return mock.patch.object(oplog, "_escape", str)
