"""The bus of facts (EventBridge): at least once, ten at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dmp.domain.facts import Fact
from dmp.domain.ids import moment_of

_AT_ONCE = 10


class Bus:
    """`client("events")` and the bus's name."""

    def __init__(self, events: Any, name: str) -> None:
        self._events = events
        self._name = name

    def publish(self, source: str, facts: Sequence[Fact]) -> frozenset[int]:
        """The positions of the facts that the bus did not take; the detail carries
        `eventId` and `occurredAt`, which is the moment written in it.

        Stops at the first ten of which one failed, so that facts stay in their order: the rest
        counts as not taken.
        """
        for start in range(0, len(facts), _AT_ONCE):
            group = facts[start : start + _AT_ONCE]
            answer = self._events.put_events(Entries=[self._entry(source, fact) for fact in group])
            if answer["FailedEntryCount"]:
                refused = {
                    start + at for at, entry in enumerate(answer["Entries"]) if "ErrorCode" in entry
                }
                return frozenset(refused | set(range(start + len(group), len(facts))))
        return frozenset()

    def _entry(self, source: str, fact: Fact) -> dict[str, str]:
        return {
            "EventBusName": self._name,
            "Source": source,
            "DetailType": fact.type,
            "Detail": json.dumps(
                {
                    "eventId": fact.id,
                    "occurredAt": moment_of(fact.id)
                    .isoformat(timespec="milliseconds")
                    .replace("+00:00", "Z"),
                    **fact.detail,
                }
            ),
        }
