"""The metadata of documents; the bytes lie in the vault.

Keys by example (table `documents`):

| pk          | sk                | what                                                          |
|-------------|-------------------|---------------------------------------------------------------|
| `REC#7h3k…` | `DOC#01jd…`       | one document; sorts by the moment of its submission           |
| `UID#9f86…` | `REC#7h3k…#5e88…` | SHA-256 of a producer's identifier, then the record and a     |
|             |                   | hash of the sender: the `ulid` of what it names there         |

A producer's identifier is unique for one sender in one record: whether somebody else's document
carries it, one cannot find out by sending another. `resource` is the FHIR JSON, deflated. An
announced upload and its name carry a `ttl`: who never sends the bytes leaves nothing behind.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from random import uniform
from time import sleep
from typing import Any

from botocore.exceptions import ClientError

from dmp.domain.documents import Content, Document, DocumentStatus, Stage, Visibility
from dmp.domain.errors import Busy, Conflict
from dmp.domain.ids import document_id, split_document_id
from dmp.domain.traces import Trace
from dmp.store.items import (
    ConditionFailed,
    Item,
    decode,
    delete,
    encode,
    is_conflict,
    put,
    transact,
    update,
)
from dmp.store.traces import Journal
from dmp.usecases.settle_upload import Settled

_DOC = "DOC#"
_UID = "UID#"
_FREE = "attribute_not_exists(pk) OR #ttl < :now"
_OURS = "attribute_not_exists(pk) OR ulid = :ulid"
_AWAITED = timedelta(hours=24)
_TRIES = 5
_FIRST_WAIT = 0.03
_MOST_NAMED = 25


def document_key(document_id: str) -> dict[str, str]:
    """The key of a document's item; ValueError for what is no document's id."""
    parts = split_document_id(document_id)
    if parts is None:
        raise ValueError("no document id")
    record_id, ulid = parts
    return {"pk": f"REC#{record_id}", "sk": _DOC + ulid}


def document_of(item: Mapping[str, Any]) -> Document:
    """The document that a decoded item holds."""
    record_id = item["pk"].removeprefix("REC#")
    return Document(
        id=document_id(record_id, item["sk"].removeprefix(_DOC)),
        record_id=record_id,
        unique_id=item["uniqueId"],
        type_code=item["type"],
        class_code=item.get("class"),
        status=DocumentStatus(item["status"]),
        stage=Stage(item["stage"]),
        author=item["author"],
        author_structure=item.get("authorStructure"),
        visibility=frozenset(map(Visibility, item.get("visibility", ()))),
        title=item["title"],
        dated=datetime.fromisoformat(item["dated"]),
        submitted_at=datetime.fromisoformat(item["submittedAt"]),
        updated_at=datetime.fromisoformat(item["updatedAt"]) if "updatedAt" in item else None,
        content=Content(item["mediaType"], int(item["size"]), item["sha1"], item.get("key", "")),
        resource=zlib.decompress(item["resource"]).decode("utf-8"),
        rejection=item.get("rejection"),
        replaces=item.get("replaces"),
        version=int(item["version"]),
        archived=item.get("archived", False),
    )


def document_item(document: Document) -> Item:
    """The item of a document, in plain values."""
    awaited = document.stage is Stage.PRELIMINARY
    return {
        **document_key(document.id),
        "uniqueId": document.unique_id,
        "type": document.type_code,
        "class": document.class_code,
        "status": document.status.value,
        "stage": document.stage.value,
        "author": document.author,
        "authorStructure": document.author_structure,
        "visibility": {each.value for each in document.visibility},
        "title": document.title,
        "dated": document.dated.isoformat(),
        "submittedAt": document.submitted_at.isoformat(),
        "updatedAt": document.updated_at.isoformat() if document.updated_at else None,
        "mediaType": document.content.media_type,
        "size": document.content.size,
        "sha1": document.content.sha1,
        "key": document.content.key or None,
        "resource": zlib.compress(document.resource.encode("utf-8")),
        "rejection": document.rejection,
        "replaces": document.replaces,
        "archived": document.archived or None,
        "version": document.version,
        "ttl": _lapses(document) if awaited else None,
    }


class Documents:
    """The documents of all records on DynamoDB."""

    def __init__(self, dynamodb: Any, table: str, journal: Journal) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._journal = journal

    def of(self, document_id: str) -> Document | None:
        """One document, read consistently; None for an unknown or impossible id."""
        if split_document_id(document_id) is None:
            return None
        item = self._get(document_key(document_id))
        return document_of(item) if item else None

    def named(self, like: Document) -> Document | None:
        """What the same sender sent into the same record under the same producer's identifier."""
        uid = self._get(_name_key(like))
        return self.of(document_id(like.record_id, uid["ulid"])) if uid else None

    def carrying(self, unique_id: str, record_id: str | None = None) -> list[str]:
        """The ids of the documents that carry a producer's identifier, of whatever sender, in one
        record or in all: the first 25, of which a caller sees those that they may."""
        given = {":pk": _name_pk(unique_id), ":in": f"REC#{record_id or ''}"}
        answer = self._dynamodb.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :in)",
            ExpressionAttributeValues=encode(given),
            ConsistentRead=True,
            Limit=_MOST_NAMED,
        )
        return [
            document_id(item["sk"].split("#")[1], item["ulid"])
            for item in map(decode, answer["Items"])
        ]

    def of_record(self, record_id: str, before: str | None = None) -> Iterator[Document]:
        """A record's documents, newest first, read consistently page by page.

        `before` is the id of a document: only those submitted before it.
        """
        upto = document_key(before)["sk"] if before else f"{_DOC}~"
        start: dict[str, Any] | None = None
        while True:
            page = self._dynamodb.query(
                TableName=self._table,
                KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                ExpressionAttributeValues=encode(
                    {":pk": f"REC#{record_id}", ":first": _DOC, ":last": upto}
                ),
                ScanIndexForward=False,
                ConsistentRead=True,
                **({"ExclusiveStartKey": start} if start else {}),
            )
            for item in map(decode, page["Items"]):
                if item["sk"] != upto:
                    yield document_of(item)
            start = page.get("LastEvaluatedKey")
            if start is None:
                return

    def publish(
        self, document: Document, replaced: Document | None, trace: Trace
    ) -> Document | None:
        """See `usecases.publish_document.Shelf`; an announcement is written the same way."""
        writes = [
            put(
                self._table,
                _name_item(document),
                _FREE,
                names={"#ttl": "ttl"},
                values_of={":now": int(document.submitted_at.timestamp())},
            ),
            put(self._table, document_item(document), "attribute_not_exists(pk)"),
            self._journal.put(trace),
            *self._supersede(replaced, document),
        ]
        for attempt in range(_TRIES):
            try:
                transact(self._dynamodb, writes)
            except ConditionFailed as error:
                if error.index > 1:
                    raise Conflict("the replaced document changed") from error
                held = self.named(document)
                if held is not None:
                    return held
            except ClientError as error:
                # Somebody else is writing under the same name: see who, or try again.
                if not is_conflict(error):
                    raise
            else:
                return None
            _wait(attempt)
        raise Busy

    def reannounce(self, document: Document, trace: Trace) -> bool:
        """Write an announced upload anew, one version up; False when it is no longer awaited."""
        writes = [
            self._onwards(document),
            put(self._table, _name_item(document), _OURS, values_of={":ulid": _ulid(document)}),
            self._journal.put(trace),
        ]
        return self._moved(writes) is Settled.DONE

    def settle(self, document: Document, replaced: Document | None, trace: Trace) -> Settled:
        """An awaited upload becomes final: document, name, replaced document and trace at once."""
        writes = [
            self._onwards(document),
            put(self._table, _name_item(document), _OURS, values_of={":ulid": _ulid(document)}),
            self._journal.put(trace),
            *self._supersede(replaced, document),
        ]
        return self._moved(writes)

    def reject(self, document: Document, trace: Trace) -> bool:
        """An awaited upload is refused, and its name is free again; False when not awaited."""
        key = _name_key(document)
        writes = [
            self._onwards(document),
            delete(self._table, key, _OURS, values_of={":ulid": _ulid(document)}),
            self._journal.put(trace),
        ]
        moved = self._moved(writes)
        if moved is Settled.TAKEN:  # the name is somebody else's by now: leave it
            moved = self._moved([writes[0], writes[2]])
        return moved is Settled.DONE

    def change(self, document: Document, trace: Trace) -> bool:
        """The next version of a document, and its trace; False when another change was quicker."""
        writes = [
            put(
                self._table,
                document_item(document),
                "version = :before",
                values_of={":before": document.version - 1},
            ),
            self._journal.put(trace),
        ]
        return self._moved(writes) is Settled.DONE

    def _moved(self, writes: list[dict[str, Any]]) -> Settled:
        for attempt in range(_TRIES):
            try:
                transact(self._dynamodb, writes)
            except ConditionFailed as error:
                return {0: Settled.CHANGED, 1: Settled.TAKEN}.get(error.index, Settled.REPLACED)
            except ClientError as error:
                if not is_conflict(error):
                    raise
            else:
                return Settled.DONE
            _wait(attempt)
        raise Busy

    def _onwards(self, document: Document) -> dict[str, Any]:
        """The next version of an awaited upload, if the one before is still what stands."""
        return put(
            self._table,
            document_item(document),
            "stage = :awaited AND version = :before",
            values_of={":awaited": Stage.PRELIMINARY.value, ":before": document.version - 1},
        )

    def _supersede(self, replaced: Document | None, by: Document) -> list[dict[str, Any]]:
        if replaced is None:
            return []
        return [
            update(
                self._table,
                document_key(replaced.id),
                "SET #status = :superseded, version = :next, updatedAt = :at",
                "#status = :current AND version = :before",
                names={"#status": "status"},
                values_of={
                    ":superseded": DocumentStatus.SUPERSEDED.value,
                    ":current": DocumentStatus.CURRENT.value,
                    ":before": replaced.version,
                    ":next": replaced.version + 1,
                    ":at": (by.updated_at or by.submitted_at).isoformat(),
                },
            )
        ]

    def _get(self, key: Mapping[str, str]) -> Item | None:
        answer = self._dynamodb.get_item(
            TableName=self._table, Key=encode(key), ConsistentRead=True
        )
        return decode(answer["Item"]) if "Item" in answer else None


def _wait(attempt: int) -> None:
    sleep(uniform(0, _FIRST_WAIT * 2**attempt))  # noqa: S311 - spreads, hides nothing


def _ulid(document: Document) -> str:
    return document.id.partition(".")[2]


def _name_pk(unique_id: str) -> str:
    return _UID + sha256(unique_id.encode("utf-8")).hexdigest()


def _name_key(document: Document) -> dict[str, str]:
    sender = sha256(document.author.encode("utf-8")).hexdigest()[:32]
    return {
        "pk": _name_pk(document.unique_id),
        "sk": f"REC#{document.record_id}#{sender}",
    }


def _name_item(document: Document) -> Item:
    awaited = document.stage is Stage.PRELIMINARY
    return {
        **_name_key(document),
        "ulid": _ulid(document),
        "ttl": _lapses(document) if awaited else None,
    }


def _lapses(document: Document) -> int:
    return int(((document.updated_at or document.submitted_at) + _AWAITED).timestamp())
