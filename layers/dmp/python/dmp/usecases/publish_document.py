"""Take a document whose bytes came along: checked, kept, and told once."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha1, sha256
from io import BytesIO
from typing import Any, BinaryIO, NoReturn, Protocol

from dmp.domain.actors import Actor, Feeder
from dmp.domain.documents import Content, Document, DocumentStatus, Stage
from dmp.domain.errors import Conflict, DmpError, DocumentAlreadyPublished, Fault, Invalid
from dmp.domain.inspection import Inspection, identity_faults
from dmp.domain.submissions import ATTACHMENT, Claim, Role, Submission, announcement_faults
from dmp.domain.terminology import REIMBURSEMENT_CLASS, TYPES, visibility
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.admit_document import AdmitDocument, Admitted

DATA = f"{ATTACHMENT}.data"


class Inspector(Protocol):
    def __call__(self, data: BinaryIO, media_type: str) -> Inspection:
        """What the bytes are, and everything wrong with them; reads from the start, in blocks."""


class Malware(Protocol):
    def __call__(self, data: BinaryIO) -> str | None:
        """The name of what was found, or None for clean; reads from the start, in blocks."""


class Vault(Protocol):
    def keep(self, key: str, data: bytes, media_type: str, sha256: str) -> None:
        """Put bytes under a key that says what they are; the same again changes nothing."""


class Shelf(Protocol):
    def publish(
        self, document: Document, replaced: Document | None, trace: Trace
    ) -> Document | None:
        """Metadata, the producer's identifier, the replaced document and the trace: all or none.

        None when that was written; else the document that the same sender sent under the same
        identifier before, and nothing was written. Raises Conflict when the replaced document
        changed meanwhile.
        """

    def named(self, like: Document) -> Document | None:
        """What the same sender sent into the same record under the same producer's identifier."""


@dataclass(frozen=True, slots=True)
class Published:
    """`created` is False when the same document had been sent before; `readable` when the sender
    may not read it any more, and `document` is what they sent."""

    document: Document
    created: bool
    warnings: tuple[Fault, ...] = ()
    readable: bool = True


def vault_key(document: Document, sha256_hex: str) -> str:
    """Where bytes lie: by record, sender, producer's identifier and content.

    A retry finds its own bytes again, and nobody else's are ever under the same key.
    `documents/7h3k…/<hash of sender and identifier>/<hash of the bytes>`
    """
    named = sha256(f"{document.author}\x1f{document.unique_id}".encode()).hexdigest()[:32]
    return f"documents/{document.record_id}/{named}/{sha256_hex}"


@dataclass(frozen=True, slots=True)
class PublishDocument:
    """Decide, inspect, keep the bytes, and only then write metadata, name and trace in one
    transaction: what is interrupted leaves bytes that nobody knows of, never a document without
    them, and a retry finds them."""

    admit: AdmitDocument
    inspect: Inspector
    malware: Malware
    vault: Vault
    documents: Shelf
    lenient: bool

    def __call__(
        self, actor: Actor, submission: Submission, data: bytes, now: datetime
    ) -> Published:
        """Raises NotFound, Invalid with every fault, DocumentAlreadyPublished, Conflict."""
        content = _content(submission, data)
        admitted = self.admit(actor, submission, content, Stage.FINAL, now)
        published = self._publish(actor, submission, admitted, data, now, same=_same)
        if published.created:
            return published
        again = self.admit.again(admitted, published.document, now)
        return replace(published, document=again.document, readable=again.readable)

    def generated(
        self,
        record_id: str,
        document_id: str,
        resource: Mapping[str, Any],
        data: bytes,
        now: datetime,
        *,
        replaces: str | None = None,
    ) -> Published:
        """A document that the house makes itself, in the name of the insurer's feeder.

        `resource` is a FHIR DocumentReference with masterIdentifier, type, securityLabel, date
        and content[0].attachment (contentType, title); id, size, hash and url are set here.
        `document_id` is chosen by the caller, so that a retry writes nothing twice. Under a
        masterIdentifier that the feeder used before in this record, the document that holds it
        is answered and nothing is written, whatever the bytes.
        """
        feeder = Feeder()
        submission = _of_the_house(record_id, resource, replaces)
        content = _content(submission, data)
        admitted = self.admit(feeder, submission, content, Stage.FINAL, now, known_as=document_id)
        return self._publish(feeder, submission, admitted, data, now, same=_same_author)

    def _publish(
        self,
        actor: Actor,
        submission: Submission,
        admitted: Admitted,
        data: bytes,
        now: datetime,
        *,
        same: Callable[[Document, Document], bool],
    ) -> Published:
        document, replaced = admitted.document, admitted.replaced
        if submission.replaces and (
            replaced is None or replaced.status is not DocumentStatus.CURRENT
        ):
            # Replaced by this very submission, sent once before? Then it is no fault.
            held = self.documents.named(document)
            if held is not None and same(held, document):
                return Published(held, created=False)
        found = self.inspect(BytesIO(data), submission.media_type)
        warnings = self._check(submission, admitted, data, found, now)
        key = vault_key(document, found.sha256)
        document = replace(document, content=replace(document.content, key=key))
        self.vault.keep(key, data, document.content.media_type, found.sha256)
        passage = admitted.passage
        trace = trace_of(
            actor,
            Act.REPLACE_DOCUMENT if replaced else Act.PUBLISH_DOCUMENT,
            Outcome.DONE,
            now,
            record_id=document.record_id,
            target=document.id,
            mode=passage.mode,
            rules=passage.answer.rules,
            matrix=passage.answer.matrix,
            hidden_from=document.hidden_from,
        )
        try:
            held = self.documents.publish(document, replaced, trace)
        except Conflict as error:
            self._fail(admitted, error, now)
        if held is None:
            return Published(document, created=True, warnings=warnings)
        if held.stage is not Stage.FINAL or not same(held, document):
            self._fail(admitted, DocumentAlreadyPublished(), now)
        return Published(held, created=False, warnings=warnings)

    def _check(
        self,
        submission: Submission,
        admitted: Admitted,
        data: bytes,
        found: Inspection,
        now: datetime,
    ) -> tuple[Fault, ...]:
        """Every fault at once, or what there is to warn about."""
        record = admitted.passage.record
        wrong, doubtful = identity_faults(found, record, lenient=self.lenient, at=DATA)
        malware = self.malware(BytesIO(data))
        infected = [Fault(DATA, "malware", "malware was found")] if malware else []
        faults = (
            *admitted.faults,
            *announcement_faults(submission, found.size, found.sha1),
            *found.faults,
            *wrong,
            *infected,
        )
        if faults:
            self._fail(admitted, Invalid(*faults), now)
        return (*submission.warnings, *doubtful)

    def _fail(self, admitted: Admitted, error: DmpError, now: datetime) -> NoReturn:
        hidden = admitted.document.hidden_from
        self.admit.gate.fail(admitted.passage, Act.PUBLISH_DOCUMENT, error, now, hidden_from=hidden)


def _content(submission: Submission, data: bytes) -> Content:
    digest = sha1(data, usedforsecurity=False).digest()
    return Content(submission.media_type, len(data), b64encode(digest).decode("ascii"), "")


def _same(held: Document, sent: Document) -> bool:
    return held.same_submission(sent)


def _same_author(held: Document, sent: Document) -> bool:
    return held.author == sent.author


def _of_the_house(record_id: str, resource: Mapping[str, Any], replaces: str | None) -> Submission:
    """A resource of our own making as a submission; a KeyError here is a fault of ours."""
    attachment = resource["content"][0]["attachment"]
    code = resource["type"]["coding"][0]["code"]
    labels = [
        visibility(coding["system"], coding["code"])
        for label in resource["securityLabel"]
        for coding in label["coding"]
    ]
    return Submission(
        unique_id=resource["masterIdentifier"]["value"],
        type_code=code,
        class_code=TYPES[code].class_code if code in TYPES else REIMBURSEMENT_CLASS,
        visibility=frozenset(label for label in labels if label is not None),
        title=attachment["title"],
        dated=datetime.fromisoformat(resource["date"]),
        media_type=attachment["contentType"],
        resource=json.dumps(resource, ensure_ascii=False, separators=(",", ":")),
        record_id=record_id,
        authors=(Claim(Role.DEVICE, Feeder().id),),
        replaces=replaces,
    )
