"""Replay after denial: asking again, and using again what was denied, used or meant for another."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async import AuthgateError, Task
from authgate_async.approvals import sign_approval
from authgate_async.backends import make_kernel
from authgate_async.policy import Principal
from authgate_async.wire import (
    Action,
    Approve,
    Changed,
    Enrol,
    Grant,
    Own,
    Redeemed,
    Redemption,
    Register,
    Request,
    Right,
    SignedVerdict,
    Verdict,
)
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.kernels import (
    forgets_approvals_are_used,
    forgets_permits_are_used,
    permits_everything,
)
from redteam.broken.runs import goes_on_after_denials
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import OWNER, open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from random import Random

    from authgate_async.approvals import WaitingCall
    from authgate_async.backends import Kernel
    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 5
LOOK_SECONDS = 0.002
NOW = 1_800_000_000_000_000
TTL = 60_000_000

_encode = msgspec.msgpack.encode
_signed = msgspec.msgpack.Decoder(list[SignedVerdict]).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode
_redeemed = msgspec.msgpack.Decoder(list[Redeemed]).decode
_changed = msgspec.msgpack.Decoder(list[Changed]).decode


@dataclass(frozen=True)
class Scene:
    """The stage, the approver's key, and which kernel decides."""

    stage: Stage
    key: bytes
    setting: Setting


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime in which mallory may read one vault, and another with an approval."""
    key = Ed25519PrivateKey.generate()
    carol = Principal("carol", "human", key=key.public_key().public_bytes_raw())
    async with open_stage(setting, (TAKE[setting.level],), principals=(carol,)) as stage:
        await stage.enrol("mallory")
        await stage.rt.grant("machine:mallory", "read", "vault:hers")
        await stage.rt.grant("machine:mallory", "read", "vault:asked", approvers=("carol",))
        scene = Scene(stage, key.private_bytes_raw(), setting)

        async def attack(engineer: Engineer) -> None:
            await _calm(scene, engineer)
            for _ in range(ATTACKS):
                await engineer.random.choice(WAYS)(scene, engineer)

        yield attack


async def _calm(scene: Scene, engineer: Engineer) -> None:
    token = f"{engineer.name}-calm"
    result = await scene.stage.steps("mallory", take_step("hers", token))
    scene.stage.must_have_run(token, result)


# The same again


async def _ask_again(scene: Scene, engineer: Engineer) -> None:
    """Ask for the same many times: at once, in a row, under one name, among calls that may run."""
    random, stage = engineer.random, scene.stage
    how = random.choice(("in a row", "at once", "in a batch", "under one id"))
    times = random.randrange(2, 12)
    token = engineer.tries(f"ask again {times} times, {how}")
    fine = f"{token}-fine"
    stage.expected.add(fine)
    name = f"task-{engineer.name}" if how == "under one id" else ""
    tasks = [Task("mallory", id=name, steps=(take_step("theirs", token),)) for _ in range(times)]
    tasks.insert(
        random.randrange(times), Task("mallory", id=name, steps=(take_step("hers", fine),))
    )
    if how == "in a batch":
        _ = [result async for result in stage.rt.run_batch(tasks)]
    elif how == "at once":
        await stage.at_once(tasks)
    else:
        for task in tasks:
            await stage.rt.run(task)
    stage.must_not_have_run(token)
    if stage.mark(fine) is None:
        raise AssertionError("what is allowed did not work among what is not")


async def _behind_a_denial(scene: Scene, engineer: Engineer) -> None:
    """Put what is allowed behind what is denied in one plan: a denied step ends its run."""
    random, stage = engineer.random, scene.stage
    before, behind = random.randrange(3), random.randrange(1, 5)
    token = engineer.tries(f"{behind} steps behind a denial, {before} before")
    early = [f"{token}-early{number}" for number in range(before)]
    late = [f"{token}-late{number}" for number in range(behind)]
    denied = random.choice((take_step("theirs", token), {"tool": "nothing"}, {"tool": "take"}))
    steps = [
        *[take_step("hers", each) for each in early],
        denied,
        *[take_step("hers", each) for each in late],
    ]
    stage.expected.update(early)
    await stage.steps("mallory", *steps)
    stage.must_not_have_run(token, *late)


# Approvals


async def _approved_twice(scene: Scene, engineer: Engineer) -> None:
    """Give an approval again that was used, was meant for another call, or was altered."""
    random, stage = engineer.random, scene.stage
    told = engineer.tries("an approval again")
    first, second = f"{told}-first", f"{told}-second"
    approval: Approve | None = None
    async with anyio.create_task_group() as runs:
        runs.start_soon(stage.steps, "mallory", take_step("asked", first))
        call = await _waiting(stage, first)
        stage.must_not_have_run(first)
        approval = sign_approval(call, "carol", scene.key)
        await stage.rt.approve(approval)
    if stage.mark(first) is None:
        raise AssertionError("what was approved did not run")
    stage.expected.add(first)
    async with anyio.create_task_group() as runs:
        again = random.choice((first, second))  # the same words make another call
        (stage.board / first).unlink()
        runs.start_soon(stage.steps, "mallory", take_step("asked", again))
        call = await _waiting(stage, again)
        forged, how = _forged(approval, call, scene.key, random)
        engineer.plan[-1] += f": {how}"
        with suppress(AuthgateError):
            await stage.rt.approve(forged)
        for _ in range(random.randrange(3)):
            with suppress(AuthgateError):
                await stage.rt.approve(approval)
        await stage.steps("mallory", take_step("hers", f"{told}-between"))
        runs.cancel_scope.cancel()
    stage.expected.add(f"{told}-between")
    stage.must_not_have_run(first, second)


def _forged(old: Approve, call: WaitingCall, key: bytes, random: Random) -> tuple[Approve, str]:
    """Return an approval for a call that nobody approved."""
    fresh = sign_approval(call, "carol", key)
    own = sign_approval(call, "carol", bytes(32))
    replace = msgspec.structs.replace
    ways = {
        "as it was": old,
        "for the new call": replace(old, action_digest=call.action_digest),
        "with a new nonce": replace(old, nonce=os.urandom(16)),
        "for longer": replace(old, expires_at=old.expires_at + 1),
        "by another human": replace(fresh, approver=OWNER),
        "by the machine": replace(fresh, approver="mallory"),
        "by another key": own,
        "of another runtime": replace(fresh, instance=os.urandom(16)),
        "without a signature": replace(fresh, signature=bytes(64)),
        "with the old signature": replace(fresh, signature=old.signature),
        "a shorter nonce": replace(fresh, nonce=fresh.nonce[:15]),
        "for ever": replace(fresh, expires_at=2**63 - 1),
        "long ago": sign_approval(call, "carol", key, expires_at=1),
    }
    how = random.choice(sorted(ways))
    return ways[how], how


async def _waiting(stage: Stage, token: str) -> WaitingCall:
    while True:
        for call in await stage.rt.waiting():
            if token in call.args:
                return call
        await anyio.sleep(LOOK_SECONDS)


# At the kernel


def _kernel(setting: Setting, seed: bytes) -> Kernel:
    """Make a kernel with one machine that may read one vault, and another once it is approved."""
    kernel = make_kernel(setting.backend, seed=seed, entropy=os.urandom(32), permit_ttl=TTL)
    key = Ed25519PrivateKey.from_private_bytes(seed[::-1]).public_key().public_bytes_raw()
    changes = (
        Enrol("ann", "human"),
        Enrol("carol", "human", key=key),
        Enrol("bot", "machine"),
        Own("bot", "ann"),
        Register(Grant("g", "bot", "machine", "vault", "hers", "", int(Right.READ))),
        Register(
            Grant(
                "h", "bot", "machine", "vault", "asked", "", int(Right.READ), approvers=("carol",)
            )
        ),
    )
    refused = [each.code for each in _changed(kernel.change(_encode(changes), NOW)) if each.code]
    if refused:
        raise AssertionError(f"the kernel refuses {refused}")
    return kernel


def _asked(name: str, number: int, args: bytes = b"{}") -> Action:
    requests = (Request("vault", name, "", int(Right.READ)),)
    return Action(f"r:{number}", "bot", "machine", "take", args, requests)


def _decide(kernel: Kernel, *actions: Action, now: int = NOW) -> list[SignedVerdict]:
    return _signed(kernel.decide(_encode(actions), now, os.urandom(32)))


def _redeem(kernel: Kernel, permit: bytes, now: int = NOW, args: bytes = b"{}") -> bool:
    """Whether a call may start with this permit."""
    redemption = Redemption(permit, "take", args)
    return not _redeemed(kernel.redeem(_encode([redemption]), now))[0].code


async def _redeemed_again(scene: Scene, engineer: Engineer) -> None:
    """Redeem a permit again: later, earlier, at once, elsewhere, or another one's in its place."""
    random, seed = engineer.random, os.urandom(32)
    how = random.choice(sorted(_AGAIN))
    engineer.tries(f"a permit, {how}")
    kernel = await to_thread.run_sync(_kernel, scene.setting, seed)
    won = await to_thread.run_sync(_AGAIN[how], kernel, scene.setting, seed, random)
    if won:
        raise EscapedError(f"a permit was good {how}")


def _in_a_row(kernel: Kernel, _: Setting, __: bytes, random: Random) -> bool:
    (signed,) = _decide(kernel, _asked("hers", 0))
    permit = _encode(signed)
    moments = sorted(NOW + random.randrange(TTL) for _ in range(random.randrange(2, 6)))
    random.shuffle(moments)
    return [_redeem(kernel, permit, now) for now in moments] != [True] + [False] * (
        len(moments) - 1
    )


def _after_the_end(kernel: Kernel, _: Setting, __: bytes, random: Random) -> bool:
    (signed,) = _decide(kernel, _asked("hers", 0))
    late = NOW + TTL + random.choice((0, 1, TTL, 10**15))
    return _redeem(kernel, _encode(signed), late) or _redeem(kernel, _encode(signed), NOW - 1)


def _after_the_clock_went_back(kernel: Kernel, _: Setting, __: bytes, random: Random) -> bool:
    (first,) = _decide(kernel, _asked("hers", 0))
    used = _redeem(kernel, _encode(first))
    (later,) = _decide(kernel, _asked("hers", 2), now=NOW + random.randrange(1, 5) * TTL)
    far = _verdict(later.verdict).issued_at
    _redeem(kernel, _encode(later), far)
    return not used or _redeem(kernel, _encode(first), NOW + random.randrange(TTL))


def _at_another_kernel(kernel: Kernel, setting: Setting, seed: bytes, _: Random) -> bool:
    (signed,) = _decide(kernel, _asked("hers", 0))
    return _redeem(_kernel(setting, seed), _encode(signed))


def _with_other_arguments(kernel: Kernel, _: Setting, __: bytes, random: Random) -> bool:
    (signed,) = _decide(kernel, _asked("hers", 0, b'{"a":1}'))
    other = random.choice((b'{"a":2}', b'{"a":1} ', b"", b'{"a":1.0}', b'{"a":1,"a":1}'))
    return _redeem(kernel, _encode(signed), args=other)


def _of_a_denial(kernel: Kernel, _: Setting, __: bytes, random: Random) -> bool:
    actions = [_asked("hers", 0), _asked("theirs", 1), _asked("asked", 2)]
    random.shuffle(actions)
    for signed in _decide(kernel, *actions):
        if not _verdict(signed.verdict).permitted and _redeem(kernel, _encode(signed)):
            return True
    return False


def _turned_into_a_permit(kernel: Kernel, _: Setting, __: bytes, random: Random) -> bool:
    good, bad = _decide(kernel, _asked("hers", 0), _asked("theirs", 1))
    replace, denied = msgspec.structs.replace, _verdict(bad.verdict)
    permitted = _encode(replace(denied, permitted=True, violations=()))
    ways = (
        replace(bad, verdict=permitted),
        replace(good, verdict=permitted),
        replace(good, verdict=bad.verdict),
        replace(bad, path=good.path, index=good.index),
        replace(bad, verdict=permitted, size=1, path=b""),
        replace(bad, verdict=good.verdict),
        replace(good, path=good.path[::-1]),
        replace(good, size=3),
        replace(good, index=1),
        replace(good, signature=good.signature[::-1]),
    )
    return _redeem(kernel, _encode(random.choice(ways)))


def _by_an_approval_twice(kernel: Kernel, _: Setting, seed: bytes, __: Random) -> bool:
    action = _asked("asked", 0)
    denied = _verdict(_decide(kernel, action)[0].verdict)
    approval = _approval(denied, seed)
    kernel.change(_encode([approval]), NOW)
    first = _verdict(_decide(kernel, action)[0].verdict).permitted
    if not first:
        raise AssertionError("what was approved is not permitted")
    kernel.change(_encode([approval]), NOW)
    return _verdict(_decide(kernel, action)[0].verdict).permitted


def _approval(denied: Verdict, seed: bytes) -> Approve:
    from authgate_async.reference.approvals import approval_statement  # noqa: PLC0415 - once

    nonce = os.urandom(16)
    bare = Approve(denied.instance, denied.action_digest, "carol", NOW + TTL, nonce, b"")
    signer = Ed25519PrivateKey.from_private_bytes(seed[::-1])
    return msgspec.structs.replace(bare, signature=signer.sign(approval_statement(bare)))


_AGAIN: dict[str, Callable[[Kernel, Any, bytes, Random], bool]] = {
    "in a row": _in_a_row,
    "after its end": _after_the_end,
    "after the clock went back": _after_the_clock_went_back,
    "at another kernel": _at_another_kernel,
    "with other arguments": _with_other_arguments,
    "though it is a denial": _of_a_denial,
    "made of a denial": _turned_into_a_permit,
    "by an approval that was used": _by_an_approval_twice,
}

WAYS = (_ask_again, _behind_a_denial, _approved_twice, _redeemed_again, _redeemed_again)

CATEGORY = Category(
    "replay-after-denial",
    "what was denied stays denied, and what was good once is good once",
    arena,
    (
        Broken("a gate that always permits", permits_everything),
        Broken("a run that goes on after a denial", goes_on_after_denials),
        Broken("a store of permits that forgets", forgets_permits_are_used, "python"),
        Broken("approvals that are never used up", forgets_approvals_are_used, "python"),
    ),
)
