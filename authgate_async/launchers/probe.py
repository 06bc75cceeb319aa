"""What this machine can enforce at each level, found out by running calls."""

from __future__ import annotations

from typing import Literal

import msgspec

from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import LAYERS, Call, LayerName, Level
from authgate_async.launchers.selfcheck import LIMITS, REPORT

__all__ = ["OPTIONAL_LAYERS", "Layer", "probe"]

OPTIONAL_LAYERS = LAYERS[20:]
"""What a jail can be without, unless a policy requires it."""

_REMEDIES: dict[LayerName, str] = {
    "tasks": (
        "takes Linux 6.14, or the layer `cgroup`; the processes of a call are counted every 5 ms "
        "all the same"
    ),
    "landlock_scope": "takes Linux 6.12; namespaces and the filter of system calls hold the same",
}
_PROCESS_DETAILS: dict[LayerName, str] = {
    "capabilities": "none but those about files",
    "memory": "address space of each process",
    "processes": "watched every 5 ms, since the system does not bind root",
    "tree_kill": "orphans come back to a warden, which ends them all",
}
_JAIL_DETAILS: dict[LayerName, str] = {
    "memory": "address space of each process",
    "tree_kill": "the first process of a pid namespace takes all others with it",
    "private_folder": "in memory, gone with the call",
    "seccomp": "an allow-list for Python, a deny-list for programs",
    "cgroup": "memory and tasks of a call in all, and its end at one blow",
}


class Layer(msgspec.Struct, frozen=True):
    """One thing that holds a body: whether it does on this machine, and a sentence about it.

    `off` is what a level does not try.
    """

    level: Level
    name: LayerName
    state: Literal["enforced", "unavailable", "off"]
    detail: str = ""


async def probe() -> list[Layer]:
    """Return every layer at level `jail`, then at level `process`.

    A layer counts as enforced only if a real call found it from the inside, as far as it can be
    seen from there.
    """
    jail = JailLauncher(tools=[REPORT], processes=1)
    process = ProcessLauncher(processes=1)
    return [
        *await _probe(jail, _JAIL_DETAILS, LAYERS, jail.lacking),
        *await _probe(process, _PROCESS_DETAILS, process.layers, {}),
    ]


async def _probe(
    launcher: JailLauncher | ProcessLauncher,
    details: dict[LayerName, str],
    tried: tuple[LayerName, ...],
    lacking: dict[LayerName, str],
) -> list[Layer]:
    held: dict[str, bool] = {}
    try:
        async with launcher:
            ended = await launcher.launch(Call("probe", REPORT, b"{}", limits=LIMITS))
    except SandboxUnavailableError as error:
        reason = str(error)
    else:
        held = msgspec.json.decode(ended.result) if ended.cause == "returned" else {}
        reason = ended.error or "a call did not find it"
    layers = []
    for name in LAYERS:
        if name not in tried:
            layers.append(Layer(launcher.level, name, "off", "only a jail has it"))
        # What the runtime does itself works wherever a call returns.
        elif held and name in launcher.layers and held.get(name, True):
            layers.append(Layer(launcher.level, name, "enforced", details.get(name, "")))
        else:
            why = (_REMEDIES | lacking).get(name, reason) if held else reason
            layers.append(Layer(launcher.level, name, "unavailable", why))
    return layers
