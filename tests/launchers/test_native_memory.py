"""The memory of a template is moved into a file, and nobody notices."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PRELUDE = """
import json, mmap, os, re, sys, threading
from authgate_async import _native

def forked(work):
    own, theirs = os.pipe()
    if os.fork() == 0:
        os.write(theirs, json.dumps(work()).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(own, 65536))

def say(**what):
    print(json.dumps(what))
"""


def run(program: str) -> Any:
    """Return what a program says that has a thread of its own, and memory that may be moved."""
    command = (sys.executable, "-c", PRELUDE + program)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nothing_is_lost() -> None:
    """All is where it was, and as it was, small and large; it can be written to as before."""
    said = run("""
small, large = [str(n) * 3 for n in range(200_000)], bytearray(b"0123456789" * 500_000)
before = hash(tuple(small)), hash(bytes(large))
_native.sandbox_freeze()
same = before == (hash(tuple(small)), hash(bytes(large)))
large[0:3] = b"abc"
small += [str(n) for n in range(100_000)]
_native.sandbox_freeze()
say(same=same, head=large[:5].decode(), last=small[-1], sum=sum(map(len, small)))
""")
    count = sum(3 * len(str(n)) for n in range(200_000)) + sum(len(str(n)) for n in range(100_000))
    assert said == {"same": True, "head": "abc34", "last": "99999", "sum": count}


def test_a_child_has_none_of_it_until_it_looks() -> None:
    """A fork copies no table of what was written before, and each child writes to its own copy."""
    said = run("""
def own():
    rollup = open("/proc/self/smaps_rollup").read()
    return sum(int(n) for n in re.findall(r"^(?:Rss|Anonymous): +(\\d+)", rollup, re.M))

def change(what):
    large[0:3] = what
    return large[:5].decode()

large = bytearray(b"0123456789" * 5_000_000)
copied = forked(own)
_native.sandbox_freeze()
shared = forked(own)
say(copied=copied, shared=shared, one=forked(lambda: change(b"abc")),
    two=forked(lambda: large[:5].decode()), ours=large[:5].decode())
""")
    assert said["copied"] > 2 * 50_000_000 // 1024, said
    assert said["shared"] < 50_000_000 // 1024 // 2, said
    assert (said["one"], said["two"], said["ours"]) == ("abc34", "01234", "01234")


def test_what_is_to_be_wiped_in_a_child_is() -> None:
    """Memory with a wish of its own stays as it is."""
    said = run("""
secret = mmap.mmap(-1, 65536, flags=mmap.MAP_PRIVATE)
secret[:6] = b"secret"
secret.madvise(18)  # MADV_WIPEONFORK
_native.sandbox_freeze()
say(ours=secret[:6].decode(), theirs=forked(lambda: secret[:6].hex()))
""")
    assert said == {"ours": "secret", "theirs": "00" * 6}


def test_what_cannot_be_read_stays() -> None:
    """Memory that was taken from everybody is still there when it is given back."""
    said = run("""
import ctypes
kept = mmap.mmap(-1, 65536, flags=mmap.MAP_PRIVATE)
kept[:] = b"kept" * 2**14
at = ctypes.addressof(ctypes.c_char.from_buffer(kept))
protect = ctypes.CDLL(None).mprotect
assert protect(ctypes.c_void_p(at), 65536, 0) == 0
_native.sandbox_freeze()
assert protect(ctypes.c_void_p(at), 65536, 3) == 0
say(kept=kept[:4].decode())
""")
    assert said == {"kept": "kept"}


def test_what_is_hardly_used_stays() -> None:
    """A large mapping of which one page was written to is not copied whole."""
    said = run("""
import ctypes

def start(memory):
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))

def moved(at):
    for line in open("/proc/self/maps"):
        first, end = [int(text, 16) for text in line.split()[0].split("-")]
        if first <= at < end:
            return "memfd:authgate-template" in line

sparse, dense = [mmap.mmap(-1, 1 << 26, flags=mmap.MAP_PRIVATE) for _ in range(2)]
sparse[5:9] = b"kept"
dense[:] = b"d" * (1 << 26)
one, other = start(sparse), start(dense)
ctypes.CDLL(None).mprotect(ctypes.c_void_p(other), 1 << 26, 1)  # or the two would be one mapping
_native.sandbox_freeze()
say(sparse=moved(one), dense=moved(other), kept=sparse[5:9].decode())
""")
    assert said == {"sparse": False, "dense": True, "kept": "kept"}


def test_nobody_can_write_to_the_file() -> None:
    """It has no descriptor, and is sealed against who opens it by its mapping."""
    said = run("""
before = set(os.listdir("/proc/self/fd"))
_native.sandbox_freeze()
after = set(os.listdir("/proc/self/fd"))
found = re.findall(r"^(\\S+) .*memfd:authgate-template", open("/proc/self/maps").read(), re.M)
try:
    file = os.open("/proc/self/map_files/" + found[0], os.O_RDWR)  # root alone may
    os.pwrite(file, b"x", 0)
except PermissionError:
    refused = True
else:
    refused = False
say(found=bool(found), refused=refused, new=len(after) - len(before))
""")
    assert said == {"found": True, "refused": True, "new": 0}


def test_a_second_thread_is_refused() -> None:
    """It might write while memory is moved."""
    said = run("""
end = threading.Event()
thread = threading.Thread(target=end.wait)
thread.start()
try:
    _native.sandbox_freeze()
except OSError as error:
    why = str(error)
end.set()
thread.join()
say(why=why)
""")
    assert said["why"].startswith("[Errno 16] cannot move the memory of a template into a file")
