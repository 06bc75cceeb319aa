"""What a user imports: sorted, complete, and light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import authgate_async


def test_the_public_names_are_sorted_and_complete() -> None:
    """`__all__` is what the package exposes, in order."""
    assert sorted(authgate_async._HOMES) == authgate_async.__all__


@pytest.mark.parametrize("name", authgate_async.__all__)
def test_each_public_name_is_there_and_documented(name: str) -> None:
    """Every public name resolves and says what it promises."""
    assert getattr(authgate_async, name).__doc__


def test_what_is_not_public_is_not_there() -> None:
    """A name that is not exported is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="no attribute `nonsense`"):
        authgate_async.nonsense  # noqa: B018 - reading it is the test


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("authgate_async", ("anyio", "msgspec", "cryptography", "structlog", "rich")),
        ("authgate_async.tools", ("anyio", "asyncio", "trio", "cryptography", "structlog", "rich")),
        ("authgate_async.cli", ("anyio", "cryptography", "structlog", "rich")),
    ],
)
def test_importing_is_light(module: str, absent: tuple[str, ...]) -> None:
    """Importing a door does not import the house behind it."""
    code = f"import sys, {module}; print([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)

    assert done.stdout.decode().strip() == "[]"
