"""A principal with a key acts only with that key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from collections.abc import Callable

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
