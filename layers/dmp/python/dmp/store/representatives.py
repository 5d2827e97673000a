"""Who represents whom, and which holders come of age: items beside the records.

Keys by example (table `accounts`): `REPRESENTS#<hmac of the traits>`/`REC#7h3k…` leads somebody to
the records of those whom they represent, `OFAGE#<hmac of the birth date>`/`REC#7h3k…` to the
records under parental authority whose holders come of age on one day. Both say where to look;
what holds now is in the record's own item.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from dmp.domain.identity import Traits
from dmp.domain.records import Record, Representative
from dmp.domain.traces import Trace
from dmp.store.items import (
    decode,
    encode,
    put,
    together,
    transact_next,
    update,
)
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.records import record_key, record_of, representatives_item, ways_item
from dmp.store.traces import Journal


class Representatives:
    """`usecases.change_representatives.Representatives` on DynamoDB."""

    def __init__(
        self, dynamodb: Any, accounts: str, journal: Journal, pseudonyms: Pseudonyms
    ) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts
        self._journal = journal
        self._pseudonyms = pseudonyms

    def save(self, record: Record, trace: Trace, named: Representative | None = None) -> bool:
        """The record's next version, the ways to it of who is `named` in it, and the trace: all
        or none; False when somebody else wrote the record meanwhile.

        The way of who represents nobody any more stays: it leads to a record that says so.
        """
        new = [named] if named else []
        writes = [
            update(
                self._accounts,
                record_key(record.id),
                "SET representatives = :all, version = :after",
                "version = :before",
                values_of={
                    ":all": representatives_item(record.representatives),
                    ":before": record.version - 1,
                    ":after": record.version,
                },
            ),
            *(put(self._accounts, way) for way in ways_item(record, new, self._pseudonyms)),
            self._journal.put(trace),
        ]
        return transact_next(self._dynamodb, writes)

    def represented_by(self, traits: Traits) -> list[str]:
        """The ids of the records for whose holders somebody of these traits was named."""
        pk = f"REPRESENTS#{self._pseudonyms.traits(traits)}"
        return list(records_under(self._dynamodb, self._accounts, pk))


class Minors:
    """`usecases.remind_majority.Minors` on DynamoDB."""

    def __init__(self, dynamodb: Any, accounts: str, pseudonyms: Pseudonyms) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts
        self._pseudonyms = pseudonyms

    def born_on(self, day: date) -> Iterator[str]:
        """The ids of the records under parental authority of those born on a day, open or not."""
        pk = f"OFAGE#{self._pseudonyms.birth_date(day)}"
        return records_under(self._dynamodb, self._accounts, pk)

    def records(self, record_ids: Sequence[str]) -> list[Record]:
        """The records as they stand now, in no order; a hundred at most."""
        keys = [record_key(record_id) for record_id in record_ids]
        found = together(self._dynamodb, {self._accounts: keys})
        return [record_of(item) for item in found.values()]


def records_under(dynamodb: Any, accounts: str, pk: str) -> Iterator[str]:
    """The ids of the records to which the items of one partition lead, page by page."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=accounts,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=encode({":pk": pk}),
        ConsistentRead=True,
    )
    for page in pages:
        for item in map(decode, page["Items"]):
            yield item["sk"].removeprefix("REC#")
