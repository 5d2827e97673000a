"""Which notices went out: claimed before they are sent, so that one fact is told once.

Keys by example (table `accounts`):

| pk         | sk                    | what                                                       |
|------------|-----------------------|------------------------------------------------------------|
| `REC#7h3k…`| `SENT#01jd…#email`    | the notice of fact `01jd…` by e-mail: claimed until, sent  |
| `REC#7h3k…`| `SENT#01jd…#none`     | nobody to tell: no contact was known                       |
| `REC#7h3k…`| `SENT#first-access.professional.8…#email` | that professional's first access       |

A claim lapses after `LEASE`; a notice is forgotten (`ttl`) after `KEPT`, longer than any queue
keeps the fact, unless it is told once for all.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dmp.domain.notifications import Fact
from dmp.domain.traces import Trace
from dmp.store.items import ConditionFailed, put, transact, update, write
from dmp.store.traces import Journal
from dmp.usecases.notify_holder import Claim

LEASE = timedelta(seconds=60)
"""Longer than the function may run, shorter than the queue hides a message."""

KEPT = timedelta(days=30)
"""A fact may wait 14 days in the queue and 14 in its dead letters."""


class Notices:
    """`usecases.notify_holder.Notices` on DynamoDB."""

    def __init__(self, dynamodb: Any, table: str, journal: Journal) -> None:
        """`table` is that of accounts."""
        self._dynamodb = dynamodb
        self._table = table
        self._journal = journal

    def claim(self, fact: Fact, channel: str, now: datetime) -> Claim:
        """Ours when nobody claimed it or the last claim lapsed unfinished."""
        item = {
            **_key(fact, channel),
            "subject": fact.subject.value,
            "claimedUntil": _seconds(now + LEASE),
            "ttl": None if fact.once_for_all else _seconds(now + KEPT),
        }
        free = "attribute_not_exists(pk) OR (attribute_not_exists(sentAt) AND claimedUntil <= :now)"
        try:
            write(self._dynamodb, put(self._table, item, free, values_of={":now": _seconds(now)}))
        except ConditionFailed as error:
            return Claim.DONE if error.item and "sentAt" in error.item else Claim.HELD
        return Claim.OURS

    def finish(self, fact: Fact, channel: str, trace: Trace, now: datetime) -> None:
        """Sent and traced in one transaction; a notice that is finished already stays as it is."""
        sent = update(
            self._table,
            _key(fact, channel),
            "SET sentAt = :at",
            "attribute_exists(pk) AND attribute_not_exists(sentAt)",
            values_of={":at": now.isoformat()},
        )
        try:
            transact(self._dynamodb, [sent, self._journal.put(trace)])
        except ConditionFailed as error:
            if not (error.item and "sentAt" in error.item):
                raise


def _key(fact: Fact, channel: str) -> dict[str, str]:
    return {"pk": f"REC#{fact.record_id}", "sk": f"SENT#{fact.occasion}#{channel}"}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
