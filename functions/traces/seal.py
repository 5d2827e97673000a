"""The seal of the journal, each hour: the parts that came, in a chained and signed segment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dmp.edge.observability import count, logger
from functions.traces.wiring_seal import seal_traces

SEALED = "SegmentsSealed"
"""Segments added; when none is for three hours, an alarm says so."""
STRANGE = "JournalTampered"

journal = logger("traces")


def handler(_event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The Lambda handler; answers the numbers of the segments that it added."""
    done = seal_traces()(datetime.now(UTC))
    for each in done.segments:
        journal.info("sealed", segment=each.number, parts=len(each.parts), entries=each.entries)
    for key in done.strange:
        journal.error("part is not what its name says", part=key)
    if done.overtaken:
        journal.warning("another sealer was first")
    count(SEALED, len(done.segments))
    if done.strange:
        count(STRANGE, len(done.strange))
    journal.info("chain", head=done.head)
    return {
        "segments": [each.number for each in done.segments],
        "entries": sum(each.entries for each in done.segments),
        "head": done.head,
    }
