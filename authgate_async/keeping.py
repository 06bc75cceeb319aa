"""What a runtime keeps of its tools' calls, checked before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.errors import PolicyError
from authgate_async.log.keeping import Keeper, salts_key
from authgate_async.log.lines import MAX_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate_async.policy.model import Policy
    from authgate_async.tools.definition import Tool

__all__ = ["keeper_of"]

_BESIDE = 2**17
"""Bytes of an outcome record beside its outputs, at most."""


def keeper_of(tools: Iterable[Tool], policy: Policy, seed: bytes, auditor: bytes) -> Keeper:
    """Return what keeps the tools' records; `seed` is what the log is signed with.

    Raises:
        PolicyError: something is to be sealed and there is no auditor's key (it is empty), or
            outputs are to be recorded that no record has room for.
    """
    kept = {tool.name: policy.kept_for(tool.name, tool.kept) for tool in tools}
    for tool in tools:
        if kept[tool.name].seals and not auditor:
            raise PolicyError(
                f"records of tool `{tool.name}` are to be sealed, and there is no key to seal them "
                "to: give the auditor's public one (`auditor`); `authgate keygen --auditor FILE` "
                "makes it"
            )
        if kept[tool.name].outputs in ("full", "sealed"):
            _check_room(tool, policy)
    return Keeper(kept, salts_key(seed), auditor)


def _check_room(tool: Tool, policy: Policy) -> None:
    """See that each call's outputs fit a record, in which every byte may take two."""
    limits = policy.limits_for(tool.name, tool.limits)
    most = MAX_RECORD // 2 - _BESIDE
    if limits.result_bytes + limits.stdout_bytes + limits.stderr_bytes > most:
        raise PolicyError(
            f"the outputs of tool `{tool.name}` are to be recorded and may not fit a record: "
            f"let its `result_bytes`, `stdout_bytes` and `stderr_bytes` be {most} together at most"
        )
