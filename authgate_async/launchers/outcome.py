"""From what was seen of a call to how it ended."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import msgspec

from authgate_async.launchers.denials import explain
from authgate_async.launchers.frames import read_frame, sentence
from authgate_async.launchers.protocol import Call, Cause, Ended, Usage

if TYPE_CHECKING:
    from typing import Protocol

    from authgate_async.launchers.frames import Frame, Report
    from authgate_async.launchers.streams import Stream

    class Seen(Protocol):
        """What the runtime saw of a call."""

        cause: Cause | None
        report: Report | None
        refusal: bytes
        lost: bool
        unconfined: bytes
        stdout: Stream
        stderr: Stream
        result: Stream

        @property
        def capped(self) -> tuple[str, ...]: ...


__all__ = ["ended"]

_CPU_SHARE = 0.8
"""The kernel counts the limit in ticks and usage in nanoseconds, and the two drift apart on a busy
machine: a kill above this share of the limit is the limit."""

_is_json = msgspec.json.Decoder().decode


def ended(call: Call, seen: Seen, wall_us: int) -> Ended:
    """Return the outcome; `wall_us` is the time from the body's start."""
    frame = read_frame(bytes(seen.result.data))
    cause, result, error = _judge(call, seen, frame)
    report = seen.report
    return Ended(
        cause=cause,
        result=result,
        error=error,
        stdout=bytes(seen.stdout.data),
        stderr=bytes(seen.stderr.data),
        capped=seen.capped,
        denials=explain(frame[2], call),
        usage=Usage(
            wall_us=wall_us,
            cpu_us=report.cpu_us if report else 0,
            memory_bytes=report.memory_bytes if report else 0,
        ),
    )


def _judge(call: Call, seen: Seen, frame: Frame) -> tuple[Cause, bytes, str]:
    if seen.cause is None and seen.capped:
        seen.cause = "output_cap"
    if seen.cause is not None:
        return seen.cause, b"", _sentence(seen.cause, call, seen)
    return _unordered(call, seen, frame)


def _unordered(call: Call, seen: Seen, frame: Frame) -> tuple[Cause, bytes, str]:
    """Say how a call ended that the runtime did not end."""
    if seen.refusal:
        return "raised", b"", sentence(seen.refusal)
    if seen.lost:
        return "killed", b"", "the call killed or stopped the process that watched it"
    if seen.report is None or seen.report.why == "abandoned":
        return "sandbox_died", b"", _sentence("sandbox_died", call, seen)
    if seen.report.why != "exited":
        cause: Cause = _ORDERED[seen.report.why]
        return cause, b"", _sentence(cause, call, seen)
    if seen.unconfined:
        sentence_ = f"the process could not be confined: {sentence(seen.unconfined)}"
        return "sandbox_died", b"", sentence_
    return _exited(call, seen.report, frame)


_ORDERED: dict[str, Cause] = {
    "crowded": "process_limit",
    "late": "deadline",
    "ordered": "cancelled",
    "memory": "memory_limit",
}


def _exited(call: Call, report: Report, frame: Frame) -> tuple[Cause, bytes, str]:
    if report.signal:
        return _signalled(call, report)
    if report.code != 0:
        return "raised", b"", f"the tool ended its process with status {report.code}"
    kind, content, _ = frame
    if kind == "result":
        return _result(call, content)
    return (
        _NO_RESULT[kind],
        b"",
        {
            "error": sentence(content),
            "memory": f"the tool needed more than {call.limits.memory_bytes} bytes of memory",
            "broken": "the tool ended its process without handing back a result",
        }[kind],
    )


_NO_RESULT: dict[str, Cause] = {
    "error": "raised",
    "memory": "memory_limit",
    "broken": "raised",
}


def _signalled(call: Call, report: Report) -> tuple[Cause, bytes, str]:
    used_up = report.cpu_us >= call.limits.cpu_seconds * 1_000_000 * _CPU_SHARE
    if report.signal in (signal.SIGKILL, signal.SIGXCPU) and used_up:
        return "cpu_limit", b"", f"the tool used up its {call.limits.cpu_seconds} s of CPU time"
    if report.signal == signal.SIGSYS:
        sentence = "the tool made a system call that a jail forbids, with signals blocked"
        return "killed", b"", sentence
    try:
        name = signal.Signals(report.signal).name
    except ValueError:
        name = f"signal {report.signal}"
    return "killed", b"", f"the tool's process was ended by {name}"


def _result(call: Call, content: bytes) -> tuple[Cause, bytes, str]:
    if len(content) > call.limits.result_bytes:
        return "output_cap", b"", f"the result has more than {call.limits.result_bytes} bytes"
    try:
        _is_json(content)
    except (ValueError, RecursionError):
        return "raised", b"", "the tool handed back something that is not JSON"
    return "returned", content, ""


def _sentence(cause: Cause, call: Call, seen: Seen) -> str:
    limits = call.limits
    return {
        "deadline": f"the call was not done after {limits.wall_ms} ms",
        "output_cap": f"the tool wrote more than its cap to {' and '.join(seen.capped)}",
        "process_limit": f"the call had more than {limits.processes} processes",
        "memory_limit": (
            "the call was killed: its processes and its scratch folder took more than its memory "
            f"limit of {limits.memory_bytes + limits.scratch_bytes} bytes in all"
        ),
        "cancelled": "the call was ended before it was done",
        "sandbox_died": "the sandbox's template process was lost; a later call starts a new one",
    }[cause]
