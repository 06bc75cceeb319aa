"""Deciders to call in the process: tenuo and cedarpy, each in the fastest way that it documents.

Each asks whether an agent may read, with one argument that a constraint bounds. All that can be
made before a request is there is made before: keys, warrant, policies, entities, and the text of
the arguments.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import TYPE_CHECKING

from benches.table import Subject, version_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["found"]

RULES = 10


def found(batch: int) -> list[Subject]:
    """Return both; a run decides so many requests and returns seconds per decision."""
    return [
        _subject("tenuo, sign and authorize", "tenuo", _tenuo, batch),
        _subject("cedarpy, 10 rules", "cedarpy", _cedarpy, batch),
    ]


def _subject(
    name: str, package: str, make: Callable[[int], Callable[[], None]], batch: int
) -> Subject:
    try:
        decide = make(batch)
    except ImportError:
        return Subject(name, version_of(package), None)

    def run() -> float:
        began = time.perf_counter()
        decide()
        return (time.perf_counter() - began) / batch

    return Subject(name, version_of(package), run)


def _tenuo(batch: int) -> Callable[[], None]:
    """Prove possession of a warrant's key for each call, and have the call authorized.

    There is no call for a batch. `authorize` is what its manual calls the full check.
    """
    tenuo = import_module("tenuo")
    issuer, holder = tenuo.SigningKey.generate(), tenuo.SigningKey.generate()
    builder = tenuo.Warrant.mint_builder().capability("read_file", path=tenuo.Pattern("/data/*"))
    warrant = builder.holder(holder.public_key).ttl(3_600).mint(issuer)
    authorizer = tenuo.Authorizer(trusted_roots=[issuer.public_key])
    args = {"path": "/data/report.txt"}

    def decide() -> None:
        for _ in range(batch):
            proof = warrant.sign(holder, "read_file", args, int(time.time()))
            authorizer.authorize(warrant, "read_file", args, proof)

    return decide


def _cedarpy(batch: int) -> Callable[[], None]:
    """Ask a batch of a policy set and entities that are parsed already; it signs nothing.

    Entities named by type and id, and a context that is text already, are its fastest forms.
    """
    cedarpy = import_module("cedarpy")
    policies = cedarpy.PolicySet.from_str("".join(map(_rule, range(RULES))))
    entities = cedarpy.Entities.from_json_str("[]")
    requests = [_request(number % RULES) for number in range(batch)]

    def decide() -> None:
        answers = cedarpy.is_authorized_batch(requests, policies, entities)
        assert all(answer.allowed for answer in answers), answers

    return decide


def _rule(number: int) -> str:
    who = f'principal == Agent::"agent-{number}"'
    what = f'action == Action::"read_file", resource == File::"share-{number}"'
    return f'permit({who}, {what}) when {{ context.path like "/data/*" }};\n'


def _request(number: int) -> dict[str, object]:
    return {
        "principal": {"type": "Agent", "id": f"agent-{number}"},
        "action": {"type": "Action", "id": "read_file"},
        "resource": {"type": "File", "id": f"share-{number}"},
        "context": '{"path":"/data/report.txt"}',
    }
