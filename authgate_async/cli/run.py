"""`authgate run "INTENT" --policy P`: one task for one agent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from authgate_async.cli.entry import configure_log, drained, on_loop, runtime_of
from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text, say
from authgate_async.errors import UsageError
from authgate_async.planners.protocol import Task
from authgate_async.policy import load
from authgate_async.policy.problems import escape
from authgate_async.policy.tools import find_tools

if TYPE_CHECKING:
    from argparse import Namespace

    from authgate_async.planners.protocol import StepResult
    from authgate_async.policy import Policy
    from authgate_async.runs import RunResult

__all__ = ["run"]


def run(args: Namespace) -> Exit:
    """Run the task; print what its steps returned."""
    policy = load(args.policy)
    find_tools(policy)  # an import that fails is told before anything is made
    task = Task(args.agent or _only_machine(policy), args.intent)
    configure_log(args.log_level)
    runtime = runtime_of(policy, args)
    result = on_loop(partial(drained, runtime, partial(runtime.run, task)))
    if args.json:
        print_json(result)
    else:
        _tell(result)
    return _exit(result)


def _exit(result: RunResult) -> Exit:
    """Return the worst that happened; a call that was permitted and did not return is a failure."""
    ends = {"done": Exit.OK} | {end.name.lower(): end for end in Exit}
    broken = any(step.permitted and step.error for step in result.steps)
    return max(ends[result.status], Exit.FAILED if broken else Exit.OK)


def _only_machine(policy: Policy) -> str:
    machines = [person.name for person in policy.principals if person.kind == "machine"]
    if len(machines) != 1:
        raise UsageError(f"the policy has {len(machines)} machines; say which with --agent NAME")
    return machines[0]


def _tell(result: RunResult) -> None:
    for step in result.steps:
        _tell_step(step)
    if result.error:
        say(f"{result.status}: {result.error}")
    elif not result.steps:
        say("the planner found nothing to do in this intent; name a sum, a search or a file")


def _tell_step(step: StepResult) -> None:
    if not step.permitted:
        say(f"{step.tool}: denied")
        for code, sentence in zip(step.codes, step.sentences, strict=True):
            say(f"  {code}: {sentence}")
    elif step.error:
        say(f"{step.tool}: {step.cause}: {step.error}")
    else:
        shown = step.value if isinstance(step.value, str) else msgspec.json.encode(step.value)
        text = shown.decode() if isinstance(shown, bytes) else shown
        print_text("\n".join(map(escape, text.splitlines())))
