"""What all tests share: the event loops, a scrubbed environment, and a watch over blocking calls.

It stands at the root, above `tests/` and `redteam/`, so that both inherit one set of fixtures.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - the suite picks the loops
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = ("CARGO", "COVERAGE", "HOME", "LANG", "PATH", "PYTEST", "RUSTUP", "SYSTEMROOT", "TMPDIR")
"""Prefixes of the variables that the tools below the tests need; nothing else reaches a test."""

# The same examples each time, and none fails for being slow: a busy machine is no defect.
settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")

Backend = tuple[str, dict[str, Any]]


def loops() -> dict[str, Backend]:
    """Every event loop that this Python has, by name, as anyio's plugin takes them."""
    found: dict[str, Backend] = {
        "asyncio": ("asyncio", {"debug": True}),
        "trio": ("trio", {}),
    }
    if sys.version_info >= (3, 12):

        def eager() -> asyncio.AbstractEventLoop:
            loop = asyncio.new_event_loop()
            loop.set_task_factory(asyncio.eager_task_factory)
            return loop

        found["asyncio+eager"] = ("asyncio", {"debug": True, "loop_factory": eager})
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - not there on Windows

        found["asyncio+uvloop"] = ("asyncio", {"loop_factory": uvloop.new_event_loop})
    return found


@pytest.fixture(
    scope="module", params=[pytest.param(loop, id=name) for name, loop in sorted(loops().items())]
)
def anyio_backend(request: pytest.FixtureRequest) -> Backend:
    """Run the test on each event loop; override it in a file for virtual time."""
    backend: Backend = request.param
    return backend


@pytest.fixture(scope="session", autouse=True)
def _scrubbed_environment() -> Iterator[None]:
    """Keep the variables of whoever runs the suite out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if not name.startswith(KEPT):
                patch.delenv(name)
        patch.setenv("TZ", "UTC")
        # Programs that the tests start import the installed package, not the folder they start in.
        patch.setenv("PYTHONSAFEPATH", "1")
        patch.setenv("TERM", "dumb")
        patch.setenv("COLUMNS", "100")
        yield


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail a test in which code of the package blocks the loop (asyncio; trio has no such hook).

    A test that means to block says so: `blockbuster.deactivate()`, or
    `blockbuster.functions["os.stat"].can_block_in("FILE", "FUNCTION")`.
    """
    with blockbuster_ctx("authgate_async") as watch:
        yield watch
