"""What somebody tries who wants to see more than they may."""

from __future__ import annotations

import base64
import json
import statistics
import time
from typing import Any

import pytest

from tests.e2e.client import Dmp, pdf, reference, rpps
from tests.e2e.test_a_tokens import assert_refused, rewritten
from tests.support.people import somebody

FHIR = "/fhir/DocumentReference"
NOBODY = "0" * 26
REPORTS = {"type": "http://loinc.org|11488-4"}  # what the insurer brings comes when it comes
ELSEWHERE = "512000015"
READER, STRANGER = 401, 402
SEARCHES = ["/fhir/DocumentReference", "/fhir/Consent", "/fhir/AuditEvent",
            "/fhir/ExplanationOfBenefit"]  # fmt: skip
REASON = "Patient inconscient, détresse vitale"


def doctor(dmp: Dmp, rank: int, *more: str) -> str:
    """Reader and stranger act in one structure: the holder named the reader alone, and no one
    else is presumed authorised by that."""
    return dmp.professional(rank, "10", "--structure", ELSEWHERE, *more)


def plain(answer) -> Any:
    """An answer without what may differ by its request."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"date", "x-request-id", "x-amzn-requestid", "x-amzn-trace-id"}
    }
    return answer.status_code, headers, answer.text


def alike(forbidden, unknown, record: str) -> bool:
    """The same answer, the id that was asked for apart."""
    told = plain(forbidden)[2].replace(record, NOBODY)
    return (forbidden.status_code, told) == (unknown.status_code, plain(unknown)[2])


@pytest.fixture(scope="module")
def person():
    return somebody()


@pytest.fixture(scope="module")
def record(dmp: Dmp, person) -> str:
    record = dmp.open(person)
    assert dmp.consent(dmp.holder(person), record, "authorisation", READER).status_code == 201
    return record


@pytest.fixture(scope="module")
def masked(dmp: Dmp, record) -> dict[str, Any]:
    """A masked document among visible ones."""
    for text in ("un", "deux"):
        assert dmp.post(FHIR, dmp.doctor(), json=reference(record, pdf(text))).status_code == 201
    resource = reference(record, pdf("masqué"))
    resource["securityLabel"].append(
        {"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.13", "code": "MASQUE_PS"}]}
    )
    made = dmp.post(FHIR, dmp.doctor(), json=resource)
    assert made.status_code == 201, made.text
    return dict(made.json())


@pytest.mark.parametrize("path", SEARCHES)
def test_a_record_of_somebody_else_answers_like_none(dmp: Dmp, record, masked, path):
    more = {"status": "current"} if path == FHIR else {}
    for bearer in (
        doctor(dmp, STRANGER),
        dmp.holder(somebody()),
        dmp.agent(),
        dmp.agent("operations"),
        dmp.token("system", "--structure", ELSEWHERE),
    ):
        forbidden = dmp.get(path, bearer, params={"patient": record, **more})
        unknown = dmp.get(path, bearer, params={"patient": NOBODY, **more})
        assert not forbidden.json().get("entry"), forbidden.text
        assert alike(forbidden, unknown, record), (forbidden.text, unknown.text)


@pytest.mark.parametrize(
    "place",
    ["/fhir/DocumentReference/{}", "/fhir/Binary/{}", "/fhir/Patient/{record}",
     "/enrolment/records/{record}", "/fhir/Consent/{record}.authorisation.8" + rpps(READER),
     "/fhir/Consent/{record}.authorisation.8" + rpps(READER) + "/_history",
     "/fhir/AuditEvent/{record}." + "0" * 26, "/notifications/{record}/preferences"],
)  # fmt: skip
def test_a_thing_of_somebody_else_answers_like_none(dmp: Dmp, record, masked, place):
    for bearer in (doctor(dmp, STRANGER), dmp.holder(somebody())):
        forbidden = dmp.get(place.format(masked["id"], record=record), bearer)
        unknown = dmp.get(place.format(f"{NOBODY}.{NOBODY}", record=NOBODY), bearer)
        assert forbidden.status_code in {403, 404}, forbidden.text
        assert alike(forbidden, unknown, record), (forbidden.text, unknown.text)


def test_a_cursor_of_one_record_opens_no_other(dmp: Dmp, record, masked):
    other = somebody()
    theirs = dmp.open(other)
    for text in ("a", "b", "c"):
        dmp.post(FHIR, dmp.doctor(), json=reference(theirs, pdf(text)))
    page = dmp.get(
        FHIR, dmp.holder(other), params={"patient": theirs, "status": "current", "_count": "1"}
    ).json()
    (following,) = [link["url"] for link in page["link"] if link["relation"] == "next"]
    swapped = following.replace(theirs, record)
    for bearer in (doctor(dmp, READER), doctor(dmp, STRANGER)):
        answer = dmp.get(swapped, bearer)
        assert answer.status_code == 400 or not answer.json().get("entry")
        assert theirs not in answer.text.replace(following, "")


@pytest.mark.parametrize("forged", ["x", "AAAA", "../..", "9" * 400, "MQ==", "null", "%00"])
def test_a_forged_cursor_is_refused(dmp: Dmp, record, forged):
    for path in SEARCHES:
        more = {"status": "current"} if path == FHIR else {}
        answer = dmp.get(
            path, doctor(dmp, READER), params={"patient": record, "_cursor": forged, **more}
        )
        assert answer.status_code == 400, (path, answer.text)


@pytest.mark.parametrize(
    "parameters",
    [
        {"_include": "DocumentReference:relatesto"},
        {"_revinclude": "AuditEvent:entity"},
        {"_include": "*"},
        {"security-label": "MASQUE_PS"},
        {"security-label:not": "N"},
        {"_has:AuditEvent:entity:agent": "x"},
        {"_summary": "count"},
        {"_elements": "securityLabel"},
        {"_total": "accurate"},
        {"_filter": "id ne 1"},
        {"_text": "masqué"},
        {"_id": "masked"},
        {"identifier": "masked"},
        {"_lastUpdated": "ge2020-01-01"},
        {"_sort": "security-label"},
        {"_count": "0"},
    ],
    ids=lambda parameters: next(iter(parameters)),
)
def test_no_parameter_looks_behind_a_mask(dmp: Dmp, record, masked, parameters):
    told = {
        name: {"_id": masked["id"], "identifier": masked["masterIdentifier"]["value"]}.get(
            name if value == "masked" else "", value
        )
        for name, value in parameters.items()
    }
    answer = dmp.get(
        FHIR,
        doctor(dmp, READER),
        params={"patient": record, "status": "current", **REPORTS, **told},
    )
    assert answer.status_code in {200, 400}, answer.text
    given = {value for value in told.values() if len(value) > 20}
    text = answer.text
    for value in given:  # what the caller sent may come back in the links
        text = text.replace(value, "").replace(value.replace(":", "%3A"), "")
    assert masked["id"] not in text
    assert masked["masterIdentifier"]["value"] not in text
    if answer.status_code == 200:
        assert answer.json().get("total", 2) <= 2


def test_a_masked_document_is_in_no_count(dmp: Dmp, record, masked):
    reader, author = doctor(dmp, READER), dmp.doctor()
    query = {"patient": record, "status": "current", **REPORTS}
    assert dmp.get(FHIR, reader, params=query).json()["total"] == 2
    page = dmp.get(FHIR, reader, params={**query, "_count": "2"}).json()
    assert [link["relation"] for link in page["link"]] == ["self"]
    assert dmp.get(f"{FHIR}/{masked['id']}", author).status_code == 200


def test_the_author_is_warned_that_it_is_hidden(dmp: Dmp, record, masked):
    seen = dmp.get(f"{FHIR}/{masked['id']}", dmp.doctor()).json()
    assert any("hidden" in one["url"] for one in seen["extension"])


def test_a_token_of_another_issuer_opens_nothing(dmp: Dmp, record, person):
    """Each way of passing one kind of token for another."""
    agent, patient = dmp.agent("operations"), dmp.holder(person)
    professional = dmp.doctor(READER)
    issuers = dmp.stack.content["issuers"]
    for token, issuer in (
        (agent, issuers["professional"]),
        (patient, issuers["professional"]),
        (professional, issuers["patient"]),
        (professional, "https://issuer.example.test"),
    ):
        changed = rewritten(token, iss=issuer)
        assert_refused(dmp.get(FHIR, changed, params={"patient": record}), FHIR)


@pytest.mark.parametrize(
    "claims",
    [
        {"SubjectRole": ["10^1.2.250.1.213.1.1.5.5"]},
        {"SubjectNameID": f"8{rpps(READER)}"},
        {"Mode_Acces_Raison": REASON},
        {"Acces_Regulation_Medicale": "VRAI"},
        {"role": "enrolment"},
    ],
    ids=lambda claims: next(iter(claims)),
)
def test_a_changed_claim_breaks_the_token(dmp: Dmp, record, claims):
    assert_refused(dmp.get(FHIR, rewritten(doctor(dmp, STRANGER), **claims)), FHIR)


def test_a_foreign_key_signs_nothing(dmp: Dmp):
    import jwt  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    token = dmp.doctor(READER)
    head = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    claims = jwt.decode(token, options={"verify_signature": False})
    ours = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    forged = jwt.encode(claims, ours, algorithm="RS256", headers={"kid": head["kid"]})
    assert_refused(dmp.get(FHIR, forged), FHIR)
    jku = jwt.encode(
        claims, ours, algorithm="RS256",
        headers={"kid": head["kid"], "jku": "http://127.0.0.1:9/jwks", "jwk": {"kty": "oct"}},
    )  # fmt: skip
    assert_refused(dmp.get(FHIR, jku), FHIR)


@pytest.mark.parametrize("profession", ["26", "70", "86", "93"])
def test_a_reason_without_the_profession_is_no_emergency(dmp: Dmp, record, masked, profession):
    bearer = dmp.professional(404, profession, "--structure", ELSEWHERE, "--reason", REASON)
    found = dmp.get(FHIR, bearer, params={"patient": record, "status": "current"})
    assert not found.json().get("entry")
    assert not found.json()["total"]


def test_a_pharmacist_regulates_nothing(dmp: Dmp, record, masked):
    bearer = dmp.professional(405, "21", "--structure", ELSEWHERE, "--regulation")
    found = dmp.get(FHIR, bearer, params={"patient": record, "status": "current"})
    assert not found.json().get("entry")


def test_an_emergency_changes_nothing(dmp: Dmp, record, masked, person):
    urgent = doctor(dmp, READER, "--reason", REASON)
    assert dmp.consent(urgent, record, "authorisation", READER).status_code in {403, 404}
    masking = [{"op": "add", "path": "/securityLabel/-",
                "value": {"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.13",
                                      "code": "MASQUE_PS"}]}}]  # fmt: skip
    visible = dmp.get(
        FHIR, doctor(dmp, READER), params={"patient": record, "status": "current"}
    ).json()["entry"][0]["resource"]["id"]
    answer = dmp.call(
        "PATCH", f"{FHIR}/{visible}", urgent, content=json.dumps(masking),
        headers={"Content-Type": "application/json-patch+json"},
    )  # fmt: skip
    assert answer.status_code in {403, 404}


@pytest.mark.parametrize("specialty", ["SM25"])
def test_an_occupational_doctor_never_enters(dmp: Dmp, record, masked, person, specialty):
    bearer = doctor(dmp, 406, "--specialty", specialty)
    assert dmp.consent(dmp.holder(person), record, "authorisation", 406).status_code in {200, 201}
    assert not dmp.get(FHIR, bearer, params={"patient": record, "status": "current"}).json()[
        "total"
    ]
    found = dmp.get(
        "/fhir/Patient", bearer, params={"identifier": f"urn:oid:{person.oid}|{person.matricule}"}
    )
    assert found.json()["total"] == 0


def test_numbers_cannot_be_enumerated_but_by_professionals(dmp: Dmp, record, person):
    known = f"urn:oid:{person.oid}|{person.matricule}"
    unknown = somebody()
    other = f"urn:oid:{unknown.oid}|{unknown.matricule}"
    for bearer in (
        dmp.holder(somebody()),
        dmp.agent(),
        dmp.agent("operations"),
        dmp.token("system", "--structure", ELSEWHERE),
    ):
        mine, nobodys = (
            dmp.get("/fhir/Patient", bearer, params={"identifier": one}) for one in (known, other)
        )
        assert (mine.status_code, mine.json()["total"]) == (200, 0)
        told = mine.text.replace(person.matricule, unknown.matricule)
        assert (nobodys.status_code, nobodys.text) == (200, told)
        for one in (known, other):
            listed = dmp.get(FHIR, bearer, params={"patient.identifier": one, "status": "current"})
            assert listed.json()["total"] == 0


def test_the_clock_tells_nothing(dmp: Dmp, record, masked):
    """Unknown and forbidden take about the same time: medians of alternating requests."""
    bearer = doctor(dmp, STRANGER)
    took: dict[str, list[float]] = {record: [], NOBODY: []}
    for round_ in range(24):
        for one in (record, NOBODY) if round_ % 2 else (NOBODY, record):
            start = time.perf_counter()
            dmp.get(FHIR, bearer, params={"patient": one, "status": "current"})
            took[one].append(time.perf_counter() - start)
    forbidden, unknown = (statistics.median(took[one][4:]) for one in (record, NOBODY))
    assert 0.5 < forbidden / unknown < 2.0, (forbidden, unknown)
