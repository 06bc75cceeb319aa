"""What is recorded of each tool's calls, and what is kept off the log."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from authgate_async.keys import key_id
from authgate_async.log.sealing import Place, SealedArgs, SealedOutputs, seal
from authgate_async.redaction import Kept
from authgate_async.reference.digests import SALT_BYTES, salted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate_async.launchers.protocol import Ended

__all__ = ["WITHHELD", "Keeper", "derived_salt", "salts_key"]

WITHHELD = "what the tool said is kept off the log"

_OPEN = Kept()
_OURS = frozenset(
    {
        "deadline",
        "output_cap",
        "cpu_limit",
        "memory_limit",
        "process_limit",
        "killed",
        "cancelled",
        "revoked",
    }
)
"""Causes whose sentence is made of limits and grants, and of nothing that a tool said."""

_NOTHING = sha256(b"").hexdigest()


def salts_key(seed: bytes) -> bytes:
    """Return the key of a log's salts, given the seed that the log is signed with."""
    return hmac.digest(seed, b"authgate_async salts v1", "sha256")


def derived_salt(key: bytes, what: str, run: str, seq: int) -> bytes:
    """Return a salt that whoever has the log's private key can make again."""
    return hmac.digest(key, msgspec.json.encode([what, run, seq]), "sha256")


class Keeper:
    """Makes the parts of records that may have to be kept off the log.

    `kept` has the tools that say so, `key` makes the salts (`salts_key`), `auditor` is an X25519
    public key, empty where no tool seals anything.
    """

    def __init__(self, kept: Mapping[str, Kept], key: bytes, auditor: bytes = b"") -> None:
        self._kept = kept
        self._key = key
        # Not even the log's own key may lead to the salts of what is sealed.
        self._own = os.urandom(SALT_BYTES)
        self._auditor = X25519PublicKey.from_public_bytes(auditor) if auditor else None
        self._hides_args = any(each.args != "full" for each in kept.values())

    @property
    def auditor_id(self) -> str:
        """The name of the auditor's key, as `keys.key_id`; empty for none."""
        return key_id(self._auditor.public_bytes_raw()) if self._auditor else ""

    @property
    def hides(self) -> bool:
        """Whether the words of any tool are kept off the log."""
        return not all(each.tells for each in self._kept.values())

    def of(self, tool: str) -> Kept:
        """Return what is kept of a tool's calls."""
        return self._kept.get(tool, _OPEN)

    def args_salt(self, tool: str, run: str, seq: int) -> bytes:
        """Return the salt of a call's argument digest; empty where the log has them in clear."""
        match self.of(tool).args:
            case "full":
                return b""
            case "digest":
                return derived_salt(self._key, "arguments", run, seq)
            case "sealed":
                # The same when a step is proposed again, so that an approval is of its digest.
                return derived_salt(self._own, "arguments", run, seq)

    def args(self, tool: str, args: bytes, salt: bytes, place: Place) -> tuple[str, str]:
        """Return what an intent has of its arguments: in clear, and sealed."""
        match self.of(tool).args:
            case "full":
                return args.decode(), ""
            case "digest":
                return "", ""
            case "sealed":
                return "", self._seal(SealedArgs(salt, args), place)

    def intent_digest(self, run: str, intent: str) -> str:
        """Digest a task's sentence; it may have in words what a tool's arguments keep back."""
        if not self._hides_args:
            return sha256(intent.encode()).hexdigest()
        salt = derived_salt(self._key, "intent", run, 0)
        return salted("intent", salt, intent.encode()).hex()

    def outputs(self, tool: str, ended: Ended, place: Place) -> dict[str, Any]:
        """Return the fields of an outcome that show what a call put out and what it said."""
        kept = self.of(tool)
        denials = ended.denials if kept.tells or not ended.denials else (WITHHELD,)
        fields = {"error": self.error(tool, ended), "denials": denials, "outputs": kept.outputs}
        match kept.outputs:
            case "checksum":
                return fields | _plain(ended)
            case "full":
                return fields | _plain(ended) | _clear(ended)
            case "digest":
                salt = derived_salt(self._key, "outputs", place.run, place.seq)
                return fields | _salted(ended, salt)
            case "sealed":
                salt = os.urandom(SALT_BYTES)
                text = SealedOutputs(
                    salt, ended.result, ended.stdout, ended.stderr, ended.error, ended.denials
                )
                sealed = {"sealed_outputs": self._seal(text, place)}
                return fields | _salted(ended, salt) | sealed

    def error(self, tool: str, ended: Ended) -> str:
        """Return what may be told of how a call ended."""
        hidden = ended.error and not self.of(tool).tells and ended.cause not in _OURS
        return WITHHELD if hidden else ended.error

    def _seal(self, text: SealedArgs | SealedOutputs, place: Place) -> str:
        if self._auditor is None:  # `assembly` refuses to start then
            raise RuntimeError("a tool seals what nobody could open")
        return seal(text, self._auditor, place)


def _plain(ended: Ended) -> dict[str, str]:
    return {
        "result_digest": _hex(ended.result),
        "stdout_digest": _hex(ended.stdout),
        "stderr_digest": _hex(ended.stderr),
    }


def _clear(ended: Ended) -> dict[str, str]:
    return {
        "result": ended.result.decode(),
        "stdout": ended.stdout.hex(),
        "stderr": ended.stderr.hex(),
    }


def _salted(ended: Ended, salt: bytes) -> dict[str, str]:
    return {
        "result_digest": salted("result", salt, ended.result).hex(),
        "stdout_digest": salted("stdout", salt, ended.stdout).hex(),
        "stderr_digest": salted("stderr", salt, ended.stderr).hex(),
    }


def _hex(data: bytes) -> str:
    return sha256(data).hexdigest() if data else _NOTHING
