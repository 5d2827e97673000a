"""Records and the ways to them.

Keys by example (table `accounts`):

| pk              | sk           | what                                                           |
|-----------------|--------------|----------------------------------------------------------------|
| `REC#7h3k…`     | `RECORD`     | the record itself, with its version                            |
| `INS#<hmac>`    | `INS`        | the record of a number: what makes it the person's only one    |
| `TRAITS#<hmac>` | `REC#7h3k…`  | a record of these traits                                       |
| `SUBJECT#<hmac>`| `SUBJECT`    | the record to which a patient's token subject is bound         |
| `IDEM#<hmac>`   | `IDEM`       | what a caller's idempotency key was answered (`ttl`)           |
| `REPRESENTS#<hmac>` | `REC#7h3k…` | a record whose holder somebody of these traits represents   |
| `OFAGE#<hmac>`  | `REC#7h3k…`  | a record under parental authority, by its holder's birth date  |

`INS` and `TRAITS` items repeat the record's `status`: whoever changes it changes all three in one
transaction. Only the record's item holds an identity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from dmp.domain.consents import OpeningConsent
from dmp.domain.errors import (
    Busy,
    Conflict,
    Fault,
    IdempotencyKeyReused,
    NotFound,
    RecordAlreadyOpen,
    RecordClosed,
)
from dmp.domain.identity import Ins, InsuredNumber, Traits
from dmp.domain.records import (
    Basis,
    Channel,
    Contact,
    HistoryStatus,
    Record,
    RecordStatus,
    Representative,
    Scheme,
    Source,
)
from dmp.domain.traces import Trace
from dmp.store.consents import opening_puts, settings_put
from dmp.store.items import (
    ConditionFailed,
    Item,
    decode,
    encode,
    is_conflict,
    put,
    transact,
    update,
    write,
)
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.traces import Journal
from dmp.usecases.open_record import Opening, Repeatable

RECORD_SK = "RECORD"
_KEPT = timedelta(days=7)
"""How long an idempotency key is remembered: a pharmacy's software may retry after a weekend."""
_ATTEMPTS = 3


def record_pk(record_id: str) -> str:
    return f"REC#{record_id}"


def record_key(record_id: str) -> dict[str, str]:
    """The key of a record's item, for the transactions of other stores."""
    return {"pk": record_pk(record_id), "sk": RECORD_SK}


def record_item(record: Record) -> Item:
    """The item of a record, to be encoded."""
    return {
        **record_key(record.id),
        "matricule": record.ins.matricule,
        "oid": record.ins.oid,
        "traits": traits_item(record.traits),
        "insuredNumber": record.insured.number,
        "birthRank": record.insured.birth_rank,
        "scheme": record.scheme.value,
        "status": record.status.value,
        "channel": record.channel.value,
        "openedAt": record.opened_at.isoformat(),
        "openedBy": record.opened_by,
        "contact": contact_item(record.contact),
        "source": record.source.value if record.source else None,
        "structure": record.structure,
        "caisse": record.caisse,
        "holder": record.holder,
        "boundAt": record.bound_at.isoformat() if record.bound_at else None,
        "history": record.history.value,
        "historyReason": record.history_reason,
        "closedAt": record.closed_at.isoformat() if record.closed_at else None,
        "representatives": representatives_item(record.representatives) or None,
        "version": record.version,
    }


def record_of(item: Mapping[str, Any]) -> Record:
    """The record that a decoded item holds."""
    bound_at, closed_at, source = item.get("boundAt"), item.get("closedAt"), item.get("source")
    return Record(
        id=item["pk"].removeprefix("REC#"),
        ins=Ins(item["matricule"], item["oid"]),
        traits=traits_of(item["traits"]),
        insured=InsuredNumber(item["insuredNumber"], int(item["birthRank"])),
        scheme=Scheme(item["scheme"]),
        status=RecordStatus(item["status"]),
        channel=Channel(item["channel"]),
        opened_at=datetime.fromisoformat(item["openedAt"]),
        opened_by=item["openedBy"],
        contact=contact_of(item["contact"]),
        source=Source(source) if source else None,
        structure=item.get("structure"),
        caisse=item.get("caisse"),
        holder=item.get("holder"),
        bound_at=datetime.fromisoformat(bound_at) if bound_at else None,
        history=HistoryStatus(item["history"]),
        history_reason=item.get("historyReason"),
        closed_at=datetime.fromisoformat(closed_at) if closed_at else None,
        representatives=tuple(map(representative_of, item.get("representatives", ()))),
        version=int(item["version"]),
    )


def representatives_item(representatives: Sequence[Representative]) -> list[Item]:
    """The attribute `representatives`, in their order."""
    return [
        {
            "id": one.id,
            "traits": traits_item(one.traits),
            "basis": one.basis.value,
            "since": one.since.isoformat(),
            "contact": contact_item(one.contact),
            **({"until": one.until.isoformat()} if one.until else {}),
        }
        for one in representatives
    ]


def representative_of(item: Mapping[str, Any]) -> Representative:
    return Representative(
        traits=traits_of(item["traits"]),
        basis=Basis(item["basis"]),
        since=datetime.fromisoformat(item["since"]),
        contact=contact_of(item["contact"]),
        until=datetime.fromisoformat(item["until"]) if "until" in item else None,
        id=item["id"],
    )


def ways_item(
    record: Record, representatives: Sequence[Representative], pseudonyms: Pseudonyms
) -> list[Item]:
    """The items by which a record's representatives, and the reminder of majority, find it."""
    sk = record_pk(record.id)
    keys = [f"REPRESENTS#{pseudonyms.traits(one.traits)}" for one in representatives]
    if any(one.basis is Basis.PARENTAL_AUTHORITY for one in representatives):
        keys.append(f"OFAGE#{pseudonyms.birth_date(record.traits.birth_date)}")
    return [{"pk": pk, "sk": sk} for pk in dict.fromkeys(keys)]


def traits_item(traits: Traits) -> Item:
    return {
        "familyName": traits.family_name,
        "givenNames": list(traits.given_names),
        "birthDate": traits.birth_date.isoformat(),
        "sex": traits.sex,
        "birthPlace": traits.birth_place,
    }


def traits_of(item: Mapping[str, Any]) -> Traits:
    return Traits(
        family_name=item["familyName"],
        given_names=tuple(item["givenNames"]),
        birth_date=date.fromisoformat(item["birthDate"]),
        sex=item["sex"],
        birth_place=item["birthPlace"],
    )


def contact_item(contact: Contact) -> Item:
    told = {"email": contact.email, "mobile": contact.mobile, "preferred": contact.preferred}
    return {name: value for name, value in told.items() if value is not None}


def contact_of(item: Mapping[str, Any]) -> Contact:
    return Contact(item.get("email"), item.get("mobile"), item.get("preferred"))


class Records:
    """Records by their id: what every area may need."""

    def __init__(self, dynamodb: Any, accounts: str) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts

    def of(self, record_id: str) -> Record | None:
        """The record as it stands now, open or closed; None when there is none."""
        answer = self._dynamodb.get_item(
            TableName=self._accounts, Key=encode(record_key(record_id)), ConsistentRead=True
        )
        return record_of(decode(answer["Item"])) if "Item" in answer else None

    def mark_history(
        self, record_id: str, status: HistoryStatus, reason: str | None = None
    ) -> None:
        """How far the history has come; marking the same again changes nothing.

        NotFound without such a record, Conflict for a step that an import does not take.
        """
        before = [state for state in HistoryStatus if state.may_become(status)]
        if not before:
            raise Conflict
        places = {f":from{n}": state.value for n, state in enumerate(before)}
        told = {":status": status.value, ":one": 1, **places}
        if reason is not None:
            told[":reason"] = reason
        marked = update(
            self._accounts,
            record_key(record_id),
            "SET history = :status, version = version + :one"
            + (", historyReason = :reason" if reason is not None else " REMOVE historyReason"),
            f"history IN ({', '.join(places)})",
            values_of=told,
        )
        try:
            write(self._dynamodb, marked)
        except ConditionFailed as error:
            if error.item is None:
                raise NotFound from error
            if error.item["history"] != status.value:
                raise Conflict from error


class Register(Records):
    """Opening records, and finding them by a number: `usecases.open_record.Register` and
    `usecases.ports.RecordFinder`."""

    def __init__(
        self, dynamodb: Any, accounts: str, consents: str, journal: Journal, pseudonyms: Pseudonyms
    ) -> None:
        super().__init__(dynamodb, accounts)
        self._consents = consents
        self._journal = journal
        self._pseudonyms = pseudonyms

    def find(self, ins: Ins) -> str | None:
        """The id of the record of a number, open or closed."""
        answer = self._dynamodb.get_item(
            TableName=self._accounts,
            Key=encode({"pk": f"INS#{self._pseudonyms.ins(ins)}", "sk": "INS"}),
            ConsistentRead=True,
        )
        return decode(answer["Item"])["recordId"] if "Item" in answer else None

    def open(
        self,
        opening: Opening,
        consent: OpeningConsent,
        trace: Trace,
        repeatable: Repeatable | None = None,
    ) -> Opening:
        """The record, the ways to it, its settings, its trace and the answer to its request's
        key: all or none, and once for a person.

        Returns the earlier opening when this very request was answered before. Raises
        RecordAlreadyOpen, RecordClosed, IdempotencyKeyReused; Busy when other transactions kept
        the same items for too long.
        """
        record = opening.record
        found = {"recordId": record.id, "status": record.status.value}
        ins, traits = self._pseudonyms.ins(record.ins), self._pseudonyms.traits(record.traits)
        fingerprint = self._pseudonyms.request(repeatable.body) if repeatable else ""
        writes = [
            put(
                self._accounts,
                {"pk": f"INS#{ins}", "sk": "INS", **found},
                "attribute_not_exists(pk)",
            ),
            put(self._accounts, record_item(record), "attribute_not_exists(pk)"),
            put(self._accounts, {"pk": f"TRAITS#{traits}", "sk": record_pk(record.id), **found}),
            *(
                put(self._accounts, way)
                for way in ways_item(record, record.representatives, self._pseudonyms)
            ),
            settings_put(self._consents, record.id, consent, record.opened_by, record.opened_at),
            *opening_puts(self._consents, record.id, consent, record.opened_by, record.opened_at),
            self._journal.put(trace),
        ]
        if repeatable:
            # First, so that its refusal is the one that is told.
            caller = self._pseudonyms.caller(record.opened_by, repeatable.key)
            writes.insert(0, self._answer_put(opening, caller, fingerprint))
        try:
            transact(self._dynamodb, writes)
        except ConditionFailed as error:
            return _refused(error, opening, fingerprint)
        except ClientError as error:
            if not is_conflict(error):
                raise
            raise Busy from error
        return opening

    def _answer_put(self, opening: Opening, caller: str, fingerprint: str) -> dict[str, Any]:
        """What the request was answered, as far as the same request does not say it."""
        now = int(opening.record.opened_at.timestamp())
        item = {
            "pk": f"IDEM#{caller}",
            "sk": "IDEM",
            "request": fingerprint,
            "recordId": opening.record.id,
            "openedAt": opening.record.opened_at.isoformat(),
            "scheme": opening.record.scheme.value,
            "warnings": list(opening.warnings),
            "ttl": now + int(_KEPT.total_seconds()),
        }
        return put(
            self._accounts,
            item,
            "attribute_not_exists(pk) OR #ttl < :now",
            names={"#ttl": "ttl"},
            values_of={":now": now},
        )


def _refused(error: ConditionFailed, opening: Opening, fingerprint: str) -> Opening:
    stood = error.item or {}
    if "request" in stood:
        if stood["request"] != fingerprint:
            raise IdempotencyKeyReused(
                Fault("Idempotency-Key", "reused", "already used for another request")
            ) from error
        return _answered(stood, opening)
    if stood.get("sk") != "INS":
        raise error
    if stood["status"] == RecordStatus.CLOSED.value:
        raise RecordClosed(stood["recordId"]) from error
    raise RecordAlreadyOpen(stood["recordId"]) from error


def _answered(item: Mapping[str, Any], again: Opening) -> Opening:
    record = replace(
        again.record,
        id=item["recordId"],
        opened_at=datetime.fromisoformat(item["openedAt"]),
        scheme=Scheme(item["scheme"]),
    )
    return Opening(record, tuple(item["warnings"]), repeated=True)


class Holders:
    """Binding patients to their records: `usecases.recognise_holder.Holders`."""

    def __init__(
        self, dynamodb: Any, accounts: str, journal: Journal, pseudonyms: Pseudonyms
    ) -> None:
        self._dynamodb = dynamodb
        self._accounts = accounts
        self._journal = journal
        self._pseudonyms = pseudonyms

    def open_records_of(self, traits: Traits) -> int:
        """How many open records carry exactly these traits."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._accounts,
            KeyConditionExpression="pk = :pk",
            FilterExpression="#status = :open",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=encode(
                {
                    ":pk": f"TRAITS#{self._pseudonyms.traits(traits)}",
                    ":open": RecordStatus.OPEN.value,
                }
            ),
            Select="COUNT",
            ConsistentRead=True,
        )
        return sum(page["Count"] for page in pages)

    def bind(self, record: Record, holder: str, trace: Trace) -> Record | None:
        """Bind once, at the trace's moment; None when somebody else was quicker, the record was
        closed in the meantime, or the subject has another record already. A record that only moved
        on is tried again."""
        for _ in range(_ATTEMPTS):
            bound = replace(record, holder=holder, bound_at=trace.at, version=record.version + 1)
            writes = [
                update(
                    self._accounts,
                    record_key(record.id),
                    "SET holder = :holder, boundAt = :at, version = :after",
                    "attribute_not_exists(holder) AND #status = :open AND version = :before",
                    names={"#status": "status"},
                    values_of={
                        ":holder": holder,
                        ":at": trace.at.isoformat(),
                        ":open": RecordStatus.OPEN.value,
                        ":before": record.version,
                        ":after": bound.version,
                    },
                ),
                put(
                    self._accounts,
                    {"pk": f"SUBJECT#{holder}", "sk": "SUBJECT", "recordId": record.id},
                    "attribute_not_exists(pk)",
                ),
                self._journal.put(trace),
            ]
            try:
                transact(self._dynamodb, writes)
            except ConditionFailed as error:
                if error.index != 0 or error.item is None:
                    return None
                record = record_of(error.item)
                if record.holder == holder:
                    return record
                if record.holder is not None or record.status is not RecordStatus.OPEN:
                    return None
            else:
                return bound
        raise Busy
