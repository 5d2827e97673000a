"""What holders decided, one item per professional and one for the record itself.

Keys by example (table `consents`):

| pk          | sk                   | what                                                       |
|-------------|----------------------|------------------------------------------------------------|
| `REC#7h3k…` | `ACTOR#899700218896` | all decisions about one professional, under one version    |
| `REC#7h3k…` | `SETTINGS`           | the decisions about the record itself (oppositions, …)     |
| `REC#7h3k…` | `TEAM#510000029`     | the authorised professionals of a structure: one attribute |
|             |                      | each, by PS_IdNat: `{since, until?}`                       |
| `REC#7h3k…` | `CHANGE#01jd…`       | one change of a decision, never changed again              |

`decisions` is a map from kind to `{since, until?, recordedBy, recordedAt?, represented?, active,
version, structure?, proof?}`. The item's own `version` counts every write of it, also that of a
structure that was said later, which leaves the version of the decision as it is.

The index `by-professional` (`professional`, `authorisedAt`) lists the records that are open to one
professional by the moment of the newest decision. An `ACTOR#…` item has the two attributes while
a decision that opens the record is active; no other item has both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dmp.domain.consents import (
    ActorConsents,
    CareTeam,
    Change,
    Consent,
    Decision,
    Granted,
    Kind,
    Member,
    OpeningConsent,
    Proof,
    ProofKind,
    Settings,
    Turn,
    split_consent_id,
)
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Trace
from dmp.store.items import (
    Item,
    decode,
    encode,
    put,
    transact_next,
    update,
)
from dmp.store.traces import Journal

SETTINGS_SK = "SETTINGS"
_ACTOR = "ACTOR#"
_TEAM = "TEAM#"
_BY_PROFESSIONAL = "by-professional"
_CHANGE = "CHANGE#"


def record_pk(record_id: str) -> str:
    return f"REC#{record_id}"


def actor_sk(ps_id: str) -> str:
    """The key of the decisions about one professional, by PS_IdNat."""
    return _ACTOR + ps_id


def team_sk(finess: str) -> str:
    """The key of the authorised professionals of one structure."""
    return _TEAM + finess


def actor_consents_of(item: Mapping[str, Any] | None) -> ActorConsents:
    """The decisions in a decoded `ACTOR#…` or `SETTINGS` item; none without an item."""
    if item is None:
        return ActorConsents()
    decisions = tuple(_decision_of(kind, told) for kind, told in item["decisions"].items())
    return ActorConsents(decisions, int(item["version"]))


def settings_of(item: Mapping[str, Any] | None) -> Settings:
    """The record's settings in a decoded `SETTINGS` item; without one, nothing is opposed."""
    return Settings.of(actor_consents_of(item))


def team_of(item: Mapping[str, Any] | None) -> CareTeam:
    """The care team in a decoded `TEAM#…` item; nobody without an item."""
    return CareTeam(
        tuple(
            Member(name, datetime.fromisoformat(told["since"]), _moment(told, "until"))
            for name, told in (item or {}).items()
            if name not in {"pk", "sk"}
        )
    )


def settings_put(
    table: str, record_id: str, consent: OpeningConsent, recorded_by: str, now: datetime
) -> dict[str, Any]:
    """The oppositions taken at opening, as one write of the opening transaction.

    `recorded_by` is the key of the actor who opens.
    """
    decided = consent.decisions(recorded_by, now)
    return put(table, _item(record_id, None, decided), "attribute_not_exists(pk)")


def opening_puts(
    table: str, record_id: str, consent: OpeningConsent, recorded_by: str, now: datetime
) -> list[dict[str, Any]]:
    """The first lines of the history of those oppositions, for the same transaction."""
    lines = (
        Change(new_ulid(now), now, Turn.AT_OPENING, Consent(record_id, None, decision))
        for decision in consent.decisions(recorded_by, now).decisions
    )
    return [put(table, _change_item(line), "attribute_not_exists(pk)") for line in lines]


class Authorisations:
    """The records open to one professional, whosever they are."""

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def of_professional(
        self, ps_id: str, before: tuple[datetime, str] | None = None, limit: int = 20
    ) -> list[Granted]:
        """At most `limit`, newest decision first, beginning after the place `before` (`at` and
        `record_id` of the last one that was had); fewer than `limit` are the last ones.

        Read from the index, which follows the table within moments: whoever discloses anything
        of a record decides on what the table says.
        """
        start = {}
        if before is not None:
            at, record_id = before
            start["ExclusiveStartKey"] = encode(
                {
                    **_key(record_id, ps_id),
                    "professional": ps_id,
                    "authorisedAt": _instant(at),
                }
            )
        answer = self._dynamodb.query(
            TableName=self._table,
            IndexName=_BY_PROFESSIONAL,
            KeyConditionExpression="professional = :professional",
            ExpressionAttributeValues=encode({":professional": ps_id}),
            ScanIndexForward=False,
            Limit=limit,
            **start,
        )
        return [
            Granted(
                record_id=item["pk"].removeprefix("REC#"),
                at=datetime.fromisoformat(item["authorisedAt"]),
                consents=actor_consents_of(item),
            )
            for item in map(decode, answer["Items"])
        ]


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

    def history(self, consent_id: str) -> list[Change]:
        """Every change of one decision, the newest first; read consistently."""
        place = split_consent_id(consent_id)
        if place is None:
            return []
        record_id, kind, professional = place
        which = (
            "professional = :professional"
            if professional
            else ("attribute_not_exists(professional)")
        )
        values = {":pk": record_pk(record_id), ":change": _CHANGE, ":kind": kind.value}
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :change)",
            FilterExpression=f"kind = :kind AND {which}",
            ExpressionAttributeValues=encode(
                values | ({":professional": professional} if professional else {})
            ),
            ConsistentRead=True,
        )
        found = [change for page in pages for change in map(_change_of, map(decode, page["Items"]))]
        # Two clocks may disagree on the order of their moments; the versions cannot.
        return sorted(found, key=lambda one: one.consent.decision.version, reverse=True)

    def save(
        self, stood: ActorConsents, decided: ActorConsents, changes: Sequence[Change], trace: Trace
    ) -> bool:
        """What is decided now about one professional (or the record) in the place of what stood,
        the lines of the history, the care team and the trace: all or none.

        False when somebody else wrote, or is writing, in between.
        """
        consent = changes[0].consent
        item = _item(consent.record_id, consent.professional, decided)
        first = stood.version == 0
        writes = [
            put(
                self._table,
                item,
                "attribute_not_exists(pk)" if first else "version = :before",
                values_of=None if first else {":before": stood.version},
            ),
            *(
                put(self._table, _change_item(change), "attribute_not_exists(pk)")
                for change in changes
            ),
            *self._team_updates(consent, stood, decided),
            self._journal.put(trace),
        ]
        return transact_next(self._dynamodb, writes)

    def _team_updates(
        self, consent: Consent, stood: ActorConsents, decided: ActorConsents
    ) -> list[dict[str, Any]]:
        """One attribute per member, so that two of one structure never undo each other."""
        before, after = stood.of(Kind.AUTHORISATION), decided.of(Kind.AUTHORISATION)
        if consent.professional is None or before == after:
            return []
        left = before.structure if before and before.active else None
        joined = after.structure if after and after.active else None
        names = {"#member": consent.professional}
        updates = []
        if left and left != joined:
            key = {"pk": record_pk(consent.record_id), "sk": team_sk(left)}
            updates.append(update(self._table, key, "REMOVE #member", names=names))
        if after and joined:
            key = {"pk": record_pk(consent.record_id), "sk": team_sk(joined)}
            member = Member.by(after, consent.professional)
            told = {"since": member.since.isoformat()}
            if member.until is not None:
                told["until"] = member.until.isoformat()
            updates.append(
                update(
                    self._table,
                    key,
                    "SET #member = :member",
                    names=names,
                    values_of={":member": told},
                )
            )
        return updates


def change_of_item(item: Mapping[str, Any]) -> Change | None:
    """The change that a decoded item holds; None for the other items of the table."""
    return _change_of(item) if item["sk"].startswith(_CHANGE) else None


def _change_of(item: Mapping[str, Any]) -> Change:
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
    at = decided.authorised_at
    indexed = {"professional": professional, "authorisedAt": _instant(at)} if at else {}
    return {
        **_key(record_id, professional),
        "version": decided.version,
        "decisions": {d.kind.value: _decision_item(d) for d in decided.decisions},
        **indexed,
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
    told = {
        "since": decision.since.isoformat(),
        "until": decision.until.isoformat() if decision.until else None,
        "recordedBy": decision.recorded_by,
        "recordedAt": decision.recorded_at.isoformat() if decision.recorded_at else None,
        "represented": decision.represented or None,
        "active": decision.active,
        "version": decision.version,
        "structure": decision.structure,
        "proof": _proof_item(decision.proof) if decision.proof else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _decision_of(kind: str, told: Mapping[str, Any]) -> Decision:
    return Decision(
        kind=Kind(kind),
        since=datetime.fromisoformat(told["since"]),
        recorded_by=told["recordedBy"],
        until=_moment(told, "until"),
        active=told["active"],
        version=int(told["version"]),
        structure=told.get("structure"),
        proof=_proof_of(told["proof"]) if "proof" in told else None,
        recorded_at=_moment(told, "recordedAt"),
        represented=told.get("represented", False),
    )


def _proof_item(proof: Proof) -> Item:
    told = {
        "kind": proof.kind.value,
        "at": proof.at.isoformat() if proof.at else None,
        "document": proof.document,
    }
    return {name: value for name, value in told.items() if value is not None}


def _proof_of(told: Mapping[str, Any]) -> Proof:
    return Proof(ProofKind(told["kind"]), _moment(told, "at"), told.get("document"))


def _moment(told: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(told[name]) if name in told else None


def _instant(moment: datetime) -> str:
    """Of one width, so that the order of texts is that of the moments."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
