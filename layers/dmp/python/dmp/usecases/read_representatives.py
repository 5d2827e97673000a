"""Tell who represents a holder, or did, to whoever may follow the record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dmp.domain.access import Action
from dmp.domain.actors import Actor, Person
from dmp.domain.majority import acting
from dmp.domain.records import Representative
from dmp.domain.representatives import opened_beside
from dmp.domain.traces import Act, Outcome
from dmp.usecases.gate import Gate


@dataclass(frozen=True, slots=True)
class Shown:
    """One representative; `acting` now or not, and `named` when the caller is told who it is."""

    representative: Representative
    acting: bool
    named: bool


@dataclass(frozen=True, slots=True)
class ReadRepresentatives:
    """Who they are is told to the holder, to those who act in the holder's name, and where the
    record was opened, since it was told there; anybody else who may follow the record is told
    that there are some, on which basis and until when. `majority` in years."""

    gate: Gate
    majority: int

    def __call__(self, actor: Actor, record_id: str, now: datetime) -> tuple[Shown, ...]:
        situation = self.gate.situation(actor, record_id, Act.READ_RECORD, now)
        passage = self.gate.ask(actor, Action.SEE_RECORD, situation, now)
        if not passage.answer.allowed:
            self.gate.refuse(passage, Act.READ_RECORD, now)
        record = passage.record
        self.gate.trace(
            passage, Act.READ_RECORD, Outcome.DONE, now, count=len(record.representatives)
        )
        # Of persons the rules let the holder and those who act for them follow, nobody else.
        named = isinstance(actor, Person) or opened_beside(actor, record)
        now_acting = acting(record, now, self.majority)
        return tuple(Shown(one, one in now_acting, named) for one in record.representatives)
