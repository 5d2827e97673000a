"""Name who represents a holder, at a counter, and end it: seen at the next request.

Where the record was opened both are done; a holder of age ends what they no longer want. Who merely
reads the record does neither: an authorisation, which a professional records for themselves, would
lead to whoever decides everything in the holder's name. Nobody does in an emergency, nor on a
closed record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol

from dmp.domain.access import Action
from dmp.domain.actors import Actor, Person
from dmp.domain.errors import Conflict, DmpError, Fault, Forbidden, Invalid, RecordClosed
from dmp.domain.identity import same_person
from dmp.domain.majority import is_minor
from dmp.domain.records import Record, RecordStatus, Representative
from dmp.domain.representatives import (
    MOST,
    Naming,
    adding,
    ending,
    lasting,
    named,
    naming_faults,
    opened_beside,
    same_naming,
)
from dmp.domain.traces import Act, Mode, Outcome, Trace, trace_of
from dmp.usecases.gate import Gate, Passage
from dmp.usecases.open_record import channel_of

_ACT = Act.CHANGE_REPRESENTATIVES
_ATTEMPTS = 4


class Representatives(Protocol):
    def save(self, record: Record, trace: Trace, named: Representative | None = None) -> bool:
        """Write the record's next version, what leads to it who is `named` in it, and the trace:
        all or none; False when somebody else wrote the record meanwhile."""


@dataclass(frozen=True, slots=True)
class Named:
    """A representative, and whether this request named them."""

    representative: Representative
    new: bool


@dataclass(frozen=True, slots=True)
class NameRepresentative:
    """`majority` in years. The same naming again is the one that stands.

    Raises Forbidden for who opens no records and for who may follow this one and did not open it
    (nor anybody in their structure or fund), NotFound for who may not follow it, Conflict when the
    person represents the holder on other terms or others kept writing, Invalid with every fault.
    """

    gate: Gate
    representatives: Representatives
    majority: int

    def __call__(self, actor: Actor, record_id: str, naming: Naming, now: datetime) -> Named:
        _opens(self.gate, actor, now)
        for _ in range(_ATTEMPTS):
            passage = _passage(self.gate, actor, record_id, now)
            standing = self._standing(passage, naming, now)
            if standing is not None:
                self.gate.trace(passage, _ACT, Outcome.DONE, now, target=standing.id)
                return Named(standing, new=False)
            one = named(naming, now)
            after = adding(passage.record, one, now, self.majority)
            if self.representatives.save(after, _trace(passage, one, now), one):
                return Named(one, new=True)
        self.gate.trace(passage, _ACT, Outcome.FAILED, now)
        raise Conflict

    def _standing(self, passage: Passage, naming: Naming, now: datetime) -> Representative | None:
        """What stands of this very naming; raises when it is not to be."""
        record = passage.record
        still = lasting(record, now, self.majority)
        for one in still:
            if same_person(one.traits, naming.traits):
                if same_naming(naming, one):
                    return one
                self._fail(passage, Conflict("represents on other terms"), now)
        faults = naming_faults(naming, record.traits, now, self.majority)
        if len(still) >= MOST:
            faults.append(Fault("representatives", "too-many", f"{MOST} at a time"))
        if faults:
            self._fail(passage, Invalid(*faults), now)
        return None

    def _fail(self, passage: Passage, error: DmpError, now: datetime) -> NoReturn:
        self.gate.fail(passage, _ACT, error, now)


@dataclass(frozen=True, slots=True)
class EndRepresentation:
    """`majority` in years. Ended again, it stays as it ended.

    Raises NotFound for who may not follow the record and for an id that names nobody in it,
    Forbidden as above, for a representative, and for a holder who is not of age.
    """

    gate: Gate
    representatives: Representatives
    majority: int

    def __call__(self, actor: Actor, record_id: str, which: str, now: datetime) -> None:
        if not isinstance(actor, Person):
            _opens(self.gate, actor, now)
        for _ in range(_ATTEMPTS):
            passage = _passage(self.gate, actor, record_id, now)
            record = passage.record
            if isinstance(actor, Person) and not self._decides(actor, record, now):
                _forbid(self.gate, passage, now)
            one = next((one for one in record.representatives if one.id == which), None)
            if one is None:
                self.gate.refuse(passage, _ACT, now)
            if one.until is not None and one.until <= now:
                self.gate.trace(passage, _ACT, Outcome.DONE, now, target=one.id)
                return
            after = ending(record, which, now)
            if self.representatives.save(after, _trace(passage, one, now)):
                return
        self.gate.trace(passage, _ACT, Outcome.FAILED, now)
        raise Conflict

    def _decides(self, person: Person, record: Record, now: datetime) -> bool:
        return person.reference == record.holder and not is_minor(record, now, self.majority)


def _opens(gate: Gate, actor: Actor, now: datetime) -> None:
    """Forbidden, and traced, for who may not open records."""
    try:
        channel_of(actor)
    except Forbidden:
        gate.traces.write(trace_of(actor, _ACT, Outcome.REFUSED, now))
        raise


def _passage(gate: Gate, actor: Actor, record_id: str, now: datetime) -> Passage:
    """To the holder's side, and to where the record was opened, in no emergency; not to change a
    closed one."""
    situation = gate.situation(actor, record_id, _ACT, now)
    passage = gate.ask(actor, Action.SEE_RECORD, situation, now)
    if not passage.answer.allowed or passage.mode is not Mode.NORMAL:
        gate.refuse(passage, _ACT, now)
    if not isinstance(actor, Person) and not opened_beside(actor, passage.record):
        _forbid(gate, passage, now)
    if passage.record.status is not RecordStatus.OPEN:
        gate.fail(passage, _ACT, RecordClosed(record_id), now)
    return passage


def _forbid(gate: Gate, passage: Passage, now: datetime) -> NoReturn:
    """Refuse, and say so: to who may follow the record."""
    gate.trace(passage, _ACT, Outcome.REFUSED, now)
    raise Forbidden


def _trace(passage: Passage, one: Representative, now: datetime) -> Trace:
    return trace_of(
        passage.actor,
        _ACT,
        Outcome.DONE,
        now,
        record_id=passage.record.id,
        target=one.id,
        mode=passage.mode,
        rules=passage.answer.rules,
        matrix=passage.answer.matrix,
    )
