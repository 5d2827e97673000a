"""The structured history of each record: one generation at a time, whole or not at all.

Keys by example (table `history`):

| pk          | sk             | what                                                              |
|-------------|----------------|-------------------------------------------------------------------|
| `REC#7h3k…` | `HEAD`         | generation, window, counts, fingerprint, document of it           |
| `REC#7h3k…` | `PART#1#0`     | lines of generation 1, JSON compressed by zlib, at most 300 000 B |

A new generation writes HEAD and its parts and removes the parts before it in one transaction, on
the condition that HEAD is still what was read: there is never half a history, and never two.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from dmp.domain.errors import Busy, Conflict, TooLarge
from dmp.domain.history import Head, History, HistoryLine, Section
from dmp.store.items import (
    ConditionFailed,
    Item,
    decode,
    delete,
    encode,
    put,
    transact,
    update,
    write,
)

PART_BYTES = 300_000
_HEAD = "HEAD"
_PART = "PART#"
# A transaction takes 4 MB and 100 items: HEAD, new parts and the removal of the old ones.
_MOST_PARTS = 12
_READS = 3


class Histories:
    """`usecases.import_history.Histories` and `usecases.read_history.Histories` on DynamoDB."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def head(self, record_id: str) -> Head | None:
        """What stands, without its lines; None before the first import."""
        standing = self._stored(record_id)
        return _head(record_id, standing) if standing else None

    def of(self, record_id: str) -> History | None:
        """The whole history as of one generation; None before the first import.

        A query is not a transaction: when a new generation lands while the pages are read, the
        parts do not fit the head, and it is read again. Busy when that goes on.
        """
        for _ in range(_READS):
            items = {item["sk"]: item for item in self._items(record_id)}
            if _HEAD not in items:
                return None
            head = items[_HEAD]
            wanted = [_part(int(head["generation"]), n) for n in range(int(head["parts"]))]
            if all(sk in items for sk in wanted):
                lines = [line for sk in wanted for line in _unpacked(items[sk]["data"])]
                return _history(record_id, head, lines)
        raise Busy

    def save(self, history: History, fingerprint: str) -> Head:
        """Write `history.generation`, the one after what stands.

        The same again is no write: when HEAD already holds this generation with this fingerprint
        (a retry whose answer got lost), what stands is returned. Conflict when another generation
        was written meanwhile; TooLarge for more lines than a transaction can hold.
        """
        standing = self._stored(history.record_id)
        if standing and _same(standing, history.generation, fingerprint):
            return _head(history.record_id, standing)
        before = int(standing["generation"]) if standing else 0
        if before != history.generation - 1:
            raise Conflict
        parts = list(_packed(history.lines))
        if len(parts) > _MOST_PARTS:
            raise TooLarge
        removed = range(int(standing["parts"])) if standing else range(0)
        try:
            transact(
                self._dynamodb,
                [
                    self._put_head(history, fingerprint, len(parts)),
                    *(
                        put(self._table, self._part_item(history, n, data))
                        for n, data in enumerate(parts)
                    ),
                    *(
                        delete(
                            self._table,
                            {"pk": _pk(history.record_id), "sk": _part(before, n)},
                        )
                        for n in removed
                    ),
                ],
            )
        except ConditionFailed as error:
            if error.item and _same(error.item, history.generation, fingerprint):
                return _head(history.record_id, error.item)
            raise Conflict from error
        return Head(
            record_id=history.record_id,
            generation=history.generation,
            lines=len(history.lines),
            fingerprint=fingerprint,
            imported_at=history.imported_at,
        )

    def announce(self, head: Head, document_id: str) -> None:
        """Say which document this generation is about to be published as; from then on the
        generation stays. Conflict when another generation stands."""
        try:
            write(
                self._dynamodb,
                update(
                    self._table,
                    {"pk": _pk(head.record_id), "sk": _HEAD},
                    "SET #document = :document",
                    "generation = :generation AND fingerprint = :fingerprint",
                    names={"#document": "document"},
                    values_of={
                        ":document": document_id,
                        ":generation": head.generation,
                        ":fingerprint": head.fingerprint,
                    },
                ),
            )
        except ConditionFailed as error:
            raise Conflict from error

    def _items(self, record_id: str) -> Iterator[Item]:
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": encode({":pk": _pk(record_id)}),
            "ConsistentRead": True,
        }
        while True:
            page = self._dynamodb.query(**request)
            yield from (decode(item) for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _stored(self, record_id: str) -> Item | None:
        key = encode({"pk": _pk(record_id), "sk": _HEAD})
        answer = self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return decode(answer["Item"]) if "Item" in answer else None

    def _put_head(self, history: History, fingerprint: str, parts: int) -> dict[str, Any]:
        item = {
            "pk": _pk(history.record_id),
            "sk": _HEAD,
            "generation": history.generation,
            "parts": parts,
            "lines": len(history.lines),
            "first": history.first.isoformat(),
            "last": history.last.isoformat(),
            "extracts": list(history.extracts),
            "importedAt": history.imported_at.isoformat(),
            "fingerprint": fingerprint,
        }
        if history.generation == 1:
            return put(self._table, item, "attribute_not_exists(pk)")
        return put(
            self._table,
            item,
            "generation = :before",
            values_of={":before": history.generation - 1},
        )

    def _part_item(self, history: History, number: int, data: bytes) -> Item:
        return {
            "pk": _pk(history.record_id),
            "sk": _part(history.generation, number),
            "data": data,
        }


def _pk(record_id: str) -> str:
    return f"REC#{record_id}"


def _part(generation: int, number: int) -> str:
    return f"{_PART}{generation}#{number}"


def _same(item: Item, generation: int, fingerprint: str) -> bool:
    return int(item["generation"]) == generation and item["fingerprint"] == fingerprint


def _head(record_id: str, item: Item) -> Head:
    return Head(
        record_id=record_id,
        generation=int(item["generation"]),
        lines=int(item["lines"]),
        fingerprint=item["fingerprint"],
        imported_at=datetime.fromisoformat(item["importedAt"]),
        document=item.get("document"),
    )


def _history(record_id: str, head: Item, lines: list[HistoryLine]) -> History:
    return History(
        record_id=record_id,
        first=date.fromisoformat(head["first"]),
        last=date.fromisoformat(head["last"]),
        lines=tuple(lines),
        extracts=tuple(head["extracts"]),
        imported_at=datetime.fromisoformat(head["importedAt"]),
        generation=int(head["generation"]),
    )


def _packed(lines: Sequence[HistoryLine]) -> Iterator[bytes]:
    """Compressed parts within the bound, in order: what is too large is halved."""
    told = [_told(line) for line in lines]
    data = zlib.compress(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode())
    if len(data) <= PART_BYTES or len(lines) <= 1:
        yield data
        return
    half = len(lines) // 2
    yield from _packed(lines[:half])
    yield from _packed(lines[half:])


def _unpacked(data: bytes) -> list[HistoryLine]:
    return [_line(told) for told in json.loads(zlib.decompress(data))]


def _told(line: HistoryLine) -> dict[str, Any]:
    """A line as JSON: ISO dates, decimals as strings, nothing for what is unknown."""
    told = {
        "id": line.id,
        "section": line.section.value,
        "on": line.on.isoformat(),
        "until": line.until.isoformat() if line.until else None,
        "label": line.label,
        "system": line.system,
        "code": line.code,
        "nature": line.nature,
        "quantity": str(line.quantity),
        "prescriber": line.prescriber,
        "prescriberSpeciality": line.prescriber_speciality,
        "performer": line.performer,
        "performerSpeciality": line.performer_speciality,
        "structure": line.structure,
        "paid": _text(line.paid),
        "base": _text(line.base),
        "reimbursed": _text(line.reimbursed),
    }
    return {name: value for name, value in told.items() if value is not None}


def _line(told: Mapping[str, Any]) -> HistoryLine:
    return HistoryLine(
        id=told["id"],
        section=Section(told["section"]),
        on=date.fromisoformat(told["on"]),
        until=date.fromisoformat(told["until"]) if "until" in told else None,
        label=told["label"],
        system=told["system"],
        code=told["code"],
        nature=told["nature"],
        quantity=Decimal(told["quantity"]),
        prescriber=told.get("prescriber"),
        prescriber_speciality=told.get("prescriberSpeciality"),
        performer=told.get("performer"),
        performer_speciality=told.get("performerSpeciality"),
        structure=told.get("structure"),
        paid=_amount(told.get("paid")),
        base=_amount(told.get("base")),
        reimbursed=_amount(told.get("reimbursed")),
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
