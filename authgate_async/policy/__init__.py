"""Policy files: who there is, what may be used, and who may do what with it.

`load` reads a TOML file into a `Policy`, or raises one `PolicyError` with every problem of it. The
format stands in `docs/policy.md`; `schema` gives it to other programs.
"""

from __future__ import annotations

from authgate_async.policy.form import schema
from authgate_async.policy.load import check, load
from authgate_async.policy.model import Policy, Principal, Resource, RunLimits, ToolEntry
from authgate_async.policy.problems import Problem

__all__ = [
    "Policy",
    "Principal",
    "Problem",
    "Resource",
    "RunLimits",
    "ToolEntry",
    "check",
    "load",
    "schema",
]
