"""`authgate decide --policy P < actions.jsonl`: verdicts only; nothing runs."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from authgate_async.cli.actions import Judge, read_actions
from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json
from authgate_async.policy import load

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["run"]


def run(args: Namespace) -> Exit:
    """Print a verdict for each action on stdin."""
    judge = Judge(load(args.policy), args.backend, time.time_ns() // 1000)
    denied = False
    for answer in judge.answers(read_actions(sys.stdin.buffer)):
        print_json(answer)
        denied |= not answer.permitted
    return Exit.DENIED if denied else Exit.OK
