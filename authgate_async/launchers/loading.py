"""Finding a tool by its reference, in a process that has never seen it."""

from __future__ import annotations

import gc
import importlib
import importlib.machinery
import importlib.util
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import ModuleType

    from authgate_async.launchers.protocol import Folder, ToolRef

__all__ = ["SCRIPT_NAME", "Invocable", "inside", "load"]

SCRIPT_NAME = "__authgate_main__"
"""A script's `__name__` here: not `__main__`, so that a guarded start does not start again."""


inside = False
"""Whether this process is a template, or a call that one has forked."""


class Invocable(Protocol):
    """What a module must hold under a tool's name; `authgate_async.tools.Tool` does."""

    def invoke(self, args: bytes, folders: tuple[Folder, ...]) -> bytes:
        """Call the function with JSON arguments; return its result as JSON."""
        ...


_loaded: dict[ToolRef, Invocable] = {}


def load(ref: ToolRef) -> Invocable:
    """Return the tool, importing its module at the first call.

    Raises:
        TypeError: what stands there is no tool.
        Exception: whatever the import raises.
    """
    tool = _loaded.get(ref)
    if tool is None:
        tool = _loaded[ref] = _find(ref)
        gc.collect()
        gc.freeze()
    return tool


def _find(ref: ToolRef) -> Invocable:
    found: object = _script(ref.file) if ref.file else importlib.import_module(ref.module)
    for name in ref.qualname.split("."):
        found = getattr(found, name)
    if isinstance(found, type) or not callable(getattr(found, "invoke", None)):
        msg = f"`{ref.module}.{ref.qualname}` is not a tool; put `@tool` on the function"
        raise TypeError(msg)
    return found  # type: ignore[return-value]


def _script(file: str) -> ModuleType:
    if SCRIPT_NAME in sys.modules:
        return sys.modules[SCRIPT_NAME]
    loader = importlib.machinery.SourceFileLoader(SCRIPT_NAME, file)
    spec = importlib.util.spec_from_loader(SCRIPT_NAME, loader)
    assert spec is not None  # noqa: S101 - this loader always has one
    module = sys.modules[SCRIPT_NAME] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[SCRIPT_NAME]
        raise
    return module
