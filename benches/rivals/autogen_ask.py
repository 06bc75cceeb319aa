"""autogen-core: one request and its reply in the single-threaded runtime, without any tool."""

import asyncio  # noqa: TID251 - it runs on nothing else
import time
from dataclasses import dataclass

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, rpc

__all__ = ["run"]


@dataclass
class Ask:
    """The message and its answer."""

    text: str


class Echo(RoutedAgent):
    """Answers with what it was asked."""

    def __init__(self) -> None:
        super().__init__("echo")

    @rpc
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Ask:  # noqa: ARG002 - its form
        """Answer."""
        return message


def run(agents: int, steps: int) -> float:
    """Have all agents ask at once, each one request after another."""
    return asyncio.run(_run(agents, steps))


async def _run(agents: int, steps: int) -> float:
    runtime = SingleThreadedAgentRuntime()
    await Echo.register(runtime, "echo", Echo)
    runtime.start()

    async def agent(number: int) -> None:
        for _ in range(steps):
            await runtime.send_message(Ask("x"), AgentId("echo", str(number)))

    began = time.perf_counter()
    await asyncio.gather(*(agent(number) for number in range(agents)))
    seconds = time.perf_counter() - began
    await runtime.stop_when_idle()
    return seconds / (agents * steps)
