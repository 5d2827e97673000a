"""The documents area as its callers meet it, over an account in process."""

from __future__ import annotations

import base64
import json
import os
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from dmp.domain.actors import Agent, AgentRole, System
from dmp.domain.errors import DocumentAlreadyPublished
from dmp.domain.identity import DEMONSTRATION, NIR, TEST
from dmp.domain.ids import document_id, new_record_id, new_ulid
from dmp.domain.records import Record, RecordStatus
from dmp.domain.traces import Act, Outcome
from dmp.store.aws import client
from dmp.store.items import put
from dmp.store.records import record_item
from dmp.store.vault import Vault
from functions.documents import wiring
from functions.documents.checks import handler
from functions.documents.messages import sent as read
from functions.documents.wiring_checks import settle_upload
from infra.local.demo.documents import make
from tests.support.calls import counted
from tests.support.documents import (
    COLLEAGUE,
    CONFIDENTIALITY,
    DOCTOR,
    MASKS,
    OTHER_PS,
    Holder,
    announced,
    by_holder,
    cda,
    coded,
    embedded,
    pdf,
    reference,
    sha1_of,
    structured,
)
from tests.support.documents_area import (
    FHIR,
    HOLDER,
    MATRICULE,
    consent,
    documents,
    faults,
    kept,
    listed,
    opened,
    publish,
    running,
    traces,
    traces_of,
)
from tests.support.gateway import ask

ranks = count(1)


@pytest.fixture(scope="module")
def app():
    with running() as area:
        yield area


@pytest.fixture
def record(app) -> Record:
    return opened()


# -- publishing


def test_what_went_in_comes_out_element_by_element(app, record):
    sent = reference(f"Patient/{record.id}")
    status, told, headers = publish(app, sent)
    assert status == 201, told
    assert headers["ETag"] == 'W/"1"'
    assert headers["Location"] == f"https://dmp.test{FHIR}/{told['id']}"
    status, back, headers = ask(app, "GET", f"{FHIR}/{told['id']}", DOCTOR)
    assert (status, back, headers["ETag"]) == (200, told, 'W/"1"')
    data = base64.b64decode(sent["content"][0]["attachment"].pop("data"))
    attachment = back["content"][0].pop("attachment")
    assert attachment.pop("url") == f"https://dmp.test/fhir/Binary/{back['id']}"
    assert (attachment.pop("size"), attachment.pop("hash")) == (len(data), sha1_of(data))
    assert attachment == sent["content"][0].pop("attachment")
    meta = back.pop("meta")
    assert meta.pop("versionId") == "1"
    assert datetime.fromisoformat(meta.pop("lastUpdated")) <= datetime.now(UTC)
    assert meta == sent.pop("meta")
    assert back.pop("docStatus") == "final"
    assert back.pop("id").startswith(f"{record.id}.")
    assert back == sent


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (pdf("x"), "application/pdf"),
        (make.png(), "image/png"),
        (make.jpeg(), "image/jpeg"),
        (b"Une note.", "text/plain"),
        (cda(structured("x")), "text/xml"),
        (make.presentable(cda(embedded(pdf("x")))), "application/xml"),
    ],
)
def test_bytes_come_back_byte_for_byte_and_never_run(app, record, data, media_type):
    _, told, _ = publish(app, reference(f"Patient/{record.id}", data, media_type))
    status, back, headers = ask(app, "GET", f"/fhir/Binary/{told['id']}", DOCTOR)
    assert (status, back, headers["Content-Type"]) == (200, data, media_type)
    assert headers["X-Content-Type-Options"] == "nosniff"
    if "xml" in media_type:
        assert headers["Content-Disposition"].startswith("attachment")


def test_bytes_in_the_vault_are_encrypted_under_the_clinical_key(app, record):
    publish(app, reference(f"Patient/{record.id}"))
    (key,) = kept(record.id)
    head = client("s3").head_object(Bucket="dmp-vault", Key=key)
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"] == os.environ["DMP_KEY_CLINICAL"]
    assert head["BucketKeyEnabled"]


def test_a_document_is_published_for_an_exact_ins(app):
    record = opened(oid=NIR)
    status, told, _ = publish(app, reference(f"Patient?identifier=urn:oid:{NIR}|{MATRICULE}"))
    assert status == 201
    assert told["id"].startswith(f"{record.id}.")


def test_the_same_document_twice_is_one(app, record):
    sent = reference(f"Patient/{record.id}")
    first, second = publish(app, deepcopy(sent)), publish(app, deepcopy(sent))
    assert (first[0], second[0]) == (201, 200)
    assert first[1] == second[1]
    assert len(documents(record.id)) == len(kept(record.id)) == 1


def test_another_document_under_the_same_identifier_is_a_duplicate(app, record):
    sent = reference(f"Patient/{record.id}")
    assert publish(app, sent)[0] == 201
    other = sent | {"content": reference("x", pdf("autre"))["content"]}
    status, told, _ = publish(app, other)
    assert (status, told["issue"][0]["code"]) == (409, "duplicate")
    assert len(documents(record.id)) == 1


@pytest.mark.parametrize("mask", [None, "MASQUE_PS"])
def test_whether_others_sent_an_identifier_cannot_be_found_out_by_sending_it(app, record, mask):
    """The same calls and the same answer as for an identifier that nobody ever sent."""
    sent = reference(f"Patient/{record.id}", pdf("le leur"))
    if mask:
        sent["securityLabel"] = [coded(MASKS, mask)]
    assert publish(app, sent)[0] == 201
    mine = {
        "author": [{"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": OTHER_PS}}],
        "custodian": {
            "identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1130000001"}
        },
    }
    unknown = reference(f"Patient/{record.id}", pdf("le leur"), **mine)
    known = {**unknown, "masterIdentifier": sent["masterIdentifier"]}
    with counted() as calls:
        told = publish(app, unknown, COLLEAGUE)
    expected = list(calls)
    with counted() as calls:
        same = publish(app, known, COLLEAGUE)
    assert (told[0], same[0]) == (201, 201)
    assert calls == expected
    assert len(documents(record.id)) == 3


def test_two_records_may_hold_the_same_identifier(app):
    one, other = opened(), opened()
    sent = reference(f"Patient/{one.id}")
    assert publish(app, sent)[0] == 201
    assert publish(app, sent | {"subject": {"reference": f"Patient/{other.id}"}})[0] == 201


@pytest.mark.parametrize(("twin", "status"), [("same", 200), ("other", 409)])
def test_of_two_twins_at_once_one_is_published(app, record, monkeypatch, twin, status):
    """The twin is written after this one was admitted and its bytes were kept."""

    sent = reference(f"Patient/{record.id}")
    other = sent if twin == "same" else sent | {"content": reference("x", pdf("y"))["content"]}
    keep, first = Vault.keep, []

    def overtaken(self, *arguments):
        keep(self, *arguments)
        if not first:
            first.append(None)
            first[0] = publish(app, deepcopy(other))

    monkeypatch.setattr(Vault, "keep", overtaken)
    # The inner request ends the outer one's place in Chalice: read it by the verb itself.

    now = datetime.now(UTC)
    told = read(sent, now=now, lenient=False, holder=False)
    if status == 409:
        with pytest.raises(DocumentAlreadyPublished):
            wiring.publish_document()(DOCTOR, told.submission, told.data, now)
    else:
        made = wiring.publish_document()(DOCTOR, told.submission, told.data, now)
        assert (made.created, made.document.id) == (False, first[0][1]["id"])
    assert first[0][0] == 201
    assert len(documents(record.id)) == 1


def test_an_interrupted_publication_leaves_bytes_alone_and_the_retry_ends_it(
    app, record, monkeypatch
):

    sent = reference(f"Patient/{record.id}")
    shelf = wiring._documents()
    with monkeypatch.context() as patch:

        def killed(*_):
            raise RuntimeError

        patch.setattr(type(shelf), "publish", killed)
        status, told, _ = publish(app, sent)
        assert status == 500
        assert "RuntimeError" not in json.dumps(told)
    assert documents(record.id) == []
    assert listed(app, HOLDER, record.id) == []
    assert publish(app, sent)[0] == 201
    assert len(kept(record.id)) == 1


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"masterIdentifier": None}, ("DocumentReference.masterIdentifier", "required")),
        ({"masterIdentifier": {"system": "x"}}, ("DocumentReference.masterIdentifier", "required")),
        ({"status": "superseded"}, ("DocumentReference.status", "literal-error")),
        ({"type": None}, ("DocumentReference.type", "required")),
        ({"type": coded("http://loinc.org", "0-0")}, ("DocumentReference.type", "unknown-code")),
        ({"type": coded("urn:oid:1.2.3", "11488-4")}, ("DocumentReference.type", "unknown-code")),
        (
            {"category": [coded("urn:oid:1.2.3", "10")]},
            ("DocumentReference.category[0]", "unknown-code"),
        ),
        (
            {"category": [coded("urn:oid:1.2.250.1.213.1.1.4.1", "90")]},
            ("DocumentReference.category", "class"),
        ),
        ({"subject": {"reference": "Group/1"}}, ("DocumentReference.subject", "patient")),
        ({"date": "2026-03-10"}, ("DocumentReference.date", "instant")),
        ({"date": 12}, ("DocumentReference.date", "instant")),
        ({"date": "2099-03-10T10:00:00Z"}, ("DocumentReference.date", "in-the-future")),
        ({"author": []}, ("DocumentReference.author", "too-short")),
        ({"author": [{"reference": "#nobody"}]}, ("DocumentReference.author[0]", "unresolved")),
        (
            {
                "author": [
                    {
                        "identifier": {
                            "system": "urn:oid:1.2.250.1.71.4.2.1",
                            "value": "810101201234",
                        }
                    }
                ]
            },
            ("DocumentReference.author[0]", "ps-id"),
        ),
        ({"custodian": None}, ("DocumentReference.custodian", "required")),
        (
            {
                "custodian": {
                    "identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "3123"}
                }
            },
            ("DocumentReference.custodian", "structure-id"),
        ),
        (
            {"securityLabel": [coded(CONFIDENTIALITY, "Z")]},
            ("DocumentReference.securityLabel[0]", "unknown-code"),
        ),
        (
            {"securityLabel": [coded(MASKS, "MASQUE_PS"), coded(MASKS, "INVISIBLE_PATIENT")]},
            ("DocumentReference.securityLabel", "label-combination"),
        ),
        ({"content": []}, ("DocumentReference.content", "too-short")),
        ({"resourceType": "Patient"}, ("resourceType", "resource-type")),
        (
            {"relatesTo": [{"code": "transforms", "target": {"reference": "DocumentReference/x"}}]},
            ("DocumentReference.relatesTo[0].code", "literal-error"),
        ),
        (
            {
                "context": {
                    "sourcePatientInfo": {
                        "identifier": {"system": f"urn:oid:{NIR}", "value": "277076322082910"}
                    }
                }
            },
            ("DocumentReference.context.sourcePatientInfo", "patient-mismatch"),
        ),
        ({"text": {"div": "x" * 300_000}}, ("DocumentReference", "too-large")),
        ({"text": {"div": "\ud800"}}, ("DocumentReference", "json")),
    ],
)
def test_every_wrong_element_is_named(app, record, change, fault):
    status, told, _ = publish(app, reference(f"Patient/{record.id}", **change))
    assert status == 422
    assert fault in faults(told)
    assert documents(record.id) == []


@pytest.mark.parametrize(
    ("attachment", "fault"),
    [
        ({"data": "é!"}, ("data", "base64")),
        ({"data": "QUJD="}, ("data", "base64")),
        ({"data": 12}, ("data", "base64")),
        ({"data": ""}, ("data", "empty")),
        ({"data": None}, ("data", "required")),
        ({"data": base64.b64encode(b"no pdf").decode()}, ("data", "declared-type")),
        ({"data": base64.b64encode(make.png()).decode()}, ("data", "declared-type")),
        ({"contentType": "text/html"}, ("contentType", "media-type")),
        ({"contentType": "application/pdf\r\nX: y"}, ("contentType", "media-type")),
        ({"contentType": "application/pdf; é"}, ("contentType", "media-type")),
        ({"size": 3}, ("size", "size-mismatch")),
        ({"hash": "AAAA"}, ("hash", "hash-shape")),
        ({"hash": sha1_of(b"other")}, ("hash", "hash-mismatch")),
        ({"url": "https://elsewhere.test/x"}, ("url", "url-here")),
        ({"title": "a\u202eb"}, ("title", "control-characters")),
    ],
)
def test_every_wrong_attachment_is_named(app, record, attachment, fault):
    body = reference(f"Patient/{record.id}")
    told = body["content"][0]["attachment"] | attachment
    body["content"][0]["attachment"] = {n: v for n, v in told.items() if v is not None}
    status, answer, _ = publish(app, body)
    assert status == 422
    place, code = fault
    assert (f"DocumentReference.content[0].attachment.{place}", code) in faults(answer)
    assert documents(record.id) == []


def test_all_faults_are_named_at_once(app, record):
    body = reference(
        f"Patient?identifier=urn:oid:{NIR}|279035121518988",
        custodian=None,
        type=coded("http://loinc.org", "0-0"),
    )
    _, told, _ = publish(app, body)
    assert faults(told) == {
        ("DocumentReference.subject", "matricule-key"),
        ("DocumentReference.custodian", "required"),
        ("DocumentReference.type", "unknown-code"),
    }
    body = reference(
        f"Patient/{record.id}",
        b"no pdf",
        author=[{"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": OTHER_PS}}],
        custodian={"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1130000001"}},
    )
    body["content"][0]["attachment"] |= {"size": 1, "hash": sha1_of(b"x")}
    _, told, _ = publish(app, body)
    assert {code for _, code in faults(told)} == {
        "author",
        "size-mismatch",
        "hash-mismatch",
        "declared-type",
    }


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"resourceType": NaN}', b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_malformed(app, body):
    status, told, _ = ask(app, "POST", FHIR, DOCTOR, body, **{"Content-Type": "application/json"})
    assert (status, told["resourceType"]) == (400, "OperationOutcome")


def test_three_mebibytes_go_in_and_not_one_byte_more(app, record):
    most = pdf("x")
    most += b"%" * (3 * 1024 * 1024 - len(most))
    assert publish(app, reference(f"Patient/{record.id}", most))[0] == 201
    assert publish(app, reference(f"Patient/{record.id}", most + b"%"))[0] == 413
    assert publish(app, reference(f"Patient/{record.id}", most + b"%" * 999_999))[0] == 413


def test_another_content_type_is_not_supported(app, record):
    status, told, _ = ask(app, "POST", FHIR, DOCTOR, b"<xml/>", **{"Content-Type": "text/xml"})
    assert (status, told["resourceType"]) == (415, "OperationOutcome")


def test_malware_is_refused(app, record):
    data = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
    status, told, _ = publish(app, reference(f"Patient/{record.id}", data, "text/plain"))
    assert status == 422
    assert {code for _, code in faults(told)} == {"malware"}
    assert kept(record.id) == []


@pytest.mark.parametrize(
    "holder", [Holder(matricule="277076322082910"), Holder(sex="M"), Holder(born="19800101")]
)
def test_a_cda_about_somebody_else_is_refused(app, record, holder):
    status, told, _ = publish(app, reference(f"Patient/{record.id}", cda("", holder), "text/xml"))
    assert status == 422
    assert {code for _, code in faults(told)} == {"cda-identity"}
    assert MATRICULE not in json.dumps(told)


def test_lenient_mode_takes_wrong_keys_under_the_test_oid_and_says_so(app):
    opened(oid=DEMONSTRATION, matricule="123456789012345")
    bare = b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
    body = reference(
        f"Patient?identifier=urn:oid:{DEMONSTRATION}|123456789012345",
        bare,
        "application/xml",
        custodian=None,
    )
    status, told, _ = publish(app, body)
    assert status == 201, told
    warned = [
        e["extension"][0]["valueCode"] for e in told["extension"] if e["url"] == "urn:dmp:warning"
    ]
    assert warned == ["matricule-key", "required", *["cda-identity-missing"] * 3]
    strict = json.loads(json.dumps(body).replace(DEMONSTRATION, NIR))
    assert {c for _, c in faults(publish(app, strict)[1])} == {"matricule-key", "required"}


# -- who may send


def test_the_holder_sends_documents_of_the_patient_and_no_others(app, record):
    status, told, _ = publish(app, by_holder(f"Patient/{record.id}"), HOLDER)
    assert status == 201, told
    as_doctor = by_holder(
        f"Patient/{record.id}", type=coded("http://loinc.org", "11488-4"), category=None
    )
    status, told, _ = publish(app, as_doctor, HOLDER)
    assert (status, faults(told)) == (422, {("DocumentReference.category", "class")})
    signed = reference(
        f"Patient/{record.id}", type=by_holder("x")["type"], category=by_holder("x")["category"]
    )
    assert faults(publish(app, signed, HOLDER)[1]) == {("DocumentReference.author", "author")}


def test_a_structure_sends_under_its_own_custody(app, record):
    system = System(DOCTOR.structure)
    assert publish(app, reference(f"Patient/{record.id}"), system)[0] == 201
    other = System(COLLEAGUE.structure)
    status, told, _ = publish(app, reference(f"Patient/{record.id}"), other)
    assert (status, faults(told)) == (422, {("DocumentReference.custodian", "custodian")})


def test_a_colleague_of_the_custodian_sends_what_another_wrote(app, record):
    author = [{"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": OTHER_PS}}]
    assert publish(app, reference(f"Patient/{record.id}", author=author))[0] == 201


def test_who_is_blocked_or_no_sender_meets_no_record(app, record):
    unknown = publish(app, reference(f"Patient/{new_record_id()}"))
    consent(record, OTHER_PS, "block")
    blocked = publish(app, reference(f"Patient/{record.id}"), COLLEAGUE)
    agent = publish(app, reference(f"Patient/{record.id}"), Agent("x", AgentRole.ENROLMENT, "750"))
    stranger = publish(app, by_holder(f"Patient/{record.id}"), replace(HOLDER, reference="b" * 64))
    closed = publish(app, reference(f"Patient/{opened(status=RecordStatus.CLOSED).id}"))
    nobody = publish(app, reference(f"Patient?identifier=urn:oid:{TEST}|277076322082910"))
    for status, told, _ in (unknown, blocked, agent, stranger, closed, nobody):
        assert (status, told) == (404, unknown[1])
    assert documents(record.id) == []
    refused = [t for t in traces(record.id) if t["outcome"] == "refused"]
    assert {t["actorKey"] for t in refused} == {
        f"professional#{OTHER_PS}",
        "agent#x",
        "patient#" + "b" * 64,
    }


def test_no_token_is_answered_in_the_form_of_the_path(app):
    status, told, _ = ask(app, "POST", FHIR, None, {})
    assert (status, told["resourceType"]) == (401, "OperationOutcome")


# -- replacing


def replacing(target: str) -> list[dict[str, Any]]:
    return [{"code": "replaces", "target": {"reference": f"DocumentReference/{target}"}}]


def test_a_replacement_supersedes_in_the_same_moment_and_once(app, record):
    old = publish(app, reference(f"Patient/{record.id}"))[1]["id"]
    new = reference(f"Patient/{record.id}", pdf("v2"), relatesTo=replacing(old))
    status, told, _ = publish(app, new)
    assert status == 201
    assert told["relatesTo"] == new["relatesTo"]
    assert listed(app, HOLDER, record.id) == [told["id"]]
    status, before, headers = ask(app, "GET", f"{FHIR}/{old}", DOCTOR)
    assert (before["status"], headers["ETag"]) == ("superseded", 'W/"2"')
    again = publish(app, new)
    assert (again[0], again[1]["id"]) == (200, told["id"])
    third = reference(f"Patient/{record.id}", pdf("v3"), relatesTo=replacing(old))
    assert faults(publish(app, third)[1]) == {
        ("DocumentReference.relatesTo[0].target", "not-current")
    }


def test_only_one_s_own_document_of_this_record_is_replaced(app, record):
    theirs = reference(
        f"Patient/{record.id}",
        author=[{"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": OTHER_PS}}],
    )
    theirs = publish(app, theirs, COLLEAGUE)[1]["id"]
    elsewhere = publish(app, reference(f"Patient/{opened().id}"))[1]["id"]
    for target in (theirs, elsewhere, f"{record.id}.{'0' * 26}"):
        body = reference(f"Patient/{record.id}", relatesTo=replacing(target))
        status, told, _ = publish(app, body)
        assert status == 422
        assert faults(told) == {("DocumentReference.relatesTo[0].target", "unknown-document")}


# -- reading and searching


def test_reading_needs_an_authorisation_and_leaves_a_trace_before_the_bytes(app, record):
    document = publish(app, reference(f"Patient/{record.id}"))[1]["id"]
    unknown = ask(app, "GET", f"{FHIR}/{record.id}.{'0' * 26}", COLLEAGUE)
    for path in (f"{FHIR}/{document}", f"/fhir/Binary/{document}"):
        status, told, _ = ask(app, "GET", path, COLLEAGUE)
        assert (status, told) == (404, unknown[1])
    consent(record, OTHER_PS, "authorisation")
    assert ask(app, "GET", f"{FHIR}/{document}", COLLEAGUE)[0] == 200
    assert ask(app, "GET", f"/fhir/Binary/{document}", COLLEAGUE)[0] == 200
    told = [(t["act"], t["outcome"]) for t in traces(record.id) if t["actorKey"].endswith(OTHER_PS)]
    assert told.count((Act.READ_DOCUMENT.value, Outcome.REFUSED.value)) == 2
    assert told.count((Act.READ_CONTENT.value, Outcome.REFUSED.value)) == 1
    assert told[-2:] == [("document.read", "done"), ("document.content", "done")]


def test_what_reaches_no_record_is_traced_like_what_is_refused(app, record):
    today = f"NOREC#{datetime.now(UTC).date().isoformat()}"
    before = len(traces_of(today))
    nowhere = "0" * 26
    for path in (
        f"{FHIR}/{nowhere}.{nowhere}",
        f"/fhir/Binary/{nowhere}.{nowhere}",
        f"{FHIR}/no-id-of-ours",
        f"{FHIR}?patient={nowhere}&status=current",
        f"{FHIR}?patient=nobody&status=current",
    ):
        ask(app, "GET", path, COLLEAGUE)
    publish(app, reference(f"Patient/{nowhere}"))
    acts = [(t["act"], t["outcome"]) for t in traces_of(today)[before:]]
    assert sorted(acts) == sorted(
        (act, "refused")
        for act in (
            *(2 * ["document.read"]), "document.content",
            *(2 * ["document.search"]), "document.publish",
        )
    )  # fmt: skip


def test_an_admitted_publication_that_fails_or_is_told_again_is_traced(app, record):
    sent = reference(f"Patient/{record.id}")
    for _ in range(2):
        publish(app, deepcopy(sent))
    publish(app, sent | {"content": reference("x", pdf("autre"))["content"]})
    publish(app, reference(f"Patient/{record.id}", b"no PDF"))
    assert [(t["act"], t["outcome"]) for t in traces(record.id)] == [
        ("document.publish", "done"),
        ("document.read", "done"),
        ("document.publish", "failed"),
        ("document.publish", "failed"),
    ]


def test_without_a_trace_nothing_is_disclosed(app, record, monkeypatch):

    document = publish(app, reference(f"Patient/{record.id}"))[1]["id"]

    def unwritable(*_):
        raise RuntimeError

    monkeypatch.setattr(type(wiring.gate(documents=True).traces), "write", unwritable)
    for path in (
        f"{FHIR}/{document}",
        f"/fhir/Binary/{document}",
        f"{FHIR}?patient={record.id}&status=current",
    ):
        status, told, _ = ask(app, "GET", path, HOLDER)
        assert status == 500
        assert document not in json.dumps(told)


def test_a_list_is_newest_first_and_pages_without_loss(app, record):
    made = [publish(app, reference(f"Patient/{record.id}", pdf(f"{n}")))[1]["id"] for n in range(7)]
    url, seen, totals = f"{FHIR}?patient={record.id}&status=current&_count=3", [], []
    while url:
        status, told, _ = ask(app, "GET", url.removeprefix("https://dmp.test"), HOLDER)
        assert status == 200
        assert len(told["entry"]) <= 3
        seen += [entry["resource"]["id"] for entry in told["entry"]]
        totals.append(told["total"])
        url = next((one["url"] for one in told["link"] if one["relation"] == "next"), None)
    assert (seen, totals) == (made[::-1], [7, 7, 7])
    counts = [t["count"] for t in traces(record.id) if t["act"] == "document.search"]
    assert counts == [3, 3, 1]


def test_a_cursor_of_another_record_does_not_work(app, record):
    for n in range(2):
        publish(app, reference(f"Patient/{record.id}", pdf(f"{n}")))
    _, told, _ = ask(app, "GET", f"{FHIR}?patient={record.id}&status=current&_count=1", HOLDER)
    cursor = told["link"][1]["url"].partition("_cursor=")[2]
    other = opened()
    for wrong in (f"patient={other.id}&_cursor={cursor}", f"patient={record.id}&_cursor=zz"):
        status, told, _ = ask(app, "GET", f"{FHIR}?status=current&{wrong}", HOLDER)
        assert (status, told["resourceType"]) == (400, "OperationOutcome")


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("&type=http://loinc.org|11488-4", "consultation"),
        ("&type=11488-4,34112-3", "consultation"),
        ("&type=urn:oid:2.16.840.1.113883.6.1|11488-4", "consultation"),
        ("&type=urn:oid:1.2.3|11488-4", ""),
        ("&category=90", "patient"),
        ("&category=urn:oid:1.2.250.1.213.1.1.4.1|10", "consultation"),
        ("&date=ge2026-03-11", ""),
        ("&date=2026-03-10", "consultation patient"),
        ("&date=ge2026&date=lt2026-03-10T10:15", ""),
        ("&date=le2026-03", "consultation patient"),
        ("&date=le9999", "consultation patient"),
        ("&date=9999-12-31", ""),
        ("&date=ge0001", "consultation patient"),
        ("&type=http://loinc.org|", "consultation"),
        ("&type=|11488-4", ""),
        ("&type=11488-4,EXPPAT_2&type=11488-4,34112-3", "consultation"),
        ("&type=11488-4&type=34112-3", ""),
        ("&category=urn:oid:1.2.250.1.213.1.1.4.1|", "consultation patient"),
        ("&category=90,10&category=90", "patient"),
        ("&_format=json&unknown=x", "consultation patient"),
    ],
)
def test_a_search_narrows(app, more, found):
    record = opened()
    named = {
        publish(app, reference(f"Patient/{record.id}"))[1]["id"]: "consultation",
        publish(app, by_holder(f"Patient/{record.id}"), HOLDER)[1]["id"]: "patient",
    }
    assert " ".join(sorted(named[one] for one in listed(app, HOLDER, record.id, more))) == found


@pytest.mark.parametrize(
    "query",
    [
        "",
        "status=current",
        "patient=x&patient=y&status=current",
        "patient={id}",
        "patient={id}&status=lost",
        "patient={id}&status=current&_count=0",
        "patient={id}&status=current&date=2026-13",
        "patient={id}&status=current&date=soon",
        "patient={id}&status=current&date=0000",
        "patient={id}&status=current&_count=1&_count=2",
        "patient={id}&status=current&type:not=11488-4",
        f"patient.identifier=urn:oid:{NIR}|279035121518988&status=current",
    ],
)
def test_a_search_that_is_not_understood_is_refused(app, record, query):
    for path in (f"{FHIR}?{query.format(id=record.id)}",):
        status, told, _ = ask(app, "GET", path, HOLDER)
        assert (status, told["resourceType"]) == (400, "OperationOutcome")


def test_an_unknown_parameter_is_left_out_unless_asked_to_be_strict(app, record):
    url = f"{FHIR}?patient={record.id}&status=current&facility=x"
    status, told, _ = ask(app, "GET", url, HOLDER)
    assert status == 200
    assert "facility" not in told["link"][0]["url"]
    assert ask(app, "GET", url, HOLDER, prefer="handling=strict")[0] == 400


def test_a_search_by_form_is_the_same_search(app):
    record = opened(oid=TEST)
    document = publish(app, reference(f"Patient/{record.id}"))[1]["id"]
    form = f"patient.identifier=urn%3Aoid%3A{TEST}%7C{MATRICULE}&status=current".encode()
    status, told, _ = ask(
        app,
        "POST",
        f"{FHIR}/_search",
        HOLDER,
        form,
        **{"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
    )
    assert status == 200
    assert [e["resource"]["id"] for e in told["entry"]] == [document]


def test_an_unknown_record_a_closed_one_and_a_forbidden_one_list_the_same(app, record):
    publish(app, reference(f"Patient/{record.id}"))
    closed = opened(status=RecordStatus.CLOSED)
    answers = [
        ask(app, "GET", f"{FHIR}?patient={one}&status=current", COLLEAGUE)
        for one in (record.id, closed.id, new_record_id(), "zz")
    ]
    told = [(status, {n: v for n, v in body.items() if n != "link"}) for status, body, _ in answers]
    assert told == [(200, {"resourceType": "Bundle", "type": "searchset", "total": 0})] * 4
    assert any(t["outcome"] == "refused" for t in traces(record.id))


def test_a_hidden_document_is_counted_for_nobody_else_and_warned_of(app, record):
    consent(record, OTHER_PS, "authorisation")
    plain = publish(app, reference(f"Patient/{record.id}"))[1]["id"]
    hidden = publish(
        app, reference(f"Patient/{record.id}", securityLabel=[coded(MASKS, "MASQUE_PS")])
    )[1]["id"]
    _, told, _ = ask(app, "GET", f"{FHIR}?patient={record.id}&status=current", COLLEAGUE)
    assert (told["total"], [e["resource"]["id"] for e in told["entry"]]) == (1, [plain])
    _, told, _ = ask(app, "GET", f"{FHIR}?patient={record.id}&status=current", HOLDER)
    assert told["total"] == 2
    assert told["entry"][-1]["resource"]["issue"][0]["severity"] == "warning"
    _, told, _ = ask(app, "GET", f"{FHIR}/{hidden}", DOCTOR)
    assert {"url": "urn:dmp:hidden-from-others", "valueBoolean": True} in told["extension"]
    assert ask(app, "GET", f"{FHIR}/{hidden}", COLLEAGUE)[0] == 404


def test_a_list_of_twenty_takes_three_calls_in_sequence(app, record):
    for n in range(20):
        publish(app, reference(f"Patient/{record.id}", pdf(f"{n}")))
    with counted() as calls:
        assert len(listed(app, HOLDER, record.id)) == 20
    assert calls == ["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_documents_are_neither_put_nor_deleted(app, record, method):
    status, told, headers = ask(app, method, f"{FHIR}/{record.id}.{'0' * 26}", DOCTOR)
    assert (status, told["resourceType"], headers["Allow"]) == (
        405,
        "OperationOutcome",
        "GET, PATCH",
    )


# -- uploads


def form_of(told) -> tuple[dict, str, dict[str, str]]:
    named = {p["name"]: p for p in told["parameter"] if p["name"] != "field"}
    fields = {}
    for parameter in told["parameter"]:
        if parameter["name"] == "field":
            part = {p["name"]: p["valueString"] for p in parameter["part"]}
            fields[part["name"]] = part["value"]
    return named["documentReference"]["resource"], named["url"]["valueUri"], fields


def prepare(app, record, data, actor=DOCTOR, **changes):
    body = announced(f"Patient/{record.id}", data, **changes)
    status, told, headers = ask(app, "POST", f"{FHIR}/$upload", actor, body)
    assert status == 201, told
    resource, url, fields = form_of(told)
    assert headers["Location"].endswith(resource["id"])
    return resource["id"], url, fields


def arrive(document: str, data: bytes) -> dict[str, Any]:
    """The bytes in quarantine, and the message that S3 sends of them."""
    put = client("s3").put_object(Bucket="dmp-quarantine", Key=f"in/{document}", Body=data)
    event = {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {
            "bucket": {"name": "dmp-quarantine"},
            "object": {"key": f"in/{document}", "size": len(data), "version-id": put["VersionId"]},
        },
    }
    return {
        "messageId": f"m{next(ranks)}",
        "receiptHandle": "r",
        "body": json.dumps(event),
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-3:000000000000:uploads",
        "awsRegion": "eu-west-3",
    }


def checked(*messages) -> list[str]:

    answer = handler({"Records": list(messages)}, None)
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def waiting() -> list[str]:
    told = client("s3").list_object_versions(Bucket="dmp-quarantine")
    return [one["Key"] for one in told.get("Versions", [])]


def test_the_form_is_bound_to_key_size_type_hash_and_key(app, record):
    data = pdf("par formulaire")
    document, _, fields = prepare(app, record, data)
    policy = json.loads(base64.b64decode(fields["policy"]))
    conditions = policy["conditions"]
    for bound in (
        {"key": f"in/{document}"},
        {"Content-Type": "application/pdf"},
        {"x-amz-checksum-sha1": sha1_of(data)},
        {"x-amz-server-side-encryption": "aws:kms"},
        {"x-amz-server-side-encryption-aws-kms-key-id": os.environ["DMP_KEY_CLINICAL"]},
        ["content-length-range", len(data), len(data)],
    ):
        assert bound in conditions
    life = datetime.fromisoformat(policy["expiration"]) - datetime.now(UTC)
    assert life <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"size": None}, ("size", "required")),
        ({"hash": None}, ("hash", "required")),
        ({"size": 100 * 1024 * 1024 + 1}, ("size", "too-large")),
        ({"size": 0}, ("size", "empty")),
        ({"size": -1}, ("size", "greater-than-equal")),
        ({"data": "QUJD"}, ("data", "data-here")),
        ({"hash": "x"}, ("hash", "hash-shape")),
    ],
)
def test_an_announcement_says_what_will_come(app, record, change, fault):
    body = announced(f"Patient/{record.id}", pdf("x"))
    attachment = body["content"][0]["attachment"] | change
    body["content"][0]["attachment"] = {n: v for n, v in attachment.items() if v is not None}
    status, told, _ = ask(app, "POST", f"{FHIR}/$upload", DOCTOR, body)
    assert status == 422
    assert (f"DocumentReference.content[0].attachment.{fault[0]}", fault[1]) in faults(told)


def test_an_upload_is_its_sender_s_alone_until_it_is_checked(app, record):
    consent(record, OTHER_PS, "authorisation")
    data = pdf("gros")
    document, _, _ = prepare(app, record, data)
    assert ask(app, "GET", f"{FHIR}/{document}", DOCTOR)[1]["docStatus"] == "preliminary"
    for actor in (COLLEAGUE, HOLDER):
        assert ask(app, "GET", f"{FHIR}/{document}", actor)[0] == 404
        assert listed(app, actor, record.id) == []
    assert ask(app, "GET", f"/fhir/Binary/{document}", DOCTOR)[0] == 404
    message = arrive(document, data)
    assert checked(message) == []
    told = ask(app, "GET", f"{FHIR}/{document}", DOCTOR)[1]
    assert (told["docStatus"], told["meta"]["versionId"]) == ("final", "2")
    for actor in (COLLEAGUE, HOLDER):
        assert listed(app, actor, record.id) == [document]
    assert ask(app, "GET", f"/fhir/Binary/{document}", COLLEAGUE)[1] == data
    assert f"in/{document}" not in waiting()
    # Told twice, and late: nothing changes.
    assert checked(message, message) == []
    assert ask(app, "GET", f"{FHIR}/{document}", DOCTOR)[1] == told
    acts = [t["act"] for t in traces(record.id) if t.get("target") == document]
    assert acts.count("document.announce") == acts.count("document.publish") == 1


def test_what_is_large_is_read_at_a_presigned_address(app, record):
    data = pdf("x") + b"%" * (4 * 1024 * 1024)
    document, _, _ = prepare(app, record, data)
    assert checked(arrive(document, data)) == []
    status, _, headers = ask(app, "GET", f"/fhir/Binary/{document}", DOCTOR)
    assert status == 307
    assert "X-Amz-Expires=300" in headers["Location"]
    assert "response-content-type=application%2Fpdf" in headers["Location"]


OTHER = cda(structured("x"), Holder(matricule="277076322082910"))


@pytest.mark.parametrize(
    ("pair", "media_type", "code"),
    [
        ((pdf("x"), pdf("y")), "application/pdf", "hash-mismatch"),
        ((pdf("x"), pdf("longer")), "application/pdf", "size-mismatch"),
        ((b"MZ no pdf",) * 2, "application/pdf", "declared-type"),
        ((b"%PDF-1.4 cut",) * 2, "application/pdf", "truncated"),
        ((OTHER,) * 2, "text/xml", "cda-identity"),
        ((b"<!DOCTYPE x><x/>",) * 2, "text/xml", "xml-doctype"),
    ],
)
def test_what_does_not_pass_is_rejected_dropped_and_told(app, record, pair, media_type, code):
    announced_data, came = pair
    document, _, _ = prepare(app, record, announced_data, media_type=media_type)
    assert checked(arrive(document, came)) == []
    told = ask(app, "GET", f"{FHIR}/{document}", DOCTOR)[1]
    assert (told["docStatus"], told["status"]) == ("entered-in-error", "entered-in-error")
    (why,) = [e for e in told["extension"] if e["url"] == "urn:dmp:rejection"]
    assert why["extension"][0] == {"url": "code", "valueCode": code}
    assert "url" not in told["content"][0]["attachment"]
    assert f"in/{document}" not in waiting()
    assert kept(record.id) == []
    for query in ("status=current", "status=entered-in-error"):
        _, found, _ = ask(app, "GET", f"{FHIR}?patient={record.id}&{query}", HOLDER)
        assert found["total"] == 0
    # Its name is free again.
    body = announced(f"Patient/{record.id}", pdf("right"))
    body["masterIdentifier"] = told["masterIdentifier"]
    assert ask(app, "POST", f"{FHIR}/$upload", DOCTOR, body)[0] == 201


def test_an_announcement_may_be_corrected_while_it_is_awaited(app, record):
    body = announced(f"Patient/{record.id}", pdf("x"))
    first = form_of(ask(app, "POST", f"{FHIR}/$upload", DOCTOR, body)[1])[0]
    corrected = announced(f"Patient/{record.id}", pdf("corrected"))
    corrected["masterIdentifier"] = body["masterIdentifier"]
    status, told, _ = ask(app, "POST", f"{FHIR}/$upload", DOCTOR, corrected)
    assert (status, form_of(told)[0]["id"]) == (201, first["id"])
    assert checked(arrive(first["id"], pdf("corrected"))) == []
    assert ask(app, "GET", f"{FHIR}/{first['id']}", DOCTOR)[1]["docStatus"] == "final"
    assert ask(app, "POST", f"{FHIR}/$upload", DOCTOR, body)[0] == 409


@pytest.mark.parametrize("replacing_another", [False, True])
def test_what_came_already_needs_no_form(app, record, replacing_another):
    changes = {}
    if replacing_another:
        first = publish(app, reference(f"Patient/{record.id}"))[1]["id"]
        changes = {"relatesTo": replacing(first)}
    data = pdf("une fois")
    body = announced(f"Patient/{record.id}", data, **changes)
    document = form_of(ask(app, "POST", f"{FHIR}/$upload", DOCTOR, body)[1])[0]["id"]
    assert checked(arrive(document, data)) == []
    before = len(traces(record.id))
    status, told, headers = ask(app, "POST", f"{FHIR}/$upload", DOCTOR, body)
    (answer,) = told["parameter"]
    resource = answer["resource"]
    assert (status, answer["name"]) == (200, "documentReference")
    assert (resource["id"], resource["docStatus"]) == (document, "final")
    assert headers["Location"].endswith(document)
    (trace,) = traces(record.id)[before:]
    assert (trace["act"], trace["outcome"]) == ("document.read", "done")
    consent(record, OTHER_PS, "authorisation")
    assert ask(app, "POST", f"{FHIR}/$upload", COLLEAGUE, body)[0] in {409, 422}


def test_a_worker_that_dies_leaves_an_upload_that_the_next_one_settles(app, record, monkeypatch):

    data = pdf("interrompu")
    document, _, _ = prepare(app, record, data)
    message, verb = arrive(document, data), settle_upload()
    for where, step in (
        (verb.quarantine, "move"),
        (verb.documents, "settle"),
        (verb.quarantine, "drop"),
    ):
        with monkeypatch.context() as patch:

            def killed(*_):
                raise RuntimeError

            patch.setattr(type(where), step, killed)
            assert checked(message) == [message["messageId"]]
    assert checked(message) == []
    assert ask(app, "GET", f"{FHIR}/{document}", DOCTOR)[1]["docStatus"] == "final"
    assert len(kept(record.id)) == 1
    assert f"in/{document}" not in waiting()
    acts = [t["act"] for t in traces(record.id) if t.get("target") == document]
    assert acts.count("document.publish") == 1


def test_one_bad_message_comes_back_alone(app, record):
    data = pdf("x")
    document, _, _ = prepare(app, record, data)
    good = arrive(document, data)
    bad = good | {"messageId": "bad", "body": "{"}
    foreign = good | {
        "messageId": "foreign",
        "body": json.dumps(
            {"detail-type": "Object Created", "detail": {"object": {"key": "in/../x"}}}
        ),
    }
    assert checked(bad, foreign, good) == ["bad"]
    assert ask(app, "GET", f"{FHIR}/{document}", DOCTOR)[1]["docStatus"] == "final"


def test_an_upload_that_replaces_supersedes_when_it_has_passed(app, record):
    old = publish(app, reference(f"Patient/{record.id}"))[1]["id"]
    data = pdf("v2")
    document, _, _ = prepare(app, record, data, relatesTo=replacing(old))
    assert listed(app, HOLDER, record.id) == [old]
    assert checked(arrive(document, data)) == []
    assert listed(app, HOLDER, record.id) == [document]


def test_an_upload_into_a_record_closed_meanwhile_is_rejected(app, record):

    data = pdf("x")
    document, _, _ = prepare(app, record, data)
    client("dynamodb").put_item(
        **put("accounts", record_item(replace(record, status=RecordStatus.CLOSED)))["Put"]
    )
    assert checked(arrive(document, data)) == []
    (item,) = documents(record.id)
    assert item["rejection"].startswith("record-closed:")


# -- what the house makes itself


def test_a_generated_document_is_published_once_whatever_its_bytes(app, record):

    resource = reference(
        f"Patient/{record.id}",
        type=coded("urn:oid:1.2.250.1.213.1.1.4.12", "REMB"),
        category=[coded("urn:oid:1.2.250.1.213.1.1.4.1", "60")],
    )
    del resource["content"][0]["attachment"]["data"]
    verb, now = wiring.publish_document(), datetime.now(UTC)
    chosen = document_id(record.id, new_ulid(now))
    first = verb.generated(record.id, chosen, resource, pdf("1"), now)
    again = verb.generated(record.id, chosen, resource, pdf("2"), now)
    assert (first.created, again.created) == (True, False)
    assert first.document.id == again.document.id == chosen
    assert first.document.author == "feeder#ALIM_AM"
    assert listed(app, HOLDER, record.id) == [chosen]
    assert publish(app, resource | {"content": reference("x")["content"]})[0] == 404
