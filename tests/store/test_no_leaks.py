"""Unknown, forbidden and closed are one: the same answer, byte for byte, after the same AWS calls.

TD0.2 is the exception: it tells professionals that a record exists.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from typing import Any

import pytest

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure, System
from dmp.domain.consents import Kind
from dmp.domain.identity import NIR
from dmp.domain.ids import new_record_id
from dmp.domain.records import RecordStatus
from dmp.store.aws import client
from dmp.store.items import encode
from tests.e2e.client import consent_of
from tests.support.calls import counted
from tests.support.documents import MASKS, coded, pdf, reference
from tests.support.documents_area import (
    HOLDER,
    consent,
    opened,
    publish,
    running,
    traces,
    traces_of,
)
from tests.support.gateway import ask
from tests.support.people import somebody

FORBIDDEN, CLOSED, UNKNOWN = "155067200010159", "279035121518989", "277076322082910"
STRANGER = Professional("899700024450", "10", "SM54", Structure("690000002", "SA07"))
BLOCKED = replace(STRANGER, id="899700000009")
ACTORS = {
    "stranger": STRANGER,
    "blocked": BLOCKED,
    "nurse": replace(STRANGER, id="899700000008", profession="60"),
    "without structure": replace(STRANGER, structure=None),
    "break-glass opposed": replace(STRANGER, emergency_reason="patient inconscient, urgence"),
    "centre 15 opposed": replace(STRANGER, regulation=True),
    "reason without substance": replace(STRANGER, emergency_reason="aaaa"),
    "another patient": Person("d" * 64, "PAT-UN", ("ALIX",), HOLDER.birth_date, "male", "75101"),
    "namesake": replace(HOLDER, reference="e" * 64),
    "software": System(Structure("690000002")),
    "fund": Agent("agent-7", AgentRole.ENROLMENT, "751"),
    "operations": Agent("agent-8", AgentRole.OPERATIONS, "751"),
}
EVERYBODY = pytest.mark.parametrize("who", ACTORS)
FHIR_PATCH = {"Content-Type": "application/json-patch+json"}
PATCH = json.dumps([{"op": "replace", "path": "/status", "value": "entered-in-error"}]).encode()


@pytest.fixture(scope="module")
def records():
    """A record of which the callers know nothing, a closed one, and the id of none."""
    with running() as area:
        forbidden = opened(matricule=FORBIDDEN)
        closed = opened(matricule=CLOSED)
        names = {}
        for record in (forbidden, closed):
            for masks in ([], ["MASQUE_PS"], ["INVISIBLE_PATIENT"]):
                body = reference(f"Patient/{record.id}", pdf("secret"))
                body["securityLabel"] += [coded(MASKS, code) for code in masks]
                status, told, _ = publish(area, body)
                assert status == 201
            names[record.id] = told
            consent(record, BLOCKED.id, "block")
            _oppose(record.id)
        client("dynamodb").update_item(
            TableName="accounts",
            Key=encode({"pk": f"REC#{closed.id}", "sk": "RECORD"}),
            UpdateExpression="SET #s = :s",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues=encode({":s": RecordStatus.CLOSED.value}),
        )
        yield {
            "forbidden": (forbidden.id, FORBIDDEN, names[forbidden.id]),
            "closed": (closed.id, CLOSED, names[closed.id]),
            "unknown": (new_record_id(), UNKNOWN, None),
        }


def _oppose(record_id: str) -> None:
    kinds = (Kind.BREAK_GLASS_OPPOSITION, Kind.CENTRE_15_OPPOSITION)
    decision = {"since": "2026-01-01T00:00:00+00:00", "recordedBy": "x", "active": True}
    client("dynamodb").put_item(
        TableName="consents",
        Item=encode(
            {
                "pk": f"REC#{record_id}",
                "sk": "SETTINGS",
                "version": 1,
                "decisions": {kind.value: {**decision, "version": 1} for kind in kinds},
            }
        ),
    )


def area(name: str) -> Any:
    return importlib.import_module(f"functions.{name}.app").app


def asked(records, case: str, actor, request: tuple[str, str, str], body=None, **headers):
    """Status, body without what repeats the question, headers, and the calls."""
    name, method, url = request
    record_id, matricule, told = records[case]
    document = told["id"] if told else f"{record_id}.{'0' * 26}"
    named = told["masterIdentifier"]["value"] if told else "urn:oid:1.2.3.4.5"
    place = url.format(
        id=record_id,
        document=document,
        ins=f"urn:oid:{NIR}|{matricule}",
        name=f"urn:ietf:rfc:3986|{named}",
        consent=f"{record_id}.authorisation.{STRANGER.id}",
        trace=f"{record_id}.{'0' * 26}",
    )
    sent = body(record_id, matricule) if callable(body) else body
    with counted() as calls:
        status, answer, given = ask(area(name), method, place, actor, sent, **headers)
    if isinstance(answer, dict) and answer.get("resourceType") == "Bundle":
        answer = {n: v for n, v in answer.items() if n != "link"}
    return status, json.dumps(answer, sort_keys=True), given, list(calls)


READS: dict[str, tuple[str, str, str, int]] = {
    "document": ("documents", "GET", "/fhir/DocumentReference/{document}", 404),
    "bytes": ("documents", "GET", "/fhir/Binary/{document}", 404),
    "documents": ("documents", "GET", "/fhir/DocumentReference?patient={id}&status=current", 200),
    "documents by INS": (
        "documents",
        "GET",
        "/fhir/DocumentReference?patient.identifier={ins}&status=current",
        200,
    ),
    "consents": ("consents", "GET", "/fhir/Consent?patient={id}", 200),
    "consent": ("consents", "GET", "/fhir/Consent/{consent}", 404),
    "consent's history": ("consents", "GET", "/fhir/Consent/{consent}/_history", 404),
    "history": ("reimbursements", "GET", "/fhir/ExplanationOfBenefit?patient={id}", 200),
    "traces": ("traces", "GET", "/fhir/AuditEvent?patient={id}", 200),
    "trace": ("traces", "GET", "/fhir/AuditEvent/{trace}", 404),
    "record": ("accounts", "GET", "/fhir/Patient/{id}", 404),
    "state": ("accounts", "GET", "/enrolment/records/{id}", 404),
}


@EVERYBODY
@pytest.mark.parametrize("read", READS)
def test_reads_and_searches_tell_nothing(records, who, read):
    *request, status = READS[read]
    unknown = asked(records, "unknown", ACTORS[who], request)
    assert unknown[0] == status
    for case in ("forbidden", "closed"):
        assert asked(records, case, ACTORS[who], request) == unknown, case


CHANGES = {
    "change": ("documents", "PATCH", "/fhir/DocumentReference/{document}", PATCH, FHIR_PATCH),
    "change by name": (
        "documents",
        "PATCH",
        "/fhir/DocumentReference?identifier={name}",
        PATCH,
        FHIR_PATCH,
    ),
    "change by name and patient": (
        "documents",
        "PATCH",
        "/fhir/DocumentReference?identifier={name}&patient={id}",
        PATCH,
        FHIR_PATCH,
    ),
    "change by name and INS": (
        "documents",
        "PATCH",
        "/fhir/DocumentReference?identifier={name}&patient.identifier={ins}",
        PATCH,
        FHIR_PATCH,
    ),
    "change of a consent": ("consents", "PATCH", "/fhir/Consent/{consent}", PATCH, FHIR_PATCH),
}


@EVERYBODY
@pytest.mark.parametrize("change", CHANGES)
def test_changes_tell_nothing(records, who, change):
    *request, body, headers = CHANGES[change]
    unknown = asked(records, "unknown", ACTORS[who], request, body, **headers)
    decides = not isinstance(ACTORS[who], Agent | System) or "consent" not in change
    assert unknown[0] == (404 if decides else 403)
    for case in ("forbidden", "closed"):
        assert asked(records, case, ACTORS[who], request, body, **headers) == unknown, case


@pytest.mark.parametrize("by", ["id", "INS"])
@pytest.mark.parametrize("who", ["blocked", "another patient", "fund", "operations"])
def test_what_may_not_be_fed_is_like_nothing(records, who, by):
    def body(record_id: str, matricule: str) -> dict[str, Any]:
        whose = (
            f"Patient/{record_id}"
            if by == "id"
            else f"Patient?identifier=urn:oid:{NIR}|{matricule}"
        )
        return reference(whose, pdf("secret"))

    request = ("documents", "POST", "/fhir/DocumentReference")
    unknown = asked(records, "unknown", ACTORS[who], request, body)
    assert unknown[0] == 404
    for case in ("forbidden", "closed"):
        assert asked(records, case, ACTORS[who], request, body) == unknown


@pytest.mark.parametrize("kind", ["authorisation", "block", "medecin-traitant", "delegate"])
@pytest.mark.parametrize("who", ["blocked", "another patient", "namesake", "software", "fund"])
def test_where_nothing_is_to_decide_is_like_nowhere(records, who, kind):
    def body(record_id: str, _: str) -> dict[str, Any]:
        permit = "deny" if kind == "block" else "permit"
        return consent_of(record_id, kind, 7, permit)

    request = ("consents", "POST", "/fhir/Consent")
    unknown = asked(records, "unknown", ACTORS[who], request, body)
    assert unknown[0] in {403, 404}
    for case in ("forbidden", "closed"):
        assert asked(records, case, ACTORS[who], request, body) == unknown, case


@pytest.mark.parametrize("who", ["software", "fund", "operations", "another patient"])
def test_whom_td02_is_not_for_cannot_tell_by_its_calls(records, who):
    request = ("accounts", "GET", "/fhir/Patient?identifier={ins}")
    unknown = asked(records, "unknown", ACTORS[who], request)
    assert unknown[0] == 200
    for case in ("forbidden", "closed"):
        assert asked(records, case, ACTORS[who], request) == unknown


def test_an_unknown_document_of_an_open_record_is_like_a_masked_one(records):
    record = opened(matricule=somebody().matricule)
    reader = replace(STRANGER, id="899700000007")
    consent(record, reader.id, "authorisation")
    body = reference(f"Patient/{record.id}", securityLabel=[coded(MASKS, "MASQUE_PS")])
    masked = publish(area("documents"), body)[1]["id"]
    answers = []
    for one in (masked, f"{record.id}.{new_record_id()}"):
        for place in ("DocumentReference", "Binary"):
            with counted() as calls:
                status, answer, headers = ask(
                    area("documents"), "GET", f"/fhir/{place}/{one}", reader
                )
            answers.append((status, json.dumps(answer), headers, list(calls)))
    assert answers[0][0] == 404
    assert answers.count(answers[0]) == 4


def test_attempts_that_reach_no_record_are_traced_all_the_same(records):
    day = traces_of_today()
    ask(area("documents"), "GET", f"/fhir/DocumentReference/{new_record_id()}.{'0' * 26}", STRANGER)
    (trace,) = [one for one in traces_of_today() if one not in day]
    assert (trace["outcome"], trace["actorKey"]) == ("refused", f"professional#{STRANGER.id}")
    record_id = records["forbidden"][0]
    assert {"refused"} <= {one["outcome"] for one in traces(record_id)}


def traces_of_today() -> list[dict[str, Any]]:
    found = client("dynamodb").scan(TableName="traces")["Items"]
    days = {one["pk"]["S"] for one in found if one["pk"]["S"].startswith("NOREC#")}
    return [one for day in sorted(days) for one in traces_of(day)]
