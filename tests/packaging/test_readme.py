"""The README's first program does what the README says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_the_ten_lines_print_what_they_promise(tmp_path: Path, loop: str) -> None:
    """Copied from the page and run in an empty folder, on both loops."""
    block = re.search(r"```python\n(import anyio\n.*?)```", README.read_text(), re.DOTALL)
    assert block
    text = block[1].replace("anyio.run(main)", f'anyio.run(main, backend="{loop}")')
    (tmp_path / "ten.py").write_text(text)
    command = [sys.executable, "ten.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, text=True)

    assert done.stdout == "done 42\n", done.stderr[-1000:]
    assert (tmp_path / "authgate-log" / "log.jsonl").exists()
