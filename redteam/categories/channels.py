"""Channels: what is put straight into an actor's mailbox, by somebody inside the process."""

from __future__ import annotations

import hashlib
import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from authgate_async import AuthgateError, Task
from authgate_async.log.records import Refusal, RunClosed, RunOpened
from authgate_async.messages import (
    Append,
    Appended,
    Decided,
    Execute,
    Finished,
    Forgo,
    Pending,
    Plan,
    PlanRequest,
    Propose,
    Settle,
    Settled,
    Withdraw,
)
from authgate_async.wire import SignedVerdict, Verdict
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.kernels import forgets_permits_are_used
from redteam.broken.supervisors import redeems_nothing
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from authgate_async.assembly import Parts
    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 8
SECONDS = 30.0
"""For an answer, where there should be one."""

_encode = msgspec.msgpack.encode
_signed = msgspec.msgpack.Decoder(SignedVerdict).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode
_plain = msgspec.msgpack.decode


@dataclass(frozen=True)
class Scene:
    """The stage, and the actors' references, which nobody should have who is not trusted."""

    stage: Stage
    parts: Parts


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime in which mallory may read one vault."""
    async with open_stage(setting, (TAKE[setting.level],)) as stage:
        await stage.enrol("mallory")
        await stage.rt.grant("machine:mallory", "read", "vault:hers")
        scene = Scene(stage, stage.rt._required())

        async def attack(engineer: Engineer) -> None:
            for _ in range(ATTACKS):
                await engineer.random.choice(WAYS)(scene, engineer)
            await _calm(scene, engineer)

        yield attack


async def _calm(scene: Scene, engineer: Engineer) -> None:
    """Whatever came before, an allowed call works."""
    token = f"{engineer.name}-calm"
    result = await scene.stage.steps("mallory", take_step("hers", token))
    scene.stage.must_have_run(token, result)


# Permits


async def _permit(scene: Scene, run: str, token: str, name: str = "hers") -> Decided:
    """Get a decision in the regular way."""
    opening = RunOpened(
        agent="mallory", intent_digest=hashlib.sha256(b"").hexdigest(), run=run, task="t", time=1
    )
    step = Propose(run, 0, "mallory", "machine", "take", {"name": name, "token": token}, opening)
    return await scene.parts.gate.ask(step, Decided, timeout=SECONDS)


async def _execute(scene: Scene, run: str, permit: bytes, args: bytes, **other: Any) -> Finished:
    message = Execute(run, other.get("seq", 0), other.get("agent", "mallory"), permit, "take", args)
    return await scene.parts.supervisor.ask(message, Finished, timeout=SECONDS)


async def _close(scene: Scene, run: str) -> None:
    """End the run in the log, so that it holds."""
    closing = RunClosed(run=run, status="failed", time=1)
    await scene.parts.log.ask(Append(((closing,),)), Appended, timeout=SECONDS)


def _other_permit(decided: Decided, random: Random) -> tuple[bytes, str]:
    """Return a permit that the kernel never gave."""
    replace, signed = msgspec.structs.replace, _signed(decided.permit)
    verdict = _verdict(signed.verdict)
    # What is drawn must not depend on how long a permit is.
    at, bit = int(random.random() * len(decided.permit)), random.randrange(8)
    flipped = bytearray(decided.permit)
    flipped[at] ^= 1 << bit
    longer = replace(verdict, expires_at=2**62)
    ways = {
        "a bit": bytes(flipped),
        "shorter": decided.permit[:at],
        "longer": decided.permit + b"\x00",
        "twice": decided.permit * 2,
        "empty": b"",
        "noise": os.urandom(len(decided.permit)),
        "bare verdict": signed.verdict,
        "for longer": _encode(replace(signed, verdict=_encode(longer))),
        "with another nonce": _encode(
            replace(signed, verdict=_encode(replace(verdict, nonce=os.urandom(16))))
        ),
        "without a signature": _encode(replace(signed, signature=bytes(64))),
        "in a larger batch": _encode(replace(signed, size=signed.size + 1)),
        "as a map": _encode(dict(enumerate(_plain(decided.permit)))),
        "loosely encoded": b"\xdc\x00\x05" + decided.permit[1:],
    }
    how = random.choice(sorted(ways))
    return ways[how], how


async def _forged(scene: Scene, engineer: Engineer) -> None:
    """Show a permit that was altered."""
    token, run = engineer.tries("forged"), f"run-{engineer.name}-{len(engineer.plan)}"
    decided = await _permit(scene, run, token)
    permit, how = _other_permit(decided, engineer.random)
    engineer.plan[-1] += f": {how}"
    await _execute(scene, run, permit, decided.args)
    scene.stage.must_not_have_run(token)
    await _close(scene, run)


async def _swapped(scene: Scene, engineer: Engineer) -> None:
    """Show a good permit for something else."""
    random = engineer.random
    how = random.choice(("arguments", "run", "seq", "agent", "spaces", "another's arguments"))
    token = engineer.tries(f"swapped {how}")
    run = f"run-{engineer.name}-{len(engineer.plan)}"
    decided = await _permit(scene, run, f"{token}-asked")
    args, other = decided.args, {}
    if how in ("arguments", "another's arguments"):
        args = _encode_args("theirs" if random.random() < 0.5 else "hers", token)
    elif how == "spaces":
        args = decided.args.replace(b":", b": ", 1)
    elif how == "seq":
        other = {"seq": random.choice((1, -1, 2**40))}
    elif how == "agent":
        other = {"agent": random.choice(("ann", "Mallory", ""))}
    shown = f"{run}x" if how == "run" else run
    with suppress(AuthgateError):
        await _execute(scene, shown, decided.permit, args, **other)
    scene.stage.must_not_have_run(token, f"{token}-asked")
    await _close(scene, run)


def _encode_args(name: str, token: str) -> bytes:
    return b'{"item":"","name":"%s","token":"%s"}' % (name.encode(), token.encode())


async def _replayed(scene: Scene, engineer: Engineer) -> None:
    """Show a good permit many times at once; one call starts."""
    times = engineer.random.randrange(2, 12)
    token = engineer.tries(f"replayed {times} times")
    run = f"run-{engineer.name}-{len(engineer.plan)}"
    decided = await _permit(scene, run, token)
    answers: list[Finished] = []

    async def use() -> None:
        answers.append(await _execute(scene, run, decided.permit, decided.args))

    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(use)
    scene.stage.expected.add(token)
    started = [answer for answer in answers if not answer.refusal]
    if len(started) != 1:
        raise EscapedError(f"one permit started {len(started)} calls")
    await _close(scene, run)


async def _given_up(scene: Scene, engineer: Engineer) -> None:
    """Give a permit up and use it, in either order; it starts one call at most."""
    token = engineer.tries("given up")
    run = f"run-{engineer.name}-{len(engineer.plan)}"
    decided = await _permit(scene, run, token)
    for _ in range(engineer.random.randrange(1, 4)):
        await scene.parts.gate.tell(Forgo(decided.nonce))
    answers = [await _execute(scene, run, decided.permit, decided.args) for _ in range(2)]
    scene.stage.expected.add(token)
    if sum(not answer.refusal for answer in answers) > 1:
        raise EscapedError("a permit that was given up started two calls")
    await _close(scene, run)


async def _of_a_denial(scene: Scene, engineer: Engineer) -> None:
    """Show what the gate gives for a denial."""
    token = engineer.tries("of a denial")
    run = f"run-{engineer.name}-{len(engineer.plan)}"
    decided = await _permit(scene, run, token, "theirs")
    if decided.permit:
        raise EscapedError("mallory has a permit for a vault that is not hers")
    await _execute(scene, run, decided.permit, _encode_args("theirs", token))
    scene.stage.must_not_have_run(token)
    await _close(scene, run)


# Messages


def _junk(random: Random) -> tuple[Any, str]:
    """Return what is no message of any actor."""
    deep: Any = []
    for _ in range(random.choice((10, 600))):
        deep = [deep]
    ways: dict[str, Any] = {
        "nothing": None,
        "a number": random.randrange(-(2**63), 2**64),
        "a text": "x" * random.choice((0, 1, 2**20)),
        "bytes": random.randbytes(40),
        "a list": [random.choice(("execute", "append", "propose", "apply")), None],
        "a deep list": deep,
        "a map": {"type": "execute"},
        "half an execute": ["execute", "r", 0],
        "an answer": Finished(None),
        "an execute of other types": ["execute", 5, "0", b"", "", 1, b"", b""],
        "too many fields": ["settle", "r", "s"],
        "a propose of other types": ["propose", "r", "x", "a", "machine", "take", [], None, b""],
        "a nonce too long": ["forgo", bytes(17)],
        "a record of no kind": ["append", [[["nothing", 1]]]],
        "a huge number": ["settle", 2**64 - 1],
    }
    how = random.choice(sorted(ways))
    return ways[how], how


async def _wrong_type(scene: Scene, engineer: Engineer) -> None:
    """Send what is no message to one of them: it is turned away at the door."""
    actor = engineer.random.choice(("planner", "gate", "supervisor", "log"))
    message, how = _junk(engineer.random)
    engineer.tries(f"{how} to the {actor}")
    ref, refused = getattr(scene.parts, actor), AuthgateError
    before = ref.stats().refused
    with suppress(refused):
        if engineer.random.random() < 0.5:
            await ref.tell(message)
        else:
            await ref.ask(message, Finished, timeout=SECONDS)
    if ref.stats().refused == before:
        raise EscapedError(f"the {actor} took {how}")


async def _raw_bytes(scene: Scene, engineer: Engineer) -> None:
    """Put bytes into a mailbox, past whoever encodes."""
    random = engineer.random
    actor = random.choice(("planner", "gate", "supervisor", "log"))
    good = _encode(random.choice((Pending(), Withdraw(), Settle("r"), Forgo(bytes(16)))))
    ways = {
        "noise": b"\xc1" + random.randbytes(random.randrange(99)),
        "a promise of much": random.choice((b"\xdd", b"\xc6", b"\xdb")) + b"\xff" * 4,
        "depth": b"\x91" * random.choice((100, 100_000)),
        "half a message": good[:-1],
        "two messages": good * 2,
        "nothing": b"",
    }
    how = random.choice(sorted(ways))
    engineer.tries(f"{how} to the {actor}, raw")
    mailbox = getattr(scene.parts, actor)._mailbox
    try:
        mailbox.post(ways[how], asks=False)
    except AuthgateError:
        return
    raise EscapedError(f"the {actor} took {how}")


async def _out_of_turn(scene: Scene, engineer: Engineer) -> None:
    """Send good messages at a moment that makes no sense, or about what is not there."""
    random = engineer.random
    run = random.choice(("nobody", "", "x" * 999, "\x1b[2J", "r\n"))
    ways: dict[str, Any] = {
        "settle what never was": (scene.parts.supervisor, Settle(run), Settled),
        "give up what never was": (scene.parts.gate, Forgo(random.randbytes(16)), None),
        "ask what waits": (scene.parts.gate, Pending(), None),
        "plan for nobody": (scene.parts.planner, PlanRequest(run, Task("nobody")), Plan),
        "append nothing": (scene.parts.log, Append(()), Appended),
        "append empty groups": (scene.parts.log, Append(((), ())), Appended),
        "close what never was": (
            scene.parts.log,
            Append(((RunClosed(run="nobody", status="done", time=1),),)),
            Appended,
        ),
        "a refusal too long": (
            scene.parts.log,
            Append(((_refusal("x" * 2**21),),)),
            Appended,
        ),
    }
    how = random.choice(sorted(ways))
    engineer.tries(how)
    ref, message, answer = ways[how]
    with suppress(AuthgateError):
        if answer is None:
            await ref.tell(message)
        else:
            await ref.ask(message, answer, timeout=SECONDS)


def _refusal(sentence: str) -> Refusal:
    return Refusal(
        action_id="nobody:0",
        code="permit_forged",
        permit_digest="0" * 64,
        sentence=sentence,
        time=1,
    )


WAYS = (
    _forged,
    _forged,
    _swapped,
    _replayed,
    _given_up,
    _of_a_denial,
    _wrong_type,
    _wrong_type,
    _raw_bytes,
    _out_of_turn,
)

CATEGORY = Category(
    "channels",
    "what is put into a mailbox is a message of its actor, and starts only what a permit is for",
    arena,
    (
        Broken("a supervisor that looks at no permit", redeems_nothing),
        Broken("a kernel that forgets which permits were used", forgets_permits_are_used, "python"),
    ),
)
