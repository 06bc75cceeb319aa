"""Searching documents: an embedded index, and the seam where a real engine goes.

`web_search` looks in the index file that the policy names as the place of `search:web`, or else in
the few documents that are shipped. An index is a SQLite file with an FTS5 table, made ahead by
`build_index`.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated, Protocol
from urllib.parse import quote

import msgspec

from authgate_async.errors import UsageError
from authgate_async.tools.definition import tool
from authgate_async.tools.folders import Folders, ToolFailure

__all__ = ["Hit", "IndexProvider", "SearchProvider", "build_index", "web_search"]

_MAX_QUERY = 512
_MAX_TERMS = 32
_MAX_HITS = 20
_MAX_DOCUMENT = 1 * 2**20
_SUFFIXES = (".md", ".txt")

# The title counts four times. Ties are broken by the text, so that a result never depends on the
# order of insertion.
_SELECT = """
SELECT title, source, snippet(documents, 1, '', '', ' ... ', 24) FROM documents
WHERE documents MATCH ? ORDER BY bm25(documents, 4.0, 1.0), title, source LIMIT ?
"""
_CREATE = """
CREATE VIRTUAL TABLE documents
USING fts5(title, body, source UNINDEXED, tokenize = 'porter unicode61')
"""


class Hit(msgspec.Struct, frozen=True):
    """One document that was found: its title, where it lies, and the words around the match."""

    title: str
    source: str
    snippet: str


class Document(msgspec.Struct, frozen=True):
    """One text to be found; the title is its first line."""

    title: str
    body: str
    source: str


class SearchProvider(Protocol):
    """Answers searches; a tool over a real engine holds one and declares the same resource."""

    def search(self, query: str, limit: int) -> list[Hit]:
        """Return the best hits first; the same query on the same documents gives the same list."""
        ...


class IndexProvider:
    """Searches an open index; see `opened` and `shipped`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def search(self, query: str, limit: int) -> list[Hit]:
        """Return documents that have any of the query's words, the best first.

        The query is data: it has no operators.

        Raises:
            ToolFailure: it is too long or has no word, or the index cannot be read.
        """
        match = _match(query)
        try:
            rows = self._connection.execute(_SELECT, (match, limit)).fetchall()
        except sqlite3.Error:
            raise ToolFailure("the search index cannot be read; build it again") from None
        return [Hit(*row) for row in rows]

    def close(self) -> None:
        """Close the index."""
        self._connection.close()


def _match(query: str) -> str:
    if len(query) > _MAX_QUERY:
        raise ToolFailure(f"the query has more than {_MAX_QUERY} characters; ask for less at once")
    words = "".join(char if char.isprintable() else " " for char in query).split()
    terms = [word for word in words if any(char.isalnum() for char in word)]
    if not terms:
        raise ToolFailure("the query has no word to look for")
    if len(terms) > _MAX_TERMS:
        raise ToolFailure(f"the query has more than {_MAX_TERMS} words; ask for less at once")
    return " OR ".join('"' + term.replace('"', '""') + '"' for term in terms)


def read_documents(folder: Path) -> list[Document]:
    """Read the .txt and .md files below a folder, in order of their names; links are left out.

    Raises:
        UsageError: the folder is not there, or a file is not UTF-8 text of at most 1 MiB.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder; name one that has .txt or .md files")
    paths = [
        Path(top, name)
        for top, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    ]
    return [
        _document(path, folder)
        for path in sorted(paths)
        if path.is_file() and not path.is_symlink()
    ]


def _document(path: Path, folder: Path) -> Document:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_DOCUMENT + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be indexed ({error}); make it readable UTF-8 text"
        ) from None
    if len(data) > _MAX_DOCUMENT:
        raise UsageError(f"{path} is larger than {_MAX_DOCUMENT} bytes; split it")
    title = text.lstrip("\ufeff \n").partition("\n")[0].lstrip("# ").strip()
    return Document(title or path.stem, text, path.relative_to(folder).as_posix())


def build_index(folder: str | os.PathLike[str], file: str | os.PathLike[str]) -> int:
    """Write an index of a folder's documents, replacing `file` in one step; return their number.

    Raises:
        UsageError: as `read_documents` says.
        OSError: the file cannot be written.
    """
    documents = read_documents(Path(folder))
    target = Path(file)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        fresh.touch(exist_ok=False)
        with closing(sqlite3.connect(fresh)) as connection:
            _fill(connection, documents)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return len(documents)


def _fill(connection: sqlite3.Connection, documents: list[Document]) -> None:
    rows = [(document.title, document.body, document.source) for document in documents]
    with connection:
        connection.execute(_CREATE)
        connection.executemany("INSERT INTO documents VALUES (?, ?, ?)", rows)


def opened(file: str) -> IndexProvider:
    """Open an index that was built ahead, for reading only.

    Raises:
        ToolFailure: it is not there or is no database.
    """
    try:
        connection = sqlite3.connect(f"file:{quote(file)}?mode=ro&immutable=1", uri=True)
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        raise ToolFailure(
            "the search index cannot be opened; build it with `build_index`"
        ) from None
    return IndexProvider(connection)


# Read on import, in the template process: a jailed body may not be able to read the package.
_SHIPPED = read_documents(Path(__file__).with_name("corpus"))


def shipped() -> IndexProvider:
    """Index the shipped documents in memory."""
    connection = sqlite3.connect(":memory:")
    _fill(connection, _SHIPPED)
    return IndexProvider(connection)


@tool(resource="search:web", right="read")
def web_search(
    query: str, folders: Folders, limit: Annotated[int, msgspec.Meta(ge=1, le=_MAX_HITS)] = 5
) -> list[Hit]:
    """Find documents that have the words of the query; return the best `limit` (1 to 20).

    Raises:
        ToolFailure: the query is too long or has no word, or the index cannot be read.
    """
    file = folders.get("search", "web")
    with closing(shipped() if file is None else opened(file)) as provider:
        return provider.search(query, limit)
