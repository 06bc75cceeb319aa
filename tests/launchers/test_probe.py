"""What `authgate doctor` is told about the process level."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.launchers import selfcheck
from authgate_async.launchers.probe import probe
from authgate_async.launchers.process import ProcessLauncher

if TYPE_CHECKING:
    import pytest


async def test_probe() -> None:
    """Every layer of the level is found enforced by a real call; what is open is called off."""
    layers = await probe()
    states = {layer.name: layer.state for layer in layers}
    assert [name for name, state in states.items() if state == "enforced"] == [
        *ProcessLauncher.layers
    ]
    assert states["files"] == states["network"] == "off"


async def test_probe_without_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no call can run, every layer is unavailable and says why."""
    monkeypatch.setattr("sys.executable", "")
    layers = [layer for layer in await probe() if layer.state != "off"]
    assert {layer.state for layer in layers} == {"unavailable"}
    assert all("executable" in layer.detail for layer in layers)


def test_selfcheck_sees_what_is_missing() -> None:
    """Outside a call, the check from the inside finds nothing that would hold it."""
    held = selfcheck.report.invoke(b"{}", ())
    assert b'"no_new_privs":false' in held
    assert b'"memory":false' in held
