"""Denial probing: learning from denials what one may not know, or wearing a denial out.

Two runtimes are the same for the attacker, and differ in what others have there: names, grants,
files, secrets. Whatever it asks, both must answer alike.
"""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio

from authgate_async import AuthgateError, RunResult
from authgate_async.policy import Resource
from authgate_async.wire import Action, Request
from redteam.bodies.buying import READ, SPEND
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.gates import gives_in, names_the_holders, quotes_arguments
from redteam.broken.kernels import permits_everything
from redteam.disguises import look_alike
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage, temporary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 7
MOST = 40
"""Times that one thing is asked for."""

PLACES = ("theirs", "nobodys", "payroll", "vault", "admin", "hers", "board", "")
ITEMS = ("", "plans", "plans/2027", "a/b", "../plans", "secret.txt", "nothing.txt", "x" * 300)


@dataclass(frozen=True)
class Scene:
    """Two stages: nobody but the attacker is at home in the first; and what must never be told."""

    bare: Stage
    full: Stage
    secret: str


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open two runtimes that differ in what the attacker must not see."""
    async with AsyncExitStack() as stack:
        secret = f"SECRET-{secrets.token_hex(16)}"
        bare, full = [
            await _opened(stack, setting, stack.enter_context(temporary())) for _ in range(2)
        ]
        await _furnish(full, secret)
        scene = Scene(bare, full, secret)

        async def attack(engineer: Engineer) -> None:
            await _calm(scene, engineer)
            for _ in range(ATTACKS):
                await engineer.random.choice(WAYS)(scene, engineer)

        yield attack


async def _opened(stack: AsyncExitStack, setting: Setting, files: Path) -> Stage:
    tools = tuple(kind[setting.level] for kind in (TAKE, SPEND, READ))
    (files / "public").mkdir()
    (files / "public/notes.txt").write_text("notes")
    workspace = Resource("file", "workspace", path=str(files))
    stage = await stack.enter_async_context(open_stage(setting, tools, resources=(workspace,)))
    # That somebody else may also write where one writes is told, by `contested_write`.
    await stage.enrol("somebody")
    eve = await stage.enrol("eve")
    await stage.rt.grant(eve, "read", "vault:hers", grant_id="eve-1")
    await stage.rt.grant(eve, "read", "file:workspace", scope="public", grant_id="eve-2")
    bound = {"value": {"le": 100}}
    await stage.rt.grant(eve, "write", "till:small", args=bound, grant_id="eve-3", other_args="any")
    (files / "secret.txt").write_text("")
    return stage


async def _furnish(stage: Stage, secret: str) -> None:
    """Put into one runtime what others have: principals, grants, and names that are secrets."""
    for agent in ("alice", secret, "admin"):
        holder = await stage.enrol(agent)
        for vault in ("theirs", "payroll", secret):
            await stage.rt.grant(holder, ("read", "write", "delegate"), f"vault:{vault}")
        where, args = "till:large", {"value": {"one_of": [secret]}}
        await stage.rt.grant(holder, "write", where, args=args, budget={"calls": 5})
    gone = await stage.rt.grant("machine:alice", "read", "vault:nobodys", scope="plans")
    await stage.rt.revoke(gone)
    await stage.steps("alice", take_step("theirs", "alice-did"))
    stage.expected.add("alice-did")


async def _calm(scene: Scene, engineer: Engineer) -> None:
    for stage in (scene.bare, scene.full):
        token = f"{engineer.name}-calm"
        stage.must_have_run(token, await stage.steps("eve", take_step("hers", token)))


# What is asked


def _question(random: Random, token: str, hidden: str) -> tuple[dict[str, Any], str]:
    """Return a step that is denied, or fails, and what it asks for."""
    name = random.choice(PLACES)
    shown = name or "nothing"
    if random.random() < 0.3:
        name, how = look_alike(name or "x", random)
        shown = f"like {shown}, {how}"
    item = random.choice(ITEMS)
    asked: dict[str, dict[str, Any]] = {
        "take": take_step(name, token, item=item),
        "read": {"tool": "file_read", "args": {"path": item or "secret.txt"}},
        "read of": {"tool": "file_read", "args": {"path": "public/notes.txt", "root": name}},
        "spend": _spend(random.choice(("small", "large", name)), 101, token),
        "spend a text": _spend("small", hidden, token),
        "spend a list": _spend("small", [hidden], token),
        "no tool": {"tool": name or "nothing", "args": {}},
        "no arguments": {"tool": "take", "args": {"token": token}},
        "wrong arguments": {"tool": "take", "args": {"name": 7, "token": token}},
    }
    how = random.choice(sorted(asked))
    return asked[how], f"{how} {shown!a} {item[:20]!a}"


def _spend(till: str, value: object, token: str) -> dict[str, Any]:
    return {"tool": "spend", "args": {"till": till, "value": value, "token": token}}


async def _compare(scene: Scene, engineer: Engineer) -> None:
    """Ask both runtimes the same, and compare every word."""
    hidden = f"HIDDEN-{secrets.token_hex(8)}"
    token = engineer.tries("ask")
    step, how = _question(engineer.random, token, hidden)
    engineer.plan[-1] = f"ask to {how}"
    answers = []
    for stage in (scene.bare, scene.full):
        answers.append(await _answer(stage, lambda stage=stage: stage.steps("eve", step)))
        if not _is_allowed(step):
            stage.must_not_have_run(token)
        stage.expected.add(token)
    _alike(scene, answers, hidden)


def _is_allowed(step: dict[str, Any]) -> bool:
    """Say by hand what eve may do."""
    args = step["args"]
    return step["tool"] == "take" and args.get("name") == "hers" and ".." not in args["item"]


async def _answer(stage: Stage, ask: Callable[[], Awaitable[object]]) -> str:
    """Return all that somebody learns by asking, without names that are drawn anew each time."""
    try:
        said = await ask()
    except AuthgateError as error:
        return f"{type(error).__name__}: {error}".replace(str(stage.folder), "FOLDER")
    if not isinstance(said, RunResult):
        return str(said)
    steps = [
        (s.permitted, s.codes, s.sentences, s.warnings, s.cause, s.value, s.error)
        for s in said.steps
    ]
    return str((said.status, said.error, steps)).replace(str(stage.folder), "FOLDER")


def _alike(scene: Scene, answers: list[str], hidden: str = "") -> None:
    if answers[0] != answers[1]:
        raise EscapedError(f"what others have shows: {answers[0]!a:.300} and {answers[1]!a:.300}")
    if scene.secret in answers[1] or (hidden and hidden in answers[1]):
        raise EscapedError(f"a secret was told: {answers[1]!a:.300}")


async def _on_the_wire(scene: Scene, engineer: Engineer) -> None:
    """Ask both kernels about actions of one's own and of others, and compare the verdicts."""
    random = engineer.random
    actor = random.choice(("eve", "eve", "eve", "nobody", "alic\u0435"))
    asked = tuple(
        Request(
            random.choice(("vault", "till", "file", "nothing")),
            random.choice(PLACES) or "x",
            random.choice(ITEMS),
            random.choice((1, 1, 2, 4, 8)),
        )
        for _ in range(random.randrange(1, 4))
    )
    engineer.tries(f"wire: {actor!a}, {[(r.rtype, r.name, r.right) for r in asked]}")
    number = f"{engineer.name}:{len(engineer.plan)}"
    action = Action(number, actor, "machine", "take", b'{"value":1}', asked)
    answers = []
    for stage in (scene.bare, scene.full):
        (verdict,) = await stage.rt.decide([action])
        told = (verdict.permitted, verdict.violations, verdict.warnings, verdict.chains)
        answers.append(str((*told, verdict.confidence, verdict.approvers)))
    _alike(scene, answers)


async def _hand_on(scene: Scene, engineer: Engineer) -> None:
    """Hand on what one holds to those who may be there, by names that look alike."""
    random = engineer.random
    to, how = look_alike(random.choice(("bob", "carl")), random)
    wider = random.choice(({}, {"scope": "public/x"}, {"rights": "write"}))
    engineer.tries(f"hand on to {how}, {sorted(wider)}")
    answers = []
    for stage in (scene.bare, scene.full):
        options = {"scope": "public", "rights": "read", **wider}
        rights = options.pop("rights")

        async def ask(
            stage: Stage = stage, rights: str = rights, options: dict[str, str] = options
        ) -> object:
            where = ("file:workspace",)
            with suppress(UnicodeError):
                return await stage.rt.delegate(
                    "eve-2", f"machine:{to}", rights, *where, by="machine:eve", **options
                )
            return None

        answers.append(await _answer(stage, ask))
    _alike(scene, answers)


async def _wear_out(scene: Scene, engineer: Engineer) -> None:
    """Ask for one thing over and over: in a row, at once, and with a little more each time."""
    random, stage = engineer.random, scene.full
    times, at_once = random.randrange(2, MOST), random.random() < 0.5
    token = engineer.tries(f"ask {times} times, {'at once' if at_once else 'in a row'}")
    name, item = random.choice(("theirs", "payroll")), random.choice(ITEMS[:4])
    answers: list[str] = []

    async def ask(number: int) -> None:
        step = take_step(name, f"{token}-{number}", item=item)
        answers.append(await _answer(stage, lambda: stage.steps("eve", step)))

    if at_once:
        async with anyio.create_task_group() as group:
            for number in range(times):
                group.start_soon(ask, number)
    else:
        for number in range(times):
            await ask(number)
    stage.must_not_have_run(*[f"{token}-{number}" for number in range(times)])
    if len(set(answers)) != 1:
        raise EscapedError(f"a denial changed while it was asked for: {set(answers)}")


WAYS = (_compare, _compare, _compare, _compare, _on_the_wire, _on_the_wire, _hand_on, _wear_out)

CATEGORY = Category(
    "denial-probing",
    "a denial tells nothing of what others have, and asking again changes nothing",
    arena,
    (
        Broken("a gate that always permits", permits_everything),
        Broken("a gate that gives in", gives_in),
        Broken("a kernel that names the holders", names_the_holders, "python"),
        Broken("a kernel that quotes arguments", quotes_arguments, "python"),
    ),
)
