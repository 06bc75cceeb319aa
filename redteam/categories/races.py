"""Time of check and time of use: files, links and grants that change while they are judged."""

from __future__ import annotations

import os
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
from anyio import to_thread

from authgate_async import AuthgateError
from authgate_async.policy import Resource
from redteam.bodies.looking import LOOK
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.files import looks_before_it_reads
from redteam.broken.kernels import forgets_revocations
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage, temporary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

SECRET = "a secret from outside of the room"  # noqa: S105 - to be looked for
CALLS = 6


@dataclass(frozen=True)
class Scene:
    """The stage, and a folder in which the attacker may write."""

    stage: Stage
    room: Path
    outside: Path


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with a room that is handed to an agent, and a secret beside it."""
    with temporary() as folder:
        room, outside = folder / "room", folder / "outside"
        for place in (room / "sub", outside):
            place.mkdir(parents=True)
        for place in (room / "a", room / "sub" / "a"):
            place.write_text("harmless")
        (outside / "a").write_text(SECRET)
        tools = (LOOK[setting.level], TAKE[setting.level])
        files = (Resource("file", "room", path=str(room)),)
        async with open_stage(setting, tools, resources=files) as stage:
            await stage.enrol("mallory")
            await stage.rt.grant("machine:mallory", "read", "file:room")
            scene = Scene(stage, room, outside)

            async def attack(engineer: Engineer) -> None:
                await _calm(scene)
                await engineer.random.choice(WAYS)(scene, engineer)

            yield attack


async def _calm(scene: Scene) -> None:
    """What is harmless can be read while nobody changes it."""
    for path in ("a", "sub/a"):
        result = await scene.stage.steps("mallory", {"tool": "look", "args": {"path": path}})
        if result.steps[0].value != "harmless":
            raise AssertionError(f"what is allowed did not work: {result}")


# Files and links


def _file_to_link(scene: Scene) -> Iterator[None]:
    """A file is a link to the secret, and a file again."""
    place, spare = scene.room / "a", scene.room / "spare"
    while True:
        spare.symlink_to(scene.outside / "a")
        os.replace(spare, place)  # noqa: PTH105 - as fast as can be
        yield
        spare.write_text("harmless")
        os.replace(spare, place)  # noqa: PTH105
        yield


def _folder_to_link(scene: Scene) -> Iterator[None]:
    """A folder is a link to the secret's folder, and a folder again."""
    place, aside = scene.room / "sub", scene.room / "aside"
    while True:
        place.rename(aside)
        place.symlink_to(scene.outside)
        yield
        place.unlink()
        aside.rename(place)
        yield


def _link_to_link(scene: Scene) -> Iterator[None]:
    """A link points to a file of the room, and then out of it."""
    place, spare, real = scene.room / "a", scene.room / "spare", scene.room / "real"
    real.write_text("harmless")
    while True:
        for target in (scene.outside / "a", real):
            spare.symlink_to(target)
            os.replace(spare, place)  # noqa: PTH105
            yield
        if not _GOING.is_set():
            real.replace(place)
            yield


_GOING = threading.Event()


@contextmanager
def _changing(way: Callable[[Scene], Iterator[None]], scene: Scene) -> Iterator[None]:
    """Change things as fast as can be in a thread; they are as before at the end."""
    _GOING.set()

    def change() -> None:
        changes = way(scene)
        while _GOING.is_set():
            next(changes)
            next(changes)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        _GOING.clear()
        thread.join()


async def _files(scene: Scene, engineer: Engineer) -> None:
    """Read while a file, a folder or a link is another one from moment to moment."""
    random = engineer.random
    name = random.choice(sorted(SWAPS))
    path, pause = ("sub/a" if name == "folder to link" else "a"), random.choice((0.0, 0.002, 0.01))
    engineer.tries(f"{name}, {pause}")
    step = {"tool": "look", "args": {"path": path, "pause": pause}}
    with _changing(SWAPS[name], scene):
        for _ in range(CALLS):
            with suppress(AuthgateError):
                result = await scene.stage.steps("mallory", step)
                if SECRET in str(result):
                    raise EscapedError("a call read what lies outside of the room")
    await to_thread.run_sync(_tidy, scene)


def _tidy(scene: Scene) -> None:
    for place in (scene.room / "a", scene.room / "spare"):
        place.unlink(missing_ok=True)
    (scene.room / "a").write_text("harmless")


# Grants


async def _grants(scene: Scene, engineer: Engineer) -> None:
    """Ask again and again while a grant comes and goes; nothing runs after it is gone."""
    random, stage = engineer.random, scene.stage
    rounds = random.randrange(2, 6)
    token = engineer.tries(f"a grant that comes and goes {rounds} times")
    vault = f"vault:{engineer.name}"
    asked: list[str] = []

    async def ask() -> None:
        while True:
            asked.append(f"{token}-{len(asked)}")
            stage.expected.add(asked[-1])
            await stage.steps("mallory", take_step(engineer.name, asked[-1]))

    async with anyio.create_task_group() as group:
        for _ in range(random.randrange(1, 4)):
            group.start_soon(ask)
        for _ in range(rounds):
            grant = await stage.rt.grant("machine:mallory", "read", vault)
            await anyio.sleep(random.choice((0.0, 0.002, 0.01)))
            await stage.rt.revoke(grant)
        before = {each for each in asked if stage.mark(each) is not None}
        sent = len(asked)
        while len(asked) < sent + 4:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    late = {each for each in asked[sent:] if stage.mark(each) is not None}
    if late - before:
        raise EscapedError("a call ran that was asked for when its grant was gone")


SWAPS = {
    "file to link": _file_to_link,
    "folder to link": _folder_to_link,
    "link to link": _link_to_link,
}

WAYS = (_files, _files, _grants)

CATEGORY = Category(
    "races",
    "what is judged is what is used, however fast files, links and grants change",
    arena,
    (
        Broken("a file tool that looks and reads later", looks_before_it_reads, level="process"),
        Broken("a kernel that forgets revocations", forgets_revocations, "python"),
    ),
)
