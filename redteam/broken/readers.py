"""Readers that look at less."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from unittest import mock

from authgate_async.cli import lines

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["raises_what_it_meets", "takes_twins"]


def takes_twins() -> AbstractContextManager[object]:
    """Leave out that a name stands once in an object."""
    return mock.patch.object(lines, "_no_twins", dict)


def raises_what_it_meets() -> AbstractContextManager[object]:
    """Leave out that what is no JSON is told in a sentence."""
    return mock.patch.object(lines, "parse_line", lambda line, _: json.loads(line))
