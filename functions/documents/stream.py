"""What happens to documents, told on the bus.

Nobody is told of a document that they do not see: the fact of its publication says from whom it is
hidden, and the day it is shown to them a second one says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dmp.domain.documents import Visibility, hidden_from
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
    shown = _shown(change) if kind is None else {}
    if kind is None and not shown:
        return
    kind = kind or PUBLISHED
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
            **(facts.hidden(_hidden(change.new)) if kind == PUBLISHED else {}),
            **shown,
        },
    )


def _hidden(image: facts.Image) -> tuple[str, ...]:
    return hidden_from(frozenset(map(Visibility, image.get("visibility", ()))))


def _shown(change: facts.Change) -> dict[str, facts.Told]:
    """To whom a published document became visible by this change of its labels."""
    old, new = change.old or {}, change.new or {}
    if new.get("stage") != "final" or new.get("status") == "entered-in-error":
        return {}
    lifted = [who for who in _hidden(old) if who not in _hidden(new)]
    return {f"shownTo{who.capitalize()}": True for who in lifted}


handler = facts.handler("dmp.documents", facts_of, bus)
