"""The whole of it in ten lines: a policy, a runtime, one task that may run and one that may not."""

# ruff: noqa: INP001, T201 - a script, and no package

from pathlib import Path

import anyio

from authgate_async.policy import load
from authgate_async.runtime import Runtime


async def main() -> None:
    """Let two agents ask for the same document."""
    policy = load(Path(__file__).with_name("policy.toml"))
    async with Runtime(policy, log=None) as runtime:
        for agent in ("ada-bot", "clerk-bot"):
            result = await runtime.run("Read private/prices.txt", agent=agent)
            print(agent, result.status, result.steps[0].value, *result.steps[0].sentences)


if __name__ == "__main__":
    anyio.run(main)
