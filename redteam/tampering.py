"""Ways to alter a log that is closed: its bytes, lines, records and files, with ever more care.

Places are drawn as fractions, so that two logs of different length are altered alike.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from authgate_async.backends import compact_range

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = ["WAYS", "Files", "lines_of", "relinked", "renoted"]

Files = dict[str, bytes]
"""A log, by the names of its files."""

_LINE = re.compile(rb'\{"index":\d+,"prev":"[0-9a-f]*","record":(\{.*\}),"sum":"[0-9a-f]*"\}\n')
_NOTE = re.compile(r"(?P<origin>\S+)\n\d+\n\S+\n\n— \S+ (?P<signed>\S+)\n")


def lines_of(files: Files) -> list[bytes]:
    """Return all lines, in order of the files' names."""
    return [line for name in _in_order(files) for line in files[name].splitlines(keepends=True)]


def _in_order(files: Files) -> list[str]:
    return sorted((name for name in files if name.endswith(".jsonl")), key=lambda n: (len(n), n))


def _at(random: Random, length: int) -> int:
    return int(random.random() * length)


def _file(files: Files, random: Random) -> str:
    names = [name for name in _in_order(files) if files[name]]
    return names[_at(random, len(names))]


# Bytes


def _bytes(files: Files, other: Files, random: Random) -> str:
    """Change, add, remove or move some bytes of one file."""
    name = _file(files, random)
    data, length = files[name], 1 + _at(random, 40)
    at, to = _at(random, len(data)), _at(random, len(data))
    span, more = data[at : at + length], random.randbytes(length)
    flipped = bytes([data[at] ^ (1 << _at(random, 8))])
    ways = {
        "flip a bit": data[:at] + flipped + data[at + 1 :],
        "overwrite": data[:at] + more + data[at + length :],
        "insert": data[:at] + more + data[at:],
        "remove": data[:at] + data[at + length :],
        "double": data[:at] + span + data[at:],
        "move": (data[:at] + data[at + length :])[:to]
        + span
        + (data[:at] + data[at + length :])[to:],
        "cut": data[:at],
        "cut the head": data[at:],
        "zeros": data[:at] + bytes(length) + data[at + length :],
        "digit": _digit(data, at),
        "hex": re.sub(rb"([0-9a-f])\"", rb'\1"', data[:at]) + data[at:].replace(b"a", b"b", 1),
        "byte order mark": b"\xef\xbb\xbf" + data,
        "carriage returns": data.replace(b"\n", b"\r\n"),
        "from another log": data[:at] + next(iter(other.values()))[at:],
    }
    how = sorted(ways)[_at(random, len(ways))]
    files[name] = ways[how]
    return how


def _digit(data: bytes, at: int) -> bytes:
    found = re.compile(rb"[0-9]").search(data, at)
    if found is None:
        return data
    digit = b"%d" % ((int(found[0]) + 1) % 10)
    return data[: found.start()] + digit + data[found.end() :]


# Lines


def _lines(files: Files, other: Files, random: Random) -> str:
    """Remove, double, move or exchange whole lines, or bring some from another log."""
    name = _file(files, random)
    lines = files[name].splitlines(keepends=True)
    others = lines_of(other)
    at, to = _at(random, len(lines)), _at(random, len(lines))
    end = min(len(lines), at + 1 + _at(random, 5))
    block, rest = lines[at:end], lines[:at] + lines[end:]
    ways = {
        "remove lines": rest,
        "double lines": lines[:end] + block + lines[end:],
        "move lines": rest[:to] + block + rest[to:],
        "reverse lines": lines[:at] + block[::-1] + lines[end:],
        "lines of another log": lines[:at] + others[at:end] + lines[end:],
        "the end of another log": lines[:at] + others[at:],
        "another log behind": lines + others,
        "the same log behind": lines + lines,
        "empty lines": [*lines[:at], b"\n", *lines[at:]],
        "cut lines": lines[:at],
        "cut the first lines": lines[at:],
        "the last line again": [*lines, lines[-1]],
        "a run less": [line for line in lines if _run_of(lines[at]) not in line],
    }
    how = sorted(ways)[_at(random, len(ways))]
    files[name] = b"".join(ways[how])
    return how


def _run_of(line: bytes) -> bytes:
    """Return what all lines of the same run have, or what no other line has."""
    found = re.search(rb'"run":"[0-9a-f]+"', line)
    return found[0] if found else line


# Records


def _records(files: Files, other: Files, random: Random) -> str:
    """Change what a record says, and sometimes only how it is written."""
    del other
    name = _file(files, random)
    lines = files[name].splitlines(keepends=True)
    at = _at(random, len(lines))
    match = _LINE.fullmatch(lines[at])
    if match is None:
        return "a record, but the line is none any more"
    record = json.loads(match[1])
    how = _rewritten(record, random)
    written = {
        "spaces": lambda: json.dumps(record),
        "escapes": lambda: json.dumps(record, separators=(",", ":")).replace("e", "\\u0065", 1),
        "backwards": lambda: _json(dict(reversed(record.items()))),
        "twice": lambda: _json(record)[:-1] + "," + _json(record)[1:],
    }
    form = sorted(written)[_at(random, len(written))] if random.random() < 0.3 else ""
    text = written[form]() if form else _json(record)
    lines[at] = lines[at].replace(match[1], text.encode())
    files[name] = b"".join(lines)
    return f"{how} {form}".strip()


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


def _rewritten(record: dict[str, Any], random: Random) -> str:
    field = sorted(record)[_at(random, len(record))]
    value = record[field]
    drawn = random.random()
    if drawn < 0.1:
        del record[field]
        return "remove a field"
    if drawn < 0.2:
        record[field + "s"] = value
        return "add a field"
    if isinstance(value, bool | int):
        record[field] = (1 - value) if value in (0, 1) else value + 1
        return "another number"
    if isinstance(value, str) and value:
        place = _at(random, len(value))
        other = "0" if value[place] != "0" else "1"
        record[field] = value[:place] + other + value[place + 1 :]
        return "another letter"
    record[field] = [] if value else ["x"]
    return "another value"


def _plausibly(files: Files, other: Files, random: Random) -> str:
    """Change what no rule about the records themselves can know: only the tree holds it."""
    del other
    name = _file(files, random)
    field = sorted(_UNKNOWABLE)[_at(random, len(_UNKNOWABLE))]
    found = list(re.finditer(_UNKNOWABLE[field], files[name]))
    if not found:
        return f"plausibly, but no {field} is there"
    match = found[_at(random, len(found))]
    digit = b"%d" % ((int(match[1]) + 1) % 10)
    files[name] = files[name][: match.start(1)] + digit + files[name][match.end(1) :]
    return f"plausibly, {field}"


_UNKNOWABLE = {
    "the time of an outcome": rb'"kind":"outcome"[^\n]*"time":\d+?(\d),',
    "what a call used": rb'"kind":"outcome"[^\n]*"wall_us":\d*?(\d)[,}]',
    "when a run ended": rb'"kind":"run_closed"[^\n]*"time":\d+?(\d)}',
    "what a run was for": rb'"intent_digest":"[^"]*?(\d)[a-f]*"',
    "which task it was": rb'"task":"task-(\d)',
    "what a call returned": rb'"result_digest":"[^"]*?(\d)[a-f]*"',
    "when a grant was revoked": rb'"change":"revoke"[^\n]*"time":\d+?(\d)}',
}


# Files


def _whole_files(files: Files, other: Files, random: Random) -> str:
    """Remove, rename, exchange or invent files."""
    names = _in_order(files)
    first, last = names[0], names[-1]
    name = names[_at(random, len(names))]
    later = f"log-{len(lines_of(files)):016}.jsonl"
    sums = b"".join(
        bytes.fromhex(found[1].decode())
        for found in re.finditer(rb'"sum":"([0-9a-f]{64})"\}\n', files[name])
    )

    def hashes() -> None:
        files[name.replace(".jsonl", ".hashes")] = sums
        del files[name]

    ways: dict[str, Callable[[], object]] = {
        "remove a file": lambda: files.pop(name),
        "remove the last file": lambda: files.pop(last),
        "exchange files": lambda: files.update({first: files[last], last: files[first]}),
        "a file under a later name": lambda: files.update({later: files[name]}),
        "another log's file behind": lambda: files.update({later: next(iter(other.values()))}),
        "all in one file": lambda: files.update({first: b"".join(files[each] for each in names)}),
        "a file of another log": lambda: files.update({name: next(iter(other.values()))}),
        "hashes in place of a file": hashes,
        "an empty file behind": lambda: files.update({later: b""}),
    }
    how = sorted(ways)[_at(random, len(ways))]
    ways[how]()
    return how


WAYS: tuple[Callable[[Files, Files, Random], str], ...] = (
    _bytes,
    _lines,
    _records,
    _plausibly,
    _whole_files,
)
"""Each alters a log in place, may take from another one, and says how."""


# With more care: what a forger does who knows the format, and has no key


def relinked(files: Files) -> Files:
    """Number and chain the lines anew, so that each is true to its sum and follows the other."""
    index, prev, found = 0, "0" * 64, {}
    for name in _in_order(files):
        lines = []
        for line in files[name].splitlines(keepends=True):
            match = _LINE.fullmatch(line)
            if match is None:
                lines.append(line)
                continue
            body = b'{"index":%d,"prev":"%s","record":%s' % (index, prev.encode(), match[1])
            prev = sha256(b"\0" + body).hexdigest()
            lines.append(b'%s,"sum":"%s"}\n' % (body, prev.encode()))
            index += 1
        found[name] = b"".join(lines)
    return {**files, **found}


def renoted(files: Files, sign: Callable[[str, int, bytes], str | None]) -> Files:
    """Do as `relinked`, with every checkpoint and seal over the tree as it is now.

    `sign` gives the note's last word for origin, size and root, or None for the one that was there.
    """
    index, prev, origin, tree, found = 0, "0" * 64, "", compact_range(), {}
    for name in _in_order(files):
        lines = []
        for line in files[name].splitlines(keepends=True):
            match = _LINE.fullmatch(line)
            if match is None:
                lines.append(line)
                continue
            record = re.sub(
                rb'"nodes":"[0-9a-f]*"', b'"nodes":"%s"' % tree.nodes.hex().encode(), match[1]
            )
            record = _noted(record, origin, index, tree.root(), sign)
            body = b'{"index":%d,"prev":"%s","record":%s' % (index, prev.encode(), record)
            prev = sha256(b"\0" + body).hexdigest()
            origin = origin or f"authgate_async/{prev[:32]}"
            lines.append(b'%s,"sum":"%s"}\n' % (body, prev.encode()))
            tree.push(bytes.fromhex(prev))
            index += 1
        found[name] = b"".join(lines)
    return {**files, **found}


def _noted(
    record: bytes,
    origin: str,
    size: int,
    root: bytes,
    sign: Callable[[str, int, bytes], str | None],
) -> bytes:
    try:
        said = json.loads(record)
    except ValueError:
        return record
    match = _NOTE.fullmatch(str(said.get("note", ""))) if said.get("kind") == "checkpoint" else None
    if match is None:
        return record
    signed = sign(origin, size, root) or match["signed"]
    note = f"{origin}\n{size}\n{b64encode(root).decode()}\n\n— {origin} {signed}\n"
    return _json({**said, "note": note}).encode()
