"""What hostile arguments cannot do to the built-in tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate_async.errors import ArgumentError
from authgate_async.launchers.protocol import Folder
from authgate_async.tools import Folders, ToolFailure
from authgate_async.tools.calculator import MAX_BITS, calculator
from authgate_async.tools.file_read import file_read, split_path
from authgate_async.tools.web_search import web_search

if TYPE_CHECKING:
    from pathlib import Path

EXPRESSIONS = [
    # numbers that no memory holds
    "2**2**2**2**2**2", "9**9**9", "9**9**9**9", "(10**1000)**1000", "10**10**10",
    "10**-10**10**10", "(2**4000)*(2**4000)", "2**4096", "-(2**4096)", "(2**64)**64", "1.5**99999",
    "10**400*1.0", "2**(2**40)", "(-2)**(2**40)", "99999999999**99999999999", "7**(10**1000)",
    "2.0**(10**1000)", "*".join(["9" * 30] * 8) + "**99", "(" + "*".join(["10**300"] * 6) + ")",
    "10**1000/10**1", "1e308*10", "1e999", "-1e999", "1e308+1e308", "1e999-1e999", "1e999*0",
    "abs(1e999)", "round(5,-1000000000)", "round(5,10**9)", "round(5,-(10**1000))", "round(1e999)",
    "round(1.5,1e3)", "sqrt(10**700)", "sqrt(-1)", "sqrt(0-1e-300)", "(-1)**.5", "(-8)**(1/3)",
    "max(1,9**9**9)", "1/0", "1//0", "1%0", "0**-1", "0.0**-1", "1/(1-1)", "2**-1//0",
    # depth and length
    "(" * 10_000 + "1" + ")" * 10_000, "(" * 10_000, ")" * 10_000, "(" * 128,
    "(" * 33 + "1" + ")" * 33, "-" * 10_000 + "1", "-" * 255 + "1", "+" * 255, "~" * 200 + "1",
    "abs(" * 60 + "1" + ")" * 60, "1+" * 5000 + "1", "1+" * 127 + "1", "9" * 5000, "9" * 257,
    " " * 257,
    # Python that is not arithmetic
    "__import__('os').system('id')", "().__class__.__bases__", "open('/etc/passwd')", "exec('1')",
    "lambda:0", "[1]*9", "{}", "'a'*9", '"a"', "b''", "f'{1}'", "True", "None", "...",
    "1if 1else 2", "1 if 1 else 2", "1 and 2", "not 1", "1<2", "1==1", "1,2", "()", "(1,)", "x:=1",
    "x=1", "pi=3", "1;2", "1\n2", "\\", "#", "1#2", "1<<9", "1>>9", "1&2", "1|2", "1^2", "~1",
    "1@2", "1j", "0x10", "0b1", "0o7", "1_000", "007+1", "1l", "1.real", "1 .real", "pi.real",
    "abs", "min", "pi()", "pi(1)", "e e", "2pi", "2(3)", "(2)(3)", "abs(*1)", "abs(**1)",
    "min(*1,2)", "max(1,2,key=abs)", "max(1,2,**3)", "abs()", "abs(1,2)", "round()",
    "round(1,2,3)", "sqrt()",
    "min()", "min(1)", "await 1", "yield", "factorial(9999)", "pow(9,9)", "", " ", "\t", "+", "1+",
    "*1", "1 1", "..", "1..2", "1.2.3", "1e", "1e+", "--", "%", "nan", "inf", "infinity", "NaN",
    # other alphabets
    "\x00", "1\x00+1", "1\x0b+1", "1\x0c+1", "1\u00a0+1", "\ufeff1", "\uff11+\uff11",
    "\u0661+\u0661", "\u00b2", "2\u00b2", "\uff50\uff49", "\u22121", "1\u00d72", "\U0001d7d9",
    "\ud800", "\u202e1+1", "p\u0456",
]  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda text: ascii(text)[:30])
def test_a_hostile_expression_is_refused_in_a_sentence(expression: str) -> None:
    """No expression runs code, takes memory or crashes: it is refused in harmless words."""
    with pytest.raises(ToolFailure) as caught:
        calculator(expression)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_the_largest_result_is_small() -> None:
    """Whatever is computed fits in a few thousand bits."""
    assert int(calculator("2**4093+2**4093")).bit_length() <= MAX_BITS


RESERVED = [
    "CON", "con", "Con.txt", "nul", "NUL", "nul.txt", "NUL.tar.gz", "prn", "aux.c", "COM1",
    "com9.log", "COM0", "LPT1", "LPT9.tar.gz", "com\u00b9", "COM\u00b2.txt", "lpt\u00b3", "CONIN$",
    "conout$", "CONOUT$.txt", "nul .txt", "CLOCK$", "\uff23\uff2f\uff2e",
]  # fmt: skip
PATHS = [
    "..", "../", "../secret.txt", "../../etc/passwd", "notes/../../secret.txt", "notes/..",
    "./../secret.txt", "a/b/../../../secret.txt", ".", "./hello.txt", "notes/./a.md", "", "/", "//",
    "notes//a.md", "notes/", "/hello.txt", "//hello.txt", "/etc/passwd", "/proc/self/environ",
    "/dev/zero", "..\\secret.txt", "\\secret.txt", "notes\\a.md", "\\\\server\\share",
    "\\\\?\\C:\\x", "\\\\.\\NUL", "C:\\secret.txt", "C:secret.txt", "c:/secret.txt", "C:",
    "//server/share/x", "file:///etc/passwd", "http://localhost/", "hello.txt:stream",
    "hello.txt::$DATA", ":", "a:b", "hello.txt\x00", "\x00", "hello.txt\x00.md",
    "../secret.txt\x00", "hello\n.txt", "a\rb", "a\tb", "\x1b[2J", "\x7f", "a\x85b", "\ud800",
    "a\udcffb", "...", "....", ".../x", "hello.txt.", "hello.txt..", "hello.txt ", "notes /a.md",
    "notes./a.md", " ", "  ", ". ", ".. ", ".. /secret.txt", ". ./x", "\u2025/secret.txt",
    "\uff0e\uff0e/secret.txt", "\u2024\u2024/secret.txt", "\u2026", "hello.txt/",
    "hello.txt/..", "x" * 256, "é" * 128, "x" * 4097, "a/" * 64 + "a", "a/" * 5000, "/" * 5000,
    "../" * 1000 + "etc/passwd", *RESERVED, *[f"notes/{name}" for name in RESERVED[:4]],
    "con/hello.txt", "aux/nul/x",
]  # fmt: skip
TRAPS = [
    "to-secret", "to-root", "to-root/etc/passwd", "to-here/to-secret", "to-here/hello.txt", "loop",
    "loop/x", "notes/up", "notes/up/secret.txt", "to-zero", "to-proc/environ", "fifo", "fifo/x",
    "notes", "notes/deep", "gone", "notes/gone/x", "hello.txt/x", "HELLO.TXT/x", "binary",
    "too-large", "~", "~root", "~/x", "%2e%2e/secret.txt", "..%2fsecret.txt", "%00", "$HOME", "*",
    "?", "'$(cat hello.txt)'", "hello.txt;", "|cat", "-",
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a granted folder full of traps, with a secret beside it."""
    import os  # noqa: PLC0415 - for mkfifo alone

    top = tmp_path_factory.mktemp("traps")
    root = top / "workspace"
    (root / "notes" / "deep").mkdir(parents=True)
    (top / "secret.txt").write_text("SECRET")
    (root / "hello.txt").write_text("hello")
    (root / "notes" / "a.md").write_text("note")
    links = {
        "to-secret": "../secret.txt", "to-root": "/", "to-here": ".", "loop": "loop",
        "notes/up": "../..", "to-zero": "/dev/zero", "to-proc": "/proc/self",
    }  # fmt: skip
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    (root / "binary").write_bytes(b"\x80")
    (root / "too-large").write_bytes(b"x" * (256 * 1024 + 1))
    # The names are refused where they could be read, too.
    for name in ("con.txt", "nul.txt", "COM1", "hello.txt:stream"):
        (root / name).write_text("SECRET")
    return root


@pytest.mark.parametrize("path", PATHS, ids=lambda text: ascii(text)[:30])
def test_a_path_that_is_not_plain_is_refused_as_text(path: str) -> None:
    """The words of a path are judged without a look at the machine, so on each platform alike."""
    with pytest.raises(ToolFailure):
        split_path(path)


@pytest.mark.parametrize("path", [*PATHS, *TRAPS], ids=lambda text: ascii(text)[:30])
def test_a_hostile_path_reads_nothing(root: Path, path: str) -> None:
    """No path leaves the folder, waits, reads a device or names a thing of another system."""
    folders = Folders((Folder("file", "workspace", str(root), "", 1),))
    with pytest.raises(ToolFailure) as caught:
        file_read(path, folders)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "name", ["", "..", "/", "other", "workspace/..", "WORKSPACE", "workspace\x00"]
)
def test_a_hostile_root_reads_nothing(root: Path, name: str) -> None:
    """The root is a name of the permit and never a path."""
    folders = Folders((Folder("file", "workspace", str(root), "", 1),))
    with pytest.raises(ToolFailure):
        file_read("hello.txt", folders, root=name)


QUERIES = [
    '"', '""', '"""', "'", 'rust"', '"rust', "rust OR", "OR", "AND", "NOT rust", "rust NOT",
    "NEAR(rust ownership, 5)", "NEAR(", "rust*", "*", "^rust", "title:rust", "body : rust",
    "{title body} : rust", "-title:rust", "+", "rust + ownership", "(rust", ")", "rust)", "(((((",
    "rust AND (", "documents MATCH 'x'", "'; DROP TABLE documents; --", "x') OR 1=1 --",
    "rank:bm25(0)", "source:rust-ownership.md", "rowid:1", "?", "?1", ":query", "@x", "$x", "%",
    "_", "\\", "\x00rust", "ru\x00st", 'rust" OR "moon', 'rust" NOT "x', '" OR title:"rust',
    "\ud800", "\ufeff", "\u202erust", "\u200b", "é", "日本語", "\U0001f600", "\n", "\t\r", "", " ",
    "...", "!!!", "a " * 33, "a " * 256, "x" * 513, "x" * 100_000, '"' * 512, "(" * 512, "* " * 256,
    "rust " * 32,
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=lambda text: ascii(text)[:30])
def test_a_query_is_words_and_never_a_program(query: str) -> None:
    """No query is an operator, a column or SQL: it finds its words, or is refused."""
    try:
        args = web_search.bind({"query": query}).args
        result = web_search.invoke(args)
    except (ToolFailure, ArgumentError) as error:
        result = str(error).encode()
    assert result.startswith((b"[", b"the query has", b"tool `web_search`: "))
    assert result.decode().isprintable()


@pytest.mark.parametrize("query", ["a " * 33, "x" * 513, "", "...", '"', "\n", "\U0001f600"])
def test_a_query_without_end_or_words_is_refused(query: str) -> None:
    """A query has at most 512 characters and 32 words, and at least one word."""
    with pytest.raises(ToolFailure, match="the query has"):
        web_search(query, Folders())


@pytest.mark.parametrize(
    ("operator", "words"),
    [
        ("moon NOT rust", "moon not rust"),
        ('rust" NOT "rust', "rust not rust"),
        ("title:rust", "title-rust"),
        ("NEAR(rust moon)", "near(rust moon)"),
    ],
)
def test_an_operator_is_a_word(operator: str, words: str) -> None:
    """What would be an operator is looked for like any other word."""
    found = {hit.source for hit in web_search(operator, Folders(), 20)}
    assert found == {hit.source for hit in web_search(words, Folders(), 20)}
