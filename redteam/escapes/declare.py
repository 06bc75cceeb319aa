"""What a hostile snippet is: a plain function, run as a tool's body, with what would prove it.

A snippet gets a `Target`, says in its docstring what it tries, and returns a string: the proof if
it got something, the empty string if it did not. Whatever it raises means that it was stopped.
Whether it got anything is judged by `world.py` from the outside; a string that is not empty counts
too.

The template imports these modules, so they stay light and do nothing at import.
"""

from __future__ import annotations

import ctypes
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BOTH", "SNIPPETS", "Mode", "Proof", "Snippet", "Target", "load", "snippet"]

Mode = Literal["python", "programs"]
BOTH: tuple[Mode, ...] = ("python", "programs")
"""How a tool is confined: one that is Python only, and one that may start programs."""

Proof = Literal[
    "claim",  # the snippet returned a string: it reached what no call may reach
    "secret",  # a secret came out
    "file",  # something outside the granted folder changed, or a file is larger than it may be
    "connection",  # a listener outside was reached
    "process",  # a process outlived the call
    "victim",  # a process outside was signalled, stopped, limited or ended
    "runner",  # what runs the call was harmed, or made to accuse itself
    "sibling",  # another call was harmed
    "output",  # more came out than the cap, or what is shown to a human is not harmless
    "terminal",  # a terminal outside got bytes
    "leftover",  # something with the call's name lies in a shared place
    "machine",  # a setting of the machine changed
]

PR_SET_NAME = 15


class Target(TypedDict):
    """What stands outside, or is shared, for one snippet to go for.

    Files: `secret` is readable for everybody, in the folder `outside`, which is writable; `granted`
    is the call's own folder, `readonly` is one that it may read. In `granted` lie a FIFO, `alive`,
    and links to what is outside: `link`, `out`, `room` and `away`. `library` is on Python's path.
    `handle` is the kernel's handle of the secret, type and bytes.
    Sockets: ports on loopback, paths, and names without their leading NUL. Nobody uses `free_port`.
    `victim` is a process with the secret in its environment, at `victim_address`, and in its
    standard input; `runtime` is the process that wants the calls done; `terminal` is its terminal.
    Snippets that take two turns get `turn` 1 and 2, others 0; `sibling` is a secret, in turn 1
    only. `token` and `key` name things so that the outside finds them; `name` is the process's.
    `segment` is the key of System V memory outside that holds the secret, `machine` its name.
    """

    secret: str
    outside: str
    granted: str
    readonly: str
    alive: str
    library: str
    handle: tuple[int, str]
    tcp4: int
    tcp6: int
    udp4: int
    free_port: int
    unix_outside: str
    unix_granted: str
    datagram_granted: str
    abstract: str
    abstract_datagram: str
    victim: int
    victim_address: int
    runtime: int
    terminal: str
    turn: int
    sibling: str
    token: str
    key: int
    segment: int
    machine: str
    name: str


class Snippet(NamedTuple):
    """A declared snippet; it is what a launcher finds under the function's name.

    `root`: it bites without a jail only as root. `turns`: two calls, the second after the first has
    ended, or beside it. `endless`: it never returns. `inner`: the second turn is granted only the
    folder `inner` in `granted`, as a part of it or as a folder by itself. `again`: how many second
    turns there are. `unproven`: why it cannot bite on the machine that it was written on.
    """

    function: Callable[[Target], str]
    proof: Proof
    root: bool
    modes: tuple[Mode, ...]
    turns: Literal["once", "after", "beside"]
    endless: bool
    inner: Literal["", "scope", "path"]
    again: int
    unproven: str

    @property
    def name(self) -> str:
        """The function's name, which no two snippets share."""
        return self.function.__name__

    @property
    def module(self) -> str:
        """Where it is found."""
        return self.function.__module__

    def invoke(self, args: bytes, folders: tuple[Any, ...] = ()) -> bytes:
        """Run it as a launcher runs a tool's body, under a name that shows from outside."""
        del folders
        target: Target = json.loads(args)
        ctypes.CDLL(None).prctl(PR_SET_NAME, target["name"].encode(), 0, 0, 0)
        return json.dumps(self.function(target) or "").encode()


SNIPPETS: dict[str, Snippet] = {}
"""All that are loaded, by name."""

_THEMES = (
    "bombs",
    "channel",
    "daemons",
    "devices",
    "facilities",
    "files",
    "links",
    "mounts",
    "namespaces",
    "peeking",
    "privileges",
    "siblings",
    "signals",
    "sockets",
)


def snippet(
    *,
    proof: Proof,
    root: bool = False,
    modes: tuple[Mode, ...] = BOTH,
    turns: Literal["once", "after", "beside"] = "once",
    endless: bool = False,
    inner: Literal["", "scope", "path"] = "",
    again: int = 1,
    unproven: str = "",
) -> Callable[[Callable[[Target], str]], Snippet]:
    """Declare a snippet; its docstring is the line that says what it tries."""

    def declare(function: Callable[[Target], str]) -> Snippet:
        made = Snippet(function, proof, root, modes, turns, endless, inner, again, unproven)
        assert function.__doc__
        assert made.name not in SNIPPETS
        SNIPPETS[made.name] = made
        return made

    return declare


def load() -> dict[str, Snippet]:
    """Import every theme and return all snippets; a theme that is not listed is an error."""
    for theme in _THEMES:
        importlib.import_module(f"escapes.{theme}")
    found = {
        path.stem
        for path in Path(__file__).parent.glob("*.py")
        if "@snippet" in path.read_text() and path.stem != Path(__file__).stem
    }
    assert found == set(_THEMES), found ^ set(_THEMES)
    return SNIPPETS
