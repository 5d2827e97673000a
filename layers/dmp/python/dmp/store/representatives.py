"""Who represents whom, and which holders come of age: items beside the records.

Keys by example (table `accounts`): `REPRESENTS#<hmac of the traits>`/`REC#7h3k…` leads somebody to
the records of those whom they represent, `OFAGE#<hmac of the birth date>`/`REC#7h3k…` to the
records under parental authority whose holders come of age on one day. Both say where to look;
what holds now is in the record's own item.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from botocore.exceptions import ClientError

from dmp.domain.identity import Traits
from dmp.domain.records import Record, Representative
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
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.records import record_key, record_pk, representatives_item, ways_item
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

    def named(self, record: Record, one: Representative, trace: Trace) -> bool:
        """The record's next version, the ways of a new representative to it, and the trace: all
        or none; False when somebody else wrote the record meanwhile."""
        ways = [put(self._accounts, way) for way in ways_item(record, [one], self._pseudonyms)]
        return self._written(record, ways, trace)

    def ended(self, record: Record, one: Representative, trace: Trace) -> bool:
        """The record's next version, without the way of who represented the holder."""
        key = {
            "pk": f"REPRESENTS#{self._pseudonyms.traits(one.traits)}",
            "sk": record_pk(record.id),
        }
        return self._written(record, [delete(self._accounts, key)], trace)

    def represented_by(self, traits: Traits) -> list[str]:
        """The ids of the records whose holders somebody of these traits was named for."""
        return list(self._records_under(f"REPRESENTS#{self._pseudonyms.traits(traits)}"))

    def born_on(self, day: date) -> Iterator[str]:
        """The ids of the records under parental authority of those born on a day."""
        return self._records_under(f"OFAGE#{self._pseudonyms.birth_date(day)}")

    def _records_under(self, pk: str) -> Iterator[str]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._accounts,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues=encode({":pk": pk}),
            ConsistentRead=True,
        )
        for page in pages:
            for item in map(decode, page["Items"]):
                yield item["sk"].removeprefix("REC#")

    def _written(self, record: Record, ways: list[Item], trace: Trace) -> bool:
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
            *ways,
            self._journal.put(trace),
        ]
        try:
            transact(self._dynamodb, writes)
        except ConditionFailed as error:
            if error.index != 0:
                raise
            return False
        except ClientError as error:
            if not is_conflict(error):
                raise
            return False
        return True
