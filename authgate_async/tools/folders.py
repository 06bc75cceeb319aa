"""What a tool body is given besides its arguments, and how it says that it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authgate_async.launchers.protocol import Folder

__all__ = ["Folders", "ToolFailure"]


class ToolFailure(Exception):  # noqa: N818 - a tool's failure is an outcome of the run, not an error of ours
    """A tool could not do what it was asked; the message is one sentence for the outcome."""


class Folders:
    """The places on this machine that the permit of a call names.

    A parameter with this annotation is no argument of the tool: it is filled in when the call runs.
    """

    def __init__(self, folders: tuple[Folder, ...] = ()) -> None:
        self._paths: dict[tuple[str, str], str] = {}
        for folder in folders:
            self._paths.setdefault((folder.rtype, folder.name), folder.path)

    def get(self, rtype: str, name: str) -> str | None:
        """Return the absolute path of a resource, or None if the permit gives none."""
        return self._paths.get((rtype, name))

    def path_of(self, rtype: str, name: str) -> str:
        """Return the absolute path of a resource.

        Raises:
            ToolFailure: the permit gives no path for it.
        """
        path = self.get(rtype, name)
        if path is None:
            msg = f"`{rtype}:{name}` has no place on this machine; name its folder in the policy"
            raise ToolFailure(msg)
        return path
