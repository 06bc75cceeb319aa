"""Hostile files: policies, tasks, actions, approvals and keys, made to fool who reads them."""

from __future__ import annotations

import json
import os
import resource
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from authgate_async import AuthgateError, spool
from authgate_async.cli import actions, lines
from authgate_async.errors import UsageError
from authgate_async.keys import load_seed
from authgate_async.policy import load
from redteam.broken.readers import raises_what_it_meets, takes_twins
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import temporary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting

__all__ = ["CATEGORY"]

ATTACKS = 12
MOST_BYTES = 2**30
"""What reading one file may cost in memory, whatever is in it."""

TASK = {
    "agent": "bot",
    "id": "t1",
    "steps": [{"tool": "calculator", "args": {"expression": "6*7"}, "rationale": "why"}],
}
ACTION = {
    "id": "1",
    "actor": "bot",
    "tool": "calculator",
    "args": {"expression": "1 + 1"},
    "min_epoch": 0,
}
APPROVAL = {
    "instance": "00" * 16,
    "action_digest": "11" * 32,
    "approver": "ann",
    "expires_at": 1_700_000_000_000_000,
    "nonce": "22" * 16,
    "signature": "33" * 64,
}
POLICY = """
[[principals]]
name = "ann"
kind = "human"

[[principals]]
name = "bot"
kind = "machine"
owner = "ann"

[[grants]]
holder = "machine:bot"
rights = ["execute"]
resource = "compute:calculator"
args.expression.max_len = 40
budget.calls = 10
"""

VALUES = (
    "1e400", "-1e400", "NaN", "Infinity", "-0", "-0.0", "9" * 400, "9" * 5000, "1e-400", "0x10",
    "18446744073709551616", "true", "null", "[]", "{}", '"\\ud800"', '"\\u0000"', '"\\u202e"',
    "'x'", "1.0", "01", "+1", ".5", '"' + "x" * 70_000 + '"', "[" * 200 + "]" * 200,
    "[" * 100_000 + "]" * 100_000, '{"a":' * 5_000 + "1" + "}" * 5_000, "//", "",
)  # fmt: skip
"""What may stand where a value was."""


@dataclass(frozen=True)
class Reader:
    """A kind of file: a good one, who reads it, and whether it is JSON."""

    good: bytes
    read: Callable[[Path], object]
    is_json: bool = True


def _key(path: Path) -> object:
    if not path.is_symlink():
        path.chmod(0o600)
    return load_seed(path)


def _approval(path: Path) -> object:
    """Read it as a runtime takes it from its folder."""
    found = spool._read(path)
    if isinstance(found, UsageError):
        raise found
    return found


READERS = {
    "tasks": Reader(json.dumps(TASK).encode() + b"\n", lines.read_tasks),
    "action": Reader(json.dumps(ACTION).encode(), actions.read_action),
    "approval": Reader(json.dumps(APPROVAL).encode(), _approval),
    "policy": Reader(POLICY.encode(), load, is_json=False),
    "key": Reader(b"-----BEGIN PRIVATE KEY-----\n", _key, is_json=False),
}


@asynccontextmanager
async def arena(_: Setting) -> AsyncIterator[Attack]:
    """Make a folder for the files; there is no runtime yet when they are read."""
    with temporary() as folder:

        async def attack(engineer: Engineer) -> None:
            for number in range(ATTACKS):
                await _one(folder / f"{engineer.name}-{number}", engineer)

        yield attack


async def _one(path: Path, engineer: Engineer) -> None:
    random = engineer.random
    kind = random.choice(sorted(READERS))
    reader = READERS[kind]
    how = random.choice(sorted(WAYS))
    engineer.tries(f"{kind}, {how}")
    WAYS[how](path, reader.good, random)
    before = _memory()
    try:
        read = await to_thread.run_sync(reader.read, path)
    except AuthgateError as error:
        if how == "as it is" and kind != "key":
            raise AssertionError(f"a good {kind} is refused") from error
        str(error)
    except Exception as error:
        raise EscapedError(f"a {kind} made its reader raise {type(error).__name__}") from error
    else:
        _must_be_true_to(path, read, kind)
    if _memory() - before > MOST_BYTES:
        raise EscapedError(f"a {kind} cost its reader more than a gigabyte")
    os.unlink(path)  # noqa: PTH108 - a link, or a file of this loop's own


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _must_be_true_to(path: Path, read: object, kind: str) -> None:
    """See that what was taken is what an independent reader sees, who takes no twins."""
    if not READERS[kind].is_json:
        return
    data = path.read_bytes()
    for line in data.split(b"\n") if kind == "tasks" else [data]:
        if not line.strip():
            continue
        try:
            seen = json.loads(line, object_pairs_hook=_no_twins, parse_constant=_no_constant)
        except ValueError:
            raise EscapedError(f"a {kind} was taken that is no JSON: {line[:60]!a}") from None
        for name in ("actor", "approver"):
            if name in seen and seen[name] != getattr(read, name):
                raise EscapedError(f"a {kind} was read as of another {name}")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(name)


# Ways to spoil a file


def _as_it_is(path: Path, good: bytes, random: Random) -> None:
    """Spoil nothing."""
    del random
    path.write_bytes(good)


def _bytes(path: Path, good: bytes, random: Random) -> None:
    """Change, drop, repeat and put in bytes."""
    data = bytearray(good)
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(data) + 1)
        part = random.choice((b"", b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\r", b'"', b"\\", b"{"))
        data[at : at + random.randrange(4)] = part
    path.write_bytes(data)


def _value(path: Path, good: bytes, random: Random) -> None:
    """Put something else where a value stands."""
    text = good.decode()
    places = [at for at, char in enumerate(text) if char in ":=,["] or [0]
    at = random.choice(places) + 1
    path.write_text(text[:at] + " " + random.choice(VALUES) + text[at:])


def _instead(path: Path, good: bytes, random: Random) -> None:
    """Put something else in the place of a value."""
    text = good.decode()
    parts = text.split('"')
    at = random.randrange(len(parts))
    parts[at] = random.choice(VALUES).strip('"')
    path.write_text('"'.join(parts))


def _twin(path: Path, good: bytes, random: Random) -> None:
    """Say one thing twice."""
    text = good.decode()
    name = random.choice(("agent", "actor", "approver", "tool", "id", "args", "name", "holder"))
    twin = f'"{name}": "eve", ' if "{" in text else f'{name} = "eve"\n'
    at = random.choice([at for at, char in enumerate(text) if char in "{\n"] or [0]) + 1
    path.write_text(text[:at] + twin + text[at:])


def _much(path: Path, good: bytes, random: Random) -> None:
    """Give a great deal of it, in one line or in many."""
    times = random.choice((2, 1_000, 20_000))
    path.write_bytes(random.choice((good, good.strip(), good.replace(b"\n", b" "))) * times)


def _sparse(path: Path, good: bytes, random: Random) -> None:
    """Give a file that is long and takes no room."""
    path.write_bytes(good)
    os.truncate(path, random.choice((2**22, 2**33, 2**40)))


def _encoded(path: Path, good: bytes, random: Random) -> None:
    """Give it in another encoding."""
    name = random.choice(("utf-16", "utf-8-sig", "utf-32", "utf-7", "cp037"))
    path.write_text(good.decode(), encoding=name)


def _no_file(path: Path, good: bytes, random: Random) -> None:
    """Give what is no plain file."""
    del good
    what = random.choice(("folder", "loop", "nothing", "zeros", "memory"))
    if what == "folder":
        path.mkdir()
        path.rmdir()  # and then not even that
        path.symlink_to(path.parent)
    elif what == "loop":
        path.symlink_to(path)
    elif what == "zeros":
        path.symlink_to("/dev/zero")
    elif what == "memory":
        path.symlink_to("/proc/self/mem")
    else:
        path.symlink_to("/dev/null")


WAYS: dict[str, Callable[[Path, bytes, Random], None]] = {
    "as it is": _as_it_is,
    "other bytes": _bytes,
    "a value more": _value,
    "another value": _instead,
    "twins": _twin,
    "much of it": _much,
    "sparse": _sparse,
    "in another encoding": _encoded,
    "no file": _no_file,
}

CATEGORY = Category(
    "hostile-files",
    "a file is read as what it says, or refused in a sentence, at a bounded cost",
    arena,
    (
        Broken("readers that take twins", takes_twins),
        Broken("readers that raise what they meet", raises_what_it_meets),
    ),
)
