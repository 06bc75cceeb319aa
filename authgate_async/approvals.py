"""What a human sees of a call that waits for approval, and the approval that they sign.

An approval travels as one JSON object: the fields of `wire.Approve`, bytes in lower-case hex.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async.errors import UsageError
from authgate_async.keys import seed_from
from authgate_async.reference.approvals import approval_statement
from authgate_async.reference.rules import action_digest
from authgate_async.wire import Action, Approve, Request

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_BYTES", "WaitingCall", "read_approval", "sign_approval", "write_approval"]

MAX_BYTES = 4096
"""Of an approval as JSON."""

_NONCE_BYTES = 16


class WaitingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that waits until one of `approvers` approves it.

    `args` is the canonical JSON of its arguments, exactly as the tool would get them. `sentences`
    say which grants ask for the approval; where several do, and nobody is named in all of them, one
    approval is not enough. `deadline` is in microseconds since the Unix epoch. `salt` is of the
    digest of the arguments, empty where the log has these in clear; who may not see them may not
    have it.
    """

    action_id: str
    action_digest: bytes
    agent: str
    agent_kind: str
    tool: str
    args: str
    requests: tuple[Request, ...]
    approvers: tuple[str, ...]
    sentences: tuple[str, ...]
    deadline: int
    instance: bytes
    salt: bytes = b""


def sign_approval(
    call: WaitingCall, approver: str, key: Path | str | bytes, *, expires_at: int = 0
) -> Approve:
    """Return the approval of exactly this call, signed with the approver's private key.

    `key` is a key file or a seed of 32 bytes. `expires_at` is in microseconds since the Unix epoch
    (default: the call's deadline); a permit ends with it, too.

    Raises:
        UsageError: what the call shows is not what its digest is of.
        KeyFileError: as `keys.load_seed`.
    """
    if _digest(call) != call.action_digest:
        raise UsageError(
            f"call `{call.action_id}` shows something else than what its digest is of; "
            "do not approve it"
        )
    bare = Approve(
        call.instance,
        call.action_digest,
        approver,
        expires_at or call.deadline,
        secrets.token_bytes(_NONCE_BYTES),
        b"",
    )
    signer = Ed25519PrivateKey.from_private_bytes(seed_from(key))
    return msgspec.structs.replace(bare, signature=signer.sign(approval_statement(bare)))


def _digest(call: WaitingCall) -> bytes:
    """Digest what the call shows: nobody should sign more than they see."""
    return action_digest(
        Action(
            call.action_id,
            call.agent,
            call.agent_kind,
            call.tool,
            call.args.encode(),
            call.requests,
            salt=call.salt,
        )
    )


def write_approval(approval: Approve) -> bytes:
    """Return an approval as JSON, one line."""
    fields = msgspec.structs.asdict(approval)
    plain = {n: v.hex() if isinstance(v, bytes) else v for n, v in fields.items()}
    return json.dumps(plain).encode() + b"\n"


def read_approval(data: bytes) -> Approve:
    """Read an approval strictly; whether it holds is for the kernel to say.

    Raises:
        UsageError: it is none.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(f"it is longer than {MAX_BYTES} bytes; give one approval")
    try:
        fields = json.loads(data.decode(), object_pairs_hook=_once)
        return Approve(**{name: _value(name, value) for name, value in fields.items()})
    except (ValueError, TypeError, AttributeError, RecursionError):
        names = ", ".join(_FIELDS)
        raise UsageError(f"it is no approval, which is a JSON object of {names}") from None


_FIELDS = Approve.__struct_fields__


def _value(name: str, value: Any) -> Any:
    if name == "expires_at":
        if type(value) is not int or not 0 <= value < 2**63:
            raise ValueError(name)
        return value
    if not isinstance(value, str):
        raise TypeError(name)
    return value if name == "approver" else bytes.fromhex(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)
