"""The words in which the cases of `cases/` are written.

A case is a name and steps; each step says by hand what must come of it. `make.py` holds the
reference kernel to that, and only then writes down the sentences and bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from authgate_async.wire import (
    Action,
    Change,
    Enrol,
    Grant,
    Own,
    Redemption,
    Register,
    Request,
    Settlement,
    SignedVerdict,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_000_000
TTL = 60_000_000
TOOL = "reader"
ARGS = b'{"path":"a"}'
RIGHTS = {"r": 1, "w": 2, "x": 4, "d": 8}


class Changing(NamedTuple):
    """Changes, each with the code that it must get; empty if it is done."""

    changes: tuple[tuple[Change, str], ...]
    now: int = NOW


class Deciding(NamedTuple):
    """Actions, each with what it must get."""

    actions: tuple[Expected, ...]
    now: int = NOW
    entropy: bytes = b"\x11" * 32


class Expected(NamedTuple):
    """An action, and its violations' and warnings' codes in order; none permits it."""

    action: Action
    codes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


Past = list[list[bytes]]
"""Every signed verdict so far: one list for each deciding step."""


class Redeeming(NamedTuple):
    """Redemptions, made from the verdicts so far, each with the code that it must get."""

    redemptions: tuple[tuple[Callable[[Past], Redemption], str], ...]
    now: int = NOW + 1


class Settling(NamedTuple):
    """Settlements, made from the verdicts so far, each with whether anything was held for it."""

    settlements: tuple[tuple[Callable[[Past], Settlement], bool], ...]


class Standing(NamedTuple):
    """Verdicts by deciding step and place, each with whether the registry stands behind it."""

    verdicts: tuple[tuple[tuple[int, int], bool], ...]


class Refused(NamedTuple):
    """Bytes that do not decode, given to a method."""

    operation: str
    data: bytes


Step = Changing | Deciding | Redeeming | Settling | Standing | Refused


class Case(NamedTuple):
    """One vector."""

    name: str
    steps: tuple[Step, ...]
    permit_ttl: int = TTL


def case(name: str, *steps: Step, permit_ttl: int = TTL) -> Case:
    """Name a case; `bot` is a machine of `alice`, and `bob` another human, from the start."""
    return Case(name, (Changing(PEOPLE, 0), *steps), permit_ttl)


PEOPLE: tuple[tuple[Change, str], ...] = (
    (Enrol("alice", "human"), ""),
    (Enrol("bob", "human"), ""),
    (Enrol("bot", "machine"), ""),
    (Own("bot", "alice"), ""),
)


def change(*changes: Change | tuple[Change, str], now: int = NOW) -> Changing:
    """Apply changes; a bare one must be done."""
    return Changing(tuple(c if isinstance(c, tuple) else (c, "") for c in changes), now)


def given(*grants: Grant) -> Changing:
    """Enter grants."""
    return change(*map(Register, grants))


def permit(action: Action, *warnings: str, now: int = NOW) -> Deciding:
    """Decide one action, which must be permitted with these warnings."""
    return Deciding((Expected(action, (), warnings),), now)


def deny(action: Action, *codes: str, now: int = NOW, warnings: tuple[str, ...] = ()) -> Deciding:
    """Decide one action, which must be denied with these codes."""
    return Deciding((Expected(action, codes, warnings),), now)


def rights(letters: str) -> int:
    """Add up rights from their first letters (x for execute)."""
    return sum(RIGHTS[letter] for letter in letters)


def grant(
    grant_id: str = "g",
    letters: str = "r",
    scope: str = "",
    *,
    holder: str = "bot",
    kind: str = "machine",
    rtype: str = "folder",
    name: str = "notes",
    **more: int | str | bool | tuple[str, ...],
) -> Grant:
    """Make a grant; on `folder:notes` to the machine `bot`, unless told otherwise."""
    return msgspec.structs.replace(
        Grant(grant_id, holder, kind, rtype, name, scope, rights(letters)), **more
    )


def ask(letter: str = "r", scope: str = "", rtype: str = "folder", name: str = "notes") -> Request:
    """Ask for one right."""
    return Request(rtype, name, scope, rights(letter))


READ = (ask(),)


def act(*requests: Request, **fields: object) -> Action:
    """Make an action of `bot`; with no requests it asks to read `folder:notes`."""
    action = Action("a-1", "bot", "machine", TOOL, ARGS, requests or READ)
    return msgspec.structs.replace(action, **fields)


def changed_grant(base: Grant, **fields: int | str | bool | tuple[str, ...]) -> Grant:
    """Copy a grant with some fields different."""
    return msgspec.structs.replace(base, **fields)


def redeem(*redemptions: tuple[Callable[[Past], Redemption], str], now: int = NOW + 1) -> Redeeming:
    """Redeem permits."""
    return Redeeming(redemptions, now)


def stands(step: int = 0, place: int = 0) -> Standing:
    """Ask about one verdict, which must stand."""
    return Standing((((step, place), True),))


def falls(step: int = 0, place: int = 0) -> Standing:
    """Ask about one verdict, which must be stale."""
    return Standing((((step, place), False),))


def settle(*settlements: tuple[Callable[[Past], Settlement], bool]) -> Settling:
    """Settle calls."""
    return Settling(settlements)


def end(
    step: int = 0,
    place: int = 0,
    used: tuple[int, int, int] = (0, 0, 0),
    *,
    redeemed: bool = True,
    started: bool = True,
) -> Callable[[Past], Settlement]:
    """Say what the call used that deciding step `step` permitted as its action `place`."""

    def make(past: Past) -> Settlement:
        signed = msgspec.msgpack.decode(past[step][place], type=SignedVerdict)
        verdict = msgspec.msgpack.decode(signed.verdict, type=Verdict)
        return Settlement(verdict.nonce, redeemed, started, *used)

    return make


def use(
    step: int = 0,
    place: int = 0,
    tool: str = TOOL,
    args: bytes = ARGS,
    alter: Callable[[bytes], bytes] = bytes,
    *,
    salt: bytes = b"",
) -> Callable[[Past], Redemption]:
    """Redeem what deciding step `step` said of its action `place`, with its bytes altered."""
    return lambda past: Redemption(alter(past[step][place]), tool, args, salt)


def altered(**fields: object) -> Callable[[bytes], bytes]:
    """Replace fields of a signed verdict."""

    def alter(signed: bytes) -> bytes:
        decoded = msgspec.msgpack.decode(signed, type=SignedVerdict)
        return msgspec.msgpack.encode(msgspec.structs.replace(decoded, **fields))

    return alter
