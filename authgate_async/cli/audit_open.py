"""`authgate audit open` shows what is sealed in a log; `claim` holds a text against a digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from authgate_async.cli.audit_show import found_records
from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text, say
from authgate_async.errors import KeyFileError, UsageError
from authgate_async.keys import key_id, load_auditor, load_seed
from authgate_async.log.keeping import salts_key
from authgate_async.log.lines import Fault
from authgate_async.log.opening import Clear, claims, clear_of
from authgate_async.log.reading import true_lines
from authgate_async.policy.problems import escape

if TYPE_CHECKING:
    from argparse import Namespace

    from authgate_async.cli.audit_show import Found

__all__ = ["run"]

_MOST = 2**22


def run(args: Namespace) -> Exit:
    """Open what matches all filters, or check a claim about one record."""
    return _claim(args) if args.part == "claim" else _open(args)


def _open(args: Namespace) -> Exit:
    key = load_auditor(args.key)
    mine = key_id(key.public_key().public_bytes_raw())
    end, count = Exit.OK, 0
    for found in found_records(args):
        try:
            clear = clear_of(found.record, found.auditor, key, mine)
        except Fault as fault:
            say(f"{args.log}: record {found.line.number}: {fault.problem}")
            end = Exit.BAD_INPUT
            continue
        if clear is not None:
            count += 1
            _print(found, clear, as_json=args.json)
    if not count and end is Exit.OK:
        say(f"nothing is sealed in the records of {args.log} that were asked for")
    return end


def _print(found: Found, clear: Clear, *, as_json: bool) -> None:
    record, number = found.record, found.line.number
    if as_json:
        told = {"index": number, "kind": record["kind"], "run": record["run"], "seq": record["seq"]}
        print_json(told | {"agent": found.agent, "tool": found.tool} | clear)
        return
    place = (str(number), record["run"], str(record["seq"]), found.tool)
    for name, text in clear.items():
        if text:
            print_text("\t".join(escape(cell) for cell in (*place, name, _shown(text))))


def _shown(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "; ".join(text)


def _claim(args: Namespace) -> Exit:
    text, seed = _text(args), None if args.key is None else load_seed(args.key)
    session, record = _record(args)
    if seed is not None and _public(seed) != session.get("public_key"):
        raise KeyFileError(
            f"{args.key} is not the key under which record {args.index} was written, so it makes "
            "other salts; give that one"
        )
    key = None if seed is None else salts_key(seed)
    held = claims(record, text, key) or claims(record, text.removesuffix(b"\n"), key)
    if held:
        print_text(f"record {args.index}: {args.file} is its {held}")
        return Exit.OK
    say(f"{args.log}: record {args.index} has no digest that {args.file} is shown to be of")
    return Exit.BAD_INPUT


def _public(seed: bytes) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
        Ed25519PrivateKey,
    )

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex()


def _record(args: Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the opening of the session that a record is of, and the record."""
    session: dict[str, Any] = {}
    for line in true_lines(args.log):
        record = msgspec.json.decode(line.record)
        if record["kind"] == "log_opened":
            session = record
        if line.number == args.index:
            return session, record
    raise UsageError(f"{args.log} has no record {args.index}; it has fewer")


def _text(args: Namespace) -> bytes:
    try:
        with args.file.open("rb") as stream:
            found: bytes = stream.read(_MOST)
    except OSError as error:
        raise UsageError(f"{args.file} cannot be read: {error.strerror}") from None
    return found
