"""Calculators that do too much.

A body runs in another process, so the tool is replaced; its module replaces the function of the
real calculator in the process that runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from redteam.bodies import eager_calculators, endless_calculators
from redteam.bodies.calculators import CALCULATOR

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["computes_anything", "knows_no_bounds"]


def computes_anything() -> AbstractContextManager[object]:
    """Leave out the scan and the walk: the expression is evaluated."""
    return mock.patch.dict(CALCULATOR, eager_calculators.CALCULATOR)


def knows_no_bounds() -> AbstractContextManager[object]:
    """Leave out the estimate before each operation."""
    return mock.patch.dict(CALCULATOR, endless_calculators.CALCULATOR)
