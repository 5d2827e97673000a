"""The journal's changes, kept where nobody rewrites them: one part for each batch of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dmp.domain.seals import Event, Line
from dmp.edge.observability import count, logger
from functions.traces.wiring_collect import collect_traces, digest

TAMPERED = "JournalTampered"
"""Changes of entries that stood. No function makes any: each is an alarm."""

journal = logger("traces")


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """The Lambda handler: the change to begin with again, if one is not understood."""
    lines: list[Line] = []
    numbers: list[str] = []
    unread: str | None = None
    for record in event["Records"]:
        number = record["dynamodb"]["SequenceNumber"]
        try:
            lines.append(_line(record))
        except Exception as error:  # noqa: BLE001 - told by its class, then given back
            journal.error("change not understood", error=type(error).__name__, at=number)
            unread = number
            break
        numbers.append(number)
    if lines:
        _collect(lines, numbers)
    return {"batchItemFailures": [{"itemIdentifier": unread}] if unread else []}


def _collect(lines: list[Line], numbers: list[str]) -> None:
    done = collect_traces()(lines, numbers[0], numbers[-1], datetime.now(UTC))
    for each in done.tampered:
        journal.error("journal tampered with", pk=each.pk, trace=each.id, change=each.event.value)
    if done.tampered:
        count(TAMPERED, len(done.tampered))
    journal.info("collected", part=done.key, entries=done.entries)


def _line(record: Mapping[str, Any]) -> Line:
    told = record["dynamodb"]
    what = Event(record["eventName"])
    image = told["OldImage"] if what is Event.REMOVE else told["NewImage"]
    return Line(
        told["Keys"]["pk"]["S"],
        told["Keys"]["sk"]["S"],
        digest(image),
        what,
        datetime.fromtimestamp(told["ApproximateCreationDateTime"], UTC),
    )
