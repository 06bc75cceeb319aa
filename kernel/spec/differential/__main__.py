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
from typing import TYPE_CHECKING, NamedTuple

import exhaustive
from as_case import as_case
from compare import Divergence, Engines
from draw import Drawer
from shrink import smallest

if TYPE_CHECKING:
    from program import Program

_BATCH = 100


class Work(NamedTuple):
    """A batch of programs: its seed, or its part of the small scope; and if the reference joins."""

    source: str | int
    reference: bool

    def programs(self) -> list[Program]:
        """Draw them, or list them."""
        if isinstance(self.source, int):
            return list(exhaustive.programs(self.source))
        drawer = Drawer(Random(self.source))
        return [drawer.program() for _ in range(_BATCH)]


class Done(NamedTuple):
    """What came of a batch."""

    cases: int
    programs: int
    found: Divergence | None


def work(it: Work) -> Done:
    """Compare the engines on a batch."""
    programs = it.programs()
    engines = Engines(reference=it.reference)
    found = engines.divergence(programs)
    cases = sum(program.cases for program in programs)
    return Done(cases, len(programs), smallest(engines, found) if found else None)


def main() -> int:
    """Compare until enough cases or minutes are done, or something is found."""
    options = _parser().parse_args()
    began = time.monotonic()
    drawn = (f"{options.seed}/{place}" for place in count())
    sources = range(exhaustive.PARTS) if options.exhaustive else drawn
    batches = (Work(source, not options.no_reference) for source in sources)
    cases = programs = 0
    with Pool(options.jobs) as pool:
        for done in pool.imap(work, batches):
            cases, programs = cases + done.cases, programs + done.programs
            if done.found:
                print(_told(done.found, cases))
                return 1
            passed = time.monotonic() - began
            if passed >= options.minutes * 60 and cases >= options.cases and not options.exhaustive:
                break
    engines = "Rust and the model" if options.no_reference else "Rust, the reference and the model"
    rate = f"{cases / passed:.0f} cases a second on {options.jobs} processes"
    where = "the whole small scope" if options.exhaustive else f"seed {options.seed!r}"
    print(f"{engines} agree on {cases} cases of {programs} programs, {where}; {rate}")
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
    parser.add_argument("--exhaustive", action="store_true", help="all of the small scope instead")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--no-reference", action="store_true", help="leave the slow one out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
