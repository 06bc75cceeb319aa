"""The world outside a call: files, listeners, a victim, a terminal; and what was done to them.

`World.evidence` is what is believed: it looks at everything after each snippet, whatever the
snippet was after. Each snippet gets a world of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import secrets
import select
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from escapes.syscalls import libc, syscall

if TYPE_CHECKING:
    from escapes.declare import Proof, Target

__all__ = ["SECRET", "World", "poked"]

SECRET = os.environ.get("ESCAPES_TOKEN", "SECRET-" + "0" * 32)
"""In the environment of whoever wants the calls done, in files, in the victim: never in a call."""

AT_FDCWD = -100
IPC_CREAT = 0o1000
IPC_RMID = 0
OWN_KEY = 5
"""Beside the key that a snippet is told: that of a segment outside."""
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run")
ENV_START = 49
PLANTED = ("alive", "away", "datagram", "inner", "link", "out", "room", "socket")
"""What lies in the granted folder from the start and is no plain file; `inner` and `away` may be
exchanged, and that gives nobody anything."""

_numbers = itertools.count()
poked: list[int] = []
"""The signals that this process got from a call; `harness.main` fills it."""


class World:
    """What stands outside for one snippet. Leave it to have it cleared away."""

    def __init__(self, base: Path, file_bytes: int) -> None:
        self.folder = base / f"world{next(_numbers)}"
        self.library = base / "library"
        self.token = "esc" + secrets.token_hex(5)
        self.key = int(self.token[3:], 16) & 0x7FFFFFF0
        self.sibling = "SIBLING-" + secrets.token_hex(16)
        self._file_bytes = file_bytes
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Build it up."""
        self._undo.callback(self._clear)
        self._lay_out()
        self._handle = _handle(str(self.folder / "outside/secret"))
        self.fifo = self._open_fifo("granted/alive")
        self._queue = self._open_fifo("outside/queue")
        self._undo.callback(self._kill_all)
        self._listen()
        self._raise_victim()
        self._forget_descriptor()
        self._share_memory()
        self._master, slave = os.openpty()
        self._terminal = os.ttyname(slave)
        self._undo.callback(os.close, slave)
        self._undo.callback(os.close, self._master)
        self._before = self._machine()
        self._files = self._snapshot()
        poked.clear()
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Clear it away, and whatever a snippet has left."""
        self._undo.close()

    def target(self, turn: int = 0) -> Target:
        """Return what a snippet is told of it; `turn` is 0 for one that has no turns."""
        at = {name: str(self.folder / name) for name in ("outside", "granted", "readonly")}
        return {
            "secret": at["outside"] + "/secret",
            "outside": at["outside"],
            "granted": at["granted"],
            "readonly": at["readonly"],
            "alive": at["granted"] + "/alive",
            "library": str(self.library),
            "handle": self._handle,
            "tcp4": self._ports[0],
            "tcp6": self._ports[1],
            "udp4": self._ports[2],
            "free_port": self._ports[3],
            "unix_outside": at["outside"] + "/socket",
            "unix_granted": at["granted"] + "/socket",
            "datagram_granted": at["granted"] + "/datagram",
            "abstract": self.token + "-stream",
            "abstract_datagram": self.token + "-datagram",
            "victim": self._victim.pid,
            "victim_address": self._address,
            "runtime": os.getpid(),
            "terminal": self._terminal,
            "turn": turn,
            "sibling": self.sibling if turn == 1 else "",
            "token": self.token,
            "key": self.key,
            "segment": self.key + OWN_KEY,
            "machine": os.uname().nodename,
            "name": self.token,
        }

    def evidence(self) -> dict[Proof, str]:
        """Return what shows that a snippet got out, by kind; empty if it did not."""
        found: dict[Proof, str] = {}
        if changed := self._changed_files():
            found["file"] = changed
        if met := self._connections():
            found["connection"] = met
        if alive := self._alive():
            found["process"] = alive
        if poked or self._victim_now() != self._victim_before:
            found["victim"] = f"{poked or self._victim_now()}"
        if select.select([self._master], [], [], 0)[0]:
            found["terminal"] = repr(os.read(self._master, 100))
        if left := [str(path) for path in self._leftovers()]:
            found["leftover"] = " ".join(left)
        if self._machine() != self._before:
            found["machine"] = " ".join(self._machine())
        return found

    # Files

    def _lay_out(self) -> None:
        outside, granted, readonly = (
            self.folder / name for name in ("outside", "granted", "readonly")
        )
        for folder in (outside / "room", granted / "inner", readonly, self.folder / "scratch"):
            folder.mkdir(parents=True)
        self.library.mkdir(exist_ok=True)
        for path in (outside / "secret", outside / "room/secret"):
            path.write_text(SECRET)
        for path in (outside / "keep.txt", readonly / "keep.txt", granted / "data.txt"):
            path.write_text("kept")
        for path in self.folder.rglob("*"):  # nothing but the jail is to stand in the way
            path.chmod(0o777 if path.is_dir() else 0o666)
        (granted / "link").symlink_to(outside / "secret")
        (granted / "out").symlink_to(outside / "keep.txt")
        (granted / "room").symlink_to(outside)
        (granted / "away").symlink_to(outside / "room")
        self._planted = {granted / name for name in PLANTED}

    def _open_fifo(self, name: str) -> int:
        os.mkfifo(self.folder / name)
        fd = os.open(self.folder / name, os.O_RDONLY | os.O_NONBLOCK)
        self._undo.callback(os.close, fd)
        return fd

    def _forget_descriptor(self) -> None:
        """Leave a descriptor open that every program inherits which is started carelessly."""
        fd = os.open(self.folder / "outside", os.O_RDONLY)
        os.set_inheritable(fd, True)
        self._undo.callback(os.close, fd)

    def _share_memory(self) -> None:
        """Put the secret into a System V segment that everybody may read."""
        identity = syscall("shmget", self.key + OWN_KEY, 4096, IPC_CREAT | 0o666)
        libc.shmat.restype = ctypes.c_void_p
        place = libc.shmat(identity, None, 0)
        ctypes.memmove(place, SECRET.encode(), len(SECRET))
        libc.shmdt(ctypes.c_void_p(place))

    def _snapshot(self) -> dict[str, tuple[object, ...]]:
        found = {}
        for top in (self.folder / "outside", self.folder / "readonly", self.library):
            for path in (top, *top.rglob("*")):
                seen = path.lstat()
                content = path.read_bytes() if stat.S_ISREG(seen.st_mode) else b""
                found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_mtime_ns, content)
        return found

    def _changed_files(self) -> str:
        now = self._snapshot()
        changed = {path for path, _ in now.items() ^ self._files.items()}
        for path in (self.folder / "granted").rglob("*"):
            seen = path.lstat()
            plain = stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)
            privileged = seen.st_mode & (stat.S_ISUID | stat.S_ISGID)
            special = not plain and path not in self._planted
            if privileged or special or seen.st_size > self._file_bytes:
                changed.add(f"{path}: {stat.filemode(seen.st_mode)}, {seen.st_size} bytes")
        return " ".join(sorted(changed))

    def _leftovers(self) -> list[Path]:
        return [
            path
            for place in SHARED
            if os.access(place, os.R_OK)
            for path in Path(place).iterdir()
            if self.token in path.name
        ]

    # Listeners

    def _listen(self) -> None:
        self._listeners = [
            self._listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            self._listener(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
            self._listener(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        ]
        self._ports = [sock.getsockname()[1] for sock in self._listeners]
        with socket.create_server(("127.0.0.1", 0)) as unused:
            self._ports.append(unused.getsockname()[1])
        kinds = {"stream": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM}
        for name, kind in kinds.items():
            place = f"\0{self.token}-{name}"
            self._listeners.append(self._listener(socket.AF_UNIX, kind, place))
        for name in ("outside/socket", "granted/socket", "granted/datagram"):
            kind = socket.SOCK_DGRAM if name.endswith("datagram") else socket.SOCK_STREAM
            place = str(self.folder / name)
            self._listeners.append(self._listener(socket.AF_UNIX, kind, place))

    def _listener(self, family: int, kind: int, place: object) -> socket.socket:
        sock = socket.socket(family, kind)
        self._undo.callback(sock.close)
        sock.bind(place)  # type: ignore[arg-type]
        if kind == socket.SOCK_STREAM:
            sock.listen()
        sock.setblocking(False)
        return sock

    def _connections(self) -> str:
        readable, _, _ = select.select([self._queue, *self._listeners], [], [], 0)
        met = [str(one.getsockname()) for one in readable if isinstance(one, socket.socket)]
        if self._queue in readable and os.read(self._queue, 1):
            met.append("queue")
        return " ".join(met)

    # Processes

    def _raise_victim(self) -> None:
        """Start a process that is stopped: then a signal of any kind shows in its state."""
        with (self.folder / "gone").open("w+") as file:
            file.write(SECRET)
            file.flush()
            file.seek(0)
            self._victim = subprocess.Popen(
                ["/bin/sleep", "600"],
                env={"TOKEN": SECRET},
                stdin=file,
                cwd=self.folder / "outside",
                start_new_session=True,
            )
        (self.folder / "gone").unlink()
        self._undo.callback(self._end_victim)
        self._victim.send_signal(signal.SIGSTOP)
        os.waitpid(self._victim.pid, os.WUNTRACED)
        fields = Path(f"/proc/{self._victim.pid}/stat").read_text().rpartition(")")[2].split()
        self._address = int(fields[ENV_START - 2])
        self._victim_before = self._victim_now()

    def _end_victim(self) -> None:
        self._victim.kill()
        self._victim.wait()

    def _victim_now(self) -> list[str]:
        """Return state, priority, limits and the start of the environment of the victim."""
        folder = Path(f"/proc/{self._victim.pid}")
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z":
            return ["dead"]
        memory = (folder / "environ").read_bytes()
        return [fields[0], fields[16], (folder / "limits").read_text(), memory.hex()]

    def _alive(self) -> str:
        """Return who lives that was part of a call: by its name, or because it holds the FIFO."""
        found = [str(pid) for pid in self.named()]
        while True:
            try:
                data = os.read(self.fifo, 4096)
            except BlockingIOError:
                return " ".join([*found, "holds the FIFO"])
            if not data:
                return " ".join(found)

    def ready(self) -> bool:
        """Say whether a turn has marked that it is ready; reads nothing."""
        return bool(select.select([self.fifo], [], [], 0)[0])

    def named(self) -> list[int]:
        """Return the processes with the call's name that are not dead."""
        found = []
        for pid in _processes():
            with contextlib.suppress(OSError):
                path = Path("/proc", pid, "stat")
                name, state = re.match(r"\d+ \((.*)\) (.)", path.read_text()).groups()  # type: ignore[union-attr]
                if name == self.token and state not in "ZX":
                    found.append(int(pid))
        return found

    def _kill_all(self) -> None:
        """Kill what is left of the calls; those that hold the FIFO under another name too."""
        (self.folder / "granted/alive").unlink(missing_ok=True)  # what runs away sees it
        for _ in range(1000):
            pids = set(self.named())
            if (holders := self._alive()) and not pids:
                pids = self._holders()
            if not pids and not holders:
                return
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def _holders(self) -> set[int]:
        found = set()
        fifo = str(self.folder / "granted/alive") + " (deleted)"
        for pid in _processes():
            with contextlib.suppress(OSError):
                held = [path.readlink() for path in Path("/proc", pid, "fd").iterdir()]
                if Path(fifo) in held and int(pid) != os.getpid():
                    found.add(int(pid))
        return found

    # The machine

    def _machine(self) -> tuple[str, str]:
        return os.uname().nodename, Path("/proc/sys/kernel/domainname").read_text()

    def _clear(self) -> None:
        for number in range(OWN_KEY + 1):
            with contextlib.suppress(OSError):
                syscall("shmctl", syscall("shmget", self.key + number, 0, 0), IPC_RMID, None)
        with contextlib.suppress(OSError):
            syscall("mq_unlink", self.token.encode())
        for path in self._leftovers():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.library.iterdir():
            path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


def _processes() -> list[str]:
    """List the numbers of all processes; any may be gone when it is looked at."""
    return [name for name in os.listdir("/proc") if name.isdigit()]


def _handle(path: str) -> tuple[int, str]:
    """Return type and bytes of a file's handle (`name_to_handle_at(2)`)."""
    buffer = ctypes.create_string_buffer((128).to_bytes(4, "little"), 136)
    mount = ctypes.c_int()
    syscall("name_to_handle_at", AT_FDCWD, path.encode(), buffer, mount, 0)
    length = int.from_bytes(buffer.raw[:4], "little")
    kind = int.from_bytes(buffer.raw[4:8], "little", signed=True)
    return kind, buffer.raw[8 : 8 + length].hex()
