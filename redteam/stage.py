"""The runtime that is attacked, and the effects by which an attack shows that it won.

A tool's body leaves a mark, a file on the board, named by the token of the attack that made it run.
The harness reads the board itself: what the runtime says of a call proves nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from authgate_async import Limits, Policy, Runtime, Task
from authgate_async.log.verify import verify
from authgate_async.policy import Principal, Resource, RunLimits
from redteam.engineers import EscapedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from authgate_async import RunResult, Tool
    from authgate_async.wire import Grant
    from redteam.engineers import Setting

__all__ = ["OWNER", "Stage", "open_stage", "temporary"]

OWNER = "ann"
WALL_MS = 20_000
CPU_SECONDS = 1
"""Of a call: enough on a busy machine, and less than an engineer may take."""


class Stage:
    """A live runtime with a board, on which bodies leave their marks."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.rt = runtime
        self.folder = folder
        self.board = folder / "board"
        self._enrolled: set[str] = set()
        self.expected: set[str] = set()
        """Tokens of calls that were allowed; a mark of any other one shows that an attack won."""

    async def enrol(self, agent: str, *, kind: str = "machine", **options: Any) -> str:
        """Enrol an agent that may leave marks, and nothing else."""
        principal = f"{kind}:{agent}"
        owner = {"owner": OWNER} if kind == "machine" else {}
        await self.rt.enrol(principal, **owner, **options)
        if principal not in self._enrolled:
            await self.rt.grant(principal, "write", "board:marks")
            self._enrolled.add(principal)
        return principal

    async def steps(self, agent: str, *steps: Any, **options: Any) -> RunResult:
        """Have an agent run a plan of its own."""
        return await self.rt.run(Task(agent, steps=steps), **options)

    async def at_once(self, tasks: Iterable[Task]) -> list[RunResult]:
        """Have all of these run at the same time; return what became of them, as they end."""
        results: list[RunResult] = []

        async def one(task: Task) -> None:
            results.append(await self.rt.run(task))

        async with anyio.create_task_group() as group:
            for task in tasks:
                group.start_soon(one, task)
        return results

    def mark(self, token: str) -> str | None:
        """Return what a body left under a token; None if it never ran."""
        try:
            return (self.board / token).read_text()
        except FileNotFoundError:
            return None

    def must_not_have_run(self, *tokens: str) -> None:
        """See that no body ran for these tokens; raises `EscapedError`."""
        for token in tokens:
            if (left := self.mark(token)) is not None:
                raise EscapedError(f"a body ran that was not allowed to, and left {left!r}")

    def must_have_run(self, token: str, result: RunResult) -> None:
        """See that an allowed call did what it is for: who denies everything is not sound."""
        self.expected.add(token)
        if self.mark(token) is None:
            raise AssertionError(f"what is allowed did not work: {result}")

    def sweep(self) -> None:
        """Look for marks that came late; raises `EscapedError`."""
        if late := {path.name for path in self.board.iterdir()} - self.expected:
            raise EscapedError(f"bodies ran that were not allowed to: {' '.join(sorted(late))}")


@asynccontextmanager
async def open_stage(
    setting: Setting,
    tools: Sequence[Tool],
    *,
    resources: Iterable[Resource] = (),
    principals: Iterable[Principal] = (),
    grants: Iterable[Grant] = (),
    **options: Any,
) -> AsyncIterator[Stage]:
    """Open a runtime with these tools and no others, and close it, its log valid and sealed.

    Raises:
        EscapedError: on leaving, if a body ran that was not allowed to, or the log does not hold.
    """
    with temporary() as folder:
        (folder / "board").mkdir()
        policy = Policy(
            principals=(Principal(OWNER, "human"), *principals),
            resources=(Resource("board", "marks", path=str(folder / "board")), *resources),
            grants=tuple(grants),
            tools=(),
            limits=RunLimits(tool=Limits(wall_ms=WALL_MS, cpu_seconds=CPU_SECONDS)),
        )
        log = folder / "log"
        async with Runtime(
            policy, tools=tools, backend=setting.backend, log=log, durability="os", **options
        ) as rt:
            stage, key = Stage(rt, folder), rt.public_key
            yield stage
        stage.sweep()
        report = await to_thread.run_sync(verify, log, key)
        if not report.ok or not report.sealed:
            raise EscapedError(f"the log does not hold: {report.bad or 'it is not sealed'}")


class temporary:  # noqa: N801 - reads as the function that it is used as
    """A folder that goes away."""

    def __enter__(self) -> Path:
        self._folder = Path(tempfile.mkdtemp(prefix="redteam-")).resolve()
        return self._folder

    def __exit__(self, *exc_info: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
