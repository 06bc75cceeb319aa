"""A handle on one agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async.errors import TaskError
from authgate_async.keys import seed_from
from authgate_async.planners.protocol import StepResult, Task

if TYPE_CHECKING:
    from pathlib import Path

    from authgate_async.runs import RunResult, Sign
    from authgate_async.runtime import Runtime

__all__ = ["Agent"]


class Agent:
    """Acts under one name; made by `Runtime.agent`."""

    def __init__(
        self, runtime: Runtime, name: str, *, kind: str, key: Path | str | bytes | None
    ) -> None:
        self.name = name
        self._runtime = runtime
        self._kind = kind
        self._sign: Sign | None = None
        if key is not None:
            self._sign = Ed25519PrivateKey.from_private_bytes(seed_from(key)).sign

    async def run(self, intent: str) -> RunResult:
        """Plan and run an English intent. Raises as `Runtime.run`."""
        return await self._run(Task(agent=self.name, intent=intent))

    async def call(self, tool: str, **args: Any) -> StepResult:
        """Make one tool call, decided and recorded like any other, whether permitted or not.

        Raises as `Runtime.run`, and `TaskError` if the call is none that could be proposed.
        """
        result = await self._run(Task(agent=self.name, steps=({"tool": tool, "args": args},)))
        if not result.steps:
            raise TaskError(f"the call did not get to the gate: {result.error}")
        return result.steps[0]

    async def _run(self, task: Task) -> RunResult:
        return await self._runtime.run(task, kind=self._kind, sign=self._sign)
