"""Argument fuzzing: values that are not what a tool or a grant takes, and pass all the same."""

from __future__ import annotations

import json
import secrets
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authgate_async import AuthgateError
from authgate_async.policy import Resource
from redteam.bodies.buying import ORDER, READ, SPEND
from redteam.bounds import BOUNDS, drawn
from redteam.broken.files import reads_anything, takes_any_type
from redteam.broken.kernels import judges_no_arguments, permits_everything
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage, temporary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from random import Random

    from authgate_async import RunResult
    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 10
GRANTED = "reports"
"""The part of the workspace that may be read."""


@dataclass(frozen=True)
class Scene:
    """The stage, and a secret beside what may be read."""

    stage: Stage
    secret: str


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime whose clerk may spend within bounds, order, and read some files."""
    tools = tuple(kind[setting.level] for kind in (SPEND, ORDER, READ))
    with temporary() as files:
        secret = _lay_out(files)
        workspace = Resource("file", "workspace", path=str(files / "workspace"))
        async with open_stage(setting, tools, resources=(workspace,)) as stage:
            clerk = await stage.enrol("clerk")
            await stage.rt.grant(clerk, "write", "till:orders")
            await stage.rt.grant(clerk, "read", "file:workspace", scope=GRANTED)
            for name, bound in BOUNDS.items():
                where, args = f"till:{name}", {"value": bound.says}
                await stage.rt.grant(clerk, "write", where, args=args, other_args="any")

            async def attack(engineer: Engineer) -> None:
                scene = Scene(stage, secret)
                await _calm(scene, engineer)
                for _ in range(ATTACKS):
                    await engineer.random.choice(WAYS)(scene, engineer)

            yield attack


def _lay_out(files: Path) -> str:
    """Put secrets beside, above and behind links in what may be read."""
    secret = f"SECRET-{secrets.token_hex(16)}"
    granted = files / "workspace" / GRANTED
    (granted / "inner").mkdir(parents=True)
    (granted / "fine.txt").write_text("fine")
    (granted / "inner/fine.txt").write_text("fine")
    for place in (files, files / "workspace", files / "workspace/reports-old"):
        place.mkdir(exist_ok=True)
        (place / "secret.txt").write_text(secret)
    (granted / "link.txt").symlink_to(files / "secret.txt")
    (granted / "up").symlink_to(files / "workspace")
    (granted / "inner/far").symlink_to(files)
    return secret


async def _calm(scene: Scene, engineer: Engineer) -> None:
    """Values inside the bounds pass, and files that may be read are read."""
    name = engineer.random.choice(sorted(BOUNDS))
    token = f"{engineer.name}-calm"
    result = await scene.stage.steps("clerk", _spend(name, token, BOUNDS[name].good))
    scene.stage.must_have_run(token, result)
    result = await scene.stage.steps("clerk", _read(f"{GRANTED}/fine.txt"))
    if [step.value for step in result.steps] != ["fine"]:
        raise AssertionError(f"what is allowed did not work: {result}")


def _spend(till: str, token: str, value: Any) -> dict[str, Any]:
    return {"tool": "spend", "args": {"till": till, "token": token, "value": value}}


def _read(path: Any, **more: Any) -> dict[str, Any]:
    return {"tool": "file_read", "args": {"path": path, **more}}


# Bounds of grants


async def _out_of_bounds(scene: Scene, engineer: Engineer) -> None:
    """Give a value near a bound, as a plan or as the JSON text of one."""
    name = engineer.random.choice(sorted(BOUNDS))
    value = drawn(BOUNDS[name], engineer.random)
    token = engineer.tries(f"{name}: {ascii(value)[:60]}")
    with suppress(AuthgateError):
        await scene.stage.steps("clerk", _spend(name, token, value))
    _judge_bound(scene, name, token)


async def _said_twice(scene: Scene, engineer: Engineer) -> None:
    """Name the argument twice, in another case, or beside others that look like it."""
    random = engineer.random
    name = random.choice(sorted(BOUNDS))
    value = drawn(BOUNDS[name], random)
    key = random.choice(
        ("Value", "value ", "v\u0430lue", "value\x00", "VALUE", "\u200bvalue", "folders")
    )
    token = engineer.tries(f"{name}: {key!a} beside it, {ascii(value)[:60]}")
    step = _spend(name, token, BOUNDS[name].good)
    step["args"][key] = value
    with suppress(AuthgateError):
        await scene.stage.steps("clerk", step)
    _judge_bound(scene, name, token)


def _judge_bound(scene: Scene, name: str, token: str) -> None:
    """Judge by what the body got, not by what was sent."""
    left = scene.stage.mark(token)
    if left is None:
        return
    scene.stage.expected.add(token)
    got = json.loads(left)
    if not BOUNDS[name].allows(got):
        raise EscapedError(f"a body got {ascii(got)[:200]}, which is out of the bound `{name}`")


# Types of tools

_TYPES = (int, bool, str, list, float)
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**53, 2**63, 10**30, 1.0, 0.5, 1e400, float("nan")),
    *("", "1", "true", "red", "RED", "red\x00", "\udc80", "x" * 70_000, b"red", b"\xff"),
    *([], [1], ["a"], ["a", None], [["a"]], ("a",), {"a"}, {}, {"a": 1}, {1: "a"}, {"": []}),
    *(object(), Ellipsis, 1j, range(3), bytearray(b"a"), [[]] * 9),
)


class _Word(str):
    """Text that says something else each time."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("red")


class _Number(int):
    """A number that is small for whoever compares it."""

    def __le__(self, other: object) -> bool:
        return True

    def __ge__(self, other: object) -> bool:
        return True


async def _of_another_type(scene: Scene, engineer: Engineer) -> None:
    """Give arguments of other types, too many, too few, or ones that hold themselves."""
    random = engineer.random
    args: dict[Any, Any] = {
        "count": 3,
        "rush": False,
        "colour": "red",
        "names": ["a"],
        "price": 2.5,
    }
    odd = (*_ODD, _Word("blue"), _Number(10**6), _loop(), _deep(random.choice((31, 33, 5000))))
    told = []
    for _ in range(random.choice((1, 1, 2, 3))):
        key = random.choice((*args, "more", "folders", "self", 7))
        place = int(random.random() * len(odd))
        if random.random() < 0.15:
            args.pop(key, None)
            told.append(f"no {key}")
        else:
            args[key] = odd[place]
            told.append(f"{key} odd {place}")
    token = engineer.tries(", ".join(told))
    step = {"tool": "order", "args": {"token": token, **args}}
    with suppress(AuthgateError):
        await scene.stage.steps("clerk", step)
    left = scene.stage.mark(token)
    if left is None:
        return
    scene.stage.expected.add(token)
    _judge_types(json.loads(left))


def _judge_types(got: list[Any]) -> None:
    count, rush, colour, names, price = got
    fine = (
        type(count) is int
        and type(rush) is bool
        and colour in ("red", "green")
        and type(names) is list
        and all(type(name) is str for name in names)
        and type(price) in (int, float)
    )
    if not fine:
        raise EscapedError(f"a body got {ascii(got)[:300]}")


def _loop() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


def _deep(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


# Paths

_PARTS = ("..", ".", "", "reports", "up", "inner", "far", "link.txt", "secret.txt", "fine.txt", "~")
_JOINTS = ("/", "/", "/", "//", "\\", "/./", "%2f", "\u2215", "/\x00/", "/ ", ":")


def _path(random: Random) -> str:
    parts = [random.choice(_PARTS) for _ in range(random.randrange(1, 6))]
    path = "".join(part + random.choice(_JOINTS) for part in parts)
    end = random.choice(("secret.txt", "../secret.txt", "link.txt", "fine.txt"))
    start = random.choice((GRANTED + "/", GRANTED + "/", "", "/", "reports-old/", "./"))
    return start + random.choice(("", path)) + end


async def _out_of_folder(scene: Scene, engineer: Engineer) -> None:
    """Read a file by a path that leads out of what may be read, or through a link."""
    path = _path(engineer.random)
    root = engineer.random.choice(({}, {}, {}, {"root": "workspace/.."}, {"root": "."}))
    engineer.tries(f"read {path!a} {sorted(root.values())}")
    result: RunResult | None = None
    with suppress(AuthgateError):
        result = await scene.stage.steps("clerk", _read(path, **root))
    if result is not None and scene.secret in str(result):
        raise EscapedError(f"a secret was read as {path!a}")


WAYS = (
    _out_of_bounds,
    _out_of_bounds,
    _out_of_bounds,
    _said_twice,
    _of_another_type,
    _of_another_type,
    _out_of_folder,
    _out_of_folder,
)

CATEGORY = Category(
    "argument-fuzzing",
    "a body gets only what its signature and the bounds of its grants let through",
    arena,
    (
        Broken("a gate that always permits", permits_everything),
        Broken("a kernel that judges no arguments", judges_no_arguments, "python"),
        Broken("a tool without types", takes_any_type, level="process"),
        Broken("a file tool without containment", reads_anything, level="process"),
    ),
)
