"""Tell how a record stands to whoever may follow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dmp.domain.access import Action, Situation
from dmp.domain.actors import Actor
from dmp.domain.traces import Act, Outcome
from dmp.usecases.gate import Gate


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """To the holder, to whoever opened it and their colleagues, to those who may read it; to
    anybody else it does not exist."""

    gate: Gate

    def __call__(self, actor: Actor, record_id: str, now: datetime) -> Situation:
        situation = self.gate.situation(actor, record_id, Act.READ_RECORD, now)
        passage = self.gate.ask(actor, Action.SEE_RECORD, situation, now)
        if not passage.answer.allowed:
            self.gate.refuse(passage, Act.READ_RECORD, now)
        self.gate.trace(passage, Act.READ_RECORD, Outcome.DONE, now)
        return situation
