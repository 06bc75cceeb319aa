"""The wheel holds what git holds, and nothing else at its top."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Return the file list of the one wheel that the set-up built."""
    wheels = list((ROOT / "target" / "wheels").glob("authgate_async-*.whl"))
    assert len(wheels) == 1, "build the wheel first: `make setup`"
    with zipfile.ZipFile(wheels[0]) as wheel:
        return wheel.namelist()


def test_the_wheel_holds_every_file_of_the_package(names: list[str]) -> None:
    """Each tracked file of the package is in it; beyond them only the native module."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "authgate_async"], cwd=ROOT, capture_output=True, check=True
    )
    tracked = {name for name in listed.stdout.decode().split("\0") if name}
    packed = {name for name in names if not name.startswith("authgate_async-")}

    assert tracked <= packed
    assert [name for name in packed - tracked if not name.endswith((".so", ".pyd"))] == []
    assert len(packed - tracked) == 1


def test_the_wheel_installs_one_import_name(names: list[str]) -> None:
    """At its top are the package and its metadata."""
    tops = {name.split("/")[0].split("-")[0] for name in names}

    assert tops == {"authgate_async"}


def test_one_wheel_serves_every_python() -> None:
    """It is abi3 from 3.11 on."""
    wheels = list((ROOT / "target" / "wheels").glob("authgate_async-*.whl"))

    assert "-cp311-abi3-" in wheels[0].name


def test_the_link_at_the_top_leads_to_the_actors() -> None:
    """`actors` stands beside the other parts and is the package's own folder."""
    assert (ROOT / "actors").resolve() == ROOT / "authgate_async" / "actors"
