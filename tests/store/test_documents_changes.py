"""Changing a document in place: who may set and lift which label, archive, and delete."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure, System
from dmp.domain.documents import Visibility
from dmp.domain.identity import NIR, TEST, Traits
from dmp.domain.ids import new_record_id
from dmp.domain.records import Basis, RecordStatus, Representative
from dmp.store.documents import Documents
from functions.documents import wiring
from tests.support.calls import counted
from tests.support.documents import (
    COLLEAGUE,
    CONFIDENTIALITY,
    DOCTOR,
    FINESS,
    MASKS,
    OTHER_PS,
    announced,
    by_holder,
    coded,
    pdf,
    reference,
    sha1_of,
)
from tests.support.documents_area import (
    FHIR,
    HOLDER,
    MATRICULE,
    NOW,
    consent,
    documents,
    faults,
    listed,
    opened,
    publish,
    running,
    traces,
)
from tests.support.gateway import ask

ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
PARENT = Person("c" * 64, "PAT-DEUX", ("ALEX",), date(1950, 1, 1), "male", "51215")
GUARDIAN = Representative(
    Traits("PAT-DEUX", ("ALEX",), date(1950, 1, 1), "male", "51215"),
    Basis.GUARDIANSHIP,
    NOW - timedelta(days=30),
)
NURSE = Professional("899700024450", "60", structure=Structure("130000001", "SA07"))
EMERGENCY = replace(COLLEAGUE, emergency_reason="patient inconscient, urgence vitale")
STRANGER = Professional("810100095314", "10", structure=Structure("690000002", "SA07"))
NOS = "https://mos.esante.gouv.fr/NOS"


@pytest.fixture(scope="module")
def app():
    with running() as area:
        yield area


@pytest.fixture
def record(app):
    """A doctor's, a médecin traitant's, a delegate's and a nurse's consents; a guardian."""
    record = opened(representatives=(GUARDIAN,))
    consent(record, OTHER_PS, "authorisation")
    consent(record, NURSE.id, "authorisation")
    return record


def label(*codes: str) -> list[dict[str, Any]]:
    """Labels in the addresses that partners use."""
    return [coded(CONFIDENTIALITY if len(code) == 1 else MASKS, code) for code in codes]


def sent(record, *codes: str, actor=DOCTOR, **changes: Any) -> dict[str, Any]:
    build = by_holder if isinstance(actor, Person) else reference
    body = build(f"Patient/{record.id}", securityLabel=label(*codes) if codes else None, **changes)
    status, told, _ = publish(app_of(), body, actor)
    assert status == 201, told
    return told


def app_of():
    from functions.documents.app import app  # noqa: PLC0415 - the account is there by now

    return app


def patch(actor, document: str, *operations: Any, url: str | None = None, **headers: str):
    return ask(
        app_of(),
        "PATCH",
        url or f"{FHIR}/{document}",
        actor,
        json.dumps(list(operations)).encode(),
        **{"Content-Type": "application/json-patch+json", **headers},
    )


def op(verb: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": verb, "path": path, **more}


def labelled(*codes: str) -> dict[str, Any]:
    return op("add", "/securityLabel", value=label(*codes))


ASIDE = op("add", "/extension/-", value={"url": ARCHIVED, "valueBoolean": True})


def deleted() -> dict[str, Any]:
    return op("replace", "/status", value="entered-in-error")


def codes_of(told: dict[str, Any]) -> set[str]:
    return {coding["code"] for one in told.get("securityLabel", ()) for coding in one["coding"]}


# -- what changes, and what is told of it


def test_the_holder_masks_a_document_and_the_doctor_sees_it_no_more(record):
    document = sent(record, "N")
    assert listed(app_of(), COLLEAGUE, record.id) == [document["id"]]
    status, told, headers = patch(
        HOLDER, document["id"], op("add", "/securityLabel/-", value=label("MASQUE_PS")[0])
    )
    assert (status, headers["ETag"], told["meta"]["versionId"]) == (200, 'W/"2"', "2")
    assert codes_of(told) == {"N", "MASQUE_PS"}
    assert told["meta"]["lastUpdated"] > document["meta"]["lastUpdated"]
    assert {"url": "urn:dmp:hidden-from-others", "valueBoolean": True} in told["extension"]
    assert listed(app_of(), COLLEAGUE, record.id) == []
    assert ask(app_of(), "GET", f"{FHIR}/{document['id']}", COLLEAGUE)[0] == 404
    assert ask(app_of(), "GET", f"/fhir/Binary/{document['id']}", COLLEAGUE)[0] == 404
    assert ask(app_of(), "GET", f"{FHIR}/{document['id']}", DOCTOR)[1] == told


def test_a_change_is_traced_with_its_acts_and_the_rules_that_allowed_them(record):
    document = sent(record, "N")
    patch(HOLDER, document["id"], labelled("N", "MASQUE_PS"), ASIDE)
    trace = traces(record.id)[-1]
    assert (trace["act"], trace["outcome"], trace["target"]) == (
        "document.change",
        "done",
        document["id"],
    )
    assert trace["changes"] == ["mask-document", "archive-document"]
    assert trace["rules"] == ["holder-changes"]
    assert "hiddenFrom" not in trace


def test_a_hidden_document_s_traces_say_from_whom_it_is_hidden(record):
    document = sent(record, "N", "INVISIBLE_PATIENT")
    ask(app_of(), "GET", f"{FHIR}/{document['id']}", COLLEAGUE)
    patch(COLLEAGUE, document["id"], labelled("N"))
    ask(app_of(), "GET", f"{FHIR}/{document['id']}", COLLEAGUE)
    secret = sent(record, "N", "INVISIBLE_REPRESENTANTS_LEGAUX")
    ask(app_of(), "GET", f"/fhir/Binary/{secret['id']}", COLLEAGUE)
    both = ["holder", "representatives"]
    assert [(one["act"], one.get("hiddenFrom")) for one in traces(record.id)] == [
        ("document.publish", both),
        ("document.read", both),
        ("document.change", both),
        ("document.read", None),
        ("document.publish", ["representatives"]),
        ("document.content", ["representatives"]),
    ]


def test_archived_is_shown_and_taken_back(record):
    document = sent(record, "N")
    status, told, _ = patch(HOLDER, document["id"], ASIDE)
    assert status == 200
    assert told["extension"] == [
        *document["extension"],
        {"url": ARCHIVED, "valueBoolean": True},
    ]
    assert documents(record.id)[0]["archived"] is True
    assert listed(app_of(), COLLEAGUE, record.id) == [document["id"]]  # put aside, not hidden
    place = told["extension"].index({"url": ARCHIVED, "valueBoolean": True})
    status, told, _ = patch(
        COLLEAGUE, document["id"], op("replace", f"/extension/{place}/valueBoolean", value=False)
    )
    assert (status, told["extension"][place]["valueBoolean"]) == (200, False)
    assert "archived" not in documents(record.id)[0]


def test_an_extension_may_be_named_by_its_url_as_pdsm_does(record):
    document = sent(record, "N")
    path = f"/extension[url:'{ARCHIVED}']/valueBoolean"
    for value, version in ((True, "2"), (False, "3")):
        status, told, _ = patch(COLLEAGUE, document["id"], op("replace", path, value=value))
        assert (status, told["meta"]["versionId"]) == (200, version)
        assert {"url": ARCHIVED, "valueBoolean": value} in told["extension"]
    bare = sent(record, "N", extension=None)
    assert patch(COLLEAGUE, bare["id"], op("replace", path, value=True))[1]["extension"] == [
        {"url": ARCHIVED, "valueBoolean": True}
    ]
    wrong = path.replace("pdsm-ext-is-archived", "another")
    assert patch(COLLEAGUE, bare["id"], op("replace", wrong, value=True))[0] == 405


def test_a_document_may_be_sent_archived(record):
    extension = [{"url": ARCHIVED, "valueBoolean": True}]
    document = sent(record, "N", extension=extension)
    assert document["extension"] == extension
    assert documents(record.id)[0]["archived"] is True
    body = reference(f"Patient/{record.id}", extension=[{"url": ARCHIVED}])
    status, told, _ = publish(app_of(), body)
    assert (status, faults(told)) == (422, {("DocumentReference.extension", "archived")})


@pytest.mark.parametrize(
    "system",
    [
        "urn:oid:1.2.250.1.213.1.1.4.13",
        f"{NOS}/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument",
        f"{NOS}/TRE_A10-NiveauConfidentialite/FHIR/TRE-A10-NiveauConfidentialite",
        "https://smt.esante.gouv.fr/fhir/CodeSystem/tre-a07-statut-visibilite-document",
        "https://smt.esante.gouv.fr/terminologie-tre_a10-niveau-confidentialite",
    ],
)
def test_codes_are_taken_in_the_addresses_that_partners_write(record, system):
    document = sent(record, "N")
    mask = coded(system, "INVISIBLE_PATIENT")
    status, told, _ = patch(
        COLLEAGUE, document["id"], op("replace", "/securityLabel/0", value=mask)
    )
    assert (status, told["securityLabel"]) == (200, [mask])
    assert documents(record.id)[0]["visibility"] == {"INVISIBLE_PATIENT"}
    assert ask(app_of(), "GET", f"{FHIR}/{document['id']}", HOLDER)[0] == 404
    again = coded(CONFIDENTIALITY, "N")
    assert (
        patch(COLLEAGUE, document["id"], op("replace", "/securityLabel/0", value=again))[0] == 200
    )
    assert ask(app_of(), "GET", f"{FHIR}/{document['id']}", HOLDER)[0] == 200


def test_the_same_patch_again_changes_nothing(record):
    document = sent(record, "N")["id"]
    first = patch(HOLDER, document, labelled("N", "MASQUE_PS"))
    again = patch(HOLDER, document, labelled("N", "MASQUE_PS"))
    assert (again[0], again[1]) == (200, first[1])
    assert again[2]["ETag"] == 'W/"2"'
    assert traces(record.id)[-1]["act"] == "document.read"
    assert patch(HOLDER, document)[1] == first[1]


def test_a_label_that_stays_keeps_its_writing_whoever_patches(record):
    written = {"coding": [{**label("N")[0]["coding"][0], "display": "normal"}], "text": "Normal"}
    body = reference(f"Patient/{record.id}", securityLabel=[written])
    document = publish(app_of(), body)[1]
    other = {"coding": [{"system": "urn:oid:2.16.840.1.113883.5.25", "code": "N"}]}
    status, told, _ = patch(HOLDER, document["id"], op("replace", "/securityLabel/0", value=other))
    assert (status, told["meta"]["versionId"]) == (200, "1")
    assert told["securityLabel"] == [written]
    mask = label("MASQUE_PS")[0]
    status, told, _ = patch(
        HOLDER, document["id"], op("add", "/securityLabel", value=[mask, other])
    )
    assert (status, told["securityLabel"]) == (200, [mask, written])


def test_a_mask_set_on_a_document_without_labels_is_lifted_by_taking_it_away(record):
    document = sent(record)["id"]
    assert patch(HOLDER, document, labelled("MASQUE_PS"))[0] == 200
    assert traces(record.id)[-1]["changes"] == ["mask-document"]
    status, told, _ = patch(HOLDER, document, op("remove", "/securityLabel"))
    assert (status, "securityLabel" in told) == (200, False)
    assert traces(record.id)[-1]["changes"] == ["unmask-document"]
    assert documents(record.id)[0]["visibility"] == {"N"}


# -- who may


@pytest.mark.parametrize(
    ("before", "change", "expected"),
    [
        (
            ("N",),
            labelled("N", "MASQUE_PS"),
            {
                "holder": 200, "guardian": 200, "author": 200, "authorised": 200, "nurse": 200,
                "medecin-traitant": 200, "delegate": 200, "stranger": 404, "emergency": 403,
                "agent": 404,
            },
        ),
        (
            ("N", "MASQUE_PS"),
            labelled("N"),
            {
                "holder": 200, "guardian": 200, "author": 200, "authorised": 404, "nurse": 404,
                "medecin-traitant": 200, "delegate": 200, "stranger": 404, "emergency": 404,
                "agent": 404,
            },
        ),
        (
            ("N",),
            labelled("N", "INVISIBLE_PATIENT"),
            {
                "holder": 403, "guardian": 403, "author": 200, "authorised": 200, "nurse": 200,
                "medecin-traitant": 200, "delegate": 200, "stranger": 404, "emergency": 403,
                "agent": 404,
            },
        ),
        (
            ("N", "INVISIBLE_PATIENT"),
            labelled("N"),
            {
                "holder": 404, "guardian": 404, "author": 200, "authorised": 200, "nurse": 200,
                "medecin-traitant": 200, "delegate": 200, "stranger": 404, "emergency": 403,
                "agent": 404,
            },
        ),
        (
            ("N", "INVISIBLE_REPRESENTANTS_LEGAUX"),
            labelled("N"),
            {
                "holder": 200, "guardian": 404, "author": 200, "authorised": 200, "nurse": 200,
                "medecin-traitant": 200, "delegate": 200, "stranger": 404, "emergency": 403,
                "agent": 404,
            },
        ),
        (
            ("N",),
            labelled("N", "INVISIBLE_REPRESENTANTS_LEGAUX"),
            {
                "holder": 422, "guardian": 422, "author": 422, "authorised": 422, "nurse": 422,
                "medecin-traitant": 422, "delegate": 422, "stranger": 404, "emergency": 422,
                "agent": 404,
            },
        ),
        (
            ("N",),
            labelled("R"),
            {
                "holder": 403, "guardian": 403, "author": 200, "authorised": 403, "nurse": 403,
                "medecin-traitant": 200, "delegate": 200, "stranger": 404, "emergency": 403,
                "agent": 404,
            },
        ),
        (
            ("N",),
            ASIDE,
            {
                "holder": 200, "guardian": 200, "author": 200, "authorised": 200, "nurse": 200,
                "medecin-traitant": 200, "delegate": 200, "stranger": 404, "emergency": 403,
                "agent": 404,
            },
        ),
        (
            ("N",),
            deleted(),
            {
                "holder": 403, "guardian": 403, "author": 200, "authorised": 403, "nurse": 403,
                "medecin-traitant": 403, "delegate": 403, "stranger": 404, "emergency": 403,
                "agent": 404,
            },
        ),
    ],
    ids=[
        "mask", "unmask", "hide from patient", "show to patient", "show to representatives",
        "hide from representatives", "grade", "archive", "delete",
    ],
)  # fmt: skip
def test_each_change_is_for_those_whom_the_rules_name(record, before, change, expected):
    actors = {
        "holder": HOLDER,
        "guardian": PARENT,
        "author": DOCTOR,
        "authorised": COLLEAGUE,
        "nurse": NURSE,
        "medecin-traitant": replace(STRANGER, id="899700000001"),
        "delegate": replace(STRANGER, id="899700000002", profession="60"),
        "stranger": STRANGER,
        "emergency": replace(EMERGENCY, id=STRANGER.id),
        "agent": Agent("agent-7", AgentRole.ENROLMENT, "751"),
    }
    consent(record, "899700000001", "medecin-traitant")
    consent(record, "899700000002", "delegate")
    told = {}
    for who, actor in actors.items():
        document = sent(record, *before)["id"]
        told[who] = patch(actor, document, change)[0]
        stands = next(one for one in documents(record.id) if document.endswith(one["sk"][4:]))
        assert stands["version"] == (2 if told[who] == 200 else 1), who
    assert told == expected


def test_a_structure_s_software_changes_what_it_sent_and_nothing_else(record):
    software = System(Structure(FINESS))
    custodian = {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": f"1{FINESS}"}}
    own = sent(record, "N", actor=software, custodian=custodian, author=[custodian])["id"]
    other = sent(record, "N")["id"]
    for change in (labelled("N", "INVISIBLE_PATIENT"), labelled("R"), ASIDE, deleted()):
        assert patch(software, own, change)[0] == 200, change
        assert patch(software, other, change)[0] == 404


def test_all_acts_of_a_patch_are_allowed_or_none_is_done(record):
    document = sent(record, "N")["id"]
    status, told, _ = patch(HOLDER, document, labelled("R", "MASQUE_PS"), ASIDE)
    assert (status, told["issue"][0]["code"]) == (403, "forbidden")
    (stands,) = documents(record.id)
    assert (stands["version"], stands["visibility"]) == (1, {"N"})
    trace = traces(record.id)[-1]
    assert (trace["act"], trace["outcome"]) == ("document.change", "refused")
    assert trace["changes"] == ["mask-document", "grade-confidentiality", "archive-document"]


def test_what_one_deposited_once_is_not_changed_by_who_is_no_representative_any_more(record):
    ended = replace(GUARDIAN, until=NOW - timedelta(days=1))
    former = opened(representatives=(ended,))
    document = sent(former, "N", actor=HOLDER)["id"]
    assert patch(PARENT, document, labelled("N", "MASQUE_PS"))[0] == 404


# -- what nobody may


def test_masked_and_invisible_at_once_unless_the_parameter_says_so(record, monkeypatch):
    document = sent(record, "N", "INVISIBLE_PATIENT")["id"]
    change = labelled("N", "INVISIBLE_PATIENT", "MASQUE_PS")
    status, told, _ = patch(COLLEAGUE, document, change)
    assert status == 422
    assert faults(told) == {("DocumentReference.securityLabel", "label-combination")}
    body = reference(f"Patient/{record.id}", securityLabel=label("MASQUE_PS", "INVISIBLE_PATIENT"))
    status, told, _ = publish(app_of(), body)
    assert (status, faults(told)) == (
        422,
        {("DocumentReference.securityLabel", "label-combination")},
    )
    told = wiring.parameters()
    allowing = replace(told, masked_and_invisible=True)
    verb = replace(wiring.change_document(), parameters=allowing)
    monkeypatch.setattr(wiring, "parameters", lambda: allowing)
    monkeypatch.setattr(wiring, "change_document", lambda: verb)
    assert patch(COLLEAGUE, document, change)[0] == 200
    assert publish(app_of(), body)[0] == 201


def test_a_secret_shown_to_representatives_is_never_one_again(record):
    document = sent(record, "N", "INVISIBLE_REPRESENTANTS_LEGAUX")["id"]
    assert patch(HOLDER, document, labelled("N"))[0] == 200
    assert ask(app_of(), "GET", f"{FHIR}/{document}", PARENT)[0] == 200
    status, told, _ = patch(DOCTOR, document, labelled("N", "INVISIBLE_REPRESENTANTS_LEGAUX"))
    assert (status, faults(told)) == (422, {("DocumentReference.securityLabel", "irreversible")})


@pytest.mark.parametrize(
    ("operations", "fault"),
    [
        ([labelled("X")], ("DocumentReference.securityLabel[0]", "unknown-code")),
        (
            [op("add", "/securityLabel", value=[coded("urn:oid:1.2.3", "N")])],
            ("DocumentReference.securityLabel[0]", "unknown-code"),
        ),
        (
            [op("add", "/securityLabel", value=[{"coding": [{"system": MASKS}]}])],
            ("DocumentReference.securityLabel", "unknown-code"),
        ),
        (
            [op("replace", "/securityLabel", value="restricted")],
            ("DocumentReference.securityLabel", "list-type"),
        ),
        (
            [op("replace", "/status", value="current ")],
            ("DocumentReference.status", "unknown-code"),
        ),
        ([op("remove", "/status")], ("DocumentReference.status", "unknown-code")),
        ([op("replace", "/status", value="superseded")], ("DocumentReference.status", "status")),
        (
            [op("add", "/extension/-", value={"url": ARCHIVED, "valueBoolean": "true"})],
            ("DocumentReference.extension[1].valueBoolean", "bool-type"),
        ),
        ([ASIDE, ASIDE], ("DocumentReference.extension", "archived")),
        (
            [op("add", "/extension/-", value={"url": ARCHIVED})],
            ("DocumentReference.extension", "archived"),
        ),
        ([op("test", "/status", value="superseded")], ("patch[0]", "test-failed")),
        ([op("remove", "/securityLabel/9")], ("patch[0]", "patch")),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(record, operations, fault):
    document = sent(record, "N")["id"]
    status, told, _ = patch(DOCTOR, document, *operations)
    assert (status, faults(told)) == (422, {fault})
    assert documents(record.id)[0]["version"] == 1
    trace = traces(record.id)[-1]
    assert (trace["act"], trace["outcome"]) == ("document.change", "failed")


@pytest.mark.parametrize(
    "operation",
    [
        op("replace", "/type", value={}),
        op("replace", "/content/0/attachment/title", value="autre"),
        op("replace", "/docStatus", value="final"),
        op("remove", "/extension/0"),
        op("add", "/extension/-", value={"url": "urn:another", "valueBoolean": True}),
        op("replace", "/id", value="x"),
        op("replace", "", value={}),
        op("add", "/relatesTo", value=[]),
        op("move", "/securityLabel/0/text", **{"from": "/description"}),
    ],
)
def test_a_patch_of_anything_else_is_not_allowed_and_changes_nothing(record, operation):
    document = sent(record, "N", description="x")["id"]
    status, told, headers = patch(DOCTOR, document, labelled("R"), operation)
    assert (status, told["issue"][0]["code"]) == (405, "not-supported")
    assert headers["Allow"] == "GET, PATCH"
    (stands,) = documents(record.id)
    assert (stands["version"], stands["visibility"]) == (1, {"N"})


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b'[{"op": "remove", "path": "status"}]', b'[{"op": "add"}', b"\xff"],
)
def test_what_is_no_patch_is_malformed_for_everybody(record, body):
    document = sent(record, "N")["id"]
    told = {"Content-Type": "application/json-patch+json"}
    for actor in (DOCTOR, STRANGER):
        assert ask(app_of(), "PATCH", f"{FHIR}/{document}", actor, body, **told)[0] == 400


@pytest.mark.parametrize("media", ["application/fhir+json", "application/json", "text/plain"])
def test_a_patch_of_another_type_is_not_taken(record, media):
    document = sent(record, "N")["id"]
    body = json.dumps([ASIDE]).encode()
    assert (
        ask(app_of(), "PATCH", f"{FHIR}/{document}", DOCTOR, body, **{"Content-Type": media})[0]
        == 415
    )


# -- deleting


def test_a_deleted_document_is_gone_for_all_but_its_author_and_changes_no_more(record):
    document = sent(record, "N")["id"]
    status, told, _ = patch(DOCTOR, document, deleted())
    assert (status, told["status"], told["docStatus"]) == (200, "entered-in-error", "final")
    for actor in (HOLDER, COLLEAGUE, PARENT):
        for place in (FHIR, "/fhir/Binary"):
            assert ask(app_of(), "GET", f"{place}/{document}", actor)[0] == 404
        query = f"{FHIR}?patient={record.id}&status=current,superseded,entered-in-error"
        assert ask(app_of(), "GET", query, actor)[1]["total"] == 0
        assert patch(actor, document, ASIDE)[0] == 404
    assert ask(app_of(), "GET", f"{FHIR}/{document}", DOCTOR)[1] == told
    for change in (op("replace", "/status", value="current"), ASIDE, labelled("R")):
        status, wrong, _ = patch(DOCTOR, document, change)
        assert (status, faults(wrong)) == (422, {("DocumentReference.status", "deleted")})
    assert patch(DOCTOR, document, deleted())[0] == 200


def test_the_holder_deletes_what_they_deposited_and_nobody_else_s(record):
    own, other = sent(record, "N", actor=HOLDER)["id"], sent(record, "N")["id"]
    assert patch(HOLDER, own, deleted())[0] == 200
    assert patch(HOLDER, other, deleted())[0] == 403


def test_a_replaced_document_keeps_its_labels_to_change_and_is_not_deleted_alone(record):
    first = sent(record, "N")["id"]
    relates = [{"code": "replaces", "target": {"reference": f"DocumentReference/{first}"}}]
    sent(record, "N", relatesTo=relates)
    assert patch(HOLDER, first, labelled("N", "MASQUE_PS"))[1]["status"] == "superseded"
    status, told, _ = patch(DOCTOR, first, deleted())
    assert (status, faults(told)) == (422, {("DocumentReference.status", "status")})


def test_what_is_announced_is_not_changed_before_it_is_there(record):
    body = announced(f"Patient/{record.id}", pdf("plus tard"))
    told = ask(app_of(), "POST", f"{FHIR}/$upload", DOCTOR, body)[1]
    document = told["parameter"][0]["resource"]["id"]
    status, told, _ = patch(DOCTOR, document, labelled("N", "MASQUE_PS"))
    assert (status, faults(told)) == (422, {("DocumentReference.docStatus", "not-final")})
    assert patch(HOLDER, document, labelled("N", "MASQUE_PS"))[0] == 404


# -- at the same time


def test_a_change_of_another_version_is_stale(record):
    document = sent(record, "N")["id"]
    stale = {"If-Match": 'W/"1"'}
    assert patch(HOLDER, document, labelled("N", "MASQUE_PS"), **stale)[0] == 200
    status, told, _ = patch(HOLDER, document, labelled("N"), **stale)
    assert (status, told["issue"][0]["details"]["coding"][0]["code"]) == (412, "stale-version")
    assert traces(record.id)[-1]["outcome"] == "failed"
    assert patch(HOLDER, document, labelled("N"), **{"If-Match": 'W/"2"'})[0] == 200
    assert patch(HOLDER, document, labelled("N"), **{"If-Match": "two"})[0] == 400
    assert patch(STRANGER, document, labelled("N"), **stale)[0] == 404


def test_of_changes_at_the_same_moment_none_is_lost(record, monkeypatch):
    """The archive state changes after the holder's patch was read: both stand in the end."""
    document = sent(record, "N")["id"]
    change, first = Documents.change, []

    def overtaken(self, *arguments):
        if not first:
            first.append(None)
            now = NOW + timedelta(seconds=1)
            rewrite = rewriting_of(ASIDE)
            first[0] = wiring.change_document()(DOCTOR, document, rewrite, None, now)
        return change(self, *arguments)

    monkeypatch.setattr(Documents, "change", overtaken)
    rewrite = rewriting_of(labelled("N", "MASQUE_PS"))
    told = wiring.change_document()(HOLDER, document, rewrite, None, NOW + timedelta(seconds=2))
    assert (told.version, told.archived) == (3, True)
    assert told.visibility == {Visibility.NORMAL, Visibility.HIDDEN_FROM_PROFESSIONALS}


def rewriting_of(*operations):
    from functions.documents.changing import rewriting  # noqa: PLC0415 - beside its only use

    return rewriting(list(operations), "https://dmp.test/fhir")


def test_who_is_overtaken_each_time_is_told_of_the_conflict(record, monkeypatch):
    document = sent(record, "N")["id"]
    monkeypatch.setattr(Documents, "change", lambda *_: False)
    assert patch(HOLDER, document, ASIDE)[0] == 409
    assert traces(record.id)[-1]["outcome"] == "failed"


# -- by the producer's identifier


def named(document: dict[str, Any], more: str = "") -> str:
    identifier = document["masterIdentifier"]
    return f"{FHIR}?identifier={identifier['system']}|{identifier['value']}{more}"


@pytest.mark.parametrize("more", ["", "&patient={id}", "&patient=Patient/{id}", "ins"])
def test_a_document_is_changed_by_its_producer_s_identifier(record, more):
    record = opened(matricule="277076322082910", oid=NIR)
    document = sent(record, "N")
    if more == "ins":
        more = f"&patient.identifier=urn:oid:{NIR}|277076322082910"
    url = named(document, more.format(id=record.id))
    status, told, headers = patch(DOCTOR, "", labelled("N", "MASQUE_PS"), url=url)
    assert (status, told["id"], headers["ETag"]) == (200, document["id"], 'W/"2"')
    value = document["masterIdentifier"]["value"]
    assert patch(HOLDER, "", labelled("N"), url=f"{FHIR}?identifier={value}")[0] == 200


def test_no_document_of_that_name_and_none_of_the_caller_s_business_are_the_same(record):
    document = sent(record, "N")
    other = opened(matricule="277076322082910")
    wrong = [
        (DOCTOR, f"{FHIR}?identifier=urn:ietf:rfc:3986|urn:oid:9.9.9"),
        (DOCTOR, named(document).replace("urn:ietf:rfc:3986", "urn:other")),
        (DOCTOR, named(document, f"&patient={other.id}")),
        (DOCTOR, named(document, "&patient=unknown")),
        (DOCTOR, named(document, f"&patient.identifier=urn:oid:{TEST}|155067200010159")),
        (STRANGER, named(document)),
        (STRANGER, named(document, f"&patient={record.id}")),
    ]
    told = [patch(actor, "", ASIDE, url=url)[:2] for actor, url in wrong]
    assert [status for status, _ in told] == [404] * len(wrong)
    assert all(body == told[0][1] for _, body in told)


def test_a_stranger_s_condition_costs_the_same_whether_it_is_met(record):
    document = sent(record, "N", "MASQUE_PS")
    unknown = f"{FHIR}?identifier=urn:ietf:rfc:3986|urn:oid:9.9.9"
    found = []
    for actor, url in (
        (STRANGER, named(document)),
        (COLLEAGUE, named(document)),
        (STRANGER, unknown),
        (COLLEAGUE, unknown),
    ):
        with counted() as calls:
            assert patch(actor, "", ASIDE, url=url)[0] == 404
        found.append(list(calls))
    assert found[0] == ["dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:PutItem"]
    assert found.count(found[0]) == len(found)


def test_of_several_documents_of_a_name_those_that_one_may_read_count(record):
    document = sent(record, "N")
    body = reference(
        f"Patient/{record.id}",
        author=[{"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": OTHER_PS}}],
        custodian={"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1130000001"}},
        masterIdentifier=document["masterIdentifier"],
    )
    status, twin, _ = publish(app_of(), body, COLLEAGUE)
    assert status == 201
    status, told, _ = patch(HOLDER, "", ASIDE, url=named(document))
    assert (status, told["issue"][0]["code"]) == (412, "multiple-matches")
    status, told, _ = patch(DOCTOR, "", ASIDE, url=named(document))
    assert (status, told["id"]) == (200, document["id"])
    assert patch(HOLDER, document["id"], labelled("N", "MASQUE_PS"))[0] == 200
    status, told, _ = patch(COLLEAGUE, "", ASIDE, url=named(document))
    assert (status, told["id"]) == (200, twin["id"])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "identifier=",
        "identifier=a&identifier=b",
        "identifier=a,b",
        "identifier=urn:x|",
        "identifier=a&status=current",
        "identifier:exact=a",
        "identifier=a&patient=x&patient=y",
        f"identifier=a&patient=x&patient.identifier=urn:oid:{TEST}|{MATRICULE}",
    ],
)
def test_a_condition_that_could_mean_something_else_is_malformed(record, query):
    assert patch(DOCTOR, "", ASIDE, url=f"{FHIR}?{query}")[0] == 400


# -- the cost


def test_a_change_takes_one_read_and_one_transaction(record):
    document = sent(record, "N")["id"]
    with counted() as calls:
        assert patch(HOLDER, document, labelled("N", "MASQUE_PS"))[0] == 200
    assert calls == ["dynamodb:BatchGetItem", "dynamodb:TransactWriteItems"]


def test_a_patch_of_what_is_not_there_a_closed_record_s_and_a_forbidden_one_are_the_same(record):
    document = sent(record, "N")["id"]
    closed = opened(status=RecordStatus.CLOSED)
    answers, costs = [], []
    for one in (
        document,
        f"{record.id}.{new_record_id()}",
        f"{closed.id}.{new_record_id()}",
        f"{new_record_id()}.{new_record_id()}",
    ):
        with counted() as calls:
            answers.append(patch(STRANGER, one, ASIDE)[:2])
        costs.append(list(calls))
    assert [status for status, _ in answers] == [404] * 4
    assert answers.count(answers[0]) == 4
    assert costs.count(["dynamodb:BatchGetItem", "dynamodb:PutItem"]) == 4


def test_no_trace_no_change(record, monkeypatch):
    document = sent(record, "N")["id"]
    monkeypatch.setattr(wiring._documents()._journal, "put", _broken)
    assert patch(HOLDER, document, ASIDE)[0] == 500
    assert documents(record.id)[0]["version"] == 1


def _broken(trace):
    raise OSError


# -- replaced by a new version


def instead_of(document: dict[str, Any]) -> dict[str, Any]:
    target = {"reference": f"DocumentReference/{document['id']}"}
    return {"relatesTo": [{"code": "replaces", "target": target}]}


def test_what_the_patient_masked_comes_back_in_no_new_version(record):
    document = sent(record, "N")
    patch(HOLDER, document["id"], labelled("N", "MASQUE_PS"))
    new = sent(record, "N", **instead_of(document))
    assert codes_of(new) == {"N", "MASQUE_PS"}
    assert ask(app_of(), "GET", f"{FHIR}/{new['id']}", COLLEAGUE)[0] == 404
    assert patch(DOCTOR, new["id"], labelled("N"))[0] == 200, "its author shows it by a deed"


def test_a_new_version_keeps_a_minor_s_secret(record):
    secret = sent(record, "N", "INVISIBLE_REPRESENTANTS_LEGAUX")
    new = sent(record, "R", **instead_of(secret))
    assert codes_of(new) == {"R", "INVISIBLE_REPRESENTANTS_LEGAUX"}


def test_a_new_version_is_announced_as_its_sender_says(record):
    unannounced = sent(record, "N", "INVISIBLE_PATIENT")
    new = sent(record, "N", **instead_of(unannounced))
    assert codes_of(new) == {"N"}


def test_a_new_version_of_a_masked_document_awaits_no_announcement(record):
    masked = sent(record, "N", "MASQUE_PS")
    body = reference(
        f"Patient/{record.id}", securityLabel=label("N", "INVISIBLE_PATIENT"), **instead_of(masked)
    )
    status, told, _ = publish(app_of(), body, DOCTOR)
    assert status == 422
    assert "label-combination" in json.dumps(told)


ROOMMATE = replace(DOCTOR, id="810100095314")
"""A doctor of the same structure as the author."""


def test_a_colleague_neither_replaces_nor_finds_what_is_masked(record):
    """What one does not see is like what is not there, its labels too, at the same cost."""
    unseen = sent(record, "N", "MASQUE_PS")
    unknown = {"id": f"{record.id}.{new_record_id()}"}
    told = []
    for target in (unseen, unknown):
        for label_of_mine in ("N", "INVISIBLE_PATIENT"):
            body = reference(
                f"Patient/{record.id}", securityLabel=label(label_of_mine), **instead_of(target)
            )
            with counted() as calls:
                status, answer, _ = publish(app_of(), body, ROOMMATE)
            told.append((status, faults(answer), calls))
    assert told[:2] == told[2:]
    assert {status for status, _, _ in told} == {422}
    assert told[0][1] == {("DocumentReference.relatesTo[0].target", "unknown-document")}
    assert ask(app_of(), "GET", f"{FHIR}/{unseen['id']}", DOCTOR)[1]["status"] == "current"


def test_a_colleague_replaces_what_their_structure_sent_without_an_authorisation(record):
    document = sent(record, "N")
    new = reference(f"Patient/{record.id}", **instead_of(document))
    status, told, _ = publish(app_of(), new, ROOMMATE)
    assert status == 201
    patch(HOLDER, document["id"], labelled("N", "MASQUE_PS"))
    again = publish(app_of(), new, ROOMMATE)
    assert (again[0], again[1]["id"]) == (200, told["id"]), "the replaced one was hidden since"


# -- sent again, or in vain


def test_who_sends_a_document_again_that_was_hidden_from_them_is_answered_what_they_sent(record):
    consent(record, OTHER_PS, "authorisation", "medecin-traitant")
    body = by_holder(f"Patient/{record.id}")
    first = publish(app_of(), body, HOLDER)[1]
    assert patch(COLLEAGUE, first["id"], labelled("N", "INVISIBLE_PATIENT"))[0] == 200
    assert ask(app_of(), "GET", f"{FHIR}/{first['id']}", HOLDER)[0] == 404
    before = len(traces(record.id))
    status, told, headers = publish(app_of(), body, HOLDER)
    for each in (first, told):
        each["meta"].pop("lastUpdated")
    assert (status, told) == (200, first)
    assert "ETag" not in headers
    (trace,) = traces(record.id)[before:]
    assert (trace["act"], trace["outcome"]) == ("document.read", "refused")
    assert set(trace["hiddenFrom"]) == {"holder", "representatives"}


def test_who_announces_again_what_was_hidden_from_them_is_answered_what_they_sent(record):
    consent(record, OTHER_PS, "authorisation", "medecin-traitant")
    data = pdf("mien")
    body = by_holder(f"Patient/{record.id}", data)
    first = publish(app_of(), body, HOLDER)[1]
    assert patch(COLLEAGUE, first["id"], labelled("N", "INVISIBLE_PATIENT"))[0] == 200
    attachment = body["content"][0]["attachment"]
    del attachment["data"]
    attachment |= {"size": len(data), "hash": sha1_of(data)}
    status, told, _ = ask(app_of(), "POST", f"{FHIR}/$upload", HOLDER, body)
    (answer,) = told["parameter"]
    assert (status, answer["resource"]["id"]) == (200, first["id"])
    assert codes_of(answer["resource"]) == {"N"}
    assert answer["resource"]["meta"]["versionId"] == "1"


@pytest.mark.parametrize("upload", [False, True])
@pytest.mark.parametrize(
    ("code", "hidden"),
    [
        ("INVISIBLE_REPRESENTANTS_LEGAUX", {"representatives"}),
        ("INVISIBLE_PATIENT", {"holder", "representatives"}),
    ],
)
def test_the_trace_of_a_deposit_that_failed_says_from_whom_it_was_hidden(
    record, code, hidden, upload
):
    build = announced if upload else reference
    nothing = instead_of({"id": f"{record.id}.{new_record_id()}"})
    body = build(f"Patient/{record.id}", pdf("x"), securityLabel=label("N", code), **nothing)
    status, _, _ = ask(app_of(), "POST", f"{FHIR}/$upload" if upload else FHIR, DOCTOR, body)
    assert status == 422
    assert set(traces(record.id)[-1]["hiddenFrom"]) == hidden


def test_the_trace_of_a_refused_deposit_says_from_whom_it_was_hidden(record):
    consent(record, OTHER_PS, "block")
    body = reference(
        f"Patient/{record.id}", securityLabel=label("N", "INVISIBLE_REPRESENTANTS_LEGAUX")
    )
    assert publish(app_of(), body, COLLEAGUE)[0] == 404
    assert traces(record.id)[-1]["hiddenFrom"] == ["representatives"]
