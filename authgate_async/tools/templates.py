"""What a tool needs for a call, as a pattern over the call's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.errors import ToolDefinitionError
from authgate_async.wire import Request, Right

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

__all__ = ["Claim", "Template"]

_RIGHTS = {str(right.name).lower(): right.value for right in Right}


class Template:
    """Text with `{param}` placeholders: whole parameters, no attributes, indexes or formats."""

    def __init__(self, place: str, text: str, strings: AbstractSet[str]) -> None:
        self._pieces: list[tuple[str, str]] = []
        rest = text
        while rest:
            literal, opened, rest = rest.partition("{")
            param, closed, rest = rest.partition("}") if opened else ("", "", "")
            if "}" in literal or (opened and not closed):
                msg = f"{place} has a brace without its partner; write `{{param}}`"
                raise ToolDefinitionError(msg)
            if opened and param not in strings:
                msg = (
                    f"{place} names `{{{param}}}`, which is not a parameter annotated `str`; "
                    "use one of " + (", ".join(sorted(strings)) or "(there is none)")
                )
                raise ToolDefinitionError(msg)
            self._pieces.append((literal, param))
        self._whole = self._pieces[0][1] if [p[0] for p in self._pieces] == [""] else ""
        self._constant = text if all(not param for _, param in self._pieces) else None

    def may_be(self, text: str) -> bool:
        """Whether a call may come to this text; of one with placeholders nothing is ruled out."""
        return self._constant in {None, text}

    def fill(self, values: object) -> str:
        """Return the text with each placeholder replaced by that attribute of `values`."""
        if self._constant is not None:
            return self._constant
        if self._whole:
            return str(getattr(values, self._whole))
        return "".join(
            [literal + (getattr(values, param) if param else "") for literal, param in self._pieces]
        )


class Claim:
    """One resource and right that every call of a tool needs."""

    def __init__(self, rtype: str, name: Template, scope: Template, right: int, text: str) -> None:
        self.rtype = rtype
        self.right = right
        self.text = text
        self._name = name
        self._scope = scope

    @classmethod
    def parse(cls, tool: str, triple: tuple[str, str, str], strings: AbstractSet[str]) -> Claim:
        """Read (resource, scope, right) as written in `@tool`.

        Raises:
            ToolDefinitionError: one of the three is wrong.
        """
        resource, scope, right = triple
        rtype, colon, name = resource.partition(":")
        if not (rtype and colon and name) or not rtype.isprintable() or "{" in rtype:
            msg = (
                f"the resource of tool `{tool}` is `{resource}`; "
                "write `RTYPE:NAME`, with placeholders only in NAME"
            )
            raise ToolDefinitionError(msg)
        if right not in _RIGHTS:
            msg = f"the right of tool `{tool}` is {right!r}; write one of " + ", ".join(_RIGHTS)
            raise ToolDefinitionError(msg)
        return cls(
            rtype,
            Template(f"the resource of tool `{tool}`", name, strings),
            Template(f"the scope of tool `{tool}`", scope, strings),
            _RIGHTS[right],
            f"{right} on {resource}" + (f"/{scope}" if scope else ""),
        )

    def may_reach(self, rtype: str, name: str) -> bool:
        """Whether a call may need this resource."""
        return self.rtype == rtype and self._name.may_be(name)

    def request(self, values: object) -> Request:
        """Return what a call with these argument values needs."""
        return Request(self.rtype, self._name.fill(values), self._scope.fill(values), self.right)
