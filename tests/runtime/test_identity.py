"""A principal with a key acts only with that key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async import Task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SEED = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()


@pytest.mark.parametrize(
    ("key", "codes"),
    [
        (SEED, ()),
        (None, ("identity_mismatch",)),
        (bytes(32), ("identity_mismatch",)),
    ],
)
@pytest.mark.parametrize("backend", ["rust", "python"])
async def test_a_keyed_principal_must_prove_itself(
    runtime: Callable[..., Any], key: bytes | None, codes: tuple[str, ...], backend: str
) -> None:
    """Its own key is permitted; no key or another's is an identity mismatch."""
    async with runtime(backend=backend) as rt:
        await rt.enrol("machine:sealed", owner="ann", key=PUBLIC)
        await rt.grant("machine:sealed", "execute", "compute:echo")
        agent = rt.agent("sealed", key=key)
        result = await agent.call("echo", text="hi")
        again = await agent.call("echo", text="other")

    assert (result.codes, again.codes) == (codes, codes)


async def test_a_keyed_agent_is_denied_like_any_other(runtime: Callable[..., Any]) -> None:
    """What cannot be signed, since it is no call of a tool, is turned away as ever."""
    async with runtime() as rt:
        await rt.enrol("machine:sealed", owner="ann", key=PUBLIC)
        agent = rt.agent("sealed", key=SEED)
        unknown = await agent.call("nonsense")
        malformed = await agent.call("echo")

    assert (unknown.codes, malformed.codes) == (("unknown_tool",), ("bad_arguments",))


async def test_a_run_that_cannot_be_signed_is_recorded_as_failed(
    runtime: Callable[..., Any], tmp_path: Path, step: Callable[..., Any]
) -> None:
    """What a signer raises reaches the caller; the log does not say that all was done."""

    def sign(statement: bytes) -> bytes:
        raise ConnectionError(f"no token for {len(statement)} bytes")

    async with runtime(log=tmp_path / "log") as rt:
        await rt.enrol("machine:sealed", owner="ann", key=PUBLIC)
        with pytest.raises(ConnectionError, match="no token"):
            await rt.run(Task("sealed", steps=(step("echo", text="hi"),)), sign=sign)

    lines = (await anyio.Path(tmp_path / "log/log.jsonl").read_bytes()).splitlines()
    records = [json.loads(line)["record"] for line in lines]
    assert [r["status"] for r in records if r["kind"] == "run_closed"] == ["failed"]
