"""Registries of any size, and the actions that ask something of them; for `benches.kernel`.

`python -m benches.registry plain|full` prints how many bytes a grant adds to a process, of a
million. `full` ones have a budget each, and constraints of their own with one of 1,000 patterns.
"""

from __future__ import annotations

import gc
import os
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from authgate_async.backends import make_kernel
from authgate_async.wire import (
    Action,
    Changed,
    Constraint,
    Delegate,
    Enrol,
    Grant,
    Own,
    Register,
    Request,
    Right,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from authgate_async.backends import Kernel
    from authgate_async.wire import Change

__all__ = ["MILLION", "RESOURCES", "actions", "filled"]

MILLION = 1_000_000
RESOURCES = 10
"""Shared by all agents; each holds one grant on each of them, for a folder of its own."""

ARGS = b'{"path":"/data/report.txt"}'
BELOW_DATA = Constraint("path", "prefix", '"/data/"')
PATTERNS = 1_000

_encode = msgspec.msgpack.Encoder().encode
_changed = msgspec.msgpack.Decoder(list[Changed]).decode


def filled(grants: int, *, depth: int = 1) -> Kernel:
    """Make a kernel in which agents hold so many grants, each at the end of so many links."""
    kernel = make_kernel(seed=bytes(32), entropy=os.urandom(32))
    agents = grants // RESOURCES
    _enter(kernel, _people(agents))
    _enter(kernel, (link for agent in range(agents) for link in _chains(agent, depth)))
    return kernel


def actions(agents: int, count: int) -> list[Action]:
    """Let agents from everywhere in the registry ask, each for one right on one resource."""
    return [_action(number, number * 7_919 % agents) for number in range(count)]


def _action(number: int, agent: int) -> Action:
    scope = f"home/{_name(agent)}/notes"
    request = Request("file", f"share-{number % RESOURCES}", scope, Right.READ)
    return Action(f"run-{number:06}:3", _name(agent), "machine", "read_file", ARGS, (request,))


def _name(agent: int) -> str:
    return f"agent-{agent:06}"


def _enter(kernel: Kernel, changes: Iterator[Change]) -> None:
    while chunk := list(islice(changes, 1_000)):
        done = _changed(kernel.change(_encode(chunk), 0))
        assert not any(changed.code for changed in done), done


def _people(agents: int) -> Iterator[Change]:
    yield Enrol("ann", "human")
    for agent in range(agents):
        yield Enrol(_name(agent), "machine")
        yield Own(_name(agent), "ann")


def _grant(agent: int, resource: int, **more: object) -> Grant:
    grant = Grant(
        f"grant-{agent:06}-{resource}",
        _name(agent),
        "machine",
        "file",
        f"share-{resource}",
        f"home/{_name(agent)}",
        Right.READ | Right.WRITE | Right.DELEGATE,
        constraints=(BELOW_DATA,),
    )
    return msgspec.structs.replace(grant, **more)


def _chains(agent: int, depth: int) -> Iterator[Change]:
    """Enter an agent's grants; what is above the last link is ann's."""
    for resource in range(RESOURCES):
        ids = [f"grant-{agent:06}-{resource}-{link}" for link in range(depth)]
        parents = ("", *ids)
        for grant_id, parent in zip(ids, parents, strict=False):
            link = _grant(agent, resource, id=grant_id, parent=parent)
            if grant_id != ids[-1]:
                link = msgspec.structs.replace(link, holder="ann", holder_kind="human")
            yield Delegate(link, "ann", "human") if parent else Register(link)


def _plain(agent: int) -> Iterator[Change]:
    for resource in range(RESOURCES):
        yield Register(_grant(agent, resource, constraints=()))


def _full(agent: int) -> Iterator[Change]:
    for resource in range(RESOURCES):
        pattern = Constraint("path", "regex", f'"/data/{agent % PATTERNS}/[a-z]+([.]txt)?"')
        yield Register(_grant(agent, resource, constraints=(BELOW_DATA, pattern), max_calls=100))


_KINDS: dict[str, Callable[[int], Iterable[Change]]] = {"plain": _plain, "full": _full}


def main(kind: str) -> None:
    """Measure and print."""
    kernel = make_kernel(seed=bytes(32), entropy=os.urandom(32))
    agents = MILLION // RESOURCES
    before = _resident()
    _enter(kernel, _people(agents))
    _enter(kernel, (change for agent in range(agents) for change in _KINDS[kind](agent)))
    gc.collect()
    print((_resident() - before) / MILLION)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(sys.argv[1])
