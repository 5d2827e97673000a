"""Read who did what: a whole record's entries, or one's own acts.

The holder, whoever represents them, the médecin traitant and a delegate read every entry of the
record. Anybody else, and whoever names no record, reads their own acts. Three things are kept from
being learnt here that could not be learnt elsewhere:

- a refused attempt of one's own is shown without what it was about, since an attempt at a record
  that does not exist has nothing to say either;
- an entry about a document is left out for a person from whom the document is hidden now;
- a record that one may not read costs as many calls as one that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dmp.domain.access import Action, Question, Situation
from dmp.domain.actors import Actor, Person, key_of
from dmp.domain.documents import HOLDER, REPRESENTATIVES, Document
from dmp.domain.errors import NotFound
from dmp.domain.ids import is_record_id, split_document_id
from dmp.domain.traces import ABOUT_A_DOCUMENT, Act, Outcome, Trace, trace_of
from dmp.usecases.gate import Gate, Passage, mode_of
from dmp.usecases.ports import DEFAULT_COUNT

NO_RECORD = "norecord"
"""What stands for the record in the id of an entry that names none."""

_STRETCHES = (100, 400, *(1000,) * 8)
"""How many entries are looked at, query by query, before a page ends without being full."""
_AT_ONCE = 100
_DISCLOSED = frozenset({Outcome.DONE, Outcome.FAILED})


@dataclass(frozen=True, slots=True)
class Span:
    """The entries born from `since` (inclusive) to `until` (inclusive, to the millisecond), and
    before the entry `before`, left out itself."""

    since: datetime | None = None
    until: datetime | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """A trace as the journal keeps it; `genuine` when its mark is this service's."""

    trace: Trace
    genuine: bool = True


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some entries in order, newest first; `last` is the id of the last one looked at when there
    are more."""

    logged: tuple[Logged, ...] = ()
    last: str | None = None


class Journal(Protocol):
    def of_record(self, record_id: str, span: Span, most: int) -> Stretch:
        """A record's entries, read consistently; at most `most` are looked at."""

    def of_actor(self, actor: str, span: Span, most: int, record_id: str | None = None) -> Stretch:
        """An actor's entries, in one record when it is named; at most `most` are looked at, a
        moment behind the table."""

    def entry(self, record_id: str, ulid: str) -> Logged | None:
        """One entry of a record, read consistently."""

    def own_entry(self, actor: str, ulid: str) -> Logged | None:
        """One entry of an actor."""


class Documents(Protocol):
    def these(self, ids: Sequence[str]) -> Mapping[str, Document]:
        """The documents of these ids, at most 100, that exist; read consistently."""


class Bearing(StrEnum):
    """What a patient's token was to the record; nobody is named."""

    SELF = "self"
    HOLDER = "holder"
    REPRESENTATIVE = "representative"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Entry:
    """One act as whoever asks may know it. `own`: they did it themselves."""

    trace: Trace
    own: bool
    bearing: Bearing | None = None
    genuine: bool = True

    @property
    def id(self) -> str:
        return f"{self.trace.record_id or NO_RECORD}.{self.trace.id}"


Condition = Callable[[Entry], bool]
Fits = Callable[[Entry], bool]


@dataclass(frozen=True, slots=True)
class TraceQuestion:
    """What is asked: of one record or of oneself, under conditions that all hold, a page of
    `count` at a time."""

    record_id: str | None = None
    span: Span = field(default_factory=Span)
    conditions: tuple[Condition, ...] = ()
    count: int = DEFAULT_COUNT

    def takes(self, entry: Entry) -> bool:
        return all(condition(entry) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class TracePage:
    """Newest first; `next` is the id after which the following page begins, if there is one."""

    entries: tuple[Entry, ...] = ()
    next: str | None = None


@dataclass(frozen=True, slots=True)
class ReadTraces:
    """Reading is traced like everything, before the answer, refused or not."""

    gate: Gate
    journal: Journal
    documents: Documents

    def search(
        self,
        actor: Actor,
        question: TraceQuestion,
        now: datetime,
        *,
        act: Act = Act.READ_TRACES,
        fits: Fits | None = None,
    ) -> TracePage:
        """One page. Of an unknown record, and of one that is none of the caller's business and in
        which they did nothing, the same nothing. `fits` ends the page before an entry that would
        be too much for one answer."""
        if question.record_id is None:
            page = self._own(actor, question, now, fits)
            self._trace(actor, act, Outcome.DONE, now, count=len(page.entries))
            return page
        situation = self.gate.look(actor, question.record_id, now)
        if situation is None:
            # Looked for all the same, so that neither the time nor a next page tells them apart.
            following = self._own(actor, question, now, fits).next
            with suppress(NotFound):
                self.gate.miss(actor, act, now)
            return TracePage(next=following)
        passage = self.gate.ask(actor, Action.READ_TRACES, situation, now)
        if passage.answer.allowed:
            page = self._whole(passage, question, now, fits)
            self.gate.trace(passage, act, Outcome.DONE, now, count=len(page.entries))
            return page
        page = self._own(actor, question, now, fits)
        if page.entries:
            self._trace(
                actor, act, Outcome.DONE, now, record_id=passage.record.id, count=len(page.entries)
            )
        else:
            self.gate.trace(passage, act, Outcome.REFUSED, now)
        return page

    def read(self, actor: Actor, entry_id: str, now: datetime) -> Entry:
        """One entry by its id; NotFound when there is none that the actor may see."""
        record_id, _, ulid = entry_id.partition(".")
        if not is_record_id(ulid):
            self.gate.miss(actor, Act.READ_TRACES, now)
        mine = self.journal.own_entry(key_of(actor), ulid)
        own = _own(mine) if mine else None
        if own and own.id != entry_id:
            own = None
        if record_id == NO_RECORD:
            if own is None:
                self.gate.miss(actor, Act.READ_TRACES, now)
            self._trace(actor, Act.READ_TRACES, Outcome.DONE, now, count=1)
            return own
        passage = self._passage(actor, record_id, Act.READ_TRACES, now)
        seen = own
        if passage.answer.allowed:
            logged = self.journal.entry(record_id, ulid)
            seen = _whole(logged, passage) if logged else None
        if seen is None or not self._knowledge(actor, now, passage.situation).of([seen]):
            self.gate.refuse(passage, Act.READ_TRACES, now)
        if passage.answer.allowed:
            self.gate.trace(passage, Act.READ_TRACES, Outcome.DONE, now, count=1)
        else:
            self._trace(actor, Act.READ_TRACES, Outcome.DONE, now, record_id=record_id, count=1)
        return seen

    def _passage(self, actor: Actor, record_id: str, act: Act, now: datetime) -> Passage:
        situation = self.gate.situation(actor, record_id, act, now)
        return self.gate.ask(actor, Action.READ_TRACES, situation, now)

    def _whole(
        self, passage: Passage, question: TraceQuestion, now: datetime, fits: Fits | None
    ) -> TracePage:
        """The entries of a record, to who may read them all."""
        return _page(
            lambda span, most: self.journal.of_record(passage.record.id, span, most),
            lambda logged: _whole(logged, passage),
            question,
            self._knowledge(passage.actor, now, passage.situation),
            fits,
        )

    def _own(
        self, actor: Actor, question: TraceQuestion, now: datetime, fits: Fits | None
    ) -> TracePage:
        """An actor's own acts, everywhere or in one record."""
        me, record_id = key_of(actor), question.record_id

        def shown(logged: Logged) -> Entry | None:
            entry = _own(logged)
            return entry if record_id in (None, entry.trace.record_id) else None

        return _page(
            lambda span, most: self.journal.of_actor(me, span, most, record_id),
            shown,
            question,
            self._knowledge(actor, now),
            fits,
        )

    def _knowledge(
        self, actor: Actor, now: datetime, situation: Situation | None = None
    ) -> _Knowledge:
        seen: dict[str, Situation | None] = {situation.record.id: situation} if situation else {}
        return _Knowledge(self.gate, self.documents, actor, now, seen)

    def _trace(
        self,
        actor: Actor,
        act: Act,
        outcome: Outcome,
        now: datetime,
        *,
        record_id: str | None = None,
        count: int,
    ) -> None:
        self.gate.traces.write(
            trace_of(
                actor, act, outcome, now, record_id=record_id, mode=mode_of(actor), count=count
            )
        )


@dataclass(frozen=True, slots=True)
class _Knowledge:
    """Which entries a person may know of, by the documents that they name; for anybody else, all
    of them. Each record and each document is asked about once."""

    gate: Gate
    documents: Documents
    actor: Actor
    now: datetime
    situations: dict[str, Situation | None]
    known: dict[str, bool] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def of(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those of at most 100 entries that may be known of."""
        if not isinstance(self.actor, Person):
            return list(entries)
        named = dict.fromkeys(document for entry in entries if (document := _document(entry)))
        self._ask([document for document in named if document not in self.known])
        return [entry for entry in entries if self._of(entry)]

    def _of(self, entry: Entry) -> bool:
        trace = entry.trace
        if REPRESENTATIVES in trace.hidden_from and trace.record_id:
            situation = self._situation(trace.record_id)
            if situation is None or situation.record.holder != self._person:
                return False
        document = _document(entry) or ""
        # A deposit that failed names no document, an upload that never came is forgotten; from
        # whom it was hidden, its trace still is. That somebody was refused the holder always sees.
        failed = not document and trace.outcome is Outcome.FAILED
        if (failed or document in self.gone) and HOLDER in trace.hidden_from:
            return False
        return self.known.get(document, True)

    @property
    def _person(self) -> str | None:
        return self.actor.reference if isinstance(self.actor, Person) else None

    def _ask(self, ids: Sequence[str]) -> None:
        found = self.documents.these(ids) if ids else {}
        for record_id in dict.fromkeys(one.partition(".")[0] for one in ids):
            asked = [one for one in ids if one.startswith(f"{record_id}.")]
            lying = [found[one] for one in asked if one in found]
            situation = self._situation(record_id)
            if situation is None:
                self.known.update(dict.fromkeys(asked, False))
                continue
            question = Question(self.actor, Action.KNOW_DOCUMENT, situation, self.now)
            answers = self.gate.decisions.visible(question, lying)
            # What is not there is hidden from nobody: an attempt at an id that names nothing.
            self.known.update(dict.fromkeys(asked, True))
            self.gone.update(one for one in asked if one not in found)
            self.known.update(
                {
                    document.id: answer.allowed
                    for document, answer in zip(lying, answers, strict=True)
                }
            )

    def _situation(self, record_id: str) -> Situation | None:
        if record_id not in self.situations:
            self.situations[record_id] = self.gate.situations.of(record_id, self.actor)
        return self.situations[record_id]


def _page(
    fetch: Callable[[Span, int], Stretch],
    shown: Callable[[Logged], Entry | None],
    question: TraceQuestion,
    knowledge: _Knowledge,
    fits: Fits | None,
) -> TracePage:
    """A page filled up after what may not be seen was taken away, in a bounded number of queries:
    past it the page ends where the looking ended, and the next one goes on from there."""
    found: list[Entry] = []
    before = question.span.before
    for most in _STRETCHES:
        stretch = fetch(replace(question.span, before=before), most)
        for entry in _known(map(shown, stretch.logged), question, knowledge):
            full = len(found) == question.count or (fits is not None and not fits(entry))
            if found and full:
                return TracePage(tuple(found), found[-1].trace.id)
            found.append(entry)
        before = stretch.last
        if before is None:
            break
    return TracePage(tuple(found), before)


def _known(
    entries: Iterable[Entry | None], question: TraceQuestion, knowledge: _Knowledge
) -> Iterator[Entry]:
    taken = [entry for entry in entries if entry and question.takes(entry)]
    for start in range(0, len(taken), _AT_ONCE):
        yield from knowledge.of(taken[start : start + _AT_ONCE])


def _whole(logged: Logged, passage: Passage) -> Entry:
    """An entry of a record, to who may read them all."""
    trace, holder = logged.trace, passage.record.holder
    bearing = None
    if trace.actor.startswith("patient#"):
        if holder is not None and trace.actor == f"patient#{holder}":
            bearing = Bearing.HOLDER
        else:
            # Only who acts in the holder's name is let in beside them.
            disclosed = trace.outcome in _DISCLOSED
            bearing = Bearing.REPRESENTATIVE if disclosed else Bearing.STRANGER
    return Entry(trace, trace.actor == key_of(passage.actor), bearing, logged.genuine)


def _own(logged: Logged) -> Entry:
    """An entry of one's own, everywhere: a refused attempt without what it was about.

    An upload that was refused after its checks is none: the sender was let in.
    """
    trace = logged.trace
    if trace.outcome is Outcome.REFUSED and trace.act is not Act.REJECT_DOCUMENT:
        trace = replace(
            trace,
            record_id=None,
            target=None,
            rules=(),
            matrix=None,
            count=None,
            changes=(),
            hidden_from=(),
        )
    bearing = Bearing.SELF if trace.actor.startswith("patient#") else None
    return Entry(trace, own=True, bearing=bearing, genuine=logged.genuine)


def _document(entry: Entry) -> str | None:
    """The document that an entry names."""
    target = entry.trace.target
    if entry.trace.act not in ABOUT_A_DOCUMENT or target is None:
        return None
    return target if split_document_id(target) else None
