"""The ports that several verbs share; a port of one verb stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dmp.domain.access import Answer, Question, Situation
from dmp.domain.actors import Actor
from dmp.domain.documents import Document
from dmp.domain.identity import Ins
from dmp.domain.traces import Trace

DEFAULT_COUNT, MOST = 20, 100
"""How many a page of a search has unless asked, and at most."""


class Situations(Protocol):
    """Record, consents about the actor, settings and, when named, a document: one read."""

    def of(self, record_id: str, actor: Actor, document_id: str | None = None) -> Situation | None:
        """None when there is no such record; a missing document is `document=None`."""


class RecordFinder(Protocol):
    def find(self, ins: Ins) -> str | None:
        """The id of the record of a number, open or closed."""


class Traces(Protocol):
    def write(self, trace: Trace) -> None: ...


class Decisions(Protocol):
    def decide(self, question: Question) -> Answer:
        """An evaluation error is a refusal, never an exception."""

    def visible(self, question: Question, documents: Sequence[Document]) -> Sequence[Answer]:
        """One answer per document, in order; decided once per distinct signature."""
