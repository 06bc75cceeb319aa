"""Calculator injection: code in an expression, and expressions that never end or never fit."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from redteam.bodies.calculators import CALCULATOR
from redteam.broken.calculators import computes_anything, knows_no_bounds
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from authgate_async import RunResult
    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 6

_ARITHMETIC = re.compile(
    r"(?:[0-9.+\-*/%(), \t]|[eE][+-]?[0-9]|abs|round|min|max|sqrt|pi|e)*", re.ASCII
)
"""What an expression may be made of; `calculator.py` is not asked."""

_NUMBER = re.compile(r"-?[0-9]{1,1234}|-?[0-9]+\.[0-9]+(?:e[+-][0-9]{1,3})?|-?[0-9]e[+-][0-9]{1,3}")
"""What a result may be: 4096 bits are 1234 digits."""

_ITS_OWN = {"returned", "raised"}
"""How a call ends that nothing but the calculator has ended."""

CODE = (
    "open('{mark}','w').write('x')",
    "__import__('os').open('{mark}',65)",
    'exec(\'open("{mark}","w")\')',
    "eval('1+1')",
    "().__class__",
    "().__class__.__base__.__subclasses__()",
    "(1).real",
    "1 .numerator",
    "abs.__self__",
    "abs.__globals__",
    "globals()",
    "print(1)",
    "[x for x in (1,2)]",
    "(lambda: 1)()",
    "(x:=1)",
    "f'{1+1}'",
    "'a'*9",
    "b'a'",
    "1j",
    "0x1f",
    "1_000",
    "True",
    "None",
    "...",
    "1 if 1 else 2",
    "1<2",
    "not 1",
    "1 and 2",
    "~1",
    "1<<2",
    "1@2",
    "{1:2}",
    "[1,2][0]",
    "max(*[1,2])",
    "max(1,2,key=abs)",
    "round(number=1)",
    "pow(2,3)",
    "sum((1,2))",
    "inf",
    "nan",
    "del e",
    "yield",
    "await 1",
    "import os",
)
DISGUISES = (
    lambda code, _: code,
    lambda code, _: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in code),
    lambda code, _: code.replace("e", "\u0435").replace("a", "\u0430"),
    lambda code, random: _inserted(code, random, "\u200b"),
    lambda code, random: _inserted(code, random, "\\\n"),
    lambda code, random: _inserted(code, random, "\x00"),
    lambda code, random: _inserted(code, random, "\u00a0"),
    lambda code, random: _inserted(code, random, "\x0c"),
    lambda code, _: code + " # 1+1",
    lambda code, _: code.swapcase(),
    lambda code, _: "".join(f"\\u{ord(c):04x}" for c in code),
)
HOSTS = (
    "{0}",
    "1+{0}",
    "({0})",
    "max({0},1)",
    "abs({0})",
    "round({0},0)",
    "-{0}",
    "2**{0}",
    "1,{0}",
    "1;{0}",
    "1\n{0}",
    "{0} if 1 else 0",
    "min(1,\t{0})",
    "sqrt({0}) # 2",
    "1+1\r{0}",
)


def _inserted(code: str, random: Random, what: str) -> str:
    place = random.randrange(len(code) + 1)
    return code[:place] + what + code[place:]


def _code(random: Random) -> str:
    disguise = random.choice(DISGUISES)
    return random.choice(HOSTS).format(disguise(random.choice(CODE), random))


def _bomb(random: Random) -> str:
    """Return arithmetic that is too much for whoever does not count first."""
    n, m = random.randrange(2, 10), random.randrange(1, 400)
    return random.choice(
        (
            f"{n}**{n}**{n + 7}",
            f"{n}**{n}**{n}**{n}",
            f"10**{4000 + m}",
            f"{n}**-{10**m}",
            f"({n}**999)**{m}",
            "*".join([f"{n}**1200"] * (2 + m % 20)),
            f"-{n}**(2**{m})",
            f"round({n},-{10 ** (1 + m % 18)})",
            f"round({n}.5,{m + 300})",
            f"1e{m + 300}*{n}e{m}",
            f"{n}e{m}**{m}",
            f"(-{n})**.{m}",
            f"{n}%0",
            f"0**-{n}",
            "(" * (20 + m % 40) + "1" + ")" * (20 + m % 40),
            "+".join(["1"] * (60 + m)),
            "-" * (200 + m) + "1",
            f"{n}" * (230 + m % 60),
            f"max({','.join(['1'] * (90 + m % 60))})",
            f"{n}//{'9' * (m % 250 + 1)}**9",
            f"{'9' * (m % 250 + 1)}%{n}e{m}",
            f"sqrt({n}**{1000 + m})",
            f"abs(-{n}**{1300 + m})",
        )
    )


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with a calculator and one clerk who may use it."""
    async with open_stage(setting, (CALCULATOR[setting.level],)) as stage:
        await stage.enrol("clerk")
        await stage.rt.grant("machine:clerk", "execute", "compute:calculator")

        async def attack(engineer: Engineer) -> None:
            await _calm(stage, engineer)
            for _ in range(ATTACKS):
                await _attack(stage, engineer)

        yield attack


async def _calm(stage: Stage, engineer: Engineer) -> None:
    a, b, c = (engineer.random.randrange(10**9) for _ in range(3))
    result = await stage.steps("clerk", _step(f"({a} + {b}) * {c} - {a} % 7"))
    if _values(result) != [str((a + b) * c - a % 7)]:
        raise AssertionError(f"what is allowed did not work: {result}")


async def _attack(stage: Stage, engineer: Engineer) -> None:
    random = engineer.random
    text = (_code if random.random() < 0.6 else _bomb)(random)
    spoken = random.random() < 0.25
    token = engineer.tries(f"{'say' if spoken else 'compute'} {text!a}")
    text = text.replace("{mark}", str(stage.board / token))
    if spoken:
        result = await stage.rt.run(f"please compute {text} and 1+1", agent="clerk")
    else:
        result = await stage.steps("clerk", _step(text))
    stage.must_not_have_run(token)
    _judge(result, is_arithmetic=spoken or _ARITHMETIC.fullmatch(text) is not None)


def _judge(result: RunResult, *, is_arithmetic: bool) -> None:
    values = _values(result)
    if values and not is_arithmetic:
        raise EscapedError(f"what is no arithmetic was computed: {values}")
    for value in values:
        if not (isinstance(value, str) and _NUMBER.fullmatch(value)):
            raise EscapedError(f"the result is no number of at most 4096 bits: {value!a:.200}")
    for step in result.steps:
        if step.cause and step.cause not in _ITS_OWN:
            raise EscapedError(f"the calculator did not end by itself: {step.cause}")


def _step(expression: str) -> dict[str, object]:
    return {"tool": "calculator", "args": {"expression": expression}}


def _values(result: RunResult) -> list[object]:
    return [step.value for step in result.steps if step.cause == "returned"]


CATEGORY = Category(
    "calculator-injection",
    "an expression is arithmetic, and small, or it is refused",
    arena,
    (
        Broken("a calculator that computes whatever Python can", computes_anything),
        Broken("a calculator without bounds", knows_no_bounds),
    ),
)
