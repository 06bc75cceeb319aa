"""Arithmetic, and nothing else.

An expression is read three times, each time by something that cannot be hurt by what it lets
through: a scan of its characters into known words and signs, Python's own parser, and a walk over
the tree that knows a dozen node types. The walk estimates the size of every result before it
computes it.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from typing import TYPE_CHECKING

from authgate_async.tools.definition import tool
from authgate_async.tools.folders import ToolFailure

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_BITS", "MAX_DEPTH", "MAX_LENGTH", "MAX_NODES", "calculator"]

MAX_LENGTH = 256
"""Characters of an expression."""
MAX_DEPTH = 32
"""Brackets inside brackets."""
MAX_NODES = 200
"""Numbers, signs and calls of an expression; a sum of 100 numbers fits."""
MAX_BITS = 4096
"""Size of every whole number on the way, about 1233 digits."""

_MAX_DIGITS = 400
_CONSTANTS = {"pi": math.pi, "e": math.e}
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<word>[A-Za-z][A-Za-z0-9]*)|(?P<sign>[-+*/%(), \t])",
    re.ASCII,
)

Number = int | float


@tool(resource="compute:calculator", right="execute")
def calculator(expression: str) -> str:
    """Compute one arithmetic expression, such as `(3 + 4) * 5` or `sqrt(2)`.

    Knows + - * / // % ** with brackets, abs, round, min, max, sqrt, pi and e, with Python's
    meaning. The result is text, because JSON numbers end at 2**53.

    Raises:
        ToolFailure: it is no such expression, too large, or has no finite real result.
    """
    _scan(expression)
    try:
        return str(_Walk().value(_parse(expression)))
    except ZeroDivisionError:
        raise ToolFailure("the expression divides by zero") from None
    except (OverflowError, RecursionError):
        raise ToolFailure("a number on the way is too large for this calculator") from None


def _scan(expression: str) -> None:
    """Let only known words and signs through to the parser, not too many and not too deep."""
    if len(expression) > MAX_LENGTH:
        msg = f"the expression has more than {MAX_LENGTH} characters; compute it in parts"
        raise ToolFailure(msg)
    position = depth = 0
    while position < len(expression):
        token = _TOKEN.match(expression, position)
        if token is None:
            msg = f"character {position + 1}, {expression[position]!a}, is not arithmetic"
            raise ToolFailure(
                msg + ("; write a power as **" if expression[position] == "^" else "")
            )
        word = token["word"]
        if word and word not in _CONSTANTS and word not in _FUNCTIONS:
            known = ", ".join((*_FUNCTIONS, *_CONSTANTS))
            raise ToolFailure(f"the calculator does not know `{word}`, only {known}")
        depth += (token[0] == "(") - (token[0] == ")")
        if depth > MAX_DEPTH:
            raise ToolFailure(f"brackets are more than {MAX_DEPTH} deep; compute it in parts")
        position = token.end()


def _parse(expression: str) -> ast.expr:
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ToolFailure(
            "this is not a complete arithmetic expression; check its brackets and signs"
        ) from None


def _bits(value: Number) -> int:
    return value.bit_length() if isinstance(value, int) else 0


def _power_bits(base: Number, exponent: Number) -> int:
    if not (isinstance(base, int) and isinstance(exponent, int)) or abs(base) <= 1 or exponent < 0:
        return 0
    return int(math.log2(abs(base)) * exponent) + 2


def _power(base: Number, exponent: Number) -> Number:
    if base < 0 and isinstance(exponent, float) and not exponent.is_integer():
        raise ToolFailure("a power of a negative number with a fraction is not a real number")
    result: Number = base**exponent
    return result


# Each sign with an upper bound of the bits of its result, computed from the operands alone.
_BINARY: dict[
    type[ast.operator],
    tuple[Callable[[Number, Number], Number], Callable[[Number, Number], int]],
] = {
    ast.Add: (operator.add, lambda a, b: max(_bits(a), _bits(b)) + 1),
    ast.Sub: (operator.sub, lambda a, b: max(_bits(a), _bits(b)) + 1),
    ast.Mult: (operator.mul, lambda a, b: _bits(a) + _bits(b)),
    ast.Div: (operator.truediv, lambda a, b: 0),  # noqa: ARG005
    ast.FloorDiv: (operator.floordiv, lambda a, b: _bits(a)),  # noqa: ARG005
    ast.Mod: (operator.mod, lambda a, b: _bits(b)),  # noqa: ARG005
    ast.Pow: (_power, _power_bits),
}

_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


def _round(value: Number, *digits: Number) -> Number:
    if not digits:
        return round(value)
    count = digits[0]
    # round(5, -10**9) would compute ten to that power.
    if not isinstance(count, int) or abs(count) > _MAX_DIGITS:
        raise ToolFailure(f"round takes a whole number of digits up to {_MAX_DIGITS}")
    return round(value, count)


def _sqrt(value: Number) -> Number:
    if value < 0:
        raise ToolFailure("the square root of a negative number is not a real number")
    return math.sqrt(value)


_FUNCTIONS: dict[str, tuple[Callable[..., Number], int, int]] = {
    "abs": (abs, 1, 1),
    "sqrt": (_sqrt, 1, 1),
    "round": (_round, 1, 2),
    "min": (min, 2, MAX_NODES),
    "max": (max, 2, MAX_NODES),
}


class _Walk:
    """Computes a tree, counting its nodes. Whatever is not named here is refused."""

    def __init__(self) -> None:
        self._nodes = 0

    def value(self, node: ast.expr) -> Number:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ToolFailure(
                f"the expression has more than {MAX_NODES} parts; compute it in parts"
            )
        result = self._compute(node)
        if isinstance(result, float) and not math.isfinite(result):
            raise OverflowError
        return _small(result, _bits(result))

    def _compute(self, node: ast.expr) -> Number:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name) if name in _CONSTANTS:
                return _CONSTANTS[name]
            case ast.UnaryOp(op=sign, operand=operand) if type(sign) in _UNARY:
                return _UNARY[type(sign)](self.value(operand))
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
                compute, estimate = _BINARY[type(sign)]
                a, b = self.value(left), self.value(right)
                return compute(_small(a, estimate(a, b)), b)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                return self._call(name, args)
        raise ToolFailure(
            "this is not arithmetic; use numbers, signs, brackets and the known functions"
        )

    def _call(self, name: str, args: list[ast.expr]) -> Number:
        function, least, most = _FUNCTIONS[name]
        if not least <= len(args) <= most:
            count = str(least) if least == most else f"{least} to {most}"
            raise ToolFailure(f"`{name}` takes {count} numbers, not {len(args)}")
        return function(*[self.value(arg) for arg in args])


def _small(value: Number, bits: int) -> Number:
    """Return the value if a result of so many bits may be computed."""
    if bits > MAX_BITS:
        raise OverflowError
    return value
