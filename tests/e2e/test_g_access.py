"""Who sees what, who decides it, and who is told: the access rules as callers meet them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.client import NURSE, Dmp, consent_of, pdf, reference, rpps
from tests.support.people import Someone, opening, somebody

FHIR = "/fhir/DocumentReference"
CONSENT, TRACES = "/fhir/Consent", "/fhir/AuditEvent"
HOSPITAL, ELSEWHERE, FAR = "510000029", "512000015", "690000999"
MASKS = "urn:oid:1.2.250.1.213.1.1.4.13"
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
REASON = "Patient inconscient, détresse vitale"
TODAY = datetime.now(UTC).date()


def doctor(dmp: Dmp, rank: int, *more: str, structure: str = ELSEWHERE) -> str:
    return dmp.professional(rank, "10", "--structure", structure, *more)


def patch(dmp: Dmp, path: str, bearer: str, *operations: dict[str, Any], **headers: str):
    return dmp.call(
        "PATCH",
        path,
        bearer,
        content=json.dumps(operations),
        headers={**JSON_PATCH, **headers},
    )


def revoke(dmp: Dmp, bearer: str, consent: str, **headers: str):
    inactive = {"op": "replace", "path": "/status", "value": "inactive"}
    return patch(dmp, f"{CONSENT}/{consent}", bearer, inactive, **headers)


def labels(dmp: Dmp, bearer: str, document: str, *codes: str, **headers: str):
    """Put exactly these labels (besides N) on a document."""
    told = [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                     "code": "N"}]},
        *({"coding": [{"system": MASKS, "code": code}]} for code in codes),
    ]  # fmt: skip
    replaced = {"op": "replace", "path": "/securityLabel", "value": told}
    return patch(dmp, f"{FHIR}/{document}", bearer, replaced, **headers)


def setting(record: str, kind: str, provision: str) -> dict[str, Any]:
    body = consent_of(record, kind, 1, provision)
    del body["provision"]["actor"]
    return body


def publish(dmp: Dmp, record: str, *codes: str, rank: int = 2, **changes: Any) -> str:
    resource = reference(record, pdf(f"{rank} {codes}"), rank=rank, **changes)
    resource["securityLabel"] += [{"coding": [{"system": MASKS, "code": code}]} for code in codes]
    made = dmp.post(FHIR, dmp.doctor(rank), json=resource)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def listed(dmp: Dmp, bearer: str, record: str) -> list[str]:
    """The reports that the caller finds: what the insurer brings comes when it comes."""
    query = {"patient": record, "status": "current", "type": "http://loinc.org|11488-4"}
    found = dmp.get(FHIR, bearer, params=query)
    assert found.status_code == 200, found.text
    matches = [one["resource"] for one in found.json().get("entry", [])]
    matches = [one for one in matches if one["resourceType"] == "DocumentReference"]
    assert found.json()["total"] == len(matches)
    return [one["id"] for one in matches]


def state(dmp: Dmp, bearer: str, someone: Someone) -> dict[str, Any]:
    found = dmp.get(
        "/fhir/Patient", bearer, params={"identifier": f"urn:oid:{someone.oid}|{someone.matricule}"}
    ).json()
    told = found["entry"][0]["resource"]
    return {one["url"].rsplit("/", 1)[-1]: one for one in told["extension"]} | {
        "active": told["active"]
    }


def authorisation(dmp: Dmp, bearer: str, someone: Someone) -> str:
    return str(state(dmp, bearer, someone)["urn:dmp:authorisation-state"]["valueCode"])


@pytest.fixture
def person() -> Someone:
    return somebody()


@pytest.fixture
def record(dmp: Dmp, person) -> str:
    return dmp.open(person)


# -- authorisation ---------------------------------------------------------------------------------


def test_an_authorisation_opens_and_its_revocation_closes_at_the_next_request(dmp, record, person):
    document, holder, reader = publish(dmp, record), dmp.holder(person), doctor(dmp, 301)
    assert authorisation(dmp, reader, person) == "NON_EXISTE"
    given = dmp.consent(holder, record, "authorisation", 301)
    assert given.status_code == 201
    assert authorisation(dmp, reader, person) == "VALIDE"
    assert listed(dmp, reader, record) == [document]
    taken = revoke(dmp, holder, given.json()["id"])
    assert (taken.status_code, taken.json()["status"]) == (200, "inactive")
    assert dmp.get(f"{FHIR}/{document}", reader).status_code == 404
    assert listed(dmp, reader, record) == []
    assert authorisation(dmp, reader, person) == "NON_EXISTE"


def test_an_authorisation_ends_by_itself(dmp, record, person, eventually):
    document, reader = publish(dmp, record), doctor(dmp, 302)
    body, now = consent_of(record, "authorisation", 302), datetime.now(UTC)
    body["provision"]["period"] = {
        "start": (now - timedelta(days=9)).isoformat(timespec="seconds"),
        "end": (now + timedelta(seconds=8)).isoformat(timespec="seconds"),
    }
    given = dmp.post(CONSENT, dmp.holder(person), json=body)
    assert given.status_code == 201, given.text
    assert dmp.get(f"{FHIR}/{document}", reader).status_code == 200
    assert eventually(lambda: authorisation(dmp, reader, person) == "EXPIRE")
    assert dmp.get(f"{FHIR}/{document}", reader).status_code == 404


def test_a_block_is_lifted_by_the_holder_and_nobody_else(dmp, record, person):
    document, holder, reader = publish(dmp, record), dmp.holder(person), doctor(dmp, 303)
    dmp.consent(holder, record, "authorisation", 303)
    block = dmp.consent(holder, record, "block", 303, "deny").json()["id"]
    assert authorisation(dmp, reader, person) == "INTERDIT"
    assert revoke(dmp, reader, block).status_code in {403, 404}
    assert revoke(dmp, doctor(dmp, 304), block).status_code in {403, 404}
    assert dmp.consent(reader, record, "authorisation", 303).status_code in {403, 404, 409}
    urgent = doctor(dmp, 303, "--reason", REASON)
    assert dmp.get(f"{FHIR}/{document}", urgent).status_code == 404
    assert revoke(dmp, holder, block).status_code == 200
    assert dmp.consent(holder, record, "authorisation", 303).status_code in {200, 201}
    assert dmp.get(f"{FHIR}/{document}", reader).status_code == 200


def test_a_stale_version_changes_nothing(dmp, record, person):
    holder = dmp.holder(person)
    given = dmp.consent(holder, record, "authorisation", 305)
    stale = revoke(dmp, holder, given.json()["id"], **{"If-Match": 'W/"99"'})
    assert stale.status_code == 412, stale.text
    assert authorisation(dmp, doctor(dmp, 305), person) == "VALIDE"
    right = revoke(dmp, holder, given.json()["id"], **{"If-Match": given.headers["etag"]})
    assert right.status_code == 200


def test_a_consent_keeps_its_history(dmp, record, person):
    holder = dmp.holder(person)
    consent = dmp.consent(holder, record, "authorisation", 306).json()["id"]
    revoke(dmp, holder, consent)
    dmp.consent(holder, record, "authorisation", 306)
    told = dmp.get(f"{CONSENT}/{consent}/_history", holder)
    assert told.status_code == 200, told.text
    assert told.json()["type"] == "history"
    states = [entry["resource"]["status"] for entry in told.json()["entry"]]
    assert states == ["active", "inactive", "active"]
    assert dmp.get(f"{CONSENT}/{consent}/_history", doctor(dmp, 307)).status_code == 404


@pytest.mark.parametrize("kind", ["break-glass-opposition", "centre15-opposition"])
def test_an_opposition_holds_until_it_is_taken_back(dmp, record, person, kind):
    document, holder = publish(dmp, record), dmp.holder(person)
    mode = ["--reason", REASON] if kind.startswith("break") else ["--regulation"]
    urgent = doctor(dmp, 308, *mode)
    assert dmp.get(f"{FHIR}/{document}", urgent).status_code == 200
    opposed = dmp.post(CONSENT, holder, json=setting(record, kind, "deny"))
    assert opposed.status_code == 201, opposed.text
    assert dmp.get(f"{FHIR}/{document}", urgent).status_code == 404
    assert revoke(dmp, holder, opposed.json()["id"]).status_code == 200
    assert dmp.get(f"{FHIR}/{document}", urgent).status_code == 200


def test_masked_documents_show_in_an_emergency_only_if_the_holder_said_so(dmp, record, person):
    masked, holder = publish(dmp, record, "MASQUE_PS"), dmp.holder(person)
    urgent = doctor(dmp, 309, "--reason", REASON)
    assert dmp.get(f"{FHIR}/{masked}", urgent).status_code == 404
    said = dmp.post(CONSENT, holder, json=setting(record, "masked-in-emergency", "permit"))
    assert said.status_code == 201, said.text
    assert dmp.get(f"{FHIR}/{masked}", urgent).status_code == 200


def test_the_medecin_traitant_sees_masked_documents_and_blocks_on_request(dmp, record, person):
    masked, holder, treating = (
        publish(dmp, record, "MASQUE_PS"),
        dmp.holder(person),
        doctor(dmp, 310),
    )
    named = dmp.consent(holder, record, "medecin-traitant", 310)
    assert named.status_code == 201, named.text
    assert state(dmp, treating, person)["dmp-medecin-traitant"]["valueBoolean"] is True
    assert listed(dmp, treating, record) == [masked]
    block = dmp.consent(treating, record, "block", 311, "deny")
    assert block.status_code == 201, block.text
    assert revoke(dmp, treating, block.json()["id"]).status_code in {403, 404}
    assert dmp.get(TRACES, treating, params={"patient": record}).json()["entry"]
    nurse = dmp.professional(312, NURSE, "--structure", ELSEWHERE)
    dmp.consent(holder, record, "medecin-traitant", 312)
    assert dmp.get(f"{FHIR}/{masked}", nurse).status_code == 404


def test_a_delegate_has_the_same_rights(dmp, record, person):
    masked, holder = publish(dmp, record, "MASQUE_PS"), dmp.holder(person)
    assert dmp.consent(doctor(dmp, 313), record, "delegate", 313).status_code in {403, 404}
    assert dmp.consent(holder, record, "delegate", 313).status_code == 201
    assert listed(dmp, doctor(dmp, 313), record) == [masked]
    assert dmp.get(TRACES, doctor(dmp, 313), params={"patient": record}).json()["entry"]


def test_colleagues_of_an_authorised_professional_are_presumed_authorised(dmp, record, person):
    document, holder = publish(dmp, record), dmp.holder(person)
    first, second = (doctor(dmp, rank, structure=HOSPITAL) for rank in (314, 315))
    assert dmp.get(f"{FHIR}/{document}", second).status_code == 404
    own = dmp.consent(first, record, "authorisation", 314)
    assert own.status_code == 201, own.text
    assert dmp.get(f"{FHIR}/{document}", second).status_code == 200
    assert authorisation(dmp, second, person) == "VALIDE"
    assert dmp.get(f"{FHIR}/{document}", doctor(dmp, 315, structure=FAR)).status_code == 404
    assert dmp.consent(holder, record, "block", 315, "deny").status_code == 201
    assert dmp.get(f"{FHIR}/{document}", second).status_code == 404
    assert revoke(dmp, holder, own.json()["id"]).status_code == 200
    assert dmp.get(f"{FHIR}/{document}", doctor(dmp, 316, structure=HOSPITAL)).status_code == 404


def test_who_authorises_one_professional_by_name_lets_no_colleague_in(dmp, record, person):
    document, holder = publish(dmp, record), dmp.holder(person)
    first, second = (doctor(dmp, rank, structure=HOSPITAL) for rank in (318, 319))
    given = dmp.consent(holder, record, "authorisation", 318)
    assert given.status_code == 201, given.text
    assert dmp.get(f"{FHIR}/{document}", first).status_code == 200
    assert listed(dmp, first, record) == [document]
    assert dmp.get(f"{FHIR}/{document}", second).status_code == 404
    assert listed(dmp, second, record) == []
    assert authorisation(dmp, second, person) == "NON_EXISTE"
    now = dmp.get(f"{CONSENT}/{given.json()['id']}", holder)
    assert now.headers["etag"] == given.headers["etag"]
    assert "organization" not in now.json()


def test_colleagues_are_presumed_where_the_holder_named_the_structure(dmp, record, person):
    document, holder = publish(dmp, record), dmp.holder(person)
    second = doctor(dmp, 319, structure=HOSPITAL)
    where = {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": f"1{HOSPITAL}"}
    named = {**consent_of(record, "authorisation", 318), "organization": [{"identifier": where}]}
    assert dmp.get(f"{FHIR}/{document}", second).status_code == 404
    given = dmp.post(CONSENT, holder, json=named)
    assert given.status_code == 201, given.text
    assert dmp.get(f"{FHIR}/{document}", second).status_code == 200
    assert dmp.get(f"{FHIR}/{document}", doctor(dmp, 319, structure=FAR)).status_code == 404
    assert revoke(dmp, holder, given.json()["id"]).status_code == 200
    assert dmp.get(f"{FHIR}/{document}", second).status_code == 404


def test_my_patients_are_the_records_open_to_me(dmp):
    people = [somebody() for _ in range(3)]
    records = [dmp.open(one) for one in people]
    for one, record in zip(people, records, strict=True):
        assert dmp.consent(dmp.holder(one), record, "authorisation", 317).status_code == 201
    mine = doctor(dmp, 317)
    found = dmp.get("/fhir/Patient", mine)
    assert found.status_code == 200, found.text
    assert [e["resource"]["id"] for e in found.json()["entry"]] == records[::-1]
    publish(dmp, records[0], "MASQUE_PS")
    publish(dmp, records[1])
    by_document = dmp.get("/fhir/Patient", mine, params={"_sort": "-last-document"}).json()
    assert by_document["entry"][0]["resource"]["id"] == records[1]
    dmp.consent(dmp.holder(people[1]), records[1], "block", 317, "deny")
    left = [e["resource"]["id"] for e in dmp.get("/fhir/Patient", mine).json()["entry"]]
    assert left == [records[2], records[0]]


# -- labels ----------------------------------------------------------------------------------------


def test_the_holder_masks_and_unmasks(dmp, record, person):
    document, holder, reader = publish(dmp, record), dmp.holder(person), doctor(dmp, 320)
    dmp.consent(holder, record, "authorisation", 320)
    masked = labels(dmp, holder, document, "MASQUE_PS")
    assert masked.status_code == 200, masked.text
    assert dmp.get(f"{FHIR}/{document}", reader).status_code == 404
    assert dmp.get(f"{FHIR}/{document}", dmp.doctor()).status_code == 200, "its author"
    assert labels(dmp, reader, document).status_code == 404
    assert labels(dmp, holder, document, **{"If-Match": 'W/"1"'}).status_code == 412
    assert labels(dmp, holder, document, **{"If-Match": masked.headers["etag"]}).status_code == 200
    assert dmp.get(f"{FHIR}/{document}", reader).status_code == 200


def test_what_awaits_its_announcement_is_shown_by_a_professional(dmp, record, person):
    document, holder = publish(dmp, record, "INVISIBLE_PATIENT"), dmp.holder(person)
    assert listed(dmp, holder, record) == []
    assert document not in dmp.get(TRACES, holder, params={"patient": record}).text
    assert labels(dmp, holder, document).status_code == 404
    assert labels(dmp, dmp.doctor(), document).status_code == 200
    assert listed(dmp, holder, record) == [document]
    assert document in dmp.get(TRACES, holder, params={"patient": record}).text


def test_masked_and_invisible_at_once_is_refused(dmp, record, person):
    document = publish(dmp, record)
    both = labels(dmp, dmp.doctor(), document, "MASQUE_PS", "INVISIBLE_PATIENT")
    assert both.status_code == 422, both.text
    assert dmp.get(f"{FHIR}/{document}", dmp.doctor()).json()["meta"]["versionId"] == "1"


def test_archiving_is_reversible_and_deleting_is_the_authors(dmp, record, person):
    document, holder, reader = publish(dmp, record), dmp.holder(person), doctor(dmp, 321)
    dmp.consent(holder, record, "authorisation", 321)
    url = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
    for archived in (True, False):
        seen = dmp.get(f"{FHIR}/{document}", holder).json()
        extensions = [one for one in seen.get("extension", []) if one["url"] != url]
        told = {
            "op": "replace" if "extension" in seen else "add",
            "path": "/extension",
            "value": [*extensions, {"url": url, "valueBoolean": archived}],
        }
        done = patch(dmp, f"{FHIR}/{document}", holder, told)
        assert done.status_code == 200, done.text
        assert {"url": url, "valueBoolean": archived} in done.json()["extension"]
    deleted = {"op": "replace", "path": "/status", "value": "entered-in-error"}
    for other in (holder, reader):
        assert patch(dmp, f"{FHIR}/{document}", other, deleted).status_code == 403
    assert patch(dmp, f"{FHIR}/{document}", dmp.doctor(), deleted).status_code == 200
    for other in (holder, reader):
        assert dmp.get(f"{FHIR}/{document}", other).status_code == 404


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/subject/reference", "value": "Patient/0"},
        {"op": "replace", "path": "/type/coding/0/code", "value": "34112-3"},
        {"op": "remove", "path": "/author"},
        {"op": "add", "path": "/description", "value": "x"},
        {"op": "replace", "path": "/content/0/attachment/url", "value": "http://example.test"},
        {"op": "replace", "path": "/meta/versionId", "value": "7"},
        {"op": "replace", "path": "/id", "value": "x"},
    ],
    ids=lambda operation: operation["path"],
)
def test_nothing_else_is_patched(dmp, record, person, operation):
    document = publish(dmp, record)
    before = dmp.get(f"{FHIR}/{document}", dmp.doctor()).json()
    masked = {
        "op": "add", "path": "/securityLabel/-",
        "value": {"coding": [{"system": MASKS, "code": "MASQUE_PS"}]},
    }  # fmt: skip
    refused = patch(dmp, f"{FHIR}/{document}", dmp.doctor(), masked, operation)
    assert refused.status_code == 405, refused.text
    assert dmp.get(f"{FHIR}/{document}", dmp.doctor()).json() == before


# -- minors ----------------------------------------------------------------------------------------


def test_a_representative_acts_for_a_minor_and_does_not_see_secret_care(dmp, eventually):
    child, parent = somebody(year=TODAY.year - 14), somebody()
    told = {
        "traits": parent.traits,
        "basis": "parental-authority",
        "contact": {"email": f"parent-{parent.matricule[-6:]}@example.test"},
    }
    record = dmp.open(child, representatives=[told])
    plain, secret = publish(dmp, record), publish(dmp, record, "INVISIBLE_REPRESENTANTS_LEGAUX")
    representing, holder = dmp.holder(parent), dmp.holder(child)
    assert listed(dmp, representing, record) == [plain]
    assert dmp.get(f"{FHIR}/{secret}", representing).status_code == 404
    assert sorted(listed(dmp, holder, record)) == sorted([plain, secret])
    assert dmp.consent(representing, record, "authorisation", 330).status_code == 201
    assert secret in listed(dmp, doctor(dmp, 330), record)
    assert secret not in dmp.get(TRACES, representing, params={"patient": record}).text
    assert secret in dmp.get(TRACES, holder, params={"patient": record}).text
    assert labels(dmp, dmp.doctor(), secret).status_code == 200
    assert secret in listed(dmp, representing, record)
    again = labels(dmp, dmp.doctor(), secret, "INVISIBLE_REPRESENTANTS_LEGAUX")
    assert again.status_code == 422, again.text


def test_nobody_has_parental_authority_over_an_adult(dmp):
    told = {"traits": somebody().traits, "basis": "parental-authority"}
    grown = opening(somebody(year=TODAY.year - 20), representatives=[told])
    refused = dmp.post("/enrolment/records", dmp.pharmacist(), json=grown)
    assert refused.status_code == 422, refused.text


def test_a_stranger_parent_sees_nothing(dmp):
    child, parent = somebody(year=TODAY.year - 9), somebody()
    record = dmp.open(
        child, representatives=[{"traits": parent.traits, "basis": "parental-authority"}]
    )
    publish(dmp, record)
    assert listed(dmp, dmp.holder(somebody()), record) == []
    assert (
        dmp.get(TRACES, dmp.holder(somebody()), params={"patient": record}).json().get("entry", [])
        == []
    )


# -- traces ----------------------------------------------------------------------------------------


def test_the_holder_reads_who_came_and_in_which_mode(dmp, record, person, eventually):
    document, holder = publish(dmp, record), dmp.holder(person)
    urgent = doctor(dmp, 340, "--reason", REASON)
    assert dmp.get(f"{FHIR}/{document}", urgent).status_code == 200
    assert dmp.get(f"{FHIR}/{document}", doctor(dmp, 341)).status_code == 404
    found = dmp.get(TRACES, holder, params={"patient": record}).json()
    assert "total" not in found
    events = [entry["resource"] for entry in found["entry"]]
    who = f"8{rpps(340)}"
    (mine,) = [
        e for e in events
        if who in json.dumps(e["agent"]) and document in json.dumps(e.get("entity", []))
    ]  # fmt: skip
    assert mine["resourceType"] == "AuditEvent"
    assert mine["outcome"] == "0"
    assert "BTG" in json.dumps(mine["purposeOfEvent"])
    refused = [e for e in events if f"8{rpps(341)}" in json.dumps(e["agent"])]
    assert refused
    assert {e["outcome"] for e in refused} <= {"4", "8", "12"}
    only = dmp.get(
        TRACES, holder,
        params={"patient": record, "agent.identifier": f"urn:oid:1.2.250.1.71.4.2.1|{who}"},
    ).json()  # fmt: skip
    assert {who in json.dumps(e["resource"]["agent"]) for e in only["entry"]} == {True}
    later = {"patient": record, "date": f"gt{date.today() + timedelta(days=2):%Y-%m-%d}"}  # noqa: DTZ011
    assert dmp.get(TRACES, holder, params=later).json().get("entry", []) == []


def test_everybody_reads_their_own_acts_and_no_other(dmp, record, person):
    document = publish(dmp, record, rank=342)
    own = dmp.get(TRACES, dmp.doctor(342)).json()
    assert document in json.dumps(own)
    assert {f"8{rpps(342)}" in json.dumps(e["resource"]["agent"]) for e in own["entry"]} == {True}
    other = dmp.get(TRACES, doctor(dmp, 343), params={"patient": record})
    nobody = dmp.get(TRACES, doctor(dmp, 343), params={"patient": "0" * 26})
    assert other.json().get("entry", []) == nobody.json().get("entry", []) == []


# -- telling people --------------------------------------------------------------------------------


def test_an_emergency_is_told_to_holder_and_medecin_traitant(dmp, person, eventually):
    address, office = "urgence.titulaire@example.test", "cabinet.urgence@example.test"
    record = dmp.open(person, contact={"email": address})
    document, holder, treating = publish(dmp, record), dmp.holder(person), doctor(dmp, 350)
    assert dmp.consent(holder, record, "medecin-traitant", 350).status_code == 201
    known = dmp.call("PUT", "/notifications/me", treating, json={"email": office})
    assert known.status_code in {200, 201}, known.text
    urgent = doctor(dmp, 351, "--reason", REASON)
    assert dmp.get(f"{FHIR}/{document}", urgent).status_code == 200
    assert eventually(lambda: [m for m in dmp.mail(address) if "urgence" in json.dumps(m).lower()])
    told = eventually(lambda: dmp.mail(office))
    assert told
    assert person.matricule not in json.dumps(told)
    assert person.family_name not in json.dumps(told)


@pytest.mark.parametrize("reason", ["urgence", "aaaaaaaaaaaaaa", "12345678901234", "          "])
def test_a_reason_without_substance_opens_nothing(dmp, record, reason):
    document = publish(dmp, record)
    urgent = doctor(dmp, 352, "--reason", reason)
    assert dmp.get(f"{FHIR}/{document}", urgent).status_code in {401, 404}


# -- oversight -------------------------------------------------------------------------------------


def test_operations_oversee_emergencies_without_content(dmp, record, person, eventually):
    document = publish(dmp, record)
    urgent = doctor(dmp, 360, "--reason", REASON)
    assert dmp.get(f"{FHIR}/{document}", urgent).status_code == 200
    operations, who = dmp.agent("operations"), f"8{rpps(360)}"

    def mine():
        found = dmp.get("/operations/emergencies", operations)
        assert found.status_code == 200, found.text
        return [row for row in found.json()["rows"] if row["professional"] == who]

    (row,) = eventually(mine)
    text = json.dumps(row, ensure_ascii=False)
    for hidden in (record, document, REASON, person.matricule, person.family_name):
        assert hidden not in text
    followed = dmp.post(
        f"/operations/emergencies/{row['id']}/follow-up", operations, json={"state": "under-review"}
    )
    assert followed.status_code == 200, followed.text
    for other in (dmp.agent(), dmp.doctor(), dmp.holder(person)):
        assert dmp.get("/operations/emergencies", other).status_code == 403
