"""`authgate keygen FILE`: make a key pair."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text
from authgate_async.errors import KeyFileError, UnavailableError
from authgate_async.keys import generate, key_id
from authgate_async.policy.problems import escape

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from authgate_async.keys import Kind

__all__ = ["run"]

_DISK = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)


def run(args: Namespace) -> Exit:
    """Make both files and name them."""
    public = _generate(args.file, "auditor" if args.auditor else "signing")
    files = {"private": str(args.file), "public": f"{args.file}.pub"}
    if args.json:
        print_json(files | {"key": public.hex(), "key_id": key_id(public)})
    else:
        print_text(f"private key  {escape(files['private'])}  (keep it; only you can read it)")
        print_text(f"public key   {escape(files['public'])}  {public.hex()}")
    return Exit.OK


def _generate(file: Path, kind: Kind) -> bytes:
    """Tell a disk that takes nothing from a name that is wrong: the one is nobody's bad input."""
    try:
        return generate(file, kind)
    except (KeyFileError, OSError) as error:
        cause = error.__cause__ if isinstance(error, KeyFileError) else error
        if not isinstance(cause, OSError) or cause.errno not in _DISK:
            raise
        remedy = "name a file on a disk that can be written and has room"
        sentence = f"{file} cannot be written: {cause.strerror}; {remedy}"
        raise UnavailableError(sentence) from error
