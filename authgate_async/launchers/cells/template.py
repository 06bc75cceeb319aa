"""The template of a jail: warm, single-threaded, without secrets, in namespaces of its own.

It is exec'd with `-I` and an empty environment, loads the tools of its plan, and then divides
itself from the machine: what goes on is the first process of a pid namespace, so that its end is
the end of every cell. Native code (`sandbox/src/jail/serve.rs`) keeps cells armed, reaps them, and
reports how they ended; a cell gets its call from the runtime alone.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from authgate_async import _native
from authgate_async.launchers import loading
from authgate_async.launchers.body import outcome, warm_up
from authgate_async.launchers.cells import body, shown
from authgate_async.launchers.cells.messages import Plan
from authgate_async.launchers.frames import READY

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.loading import Invocable
    from authgate_async.launchers.protocol import Folder

__all__ = ["main"]

_MESSAGE_BYTES = 2**18
_plan = msgspec.msgpack.Decoder(Plan).decode


class _Broken:
    """A tool that could not be imported."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def invoke(self, args: bytes, folders: tuple[Folder, ...]) -> bytes:  # noqa: ARG002
        """Raise what the import raised."""
        raise self._error


def _load(plan: Plan) -> list[Invocable]:  # pragma: no cover - nothing measures here
    """Import every tool; in place of one that cannot be stands the error of its calls."""
    tools: list[Invocable] = []
    # Libraries of numbers start a thread for each core otherwise, and a template has one thread.
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    for ref in plan.tools:
        try:
            tools.append(loading.load(ref))
        except BaseException as error:  # noqa: BLE001 - whatever a tool's module raises
            tools.append(_Broken(error))
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - a warm path
            name = f"{ref.module}.{ref.qualname}"
            raise SystemExit(f"importing `{name}` starts a thread; start it in the function")
    os.environ.clear()
    return tools


class _Rehearsal:
    """A call without a tool: it prints nothing, and does what it was given, if anything."""

    def __init__(self, inner: Callable[[], object] | None = None) -> None:
        self._inner = inner

    def invoke(self, args: bytes, folders: tuple[Folder, ...]) -> bytes:
        """Return an empty result."""
        del args, folders
        print(end="")  # noqa: T201 - as tools do
        if self._inner is not None:
            self._inner()
        return b"null"


def _shared(tools: list[Invocable]) -> _Rehearsal:  # pragma: no cover - nothing measures here
    """Return what goes the way that the calls of most tools share, at the least cost."""
    for tool in tools:
        make: Callable[[], Invocable] | None = getattr(tool, "stand_in", None)
        if make is not None:
            return _Rehearsal(partial(make().invoke, b"{}", ()))
    return _Rehearsal()


def _rehearse(rehearsal: _Rehearsal) -> None:
    """Do once what a call does but for its tool."""
    outcome(rehearsal, b"{}", ())
    _native.jail_denied()


def _settle(tools: list[Invocable], rounds: int) -> None:  # pragma: no cover - as above
    """Run what each call runs, so that what this leaves behind is there for all of them.

    First until the interpreter has settled on how, since what it writes down while it settles would
    be copied for each call; then, once memory is frozen, for the tables of what a call touches.
    """
    for tool in tools:
        rehearsal = _Rehearsal(getattr(tool, "rehearse", None))
        for _ in range(rounds):
            _rehearse(rehearsal)


_ROUNDS = 20
"""CPython specialises a function after eight calls, and some of its instructions later."""

_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def _namespaces() -> set[str]:  # pragma: no cover - nothing measures here
    """Return the names of the namespaces that this process is in, each of which is unique."""
    return {os.readlink(f"/proc/self/ns/{kind}") for kind in _KINDS}  # noqa: PTH115


_KINDS = ("user", "pid", "mnt", "net", "ipc", "uts")


def main(control_fd: int, _: str, runtime: int) -> None:  # pragma: no cover - nothing measures here
    """Serve the runtime at the other end of `control_fd` until it hangs up."""
    loading.inside = True
    os.environ.clear()
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # As the first process of a cell a tool is deaf to this: its own programs cannot interrupt it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir("/")
    tools = _load(plan := _plan(os.read(control_fd, _MESSAGE_BYTES)))
    watched = (os.pidfd_open(runtime), os.pidfd_open(os.getpid()))
    if os.getppid() != runtime:
        return
    outside = _namespaces()
    # In a cell there is no tree of control groups, and no descriptor of one once it is locked.
    group = os.open(plan.group, os.O_RDONLY | os.O_DIRECTORY) if plan.group else None
    _native.jail_divide()
    pid = os.fork()
    if pid:
        os.close(control_fd)
        status = os.waitpid(pid, 0)[1]
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    base = _native.JailBase(shown.paths(), shown.DEVICES, shown.links(), plan.programs)
    if not outside.isdisjoint(_namespaces()):
        raise SystemExit("a namespace is still shared with the machine")
    _native.sandbox_harden()
    warm_up()
    shared, random = _shared(tools), sys.modules.get("random")
    _settle(tools, _ROUNDS)
    gc.collect()
    gc.freeze()
    if not plan.programs:  # they may give memory up, and count on zeros when they have it again
        kept = _native.sandbox_freeze()
        _settle(tools, 1)
        if kept is not None:
            _native.jail_keep(kept)
    os.dup2(0, 2)
    facts = bytes([base.bounds_tasks, _native.jail_landlock_abi()])
    os.write(control_fd, READY + facts)

    def warm_cell() -> None:
        """Write to what a call will write to, and draw its own random numbers, ahead of it."""
        _rehearse(shared)
        if random is not None:
            random.seed()

    arming = (plan.armed, plan.scratch_bytes, group, warm_cell)
    given = base.serve(control_fd, watched, *arming)
    if given is not None:
        tool, args, folders, programs = given
        body.run(tools[tool], args, folders, programs)
