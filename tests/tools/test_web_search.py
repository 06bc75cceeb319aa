from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async.errors import ArgumentError, UsageError
from authgate_async.launchers.protocol import Folder
from authgate_async.tools import Folders, ToolFailure
from authgate_async.tools.web_search import (
    Hit,
    SearchProvider,
    build_index,
    opened,
    shipped,
    web_search,
)
from authgate_async.wire import Request, Right

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NONE = Folders()


def _index(path: Path) -> tuple[Folder, ...]:
    return (Folder("search", "web", str(path), "", int(Right.READ)),)


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Return a folder of documents, with things in it that are none."""
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "one.md").write_text("# Apples\n\nApples grow on trees.\n")
    (folder / "deep" / "two.TXT").write_text("Pears\nPears grow on trees too.")
    (folder / "empty.txt").write_text("")
    (folder / "code.py").write_text("apples = 1")
    (folder / "link.md").symlink_to(folder / "one.md")
    return folder


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("Rust ownership", "Ownership in Rust"),
        ("who owns a value in rust", "Ownership in Rust"),
        ("full moon eclipse", "Phases of the Moon"),
        ("primes", "Prime numbers"),
    ],
)
def test_the_shipped_documents_are_found(query: str, title: str) -> None:
    """Without an index of one's own, plain questions find the shipped facts."""
    assert web_search(query, NONE)[0].title == title


def test_the_same_query_gives_the_same_list() -> None:
    """Searching twice gives the same hits in the same order."""
    assert web_search("the water of the sea", NONE, 20) == web_search(
        "the water of the sea", NONE, 20
    )


def test_equal_hits_are_ordered_by_their_text(tmp_path: Path) -> None:
    """Documents of equal weight come in order of title and source, however they were indexed."""
    for name, title in (("a", "Zoo"), ("b", "Yak"), ("c", "Yak"), ("d", "Ant")):
        (tmp_path / f"{name}.md").write_text(f"{title} words")
    build_index(tmp_path, tmp_path / "i.db")
    hits = web_search("words", Folders(_index(tmp_path / "i.db")))
    assert [hit.source for hit in hits] == ["d.md", "b.md", "c.md", "a.md"]


def test_no_more_hits_than_asked_for() -> None:
    """`limit` bounds the number of hits."""
    assert len(web_search("the", NONE, 3)) == 3


@pytest.mark.parametrize("limit", [0, -1, 21, 10**9, "5", True, 1.5])
def test_a_limit_out_of_range_is_refused(limit: object) -> None:
    """`limit` is a whole number from 1 to 20."""
    with pytest.raises(ArgumentError, match=r"args\.limit"):
        web_search.bind({"query": "x", "limit": limit})


def test_it_asks_to_read_the_search() -> None:
    """A search is a resource like any other."""
    assert web_search.bind({"query": "x"}).requests == (Request("search", "web", "", Right.READ),)


def test_an_index_of_ones_own_takes_the_place_of_the_shipped_one(
    documents: Path, tmp_path: Path
) -> None:
    """The text files below a folder are found, links and other files are not."""
    file = tmp_path / "my index?#%.db"
    assert build_index(documents, file) == 3
    raw = web_search.invoke(web_search.bind({"query": "grow"}).args, _index(file))
    hits = msgspec.json.decode(raw, type=list[Hit])
    assert [(hit.title, hit.source) for hit in hits] == [
        ("Apples", "one.md"),
        ("Pears", "deep/two.TXT"),
    ]
    assert "grow" in hits[0].snippet
    assert web_search("rust", Folders(_index(file))) == []


def test_building_again_replaces_the_index(documents: Path, tmp_path: Path) -> None:
    """An index is replaced in one step and leaves nothing beside it."""
    file = tmp_path / "i.db"
    build_index(documents, file)
    (documents / "one.md").write_text("Cherries")
    build_index(documents, file)
    with closing(opened(str(file))) as provider:
        assert [hit.title for hit in provider.search("cherries", 5)] == ["Cherries"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs", "i.db"]


def test_searching_never_writes(documents: Path, tmp_path: Path) -> None:
    """The index is opened for reading only."""
    build_index(documents, tmp_path / "i.db")
    with (
        closing(opened(str(tmp_path / "i.db"))) as provider,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        provider._connection.execute("DELETE FROM documents")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"not a database, but long enough to be one" * 50),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:2000]),
    ],
)
def test_a_broken_index_is_a_failure(
    documents: Path, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    """A missing, foreign or cut index gives a sentence that says how to mend it."""
    build_index(documents, tmp_path / "i.db")
    spoil(tmp_path / "i.db")
    with pytest.raises(ToolFailure, match="build it"):
        web_search("apples", Folders(_index(tmp_path / "i.db")))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"\xff\xfe", "UTF-8"), (b"x" * (2**20 + 1), "larger than")],
)
def test_a_document_that_cannot_be_indexed_is_named(
    documents: Path, tmp_path: Path, content: bytes, sentence: str
) -> None:
    """Building stops at the first bad document and leaves no half index."""
    (documents / "bad.txt").write_bytes(content)
    with pytest.raises(UsageError, match=rf"bad\.txt.*{sentence}"):
        build_index(documents, tmp_path / "i.db")
    assert not list(tmp_path.glob("i.db*"))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """There is no empty index of a mistyped folder."""
    with pytest.raises(UsageError, match="not a folder"):
        build_index(tmp_path / "gone", tmp_path / "i.db")


@given(st.text(max_size=600))
def test_any_query_is_answered_or_refused(query: str) -> None:
    """No text makes the search raise anything but ToolFailure."""
    try:
        answer = web_search(query, NONE, 1)
    except ToolFailure as failure:
        answer = str(failure)
    assert isinstance(answer, list) or "the query has" in answer


def test_a_provider_is_all_that_a_real_engine_needs() -> None:
    """The embedded index is one provider; anything with `search` is another."""

    class Engine:
        def search(self, query: str, limit: int) -> list[Hit]:
            return [Hit(query, "engine", "")][:limit]

    with closing(shipped()) as embedded:
        providers: list[SearchProvider] = [Engine(), embedded]
        found = [provider.search("rust", 1)[0].title for provider in providers]
    assert found == ["rust", "Ownership in Rust"]
