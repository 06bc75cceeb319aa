"""What each kind of namespace is for: a jail that lacks it lets a hostile snippet out.

Where the filter of system calls, or another layer, holds the same, nothing gets out of a jail that
lacks the namespace alone, and something does that lacks both, and did not where only the other was
missing. Some cannot be left off: without them there is no jail.
"""

from __future__ import annotations

import msgspec
import pytest
from escapes.harness import Outcome
from escapes.staging import USERS, perform

DAEMONS = {
    "child_of_a_thread",
    "daemon_after_crash",
    "daemon_after_deadline",
    "daemon_after_exit",
    "daemon_after_return",
    "run_away",
    "stopped_daemon",
}
TALK = {"connect_with_data", "send_udp", "list_listeners"}
BECOME = {"become_somebody_else", "join_groups"}
NAMES = sorted({*DAEMONS, *TALK, *BECOME, "read_name_of_machine", "read_segment_of_machine"})

LETS_OUT = {
    "sharing-uts": {"read_name_of_machine"},
    "own-pid": DAEMONS,
    "sharing-net": set(),
    "without-seccomp": set(),
    "sharing-net+without-seccomp": TALK,
    "sharing-ipc": set(),
    "sharing-ipc+without-seccomp": {"read_segment_of_machine"},
    "sharing-user": set(),
    "without-capset": set(),
    "sharing-user+without-capset": BECOME,
}
"""What gets out, by what is missing."""

ROOT_ONLY = {"sharing-user", "sharing-user+without-capset"}
"""Nobody else can make the other namespaces without one of users."""

IMPOSSIBLE = {
    "sharing-pid": "cannot mount /proc",
    "sharing-mnt": "cannot be divided: Operation not permitted",
    "own-mnt": "No such file or directory: '/proc/self/ns/",
}
"""What the launcher says where the jail cannot be made without."""


def escaped(lacking: str) -> set[str]:
    """Return the snippets that get something out of such a jail."""
    found = perform(USERS[0], f"jail+{lacking}", "asyncio", ",".join(NAMES))
    outcomes = msgspec.json.decode(found, type=dict[str, dict[str, Outcome]])
    return {
        name for mode in outcomes.values() for name, outcome in mode.items() if outcome.evidence
    }


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lacking", LETS_OUT)
def test_it_is_needed(lacking: str) -> None:
    """What its absence lets out, alone or with the other layer that holds the same, is known."""
    if lacking in ROOT_ONLY and USERS[0] != "root":
        pytest.skip("only root can")
    assert escaped(lacking) == LETS_OUT[lacking]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lacking", IMPOSSIBLE)
def test_there_is_no_jail_without_it(lacking: str) -> None:
    """The launcher refuses to start, and says at which step."""
    with pytest.raises(AssertionError) as refused:
        escaped(lacking)
    assert "SandboxUnavailableError" in str(refused.value)
    assert IMPOSSIBLE[lacking] in str(refused.value)
