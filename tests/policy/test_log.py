"""The `[log]` table of a policy file: how the log is divided, and what is removed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate_async.errors import PolicyError
from authgate_async.log.rotation import MIN_BYTES, Rotation
from authgate_async.policy import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str], Path]


def test_what_is_not_said_is_left_to_the_runtime(write: Write) -> None:
    """Only what the file sets is there, by the names of `Rotation`."""
    assert load(write("")).log == {}
    policy = load(write("[log]\nfile_bytes = 65536\nkeep_seconds = 0\n"))
    assert policy.log == {"file_bytes": MIN_BYTES, "keep_seconds": 0}
    assert Rotation(**policy.log).keep_seconds == 0
    assert load(write("[log]\nfile_seconds = 60\n")).log == {"file_seconds": 60}


@pytest.mark.parametrize(
    "line",
    [
        "file_bytes = 65535",
        "file_bytes = true",
        "file_seconds = 0",
        "file_seconds = 1.5",
        "keep_seconds = -1",
        'keep_seconds = "never"',
        "size = 1",
    ],
)
def test_nonsense_is_told_with_its_line(write: Write, line: str) -> None:
    """Keys, types and ranges are checked."""
    with pytest.raises(PolicyError, match=rf":2: .*{line.split(maxsplit=1)[0]}"):
        load(write(f"[log]\n{line}\n"))
