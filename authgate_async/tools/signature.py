"""Reading a function's signature: where it lies, what it takes, and why it cannot be a tool."""

from __future__ import annotations

import inspect
import sys
import typing
from typing import TYPE_CHECKING, Any

import msgspec
import msgspec.inspect

from authgate_async.errors import ToolDefinitionError
from authgate_async.launchers.protocol import Level, ToolRef
from authgate_async.tools.folders import Folders
from authgate_async.wire import MAX_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Signature", "check_name", "locate", "read_signature"]

# The kernel's own limit for names: docs/rules.md, section 2.


class Signature(msgspec.Struct, frozen=True):
    """What a function takes.

    `struct` has its arguments, `strings` are those that hold text, `folders` is the parameter
    annotated `Folders`, or empty.
    """

    struct: type[msgspec.Struct]
    strings: frozenset[str]
    folders: str


def check_name(name: str) -> str:
    """Return a tool name that the kernel will take.

    Raises:
        ToolDefinitionError: it is empty, too long or not printable.
    """
    if not name or not name.isprintable() or len(name.encode()) > MAX_NAME:
        msg = f"a tool's name is 1 to {MAX_NAME} bytes of printable text, not {ascii(name)[:80]}"
        raise ToolDefinitionError(msg)
    return name


def locate(function: Callable[..., Any], level: Level) -> ToolRef:
    """Say where another process finds the function.

    Raises:
        ToolDefinitionError: it is not a function of the right kind for the level, or nobody can
            find it.
    """
    if not inspect.isfunction(function):
        raise ToolDefinitionError("`@tool` goes over a function made with `def`")
    name = function.__qualname__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ToolDefinitionError(f"`{name}` is a generator; return a list instead")
    if level not in typing.get_args(Level):
        raise ToolDefinitionError(
            f"the level of `{name}` is {level!r}; write `jail`, `process` or `inline`"
        )
    module = str(function.__module__)
    if level == "inline":
        return ToolRef(module, name)
    if inspect.iscoroutinefunction(function):
        msg = f'`{name}` is async; write a plain `def`, or say `level="inline"` if you trust it'
        raise ToolDefinitionError(msg)
    if "<" in name:
        msg = f"another process cannot find `{name}`; define it with `def` at the top of a module"
        raise ToolDefinitionError(msg)
    return _in_main(name) if module == "__main__" else ToolRef(module, name, "")


def _in_main(name: str) -> ToolRef:
    """Say where another process finds what stands in the program that was started."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":  # started by `python -m`
        return ToolRef(spec.name, name, "")
    path = getattr(main, "__file__", None)
    if not path or path.startswith("<"):
        msg = f"another process cannot find `{name}` of an interactive session; save it in a file"
        raise ToolDefinitionError(msg)
    return ToolRef("__main__", name, str(path))


def read_signature(function: Callable[..., Any], tool: str) -> Signature:
    """Turn a function's parameters into a struct.

    Raises:
        ToolDefinitionError: a parameter has no annotation, a kind that names no argument, or a
            wrong default.
    """
    hints = _hints(function, tool)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    folders = ""
    for param in inspect.signature(function).parameters.values():
        annotation = _annotation(param, hints, tool)
        if annotation is Folders:
            if folders:
                raise ToolDefinitionError(
                    f"tool `{tool}` has two parameters of type Folders; keep one"
                )
            folders = param.name
        elif param.default is param.empty:
            fields.append((param.name, annotation))
        else:
            fields.append((param.name, annotation, param.default))
    struct = _struct(tool, fields)
    strings = frozenset(f.name for f in msgspec.structs.fields(struct) if _is_text(f.type))
    return Signature(struct, strings, folders)


def _hints(function: Callable[..., Any], tool: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001 - resolving an annotation runs any code
        msg = (
            f"an annotation of tool `{tool}` has no meaning at run time ({error}); "
            "import its types outside `if TYPE_CHECKING`"
        )
        raise ToolDefinitionError(msg) from None


def _annotation(param: inspect.Parameter, hints: dict[str, Any], tool: str) -> Any:
    place = f"parameter `{param.name}` of tool `{tool}`"
    if param.kind in (param.VAR_POSITIONAL, param.VAR_KEYWORD):
        raise ToolDefinitionError(f"{place} takes any number of arguments; name each one")
    if param.kind is param.POSITIONAL_ONLY:
        raise ToolDefinitionError(f"{place} is positional only, but calls name it; remove the `/`")
    if param.name not in hints:
        raise ToolDefinitionError(f"{place} has no annotation; write its type")
    return hints[param.name]


def _struct(tool: str, fields: list[Any]) -> type[msgspec.Struct]:
    try:
        struct = msgspec.defstruct(
            "Arguments", fields, kw_only=True, frozen=True, forbid_unknown_fields=True
        )
        msgspec.json.Decoder(struct)
    except (TypeError, ValueError) as error:
        msg = f"the parameters of tool `{tool}` cannot come from JSON: {error}"
        raise ToolDefinitionError(msg) from None
    for field in msgspec.structs.fields(struct):
        if not field.required:
            _check_default(tool, field)
    return struct


def _check_default(tool: str, field: msgspec.structs.FieldInfo) -> None:
    default = (
        field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
    )
    try:
        msgspec.convert(msgspec.to_builtins(default), field.type, strict=True)
    except (TypeError, ValueError) as error:
        place = f"the default of parameter `{field.name}` of tool `{tool}`"
        msg = f"{place} does not fit its annotation: {error}"
        raise ToolDefinitionError(msg) from None


def _is_text(annotation: Any) -> bool:
    kind = msgspec.inspect.type_info(annotation)
    if isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    if isinstance(kind, msgspec.inspect.LiteralType):
        return all(isinstance(value, str) for value in kind.values)
    return isinstance(kind, msgspec.inspect.StrType)
