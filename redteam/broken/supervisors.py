"""Supervisors and withdrawals that do not look."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from authgate_async.actors.sandbox_supervisor import SandboxSupervisor
from authgate_async.actors.withdrawals import Withdrawals
from authgate_async.wire import Redeemed

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from authgate_async.actors.envelope import Envelope
    from authgate_async.messages import Execute

__all__ = ["ends_nothing", "redeems_nothing"]


async def _believe(_: SandboxSupervisor, batch: list[Envelope[Execute]]) -> list[Redeemed]:
    return [Redeemed("", "") for _ in batch]


def redeems_nothing() -> AbstractContextManager[object]:
    """Leave out that a permit is redeemed in the kernel before its call starts."""
    return mock.patch.object(SandboxSupervisor, "_redeem", _believe)


def ends_nothing() -> AbstractContextManager[object]:
    """Leave out that calls under way end when what they rest on is taken away."""
    return mock.patch.object(Withdrawals, "_look")
