"""A record is opened once, by those who may, for those who agree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.client import FINESS, Dmp, rpps
from tests.support.people import opening, somebody


@pytest.mark.parametrize(
    ("who", "channel"),
    [
        (lambda dmp: dmp.pharmacist(), "pharmacist"),
        (lambda dmp: dmp.doctor(), "professional"),
        (lambda dmp: dmp.professional(9, "60"), "professional"),
        (lambda dmp: dmp.agent(), "caisse"),
        (lambda dmp: dmp.token("system", "--structure", FINESS), "establishment"),
    ],
)
def test_each_channel_opens_a_record(dmp: Dmp, who, channel):
    answer = dmp.post("/enrolment/records", who(dmp), json=opening(somebody()))
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["status"], told["channel"]) == ("open", channel)
    assert told["history"]["status"] in {"pending", "running", "complete", "empty"}
    assert {"recordId", "openedAt"} <= set(told)


def test_a_person_has_one_record(dmp: Dmp):
    someone = somebody()
    dmp.open(someone)
    again = dmp.post("/enrolment/records", dmp.doctor(), json=opening(someone))
    assert again.status_code == 409
    assert again.json()["type"] == "urn:dmp:problem/record-already-open"


def test_twenty_requests_at_once_open_one_record(dmp: Dmp):
    body = opening(somebody())
    bearer = dmp.pharmacist()
    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda _: dmp.post("/enrolment/records", bearer, json=body), range(20))
        )
    assert sorted(a.status_code for a in answers) == [201] + [409] * 19


def test_the_same_request_gets_the_same_answer(dmp: Dmp):
    body, key = opening(somebody()), {"Idempotency-Key": "5f0c-1"}
    bearer = dmp.pharmacist()
    with ThreadPoolExecutor(5) as pool:
        answers = list(
            pool.map(
                lambda _: dmp.post("/enrolment/records", bearer, json=body, headers=key), range(5)
            )
        )
    assert {a.status_code for a in answers} == {201}, [a.text for a in answers]
    assert len({a.json()["recordId"] for a in answers}) == 1


def test_one_key_serves_one_request(dmp: Dmp):
    key = {"Idempotency-Key": "5f0c-2"}
    first = dmp.post("/enrolment/records", dmp.pharmacist(), json=opening(somebody()), headers=key)
    assert first.status_code == 201
    other = dmp.post("/enrolment/records", dmp.pharmacist(), json=opening(somebody()), headers=key)
    assert other.status_code == 422
    assert other.json()["type"] == "urn:dmp:problem/idempotency-key-reused"
    # Another caller's key is another key.
    elsewhere = dmp.post("/enrolment/records", dmp.doctor(), json=opening(somebody()), headers=key)
    assert elsewhere.status_code == 201


def test_every_wrong_field_is_named(dmp: Dmp):
    someone = somebody()
    body = opening(someone, scheme="sécu", source="dictated")
    body["ins"] = {**someone.ins, "oid": "1.2.250.1.213.1.4.8", "matricule": "279035121518900"}
    body["traits"] = {**someone.traits, "birthDate": "1979-02-31"}
    body["contact"] = {"email": "not an address"}
    answer = dmp.post("/enrolment/records", dmp.pharmacist(), json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    fields = {error["field"] for error in answer.json()["errors"]}
    assert {"scheme", "source", "traits.birthDate", "contact.email"} <= fields


def test_a_wrong_key_is_an_invalid_identity(dmp: Dmp):
    body = opening(somebody(oid="1.2.250.1.213.1.4.8"))
    matricule = body["ins"]["matricule"]
    body["ins"]["matricule"] = matricule[:-2] + f"{(int(matricule[-2:]) + 1) % 97:02d}"
    answer = dmp.post("/enrolment/records", dmp.pharmacist(), json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:dmp:problem/invalid-ins"
    assert matricule[:-2] not in answer.text


def test_traits_that_contradict_the_number_are_refused(dmp: Dmp):
    someone = somebody()
    body = opening(someone, traits={**someone.traits, "sex": "male"})
    answer = dmp.post("/enrolment/records", dmp.pharmacist(), json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:dmp:problem/traits-mismatch"


@pytest.mark.parametrize("consent", [None, {}, {"opening": False}])
def test_no_record_without_consent(dmp: Dmp, consent):
    body = opening(somebody())
    body["consent"] = (
        consent
        if not consent
        else {"opposesBreakGlass": False, "opposesCentre15": False, **consent}
    )
    if consent is None:
        del body["consent"]
    answer = dmp.post("/enrolment/records", dmp.pharmacist(), json=body)
    assert answer.status_code == 422
    if consent:
        assert answer.json()["type"] == "urn:dmp:problem/consent-required"


@pytest.mark.parametrize("who", ["operations", "patient"])
def test_who_may_not_open_is_told_so(dmp: Dmp, who):
    someone = somebody()
    bearer = dmp.agent("operations") if who == "operations" else dmp.holder(someone)
    answer = dmp.post("/enrolment/records", bearer, json=opening(someone))
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_somebody_elses_record_looks_like_none(dmp: Dmp):
    record = dmp.open()
    stranger = dmp.holder(somebody())
    theirs = dmp.get(f"/enrolment/records/{record}", stranger)
    nobodys = dmp.get(f"/enrolment/records/{'0' * 26}", stranger)
    assert (theirs.status_code, theirs.json()) == (404, nobodys.json())
    assert nobodys.status_code == 404


def test_another_content_type_is_refused(dmp: Dmp):
    answer = dmp.post(
        "/enrolment/records",
        dmp.pharmacist(),
        content=b"<a/>",
        headers={"Content-Type": "text/xml"},
    )
    assert answer.status_code == 415


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000])
def test_unreadable_json_is_refused_clearly(dmp: Dmp, body):
    answer = dmp.post(
        "/enrolment/records",
        dmp.pharmacist(),
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "urn:dmp:problem/malformed"


def test_titles_are_french_unless_asked_otherwise(dmp: Dmp):
    french = dmp.post("/enrolment/records", dmp.pharmacist(), json={})
    english = dmp.post(
        "/enrolment/records", dmp.pharmacist(), json={}, headers={"Accept-Language": "en-GB"}
    )
    assert french.json()["title"] != english.json()["title"]
    assert french.headers["content-language"] == "fr"


def test_a_patient_is_recognised_by_their_traits_on_the_first_visit(dmp: Dmp):
    someone = somebody()
    record = dmp.open(someone)
    seen = dmp.get(f"/enrolment/records/{record}", dmp.holder(someone))
    assert seen.status_code == 200, seen.text
    assert seen.json()["recordId"] == record


def test_an_exact_ins_tells_a_professional_whether_there_is_a_record(dmp: Dmp):
    someone = somebody()
    identifier = f"urn:oid:{someone.oid}|{someone.matricule}"
    before = dmp.get("/fhir/Patient", dmp.doctor(), params={"identifier": identifier})
    assert before.status_code == 200
    assert before.json()["total"] == 0
    record = dmp.open(someone)
    after = dmp.get("/fhir/Patient", dmp.doctor(), params={"identifier": identifier}).json()
    assert after["entry"][0]["resource"]["id"] == record


def test_a_wrong_rpps_is_no_professional(dmp: Dmp):
    wrong = rpps(2)[:-1] + str((int(rpps(2)[-1]) + 1) % 10)
    bearer = dmp.token("professional", "--rpps", wrong, "--profession", "10")
    assert dmp.post("/enrolment/records", bearer, json=opening(somebody())).status_code in {
        401,
        422,
    }
