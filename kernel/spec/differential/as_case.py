"""A diverging program as a case of `tests/vectors/cases`: Python text to paste and to look at.

What it expects is what the model answers; `tests/vectors/make.py` then holds the reference to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pools
from oracle import Oracle, codes_of, steps_of
from program import Act, Approval, End

if TYPE_CHECKING:
    from program import Program, Step


def as_case(program: Program, name: str) -> str:
    """Write the program in the words of `tests/vectors/language.py`."""
    lines = Oracle(pools.facts()).answers([program])[0]
    offsets: list[int] = []
    steps = []
    for step, said in steps_of(program, lines):
        steps.append(f"    {_step(step, said, offsets)},\n")
        if step.op == "decide":
            offsets += [len(step.items)]
    return f"Case({name!r}, (\n{''.join(steps)}), permit_ttl={program.ttl})\n"


def _step(step: Step, said: list[str], offsets: list[int]) -> str:
    items = "".join(
        f"        {_item(item, line, offsets)},\n"
        for item, line in zip(step.items, said, strict=True)
    )
    body = f"(\n{items}    )"
    match step.op:
        case "change":
            return f"Changing({body}, now={step.now})"
        case "decide":
            return f"Deciding({body}, now={step.now}, entropy=bytes([{step.entropy}]) * 32)"
        case "redeem":
            return f"Redeeming({body}, now={step.now})"
    return f"Settling({body})"


def _item(item: object, line: str, offsets: list[int]) -> str:
    answer = line.split("\t")
    code = "" if answer[0] == "%" else answer[0]
    match item:
        case Act():
            codes, warnings = tuple(codes_of(answer[1])), tuple(codes_of(answer[2]))
            return f"Expected({item.signed()!r}, {codes}, {warnings})"
        case Approval():
            return f"{item!r}  # expected: {code!r}; sign it as `cases/approvals.py` does"
        case int():
            tool_and_args = "tool=..., args=..."
            return f"(use{_place(item, offsets)}, {tool_and_args}), {code!r})"
        case End():
            flags = f"redeemed={item.redeemed}, started={item.started}"
            return f"(end{_place(item.verdict, offsets)}, {item.used}, {flags}), {line == '1'})"
    return f"({item!r}, {code!r})"


def _place(verdict: int, offsets: list[int]) -> str:
    """Step and place of a verdict, as `use` and `end` of the language count."""
    for step, size in enumerate(offsets):
        if verdict < size:
            return f"({step}, {verdict}"
        verdict -= size
    raise IndexError(verdict)
