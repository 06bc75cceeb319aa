"""The decision rules in Python, to be read beside `docs/rules.md`.

Same registry, same action, same `now`, same entropy: the same bytes as the Rust kernel, sentences
included. It serves tests, and places without the native extension that ask for it by name. A file
per topic; clear before fast, but what a decision looks up is a lookup here too.
"""

from authgate_async.reference.kernel import ReferenceKernel
from authgate_async.reference.permit import verify_checkpoint, verify_signed
from authgate_async.reference.tree import CompactRange
from authgate_async.reference.wire_json import verify_json

__all__ = [
    "CompactRange",
    "ReferenceKernel",
    "verify_checkpoint",
    "verify_json",
    "verify_signed",
]
