"""The kernel through Python: signed decisions in batches of 256, and what a grant occupies.

Ours encodes the actions, has them decided and signed, and decodes every verdict with its proof.
The rivals decide one resource with one bounded argument too: tenuo signs and authorizes call after
call, cedarpy is asked a batch and signs nothing. Registries of ours have 100 grants (ten times
cedarpy's rules) where nothing else is said, each with that bound. `grants_1m_vs_100` and
`depth_8_vs_1` say how many times slower it gets; the last two lines are bytes of a process's
memory for each of a million grants, without and with a budget and constraints of its own. No agent
of the million asks twice in a round: what is looked up is spread over the whole registry.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from authgate_async.wire import SignedVerdict, Verdict
from benches.registry import MILLION, RESOURCES, actions, filled
from benches.rivals import decisions
from benches.table import Subject, arguments, measure, ratios, show, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate_async.backends import Kernel
    from authgate_async.wire import Action

BATCH = 256
BATCHES = 8
FEW = 100
DEEP = 8

_encode = msgspec.msgpack.Encoder().encode
_signed = msgspec.msgpack.Decoder(list[SignedVerdict]).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode


def decide(kernel: Kernel, batches: Sequence[Sequence[Action]]) -> float:
    """Return seconds per decision."""
    began = time.perf_counter()
    for batch in batches:
        answer = _signed(kernel.decide(_encode(batch), 1_000, os.urandom(32)))
        assert all(_verdict(signed.verdict).permitted for signed in answer)
    return (time.perf_counter() - began) / (BATCHES * BATCH)


def ours() -> list[Subject]:
    """Return our registries."""
    version = version_of("authgate_async")
    sizes = {
        f"{FEW} grants": (FEW, 1),
        "1,000,000 grants": (MILLION, 1),
        f"{FEW} grants, {DEEP} links each": (FEW, DEEP),
    }
    return [
        Subject(name, version, partial(decide, filled(grants, depth=depth), _asked(grants)))
        for name, (grants, depth) in sizes.items()
    ]


def _asked(grants: int) -> list[list[Action]]:
    asked = actions(grants // RESOURCES, BATCHES * BATCH)
    return [asked[begin : begin + BATCH] for begin in range(0, len(asked), BATCH)]


def bytes_a_grant(kind: str) -> float:
    """Return what a grant adds to a process that does nothing else."""
    command = (sys.executable, "-m", "benches.registry", kind)
    folder = Path(__file__).parents[1]
    return float(subprocess.check_output(command, cwd=folder))  # noqa: S603 - this Python, ours


_RATIOS = {
    "decision_vs_tenuo": ("tenuo, sign and authorize", "100 grants"),
    "decision_vs_cedarpy": ("cedarpy, 10 rules", "100 grants"),
    "grants_1m_vs_100": ("1,000,000 grants", "100 grants"),
    "depth_8_vs_1": ("100 grants, 8 links each", "100 grants"),
}


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    memory = {f"bytes_a_grant_{kind}": bytes_a_grant(kind) for kind in ("plain", "full")}
    rows = measure([*ours(), *decisions.found(BATCH)], options.rounds)
    show("One decision", rows, ratios(rows, _RATIOS) | memory, as_json=options.json)


if __name__ == "__main__":
    main()
