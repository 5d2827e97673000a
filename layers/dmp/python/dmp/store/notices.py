"""Which notices went out: claimed before they are sent, so that one fact is told once.

Keys by example (table `accounts`):

| pk         | sk                                  | what                                        |
|------------|-------------------------------------|---------------------------------------------|
| `REC#7h3k…`| `SENT#01jd…#holder#email`           | fact `01jd…`, to the holder: claimed, ended |
| `REC#7h3k…`| `SENT#01jd…#holder#none`            | no contact was known                        |
| `REC#7h3k…`| `SENT#first-access.professional.8…#representative.01jd…#mobile` | the same     |
| `REC#7h3k…`| `TOLD#first-access.professional.8…` | that first access was told to everybody     |

A claim lapses after `LEASE`; a notice is forgotten (`ttl`) after `KEPT`, longer than any queue
keeps the fact, unless it is told once for all.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dmp.domain.notifications import Fact
from dmp.domain.traces import Trace
from dmp.store.items import ConditionFailed, check, put, transact, update, write
from dmp.store.traces import Journal
from dmp.usecases.deliver import Claim, Ending, Notice

LEASE = timedelta(seconds=60)
"""Longer than the function may run, shorter than the queue hides a message."""

KEPT = timedelta(days=30)
"""A fact may wait 14 days in the queue and 14 in its dead letters."""

_CLAIMS = {Ending.SENT.value: Claim.DONE, Ending.REFUSED.value: Claim.REFUSED}


class Notices:
    """`usecases.deliver.Notices` on DynamoDB."""

    def __init__(self, dynamodb: Any, table: str, journal: Journal) -> None:
        """`table` is that of accounts."""
        self._dynamodb = dynamodb
        self._table = table
        self._journal = journal

    def claim(self, notice: Notice, now: datetime) -> Claim:
        """Ours when nobody claimed it or the last claim lapsed unfinished."""
        fact = notice.fact
        item = {
            **_key(notice),
            "subject": fact.subject.value,
            "claimedUntil": _seconds(now + LEASE),
            "ttl": None if fact.once_for_all else _seconds(now + KEPT),
        }
        free = "attribute_not_exists(pk) OR (attribute_not_exists(ending) AND claimedUntil <= :now)"
        try:
            write(self._dynamodb, put(self._table, item, free, values_of={":now": _seconds(now)}))
        except ConditionFailed as error:
            ending = (error.item or {}).get("ending")
            return _CLAIMS[ending] if ending else Claim.HELD
        return Claim.OURS

    def finish(self, notice: Notice, ending: Ending, trace: Trace, now: datetime) -> None:
        """Ended and traced in one transaction; a notice that is over already stays as it is."""
        ended = update(
            self._table,
            _key(notice),
            "SET ending = :ending, endedAt = :at",
            "attribute_exists(pk) AND attribute_not_exists(ending)",
            values_of={":ending": ending.value, ":at": now.isoformat()},
        )
        try:
            transact(self._dynamodb, [ended, self._journal.put(trace)])
        except ConditionFailed as error:
            if not (error.item and "ending" in error.item):
                raise

    def give_back(self, notice: Notice, now: datetime, trace: Trace | None = None) -> None:
        """The claim ends now, with the trace if there is one."""
        freed = update(
            self._table,
            _key(notice),
            "SET claimedUntil = :now",
            "attribute_exists(pk) AND attribute_not_exists(ending)",
            values_of={":now": _seconds(now)},
        )
        self._unless_over([freed], trace)

    def doubt(self, notice: Notice, trace: Trace) -> None:
        """The trace alone, while the notice is not over."""
        self._unless_over([check(self._table, _key(notice), "attribute_not_exists(ending)")], trace)

    def _unless_over(self, first: list[dict[str, Any]], trace: Trace | None) -> None:
        try:
            transact(self._dynamodb, first + ([self._journal.put(trace)] if trace else []))
        except ConditionFailed as error:
            if error.index != 0:
                raise


def told_key(fact: Fact) -> dict[str, str]:
    """The item that says that everybody was told of an occasion."""
    return {"pk": f"REC#{fact.record_id}", "sk": f"TOLD#{fact.occasion}"}


def _key(notice: Notice) -> dict[str, str]:
    fact = notice.fact
    place = f"{fact.occasion}#{notice.recipient.name}#{notice.channel}"
    return {"pk": f"REC#{fact.record_id}", "sk": f"SENT#{place}"}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
