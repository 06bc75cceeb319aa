"""The kept inputs of the fuzz targets (`kernel/fuzz`), given to both kernels.

Or, after a run of the fuzzer, those in the folder FUZZ_CORPUS.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authgate_async import _native, reference
from authgate_async.wire import OPERATORS, Action, Constraint, Enrol, Grant, Register, Request

KEPT = Path(__file__).parents[2] / "kernel" / "fuzz" / "corpus"
CORPUS = Path(os.environ.get("FUZZ_CORPUS", KEPT))
SEED, ENTROPY = b"\x01" * 32, b"\x02" * 32
CALLS = ("change", "decide", "redeem", "settle", "stale")
HEAD = struct.Struct("<BBQH")
MODULES = (_native.Kernel, reference.ReferenceKernel)


def _inputs(target: str) -> list[bytes]:
    found = [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]
    assert found or CORPUS != KEPT
    return found


def _answer(call: Any, *args: Any) -> Any:
    """What comes out; that it raises, for what is an error of the caller."""
    try:
        return call(*args)
    except ValueError:
        return ValueError


def _calls(data: bytes) -> Iterator[tuple[str, bytes, list[Any]]]:
    while len(data) >= HEAD.size:
        place, fill, now, length = HEAD.unpack_from(data)
        message, data = data[HEAD.size :][:length], data[HEAD.size + length :]
        name = CALLS[place % len(CALLS)]
        more = {"decide": [now, bytes([fill]) * 32], "settle": [], "stale": []}
        yield name, message, more.get(name, [now])


def test_calls_are_answered_alike() -> None:
    """Any bytes, in any order: an error in both kernels, or the same bytes from both."""
    for data in _inputs("calls"):
        kernels = [make(SEED, ENTROPY, 60_000_000) for make in MODULES]
        for name, message, more in _calls(data):
            rust, python = (_answer(getattr(kernel, name), message, *more) for kernel in kernels)
            assert rust == python, (name, message.hex())


def test_texts_are_answered_alike() -> None:
    """Any text: an error in both kernels, or the same line from both."""
    for data in _inputs("json"):
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        answers = [
            _answer(module.verify_json, text, SEED, 1_000_000, ENTROPY)
            for module in (_native, reference)
        ]
        assert answers[0] == answers[1], text


@pytest.mark.parametrize("op", OPERATORS)
def test_arguments_are_judged_alike(op: str) -> None:
    """Any bound with any arguments: the same sentences from both kernels."""
    encode = msgspec.msgpack.encode
    for data in _inputs("arguments"):
        head, found, args = data.partition(b"\xff")
        bound = head[1:].decode(errors="ignore")
        if not found or data[0] % len(OPERATORS) != OPERATORS.index(op):
            continue
        grant = Grant(
            "g", "ann", "human", "f", "n", "", 1, constraints=(Constraint("a", op, bound),)
        )
        changes = encode([Enrol("ann", "human"), Register(grant)])
        action = encode([Action("i", "ann", "human", "t", args, (Request("f", "n", "", 1),))])
        kernels = [make(SEED, ENTROPY, 9) for make in MODULES]
        entered = [kernel.change(changes, 0) for kernel in kernels]
        assert entered[0] == entered[1], (op, bound)
        decided = [kernel.decide(action, 0, ENTROPY) for kernel in kernels]
        assert decided[0] == decided[1], (op, bound, args)
