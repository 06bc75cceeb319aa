"""Programs on every engine, and the first place where two of them answer differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pools
from kernels import readable, run
from oracle import Oracle, difference, steps_of

if TYPE_CHECKING:
    from program import Program, Step


class Divergence(NamedTuple):
    """A program whose last step is answered differently, and how."""

    program: Program
    how: str


class Engines:
    """Rust, the model, and the Python reference unless it is left out."""

    def __init__(self, *, reference: bool = True) -> None:
        self._oracle = Oracle(pools.facts())
        self._reference = reference

    def divergence(self, programs: list[Program]) -> Divergence | None:
        """Give the first divergence of some programs."""
        lines = self._oracle.answers(programs)
        for program, said in zip(programs, lines, strict=True):
            if found := self._first(program, said):
                return found
        return None

    def _first(self, program: Program, said: list[str]) -> Divergence | None:
        rust = run("rust", program)
        python = run("python", program) if self._reference else rust
        steps = zip(steps_of(program, said), rust, python, strict=True)
        for place, ((step, lines), ours, theirs) in enumerate(steps, 1):
            if how := _unlike(step, ours, theirs) or _astray(step, ours, lines):
                return Divergence(_until(program, place), how)
        return None


def _until(program: Program, place: int) -> Program:
    return type(program)(program.steps[:place], program.ttl)


def _unlike(step: Step, rust: bytes, python: bytes) -> str:
    """How the answer of Rust differs from the reference's; every byte counts."""
    if rust == python:
        return ""
    pairs = zip(readable(step, rust), readable(step, python), strict=True)
    unequal = [
        f"Rust says {ours}\nPython says {theirs}" for ours, theirs in pairs if ours != theirs
    ]
    return unequal[0] if unequal else "Rust and Python answer with other bytes of the same meaning"


def _astray(step: Step, answer: bytes, lines: list[str]) -> str:
    for given, line in zip(readable(step, answer), lines, strict=True):
        if how := difference(given, line):
            return how
    return ""
