"""Plants each fault in a copy of the project and sees the quick run find it.

`python kernel/spec/differential/faults`, after `bash kernel/spec/check`. The exit status is 1 if a
patch no longer applies, does not build, or is not found.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from authgate_async import _native

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
LANGUAGES = ("rust", "python")
_FOUND = re.compile(r"a divergence within (\d+) cases:\n(.*)")


class Copy:
    """The project's files in another folder, with the extension module that this Python has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        listed = _run("git", "ls-files", "-co", "--exclude-standard", at=ROOT).stdout
        for name in listed.splitlines():
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
        (folder / "target").mkdir()
        (folder / "target" / "spec").symlink_to(ROOT / "target" / "spec")
        self.restore()

    def restore(self) -> None:
        """Take the extension as it is without a fault."""
        shutil.copy2(_native.__file__, self._extension)

    @property
    def _extension(self) -> Path:
        return self._folder / "authgate_async" / "_native.abi3.so"

    def patch(self, fault: Path, *options: str) -> None:
        """Apply a fault, or take it out again."""
        _run("git", "apply", *options, str(fault), at=self._folder)

    def build(self) -> None:
        """Build the extension, without optimizing: what counts is what it answers."""
        target = ROOT / "target"
        command = ("cargo", "build", "--locked", "--quiet", "--package", "authgate-native", "--lib")
        features = ("--features", "extension-module", "--target-dir", str(target))
        _run(*command, *features, at=self._folder)
        shutil.copy2(target / "debug" / "lib_native.so", self._extension)

    def compare(self, cases: int) -> str:
        """Run the comparison there; say what it found, empty if nothing."""
        harness = self._folder / "kernel" / "spec" / "differential"
        done = subprocess.run(
            [sys.executable, harness, "--cases", str(cases)],
            env={**os.environ, "PYTHONPATH": str(self._folder)},
            cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = _FOUND.search(done.stdout)
        if done.returncode not in {0, 1} or (done.returncode and not found):
            raise SystemExit(f"faults: the comparison itself failed:\n{done.stderr}")
        return f"within {found[1]:>6} cases  {found[2][:90]}" if found else ""


def _run(*command: str, at: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"faults: `{' '.join(command)}` failed:\n{done.stderr}")
    return done


def main() -> int:
    """Plant one fault after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="rust, python, or parts of patches' names")
    parser.add_argument("--cases", type=int, default=110_000, help="default: %(default)s")
    options = parser.parse_args()
    faults = [path for language in LANGUAGES for path in sorted((HERE / language).glob("*.patch"))]
    if options.only:
        faults = [path for path in faults if any(part in str(path) for part in options.only)]
    with TemporaryDirectory() as folder:
        copy = Copy(Path(folder))
        if odd := copy.compare(1000):
            raise SystemExit(f"faults: the engines differ before anything is planted: {odd}")
        found = [_planted(copy, fault, options.cases) for fault in faults]
    print(f"{sum(found)} of {len(found)} planted faults were found")
    return 0 if all(found) else 1


def _planted(copy: Copy, fault: Path, cases: int) -> bool:
    rust = fault.parent.name == "rust"
    copy.patch(fault)
    if rust:
        copy.build()
    found = copy.compare(cases)
    copy.patch(fault, "--reverse")
    if rust:
        copy.restore()
    print(f"{fault.parent.name:<7}{fault.stem:<42}{found or 'NOT FOUND'}", flush=True)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
