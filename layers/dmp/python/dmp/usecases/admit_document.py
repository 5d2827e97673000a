"""Who may send which document into which record: asked before any byte is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dmp.domain.access import Action
from dmp.domain.actors import Actor, Professional, System, key_of
from dmp.domain.amendments import COMBINATION, inherited, masked_twice
from dmp.domain.documents import Content, Document, DocumentStatus, Stage
from dmp.domain.errors import Fault
from dmp.domain.ids import document_id, new_ulid, split_document_id
from dmp.domain.submissions import (
    Submission,
    author_faults,
    identity_faults,
    replacement_faults,
)
from dmp.domain.traces import Act
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
            self.gate.refuse(passage, Act.PUBLISH_DOCUMENT, now)
        document = inherited(document, situation.document)
        twice = masked_twice(document.visibility) and not masked_twice(submission.visibility)
        faults = (
            *((COMBINATION,) if twice else ()),
            *identity_faults(submission, passage.record),
            *author_faults(submission, actor),
            *replacement_faults(
                submission, situation.document, document.author, document.author_structure
            ),
        )
        return Admitted(passage, document, situation.document, faults)

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
