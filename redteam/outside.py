"""What stands outside of a sandbox, and shows when a call has touched it."""

from __future__ import annotations

import os
import secrets
import select
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from redteam.bodies.probes import FILE_BYTES
from redteam.engineers import EscapedError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Outside"]

VARIABLE = "REDTEAM_SECRET"
"""The variable that has the secret, in this process and in the victim's."""


class Outside:
    """Files, sockets and a process; leave it to have them cleared away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = f"SECRET-{secrets.token_hex(16)}"
        self.granted, self.readonly = folder / "granted", folder / "readonly"
        self.hidden, self.dropbox = folder / "hidden", folder / "dropbox"

    def __enter__(self) -> Self:
        os.environ[VARIABLE] = self.secret
        for place in (self.granted, self.readonly, self.dropbox, self.hidden / "room"):
            place.mkdir(parents=True)
        for place in (self.hidden, self.dropbox):
            (place / "secret").write_text(self.secret)
        for path in (self.hidden / "keep.txt", self.readonly / "keep.txt"):
            path.write_text("kept")
        self._plant()
        self._open_fifo()
        self._listen()
        self._victim = subprocess.Popen(
            ["/bin/sleep", "600"], env={VARIABLE: self.secret}, start_new_session=True
        )
        self._victim.send_signal(signal.SIGSTOP)
        os.waitpid(self._victim.pid, os.WUNTRACED)
        self._before = self._seen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        del os.environ[VARIABLE]
        self._victim.kill()
        self._victim.wait()
        os.close(self._fifo)
        for listener in self._listeners:
            listener.close()

    @property
    def at(self) -> dict[str, str]:
        """Where things are: a call is told, so that it need not find out."""
        return {
            "granted": str(self.granted),
            "readonly": str(self.readonly),
            "dropbox": str(self.dropbox),
            "alive": str(self.granted / "alive"),
            "socket": str(self.hidden / "socket"),
            "port": str(self._listeners[0].getsockname()[1]),
            "abstract": self.folder.name,
            "victim": str(self._victim.pid),
            "size": str(len(self.secret)),
            "machine": os.uname().nodename,
        }

    def check(self, got: object) -> None:
        """Look around, given what a call said; raises `EscapedError` with the first thing found."""
        words = str(got)
        if self.secret in words:
            raise EscapedError("a secret came out")
        if "claim: " in words:
            raise EscapedError(words[words.index("claim: ") :][:200])
        if (seen := self._seen()) != self._before:
            raise EscapedError(f"something outside changed: {seen ^ self._before}")
        met, _, _ = select.select(self._listeners, [], [], 0)
        if met:
            raise EscapedError(f"a call talked to {met[0].getsockname()!a}")
        fields = Path(f"/proc/{self._victim.pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] != "T":
            raise EscapedError(f"a process outside was sent a signal; its state is {fields[0]}")
        try:
            os.read(self._fifo, 99)
        except BlockingIOError:
            raise EscapedError("a process of the call is alive") from None
        self._check_granted()

    def _check_granted(self) -> None:
        """Look at what the call left, and clear it away."""
        for path in self.granted.iterdir():
            found = path.lstat()
            if found.st_size > FILE_BYTES or found.st_mode & (stat.S_ISUID | stat.S_ISGID):
                raise EscapedError(f"{path.name} was left: {stat.filemode(found.st_mode)}")
            if path.name == "forked":
                raise EscapedError("a process was started where none may be")
            if path.name != "alive":
                path.unlink()
        self._plant()

    def _plant(self) -> None:
        """Lay the links that lead out; a call may have put something in their place."""
        (self.granted / "link").symlink_to(self.hidden / "secret")
        (self.granted / "out").symlink_to(self.hidden / "keep.txt")
        (self.granted / "room").symlink_to(self.hidden)

    def _open_fifo(self) -> None:
        os.mkfifo(self.granted / "alive")
        self._fifo = os.open(self.granted / "alive", os.O_RDONLY | os.O_NONBLOCK)

    def _listen(self) -> None:
        self._listeners = [socket.create_server(("127.0.0.1", 0))]
        for place in (str(self.hidden / "socket"), "\0" + self.folder.name):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(place)
            listener.listen()
            self._listeners.append(listener)

    def _seen(self) -> frozenset[tuple[object, ...]]:
        found = set()
        for top in (self.hidden, self.readonly):
            for path in (top, *top.rglob("*")):
                status = path.lstat()
                content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
                found.add((str(path), status.st_mode, status.st_mtime_ns, content))
        return frozenset(found)
