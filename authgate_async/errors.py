"""Every error of the package, and whose fault it is.

::

    AuthgateError
    ├── UsageError               what was handed in is wrong; the sentence says where
    │   ├── PolicyError              a policy file
    │   ├── PlanError                a planner's plan; the runtime turns it into a result
    │   ├── ArgumentError            a tool call's arguments; the runtime denies it
    │   ├── ToolDefinitionError      a function under `@tool`
    │   ├── TaskError                a task or a file of tasks
    │   ├── RefusedError             a registry change that the kernel refused
    │   ├── KeyFileError             a key file
    │   ├── WireError                text given to `verify_json`
    │   └── LogCorruptError          a log that does not verify
    ├── UnavailableError         something outside is missing, full or gone; later may help
    │   ├── BackendMissingError      the native extension is not there
    │   ├── LogUnavailableError      the log cannot be written, or another process holds it
    │   ├── SandboxUnavailableError  a process cannot be started or confined
    │   ├── AskTimeoutError          an `ask` reached its deadline
    │   ├── ActorDiedError           the actor died with the request in its hands
    │   └── ClosedError              the runtime or the mailbox is closed
    └── InternalError            a bug of ours: please report it

A denial is an answer, not an exception, and cancellation is never caught.
"""

from __future__ import annotations

__all__ = [
    "ActorDiedError",
    "ArgumentError",
    "AskTimeoutError",
    "AuthgateError",
    "BackendMissingError",
    "ClosedError",
    "InternalError",
    "KeyFileError",
    "LogCorruptError",
    "LogUnavailableError",
    "PlanError",
    "PolicyError",
    "RefusedError",
    "SandboxUnavailableError",
    "TaskError",
    "ToolDefinitionError",
    "UnavailableError",
    "UsageError",
    "WireError",
]


class AuthgateError(Exception):
    """The root of the tree."""


class UsageError(AuthgateError):
    """What was handed in is wrong."""


class PolicyError(UsageError):
    """A policy file is wrong; the sentence opens with `FILE:LINE`."""


class PlanError(UsageError):
    """A planner returned something that is not a plan."""


class ArgumentError(UsageError):
    """A tool call's arguments do not fit the tool's signature."""


class ToolDefinitionError(UsageError):
    """A function cannot be a tool as it is written."""


class TaskError(UsageError):
    """A task, or a file of tasks, is wrong; for a file the sentence opens with `FILE:LINE`."""


class RefusedError(UsageError):
    """The kernel refused a change of its registry; `code` is from `docs/rules.md`, section 1."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code = code
        self.sentence = sentence


class KeyFileError(UsageError):
    """A key file is missing, malformed, or readable by others."""


class WireError(UsageError, ValueError):
    """Text given to `verify_json` is wrong; the sentence names the field."""


class LogCorruptError(UsageError):
    """A log does not verify; the sentence names the first bad record."""


class UnavailableError(AuthgateError):
    """Something outside is missing, full or gone."""


class BackendMissingError(UnavailableError):
    """The native extension is not there."""


class LogUnavailableError(UnavailableError):
    """The log cannot be written, or another process holds it."""


class SandboxUnavailableError(UnavailableError):
    """A process cannot be started, or not with the limits that were asked."""


class AskTimeoutError(UnavailableError, TimeoutError):
    """An `ask` reached its deadline before the answer came."""


class ActorDiedError(UnavailableError):
    """The actor died with the request in its hands; whether it took effect is not known."""


class ClosedError(UnavailableError):
    """The runtime or the mailbox is closed and takes nothing new."""


class InternalError(AuthgateError):
    """A bug of ours. Nothing that you did: please report it."""
