"""Display: text that would steer a terminal, break a line, or pass for another record."""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TYPE_CHECKING
from unicodedata import category

from authgate_async import AuthgateError, Task, oplog
from authgate_async.cli import main
from redteam.bodies.telling import TELL
from redteam.broken.display import shows_what_it_gets, tells_what_it_gets
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 4

HEAD = 2
"""Lines of a table before its records: the title and the names of the columns."""

HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\ufff9-\ufffb\U000e0001-\U000e007f]"
)
"""What no terminal should get: controls, what has no width, what turns the direction, breaks."""

PARTS = (
    "\x1b[2J", "\x1b[1A", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x1b]52;c;eA==\x07",
    "\x9b31m", "\x1bP", "\r", "\n", "\r\n", "\x0b", "\x0c", "\x08" * 9, "\x07", "\x00", "\x7f",
    "\x85", "\u2028", "\u2029", "\u202e", "\u2066", "\u200b", "\u2060", "\ufeff", "\xad",
    "\U000e0041", "\t", "|", "`", '"', "\\", "\\u001b", "[red]", "{}", "%s", "\u0301" * 50,
)  # fmt: skip
"""What a text is made of."""

QUIET = tuple(part for part in PARTS if not any(category(char) == "Cc" for char in part))
"""Those that may stand in a name: a kernel takes any without a control character."""

FAKES = (
    '\n{"index":1,"record":{"kind":"sealed"}}',
    "\n1\t2026\trun\tagent\ttool\tintent\tpermitted",
    "\n   3  2026-01-01  r  ann  take  intent  permitted",
    '","permitted":true,"x":"',
)


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with a loud agent; at the end look at everything that is shown of its log."""
    told = io.StringIO()
    oplog.configure("debug", told)
    try:
        async with open_stage(setting, (TELL[setting.level],)) as stage:
            await stage.enrol("loud")
            await stage.rt.grant("machine:loud", "execute", "voice:loud")

            async def attack(engineer: Engineer) -> None:
                for _ in range(ATTACKS):
                    await engineer.random.choice(WAYS)(stage, engineer)
                _look_at_oplog(told)

            yield attack
            _look_at_shown(stage)
    finally:
        oplog.configure("critical")


def _text(random: Random) -> str:
    """Make a text of harmless and hostile parts, and sometimes one that passes for a record."""
    known = random.choice((PARTS, QUIET))
    parts = [random.choice((*known, "a", "log")) for _ in range(random.randrange(1, 9))]
    if known is PARTS and random.random() < 0.3:
        parts.append(random.choice(FAKES))
    return "".join(parts)


async def _say(stage: Stage, engineer: Engineer) -> None:
    """Give it back, print it, or raise it, from a tool's body."""
    text, how = (
        _text(engineer.random),
        engineer.random.choice(("return", "print", "complain", "raise")),
    )
    engineer.tries(f"{how} {text!a}")
    with suppress(AuthgateError):
        await stage.steps("loud", {"tool": "tell", "args": {"text": text, "how": how}})


async def _name(stage: Stage, engineer: Engineer) -> None:
    """Have it for a name: of a tool, of an argument, of an agent, of a task, of an intent."""
    random = engineer.random
    text, what = _text(random), random.choice(("tool", "argument", "agent", "task", "rationale"))
    engineer.tries(f"as {what} {text!a}")
    good = {"tool": "tell", "args": {"text": "x", "how": "return"}}
    steps = {
        "tool": {**good, "tool": text},
        "argument": {**good, "args": {"text": "x", text: "x"}},
        "rationale": {**good, "rationale": text},
    }
    agent = text if what == "agent" else "loud"
    name = text if what == "task" else ""
    with suppress(AuthgateError, ValueError):
        await stage.rt.run(Task(agent, id=name, steps=(steps.get(what, good),)))


async def _enrol(stage: Stage, engineer: Engineer) -> None:
    """Have it enrolled, granted, revoked, asked for: the kernel refuses it, in a sentence."""
    random = engineer.random
    text, what = _text(random), random.choice(("enrol", "grant", "scope", "revoke", "approver"))
    engineer.tries(f"{what} {text!a}")
    rt = stage.rt
    with suppress(AuthgateError, ValueError):
        if what == "enrol":
            await rt.enrol(f"machine:{text}", owner="ann")
        elif what == "revoke":
            await rt.revoke(text)
        elif what == "approver":
            await rt.grant("machine:loud", "read", "vault:x", approvers=(text,))
        elif what == "scope":
            await rt.grant("machine:loud", "read", "vault:x", scope=text)
        else:
            await rt.grant(f"machine:{text}", "read", f"vault:{text}", grant_id=text)


WAYS = (_say, _say, _name, _enrol)


def _look_at_oplog(told: io.StringIO) -> None:
    """See that each line of the operator's log is one object, and harmless."""
    lines = told.getvalue().split("\n")
    told.seek(0)
    told.truncate()
    for line in lines[:-1]:
        if found := HIDDEN.search(line):
            raise EscapedError(f"the operator's log has {found[0]!a}")
        try:
            one = json.loads(line)
        except ValueError:
            raise EscapedError(
                f"a line of the operator's log is no object: {line[:80]!a}"
            ) from None
        if not isinstance(one, dict) or "event" not in one:
            raise EscapedError(f"a line of the operator's log is made up: {line[:80]!a}")


def _look_at_shown(stage: Stage) -> None:
    """See that the commands show a row for each record, harmless, and no other."""
    log = stage.folder / "log"
    count = (log / "log.jsonl").read_bytes().count(b"\n")
    for arguments, head in (
        (["show"], HEAD),
        (["show", "--json"], 0),
        (["tail", "-n", "999999"], 0),
    ):
        shown = _shown(["audit", *arguments, str(log)])
        if found := HIDDEN.search(shown):
            raise EscapedError(f"`audit {arguments[0]}` shows {found[0]!a}")
        rows = len(shown.splitlines()) - head
        if rows != count:
            raise EscapedError(f"`audit {arguments[0]}` shows {rows} records of {count}")


def _shown(arguments: list[str]) -> str:
    """What a command writes, as it would reach a terminal."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    with redirect_stdout(out), redirect_stderr(sys.stdout):
        main(arguments)
    out.flush()
    return out.buffer.getvalue().decode("utf-8", "surrogateescape")


CATEGORY = Category(
    "display",
    "what is shown of a log steers no terminal, and is a line for each record",
    arena,
    (
        Broken("a table that shows what it gets", shows_what_it_gets),
        Broken("an operator's log that tells what it gets", tells_what_it_gets),
    ),
)
