from __future__ import annotations

import subprocess
import sys
import typing
from typing import Annotated, Any, Literal

import msgspec
import pytest

from authgate_async.canonical import canonical
from authgate_async.errors import ArgumentError, ToolDefinitionError
from authgate_async.launchers.protocol import Folder, Limits
from authgate_async.tools import Folders, ToolFailure, tool
from authgate_async.wire import Request, Right

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from decimal import Decimal


@tool(resource="db:{table}", scope="rows/{key}", right="write", limits=Limits(wall_ms=7))
def put(table: str, key: Literal["a", "b"], count: int = 1, note: Annotated[str, "n"] = "") -> int:
    """Put a row.

    More text.
    """
    del table, key, note
    return count + 1


@tool(resource="file:x", right="read", name="where.is")
def where(folders: Folders, rtype: str) -> str:
    """Say where a resource lies."""
    return folders.path_of(rtype, "x")


@tool(resource="file:x", right="read", also=(("file:{to}", "{to}", "write"),), level="inline")
async def copy(to: str) -> dict[str, str]:
    """Copy a file."""
    return {"to": to}


@tool(resource="any:thing", right="execute")
def anything(value: Any) -> Any:
    """Give back what came."""
    return value


def test_bind_gives_canonical_bytes_with_defaults_and_the_requests() -> None:
    """What is bound is one canonical object, defaults included, and what these arguments need."""
    bound = put.bind({"table": "t", "key": "b"})
    assert bound.args == b'{"count":1,"key":"b","note":"","table":"t"}'
    assert bound.args == canonical(msgspec.json.decode(bound.args))
    assert bound.requests == (Request("db", "t", "rows/b", Right.WRITE),)


def test_spelling_out_a_default_is_the_same_call() -> None:
    """A call with a default written out has the same digest as one without."""
    assert put.bind({"table": "t", "key": "a"}) == put.bind({"key": "a", "count": 1, "table": "t"})


def test_a_placeholder_may_be_constrained_text() -> None:
    """A parameter that is `str` with a constraint can stand in a resource."""

    @tool(resource="a:{name}", right="read", level="inline")
    def get(name: Annotated[str, msgspec.Meta(max_length=3, extra={"x": 1})]) -> str:
        return name

    assert get.bind({"name": "abc"}).requests[0].name == "abc"
    with pytest.raises(ArgumentError, match=r"args\.name"):
        get.bind({"name": "abcd"})


def test_every_extra_resource_is_asked_for() -> None:
    """A tool that touches two resources asks for both."""
    assert copy.bind({"to": "y"}).requests == (
        Request("file", "x", "", Right.READ),
        Request("file", "y", "y", Right.WRITE),
    )


@pytest.mark.parametrize("value", ["{key}", "{table.__class__}", "{0}", "%s", "{table}", "{{", "}"])
def test_a_value_is_never_read_as_a_pattern(value: str) -> None:
    """What an argument says goes into the resource as it is."""
    assert put.bind({"table": value, "key": "a"}).requests[0].name == value


BAD_ARGUMENTS: list[tuple[object, str]] = [
    ({}, "missing required field `table`"),
    ({"table": "t", "key": "c"}, "`args.key`"),
    ({"table": 1, "key": "a"}, "`args.table`"),
    ({"table": "t", "key": "a", "count": "1"}, "`args.count`"),
    ({"table": "t", "key": "a", "count": True}, "`args.count`"),
    ({"table": "t", "key": "a", "count": 1.5}, "`args.count`"),
    ({"table": "t", "key": "a", "count": 2**53}, "count"),
    ({"table": "t", "key": "a", "extra": 1}, "unknown field `extra`"),
    ({"table": "t", "key": "a", "folders": []}, "unknown field `folders`"),
    ({"table": "\ud800", "key": "a"}, "surrogate"),
    ({"table": None, "key": "a"}, "`args.table`"),
    ({1: "t"}, "`args"),
    ([], "Expected `object`"),
    (None, "Expected `object`"),
    ("{}", "Expected `object`"),
]


@pytest.mark.parametrize(("args", "place"), BAD_ARGUMENTS)
def test_wrong_arguments_are_told_with_their_place(args: Any, place: str) -> None:
    """Arguments that do not fit are an ArgumentError that names the tool and the place."""
    with pytest.raises(ArgumentError) as caught:
        put.bind(args)
    assert place in str(caught.value)
    assert "put" in str(caught.value)


def test_a_hostile_key_cannot_write_on_the_terminal() -> None:
    """An unknown key is quoted harmlessly and cut."""
    with pytest.raises(ArgumentError) as caught:
        put.bind({"table": "t", "key": "a", "\x1b[2J" + "x" * 10_000: 1})
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 500


class Liar(str):
    """A string that says something else than it holds."""

    __slots__ = ()

    def __str__(self) -> str:
        return "innocent"


def test_a_string_with_a_second_face_is_no_argument() -> None:
    """A subclass of `str` is refused."""
    with pytest.raises(ArgumentError):
        put.bind({"table": Liar("guilty"), "key": "a"})


def test_resources_come_from_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for is what the executed bytes say, whatever the planner's objects said."""
    data = b'{"key":"b","table":"guilty"}'
    monkeypatch.setattr("authgate_async.canonical.canonical", lambda _: data)
    bound = put.bind({"table": "innocent", "key": "a"})
    assert (bound.args, bound.requests) == (data, (Request("db", "guilty", "rows/b", 2),))


def test_what_was_bound_cannot_change_afterwards() -> None:
    """Changing a list after binding changes nothing that is executed."""
    value = [1]
    bound = anything.bind({"value": value})
    value.append(2)
    assert anything.invoke(bound.args) == b"[1]"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1: 2}, b"x", 2**60])
def test_what_is_not_json_is_not_an_argument(value: object) -> None:
    """A value that canonical JSON cannot hold is refused, or held as text that means the same."""
    try:
        bound = anything.bind({"value": value})
    except ArgumentError:
        return
    assert value == b"x"
    assert bound.args == b'{"value":"eA=="}'


def test_deep_arguments_are_refused() -> None:
    """Arguments nested a thousand deep are an ArgumentError, not a crash."""
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(ArgumentError):
        anything.bind({"value": value})


def test_invoke_runs_the_bound_call() -> None:
    """The function gets the bound arguments, and its result comes back as JSON."""
    assert put.invoke(put.bind({"table": "t", "key": "a", "count": 41}).args) == b"42"


@pytest.mark.parametrize(
    "args", [b"", b"{}", b"[]", b'{"table":1,"key":"a"}', b"\xff", b"[" * 9999]
)
def test_invoke_takes_only_bound_arguments(args: bytes) -> None:
    """Bytes that did not come from `bind` are refused before the body runs."""
    with pytest.raises(ArgumentError):
        put.invoke(args)


def test_folders_come_from_the_permit() -> None:
    """A parameter of type Folders is no argument; it is filled with the places of the permit."""
    place = (Folder("file", "x", "/there", "", 1),)
    bound = where.bind({"rtype": "file"})
    assert where.invoke(bound.args, place) == b'"/there"'
    assert list(where.schema()["properties"]) == ["rtype"]
    with pytest.raises(ToolFailure, match="policy"):
        where.invoke(bound.args, ())


@pytest.mark.parametrize("value", [object(), {1, object()}, {object(): 1}, "\ud800"])
def test_a_result_that_is_not_json_is_a_failure(value: object) -> None:
    """A tool that returns what JSON cannot hold has failed, with a sentence."""

    @tool(resource="a:b", right="read", level="inline")
    def odd() -> object:
        return value

    with pytest.raises(ToolFailure, match="JSON"):
        odd.invoke(b"{}")


async def test_inline_tools_are_awaited() -> None:
    """A coroutine function is awaited, a plain one is just called."""
    assert await copy.ainvoke(copy.bind({"to": "y"}).args) == b'{"to":"y"}'
    assert await put.ainvoke(put.bind({"table": "t", "key": "a"}).args) == b"2"


def test_a_tool_is_still_its_function() -> None:
    """Calling the tool calls the function."""
    assert put("t", "a", count=2) == 3
    assert repr(put) == "<tool put>"
    assert put.__doc__ is not None


def test_the_schema_is_one_object_that_refuses_unknown_fields() -> None:
    """The JSON Schema can be given to a model as it is."""
    schema = put.schema()
    assert schema["type"] == "object"
    assert schema["required"] == ["table", "key"]
    assert schema["additionalProperties"] is False
    assert schema["title"] == "put"
    assert "$defs" not in schema


class Point(msgspec.Struct):
    """A type inside an argument."""

    x: int


def test_the_schema_keeps_inner_types() -> None:
    """A struct inside the arguments is defined within the schema."""

    @tool(resource="a:b", right="read", level="inline")
    def plot(points: list[Point]) -> None:
        del points

    assert plot.schema()["$defs"]["Point"]["properties"] == {"x": {"type": "integer"}}


def test_describe_is_one_line() -> None:
    """A tool says in one line how it is called and what it needs."""
    assert (
        put.describe()
        == "put(table, key, count?, note?) needs write on db:{table}/rows/{key}: Put a row."
    )
    assert copy.describe() == "copy(to) needs read on file:x, write on file:{to}/{to}: Copy a file."


def test_what_was_declared_can_be_read() -> None:
    """Name, level, limits and place are what the launcher needs."""
    assert (put.name, put.level, put.limits.wall_ms) == ("put", "jail", 7)
    assert (where.name, copy.level) == ("where.is", "inline")
    assert (put.ref.module, put.ref.qualname, put.ref.file) == (__name__, "put", "")


def _one(value: str) -> str:
    return value


def _bare(value) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    del value


def _many(*values: str) -> None:
    del values


def _named(**values: str) -> None:
    del values


def _positional(value: str, /) -> None:
    del value


def _wrong_default(value: int = "x") -> None:  # type: ignore[assignment]
    del value


def _type_checking(value: Decimal) -> None:
    del value


def _not_json(value: Callable[[], None] | set[Iterator[int]]) -> None:
    del value


def _mixed(value: int | Point | dict[str, int]) -> None:
    del value


def _mutable(value: list[Point] = [Point(1)]) -> None:  # noqa: B006, B008
    del value


def _two(one: Folders, two: Folders) -> None:
    del one, two


def _number(value: int, flag: Literal["a", 1] = 1) -> None:
    del value, flag


def _generator(value: str) -> Iterator[str]:
    yield value


async def _async(value: str) -> None:
    del value


async def _async_generator(value: str) -> typing.AsyncIterator[str]:
    yield value


GOOD = {"resource": "a:{value}", "right": "read"}
PLAIN = {"resource": "a:b", "right": "read"}
BAD_DEFINITIONS: list[tuple[Any, dict[str, Any], str]] = [
    (_bare, GOOD, "no annotation"),
    (_many, GOOD, "name each one"),
    (_named, GOOD, "name each one"),
    (_positional, GOOD, "remove the `/`"),
    (_wrong_default, PLAIN, "default"),
    (_mutable, PLAIN, "cannot come from JSON"),
    (_type_checking, PLAIN, "TYPE_CHECKING"),
    (_not_json, PLAIN, "TYPE_CHECKING"),
    (_mixed, PLAIN, "cannot come from JSON"),
    (_two, PLAIN, "two parameters of type Folders"),
    (_number, GOOD, "annotated `str`"),
    (_number, {**PLAIN, "scope": "{flag}"}, "annotated `str`"),
    (_one, {**GOOD, "scope": "{other}"}, "use one of value"),
    (_one, {**GOOD, "scope": "{value.x}"}, "annotated `str`"),
    (_one, {**GOOD, "scope": "{value!r}"}, "annotated `str`"),
    (_one, {**GOOD, "scope": "{value[0]}"}, "annotated `str`"),
    (_one, {**GOOD, "scope": "{}"}, "annotated `str`"),
    (_one, {**GOOD, "scope": "{value"}, "brace"),
    (_one, {**GOOD, "scope": "value}"}, "brace"),
    (_one, {**GOOD, "scope": "{{value}}"}, "annotated `str`"),
    (_one, {**GOOD, "resource": ""}, "RTYPE:NAME"),
    (_one, {**GOOD, "resource": "file"}, "RTYPE:NAME"),
    (_one, {**GOOD, "resource": ":x"}, "RTYPE:NAME"),
    (_one, {**GOOD, "resource": "file:"}, "RTYPE:NAME"),
    (_one, {**GOOD, "resource": "{value}:x"}, "RTYPE:NAME"),
    (_one, {**GOOD, "resource": "a\n:x"}, "RTYPE:NAME"),
    (_one, {**GOOD, "right": "admin"}, "read, write, execute, delegate"),
    (_one, {**GOOD, "right": "READ"}, "read, write, execute, delegate"),
    (_one, {**GOOD, "right": "read|write"}, "read, write, execute, delegate"),
    (_one, {**GOOD, "also": (("x", "", "read"),)}, "RTYPE:NAME"),
    (_one, {**GOOD, "name": ""}, "256 bytes"),
    (_one, {**GOOD, "name": "x" * 257}, "256 bytes"),
    (_one, {**GOOD, "name": "a\nb"}, "printable"),
    (_one, {**GOOD, "level": "cell"}, "`jail`, `process` or `inline`"),
    (_generator, GOOD, "return a list"),
    (_async_generator, {**GOOD, "level": "inline"}, "return a list"),
    (_async, GOOD, 'level="inline"'),
    (lambda value: value, GOOD, "def"),
    (len, GOOD, "made with `def`"),
    (Point, GOOD, "made with `def`"),
    ("text", GOOD, "made with `def`"),
]


@pytest.mark.parametrize(("function", "declared", "remedy"), BAD_DEFINITIONS)
def test_a_wrong_definition_says_what_to_do(
    function: Any, declared: dict[str, Any], remedy: str
) -> None:
    """A function that cannot be a tool is refused when it is decorated, with a remedy."""
    with pytest.raises(ToolDefinitionError) as caught:
        tool(**declared)(function)
    assert remedy in str(caught.value)


def test_a_local_function_cannot_run_in_another_process() -> None:
    """A process-level tool has to lie where another process finds it."""

    def local(value: str) -> None:
        del value

    with pytest.raises(ToolDefinitionError, match="top of a module"):
        tool(resource="a:{value}", right="read")(local)


def test_a_script_is_named_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool of a script is found through its path; one of an interactive session is refused."""
    monkeypatch.setattr(_one, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "/x/script.py", raising=False)
    assert tool(resource="a:b", right="read")(_one).ref.file == "/x/script.py"
    monkeypatch.delattr(sys.modules["__main__"], "__file__")
    with pytest.raises(ToolDefinitionError, match="save it in a file"):
        tool(resource="a:b", right="read")(_one)


def test_the_package_stays_light() -> None:
    """The sandbox's template process gets no event loop, log or cryptography by importing tools."""
    heavy = "anyio asyncio trio structlog cryptography rich authgate_async._native sqlite3"
    code = (
        "import sys; before = set(sys.modules); import authgate_async.tools; "
        f"print(sorted(set('{heavy}'.split()) & (set(sys.modules) - before)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_set_has_one_order() -> None:
    """An argument that is a set gives the same bytes in every process."""

    @tool(resource="a:b", right="read", level="inline")
    def tags(names: set[str]) -> int:
        return len(names)

    assert tags.bind({"names": ["c", "a", "b", "a"]}).args == b'{"names":["a","b","c"]}'


@pytest.mark.parametrize("name", ["needy", "easy"])
def test_a_rehearsal_calls_no_function(name: str) -> None:
    """A rehearsal goes through the arguments, which may be missing, and never to the function."""
    seen: list[bytes] = []
    rehearsed = {"needy": needy, "easy": easy}[name]
    decoder = rehearsed._decoder
    rehearsed._decoder = Spy(seen, decoder)  # type: ignore[assignment]
    try:
        rehearsed.rehearse()
    finally:
        rehearsed._decoder = decoder
    assert seen == [b"{}"]
    with pytest.raises(ZeroDivisionError):
        rehearsed.invoke(b'{"value":1}')


@pytest.mark.parametrize("name", ["needy", "easy"])
def test_a_stand_in_does_nothing(name: str) -> None:
    """It needs no argument, calls no function, and the tool that it stands in for is as before."""
    tool_itself = {"needy": needy, "easy": easy}[name]
    assert tool_itself.stand_in().invoke(b"{}") == b"null"
    with pytest.raises(ZeroDivisionError):
        tool_itself.invoke(b'{"value":1}')


class Spy:
    """A decoder that tells what it was given."""

    def __init__(self, seen: list[bytes], decoder: Any) -> None:
        self.seen = seen
        self.decoder = decoder

    def decode(self, data: bytes) -> Any:
        """Decode it."""
        self.seen.append(data)
        return self.decoder.decode(data)


@tool(resource="any:thing", right="execute")
def needy(value: int) -> None:
    """Fail."""
    raise ZeroDivisionError(value)


@tool(resource="any:thing", right="execute")
def easy(value: int = 1) -> None:
    """Fail."""
    raise ZeroDivisionError(value)
