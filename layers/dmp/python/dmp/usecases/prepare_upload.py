"""Announce a document whose bytes will follow by a form, straight into the quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn, Protocol

from dmp.domain.actors import Actor
from dmp.domain.documents import Content, Document, DocumentStatus, Stage
from dmp.domain.errors import DmpError, DocumentAlreadyPublished, Fault, Invalid
from dmp.domain.submissions import ATTACHMENT, Submission
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.admit_document import AdmitDocument, Admitted

LARGEST = 100 * 1024 * 1024
"""Bytes of one upload."""


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A form (`multipart/form-data`) that takes these very bytes, for five minutes at most:
    `fields` first, in any order, then the bytes as `file`."""

    url: str
    fields: Mapping[str, str]


class Quarantine(Protocol):
    def form(self, document_id: str, content: Content) -> UploadForm:
        """The presigned form of one document, bound to size, type and SHA-1."""


class Announcements(Protocol):
    def publish(
        self, document: Document, replaced: Document | None, trace: Trace
    ) -> Document | None:
        """As `usecases.publish_document.Shelf.publish`."""

    def named(self, like: Document) -> Document | None:
        """As `usecases.publish_document.Shelf.named`."""

    def reannounce(self, document: Document, trace: Trace) -> bool:
        """The next version of an awaited upload; False when it is no longer awaited."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """`form` is None when these very bytes came before: there is nothing left to send."""

    document: Document
    form: UploadForm | None
    warnings: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class PrepareUpload:
    """Admit as any submission, write the announcement (docStatus preliminary), give the form.

    The same sender may announce the same document again while it is awaited, corrected or not:
    it keeps its id and gets a new form. Once it is final, the same announcement (size and hash
    too) is answered with the document, and no form. What is replaced stays current until the
    checks are done.
    """

    admit: AdmitDocument
    documents: Announcements
    quarantine: Quarantine

    def __call__(self, actor: Actor, submission: Submission, now: datetime) -> Prepared:
        """Raises NotFound, Invalid with every fault, DocumentAlreadyPublished."""
        content = Content(submission.media_type, submission.size or 0, submission.sha1 or "", "")
        admitted = self.admit(actor, submission, content, Stage.PRELIMINARY, now)
        known = self._replacing(admitted)
        if known is not None:
            return self._known(admitted, known, now)
        faults = (*admitted.faults, *_announcement(submission))
        passage = admitted.passage
        if faults:
            self._fail(admitted, Invalid(*faults), now)

        def trace(target: str) -> Trace:
            return trace_of(
                actor,
                Act.ANNOUNCE_DOCUMENT,
                Outcome.DONE,
                now,
                record_id=passage.record.id,
                target=target,
                mode=passage.mode,
                rules=passage.answer.rules,
                matrix=passage.answer.matrix,
                hidden_from=admitted.document.hidden_from,
            )

        document = admitted.document
        held = self.documents.publish(document, None, trace(document.id))
        if held is not None:
            if _settled(held, document):
                return self._known(admitted, held, now)
            if held.stage is not Stage.PRELIMINARY:
                self._fail(admitted, DocumentAlreadyPublished(), now)
            document = replace(document, id=held.id, version=held.version + 1)
            if not self.documents.reannounce(document, trace(document.id)):
                self._fail(admitted, DocumentAlreadyPublished(), now)
        form = self.quarantine.form(document.id, document.content)
        return Prepared(document, form, submission.warnings)

    def _replacing(self, admitted: Admitted) -> Document | None:
        """What replaced the named document, when that was this very submission, sent before."""
        document, replaced = admitted.document, admitted.replaced
        if document.replaces is None:
            return None
        if replaced is not None and replaced.status is DocumentStatus.CURRENT:
            return None
        held = self.documents.named(document)
        return held if held is not None and _settled(held, document) else None

    def _known(self, admitted: Admitted, held: Document, now: datetime) -> Prepared:
        """What was sent before is read again."""
        return Prepared(self.admit.again(admitted, held, now).document, None)

    def _fail(self, admitted: Admitted, error: DmpError, now: datetime) -> NoReturn:
        hidden = admitted.document.hidden_from
        self.admit.gate.fail(
            admitted.passage, Act.ANNOUNCE_DOCUMENT, error, now, hidden_from=hidden
        )


def _settled(held: Document, announced: Document) -> bool:
    return held.stage is Stage.FINAL and held.same_submission(announced)


def _announcement(submission: Submission) -> list[Fault]:
    """What a form is bound to has to be said: size and hash."""
    faults = []
    if submission.size is None:
        faults.append(Fault(f"{ATTACHMENT}.size", "required", "the size in bytes"))
    elif submission.size > LARGEST:
        faults.append(Fault(f"{ATTACHMENT}.size", "too-large", "100 MB at most"))
    elif submission.size == 0:
        faults.append(Fault(f"{ATTACHMENT}.size", "empty", "an empty document says nothing"))
    if submission.sha1 is None:
        faults.append(Fault(f"{ATTACHMENT}.hash", "required", "the SHA-1 in base64"))
    return faults
