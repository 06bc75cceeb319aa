"""Secrets: what a tool is trusted with, looked for in logs, errors and other people's results."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from authgate_async import AuthgateError, Task, oplog
from redteam.bodies.keeping import KEEP, OPEN
from redteam.broken.keepers import digests_without_salt, keeps_nothing_back, tells_errors
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 4
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"

HOW = ("return", "raise", "raise by name", "print", "complain", "exit", "die", "flood")


@dataclass
class Scene:
    """The stage, what the operator is told, and the secrets so far."""

    stage: Stage
    told: io.StringIO
    secrets: list[str] = field(default_factory=list)
    read: int = 0

    def fresh(self, random: Random) -> str:
        """Return a secret that nobody had before."""
        self.secrets.append("".join(random.choices(LETTERS, k=24)))
        return self.secrets[-1]


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with a tool that keeps secrets, and listen to all that is written."""
    told = io.StringIO()
    oplog.configure("debug", told)
    try:
        tools = (KEEP[setting.level], OPEN)
        async with open_stage(setting, tools) as stage:
            await stage.enrol("holder")
            await stage.rt.grant("machine:holder", "execute", "safe:box")
            scene = Scene(stage, told)

            async def attack(engineer: Engineer) -> None:
                for _ in range(ATTACKS):
                    await engineer.random.choice(WAYS)(scene, engineer)
                _look(scene)
                await _calm(scene, engineer)

            yield attack
    finally:
        oplog.configure("critical")


async def _calm(scene: Scene, engineer: Engineer) -> None:
    """What is no secret is found where it is looked for; so a secret would be."""
    plain = f"plain {engineer.name}"
    await scene.stage.steps("holder", {"tool": "open", "args": {"secret": plain}})
    written = await anyio.Path(_log(scene)).read_bytes()
    if plain.encode() not in written:
        raise AssertionError("what is recorded in full is not in the log")
    scene.read = len(written)


def _log(scene: Scene) -> Path:
    return scene.stage.folder / "log" / "log.jsonl"


async def _trust(scene: Scene, engineer: Engineer) -> None:
    """Trust the tool with it, and have it end in some way."""
    how = engineer.random.choice(HOW)
    engineer.tries(how)
    await _keep(scene, {"secret": scene.fresh(engineer.random), "how": how})


async def _misuse(scene: Scene, engineer: Engineer) -> None:
    """Give it in a form that the tool does not take, or to somebody who does not have it."""
    secret = scene.fresh(engineer.random)
    ways: dict[str, dict[str, Any]] = {
        "as a list": {"secret": [secret], "how": "return"},
        "as an object": {"secret": {secret: secret}, "how": "return"},
        "as a name": {secret: "x", "how": "return"},
        "as another name": {"secret": "x", "how": "return", secret: 1},
        "as another value": {"secret": "x", "how": "return", "more": secret},
        "twice too long": {"secret": secret * 3_000, "how": "return"},
        "alone": {"secret": secret},
        "as the way": {"secret": "x", "how": secret},
    }
    what = engineer.random.choice(sorted(ways))
    engineer.tries(f"misuse {what}")
    agent = engineer.random.choice(("holder", "nobody", "ann"))
    await _keep(scene, ways[what], agent)


async def _stop(scene: Scene, engineer: Engineer) -> None:
    """Stop the call while it has the secret."""
    engineer.tries("stopped")
    args = {"secret": scene.fresh(engineer.random), "how": "hang"}
    with anyio.move_on_after(engineer.random.choice((0.0, 0.001, 0.02))):
        await _keep(scene, args)


async def _intend(scene: Scene, engineer: Engineer) -> None:
    """Say it where an agent says what it is about."""
    secret, random = scene.fresh(engineer.random), engineer.random
    what = random.choice(("rationale", "intent"))
    engineer.tries(f"said as {what}")
    step = {"tool": "keep", "args": {"secret": secret, "how": "return"}, "rationale": secret}
    tasks = {
        "rationale": Task("holder", steps=(step,)),
        "intent": Task("holder", intent=f"look up {secret} please"),
    }
    with suppress(AuthgateError):
        await scene.stage.rt.run(tasks[what])


async def _keep(scene: Scene, args: dict[str, Any], agent: str = "holder") -> None:
    with suppress(AuthgateError):
        await scene.stage.steps(agent, {"tool": "keep", "args": args})


def _look(scene: Scene) -> None:
    """Look for every secret, in every form, in what was written since the last look."""
    with _log(scene).open("rb") as log:
        log.seek(scene.read)
        written = {"the log": log.read(), "the operator's log": scene.told.getvalue().encode()}
    scene.told.seek(0)
    scene.told.truncate()
    secrets, scene.secrets = scene.secrets, []
    for secret in secrets:
        for form, data in _forms(secret):
            for where, text in written.items():
                if data in text:
                    raise EscapedError(f"{where} has a secret {form}")


def _forms(secret: str) -> list[tuple[str, bytes]]:
    """Return what gives a secret away; digests of guesses too, since nobody could not guess."""
    raw = secret.encode()
    quoted = json.dumps(secret).encode()
    digests = {
        "as a digest": raw,
        "as a digest of its JSON": quoted,
        "as a digest of what was printed": raw + b"\n",
        "as a digest of its arguments": b'{"how":"return","secret":%s}' % quoted,
    }
    return [
        ("in clear", raw),
        ("in part", raw[:12]),
        ("in part", raw[12:]),
        ("backwards", raw[::-1]),
        ("in hex", raw.hex().encode()),
        ("in base64", base64.b64encode(raw)[:-4]),
        *[(form, hashlib.sha256(data).hexdigest().encode()) for form, data in digests.items()],
    ]


WAYS = (_trust, _trust, _trust, _misuse, _misuse, _stop, _intend)

CATEGORY = Category(
    "secrets",
    "what is kept off the log is nowhere in it, nor in what the operator is told",
    arena,
    (
        Broken("a keeper that keeps nothing back", keeps_nothing_back),
        Broken("a keeper whose digests have no salt", digests_without_salt),
        Broken("a keeper that tells errors", tells_errors),
    ),
)
