"""Who may send which document into which record: asked before any byte is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from dmp.domain.access import Action
from dmp.domain.actors import Actor, Feeder, Professional, System, key_of
from dmp.domain.amendments import COMBINATION, inherited, masked_twice
from dmp.domain.documents import Content, Document, DocumentStatus, Stage, Visibility
from dmp.domain.errors import Fault
from dmp.domain.ids import document_id, new_ulid, split_document_id
from dmp.domain.submissions import (
    Submission,
    author_faults,
    identity_faults,
    replacement_faults,
)
from dmp.domain.traces import Act, Outcome
from dmp.usecases.gate import Gate, Passage
from dmp.usecases.ports import RecordFinder


@dataclass(frozen=True, slots=True)
class Admitted:
    """An allowed submission: the document as it would stand, and what is wrong with it."""

    passage: Passage
    document: Document
    replaced: Document | None
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Again:
    """The answer to a submission that came before: the document as it stands or, to a sender who
    may not read it any more (not `readable`), as they sent it."""

    document: Document
    readable: bool


@dataclass(frozen=True, slots=True)
class AdmitDocument:
    """One consistent read, one decision; a refusal is traced and looks like no record."""

    gate: Gate
    finder: RecordFinder

    def __call__(
        self,
        actor: Actor,
        submission: Submission,
        content: Content,
        stage: Stage,
        now: datetime,
        *,
        known_as: str | None = None,
    ) -> Admitted:
        """`known_as` is the document's id when it was chosen before (the feeder's retries)."""
        found = self._record_of(submission)
        situation = self.gate.situation(
            actor, found, Act.PUBLISH_DOCUMENT, now, self._replaced_in(found, submission)
        )
        record_id = situation.record.id
        document = Document(
            id=known_as or document_id(record_id, new_ulid(now)),
            record_id=record_id,
            unique_id=submission.unique_id,
            type_code=submission.type_code,
            class_code=submission.class_code,
            status=DocumentStatus.CURRENT,
            stage=stage,
            author=key_of(actor),
            visibility=submission.visibility,
            title=submission.title,
            dated=submission.dated,
            submitted_at=now,
            content=content,
            resource=submission.resource,
            author_structure=structure_of(actor),
            updated_at=now,
            replaces=submission.replaces,
            archived=submission.archived,
        )
        passage = self.gate.ask(actor, Action.PUBLISH_DOCUMENT, situation, now, document)
        if not passage.answer.allowed:
            self.gate.refuse(passage, Act.PUBLISH_DOCUMENT, now, hidden_from=document.hidden_from)
        replaced = self._replaced(passage, submission, now)
        document = inherited(document, replaced)
        twice = masked_twice(document.visibility) and not masked_twice(submission.visibility)
        faults = (
            *((COMBINATION,) if twice else ()),
            *identity_faults(submission, passage.record),
            *author_faults(submission, actor),
            *replacement_faults(submission, replaced, document.author, document.author_structure),
        )
        return Admitted(passage, document, replaced, faults)

    def again(self, admitted: Admitted, held: Document, now: datetime) -> Again:
        """What was sent before is read again, by who may still read it; to who may not, the
        answer says what they said themselves, and the trace that they read nothing."""
        sent = admitted.document
        situation = replace(admitted.passage.situation, document=held)
        reading = self.gate.ask(admitted.passage.actor, Action.READ_DOCUMENT, situation, now)
        outcome = Outcome.DONE if reading.answer.allowed else Outcome.REFUSED
        self.gate.trace(reading, Act.READ_DOCUMENT, outcome, now, target=held.id)
        if reading.answer.allowed:
            return Again(held, readable=True)
        first = replace(sent, id=held.id, submitted_at=held.submitted_at, stage=held.stage)
        return Again(replace(first, updated_at=held.submitted_at), readable=False)

    def _replaced(self, passage: Passage, submission: Submission, now: datetime) -> Document | None:
        """The document to replace, for who may read it now, and for the structure that sent it,
        which feeds without reading, unless it is masked; the feeder, who reads nothing, knows its
        own. What is masked is neither replaced nor found by trying, and the trying takes the same
        decision whether or not there is something."""
        found = passage.situation.document
        if submission.replaces is None:
            return None
        if isinstance(passage.actor, Feeder):
            return found
        reading = self.gate.ask(passage.actor, Action.READ_DOCUMENT, passage.situation, now)
        masked = found is None or Visibility.HIDDEN_FROM_PROFESSIONALS in found.visibility
        return None if masked and not reading.answer.allowed else found

    def _record_of(self, submission: Submission) -> str | None:
        if submission.record_id is not None:
            return submission.record_id
        return self.finder.find(submission.ins) if submission.ins is not None else None

    @staticmethod
    def _replaced_in(record_id: str | None, submission: Submission) -> str | None:
        """The replaced document's id, when it can be one of this record."""
        parts = split_document_id(submission.replaces or "")
        return submission.replaces if parts is not None and parts[0] == record_id else None


def structure_of(actor: Actor) -> str | None:
    """The FINESS of the structure that an actor acts for."""
    held = actor.structure if isinstance(actor, Professional | System) else None
    return held.finess if held else None
