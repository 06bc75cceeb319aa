"""Inputs to begin with, from the committed vectors: `python kernel/fuzz/seed.py FOLDER [LOG...]`.

Writes FOLDER/TARGET/... for each target that has any there; the records of logs are given as files.
"""

from __future__ import annotations

import json
import struct
import sys
from hashlib import sha1
from pathlib import Path
from typing import Any

import msgspec

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"
OPERATIONS = ("change", "decide", "redeem", "settle", "stale")
OPERATORS = (
    "eq", "one_of", "all_in", "prefix", "regex", "not_regex", "le", "ge", "max_len", "absent",
    "subpath", "host",
)  # fmt: skip
WIRE = {"decide": b"\0", "change": b"\1", "redeem": b"\2", "settle": b"\3", "stale": b"\10"}
ANSWERS = {"decide": b"\5", "change": b"\6", "redeem": b"\7"}
LONGEST = 4096
_HEAD = struct.Struct("<BBQH")
_CALL = struct.Struct("<I?6QI")


class Seeds:
    """A folder for each target, and in it a file for each input."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, target: str, data: bytes) -> None:
        """Write one input, unless it is long."""
        if len(data) <= LONGEST:
            folder = self._folder / target
            folder.mkdir(parents=True, exist_ok=True)
            name = sha1(data, usedforsecurity=False).hexdigest()
            (folder / name).write_bytes(data)


def unmarked(value: Any) -> Any:
    """Turn `{"hex": "..."}` into bytes, at any depth."""
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    if isinstance(value, list):
        return [unmarked(item) for item in value]
    return value


def message(step: Any) -> bytes:
    """The bytes that go in."""
    if "bytes" in step:
        return bytes(unmarked(step["bytes"]))
    return msgspec.msgpack.encode(unmarked(step["input"]))


def of_steps(seeds: Seeds, steps: list[Any]) -> None:
    """Calls one after another, and each message by itself."""
    calls = b""
    for step in steps:
        data = message(step)
        fill = bytes.fromhex(step["entropy"]["hex"])[0] if "entropy" in step else 0
        place = OPERATIONS.index(step["op"])
        calls += _HEAD.pack(place, fill, step.get("now", 0), min(len(data), 0xFFFF)) + data
        seeds.keep("wire", WIRE[step["op"]] + data)
        if step["op"] in ANSWERS and "output" in step:
            seeds.keep("wire", ANSWERS[step["op"]] + unmarked(step["output"]))
    seeds.keep("calls", calls)


def of_bounds(seeds: Seeds, steps: list[Any]) -> None:
    """Each constraint of a grant with each call's arguments, as far as they are its own."""
    known = [step for step in steps if "input" in step]
    changes = [one for step in known if step["op"] == "change" for one in step["input"]]
    grants = [change[1] for change in changes if change[0] in {"register", "delegate"}]
    asked = [step["input"] for step in known if step["op"] == "decide"]
    args = [unmarked(action[4]) for actions in asked for action in actions] or [b'{"a":1}']
    bounds = [constraint for grant in grants for constraint in grant[12]]
    for arg, op, bound in bounds:
        if op in OPERATORS:
            head = bytes([OPERATORS.index(op)]) + bound.encode() + b"\xff"
            for each in args:
                seeds.keep("arguments", head + each.replace(f'"{arg}"'.encode(), b'"a"'))


def of_told(seeds: Seeds) -> None:
    """Calls of a cell: without a folder, with one, with two."""
    texts = (b"folder", b"docs", b"/srv/docs", b"a/b")
    folder = b"\x03" + b"".join(struct.pack("<I", len(text)) + text for text in texts)
    for count in range(3):
        head = _CALL.pack(count, count == 1, 1, 1 << 30, 1 << 20, 64, 16, 1 << 20, count)
        seeds.keep("told", head + folder * count + b'{"path":"a"}')


def of_tree(seeds: Seeds) -> None:
    """Leaves of trees of a few sizes, with paths of zeros of the right length."""
    for size in (1, 2, 3, 7, 8, 200):
        for index in {0, size // 2, size - 1}:
            path = bytes(32 * (size - 1).bit_length())
            seeds.keep("tree", bytes([size]) + struct.pack("<QQ", size, index) + path)
    seeds.keep("tree", b"\1" + b"\xff" * 8 + b"\xfe" + b"\xff" * 7 + bytes(64 * 32))


def of_log(seeds: Seeds, log: bytes) -> None:
    """The lines of a log, and its records, each kind by itself and several together."""
    records = [
        line.split(b',"record":', 1)[1].rsplit(b',"sum":', 1)[0] for line in log.splitlines()
    ]
    seeds.keep("log", b"".join(log.splitlines(keepends=True)[:2]))
    for place, record in enumerate(records):
        seeds.keep("log", record)
        seeds.keep("log", b"\n".join(records[place : place + 3]))


def main() -> None:
    """Write all of them."""
    folder, *logs = map(Path, sys.argv[1:])
    seeds = Seeds(folder)
    for path in sorted(VECTORS.glob("*.json")):
        for vector in json.loads(path.read_text(encoding="ascii")):
            if "text" in vector:
                seeds.keep("json", vector["text"].encode())
            else:
                of_steps(seeds, vector["steps"])
                of_bounds(seeds, vector["steps"])
    of_told(seeds)
    of_tree(seeds)
    for log in logs:
        of_log(seeds, log.read_bytes())


if __name__ == "__main__":
    main()
