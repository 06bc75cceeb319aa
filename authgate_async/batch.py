"""Many runs at once: bounded, ordered per agent, results as they finish."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

import anyio
from anyio.lowlevel import checkpoint

from authgate_async.actors.crew import acquire
from authgate_async.errors import ClosedError, UsageError
from authgate_async.planners.protocol import Task

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from authgate_async.runs import RunResult

__all__ = ["Batch", "Tasks"]

Tasks = Iterable[Task] | AsyncIterable[Task]

BURST = 64
"""Tasks handed out before other tasks get their turn: actors then find full mailboxes."""


class Batch:
    """An async iterator over the results of a batch, each as soon as it is there.

    Tasks of one agent run one after another, in the order given; agents run side by side,
    `concurrency` of them at most. Tasks are taken from their source only as there is room for them
    (four for each place, so that a long row of one agent's tasks can keep another's from being
    seen). Nothing starts before the first result is asked for. Leaving the loop early stops the
    batch only with `async with` or `aclose()`; otherwise the runtime's end does.
    """

    def __init__(
        self,
        tasks: Tasks,
        run: Callable[[Task], Awaitable[RunResult]],
        group: TaskGroup,
        concurrency: int,
    ) -> None:
        if concurrency < 1:
            raise UsageError(f"concurrency must be at least 1, not {concurrency}")
        self._source = tasks
        self._run = run
        self._group = group
        self._scope = anyio.CancelScope()
        self._feeding = anyio.CancelScope()
        self._draining = False
        # Lists, though their head is what is taken: thousands of agents have one task each.
        self._queues: dict[str, list[Task]] = {}
        # A place that is free is taken without giving way: `_feed` gives way once a burst.
        self._agents = anyio.Semaphore(concurrency)
        self._backlog = anyio.Semaphore(4 * concurrency)
        self._results: deque[RunResult] = deque()
        self._room = anyio.Semaphore(concurrency)
        self._news = anyio.Event()
        self._ended = False
        self._failure: Exception | None = None
        self._started = False
        self._on_end: Callable[[Batch], object] = lambda _: None

    def on_end(self, call: Callable[[Batch], object]) -> None:
        """Call this once the last task has ended."""
        self._on_end = call

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunResult:
        if not self._started:
            self._started = True
            try:
                self._group.start_soon(self._conduct, name="batch")
            except RuntimeError as error:
                sentence = "the runtime has ended and takes nothing new; start a new one"
                raise ClosedError(sentence) from error
        while not self._results:
            if self._ended:
                raise self._failure or StopAsyncIteration
            await self._news.wait()
            self._news = anyio.Event()
        self._room.release()
        return self._results.popleft()

    def drain(self) -> None:
        """Start no further task; those that run go on and give their results."""
        self._draining = True
        self._feeding.cancel()

    async def aclose(self) -> None:
        """Stop: cancel what runs, drop what waits."""
        self._scope.cancel()
        self._end()

    async def _conduct(self) -> None:
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    with self._feeding:
                        await self._feed(group)
        finally:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._news.set()
        self._on_end(self)

    async def _feed(self, group: TaskGroup) -> None:
        """Hand tasks to their agents; an error of the source is raised after the results."""
        try:
            async with aclosing(_each(self._source)) as tasks:
                handed = 0
                async for task in tasks:
                    await acquire(self._backlog)
                    await self._hand_over(task, group)
                    handed += 1
                    if handed % BURST == 0:
                        await checkpoint()
        except Exception as error:  # noqa: BLE001 - the source's own error goes to whoever reads
            self._failure = error

    async def _hand_over(self, task: Task, group: TaskGroup) -> None:
        agent = str(getattr(task, "agent", ""))  # what is no task is told so when it is run
        queue = self._queues.get(agent)
        if queue is not None:
            queue.append(task)
            return
        self._queues[agent] = [task]
        await acquire(self._agents)
        group.start_soon(self._work, agent)

    async def _work(self, agent: str) -> None:
        """Run the tasks of one agent until none waits."""
        queue = self._queues[agent]
        while queue and not self._draining:
            result = await self._run(queue.pop(0))
            self._backlog.release()
            await acquire(self._room)
            self._results.append(result)
            self._news.set()
        del self._queues[agent]
        self._agents.release()


async def _each(tasks: Tasks) -> AsyncGenerator[Task, None]:
    if isinstance(tasks, AsyncGenerator):
        async with aclosing(tasks):
            async for task in tasks:
                yield task
    elif isinstance(tasks, AsyncIterable):
        async for task in tasks:
            yield task
    else:
        for task in tasks:
            yield task
