"""The ways of a list of patients: from a person to their records, and to the newest documents."""

from __future__ import annotations

from typing import Any

from dmp.domain.actors import Person
from dmp.domain.documents import Document
from dmp.store.documents import document_key, document_of
from dmp.store.items import decode, encode
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.representatives import Representatives, records_under

_DOC = "DOC#"


class Ways:
    """`usecases.list_patients.Ways` on the table `accounts`."""

    def __init__(
        self, dynamodb: Any, accounts: str, pseudonyms: Pseudonyms, represented: Representatives
    ) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts
        self._pseudonyms = pseudonyms
        self._represented = represented

    def records_of(self, person: Person) -> list[str]:
        """The record to which the person's subject is bound, or on a first visit those of their
        traits; then those for whose holders they were named."""
        bound = self._dynamodb.get_item(
            TableName=self._accounts,
            Key=encode({"pk": f"SUBJECT#{person.reference}", "sk": "SUBJECT"}),
            ConsistentRead=True,
        )
        if "Item" in bound:
            own = [decode(bound["Item"])["recordId"]]
        else:
            pk = f"TRAITS#{self._pseudonyms.traits(person.traits)}"
            own = list(records_under(self._dynamodb, self._accounts, pk))
        return list(dict.fromkeys([*own, *self._represented.represented_by(person.traits)]))


class Shelf:
    """`usecases.list_patients.Shelf` on the table `documents`."""

    def __init__(self, dynamodb: Any, documents: str) -> None:
        self._dynamodb = dynamodb
        self._documents = documents

    def newest(self, record_id: str, before: str | None, limit: int) -> list[Document]:
        """Newest first, mostly one query (a page of the table ends at 1 MB too)."""
        found: list[Document] = []
        start = encode(document_key(before)) if before else None
        while len(found) < limit:
            page = self._dynamodb.query(
                TableName=self._documents,
                KeyConditionExpression="pk = :pk AND begins_with(sk, :doc)",
                ExpressionAttributeValues=encode({":pk": f"REC#{record_id}", ":doc": _DOC}),
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=limit - len(found),
                **({"ExclusiveStartKey": start} if start else {}),
            )
            found += [document_of(item) for item in map(decode, page["Items"])]
            start = page.get("LastEvaluatedKey")
            if start is None:
                break
        return found
