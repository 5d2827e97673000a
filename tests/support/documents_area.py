"""The documents area over an account in process: records straight into the tables, what lies there
afterwards, and requests as callers make them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dmp.domain.actors import Person, key_of
from dmp.domain.consents import OpeningConsent
from dmp.domain.identity import NIR, Ins, InsuredNumber, Traits
from dmp.domain.ids import new_record_id
from dmp.domain.records import Channel, Record, RecordStatus, Scheme
from dmp.store.aws import client
from dmp.store.consents import settings_put
from dmp.store.items import decode, encode, put, transact
from dmp.store.records import record_item
from functions.documents import app as documents_app
from functions.documents import wiring, wiring_checks
from tests.support.aws import account
from tests.support.documents import DOCTOR
from tests.support.gateway import ask

FHIR = "/fhir/DocumentReference"
NOW = datetime.now(UTC)
TRAITS = Traits("PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215")
HOLDER = Person("a" * 64, "PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215")
MATRICULE = "279035121518989"


@contextmanager
def running() -> Iterator[Any]:
    """The area's app in an account of its own."""
    with account():
        for bucket in ("dmp-quarantine", "dmp-vault"):
            client("s3").put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
        for each in (wiring, wiring_checks):
            for made in list(vars(each).values()):
                if hasattr(made, "cache_clear"):
                    made.cache_clear()
        yield documents_app.app


def opened(
    *,
    oid: str = NIR,
    status: RecordStatus = RecordStatus.OPEN,
    matricule: str | None = None,
    **changes: Any,
) -> Record:
    """A record of somebody of DOMINIQUE's traits, straight into the tables."""
    register = wiring.register()
    record = Record(
        id=new_record_id(),
        ins=Ins(matricule or MATRICULE, oid),
        traits=TRAITS,
        insured=InsuredNumber(MATRICULE),
        scheme=Scheme.REGIME_GENERAL,
        status=RecordStatus.OPEN,
        channel=Channel.PHARMACIST,
        opened_at=NOW,
        opened_by=key_of(DOCTOR),
        holder=HOLDER.reference,
    )
    record = replace(record, status=status, **changes)
    ins = register._pseudonyms.ins(record.ins)
    transact(
        client("dynamodb"),
        [
            put("accounts", record_item(record)),
            put(
                "accounts",
                {"pk": f"INS#{ins}", "sk": "INS", "recordId": record.id, "status": status.value},
            ),
            settings_put(
                "consents",
                record.id,
                OpeningConsent(opening=True, opposes_break_glass=False, opposes_centre_15=False),
                "x",
                NOW,
            ),
        ],
    )
    return record


def consent(record: Record, ps_id: str, *kinds: str) -> None:
    since = (NOW - timedelta(days=1)).isoformat()
    decisions = {
        kind: {"since": since, "recordedBy": "x", "active": True, "version": 1} for kind in kinds
    }
    client("dynamodb").put_item(
        TableName="consents",
        Item=encode(
            {"pk": f"REC#{record.id}", "sk": f"ACTOR#{ps_id}", "version": 1, "decisions": decisions}
        ),
    )


def traces(record_id: str) -> list[dict[str, Any]]:
    return traces_of(f"REC#{record_id}")


def traces_of(owner: str) -> list[dict[str, Any]]:
    found = client("dynamodb").query(
        TableName="traces",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=encode({":pk": owner}),
    )
    return [decode(item) for item in found["Items"]]


def documents(record_id: str) -> list[dict[str, Any]]:
    found = client("dynamodb").query(
        TableName="documents",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=encode({":pk": f"REC#{record_id}"}),
    )
    return [decode(i) for i in found["Items"] if i["sk"]["S"].startswith("DOC#")]


def kept(record_id: str) -> list[str]:
    listed = client("s3").list_objects_v2(Bucket="dmp-vault", Prefix=f"documents/{record_id}/")
    return [one["Key"] for one in listed.get("Contents", [])]


def publish(app, body, actor=DOCTOR) -> tuple[int, Any, dict[str, str]]:
    return ask(app, "POST", FHIR, actor, body)


def faults(told) -> set[tuple[str, str]]:
    return {(i["expression"][0], i["diagnostics"].partition(":")[0]) for i in told["issue"]}


def listed(app, actor, record_id: str, more: str = "") -> list[str]:
    status, told, _ = ask(app, "GET", f"{FHIR}?patient={record_id}&status=current{more}", actor)
    assert status == 200
    return [e["resource"]["id"] for e in told.get("entry", []) if e["search"]["mode"] == "match"]
