"""What this machine can enforce at the `process` level, found out by running a call."""

from __future__ import annotations

from typing import Literal

import msgspec

from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import Call
from authgate_async.launchers.selfcheck import LIMITS, REPORT

__all__ = ["Layer", "probe"]

_DETAILS = {
    "capabilities": "none but those about files",
    "memory": "address space of each process",
    "processes": "watched every 5 ms, since the system does not bind root",
    "tree_kill": "orphans come back to a warden, which ends them all",
}
_OFF = {
    "files": "a body reaches every file that this user may",
    "network": "a body reaches the network as this user",
}


class Layer(msgspec.Struct, frozen=True):
    """One thing that holds a body: whether it does on this machine, and a sentence about it."""

    name: str
    state: Literal["enforced", "unavailable", "off"]
    detail: str = ""


async def probe() -> list[Layer]:
    """Return every layer of the level, in its order, then what the level leaves open.

    A layer counts as enforced only if a real call found it from the inside.
    """
    call = Call("probe", REPORT, b"{}", limits=LIMITS)
    try:
        async with ProcessLauncher(processes=1) as launcher:
            ended = await launcher.launch(call)
    except SandboxUnavailableError as error:
        held: dict[str, bool] = {}
        reason = str(error)
    else:
        held = msgspec.json.decode(ended.result) if ended.cause == "returned" else {}
        reason = ended.error or "a call did not find it"
    layers = [_layer(name, held, reason) for name in ProcessLauncher.layers]
    return layers + [Layer(name, "off", why) for name, why in _OFF.items()]


def _layer(name: str, held: dict[str, bool], reason: str) -> Layer:
    if held and held.get(name, True):  # what the runtime does itself works wherever a call returns
        return Layer(name, "enforced", _DETAILS.get(name, ""))
    return Layer(name, "unavailable", reason)
