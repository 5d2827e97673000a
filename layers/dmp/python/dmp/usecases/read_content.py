"""Hand out the bytes of a document, as they were deposited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dmp.domain.actors import Actor
from dmp.domain.documents import Document, Stage
from dmp.domain.traces import Act, Outcome
from dmp.usecases.read_document import ReadDocument

INLINE = 4 * 1024 * 1024
"""Bytes that one answer carries; beyond, the caller is sent to a presigned address."""


class Vault(Protocol):
    def bytes(self, key: str) -> bytes: ...

    def address(self, key: str, media_type: str, disposition: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """Either the bytes or the address where they are for five minutes."""

    document: Document
    disposition: str
    data: bytes | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class ReadContent:
    """The trace is written before the first byte leaves, or before the address does."""

    read: ReadDocument
    vault: Vault

    def __call__(self, actor: Actor, document_id: str, now: datetime) -> Delivered:
        document, passage = self.read.allowed(actor, document_id, now, Act.READ_CONTENT)
        if document.stage is not Stage.FINAL:
            self.read.gate.refuse(passage, Act.READ_CONTENT, now, target=document.id)
        self.read.gate.trace(passage, Act.READ_CONTENT, Outcome.DONE, now, target=document.id)
        content = document.content
        disposition = disposition_of(content.media_type, document.id)
        if content.size <= INLINE:
            return Delivered(document, disposition, data=self.vault.bytes(content.key))
        address = self.vault.address(content.key, content.media_type, disposition)
        return Delivered(document, disposition, address=address)


_SHOWN = {
    "application/pdf": "pdf",
    "image/jpeg": "jpg",
    "image/png": "png",
    "text/plain": "txt",
}


def disposition_of(media_type: str, document_id: str) -> str:
    """`inline` for what a browser shows without running it, `attachment` for markup and the rest;
    the file is named by the document's id, never by its title."""
    kind = media_type.partition(";")[0].strip().lower()
    suffix = _SHOWN.get(kind)
    name = f'filename="{document_id}.{suffix or ("json" if "json" in kind else "xml")}"'
    return f"{'inline' if suffix else 'attachment'}; {name}"
