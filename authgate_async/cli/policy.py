"""`authgate policy check FILE` and `authgate policy schema`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text, say
from authgate_async.policy import schema
from authgate_async.policy.load import examine
from authgate_async.policy.tools import find_tools
from authgate_async.policy.trial import try_policy

if TYPE_CHECKING:
    from argparse import Namespace

    from authgate_async.policy import Policy, Problem

__all__ = ["run"]


def run(args: Namespace) -> Exit:
    """Check a policy file, or print the schema of all."""
    return _schema() if args.part == "schema" else _check(args)


def _schema() -> Exit:
    print_text(json.dumps(schema(), indent=2))
    return Exit.OK


def _check(args: Namespace) -> Exit:
    policy, problems, text = examine(args.file)
    doubts: list[Problem] = []
    if policy is not None:
        problems, doubts = _try(policy, text, args)
    if args.json:
        print_json({"ok": not problems, "problems": problems, "warnings": doubts})
    for problem in problems:
        say(str(problem))
    for doubt in doubts:
        say(f"warning: {doubt}")
    if not args.json and policy is not None and not problems:
        print_text(_summary(policy))
    return Exit.BAD_INPUT if problems else Exit.OK


def _try(policy: Policy, text: str, args: Namespace) -> tuple[list[Problem], list[Problem]]:
    find_tools(policy)
    trial = try_policy(policy, text, time.time_ns() // 1000, args.backend)
    return list(trial.refused), list(trial.doubtful)


def _summary(policy: Policy) -> str:
    tools = "all" if policy.tools is None else sum(entry.enabled for entry in policy.tools)
    return (
        f"the policy is sound: {len(policy.principals)} principals, "
        f"{len(policy.resources)} resources, {len(policy.grants)} grants, {tools} tools"
    )
