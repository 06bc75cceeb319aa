"""What a hostile planner cannot do with what it returns."""

from __future__ import annotations

import sys
from collections import OrderedDict, UserDict, UserList, deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.errors import PlanError
from authgate_async.planners.parse import parse_plan
from authgate_async.planners.protocol import Step

if TYPE_CHECKING:
    from collections.abc import Iterator


class Trap:
    """Raises whatever is done with it, and says so in a hostile way."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)

    def __repr__(self) -> str:
        raise SystemExit

    def __bool__(self) -> bool:
        raise SystemExit

    def __eq__(self, other: object) -> bool:
        raise SystemExit

    def __hash__(self) -> int:
        return 1


class Meta(type):
    """A class whose name is a trap."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise SystemExit


class Nameless(metaclass=Meta):
    """Its type cannot be asked for its name."""


class Dict(dict[str, Any]):
    """Shows other things than it holds."""

    def __getitem__(self, key: str) -> Any:
        raise SystemExit(key)

    def items(self) -> Any:
        """Never end."""
        while True:
            yield ("a", 1)


class List(list[Any]):
    """Never ends."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield {"tool": "t"}

    def __len__(self) -> int:
        return 1


class Str(str):
    """Says another thing each time."""

    __slots__ = ()

    def __str__(self) -> str:
        raise SystemExit


class Int(int):
    """Has another size than it says."""

    def __abs__(self) -> int:
        return 0


class LateStep(Step, frozen=True):
    """A step of another class."""


def forever() -> Iterator[Any]:
    """Yield steps without end."""
    while True:
        yield {"tool": "t"}


def step(value: object) -> list[Any]:
    """Return a plan of one step with this argument."""
    return [{"tool": "t", "args": {"a": value}}]


def nested(depth: int, kind: str) -> Any:
    """Return lists or objects inside each other."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


def circle() -> list[Any]:
    """Return a list that holds itself twice."""
    value: list[Any] = []
    value += [value, value]
    return value


def laughs() -> list[Any]:
    """Return a small object that is two to the thirtieth when written out."""
    value: list[Any] = ["ha"]
    for _ in range(30):
        value = [value, value]
    return value


def round_dict() -> dict[str, Any]:
    """Return an object that holds itself."""
    value: dict[str, Any] = {}
    value["a"] = value
    return value


ANY: Any = 5
PLANS: dict[str, Any] = {
    "none": None, "number": 1, "boolean": True, "float": 1.0, "object": {},
    "a step alone": {"tool": "t"}, "a Step alone": Step("t"), "trap": Trap(), "class": Trap,
    "nameless": Nameless(), "generator": forever(), "iterator": iter([]), "range": range(3),
    "set": set(), "frozenset": frozenset(), "deque": deque([{"tool": "t"}]),
    "UserList": UserList([{"tool": "t"}]), "subclass of list": List([{"tool": "t"}]),
    "bytearray": bytearray(b"[]"), "memoryview": memoryview(b"[]"), "coroutine function": forever,
    "module": sys, "exception": ValueError("x"), "type": list,
    "too many steps": [{"tool": "t"}] * 65, "a million steps": [None] * 10**6, "step none": [None],
    "step list": [[]], "step number": [1], "step text": ["calculator"], "step trap": [Trap()],
    "step nameless": [Nameless()], "step subclass of dict": [Dict(tool="t")],
    "step OrderedDict": [OrderedDict(tool="t")], "step UserDict": [UserDict(tool="t")],
    "step proxy": [MappingProxyType({"tool": "t"})], "step subclass": [LateStep("t")],
    "step empty": [{}], "unknown field": [{"tool": "t", "permit": True}],
    "actor field": [{"tool": "t", "actor": "root"}], "flags": [{"tool": "t", "flags": 0}],
    "key number": [{1: 2, "tool": "t"}], "key trap": [{Trap(): 1}],
    "key subclass": [{Str("tool"): "t"}], "key bytes": [{b"tool": "t"}],
    "key huge": [{"x" * 10**6: 1}], "key escape": [{"\x1b[2J": 1}], "tool missing": [{"args": {}}],
    "tool none": [{"tool": None}], "tool empty": [{"tool": ""}], "tool number": [{"tool": 1}],
    "tool list": [{"tool": ["t"]}], "tool long": [{"tool": "t" * 257}],
    "tool long in bytes": [{"tool": "é" * 129}], "tool newline": [{"tool": "a\nb"}],
    "tool NUL": [{"tool": "a\x00"}], "tool escape": [{"tool": "\x1b[2J"}],
    "tool C1": [{"tool": "a\x85"}], "tool surrogate": [{"tool": "\ud800"}],
    "tool subclass": [{"tool": Str("t")}], "tool trap": [{"tool": Trap()}],
    "tool bidi": [{"tool": "a\u202eb"}], "rationale none": [{"tool": "t", "rationale": None}],
    "rationale long": [{"tool": "t", "rationale": "r" * 4097}],
    "rationale surrogate": [{"tool": "t", "rationale": "\udfff"}],
    "rationale trap": [{"tool": "t", "rationale": Trap()}],
    "args none": [{"tool": "t", "args": None}], "args list": [{"tool": "t", "args": []}],
    "args text": [{"tool": "t", "args": "{}"}], "args trap": [{"tool": "t", "args": Trap()}],
    "args subclass": [{"tool": "t", "args": Dict(a=1)}],
    "args circle": [{"tool": "t", "args": round_dict()}], "args in Step": [Step("t", Dict(a=1))],
    "tool in Step": [Step(ANY)], "args keys": [{"tool": "t", "args": {1: 1}}],
    "args key none": [{"tool": "t", "args": {None: 1}}],
    "args key surrogate": [{"tool": "t", "args": {"\ud800": 1}}],
    "args key trap": [{"tool": "t", "args": {Trap(): 1}}],
    "args key subclass": [{"tool": "t", "args": {Str("a"): 1}}],
    "args key long": [{"tool": "t", "args": {"k" * 70_000: 1}}], "NaN": step(float("nan")),
    "infinity": step(float("inf")), "minus infinity": step(-float("inf")), "2**53": step(2**53),
    "-2**53": step(-(2**53)), "huge int": step(10**5000), "complex": step(1j), "bytes": step(b""),
    "set inside": step({1}), "generator inside": step(forever()), "trap inside": step(Trap()),
    "nameless inside": step(Nameless()), "ellipsis": step(...), "subclass of str": step(Str("x")),
    "subclass of int": step(Int(2**70)), "subclass of list inside": step(List([1])),
    "subclass of dict inside": step(Dict(a=1)), "surrogate": step("a\ud800"),
    "33 lists": step(nested(32, "list")), "33 objects": step(nested(32, "object")),
    "deep": step(nested(50_000, "list")), "circle": step(circle()), "laughs": step(laughs()),
    "long text": step("x" * 2**16), "escapes": step("\x01" * 11_000),
    "long list": step([0] * 2**16), "many keys": step({str(i): 0 for i in range(20_000)}),
    "wide characters": step("\U0001f600" * 16_400), "text empty": "",
    "text prose": "Sure! Here is the plan: []", "text fenced": "```json\n[]\n```",
    "text object": "{}", "text number": "1", "text twice": "[][]", "text cut": '[{"tool": "t"',
    "text NaN": '[{"tool":"t","args":{"a":NaN}}]',
    "text infinity": '[{"tool":"t","args":{"a":-Infinity}}]',
    "text 1e999": '[{"tool":"t","args":{"a":1e999}}]',
    "text huge int": '[{"tool":"t","args":{"a":' + "9" * 10_000 + "}}]",
    "text double key": '[{"tool":"calculator","tool":"file_read"}]',
    "text double key inside": '[{"tool":"t","args":{"a":1,"a":2}}]',
    "text surrogate": '[{"tool":"t","args":{"a":"\\ud800"}}]', "text lone surrogate": "\ud800",
    "text deep": "[" * 100_000, "text deep and closed": "[" * 100_000 + "]" * 100_000,
    "text deep objects": '{"a":' * 100_000, "text long": "[" + " " * 2**22 + "]",
    "text not UTF-8": b"\xff\xfe", "text UTF-16": "[]".encode("utf-16"),
    "text BOM": b"\xef\xbb\xbf[]", "text comment": "[] // x", "text quotes": "[{'tool':'t'}]",
    "text comma": '[{"tool":"t"},]', "text NUL": "[]\x00", "text subclass": Str("[]"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
def test_a_hostile_plan_is_a_plan_error(name: str) -> None:
    """No plan crashes, hangs or runs code: it is refused with its place, harmlessly told."""
    with pytest.raises(PlanError) as caught:
        parse_plan(PLANS[name])
    assert str(caught.value).startswith("`steps")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
