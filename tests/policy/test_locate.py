from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async.policy.locate import MAX_DEPTH, line_of, locate, too_deep


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = {path} - {()}
    for key, item in items if isinstance(value, dict | list) else ():
        found |= _paths(item, (*path, key)) if isinstance(item, dict | list) else {(*path, key)}
    return found


_TEXT = [
    'top = 1  # "not = a key"',
    "\"quoted \\u0061\" = 'it'",
    'a.b . "c.d" = [1.5, "]", # ]',
    "  '#', [",
    "    2,",
    "  ],",
    "]",
    "[table]",
    "text = '''",
    "x = 1",
    "'''",
    'dotted.key = { p = 1, "q" = [ { r = 2 } ] }',
    "when = 1979-05-27 07:32:00",
    "[[list]]",
    "x = 1",
    "[[list]]",
    'y = """',
    "[fake]",
    '\\""""""',
    "[list.sub]",
    "z = 1",
    "[[list.items]]",
    "w = 1",
    "[[list.items]]",
    "w = 2",
    "[[list]]",
]
DOCUMENT = "\n".join(_TEXT)

LINES = {
    ("top",): 1,
    ("a",): 3,
    ("a", "b", "c.d", 1): 3,
    ("a", "b", "c.d", 2): 4,
    ("a", "b", "c.d", 3, 0): 5,
    ("table", "dotted", "key", "q", 0, "r"): 12,
    ("table", "when"): 13,
    ("list", 1, "y"): 17,
    ("list", 1, "items", 1, "w"): 25,
}


def test_every_path_of_a_document_that_uses_all_of_toml_has_a_line() -> None:
    """The scanner finds exactly the key paths that tomllib parses, whatever the syntax."""
    assert set(locate(DOCUMENT)) == _paths(tomllib.loads(DOCUMENT))


@pytest.mark.parametrize(("path", "line"), LINES.items())
def test_lines_are_where_the_eye_sees_them(path: tuple[str | int, ...], line: int) -> None:
    """A key stands on the line of its first letter, an element on its own line."""
    assert locate(DOCUMENT)[path] == line


def test_a_list_of_tables_counts_its_headers() -> None:
    """`[[list]]` number N is ("list", N), and `[list.sub]` belongs to the last one."""
    lines = locate("[[list]]\n[[list]]\n[list.sub]\nz = 1\n[[list.deep]]\n[[list]]\n")
    assert lines["list", 0] == 1
    assert lines["list", 1, "sub", "z"] == 4
    assert lines["list", 1, "deep", 0] == 5
    assert lines["list", 2] == 6


@pytest.mark.parametrize(
    ("path", "line"),
    [((), 1), (("b", 0, "x"), 2), (("b", 7), 2), (("c",), 1), (("b", 1, "y", "z"), 4)],
)
def test_a_path_that_is_not_there_gets_the_nearest_line_around(
    path: tuple[str | int, ...], line: int
) -> None:
    """What has no line of its own is reported at what holds it."""
    assert line_of({("a",): 1, ("b",): 2, ("b", 1): 4}, path) == line


_KEYS = st.text(min_size=1, max_size=6)
_SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    st.text(max_size=12),
    st.datetimes(),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


def _quoted(text: str) -> str:
    escaped = "".join(
        c if c.isprintable() and c not in '"\\' and ord(c) < 0xD800 else f"\\U{ord(c):08x}"
        for c in text
        if not 0xD800 <= ord(c) < 0xE000
    )
    return f'"{escaped}"'


class _Writer:
    """Writes a document and notes the line of everything it writes, as the reference."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    def gap(self) -> None:
        self.text += self.draw(st.sampled_from(["", " ", "\n", "\r\n", " # ]} = '\"\n\t"]))

    def document(self, value: dict[str, Any]) -> None:
        for key, item in value.items():
            self.gap()
            self.lines[(key,)] = self.line
            self.text += f"{_quoted(key)} = "
            self.value(item, (key,))
            self.text += self.draw(st.sampled_from(["\n", "\r\n", "#'''\n", "\n\n"]))

    def value(self, item: Any, path: tuple[str | int, ...]) -> None:
        if isinstance(item, dict):
            self.inline(item, path)
        elif isinstance(item, list):
            self.array(item, path)
        else:
            self.text += self.scalar(item)

    def inline(self, item: dict[str, Any], path: tuple[str | int, ...]) -> None:
        self.text += "{"
        for number, (key, inner) in enumerate(item.items()):
            self.text += ", " if number else " "
            self.lines[(*path, key)] = self.line
            self.text += f"{_quoted(key)}="
            self.value(inner, (*path, key))
        self.text += "}"

    def array(self, item: list[Any], path: tuple[str | int, ...]) -> None:
        self.text += "["
        for index, inner in enumerate(item):
            self.gap()
            self.lines[(*path, index)] = self.line
            self.value(inner, (*path, index))
            self.text += ","
        self.gap()
        self.text += "]"

    def scalar(self, item: Any) -> str:
        if isinstance(item, bool):
            return str(item).lower()
        if not isinstance(item, str):
            return item.isoformat() if hasattr(item, "isoformat") else repr(item)
        plain = item.isascii() and item.isprintable() and "\\" not in item
        if plain and "'" not in item and self.draw(st.booleans()):
            return f"'''\n{item}\n'''"
        return f'"""{_quoted(item)[1:-1]}\n"""' if self.draw(st.booleans()) else _quoted(item)


@st.composite
def _documents(draw: st.DrawFn) -> _Writer:
    writer = _Writer(draw)
    keys = _KEYS.filter(lambda key: not any(0xD800 <= ord(c) < 0xE000 for c in key))
    writer.document(draw(st.dictionaries(keys, _VALUES, max_size=4)))
    return writer


@given(_documents())
def test_the_scanner_agrees_with_whoever_wrote_the_document(writer: _Writer) -> None:
    """For any valid document the lines found are the lines on which its author wrote."""
    tomllib.loads(writer.text)
    assert locate(writer.text) == writer.lines


@given(st.text(alphabet="[]{}=.,\"'\\#\n a1", max_size=60))
def test_any_text_can_be_measured(text: str) -> None:
    """`too_deep` ends for every text, TOML or not, and places nothing beyond its last line."""
    assert 0 <= too_deep(text) <= text.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = " + "[" * (MAX_DEPTH + 1), 2),
        ("a = " + "[" * MAX_DEPTH + "]" * MAX_DEPTH, 0),
        ("\n\n" + ".".join("a" * (MAX_DEPTH + 2)) + " = 1", 3),
        (".".join("a" * (MAX_DEPTH + 1)) + " = 1", 0),
        ('a = "' + "." * 99 + '"\nb = """' + "[" * 99 + '"""', 0),
        ("# " + "[." * 99, 0),
        ("a = '''" + "[\n" * 99, 0),
    ],
)
def test_only_real_nesting_counts_as_depth(text: str, line: int) -> None:
    """Brackets and dots inside strings and comments are no nesting."""
    assert too_deep(text) == line
