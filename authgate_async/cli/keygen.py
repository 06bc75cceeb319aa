"""`authgate keygen FILE`: make a key pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.cli.exits import Exit
from authgate_async.cli.output import print_json, print_text
from authgate_async.keys import generate, key_id
from authgate_async.policy.problems import escape

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["run"]


def run(args: Namespace) -> Exit:
    """Make both files and name them."""
    public = generate(args.file)
    files = {"private": str(args.file), "public": f"{args.file}.pub"}
    if args.json:
        print_json(files | {"key": public.hex(), "key_id": key_id(public)})
    else:
        print_text(f"private key  {escape(files['private'])}  (keep it; only you can read it)")
        print_text(f"public key   {escape(files['public'])}  {public.hex()}")
    return Exit.OK
