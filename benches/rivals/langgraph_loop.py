"""LangGraph: a plan node, a tool node and a conditional edge, compiled once, no checkpointer."""

import asyncio  # noqa: TID251 - it runs on nothing else
import time
from typing import TypedDict

from langgraph.graph import END, START, StateGraph

__all__ = ["run"]


class State(TypedDict):
    """What the nodes hand on."""

    agent: str
    call: str
    left: int


async def plan(state: State) -> dict[str, str]:
    """Choose the next call, or none."""
    return {"call": state["agent"] if state["left"] else ""}


async def act(state: State) -> dict[str, int]:
    """Make the call: the same nothing as ours."""
    echo(state["call"])
    return {"left": state["left"] - 1}


def echo(text: str) -> str:
    """Give the text back."""
    return text


def compiled() -> object:
    """Return the graph."""
    graph = StateGraph(State)
    graph.add_node("plan", plan)
    graph.add_node("act", act)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda state: "act" if state["call"] else END)
    graph.add_edge("act", "plan")
    return graph.compile()


LOOP = compiled()


def run(agents: int, steps: int) -> float:
    """Run all agents at once."""
    return asyncio.run(_run(agents, steps))


async def _run(agents: int, steps: int) -> float:
    options = {"recursion_limit": 4 * steps + 4}
    began = time.perf_counter()
    states = await asyncio.gather(
        *(
            LOOP.ainvoke({"agent": str(number), "call": "", "left": steps}, options)
            for number in range(agents)
        )
    )
    seconds = time.perf_counter() - began
    assert not any(state["left"] for state in states)
    return seconds / (agents * steps)
