"""`authgate doctor`: what this machine has, and what it can enforce."""

from __future__ import annotations

import platform
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from authgate_async.cli.entry import on_loop
from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, table
from authgate_async.launchers.probe import OPTIONAL_LAYERS, probe
from authgate_async.wire import DENIAL_CODES, REFUSAL_CODES

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["run"]


def run(args: Namespace) -> Exit:
    """Tell all facts."""
    facts = _facts()
    if args.json:
        print_json(facts)
    else:
        table("authgate doctor", ("what", "finding"), _rows(facts), stderr=False)
    held = all(
        layer.state != "unavailable" or layer.name in OPTIONAL_LAYERS for layer in facts["sandbox"]
    )
    return Exit.OK if facts["extension"]["ok"] and held else Exit.UNAVAILABLE


def _facts() -> dict[str, Any]:
    loops = {"asyncio": True, "trio": _there("trio"), "uvloop": _there("uvloop")}
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "extension": _extension(),
        "loops": loops,
        "sandbox": on_loop(probe),
    }


def _there(module: str) -> bool:
    return find_spec(module) is not None


def _extension() -> dict[str, Any]:
    """Whether the Rust kernel loads, and denies and refuses by the same codes as `wire` says."""
    try:
        native = import_module("authgate_async._native")
    except ImportError as error:
        remedy = "build it with `make demo`, or ask for --backend python"
        return {"ok": False, "finding": f"cannot be loaded ({error}); {remedy}"}
    same = (tuple(native.DENIAL_CODES), tuple(native.REFUSAL_CODES)) == (
        DENIAL_CODES,
        REFUSAL_CODES,
    )
    finding = "loaded" if same else "is of another version; build it again with `make demo`"
    return {"ok": same, "finding": finding}


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("python", facts["python"]), ("platform", facts["platform"])]
    rows.append(("extension", facts["extension"]["finding"]))
    rows += [(f"loop {name}", "there" if there else "-") for name, there in facts["loops"].items()]
    for layer in facts["sandbox"]:
        finding = f"{layer.state}: {layer.detail}" if layer.detail else layer.state
        rows.append((f"{layer.level} {layer.name}", finding))
    return rows
