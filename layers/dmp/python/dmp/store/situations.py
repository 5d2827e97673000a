"""Everything that one access is decided on, read at once: one BatchGetItem, consistent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dmp.domain.access import Situation
from dmp.domain.actors import Actor, Professional
from dmp.domain.documents import Document
from dmp.domain.ids import split_document_id
from dmp.store.consents import (
    SETTINGS_SK,
    actor_consents_of,
    actor_sk,
    settings_of,
    team_of,
    team_sk,
)
from dmp.store.items import Item, together
from dmp.store.records import record_key, record_of, record_pk

_AT_ONCE = 25

Found = dict[tuple[str, str, str], Item]
"""Items by table and key."""


class Situations:
    """`usecases.ports.Situations` on the tables `accounts`, `consents` and `documents`; without
    the third, for the areas that never ask for a document."""

    def __init__(
        self, dynamodb: Any, accounts: str, consents: str, documents: str | None = None
    ) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts
        self._consents = consents
        self._documents = documents

    def of(self, record_id: str, actor: Actor, document_id: str | None = None) -> Situation | None:
        """None when there is no such record; a document that is not this record's is no document.

        Consents about the actor, and the care team of the structure where they act, are read for
        professionals alone. Busy when the tables kept giving less than asked for.
        """
        asked = self._asked(record_id, actor)
        place = split_document_id(document_id) if document_id else None
        if document_id and place and place[0] == record_id:
            if self._documents is None:
                raise ValueError("this area has no right to read documents")
            from dmp.store.documents import document_key  # noqa: PLC0415 - see _document

            asked[self._documents] = [document_key(document_id)]
        return self._situation(record_id, actor, together(self._dynamodb, asked))

    def of_all(self, record_ids: Sequence[str], actor: Actor) -> dict[str, Situation]:
        """Those of many records, in their order and without documents; who is no record's id is
        left out. 25 records a read."""
        found: Found = {}
        for start in range(0, len(record_ids), _AT_ONCE):
            asked: dict[str, list[dict[str, str]]] = {}
            for record_id in dict.fromkeys(record_ids[start : start + _AT_ONCE]):
                for table, keys in self._asked(record_id, actor).items():
                    asked.setdefault(table, []).extend(keys)
            found |= together(self._dynamodb, asked)
        told = {each: self._situation(each, actor, found) for each in record_ids}
        return {each: situation for each, situation in told.items() if situation is not None}

    def _asked(self, record_id: str, actor: Actor) -> dict[str, list[dict[str, str]]]:
        """The keys of the record and of its consents, by table; at most four."""
        pk, (about, team) = record_pk(record_id), _about(actor)
        return {
            self._accounts: [record_key(record_id)],
            self._consents: [{"pk": pk, "sk": sk} for sk in (SETTINGS_SK, about, team) if sk],
        }

    def _situation(self, record_id: str, actor: Actor, found: Found) -> Situation | None:
        pk, (about, team) = record_pk(record_id), _about(actor)
        record = found.get((self._accounts, pk, record_key(record_id)["sk"]))
        if record is None:
            return None
        documents = [item for (table, _, _), item in found.items() if table == self._documents]
        return Situation(
            record=record_of(record),
            consents=actor_consents_of(found.get((self._consents, pk, about))),
            settings=settings_of(found.get((self._consents, pk, SETTINGS_SK))),
            document=_document(documents[0]) if documents else None,
            team=team_of(found.get((self._consents, pk, team))),
        )


def _about(actor: Actor) -> tuple[str, str]:
    """The sort keys of the decisions about an actor and of their care team; empty for none."""
    if not isinstance(actor, Professional):
        return "", ""
    return actor_sk(actor.id), team_sk(actor.structure.finess) if actor.structure else ""


def _document(item: Item) -> Document:
    from dmp.store.documents import document_of  # noqa: PLC0415 - most areas ask for no document

    return document_of(item)
