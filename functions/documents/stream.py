"""What happens to documents, told on the bus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dmp.edge import facts
from functions.documents.wiring_stream import bus

PUBLISHED = "document.published.v1"
REJECTED = "upload.rejected.v1"


def facts_of(change: facts.Change) -> Iterator[facts.Fact]:
    """A document whose bytes are there for the first time was published; an upload that did not
    pass its checks was rejected. Announcements and names are nobody's business."""
    if change.new is None or not change.sk.startswith("DOC#"):
        return
    kind = {"final": PUBLISHED, "entered-in-error": REJECTED}.get(change.became("stage"))
    if kind is None:
        return
    record_id = change.pk.removeprefix("REC#")
    document_id = f"{record_id}.{change.sk.removeprefix('DOC#')}"
    moment = change.new["updatedAt"]
    yield facts.Fact(
        kind,
        facts.fact_id(datetime.fromisoformat(moment), kind, document_id),
        {
            "recordId": record_id,
            "documentId": document_id,
            "author": change.new["author"],
            "occurredAt": moment,
        },
    )


handler = facts.handler("dmp.documents", facts_of, bus)
