"""Makes a diverging program smaller for as long as it diverges."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from program import Act, Approval, End, Program

from authgate_async.wire import Delegate, Grant, Register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compare import Divergence, Engines
    from program import Step

_AT_ONCE = 32


def smallest(engines: Engines, found: Divergence) -> Divergence:
    """Take away steps, items and fields, one at a time, until nothing more can go."""
    smaller: Divergence | None = found
    while smaller is not None:
        found = smaller
        smaller = _first(engines, sorted(_smaller(found.program), key=_size))
    return found


def _size(program: Program) -> int:
    return sum(len(step.items) for step in program.steps)


def _first(engines: Engines, programs: list[Program]) -> Divergence | None:
    """The first that still diverges; one that refers to what was taken away does not."""
    half = len(programs) // 2
    if half > _AT_ONCE:
        return _first(engines, programs[:half]) or _first(engines, programs[half:])
    try:
        return engines.divergence(programs)
    except (LookupError, ValueError, RuntimeError):
        if half == 0:
            return None
        return _first(engines, programs[:half]) or _first(engines, programs[half:])


def _smaller(program: Program) -> Iterator[Program]:
    for place, step in enumerate(program.steps):
        for each in _less(step):
            steps = list(program.steps)
            steps[place : place + 1] = each
            if kept := _with_places(program, tuple(steps), place, step, each):
                yield kept


def _less(step: Step) -> Iterator[list[Step]]:
    """The step left out, with half its items, with one item less, or with one item plainer."""
    yield []
    half = len(step.items) // 2
    if half > 1:
        yield [replace(step, items=step.items[half:])]
        yield [replace(step, items=step.items[:half])]
    for place, item in enumerate(step.items):
        without = (*step.items[:place], *step.items[place + 1 :])
        if without:
            yield [replace(step, items=without)]
        for plain in _plainer(item):
            yield [replace(step, items=(*step.items[:place], plain, *step.items[place + 1 :]))]


def _plainer(item: object) -> Iterator[object]:
    if isinstance(item, Register | Delegate):
        for grant in _defaulted(item.grant):
            yield msgspec.structs.replace(item, grant=grant)
    if isinstance(item, Act):
        for action in _defaulted(item.action):
            yield replace(item, action=action)
        for place in range(len(item.action.requests) - 1):
            fewer = item.action.requests[:place] + item.action.requests[place + 1 :]
            yield replace(item, action=msgspec.structs.replace(item.action, requests=fewer))


def _defaulted(struct: Grant | msgspec.Struct) -> Iterator[msgspec.Struct]:
    for field in msgspec.structs.fields(struct):
        plain = field.default
        if plain is not msgspec.NODEFAULT and getattr(struct, field.name) != plain:
            yield msgspec.structs.replace(struct, **{field.name: plain})


def _with_places(
    program: Program, steps: tuple[Step, ...], place: int, old: Step, new: list[Step]
) -> Program | None:
    """The program with its references to verdicts moved, if no one refers to what went."""
    if old.op != "decide":
        return replace(program, steps=steps)
    before = sum(len(step.items) for step in program.steps[:place] if step.op == "decide")
    kept = list(new[0].items) if new else []
    gone = [
        before + index
        for index, item in enumerate(old.items)
        if len(kept) < len(old.items) and not any(item is other for other in kept)
    ]
    moved = [_moved(step, gone) for step in steps]
    return None if None in moved else replace(program, steps=tuple(step for step in moved if step))


def _moved(step: Step, gone: list[int]) -> Step | None:
    items = [_moved_item(item, gone) for item in step.items]
    return None if None in items else replace(step, items=tuple(items))


def _moved_item(item: object, gone: list[int]) -> object | None:
    if isinstance(item, int):
        return _moved_place(item, gone)
    if isinstance(item, Approval | End):
        place = _moved_place(item.verdict, gone)
        return None if place is None else replace(item, verdict=place)
    return item


def _moved_place(place: int, gone: list[int]) -> int | None:
    return None if place in gone else place - sum(each < place for each in gone)
