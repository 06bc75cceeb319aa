"""Files outside the permit: read, written, moved, described, watched."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
from pathlib import Path

from escapes.declare import Target, snippet
from escapes.syscalls import libc, syscall

AT_FDCWD = -100
RENAME_EXCHANGE = 2
F_SETLEASE = 1024
IN_ACCESS = 1


@snippet(proof="secret")
def read_secret(target: Target) -> str:
    """Open a file that everybody may read."""
    return Path(target["secret"]).read_text()


@snippet(proof="secret")
def read_up_from_here(target: Target) -> str:
    """Go up from the working folder, further than there is, and down again."""
    return Path("../" * 40 + target["secret"]).read_text()


@snippet(proof="secret")
def read_up_from_grant(target: Target) -> str:
    """Go up from a descriptor of the granted folder."""
    granted = os.open(target["granted"], os.O_RDONLY | os.O_DIRECTORY)
    above = os.path.relpath(target["secret"], target["granted"])
    return os.read(os.open(above, os.O_RDONLY, dir_fd=granted), 100).decode()


@snippet(proof="secret")
def read_by_path_descriptor(target: Target) -> str:
    """Reach the folder with a descriptor that may only name it, then open below it."""
    folder = os.open(target["outside"], os.O_PATH)
    return os.read(os.open("secret", os.O_RDONLY, dir_fd=folder), 100).decode()


@snippet(proof="secret")
def read_by_inherited_descriptor(target: Target) -> str:
    """Try every descriptor that was left open as the start of a path."""
    below = Path(target["secret"]).relative_to("/")
    for fd in range(256):
        for path in ("secret", f"{'../' * 40}{below}"):
            with contextlib.suppress(OSError):
                return os.read(os.open(path, os.O_RDONLY, dir_fd=fd), 100).decode()
    return ""


@snippet(proof="secret", root=True)
def read_by_handle(target: Target) -> str:
    """Open the file by its handle, as if it was guessed, through a granted folder's mount."""
    kind, content = target["handle"]
    data = bytes.fromhex(content)
    handle = len(data).to_bytes(4, "little") + kind.to_bytes(4, "little", signed=True) + data
    mount = os.open(target["granted"], os.O_RDONLY)
    return os.read(syscall("open_by_handle_at", mount, handle, os.O_RDONLY), 100).decode()


@snippet(proof="secret", root=True)
def read_by_chroot(target: Target) -> str:
    """Leave the root: change it to a folder below, with a descriptor from above at hand."""
    above = os.open("/", os.O_RDONLY)
    os.mkdir("below")
    os.chroot("below")
    os.fchdir(above)
    for _ in range(40):
        os.chdir("..")
    return Path("." + target["secret"]).read_text()


@snippet(proof="file")
def write_outside(target: Target) -> str:
    """Make a file outside."""
    Path(target["outside"], "planted").write_text("x")
    return ""


@snippet(proof="file")
def write_in_place(target: Target) -> str:
    """Overwrite a file outside."""
    Path(target["outside"], "keep.txt").write_text("overwritten")
    return ""


@snippet(proof="file")
def write_what_may_be_read(target: Target) -> str:
    """Overwrite a file in a folder that was granted for reading."""
    Path(target["readonly"], "keep.txt").write_text("overwritten")
    return ""


@snippet(proof="file")
def make_in_what_may_be_read(target: Target) -> str:
    """Make a folder in a folder that was granted for reading."""
    os.mkdir(f"{target['readonly']}/planted")
    return ""


@snippet(proof="file")
def remove_in_what_may_be_read(target: Target) -> str:
    """Remove a file from a folder that was granted for reading."""
    os.unlink(f"{target['readonly']}/keep.txt")
    return ""


@snippet(proof="file")
def change_mode_of_what_may_be_read(target: Target) -> str:
    """Change the mode of a file that was granted for reading: no opening for writing is needed."""
    os.chmod(f"{target['readonly']}/keep.txt", 0o777)
    return ""


@snippet(proof="file")
def change_times_of_what_may_be_read(target: Target) -> str:
    """Change the times of a file that was granted for reading."""
    os.utime(f"{target['readonly']}/keep.txt", (1, 1))
    return ""


@snippet(proof="file")
def reopen_for_writing(target: Target) -> str:
    """Open for reading what may be read, then the same descriptor again for writing."""
    fd = os.open(f"{target['readonly']}/keep.txt", os.O_RDONLY)
    os.write(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_TRUNC), b"overwritten")
    return ""


@snippet(proof="file")
def remove_outside(target: Target) -> str:
    """Remove a file outside."""
    os.unlink(f"{target['outside']}/keep.txt")
    return ""


@snippet(proof="file")
def plant_in_library(target: Target) -> str:
    """Leave a module where the next start of Python finds it."""
    Path(target["library"], "sitecustomize.py").write_text("raise SystemExit('owned')")
    return ""


@snippet(proof="claim", root=True)
def change_python(target: Target) -> str:
    """Open the standard library for writing; nothing is written."""
    del target
    assert os.__file__
    os.close(os.open(os.__file__, os.O_WRONLY | os.O_APPEND))
    return f"{os.__file__} is open for writing"


@snippet(proof="file")
def move_out(target: Target) -> str:
    """Move a granted file over one outside."""
    os.rename(f"{target['granted']}/data.txt", f"{target['outside']}/keep.txt")
    return ""


@snippet(proof="secret")
def move_in(target: Target) -> str:
    """Move the secret into the granted folder and read it there."""
    moved = f"{target['granted']}/moved"
    os.rename(target["secret"], moved)
    return Path(moved).read_text()


@snippet(proof="secret")
def exchange_folders(target: Target) -> str:
    """Exchange a granted folder with one outside, in one step."""
    inner, room = f"{target['granted']}/inner", f"{target['outside']}/room"
    syscall(
        *("renameat2", AT_FDCWD, inner.encode(), AT_FDCWD, room.encode(), RENAME_EXCHANGE),
    )
    return Path(inner, "secret").read_text()


@snippet(proof="file")
def write_more_than_a_file_may_hold(target: Target) -> str:
    """Make a granted file larger than the limit, without writing to it."""
    os.truncate(f"{target['granted']}/data.txt", 2**30)
    return ""


@snippet(proof="claim")
def describe_outside(target: Target) -> str:
    """Ask for size and times of a file outside."""
    found = os.stat(target["secret"])
    return f"{found.st_size} bytes, {found.st_mtime_ns}"


@snippet(proof="claim")
def list_outside(target: Target) -> str:
    """List a folder outside."""
    return " ".join(os.listdir(target["outside"]))


@snippet(proof="claim")
def list_beside(target: Target) -> str:
    """List the folder that holds the granted one: what else is there?"""
    names = set(os.listdir(os.path.dirname(target["granted"])))
    return " ".join(sorted(names - {"granted", "readonly"}))


@snippet(proof="claim")
def read_about_machine(target: Target) -> str:
    """Read what says whose machine this is."""
    del target
    found = []
    for path in ("/etc/passwd", "/etc/shadow", "/etc/hostname", "/etc/machine-id", "/etc/hosts"):
        with contextlib.suppress(OSError):
            found.append(f"{path}: {len(Path(path).read_bytes())} bytes")
    return ", ".join(found)


@snippet(proof="claim")
def watch_outside(target: Target) -> str:
    """Be told whenever somebody reads a file outside."""
    fd = syscall("inotify_init1", 0)
    watch = syscall("inotify_add_watch", fd, target["secret"].encode(), IN_ACCESS)
    return f"watch {watch}"


@snippet(proof="claim")
def hold_file_hostage(target: Target) -> str:
    """Take a lease on a file that may be read: whoever opens it outside then waits for us."""
    fd = os.open(f"{target['readonly']}/keep.txt", os.O_RDONLY)
    return f"lease {fcntl.fcntl(fd, F_SETLEASE, fcntl.F_WRLCK)}"


@snippet(proof="connection")
def write_to_fifo(target: Target) -> str:
    """Write into a FIFO outside, which somebody reads."""
    os.write(os.open(f"{target['outside']}/queue", os.O_WRONLY | os.O_NONBLOCK), b"hello")
    return ""


@snippet(proof="file")
def spoil_by_extended_attribute(target: Target) -> str:
    """Change the owner's group and the flags of a file that was granted for reading."""
    path = f"{target['readonly']}/keep.txt".encode()
    libc.chmod(path, 0o600)
    libc.setxattr(path, b"user.owned", ctypes.c_char_p(b"x"), 1, 0)
    return ""
