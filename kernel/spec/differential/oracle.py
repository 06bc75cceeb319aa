"""The model's answers: programs written down for the oracle, and its lines read back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lines import Writer

from authgate_async.wire import Changed, Redeemed, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from program import Program, Step

PATH = Path(__file__).resolve().parents[3] / "target" / "spec" / "oracle"


class Oracle:
    """The model as a program."""

    def __init__(self, facts: Iterable[str]) -> None:
        self._facts = list(facts)
        self._writer = Writer()

    def answers(self, programs: list[Program]) -> list[list[str]]:
        """Give the lines of every program, a line for each item of each step.

        Raises:
            RuntimeError: The oracle is not built, or could not read a line.
        """
        if not PATH.exists():
            raise RuntimeError(f"`{PATH}` is not there; run `bash kernel/spec/check` first")
        lines = [line for program in programs for line in self._writer.lines(program)]
        text = "".join(f"{line}\n" for line in [*self._facts, *lines])
        done = subprocess.run([PATH], input=text.encode(), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the oracle stopped: {done.stderr.decode()}")
        given = iter(done.stdout.decode().splitlines())
        return [[next(given) for _ in _items(program)] for program in programs]


def _items(program: Program) -> Iterator[Any]:
    for step in program.steps:
        yield from step.items


def steps_of(program: Program, lines: list[str]) -> Iterator[tuple[Step, list[str]]]:
    """Each step with its lines."""
    given = iter(lines)
    for step in program.steps:
        yield step, [next(given) for _ in step.items]


def _texts(field: str) -> list[str]:
    return [_text(item) for item in field.split(" ")] if field else []


def _text(item: str) -> str:
    return "" if item == "%" else unquote(item)


def difference(answer: Any, line: str) -> str:
    """Say where the model answers something else than a kernel; empty if it does not."""
    fields = line.split("\t")
    match answer:
        case Verdict():
            return _verdict_difference(answer, fields)
        case Changed():
            return _unequal(
                "change", (answer.code, str(answer.epoch)), (_text(fields[0]), fields[1])
            )
        case Redeemed():
            told = (answer.code, "1" if answer.budgeted else "0")
            return _unequal("redemption", told, (_text(fields[0]), fields[1]))
    return _unequal("settlement", "1" if answer else "0", line)


def codes_of(field: str) -> list[str]:
    """The codes of a line's field of violations or warnings."""
    return [item.split(",")[0] for item in _split(field)]


def _unequal(what: str, kernel: object, model: object) -> str:
    return "" if kernel == model else f"{what}: the kernel says {kernel}, the model {model}"


def _verdict_difference(verdict: Verdict, fields: list[str]) -> str:
    codes = [code for code, _ in verdict.violations]
    faults = [list(map(_text, fault.split(","))) for fault in _split(fields[1])]
    chains = tuple(tuple(map(_text, chain.split(",")[1:])) if chain[0] == "1" else ()
                   for chain in _split(fields[5]))  # fmt: skip
    return (
        _unequal("codes", codes, [code for code, *_ in faults])
        or _unequal("permitted", verdict.permitted, fields[0] == "1")
        or _unequal("warnings", [code for code, _ in verdict.warnings], _split(fields[2]))
        or _unequal("confidence", str(verdict.confidence), fields[3])
        or _unequal("arbitration", verdict.requires_human_arbitration, fields[4] == "1")
        or _unequal("chains", verdict.chains, chains)
        or _unequal("epoch", str(verdict.epoch), fields[6])
        or _unequal("issued", str(verdict.issued_at), fields[7])
        or _unequal("expiry", str(verdict.expires_at), fields[8])
        or _unequal("approvers", list(verdict.approvers), _texts(fields[9]))
        or _unnamed(verdict, faults)
    )


def _split(field: str) -> list[str]:
    return field.split(" ") if field else []


def _unnamed(verdict: Verdict, faults: list[list[str]]) -> str:
    for (_, sentence), (code, *names) in zip(verdict.violations, faults, strict=True):
        for name in names:
            if name not in sentence:
                return f"names: the model's {code} is about `{name}`; the kernel says: {sentence}"
    return ""
