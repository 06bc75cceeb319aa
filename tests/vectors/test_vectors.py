"""The committed corpus, replayed on both kernels."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authgate_async import wire
from authgate_async.backends import make_kernel

HERE = Path(__file__).parent
TOPICS = sorted(path.stem for path in HERE.glob("*.json"))
CHANGE_CODES = {
    "malformed",
    "conflict",
    "unknown_principal",
    "too_many",
    "no_grant",
    "chain_broken",
    "attenuation",
    "expired",
    "epoch_stale",
    "approval_forged",
    "approval_expired",
    "approval_used",
}
MODULES = {"rust": "authgate_async._native", "python": "authgate_async.reference"}


def _vectors(topic: str) -> list[Any]:
    loaded: list[Any] = json.loads((HERE / f"{topic}.json").read_text(encoding="ascii"))
    return loaded


def _params(*, texts: bool) -> list[Any]:
    topics = [topic for topic in TOPICS if (topic == "texts") == texts]
    return [
        pytest.param(vector, id=f"{topic}: {vector['name']}")
        for topic in topics
        for vector in _vectors(topic)
    ]


def _steps() -> Iterator[Any]:
    for parameter in _params(texts=False):
        yield from parameter.values[0]["steps"]


def _unmarked(value: Any) -> Any:
    """Turn `{"hex": "..."}` into bytes, at any depth."""
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    return value


def _call(kernel: Any, step: Any, data: bytes) -> bytes:
    more = [_unmarked(step["entropy"])] if "entropy" in step else []
    if step["op"] == "decide" and not more:
        more = [bytes(32)]
    when = [] if step["op"] in {"settle", "stale"} else [step["now"]]
    answer: bytes = getattr(kernel, step["op"])(data, *when, *more)
    return answer


def _readable(op: str, output: bytes) -> Any:
    """What the bytes say, in the form of `expected`."""
    items = msgspec.msgpack.decode(output)
    if op != "decide":
        return items
    verdicts = [msgspec.msgpack.decode(item[0], type=wire.Verdict) for item in items]
    fields = ["permitted", "violations", "warnings", "confidence"]
    fields += ["requires_human_arbitration", "chains", "approvers"]
    readable = [{field: getattr(verdict, field) for field in fields} for verdict in verdicts]
    return json.loads(json.dumps(readable))


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize("vector", _params(texts=False))
def test_a_kernel_gives_the_bytes_of_the_corpus(vector: Any, backend: Any) -> None:
    """Every step of every vector gives exactly the committed bytes, or raises where it must."""
    settings = {name: _unmarked(value) for name, value in vector["kernel"].items()}
    kernel = make_kernel(backend, **settings)
    for step in vector["steps"]:
        if step.get("raises"):
            with pytest.raises(ValueError, match=r"."):
                _call(kernel, step, _unmarked(step["bytes"]))
            continue
        output = _call(kernel, step, msgspec.msgpack.encode(_unmarked(step["input"])))
        assert _readable(step["op"], output) == step["expected"]
        assert output == _unmarked(step["output"])


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize("vector", _params(texts=True))
def test_a_text_gives_the_text_of_the_corpus(vector: Any, backend: str) -> None:
    """`verify_json` gives the committed line, or an error that names the committed field."""
    verify_json = import_module(MODULES[backend]).verify_json
    settings = [_unmarked(vector[name]) for name in ("text", "seed", "now", "entropy")]
    if "output" in vector:
        assert verify_json(*settings) == vector["output"]
        return
    with pytest.raises(ValueError, match=r".") as caught:
        verify_json(*settings)
    named = vector["error_names"]
    assert not named or f"`{named}`" in str(caught.value)


def test_the_corpus_is_what_its_cases_say() -> None:
    """The files are what `make.py` writes from the cases and their hand-written expectations."""
    command = [sys.executable, str(HERE / "make.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _codes(op: str, of: str | None = None) -> set[str]:
    """Every code that steps of this kind expect."""
    items = [item for step in _steps() if step["op"] == op for item in step.get("expected", [])]
    pairs = items if of is None else [pair for item in items for pair in item[of]]
    return {pair[0] for pair in pairs}


def test_every_code_has_a_vector() -> None:
    """Each code that a kernel can deny, warn, refuse a permit or refuse a change with occurs."""
    assert _codes("decide", "violations") == set(wire.DENIAL_CODES)
    assert _codes("decide", "warnings") == set(wire.WARNING_CODES)
    assert _codes("redeem") == {"", *wire.REFUSAL_CODES}
    assert _codes("change") == {"", *CHANGE_CODES}


@pytest.mark.parametrize("name", ["DENIAL_CODES", "WARNING_CODES", "REFUSAL_CODES", "FLAGS"])
def test_the_native_constants_are_the_wires(name: str) -> None:
    """The extension names the same codes and flags as `wire.py`, in the same order."""
    native = import_module(MODULES["rust"])
    assert tuple(getattr(native, name)) == getattr(wire, name)


def test_the_corpus_does_not_shrink() -> None:
    """There are vectors of every topic, and at least as many as when the corpus was laid."""
    counts = {topic: len(_vectors(topic)) for topic in TOPICS}
    assert sum(counts.values()) >= 590
    assert min(counts.values()) >= 30
