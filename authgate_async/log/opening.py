"""Opening what is sealed in a record, and holding texts against what the record has of them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from authgate_async.log.keeping import derived_salt
from authgate_async.log.lines import Fault
from authgate_async.log.sealing import Place, SealedArgs, SealedOutputs, open_sealed
from authgate_async.reference.digests import salted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

__all__ = ["Clear", "claims", "clear_of"]

Clear = dict[str, str | list[str]]
"""What was sealed, by name; a stream that is no text has its bytes escaped."""

_OUTPUTS = ("result", "stdout", "stderr")


def clear_of(
    record: dict[str, Any], auditor: str, key: X25519PrivateKey, mine: str
) -> Clear | None:
    """Return what is sealed in a stored record, held against its digests; None if nothing is.

    `auditor` names the key that its session sealed to, and `mine` names `key`.

    Raises:
        Fault: It is sealed to another key, it was changed or stood in another record, or is not
            what the digests are of.
    """
    sealed = record.get("sealed_args") or record.get("sealed_outputs")
    if not sealed:
        return None
    if auditor != mine:
        raise Fault(f"it is sealed to the auditor's key {auditor}, and the key given is {mine}")
    place = Place(record["kind"], record["run"], record["seq"], record["action_digest"])
    if record["kind"] != "outcome":
        return _args(record, open_sealed(sealed, key, place, SealedArgs))
    return _outputs(record, open_sealed(sealed, key, place, SealedOutputs))


def _args(record: dict[str, Any], opened: SealedArgs) -> Clear:
    _must_match("args", record["args_digest"], salted("arguments", opened.salt, opened.args))
    return {"args": _text(opened.args)}


def _outputs(record: dict[str, Any], opened: SealedOutputs) -> Clear:
    texts = {name: getattr(opened, name) for name in _OUTPUTS}
    for name, text in texts.items():
        _must_match(name, record[f"{name}_digest"], salted(name, opened.salt, text))
    shown: Clear = {name: _text(text) for name, text in texts.items()}
    return shown | {"error": opened.error, "denials": list(opened.denials)}


def _must_match(name: str, kept: str, found: bytes) -> None:
    if kept != found.hex():
        raise Fault(f"what is sealed as its `{name}` is not what the digest beside it is of")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def claims(record: dict[str, Any], text: bytes, key: bytes | None) -> str:
    """Return what of a stored record a text is shown to be, as words; empty for nothing.

    `key` makes the salts (`salts_key`); without it only plain digests are tried.
    """
    return next((what for what, kept, made in _tries(record, text, key) if kept in made), "")


def _tries(
    record: dict[str, Any], text: bytes, key: bytes | None
) -> Iterator[tuple[str, str, set[str]]]:
    """What the text could be, the digest that is kept of that, and those that it would have."""
    plain, run, seq = sha256(text).hexdigest(), record.get("run", ""), record.get("seq", 0)

    def made(what: str, salt_of: str) -> set[str]:
        if key is None:
            return {plain}
        return {plain, salted(what, derived_salt(key, salt_of, run, seq), text).hex()}

    match record["kind"]:
        case "intent" | "approval_asked":
            yield "arguments", record["args_digest"], made("arguments", "arguments")
        case "run_opened":
            yield "task's sentence", record["intent_digest"], made("intent", "intent")
        case "outcome":
            for name in _OUTPUTS:
                yield name, record[f"{name}_digest"], made(name, "outputs")
        case _:
            return
