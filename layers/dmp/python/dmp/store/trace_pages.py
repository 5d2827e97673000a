"""The journal read back: a record's entries and an actor's, newest first, and the documents that
they name. Keys: see `dmp.store.traces`.

A moment is a range of keys, since an entry's id is a ULID: nothing is read that was written outside
of the dates asked for. The table is read consistently; the index `by-actor` cannot be, and follows
within moments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dmp.domain.documents import Document
from dmp.domain.ids import ulid_of
from dmp.store.documents import document_key, document_of
from dmp.store.items import Item, decode, encode, together
from dmp.store.traces import PREFIX, Journal, trace_of_item
from dmp.usecases.read_traces import Logged, Span, Stretch

BY_ACTOR = "by-actor"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOISE = (1 << 80) - 1


class TracePages:
    """`usecases.read_traces.Journal` on DynamoDB."""

    def __init__(self, dynamodb: Any, journal: Journal) -> None:
        self._dynamodb = dynamodb
        self._journal = journal

    def of_record(self, record_id: str, span: Span, most: int) -> Stretch:
        """A record's entries, newest first; one query, at most `most` entries."""
        return self._stretch(
            span, most, {":pk": f"REC#{record_id}"}, owner="pk = :pk", ConsistentRead=True
        )

    def of_actor(self, actor: str, span: Span, most: int, record_id: str | None = None) -> Stretch:
        """An actor's entries, newest first, in one record when it is named; one query, at most
        `most` entries looked at."""
        values = {":actor": actor}
        more: dict[str, Any] = {"IndexName": BY_ACTOR}
        if record_id is not None:
            values[":record"] = record_id
            more["FilterExpression"] = "recordId = :record"
        return self._stretch(span, most, values, owner="actorKey = :actor", **more)

    def entry(self, record_id: str, ulid: str) -> Logged | None:
        """One entry of a record."""
        return self._one({":pk": f"REC#{record_id}"}, ulid, owner="pk = :pk", ConsistentRead=True)

    def own_entry(self, actor: str, ulid: str) -> Logged | None:
        """One entry of an actor, wherever it is kept."""
        return self._one({":actor": actor}, ulid, owner="actorKey = :actor", IndexName=BY_ACTOR)

    def _stretch(
        self, span: Span, most: int, values: Mapping[str, str], *, owner: str, **more: Any
    ) -> Stretch:
        first, last = _ends(span)
        if first > last:
            return Stretch()
        page = self._dynamodb.query(
            TableName=self._journal.table,
            KeyConditionExpression=f"{owner} AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=encode({**values, ":first": first, ":last": last}),
            ScanIndexForward=False,
            # The entry where the page before ended is among those looked at.
            Limit=most + 1 if span.before else most,
            **more,
        )
        found = [item for item in map(decode, page["Items"]) if item["sk"] != _sk(span.before)]
        stopped = page.get("LastEvaluatedKey")
        return Stretch(
            tuple(map(self._logged, found)),
            stopped["sk"]["S"].removeprefix(PREFIX) if stopped else None,
        )

    def _one(
        self, values: Mapping[str, str], ulid: str, *, owner: str, **more: Any
    ) -> Logged | None:
        page = self._dynamodb.query(
            TableName=self._journal.table,
            KeyConditionExpression=f"{owner} AND sk = :sk",
            ExpressionAttributeValues=encode({**values, ":sk": _sk(ulid)}),
            **more,
        )
        return self._logged(decode(page["Items"][0])) if page["Items"] else None

    def _logged(self, item: Item) -> Logged:
        return Logged(trace_of_item(item), self._journal.genuine(item))


class NamedDocuments:
    """`usecases.read_traces.Documents` on the table `documents`."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def these(self, ids: Sequence[str]) -> dict[str, Document]:
        """At most 100 documents in one consistent read; Busy when the table kept giving less than
        asked for."""
        keys = [document_key(one) for one in dict.fromkeys(ids)]
        found = map(document_of, together(self._dynamodb, {self._table: keys}).values())
        return {document.id: document for document in found}


def _ends(span: Span) -> tuple[str, str]:
    """The first and the last sort key of a span, both included."""
    since, until = (moment and max(moment, _EPOCH) for moment in (span.since, span.until))
    first = _sk(ulid_of(since, 0)) if since else PREFIX
    last = _sk(ulid_of(until, _NOISE)) if until else f"{PREFIX}~"
    return first, min(last, _sk(span.before)) if span.before else last


def _sk(ulid: str | None) -> str:
    return f"{PREFIX}{ulid or ''}"
