"""`authgate audit prove`, `check-proof` and `export`: what others can check by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import json_line, print_json, print_text, say
from authgate_async.errors import UsageError
from authgate_async.keys import load_public
from authgate_async.log.lines import MAX_LINE, Fault
from authgate_async.log.proofs import check_proof, prove
from authgate_async.log.tiles import export_tiles

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

__all__ = ["run"]


def run(args: Namespace) -> Exit:
    """Make or check a proof, or write the whole tree."""
    if args.part == "prove":
        print_text(prove(args.log, args.index).removesuffix("\n"))
        return Exit.OK
    if args.part == "check-proof":
        return _check(args)
    size, left_out = export_tiles(args.log, args.tiles)
    say(f"{size} entries are under the checkpoint in {args.tiles}")
    if left_out:
        say(
            f"note: {left_out} entry bundles are left out: they have a record of over 65535 bytes, "
            "or one that was removed"
        )
    return Exit.OK


def _check(args: Namespace) -> Exit:
    try:
        proved = check_proof(_read(args.file), load_public(args.key))
    except Fault as fault:
        say(f"{args.file}: {fault.problem}; do not believe the record in it")
        return Exit.BAD_INPUT
    line, note = proved
    record = msgspec.json.decode(line.record)
    if args.json:
        told = {"ok": True, "index": line.number, "origin": note.origin, "size": note.size}
        print_json(told | {"record": record})
        return Exit.OK
    print_text(f"record {line.number} of the log {note.origin}, at size {note.size}:")
    print_text(json_line(record).decode().removesuffix("\n"))
    return Exit.OK


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(2 * MAX_LINE).decode()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise UsageError(f"{path} cannot be read: {why}; name a file with a proof") from None
