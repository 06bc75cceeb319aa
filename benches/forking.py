"""`python -m benches.forking raw|hooks|warm`: seconds per bare fork and wait of a template.

The process has what a template has: its modules, the tool of `benches.sandbox`, its pages touched,
its memory frozen, but for `warm`. `raw` and `warm` call the C library, as the template does;
`hooks` is `os.fork`, with what Python and its modules do before and after.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from typing import TYPE_CHECKING

import authgate_async.launchers.cells.template  # noqa: F401 - what a template has, and no more
from authgate_async import _native
from authgate_async.launchers import loading
from authgate_async.launchers.body import warm_up
from authgate_async.launchers.protocol import ToolRef

if TYPE_CHECKING:
    from collections.abc import Callable

_SECONDS = 0.3


def main(kind: str) -> None:
    """Measure and print."""
    loading.load(ToolRef("benches.bodies", "four"))
    warm_up()
    gc.collect()
    gc.freeze()
    if kind != "warm":
        _native.sandbox_freeze()
    fork: Callable[[], int] = os.fork if kind == "hooks" else ctypes.PyDLL(None).fork
    for _ in range(20):
        _once(fork)
    count, began = 0, time.perf_counter()
    while time.perf_counter() < began + _SECONDS:
        _once(fork)
        count += 1
    print((time.perf_counter() - began) / count)


def _once(fork: Callable[[], int]) -> None:
    pid = fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main(sys.argv[1])
