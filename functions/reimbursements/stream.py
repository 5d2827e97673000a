"""What leaves the history table: `history.imported.v1`, once for each generation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dmp.edge.facts import Change, Fact, fact_id
from dmp.edge.facts import handler as facts_handler
from functions.reimbursements import wiring_facts as wiring

_HEAD = "HEAD"
_RECORD = "REC#"


def facts_of(change: Change) -> Iterator[Fact]:
    """A head that is new or has moved on to another generation; nothing else is told.

    What a head later learns of its document changes no generation.
    """
    if change.sk != _HEAD or change.new is None or not change.became("generation"):
        return
    head = change.new
    record_id = change.pk.removeprefix(_RECORD)
    generation = int(head["generation"])
    yield Fact(
        type="history.imported.v1",
        id=fact_id(datetime.fromisoformat(head["importedAt"]), change.pk, generation),
        detail={
            "recordId": record_id,
            "generation": generation,
            "lines": int(head["lines"]),
            "occurredAt": head["importedAt"],
        },
    )


handler = facts_handler("dmp.reimbursements", facts_of, wiring.bus)
