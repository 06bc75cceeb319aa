"""From what was seen of a call to how it ended."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import msgspec

from authgate_async.launchers.frames import read_frame, sentence
from authgate_async.launchers.protocol import Call, Cause, Ended, Usage

if TYPE_CHECKING:
    from authgate_async.launchers.frames import Report
    from authgate_async.launchers.watching import Watched

__all__ = ["ended"]

_CPU_SHARE = 0.8
"""The kernel counts the limit in ticks and usage in nanoseconds, and the two drift apart on a busy
machine: a kill above this share of the limit is the limit."""

_is_json = msgspec.json.Decoder().decode


def ended(call: Call, seen: Watched, wall_us: int) -> Ended:
    """Return the outcome; `wall_us` is the time from the body's start."""
    cause, result, error = _judge(call, seen)
    report = seen.report
    return Ended(
        cause=cause,
        result=result,
        error=error,
        stdout=bytes(seen.stdout.data),
        stderr=bytes(seen.stderr.data),
        capped=seen.capped,
        usage=Usage(
            wall_us=wall_us,
            cpu_us=report.cpu_us if report else 0,
            memory_bytes=report.memory_bytes if report else 0,
        ),
    )


def _judge(call: Call, seen: Watched) -> tuple[Cause, bytes, str]:
    if seen.cause is None and seen.capped:
        seen.cause = "output_cap"
    if seen.cause is not None:
        return seen.cause, b"", _sentence(seen.cause, call, seen)
    if seen.refusal:
        return "raised", b"", sentence(seen.refusal)
    if seen.lost:
        return "killed", b"", "the call killed or stopped the process that watched it"
    if seen.report is None or seen.report.why == "abandoned":
        return "sandbox_died", b"", _sentence("sandbox_died", call, seen)
    if seen.report.why != "exited":
        cause: Cause = _ORDERED[seen.report.why]
        return cause, b"", _sentence(cause, call, seen)
    return _exited(call, seen, seen.report)


_ORDERED: dict[str, Cause] = {
    "crowded": "process_limit",
    "late": "deadline",
    "ordered": "cancelled",
}


def _exited(call: Call, seen: Watched, report: Report) -> tuple[Cause, bytes, str]:
    if report.signal:
        return _signalled(call, report)
    if report.code != 0:
        return "raised", b"", f"the tool ended its process with status {report.code}"
    kind, content = read_frame(bytes(seen.result.data))
    if kind == "result":
        return _result(call, content)
    return (
        _NO_RESULT[kind],
        b"",
        {
            "error": sentence(content),
            "memory": f"the tool needed more than {call.limits.memory_bytes} bytes of memory",
            "unconfined": f"the process could not be confined: {sentence(content)}",
            "broken": "the tool ended its process without handing back a result",
        }[kind],
    )


_NO_RESULT: dict[str, Cause] = {
    "error": "raised",
    "memory": "memory_limit",
    "unconfined": "sandbox_died",
    "broken": "raised",
}


def _signalled(call: Call, report: Report) -> tuple[Cause, bytes, str]:
    used_up = report.cpu_us >= call.limits.cpu_seconds * 1_000_000 * _CPU_SHARE
    if report.signal in (signal.SIGKILL, signal.SIGXCPU) and used_up:
        return "cpu_limit", b"", f"the tool used up its {call.limits.cpu_seconds} s of CPU time"
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


def _sentence(cause: Cause, call: Call, seen: Watched) -> str:
    limits = call.limits
    return {
        "deadline": f"the call was not done after {limits.wall_ms} ms",
        "output_cap": f"the tool wrote more than its cap to {' and '.join(seen.capped)}",
        "process_limit": f"the call had more than {limits.processes} processes",
        "cancelled": "the call was ended before it was done",
        "sandbox_died": "the sandbox's template process was lost; a later call starts a new one",
    }[cause]
