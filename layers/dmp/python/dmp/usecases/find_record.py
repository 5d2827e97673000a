"""TD0.2: tell a professional who gives an exact INS whether a record exists, and its state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dmp.domain.access import Action, Situation
from dmp.domain.actors import Actor
from dmp.domain.errors import InvalidIns
from dmp.domain.identity import Ins, ins_faults
from dmp.domain.traces import Act, Outcome, trace_of
from dmp.usecases.gate import Gate
from dmp.usecases.ports import RecordFinder


@dataclass(frozen=True, slots=True)
class FindRecord:
    """None when there is no record, and when the caller has no right to know that there is one.

    Raises InvalidIns for a number that cannot be one; `lenient` is the stage's identity mode.
    """

    finder: RecordFinder
    gate: Gate
    lenient: bool

    def __call__(self, actor: Actor, ins: Ins, now: datetime) -> Situation | None:
        faults = ins_faults(ins, lenient=self.lenient, at="identifier")
        if faults:
            raise InvalidIns(*faults)
        situation = self.gate.look(actor, self.finder.find(ins), now)
        if situation is None:  # agents and structures are not to learn it by the time it takes
            self.gate.pretend(actor, now)
            self.gate.traces.write(trace_of(actor, Act.READ_RECORD, Outcome.DONE, now, count=0))
            return None
        passage = self.gate.ask(actor, Action.FIND_RECORD, situation, now)
        outcome = Outcome.DONE if passage.answer.allowed else Outcome.REFUSED
        self.gate.trace(passage, Act.READ_RECORD, outcome, now)
        return situation if passage.answer.allowed else None
