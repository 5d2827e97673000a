"""Look at what came into the quarantine, and settle it: into the vault, or refused.

The queue may tell the same arrival twice, late or out of order, and a worker may die at any
line: every step finds what an earlier try left, and the last one is conditional.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Protocol

from dmp.domain.amendments import inherited
from dmp.domain.documents import Content, Document, DocumentStatus, Stage
from dmp.domain.errors import Busy, Fault
from dmp.domain.ids import new_ulid, split_document_id
from dmp.domain.inspection import Inspection, identity_faults
from dmp.domain.records import Record, RecordStatus
from dmp.domain.traces import Act, Outcome, Trace
from dmp.usecases.publish_document import Inspector, Malware, vault_key

FILE = "file"
"""The path of faults that are in the bytes of an upload."""


class Settled(StrEnum):
    """What came of the last, conditional step: done, somebody else changed the document, its
    name is taken by another one, or the document that it replaces changed."""

    DONE = "done"
    CHANGED = "changed"
    TAKEN = "taken"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One version of one object: `version` is None in a bucket that keeps none; `tag` is the
    ETag, by which a later copy takes these very bytes or none."""

    document_id: str
    version: str | None
    size: int
    tag: str


class Quarantine(Protocol):
    def arrived(self, document_id: str, version: str | None) -> Arrival | None:
        """What lies there; None when nothing does (any more)."""

    def open(self, arrival: Arrival) -> AbstractContextManager[BinaryIO]:
        """A seekable file on local disk, filled block by block."""

    def move(self, arrival: Arrival, key: str, content: Content, sha256: str) -> bool:
        """Copy into the vault, server-side; False when the bytes are not the arrival's any more."""

    def drop(self, arrival: Arrival) -> None:
        """Remove this version; nothing happens when it is gone."""


class Shelf(Protocol):
    def of(self, document_id: str) -> Document | None: ...

    def settle(self, document: Document, replaced: Document | None, trace: Trace) -> Settled: ...

    def reject(self, document: Document, trace: Trace) -> bool: ...


class Records(Protocol):
    def of(self, record_id: str) -> Record | None: ...


@dataclass(frozen=True, slots=True)
class SettleUpload:
    """Checks size, SHA-1, real type, form, malware and identity, then settles.

    Raises what the stores raise: the arrival is then told again. Answers the stage that the
    document has now, or None when there was nothing to do.
    """

    documents: Shelf
    records: Records
    quarantine: Quarantine
    inspect: Inspector
    malware: Malware
    lenient: bool

    def __call__(self, document_id: str, version: str | None, now: datetime) -> Stage | None:
        if split_document_id(document_id) is None:
            return None
        arrival = self.quarantine.arrived(document_id, version)
        if arrival is None:
            return None
        document = self.documents.of(document_id)
        if document is None or document.stage is not Stage.PRELIMINARY:
            # Settled before, or announced too long ago: only the bytes are left to drop.
            self.quarantine.drop(arrival)
            return document.stage if document else None
        found, faults = self._look(document, arrival)
        if faults:
            return self._reject(document, arrival, faults[0], now)
        return self._accept(document, arrival, found, now)

    def _look(self, document: Document, arrival: Arrival) -> tuple[Inspection, list[Fault]]:
        content = document.content
        if arrival.size != content.size:
            found = Inspection(arrival.size, "", "", None)
            return found, [Fault(FILE, "size-mismatch", "not the announced size")]
        with self.quarantine.open(arrival) as data:
            found = self.inspect(data, content.media_type)
            if found.sha1 != content.sha1:
                return found, [Fault(FILE, "hash-mismatch", "not the announced SHA-1")]
            if self.malware(data):
                return found, [Fault(FILE, "malware", "malware was found")]
        faults = [replace(fault, path=FILE) for fault in found.faults]
        record = self.records.of(document.record_id)
        if record is None or record.status is not RecordStatus.OPEN:
            return found, [Fault(FILE, "record-closed", "the record is closed")]
        wrong, _ = identity_faults(found, record, lenient=self.lenient, at=FILE)
        return found, faults + wrong

    def _accept(
        self, document: Document, arrival: Arrival, found: Inspection, now: datetime
    ) -> Stage:
        replaced = self.documents.of(document.replaces) if document.replaces else None
        if document.replaces and (
            replaced is None or replaced.status is not DocumentStatus.CURRENT
        ):
            fault = Fault(FILE, "not-current", "the document to replace is not current any more")
            return self._reject(document, arrival, fault, now)
        key = vault_key(document, found.sha256)
        if not self.quarantine.move(arrival, key, document.content, found.sha256):
            raise Busy
        final = replace(
            inherited(document, replaced),  # hidden meanwhile, it stays so
            stage=Stage.FINAL,
            content=replace(document.content, key=key),
            version=document.version + 1,
            updated_at=now,
        )
        act = Act.REPLACE_DOCUMENT if replaced else Act.PUBLISH_DOCUMENT
        settled = self.documents.settle(final, replaced, _trace(document, act, Outcome.DONE, now))
        match settled:
            case Settled.DONE:
                self.quarantine.drop(arrival)
                return Stage.FINAL
            case Settled.TAKEN:
                fault = Fault(FILE, "duplicate", "another document took the identifier meanwhile")
                return self._reject(document, arrival, fault, now)
            case _:
                raise Busy  # read again what changed

    def _reject(self, document: Document, arrival: Arrival, fault: Fault, now: datetime) -> Stage:
        rejected = replace(
            document,
            stage=Stage.REJECTED,
            status=DocumentStatus.ENTERED_IN_ERROR,
            rejection=f"{fault.code}:{fault.detail}",
            version=document.version + 1,
            updated_at=now,
        )
        trace = _trace(document, Act.REJECT_DOCUMENT, Outcome.REFUSED, now)
        if not self.documents.reject(rejected, trace):
            raise Busy
        self.quarantine.drop(arrival)
        return Stage.REJECTED


def _trace(document: Document, act: Act, outcome: Outcome, now: datetime) -> Trace:
    """The checks act for the sender, who was admitted when the form was given."""
    return Trace(
        id=new_ulid(now),
        at=now,
        act=act,
        outcome=outcome,
        actor=document.author,
        record_id=document.record_id,
        target=document.id,
        structure=document.author_structure,
        hidden_from=document.hidden_from,
    )
