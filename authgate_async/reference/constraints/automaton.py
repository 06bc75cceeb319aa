"""A pattern as an automaton: all its states are followed at once, one character after another."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

__all__ = ["Automaton", "Node", "Place", "Repeat", "Set"]


class Set(NamedTuple):
    """One character within some ranges of code points, or outside all of them."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False

    def has(self, character: str) -> bool:
        """Whether a character is one of them."""
        point = ord(character)
        return self.negated != any(low <= point <= high for low, high in self.ranges)


class Place(Enum):
    """A place between two characters."""

    START = "start"
    END = "end"
    WORD = "word"

    def is_at(self, text: str, at: int) -> bool:
        """Whether this is the place before character `at`."""
        if self is Place.START:
            return at == 0
        if self is Place.END:
            return at == len(text)
        return _is_word(text[at - 1 : at]) != _is_word(text[at : at + 1])


class Repeat(NamedTuple):
    """A node several times; `most` is None where there is no end."""

    node: Node
    least: int
    most: int | None


Node: TypeAlias = "Set | Place | Repeat | tuple[Node, ...] | list[Node]"
"""A tuple is a sequence, a list has alternatives."""


class _Fork(NamedTuple):
    """Goes on at each of two places."""

    first: int
    second: int


class Automaton:
    """Says whether a text matches; the time is that of its length times the pattern's."""

    def __init__(self, node: Node) -> None:
        self._program: list[Set | Place | _Fork | None] = []
        self._add(node)
        self._program.append(None)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        states = self._reached({0}, text, 0)
        for at, character in enumerate(text):
            states = self._reached(self._stepped(states, character), text, at + 1)
        return len(self._program) - 1 in states

    def hits(self, text: str) -> bool:
        """Whether any part of the text matches."""
        end = len(self._program) - 1
        states = self._reached({0}, text, 0)
        for at, character in enumerate(text):
            if end in states:
                return True
            states = self._reached({0} | self._stepped(states, character), text, at + 1)
        return end in states

    @property
    def sets(self) -> list[Set]:
        """All that it asks of single characters."""
        return [one for one in self._program if isinstance(one, Set)]

    def step(self, states: frozenset[int], before: str, character: str) -> frozenset[int]:
        """Where it is after one more character; it begins in state 0, with nothing before."""
        reached = self._reached(set(states), before + character, len(before))
        return frozenset(self._stepped(reached, character))

    def is_over(self, states: frozenset[int], before: str, after: str = "") -> bool:
        """Whether it has matched all until here, where these characters are around."""
        return len(self._program) - 1 in self._reached(set(states), before + after, len(before))

    def _stepped(self, states: set[int], character: str) -> set[int]:
        sets = ((state, self._program[state]) for state in states)
        return {state + 1 for state, one in sets if isinstance(one, Set) and one.has(character)}

    def _reached(self, states: set[int], text: str, at: int) -> set[int]:
        """The states themselves, and where they lead to without a character."""
        waiting, reached = list(states), set(states)
        while waiting:
            state = waiting.pop()
            match self._program[state]:
                case _Fork(first, second):
                    further = {first, second}
                case Place() as place if place.is_at(text, at):
                    further = {state + 1}
                case _:
                    continue
            waiting += further - reached
            reached |= further
        return reached

    def _add(self, node: Node) -> None:
        if isinstance(node, Repeat):
            self._add_repeat(node)
        elif isinstance(node, list):
            self._add_alternatives(node)
        elif isinstance(node, Set | Place):
            self._program.append(node)
        else:
            for part in node:
                self._add(part)

    def _fork(self) -> int:
        """Leave room for a fork, to be filled in when its places are known."""
        self._program.append(None)
        return len(self._program) - 1

    def _add_alternatives(self, nodes: list[Node]) -> None:
        ends = []
        for node in nodes[:-1]:
            fork = self._fork()
            self._add(node)
            ends.append(self._fork())
            self._program[fork] = _Fork(fork + 1, len(self._program))
        self._add(nodes[-1])
        here = len(self._program)
        for end in ends:
            self._program[end] = _Fork(here, here)

    def _add_repeat(self, repeat: Repeat) -> None:
        for _ in range(repeat.least):
            self._add(repeat.node)
        if repeat.most is None:
            fork = self._fork()
            self._add(repeat.node)
            self._program.append(_Fork(fork, fork))
            self._program[fork] = _Fork(fork + 1, len(self._program))
            return
        forks = []
        for _ in range(repeat.most - repeat.least):
            forks.append(self._fork())
            self._add(repeat.node)
        for fork in forks:
            self._program[fork] = _Fork(fork + 1, len(self._program))


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")
