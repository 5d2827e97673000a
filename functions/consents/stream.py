"""What holders decide, told on the bus."""

from __future__ import annotations

from collections.abc import Iterator

from dmp.domain.consents import Turn
from dmp.edge import facts
from functions.consents.wiring_stream import bus, change_of_item

CHANGED = "consent.changed.v1"
TOLD_ELSEWHERE = {Turn.AT_OPENING, Turn.OVERRIDDEN}
"""By the record that was opened, by the block that was given."""


def facts_of(change: facts.Change) -> Iterator[facts.Fact]:
    """One fact for each line of the history of changes, except for what goes with another fact."""
    told = change_of_item(change.new) if change.inserted and change.new else None
    if told is None or told.turn in TOLD_ELSEWHERE:
        return
    consent = told.consent
    yield facts.Fact(
        CHANGED,
        facts.fact_id(told.at, CHANGED, consent.record_id, told.id),
        {
            "recordId": consent.record_id,
            "consentId": consent.id,
            "kind": consent.decision.kind.value,
            "change": told.turn.value,
            "actor": consent.decision.recorded_by,
        },
    )


handler = facts.handler("dmp.consents", facts_of, bus)
