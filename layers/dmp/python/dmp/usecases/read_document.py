"""Read what a record knows of one document."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dmp.domain.access import Action, Answer
from dmp.domain.actors import Actor, key_of
from dmp.domain.documents import Document
from dmp.domain.ids import split_document_id
from dmp.domain.traces import Act, Outcome
from dmp.usecases.gate import Gate, Passage


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """Unknown, not yet checked, refused or forbidden: one and the same NotFound; only the sender
    knows of a document before the checks are done."""

    gate: Gate

    def __call__(
        self, actor: Actor, document_id: str, now: datetime, act: Act = Act.READ_DOCUMENT
    ) -> tuple[Document, Answer]:
        document, passage = self.allowed(actor, document_id, now, act)
        self.gate.trace(passage, act, Outcome.DONE, now, target=document.id)
        return document, passage.answer

    def allowed(
        self, actor: Actor, document_id: str, now: datetime, act: Act
    ) -> tuple[Document, Passage]:
        """The document and the passage to it, the refusal traced, the access not yet."""
        parts = split_document_id(document_id)
        if parts is None:
            self.gate.miss(actor, act, now)
        situation = self.gate.situation(actor, parts[0], act, now, document_id)
        passage = self.gate.ask(actor, Action.READ_DOCUMENT, situation, now)
        document = disclosed(passage)
        if document is None:
            self.gate.refuse(passage, act, now, target=document_id)
        return document, passage


def disclosed(passage: Passage) -> Document | None:
    """The document of a passage to READ_DOCUMENT, when it is there and the actor may read it."""
    document = passage.situation.document
    if document is None or not passage.answer.allowed:
        return None
    return document if document.listed or document.author == key_of(passage.actor) else None
