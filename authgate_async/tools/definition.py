"""`@tool`: a typed function becomes something that an agent may ask for.

The signature is the contract. It becomes a frozen msgspec struct, and a call is *bound* once: its
arguments are checked against the struct, defaults are filled in, and the whole is written as
canonical JSON. Those bytes are what is digested, decided, logged and executed; the resources are
read from the bytes and not from what the planner handed over, so no object can show one face to the
gate and another to the tool.
"""

from __future__ import annotations

import contextlib
import inspect
from copy import copy
from typing import TYPE_CHECKING, Any, Self, get_args

import msgspec

from authgate_async.errors import ArgumentError, ToolDefinitionError
from authgate_async.launchers.protocol import Folder, Level, Limits, ToolRef
from authgate_async.redaction import ArgsKept, Kept, OutputsKept
from authgate_async.tools.folders import Folders, ToolFailure
from authgate_async.tools.signature import Signature, check_name, locate, read_signature
from authgate_async.tools.templates import Claim
from authgate_async.wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Bound", "Tool", "tool"]

_MESSAGE_LIMIT = 300
_MAX_COST = 2**53


class Bound(msgspec.Struct, frozen=True):
    """A checked call: canonical JSON `args` with defaults filled in, and what it needs."""

    args: bytes
    requests: tuple[Request, ...]


class Tool:
    """A function with a contract; made by `tool`. Calling it calls the function, unchecked."""

    def __init__(
        self,
        function: Callable[..., Any],
        claims: tuple[Claim, ...],
        signature: Signature,
        *,
        name: str,
        level: Level,
        programs: bool,
        limits: Limits,
        cost: int,
        kept: Kept,
        ref: ToolRef,
    ) -> None:
        self.name = name
        self.level = level
        self.programs = programs
        self.limits = limits
        self.cost = cost
        self.kept = kept
        self.ref = ref
        self.claims = claims
        self.function = function
        self.__doc__ = function.__doc__
        self._folders = signature.folders
        self._struct = signature.struct
        self._decoder = msgspec.json.Decoder(signature.struct, strict=True)
        self.is_async = inspect.iscoroutinefunction(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function as if it were not decorated; nothing is checked."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    def bind(self, args: Mapping[str, Any]) -> Bound:
        """Check the arguments and say what the call needs.

        Raises:
            ArgumentError: they do not fit the signature; the sentence names the place.
        """
        # Only the gate needs it, and a template, which is forked for each call, is the lighter.
        from authgate_async.canonical import canonical  # noqa: PLC0415

        try:
            checked = msgspec.convert(args, self._struct, strict=True)
            data = canonical(msgspec.to_builtins(checked, order="deterministic"))
            values = self._decoder.decode(data)
        except ArgumentError as error:
            raise ArgumentError(f"tool `{self.name}`: {error}") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise ArgumentError(self._complaint(error)) from None
        return Bound(data, tuple([claim.request(values) for claim in self.claims]))

    def invoke(self, args: bytes, folders: tuple[Folder, ...] = ()) -> bytes:
        """Run the function on bound arguments; return its result as JSON.

        Raises:
            ArgumentError: `args` did not come from `bind`.
            ToolFailure: the result has no JSON form, or the tool says that it failed.
            Exception: whatever else the function raises.
        """
        return self._encode(self.function(**self._keywords(args, folders)))

    async def ainvoke(self, args: bytes, folders: tuple[Folder, ...] = ()) -> bytes:
        """Do as `invoke`, on the event loop; a plain function must not block it."""
        result = self.function(**self._keywords(args, folders))
        return self._encode(await result if self.is_async else result)

    def rehearse(self) -> None:
        """Do what `invoke` does, but for the function: what a first call pays for is paid then."""
        with contextlib.suppress(ArgumentError):
            self._idle().invoke(b"{}")

    def stand_in(self) -> Self:
        """Return a tool without arguments that goes the way of this one, and does nothing."""
        stand_in = self._idle()
        stand_in._folders = ""  # noqa: SLF001 - its own
        stand_in._decoder = msgspec.json.Decoder(_NoArguments, strict=True)  # noqa: SLF001
        return stand_in

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of its arguments, in order."""
        return tuple(field.name for field in msgspec.structs.fields(self._struct))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of the arguments, as one object."""
        (root,), parts = msgspec.json.schema_components(
            [self._struct], ref_template="#/$defs/{name}"
        )
        schema: dict[str, Any] = parts.pop(root["$ref"].rpartition("/")[2])
        schema["title"] = self.name
        return {**schema, "$defs": parts} if parts else schema

    def describe(self) -> str:
        """Return one line: the call, what it needs, and the first line of its documentation."""
        fields = msgspec.structs.fields(self._struct)
        words = ", ".join(
            f"{field.name}?" if not field.required else field.name for field in fields
        )
        needs = ", ".join(claim.text for claim in self.claims)
        summary = (inspect.getdoc(self.function) or "").partition("\n")[0]
        return f"{self.name}({words}) needs {needs}" + (f": {summary}" if summary else "")

    def _idle(self) -> Self:
        """Return one whose function does nothing."""
        idle = copy(self)
        idle.function = _nothing
        return idle

    def _keywords(self, args: bytes, folders: tuple[Folder, ...]) -> dict[str, Any]:
        try:
            keywords = msgspec.structs.asdict(self._decoder.decode(args))
        except (ValueError, RecursionError) as error:
            raise ArgumentError(self._complaint(error)) from None
        if self._folders:
            keywords[self._folders] = Folders(folders)
        return keywords

    def _encode(self, result: object) -> bytes:
        try:
            return msgspec.json.encode(result)
        except (TypeError, ValueError, RecursionError, OverflowError):
            msg = f"`{self.name}` returned something that JSON cannot hold; return plain values"
            raise ToolFailure(msg) from None

    def _complaint(self, error: Exception) -> str:
        """Turn msgspec's message into a harmless sentence with a place."""
        what, _, place = str(error).partition(" - at `$")
        where = "args" + place.rstrip("`") if place else "args"
        text = f"`{where}` of tool `{self.name}`: {what[:_MESSAGE_LIMIT]}"
        return (
            text.encode("ascii", "backslashreplace").decode() if text.isprintable() else ascii(text)
        )


class _NoArguments(msgspec.Struct, frozen=True):
    """What a stand-in takes."""


def _nothing(**_: object) -> None:
    """Stand in for a tool's function."""


def tool(
    *,
    resource: str,
    right: str,
    scope: str = "",
    level: Level = "jail",
    programs: bool = False,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    cost: int = 0,
    record_args: ArgsKept = "full",
    record_outputs: OutputsKept = "checksum",
    name: str | None = None,
    also: tuple[tuple[str, str, str], ...] = (),
) -> Callable[[Callable[..., Any]], Tool]:
    """Declare what a function needs, and make it a `Tool`.

    `resource` is `RTYPE:NAME`; in NAME and `scope`, `{param}` stands for the value of that string
    parameter and nothing else. `right` is read, write, execute or delegate. `also` has further
    (resource, scope, right) triples, all of which the call needs. `cost` is what a call takes from
    the budgets of its grants, in units of your own. `name` defaults to the function's.

    `record_args` says how the log has the arguments: `full`, as a salted `digest`, or `sealed` for
    the auditor; `record_outputs` the same of what a call puts out, or `checksum` for plain digests.
    A policy's word on the tool comes first.

    At level `jail` each call runs in a process that can reach what the permit names and nothing
    else; with `programs` it may start programs and further processes there. At level `process` it
    runs in a process that is held to limits but reaches what you reach; `inline` is for trusted
    code on the event loop.

    Raises:
        ToolDefinitionError: the function or the declaration cannot work; the sentence says what to
            do.
    """

    def decorate(function: Callable[..., Any]) -> Tool:
        ref = locate(function, level)
        if not 0 <= cost < _MAX_COST:
            raise ToolDefinitionError(
                f"a cost of {cost} makes no sense; give a whole number from 0 on"
            )
        kept = _kept(function.__name__, record_args, record_outputs)
        title = check_name(function.__name__ if name is None else name)
        signature = read_signature(function, title)
        triples = ((resource, scope, right), *also)
        claims = tuple([Claim.parse(title, triple, signature.strings) for triple in triples])
        return Tool(
            function,
            claims,
            signature,
            name=title,
            level=level,
            programs=programs,
            limits=limits,
            cost=cost,
            kept=kept,
            ref=ref,
        )

    return decorate


def _kept(name: str, args: ArgsKept, outputs: OutputsKept) -> Kept:
    for given, field, known in (
        (args, "record_args", ArgsKept),
        (outputs, "record_outputs", OutputsKept),
    ):
        if given not in get_args(known):
            words = ", ".join(get_args(known))
            raise ToolDefinitionError(f"`{field}` of `{name}` is {given!r}; write one of {words}")
    return Kept(args, outputs)
