"""The template process, seen from the runtime: starting it, giving it calls, letting it go."""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers.frames import READY
from authgate_async.launchers.sentences import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["START_SECONDS", "TemplateProcess", "start"]

START_SECONDS = 10.0
"""How long a template may take to be ready, or to start a body, the import of its tool included."""

_PROGRAM = (
    "import sys; a = sys.argv; sys.path[:] = a[4:]; "
    "from {module} import main; main(int(a[1]), a[2], int(a[3]))"
)
_MEMORY = "/dev/shm"  # noqa: S108 - only a folder made by `mkdtemp` in it is used
_TAIL = 4096
_GREETING = 64


class TemplateProcess:
    """A template that is ready. Whoever starts one also runs `reap`."""

    def __init__(
        self, process: subprocess.Popen[bytes], control: socket.socket, scratch: str
    ) -> None:
        self.calls = 0
        self.dead = False
        self.pid = process.pid
        self.facts = b""
        """What it said when it was ready."""
        self.control = control
        self.at_end: Callable[[], object] = bool
        """Called once when it has ended, while its control socket still has its number."""
        self._process = process
        self._scratch = scratch
        self._pidfd = os.pidfd_open(process.pid)

    async def ready(self, log: int) -> None:
        """Wait until it can fork.

        Raises:
            SandboxUnavailableError: it could not start; the sentence has its last words.
        """
        with (
            anyio.move_on_after(START_SECONDS) as scope,
            contextlib.suppress(anyio.ClosedResourceError),
        ):
            await anyio.wait_readable(self.control)
        if scope.cancelled_caught:
            msg = f"the template process was not ready after {START_SECONDS:.0f} s"
            raise SandboxUnavailableError(msg)
        if not self._greeted():
            raise SandboxUnavailableError(f"the template process did not start: {_last_line(log)}")

    def _greeted(self) -> bool:
        try:
            greeting = self.control.recv(_GREETING)
        except OSError:
            return False
        self.facts = greeting[1:]
        return greeting[:1] == READY

    async def send(self, message: bytes, fds: Sequence[int]) -> bool:
        """Hand over one call; False if the template is dead, and then the call has not started."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self._signal(signal.SIGCONT)  # a body may have stopped it
        while not self.dead:
            try:
                self.control.sendmsg([message], rights, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                await self.writable()
            except ConnectionError:
                self.dead = True
            else:
                self.calls += 1
                return True
        return False

    async def writable(self) -> None:
        """Wait until its socket takes more, or it has ended."""
        if not self.dead:  # else the socket may be closed
            with contextlib.suppress(anyio.ClosedResourceError):
                await anyio.wait_writable(self.control)

    def retire(self) -> None:
        """Take no new call; it ends when its last call has."""
        self.dead = True
        with contextlib.suppress(OSError):  # it hung up first
            self.control.shutdown(socket.SHUT_RDWR)

    def wake(self) -> None:
        """Let it go on if a body has stopped it."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once; its wardens notice, and end their calls."""
        self.dead = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except (ProcessLookupError, OSError):
            self.dead = True

    async def reap(self) -> None:
        """Wait for its end, whatever is cancelled meanwhile, and remove what it leaves behind."""
        with anyio.CancelScope(shield=True):
            await anyio.wait_readable(self._pidfd)
            self.dead = True
            self._process.wait()
            self.at_end()
            anyio.notify_closing(self.control)
            os.close(self._pidfd)
            self._pidfd = -1
            self.control.close()
            if self._scratch:
                await anyio.to_thread.run_sync(_remove, self._scratch)


async def start(
    module: str, *, scratch: bool, keep: Callable[[TemplateProcess], None], plan: bytes = b""
) -> TemplateProcess:
    """Start a template by the `main` of a module, and wait until it is ready.

    `keep` gets it as soon as there is a process, and sees to its `reap`. With `scratch` it has a
    folder of its own, which `reap` removes; `plan` is the first message that it gets, if any.

    Raises:
        SandboxUnavailableError: the system starts no process, or it does not get ready.
    """
    template, log = await _process(module, scratch=scratch)
    try:
        keep(template)
        if plan:
            await template.send(plan, ())
        await template.ready(log)
    except BaseException:
        template.kill()
        raise
    finally:
        os.close(log)
    return template


async def _process(module: str, *, scratch: bool) -> tuple[TemplateProcess, int]:
    """Return a template, and a file of what it says until it is ready."""
    try:
        return await anyio.to_thread.run_sync(_spawn, module, scratch)
    except OSError as error:
        raise SandboxUnavailableError(
            f"the template process cannot be started: {plain(str(error))}"
        ) from error


def _spawn(module: str, wants_scratch: bool) -> tuple[TemplateProcess, int]:  # noqa: FBT001
    if not sys.executable:
        raise SandboxUnavailableError(
            "this Python does not know its own executable: start it by its path"
        )
    with contextlib.ExitStack() as undo:
        log = os.memfd_create("authgate-template")
        undo.callback(os.close, log)
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo.callback(control.close)
        control.settimeout(0)
        scratch = ""
        if wants_scratch:
            scratch = tempfile.mkdtemp(prefix="authgate-", dir=_scratch_place())
            undo.callback(os.rmdir, scratch)
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - this Python, these arguments
                _command(module, theirs.fileno(), scratch),
                env=_EAGER,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        template = TemplateProcess(process, control, scratch)
        undo.pop_all()
    return template, log


_EAGER = {"LD_BIND_NOW": "1"}
"""Symbols are looked up once, in the template: what the first use touches is copied for each call.

The template itself empties its environment before any tool is loaded.
"""


def _scratch_place() -> str | None:
    """Prefer memory to disk: there a folder for each call costs microseconds.

    `TMPDIR` overrides it.
    """
    wanted = "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK | os.X_OK)
    return _MEMORY if wanted else None


def _command(module: str, control: int, scratch: str) -> list[str]:
    paths = [str(Path(path).absolute()) for path in sys.path]
    head = [sys.executable, "-I", "-c", _PROGRAM.replace("{module}", module)]
    return [*head, str(control), scratch, str(os.getpid()), *paths]


def _last_line(log: int) -> str:
    size = os.fstat(log).st_size
    words = os.pread(log, _TAIL, max(0, size - _TAIL)).decode("utf-8", "replace")
    return plain(words.strip().rpartition("\n")[2]) or "it left no message"


def _remove(scratch: str) -> None:
    from authgate_async import _native  # noqa: PLC0415 - this module is imported without it too

    # The wardens of a template that was killed end a moment after it, and take away what is theirs
    # at the same time: whoever finds something gone, or new, has to look again.
    for _ in range(_REMOVALS):
        with contextlib.suppress(OSError):
            _native.sandbox_remove_tree(scratch)
        if not os.path.lexists(scratch):
            return
        time.sleep(_BETWEEN_SECONDS)


_REMOVALS = 100
_BETWEEN_SECONDS = 0.02
