"""My patients: the records that are open to a professional, by the last authorisation or by the
last document that they may see; a person's own record, and those of whom they represent.

A record is listed when the rules let the caller read it now, by what the holder decided about them:
an authorisation that holds, the role of médecin traitant, a delegation. The presumption of a care
team lists nothing, nor does an emergency. Of a document that the caller may not see, the list says
nothing: neither its date nor that it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from operator import itemgetter
from typing import Protocol

from dmp.domain.access import (
    Action,
    Question,
    Situation,
    is_delegate,
    is_medecin_traitant,
)
from dmp.domain.actors import Actor, Person, Professional
from dmp.domain.consents import AuthorisationState, Granted
from dmp.domain.documents import Document, DocumentStatus
from dmp.domain.records import RecordStatus
from dmp.domain.traces import Act, Outcome, trace_of
from dmp.usecases.gate import Gate, mode_of
from dmp.usecases.ports import DEFAULT_COUNT

Place = tuple[datetime, str]
"""Where a page ended: the date of its last record, and the record's id."""
Within = Callable[[datetime], bool]

NEVER = datetime.min.replace(tzinfo=UTC)
"""Stands for the date of a last document where there is none: such records come last."""

_THREADS = 16
_AT_ONCE = 25
"""Records of one read: four items each, a hundred items."""
_FIRST, _NEXT = 5, 50
"""Documents read of a record at first, and then while none of them may be seen."""


class Sort(StrEnum):
    LAST_AUTHORISATION = "-last-authorisation"
    LAST_DOCUMENT = "-last-document"


@dataclass(frozen=True, slots=True)
class Patients:
    """What is asked for: an order, conditions on the date of that order, a page of `count` after
    the place where the one before ended."""

    sort: Sort = Sort.LAST_AUTHORISATION
    within: tuple[Within, ...] = ()
    count: int = DEFAULT_COUNT
    after: Place | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """One record of the list. The dates are a professional's: when the newest decision that opens
    the record to them was taken, and when the newest document that they may see was submitted."""

    situation: Situation
    last_authorisation: datetime | None = None
    last_document: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A page; `next` is where the following one begins, if there is one."""

    patients: tuple[Patient, ...] = ()
    next: Place | None = None


class Authorisations(Protocol):
    def of_professional(
        self, ps_id: str, before: Place | None = None, limit: int = DEFAULT_COUNT
    ) -> list[Granted]:
        """The newest decisions first; fewer than `limit` are the last ones."""


class Situations(Protocol):
    def of_all(self, record_ids: Sequence[str], actor: Actor) -> Mapping[str, Situation]:
        """Those that there are, read consistently."""


class Ways(Protocol):
    def records_of(self, person: Person) -> list[str]:
        """The ids of the records that may be the person's own, then of those whose holders they
        may represent."""


class Shelf(Protocol):
    def newest(self, record_id: str, before: str | None, limit: int) -> list[Document]:
        """Newest first; `before` is the id of a document, itself left out; fewer than `limit` are
        the last ones."""


@dataclass(frozen=True, slots=True)
class ListPatients:
    """One trace of the list, with how many records it showed. Agents and structures have no
    patients here."""

    gate: Gate
    authorisations: Authorisations
    situations: Situations
    ways: Ways
    shelf: Shelf

    def __call__(self, actor: Actor, asked: Patients, now: datetime) -> Listed:
        match actor:
            case Professional():
                listed = self._of_professional(actor, asked, now)
            case Person():
                listed = Listed(tuple(self._of_person(actor, now)))
            case _:
                self.gate.traces.write(trace_of(actor, Act.LIST_PATIENTS, Outcome.REFUSED, now))
                return Listed()
        self.gate.traces.write(
            trace_of(
                actor,
                Act.LIST_PATIENTS,
                Outcome.DONE,
                now,
                mode=mode_of(actor),
                count=len(listed.patients),
            )
        )
        return listed

    def _of_person(self, person: Person, now: datetime) -> Iterator[Patient]:
        found = self.situations.of_all(self.ways.records_of(person), person)
        for situation in found.values():
            seen = situation
            if seen.record.holder is None:
                seen = self.gate.holders(person, seen, now)
            if self.gate.ask(person, Action.SEE_RECORD, seen, now).answer.allowed:
                yield Patient(seen)

    def _of_professional(self, actor: Professional, asked: Patients, now: datetime) -> Listed:
        with ThreadPoolExecutor(_THREADS) as pool:
            reading = _Reading(self, actor, now, pool)
            if asked.sort is Sort.LAST_AUTHORISATION:
                return reading.by_authorisation(asked)
            return reading.by_document(asked)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One list of one professional. The stores are read side by side; decisions are taken one
    after the other."""

    use_case: ListPatients
    actor: Professional
    now: datetime
    pool: ThreadPoolExecutor

    def by_authorisation(self, asked: Patients) -> Listed:
        """Reads on until the page is full: of what the index names, some is open no more."""
        found: list[tuple[Place, Situation]] = []
        for granted in self._granted(asked.after, asked.count + 1):
            wanted = [one for one in granted if all(within(one.at) for within in asked.within)]
            found += self._open(wanted)
            if len(found) > asked.count:
                break
        page = found[: asked.count]
        documents = self._last_documents([situation for _, situation in page])
        return Listed(
            tuple(self._patient(situation, documents) for _, situation in page),
            page[-1][0] if len(found) > asked.count else None,
        )

    def by_document(self, asked: Patients) -> Listed:
        """Every open record is looked into: which of them come first is not known before."""
        granted = [one for page in self._granted(None, 4 * _AT_ONCE) for one in page]
        opened = [situation for _, situation in self._open(granted)]
        documents = self._last_documents(opened)
        dated = [((documents.get(each.record.id, NEVER), each.record.id), each) for each in opened]
        dated.sort(key=itemgetter(0), reverse=True)
        rest = [
            (place, situation)
            for place, situation in dated
            if (asked.after is None or place < asked.after)
            and all(place[0] != NEVER and within(place[0]) for within in asked.within)
        ]
        page = rest[: asked.count]
        return Listed(
            tuple(self._patient(situation, documents) for _, situation in page),
            page[-1][0] if len(rest) > len(page) else None,
        )

    def _granted(self, after: Place | None, limit: int) -> Iterator[list[Granted]]:
        place = after
        while True:
            granted = self.use_case.authorisations.of_professional(self.actor.id, place, limit)
            yield granted
            if len(granted) < limit:
                return
            place = granted[-1].at, granted[-1].record_id

    def _open(self, granted: Sequence[Granted]) -> list[tuple[Place, Situation]]:
        """Of what the index names, what is open now by what the tables say."""
        ids = [one.record_id for one in granted]
        chunks = [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
        found: dict[str, Situation] = {}
        for some in self.pool.map(self._situations, chunks):
            found |= some
        return [
            ((one.at, one.record_id), found[one.record_id])
            for one in granted
            if one.record_id in found and self._opens(found[one.record_id])
        ]

    def _situations(self, record_ids: Sequence[str]) -> Mapping[str, Situation]:
        return self.use_case.situations.of_all(record_ids, self.actor)

    def _opens(self, situation: Situation) -> bool:
        decided = (
            situation.consents.authorisation(self.now) is AuthorisationState.VALID
            or is_medecin_traitant(situation, self.actor, self.now)
            or is_delegate(situation, self.actor, self.now)
        )
        if not decided or situation.record.status is not RecordStatus.OPEN:
            return False
        asked = self.use_case.gate.ask(self.actor, Action.LIST_DOCUMENTS, situation, self.now)
        return asked.answer.allowed

    def _last_documents(self, situations: Sequence[Situation]) -> dict[str, datetime]:
        """By record, when the newest document was submitted that the professional may see."""
        found: dict[str, datetime] = {}
        waiting: list[tuple[Situation, str | None]] = [(each, None) for each in situations]
        limit = _FIRST
        while waiting:
            shelves = self.pool.map(
                self.use_case.shelf.newest,
                [situation.record.id for situation, _ in waiting],
                [before for _, before in waiting],
                [limit] * len(waiting),
            )
            further: list[tuple[Situation, str | None]] = []
            for (situation, _), documents in zip(waiting, shelves, strict=True):
                seen = self._newest_seen(situation, documents)
                if seen is not None:
                    found[situation.record.id] = seen.submitted_at
                elif len(documents) == limit:
                    further.append((situation, documents[-1].id))
            waiting, limit = further, _NEXT
        return found

    def _newest_seen(self, situation: Situation, documents: Sequence[Document]) -> Document | None:
        current = [one for one in documents if one.listed and one.status is DocumentStatus.CURRENT]
        question = Question(
            self.actor, Action.READ_DOCUMENT, situation, self.now, mode_of(self.actor)
        )
        answers = self.use_case.gate.decisions.visible(question, current)
        return next(
            (one for one, answer in zip(current, answers, strict=True) if answer.allowed), None
        )

    def _patient(self, situation: Situation, documents: Mapping[str, datetime]) -> Patient:
        return Patient(
            situation, situation.consents.authorised_at, documents.get(situation.record.id)
        )
