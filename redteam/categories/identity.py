"""Identity spoofing: acting under a name, a kind or a key that is somebody else's."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authgate_async import AuthgateError, Task
from authgate_async.errors import RefusedError
from authgate_async.wire import Action, Request, Right
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.kernels import (
    believes_every_proof,
    folds_names,
    knows_nobody_by_kind,
    permits_everything,
)
from redteam.disguises import look_alike
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 8
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group that Ed25519 signs in: a signature plus this verifies where nobody looks."""

KEYED, PLAIN = "alice", "bob"
"""A victim that must sign, and one that need not; each may take from the vault of its name."""


@dataclass
class Scene:
    """The stage, and the keys: the victim's, which the attacker sees used, and its own."""

    stage: Stage
    victims: Ed25519PrivateKey
    own: Ed25519PrivateKey
    seen: list[bytes]

    def victim_signs(self, statement: bytes) -> bytes:
        """Sign for the victim, where the attacker can see it."""
        self.seen.append(self.victims.sign(statement))
        return self.seen[-1]


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with two victims, and an attacker who may take nothing."""
    async with open_stage(setting, (TAKE[setting.level],)) as stage:
        victims, own = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        scene = Scene(stage, victims, own, [])
        await stage.enrol(KEYED, key=_public(victims))
        await stage.enrol(PLAIN)
        await stage.enrol("mallory", key=_public(own))
        for victim in (KEYED, PLAIN):
            await stage.rt.grant(f"machine:{victim}", "read", f"vault:{victim}")

        async def attack(engineer: Engineer) -> None:
            await _calm(scene, engineer)
            for _ in range(ATTACKS):
                await engineer.random.choice(WAYS)(scene, engineer)

        yield attack


async def _calm(scene: Scene, engineer: Engineer) -> None:
    """Each victim may act under its own name; what the one signs is seen by the attacker."""
    for victim, sign in ((KEYED, scene.victim_signs), (PLAIN, None)):
        token = f"{engineer.name}-{victim}"
        result = await scene.stage.steps(victim, take_step(victim, token), sign=sign)
        scene.stage.must_have_run(token, result)


# Names


async def _unknown_name(scene: Scene, engineer: Engineer) -> None:
    """Act under a name that looks like a victim's."""
    victim = engineer.random.choice((KEYED, PLAIN))
    name, how = look_alike(victim, engineer.random)
    token = engineer.tries(f"as {victim}, {how}")
    await _must_fail(scene, token, lambda: scene.stage.steps(name, take_step(victim, token)))


async def _enrolled_name(scene: Scene, engineer: Engineer) -> None:
    """Be enrolled under a name that looks like a victim's, and use its grants."""
    victim, kind = (
        engineer.random.choice((KEYED, PLAIN)),
        engineer.random.choice(("machine", "human")),
    )
    name, how = look_alike(victim, engineer.random)
    token = engineer.tries(f"enrolled as {kind} like {victim}, {how}")
    if name == victim:
        return
    with suppress(AuthgateError, UnicodeError):
        await scene.stage.enrol(name, kind=kind)
    await _must_fail(
        scene, token, lambda: scene.stage.steps(name, take_step(victim, token), kind=kind)
    )


async def _other_kind(scene: Scene, engineer: Engineer) -> None:
    """Be the other kind, none, or a wrong one, under the victim's own name."""
    kind = engineer.random.choice(("human", "Machine", "machine ", "robot", "HUMAN", "human\x00"))
    victim = engineer.random.choice((KEYED, PLAIN))
    token = engineer.tries(f"{victim} as {kind!a}")
    if engineer.random.random() < 0.5:
        await scene.stage.enrol(victim, kind="human")
    step = take_step(victim, token)
    await _must_fail(scene, token, lambda: scene.stage.steps(victim, step, kind=kind))


# Keys


def _altered(signature: bytes, random: Random) -> tuple[bytes, str]:
    """Return something like this signature that verifies for nobody who is strict."""
    at = random.randrange(64)
    scalar = int.from_bytes(signature[32:], "little")
    flipped = bytearray(signature)
    flipped[at] ^= 1 << random.randrange(8)
    ways = {
        "a bit": bytes(flipped),
        "with another scalar": signature[:32] + (scalar + ORDER).to_bytes(32, "little"),
        "with the scalar's negative": signature[:32] + (ORDER - scalar).to_bytes(32, "little"),
        "shorter": signature[:-1],
        "longer": signature + b"\x00",
        "twice": signature * 2,
        "halves swapped": signature[32:] + signature[:32],
        "zeros": bytes(64),
        "ones": b"\xff" * 64,
        "the identity": b"\x01" + bytes(63),
        "small order": bytes(31) + b"\x80" + bytes(32),
        "hex": signature.hex().encode(),
        "empty": b"",
    }
    how = random.choice(sorted(ways))
    return ways[how], how


async def _altered_proof(scene: Scene, engineer: Engineer) -> None:
    """Alter the very signature that the victim would make."""
    how = ""

    def sign(statement: bytes) -> bytes:
        nonlocal how
        altered, how = _altered(scene.victims.sign(statement), engineer.random)
        return altered

    token = engineer.tries("altered proof")
    step = take_step(KEYED, token)
    await _must_fail(scene, token, lambda: scene.stage.steps(KEYED, step, sign=sign))
    engineer.plan[-1] += f": {how}"


async def _foreign_proof(scene: Scene, engineer: Engineer) -> None:
    """Give no proof, one by another key, over something else, or one that was seen before."""
    seen = engineer.random.choice(scene.seen[-2:])
    ways: dict[str, Callable[[bytes], bytes] | None] = {
        "none": None,
        "another key": scene.own.sign,
        "another statement": lambda statement: scene.victims.sign(statement[1:]),
        "its digest": lambda statement: scene.victims.sign(statement[-32:]),
        "nothing": lambda _: scene.victims.sign(b""),
        "another domain": lambda s: scene.victims.sign(s.replace(b"action", b"approval")),
        "one seen before": lambda _: seen,
        "the statement itself": lambda statement: (statement * 2)[:64],
        "the public key": lambda _: _public(scene.victims) * 2,
    }
    how = engineer.random.choice(sorted(ways))
    token = engineer.tries(f"proof of {how}")
    step = take_step(KEYED, token)
    await _must_fail(scene, token, lambda: scene.stage.steps(KEYED, step, sign=ways[how]))


async def _new_key(scene: Scene, engineer: Engineer) -> None:
    """Have the victim enrolled again, with another key or none, and act with that."""
    key = engineer.random.choice((_public(scene.own), b"", bytes(32), _public(scene.own)[:31]))
    token = engineer.tries(f"enrol {KEYED} again, {len(key)} bytes of key")
    try:
        await scene.stage.rt.enrol(f"machine:{KEYED}", key=key)
    except RefusedError:
        pass
    else:
        raise EscapedError("the victim is enrolled under another key")
    step = take_step(KEYED, token)
    await _must_fail(scene, token, lambda: scene.stage.steps(KEYED, step, sign=scene.own.sign))


# Other doors


async def _in_a_batch(scene: Scene, engineer: Engineer) -> None:
    """Act as the victim in a batch, which carries no keys, among honest tasks."""
    token, name = engineer.tries("in a batch"), f"{engineer.name}-honest-{len(engineer.plan)}"
    tasks = [
        Task(KEYED, steps=(take_step(KEYED, token),)),
        Task(PLAIN, steps=(take_step(PLAIN, name),)),
    ]
    engineer.random.shuffle(tasks)
    results = [result async for result in scene.stage.rt.run_batch(tasks)]
    scene.stage.must_not_have_run(token)
    scene.stage.must_have_run(name, next(r for r in results if r.agent == PLAIN))


async def _on_the_wire(scene: Scene, engineer: Engineer) -> None:
    """Ask the kernel about actions whose actor, kind and proof do not belong together."""
    random = engineer.random
    name, how = look_alike(KEYED, random)
    actor = random.choice((KEYED, PLAIN, "mallory", name))
    kind = random.choice(("machine", "human", "", "machine "))
    proof = random.choice((b"", bytes(64), b"x" * 63, random.choice(scene.seen)))
    victim = random.choice((KEYED, PLAIN))
    shown = how if actor == name else actor
    engineer.tries(f"wire: {shown} as {kind!r} at {victim}, {len(proof)} bytes of proof")
    action = Action(
        f"{engineer.name}:{len(engineer.plan)}",
        actor,
        kind,
        "take",
        b"{}",
        (Request("vault", victim, "", int(Right.READ)),),
        proof=proof,
    )
    try:
        (verdict,) = await scene.stage.rt.decide([action])
    except (AuthgateError, ValueError):
        return
    if verdict.permitted and (actor, kind, victim) != (PLAIN, "machine", PLAIN):
        raise EscapedError(f"{kind} {actor!a} is permitted to read vault:{victim}")


async def _hand_on(scene: Scene, engineer: Engineer) -> None:
    """Have the victim's grant handed on by somebody who does not hold it."""
    random = engineer.random
    grant = await scene.stage.rt.grant(f"machine:{PLAIN}", ("read", "delegate"), f"vault:{PLAIN}")
    name, how = look_alike(PLAIN, random)
    by = random.choice(("machine:mallory", f"human:{PLAIN}", f"machine:{KEYED}", f"machine:{name}"))
    token = engineer.tries(f"handed on by {how if name in by else by}")
    if by == f"machine:{PLAIN}":
        return
    with suppress(AuthgateError, UnicodeError):
        await scene.stage.rt.delegate(grant, "machine:mallory", "read", f"vault:{PLAIN}", by=by)
    step = take_step(PLAIN, token)
    await _must_fail(scene, token, lambda: scene.stage.steps("mallory", step, sign=scene.own.sign))
    await scene.stage.rt.revoke(grant)


async def _must_fail(scene: Scene, token: str, act: Callable[[], Awaitable[object]]) -> None:
    """Act, and see that no body ran: a denial or an error of the caller are both right."""
    with suppress(AuthgateError):
        await act()
    scene.stage.must_not_have_run(token)


WAYS = (
    _unknown_name,
    _enrolled_name,
    _other_kind,
    _altered_proof,
    _altered_proof,
    _foreign_proof,
    _foreign_proof,
    _new_key,
    _in_a_batch,
    _on_the_wire,
    _on_the_wire,
    _hand_on,
)

CATEGORY = Category(
    "identity-spoofing",
    "who acts is who was enrolled, by name, kind and key",
    arena,
    (
        Broken("a gate that always permits", permits_everything),
        Broken("a kernel that reads names as people do", folds_names, "python"),
        Broken("a kernel that takes any name for enrolled", knows_nobody_by_kind, "python"),
        Broken("a kernel that believes every proof", believes_every_proof, "python"),
    ),
)
