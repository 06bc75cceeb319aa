"""What `authgate doctor` is told about the levels that confine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.launchers import selfcheck
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.probe import probe
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import LAYERS

if TYPE_CHECKING:
    import pytest


async def test_probe() -> None:
    """A real call finds every layer that its launcher claims; what it does not try is off."""
    layers = await probe()
    async with JailLauncher() as jail:
        claimed = {"jail": jail.layers, "process": ProcessLauncher.layers}
    for level, names in claimed.items():
        found = [layer for layer in layers if layer.level == level]
        assert [layer.name for layer in found if layer.state == "enforced"] == [*names]
    assert {layer.name for layer in layers if layer.state == "off"} == {*LAYERS[12:]}


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
