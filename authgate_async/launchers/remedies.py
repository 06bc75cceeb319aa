"""Why a machine gives no jail, and what to do: the places where systems say so themselves."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["DELEGATE", "UNIFY", "in_container", "remedy"]

_PROC = Path("/proc/sys")

_SETTINGS: tuple[tuple[str, str, str], ...] = (
    (
        "user/max_user_namespaces",
        "0",
        "user namespaces are switched off here: set the sysctl user.max_user_namespaces above 0",
    ),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        (
            "this system keeps user namespaces to root: set the sysctl "
            "kernel.unprivileged_userns_clone to 1"
        ),
    ),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        (
            "Ubuntu's AppArmor takes the capabilities out of user namespaces: give Python a "
            "profile with `userns,`, or set kernel.apparmor_restrict_unprivileged_userns to 0"
        ),
    ),
)

_CONTAINER = (
    "this is a container: start it with `--security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined --security-opt systempaths=unconfined`, which let it make "
    "namespaces and mount its own /proc"
)
DELEGATE = (
    "start it by `systemd-run --user --scope -p Delegate=yes` (as root without `--user`), or as a "
    "service with `Delegate=yes`"
)
UNIFY = "start Linux with `systemd.unified_cgroup_hierarchy=1`, which gives them every controller"
_WRITABLE = (
    "this is a container: start it with `--cgroupns=private --security-opt writable-cgroups=true` "
    "(Docker 28)"
)
_ELSEWHERE = 'run `authgate doctor`; a tool of your own can say `level="process"`, which is no jail'
_STEPS = ("namespace", "/proc", "groups")
"""Words of the steps that such settings stand against."""

_MARKS = ("/.dockerenv", "/run/.containerenv")


def remedy(problem: str) -> str:
    """Return what is known to stand against a jail here, and what to do; else where to look.

    `problem` is the sentence of the step that failed.

    Sources: the sysctls' own documentation, `man 7 user_namespaces`, and Docker's and Podman's of
    `--security-opt`.
    """
    if not any(step in problem for step in _STEPS):
        return _ELSEWHERE
    for name, value, sentence in _SETTINGS:
        if _reads(_PROC / name) == value and not _exempt(name):
            return sentence
    return _CONTAINER if _is_container() else _ELSEWHERE


def in_container() -> str:
    """Return what delegates control groups to a container, if this is one."""
    return _WRITABLE if _is_container() else ""


def _is_container() -> bool:
    return any(Path(mark).exists() for mark in _MARKS)


def _exempt(name: str) -> bool:
    """Return whether a setting does not bind root."""
    return name.startswith("kernel/") and os.geteuid() == 0


def _reads(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
