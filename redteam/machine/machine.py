"""The machine: random authority, work, approvals, cancellation, crashes and clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, precondition, rule

from authgate_async.approvals import sign_approval
from redteam.machine.base import Base
from redteam.machine.model import Held
from redteam.machine.standins import FATES
from redteam.machine.tools import NAMES
from redteam.machine.world import ANN, BEGIN, HOLDERS, PLACES, Call, hold

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redteam.machine.table import Fate, Mortal

__all__ = ["Machine"]

ACTORS = ("planner", "gate", "sandbox supervisor", "log", "log, late", "withdrawals")
CRASHES = 3
"""More than five of one actor within a minute would end the runtime, and some are enough."""

KILLS = 4
"""A call is tried with three templates."""

holders = st.sampled_from(HOLDERS)
places = st.sampled_from(PLACES)
tools = st.sampled_from(NAMES)
amounts = st.sampled_from((1, 3))
picks = st.integers(0, 9)
sides = st.sampled_from(
    (
        {},
        {"delegates": True},
        {"delegates": True, "calls": 3},
        {"delegates": True, "seconds": 90},
        {"delegates": True, "asks": True},
        {"asks": True},
        {"calls": 1},
        {"most": 1},
        {"asks": True},
        {"seconds": 5},
    )
)
turns = st.none() | st.integers(0, 60)
"""How far a call may come before the next thing happens; none is until all is at rest."""


class Machine(Base):
    """Drives one runtime."""

    grants = Bundle("grants")

    @initialize(target=grants, seed=st.integers(0, 2**32 - 1), sides=sides)
    def start(self, seed: int, sides: dict[str, Any]) -> Any:
        """Open a runtime whose loop takes turns in an order that is drawn from the seed."""
        self.open(seed)
        return multiple(*[self.grant(holder, PLACES[0], sides) for holder in HOLDERS])

    # Authority.

    @rule(target=grants, holder=holders, place=places, sides=sides)
    def grant(self, holder: str, place: str, sides: dict[str, Any]) -> str:
        """Grant something, which no rule forbids."""
        held = self._held(holder, place, sides)
        self.model.grants[held.id] = held
        self._change(
            lambda: self.world.rt.grant(
                f"machine:{holder}", _rights(held), f"work:{place}", **self._options(held)
            )
        )
        return held.id

    @rule(
        target=grants,
        parent=grants,
        holder=holders,
        place=st.none() | places,
        by=st.none() | holders,
        sides=sides,
    )
    def delegate(
        self, parent: str, holder: str, place: str | None, by: str | None, sides: dict[str, Any]
    ) -> Any:
        """Hand on a grant; what the rules forbid is refused with their code."""
        above = self.model.grants[parent]
        held = self._held(holder, place or above.place, sides)
        held.parent = parent
        by = by or above.holder
        refusal = self.model.refusal(held, by, self.world.now)
        self.model.grants[held.id] = held
        told = self._change(
            lambda: self.world.rt.delegate(
                parent,
                f"machine:{holder}",
                _rights(held),
                f"work:{held.place}",
                by=f"machine:{by}",
                **self._options(held),
            )
        )
        hold(told in {refusal, None}, f"{held.id} was told {told!r}; the rules say {refusal!r}")
        if refusal:
            del self.model.grants[held.id]
            return multiple()
        return held.id

    @rule(grant=grants, way=st.sampled_from(("grant", "held", "holder", "epoch", "epochs")))
    def take(self, grant: str, way: str) -> None:
        """Take away a grant, or what its holder has there, or has at all; or raise an epoch."""
        held = self.model.grants[grant]
        who, what = f"machine:{held.holder}", f"work:{held.place}"
        rt, model = self.world.rt, self.model
        ways: dict[str, tuple[Callable[[], Awaitable[object]], Callable[[], None]]] = {
            "grant": (lambda: rt.revoke(grant), lambda: model.revoke(grant=grant)),
            "held": (
                lambda: rt.revoke_holder(who, what),
                lambda: model.revoke(held.holder, held.place),
            ),
            "holder": (lambda: rt.revoke_holder(who), lambda: model.revoke(held.holder)),
            "epoch": (lambda: rt.advance_epoch(holder=who), lambda: model.advance(held.holder)),
            "epochs": (rt.advance_epoch, model.advance),
        }
        change, follow = ways[way]
        calm = self.exact and self._calm()
        waiting = [call for call in self._among("waits") if not call.dropped]
        told = self._change(change)
        hold(not told, f"taking away {grant} was refused: {told}")
        follow()
        self._pass(None)
        if calm:
            for call in waiting:
                self._as_judged(call, *self._judge(call))

    # Work.

    @rule(agent=holders, place=places, tool=tools, amount=amounts, turns=turns)
    def act(self, agent: str, place: str, tool: str, amount: int, turns: int | None) -> None:
        """Ask for a call; if all is at rest before and after, it ends as the rules say."""
        self.count += 1
        call = Call(f"call{self.count}", agent, tool, place, amount)
        calm = self.exact and self._calm() and turns is None
        codes, grant = self._judge(call)
        self._go(self.world.begin, call)
        self._pass(turns)
        if calm:
            self._as_judged(call, codes, grant)

    @rule(grant=grants, tool=tools, amount=amounts, turns=turns)
    def use(self, grant: str, tool: str, amount: int, turns: int | None) -> None:
        """Ask for a call that this grant is, or was, for."""
        held = self.model.grants[grant]
        self.act(held.holder, held.place, tool, amount, turns)

    @precondition(lambda self: self._among("waits"))
    @rule(pick=picks, again=st.booleans())
    def approve(self, pick: int, *, again: bool) -> None:
        """Approve a call that waits, and perhaps once more, which is of no use."""
        self._pass(None)
        shown = self._go(self.world.waiting)
        if not shown:
            return
        one = shown[pick % len(shown)]
        (call,) = (c for c in self._among("waits") if f'"{c.token}"' in one.args)
        late = max(self.world.now, self.latest) >= one.deadline
        self.latest = self.latest if late else max(self.world.now, self.latest)
        approval = sign_approval(one, "ann", ANN)
        call.approved = not late
        calm = self._calm()
        codes, grant = self._judge(call)
        told = self._change(lambda: self.world.rt.approve(approval))
        self._pass(None)
        if calm:
            hold(told == ("approval_expired" if late else ""), f"an approval was told {told!r}")
        if calm and not late:
            self._as_judged(call, codes, grant)
            told = (
                self._change(lambda: self.world.rt.approve(approval))
                if again
                else "approval_unknown"
            )
            hold(told == "approval_unknown", f"a second approval was told {told!r}")

    @precondition(lambda self: self._among("running"))
    @rule(pick=picks, turns=turns)
    def release(self, pick: int, turns: int | None) -> None:
        """Let a body return."""
        self._go(self._free, self._pick("running", pick))
        self._pass(turns)

    async def _free(self, call: Call) -> None:
        call.free.set()

    @precondition(lambda self: self._among("open"))
    @rule(pick=picks, turns=turns)
    def cancel(self, pick: int, turns: int | None) -> None:
        """Cancel a run, wherever it is."""
        call = self._pick("open", pick)
        self._go(self._drop, call)
        self._pass(turns)

    async def _drop(self, call: Call) -> None:
        call.dropped = True
        call.scope.cancel()

    # What goes wrong.

    @precondition(lambda self: self.crashes < CRASHES)
    @rule(actor=st.sampled_from(ACTORS))
    def crash(self, actor: str) -> None:
        """Have an actor crash with the next message in its hands."""
        self.crashes += 1
        self.doomed.add(actor)

    @precondition(lambda self: self.kills < KILLS)
    @rule(fate=st.sampled_from(FATES))
    def doom(self, fate: Fate) -> None:
        """Have a template, or the process of a call, die where it comes to next."""
        self.kills += 1
        self.world.table.doomed.add(fate)

    @precondition(lambda self: self.kills < KILLS and self._mortals())
    @rule(pick=picks, turns=turns)
    def kill(self, pick: int, turns: int | None) -> None:
        """Kill one of them where it stands."""
        self.kills += 1
        mortals = self._mortals()
        self._go(self._fell, mortals[pick % len(mortals)])
        self._pass(turns)

    async def _fell(self, mortal: Mortal) -> None:
        mortal.fell()

    def _mortals(self) -> list[Mortal]:
        return self.world.table.mortals() if self.stage is not None else []

    @rule(seconds=st.sampled_from((1, 30, 100)))
    def wait(self, seconds: int) -> None:
        """Let time pass, for the loop and on the clock."""
        self._pass(None)
        self.world.now += seconds * 1_000_000
        self._go(anyio.sleep, seconds)
        self._pass(None)

    @rule(seconds=st.sampled_from((-40, 40)))
    def skew(self, seconds: int) -> None:
        """Set the clock, which no time has passed for."""
        self._pass(None)
        self.world.now = max(BEGIN, self.world.now + seconds * 1_000_000)
        self.skewed |= seconds < 0

    # How grants are written.

    def _held(self, holder: str, place: str, sides: dict[str, Any]) -> Held:
        self.count += 1
        seconds = sides.get("seconds", 0)
        ends = self.world.now // 1_000_000 * 1_000_000 + seconds * 1_000_000 if seconds else 0
        others = {name: side for name, side in sides.items() if name != "seconds"}
        epoch = self.model.epoch_of(holder)
        return Held(f"g{self.count}", holder, place, ends=ends, epoch=epoch, **others)

    def _options(self, held: Held) -> dict[str, Any]:
        options: dict[str, Any] = {"grant_id": held.id}
        if held.ends:
            options["expires_at"] = datetime.fromtimestamp(0, UTC) + timedelta(
                microseconds=held.ends
            )
        if held.calls is not None:
            options["budget"] = {"calls": held.calls}
        if held.most is not None:
            options |= {"args": {"amount": {"le": held.most}}, "other_args": "any"}
        if held.asks:
            options["approvers"] = ("ann",)
        return options


def _rights(held: Held) -> tuple[str, ...]:
    return ("execute", "delegate") if held.delegates else ("execute",)
