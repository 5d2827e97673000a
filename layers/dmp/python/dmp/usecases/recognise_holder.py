"""Bind a patient's token to the record opened for them at a counter, on their first visit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from dmp.domain.access import Situation
from dmp.domain.actors import Person
from dmp.domain.identity import Traits, same_person
from dmp.domain.records import Record, RecordStatus
from dmp.domain.traces import Act, Outcome, Trace, trace_of


class Holders(Protocol):
    def open_records_of(self, traits: Traits) -> int:
        """How many open records carry exactly these traits."""

    def bind(self, record: Record, holder: str, trace: Trace) -> Record | None:
        """Bind once; None when somebody else was quicker or the subject has a record already."""


@dataclass(frozen=True, slots=True)
class RecogniseHolder:
    """Strict traits, exactly one open record: anything else leaves the record as it is, and the
    policies then refuse a person who is not its holder."""

    holders: Holders

    def __call__(self, person: Person, situation: Situation, now: datetime) -> Situation:
        record = situation.record
        mine = person.traits
        if (
            record.status is not RecordStatus.OPEN
            or not same_person(mine, record.traits)
            or self.holders.open_records_of(mine) != 1
        ):
            return situation
        trace = trace_of(person, Act.BIND_HOLDER, Outcome.DONE, now, record_id=record.id)
        bound = self.holders.bind(record, person.reference, trace)
        return replace(situation, record=bound) if bound else situation
