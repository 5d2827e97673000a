"""What holders decided, one item per professional and one for the record itself.

Keys by example (table `consents`):

| pk          | sk                   | what                                                       |
|-------------|----------------------|------------------------------------------------------------|
| `REC#7h3k…` | `ACTOR#899700218896` | all decisions about one professional, under one version    |
| `REC#7h3k…` | `SETTINGS`           | the decisions about the record itself (oppositions, …)     |
| `REC#7h3k…` | `CHANGE#01jd…`       | one change of a decision, never changed again              |

`decisions` is a map from kind to `{since, until?, recordedBy, active, version}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from dmp.domain.consents import (
    ActorConsents,
    Change,
    Consent,
    Decision,
    Kind,
    OpeningConsent,
    Settings,
    Turn,
)
from dmp.domain.traces import Trace
from dmp.store.items import ConditionFailed, Item, decode, encode, is_conflict, put, transact
from dmp.store.traces import Journal

SETTINGS_SK = "SETTINGS"
_ACTOR = "ACTOR#"
_CHANGE = "CHANGE#"


def record_pk(record_id: str) -> str:
    return f"REC#{record_id}"


def actor_sk(ps_id: str) -> str:
    """The key of the decisions about one professional, by PS_IdNat."""
    return _ACTOR + ps_id


def actor_consents_of(item: Mapping[str, Any] | None) -> ActorConsents:
    """The decisions in a decoded `ACTOR#…` or `SETTINGS` item; none without an item."""
    if item is None:
        return ActorConsents()
    decisions = tuple(_decision_of(kind, told) for kind, told in item["decisions"].items())
    return ActorConsents(decisions, int(item["version"]))


def settings_of(item: Mapping[str, Any] | None) -> Settings:
    """The record's settings in a decoded `SETTINGS` item; without one, nothing is opposed."""
    return Settings.of(actor_consents_of(item))


def settings_put(
    table: str, record_id: str, consent: OpeningConsent, recorded_by: str, now: datetime
) -> dict[str, Any]:
    """The oppositions taken at opening, as one write of the opening transaction.

    `recorded_by` is the key of the actor who opens.
    """
    decided = consent.decisions(recorded_by, now)
    return put(table, _item(record_id, None, decided), "attribute_not_exists(pk)")


class Consents:
    """`usecases.grant_access.Consents` and `usecases.read_consents.Consents` on DynamoDB."""

    def __init__(self, dynamodb: Any, table: str, journal: Journal) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._journal = journal

    def about(self, record_id: str, professional: str | None) -> ActorConsents:
        """The decisions about one professional, or about the record itself; read consistently."""
        answer = self._dynamodb.get_item(
            TableName=self._table, Key=encode(_key(record_id, professional)), ConsistentRead=True
        )
        return actor_consents_of(decode(answer["Item"]) if "Item" in answer else None)

    def of_record(self, record_id: str) -> list[Consent]:
        """Every decision of a record, withdrawn ones too, those about the record itself first."""
        found = [
            Consent(record_id, None, decision) for decision in self.about(record_id, None).decisions
        ]
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :actor)",
            ExpressionAttributeValues=encode({":pk": record_pk(record_id), ":actor": _ACTOR}),
            ConsistentRead=True,
        )
        for page in pages:
            for item in map(decode, page["Items"]):
                professional = item["sk"].removeprefix(_ACTOR)
                found.extend(
                    Consent(record_id, professional, decision)
                    for decision in actor_consents_of(item).decisions
                )
        return found

    def save(self, decided: ActorConsents, changes: Sequence[Change], trace: Trace) -> bool:
        """The new decisions about one professional (or the record), the lines of their history
        and the trace: all or none.

        `decided.version` is the new version; False when somebody else wrote, or is writing, the
        one before it.
        """
        consent = changes[0].consent
        item = _item(consent.record_id, consent.professional, decided)
        first = decided.version == 1
        writes = [
            put(
                self._table,
                item,
                "attribute_not_exists(pk)" if first else "version = :before",
                values_of=None if first else {":before": decided.version - 1},
            ),
            *(
                put(self._table, _change_item(change), "attribute_not_exists(pk)")
                for change in changes
            ),
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


def change_of_item(item: Mapping[str, Any]) -> Change | None:
    """The change that a decoded item holds; None for the other items of the table."""
    if not item["sk"].startswith(_CHANGE):
        return None
    return Change(
        id=item["sk"].removeprefix(_CHANGE),
        at=datetime.fromisoformat(item["at"]),
        turn=Turn(item["turn"]),
        consent=Consent(
            item["pk"].removeprefix("REC#"),
            item.get("professional"),
            _decision_of(item["kind"], item["decision"]),
        ),
    )


def _key(record_id: str, professional: str | None) -> dict[str, str]:
    return {
        "pk": record_pk(record_id),
        "sk": actor_sk(professional) if professional else SETTINGS_SK,
    }


def _item(record_id: str, professional: str | None, decided: ActorConsents) -> Item:
    return {
        **_key(record_id, professional),
        "version": decided.version,
        "decisions": {d.kind.value: _decision_item(d) for d in decided.decisions},
    }


def _change_item(change: Change) -> Item:
    consent = change.consent
    return {
        "pk": record_pk(consent.record_id),
        "sk": _CHANGE + change.id,
        "at": change.at.isoformat(),
        "turn": change.turn.value,
        "kind": consent.decision.kind.value,
        "professional": consent.professional,
        "decision": _decision_item(consent.decision),
    }


def _decision_item(decision: Decision) -> Item:
    item = {
        "since": decision.since.isoformat(),
        "recordedBy": decision.recorded_by,
        "active": decision.active,
        "version": decision.version,
    }
    return item | ({"until": decision.until.isoformat()} if decision.until else {})


def _decision_of(kind: str, told: Mapping[str, Any]) -> Decision:
    return Decision(
        kind=Kind(kind),
        since=datetime.fromisoformat(told["since"]),
        recorded_by=told["recordedBy"],
        until=datetime.fromisoformat(told["until"]) if "until" in told else None,
        active=told["active"],
        version=int(told["version"]),
    )
