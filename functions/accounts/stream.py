"""What happens to records, told on the bus.

Every item beside the record's own is a way to it, a preference or a notice: nothing that is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dmp.domain.notifications import Representation
from dmp.edge import facts
from functions.accounts.wiring_stream import bus

OPENED = "record.opened.v1"
BOUND = "record.bound.v1"
REPRESENTED = "representative.changed.v1"


def facts_of(change: facts.Change) -> Iterator[facts.Fact]:
    """A record that was not there and now is has been opened; one that was bound has a holder who
    signed in; and of its representatives each who was named or ended."""
    if change.sk != "RECORD" or change.new is None:
        return
    record_id = change.pk.removeprefix("REC#")
    if change.inserted:
        yield _opened(record_id, change.new)
    if bound_at := change.became("boundAt"):
        moment = datetime.fromisoformat(bound_at)
        yield facts.Fact(BOUND, facts.fact_id(moment, BOUND, record_id), {"recordId": record_id})
    yield from _represented(record_id, _representatives(change.old), _representatives(change.new))


def _opened(record_id: str, record: facts.Image) -> facts.Fact:
    opened_at = datetime.fromisoformat(record["openedAt"])
    return facts.Fact(
        OPENED,
        facts.fact_id(opened_at, OPENED, record_id, int(record["version"])),
        {"recordId": record_id, "channel": record["channel"], "scheme": record["scheme"]},
    )


def _represented(
    record_id: str, before: Mapping[str, facts.Image], after: Mapping[str, facts.Image]
) -> Iterator[facts.Fact]:
    """One that is no longer listed ended long before; one whose term was known from the start was
    told with it."""
    for which, one in after.items():
        if which not in before:
            yield _changed(record_id, which, Representation.NAMED, one["since"])
        elif "until" in one and one["until"] != before[which].get("until"):
            yield _changed(record_id, which, Representation.ENDED, one["until"])


def _changed(record_id: str, which: str, what: Representation, at: str) -> facts.Fact:
    moment = datetime.fromisoformat(at)
    return facts.Fact(
        REPRESENTED,
        facts.fact_id(moment, REPRESENTED, record_id, which, what),
        {"recordId": record_id, "representativeId": which, "change": what.value},
    )


def _representatives(record: facts.Image | None) -> dict[str, dict[str, Any]]:
    """By their ids, in their order."""
    return {one["id"]: one for one in (record or {}).get("representatives") or ()}


handler = facts.handler("dmp.accounts", facts_of, bus)
