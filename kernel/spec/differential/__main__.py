"""Rust, the Python reference and the model on the same cases: `python kernel/spec/differential`.

A case is one action that is decided, in a registry with a history. Programs of cases are drawn from
a seed; the first on which two engines differ is made small and printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from itertools import count
from multiprocessing import Pool
from random import Random
from typing import NamedTuple

from as_case import as_case
from compare import Divergence, Engines
from draw import Drawer
from shrink import smallest

_BATCH = 100


class Work(NamedTuple):
    """A batch of programs: its seed, and whether the reference takes part."""

    seed: str
    reference: bool


class Done(NamedTuple):
    """What came of a batch."""

    cases: int
    programs: int
    found: Divergence | None


def work(it: Work) -> Done:
    """Draw the programs of a seed and compare the engines on them."""
    drawer = Drawer(Random(it.seed))
    programs = [drawer.program() for _ in range(_BATCH)]
    engines = Engines(reference=it.reference)
    found = engines.divergence(programs)
    cases = sum(program.cases for program in programs)
    return Done(cases, len(programs), smallest(engines, found) if found else None)


def main() -> int:
    """Compare until enough cases or minutes are done, or something is found."""
    options = _parser().parse_args()
    began = time.monotonic()
    work_list = (Work(f"{options.seed}/{i}", not options.no_reference) for i in count())
    cases = programs = 0
    with Pool(options.jobs) as pool:
        for done in pool.imap(work, work_list):
            cases, programs = cases + done.cases, programs + done.programs
            if done.found:
                print(_told(done.found, cases))
                return 1
            passed = time.monotonic() - began
            if passed >= options.minutes * 60 and cases >= options.cases:
                break
    engines = "Rust and the model" if options.no_reference else "Rust, the reference and the model"
    rate = f"{cases / passed:.0f} cases a second on {options.jobs} processes"
    print(f"{engines} agree on {cases} cases of {programs} programs, seed {options.seed!r}; {rate}")
    return 0


def _told(found: Divergence, cases: int) -> str:
    case = as_case(found.program, "found by comparing")
    return f"a divergence within {cases} cases:\n{found.how}\n\n{case}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python kernel/spec/differential", description=__doc__)
    parser.add_argument(
        "--cases", type=int, default=110_000, help="at least (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=0, help="at least (default: %(default)s)")
    parser.add_argument("--seed", default="quick", help="any text (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--no-reference", action="store_true", help="leave the slow one out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
