"""What happens to records, told on the bus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from dmp.edge import facts
from functions.accounts.wiring_stream import bus

OPENED = "record.opened.v1"


def facts_of(change: facts.Change) -> Iterator[facts.Fact]:
    """A record that was not there and now is has been opened; every other item is an index."""
    if change.sk != "RECORD" or change.new is None or not change.inserted:
        return
    record_id = change.pk.removeprefix("REC#")
    opened_at = datetime.fromisoformat(change.new["openedAt"])
    yield facts.Fact(
        OPENED,
        facts.fact_id(opened_at, OPENED, record_id, int(change.new["version"])),
        {
            "recordId": record_id,
            "channel": change.new["channel"],
            "scheme": change.new["scheme"],
        },
    )


handler = facts.handler("dmp.accounts", facts_of, bus)
