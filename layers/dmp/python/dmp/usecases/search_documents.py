"""List the documents of a record that the caller may see, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dmp.domain.access import Action, Answer, Question
from dmp.domain.actors import Actor, key_of
from dmp.domain.documents import Document, DocumentStatus
from dmp.domain.errors import Fault, Malformed, NotFound
from dmp.domain.identity import Ins
from dmp.domain.traces import Act, Outcome
from dmp.usecases.gate import Gate, Passage
from dmp.usecases.ports import RecordFinder

Within = Callable[[datetime], bool]


class Shelf(Protocol):
    def of_record(self, record_id: str, before: str | None = None) -> Iterator[Document]:
        """Newest first; `before` is the id of a document, itself left out."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is searched: any of the statuses, types and classes (none given: all), and every one
    of the conditions on the document's own date."""

    statuses: frozenset[DocumentStatus]
    types: frozenset[str] | None = None
    classes: frozenset[str] | None = None
    dated: tuple[Within, ...] = ()

    def take(self, document: Document) -> bool:
        return (
            document.status in self.statuses
            and (self.types is None or document.type_code in self.types)
            and (self.classes is None or document.class_code in self.classes)
            and all(within(document.dated) for within in self.dated)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Where to go on: after the document `after`, out of the `total` that the first page told."""

    size: int
    after: str | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page, each document with the decision that shows it; `total` over all pages, counted
    after what may not be seen was taken away; `more` says that there is a next page."""

    documents: tuple[tuple[Document, Answer], ...] = ()
    total: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class SearchDocuments:
    """One read, one query, one trace. A record that does not exist, or that is none of the
    caller's business, is empty like one that holds nothing; the attempt is traced."""

    gate: Gate
    finder: RecordFinder
    documents: Shelf

    def __call__(
        self, actor: Actor, whose: str | Ins, criteria: Criteria, page: Page, now: datetime
    ) -> Found:
        """`whose` is a record id or an INS. Malformed for a cursor of another record."""
        try:
            return self._search(actor, whose, criteria, page, now)
        except NotFound:
            return Found()

    def _search(
        self, actor: Actor, whose: str | Ins, criteria: Criteria, page: Page, now: datetime
    ) -> Found:
        record_id = self.finder.find(whose) if isinstance(whose, Ins) else whose
        situation = self.gate.situation(actor, record_id, Act.SEARCH_DOCUMENTS, now)
        passage = self.gate.ask(actor, Action.LIST_DOCUMENTS, situation, now)
        if not passage.answer.allowed:
            self.gate.refuse(passage, Act.SEARCH_DOCUMENTS, now)
        if page.after is not None and not page.after.startswith(f"{situation.record.id}."):
            foreign = Malformed(Fault("_cursor", "cursor", "not a cursor of this search"))
            self.gate.fail(passage, Act.SEARCH_DOCUMENTS, foreign, now)
        seen = self._visible(passage, criteria, page, now)
        shown = tuple(seen[: page.size])
        self.gate.trace(passage, Act.SEARCH_DOCUMENTS, Outcome.DONE, now, count=len(shown))
        total = len(seen) if page.total is None else page.total
        return Found(shown, total, more=len(seen) > page.size)

    def _visible(
        self, passage: Passage, criteria: Criteria, page: Page, now: datetime
    ) -> list[tuple[Document, Answer]]:
        sender = key_of(passage.actor)
        candidates = [
            document
            for document in self.documents.of_record(passage.record.id, page.after)
            if (document.listed or document.author == sender) and criteria.take(document)
        ]
        question = Question(
            passage.actor, Action.READ_DOCUMENT, passage.situation, now, passage.mode
        )
        answers = self.gate.decisions.visible(question, candidates)
        return [
            (document, answer)
            for document, answer in zip(candidates, answers, strict=True)
            if answer.allowed
        ]
