"""Documents go in checked, come out unchanged, and only to those who may."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.client import Dmp, announced, pdf, reference, upload
from tests.support.people import somebody

FHIR = "/fhir/DocumentReference"
READER, BLOCKED, STRANGER = 11, 12, 13


@pytest.fixture(scope="module")
def person():
    return somebody()


@pytest.fixture(scope="module")
def record(dmp: Dmp, person) -> str:
    """A record whose holder authorised one doctor and blocked another."""
    record = dmp.open(person)
    holder = dmp.holder(person)
    assert dmp.consent(holder, record, "authorisation", READER).status_code == 201
    assert dmp.consent(holder, record, "block", BLOCKED, "deny").status_code == 201
    return record


@pytest.fixture(scope="module")
def document(dmp: Dmp, record) -> dict:
    answer = dmp.post(FHIR, dmp.doctor(), json=reference(record, pdf()))
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_what_went_in_comes_out(dmp: Dmp, record, document):
    sent = reference(record, pdf("Aller et retour"))
    made = dmp.post(FHIR, dmp.doctor(), json=sent)
    assert made.status_code == 201
    assert made.headers["location"].endswith(made.json()["id"])
    back = dmp.get(f"{FHIR}/{made.json()['id']}", dmp.doctor(READER)).json()
    for element, value in sent.items():
        if element != "content":
            assert back[element] == value, element
    attachment = dict(sent["content"][0]["attachment"])
    data = base64.b64decode(attachment.pop("data"))
    told = back["content"][0]["attachment"]
    assert {name: told[name] for name in attachment} == attachment
    assert told["size"] == len(data)
    bytes_back = dmp.get(httpx.URL(told["url"]).path, dmp.doctor(READER))
    assert bytes_back.content == data
    assert bytes_back.headers["content-type"] == "application/pdf"


def test_the_holder_and_the_authorised_doctor_read(dmp: Dmp, record, document, person):
    for bearer in (dmp.holder(person), dmp.doctor(READER)):
        assert dmp.get(f"{FHIR}/{document['id']}", bearer).status_code == 200
        found = dmp.get(FHIR, bearer, params={"patient": record, "status": "current"}).json()
        assert document["id"] in [entry["resource"]["id"] for entry in found["entry"]]


@pytest.mark.parametrize("rank", [BLOCKED, STRANGER])
def test_the_others_see_nothing_and_learn_nothing(dmp: Dmp, record, document, rank):
    bearer = dmp.doctor(rank)
    nobody = {"patient": "0" * 26, "status": "current"}
    listed = dmp.get(FHIR, bearer, params={"patient": record, "status": "current"})
    empty = dmp.get(FHIR, bearer, params=nobody)
    assert listed.status_code == empty.status_code == 200
    assert listed.json()["total"] == empty.json()["total"] == 0
    assert not listed.json().get("entry")
    for place in (f"{FHIR}/{document['id']}", f"/fhir/Binary/{document['id']}"):
        seen = dmp.get(place, bearer)
        unknown = dmp.get(f"{place[: place.index(record)]}{'0' * 26}.{'0' * 26}", bearer)
        assert (seen.status_code, seen.json()) == (404, unknown.json())


def test_who_was_authorised_and_then_blocked_reads_no_more(dmp: Dmp, record, document, person):
    holder, rank = dmp.holder(person), 14
    assert dmp.consent(holder, record, "authorisation", rank).status_code == 201
    assert dmp.get(f"{FHIR}/{document['id']}", dmp.doctor(rank)).status_code == 200
    assert dmp.consent(holder, record, "block", rank, "deny").status_code == 201
    assert dmp.get(f"{FHIR}/{document['id']}", dmp.doctor(rank)).status_code == 404
    # Nobody but the patient undoes a block.
    own = dmp.consent(dmp.doctor(rank), record, "authorisation", rank)
    assert own.status_code in {403, 404}
    assert dmp.get(f"{FHIR}/{document['id']}", dmp.doctor(rank)).status_code == 404


def test_the_same_document_twice_is_one(dmp: Dmp, record):
    sent = reference(record, pdf("deux fois"))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: dmp.post(FHIR, dmp.doctor(), json=sent), range(4)))
    assert {a.status_code for a in answers} <= {200, 201}, [a.text for a in answers]
    assert len({a.json()["id"] for a in answers}) == 1
    other = {**sent, "content": reference(record, pdf("autre"))["content"]}
    assert dmp.post(FHIR, dmp.doctor(), json=other).status_code == 409


@pytest.mark.parametrize(
    ("change", "expression"),
    [
        (lambda r: r.pop("masterIdentifier"), "masterIdentifier"),
        (lambda r: r.pop("type"), "type"),
        (lambda r: r.pop("author"), "author"),
        (lambda r: r.pop("subject"), "subject"),
        (lambda r: r["content"][0]["attachment"].update(data="é!"), "content"),
        (lambda r: r["content"][0]["attachment"].update(size=3), "content"),
        (lambda r: r["content"][0]["attachment"].update(hash="AAAA"), "content"),
        (
            lambda r: r["content"][0]["attachment"].update(
                data=base64.b64encode(b"not a pdf").decode()
            ),
            "content",
        ),
        (lambda r: r["type"]["coding"][0].update(code="0-0"), "type"),
    ],
)
def test_a_wrong_element_is_named(dmp: Dmp, record, change, expression):
    resource = reference(record, pdf())
    change(resource)
    answer = dmp.post(FHIR, dmp.doctor(), json=resource)
    assert answer.status_code in {400, 422}, answer.text
    issues = answer.json()["issue"]
    assert any(expression in place for issue in issues for place in issue.get("expression", []))


def test_three_mebibytes_go_in_and_not_more(dmp: Dmp, record):
    whole = pdf() + b"%" * (3 * 1024 * 1024 - len(pdf()))
    made = dmp.post(FHIR, dmp.doctor(), json=reference(record, whole))
    assert made.status_code == 201, made.text[:500]
    back = dmp.get(f"/fhir/Binary/{made.json()['id']}", dmp.doctor(READER))
    assert back.content == whole
    for size in (3 * 1024 * 1024 + 1, 12 * 1024 * 1024):
        over = pdf() + b"%" * (size - len(pdf()))
        refused = dmp.post(FHIR, dmp.doctor(), json=reference(record, over))
        assert refused.status_code == 413, refused.text[:500]
        assert refused.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_documents_are_neither_put_nor_deleted(dmp: Dmp, document, method):
    answer = dmp.call(method, f"{FHIR}/{document['id']}", dmp.doctor())
    assert answer.status_code == 405
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_big_document_goes_through_the_form(dmp: Dmp, record, eventually):
    data = pdf() + b"%" * (8 * 1024 * 1024)
    document, sent = upload(dmp, record, data)
    assert sent.status_code in {200, 201, 204}, sent.text
    settled = eventually(
        lambda: dmp.get(f"{FHIR}/{document}", dmp.doctor()).json().get("docStatus") == "final"
    )
    assert settled
    found = dmp.get(f"/fhir/Binary/{document}", dmp.doctor(READER), follow_redirects=False)
    assert found.status_code == 307
    assert httpx.get(found.headers["location"]).content == data


def test_a_lie_in_quarantine_is_rejected_and_the_sender_told(dmp: Dmp, record, eventually):
    data = b"MZ this is no PDF at all"
    document, sent = upload(dmp, record, data)
    assert sent.status_code in {200, 201, 204}, sent.text

    def rejected():
        told = dmp.get(f"{FHIR}/{document}", dmp.doctor()).json()
        return told if told.get("docStatus") == "entered-in-error" else None

    told = eventually(rejected)
    assert told
    assert any(e["url"] == "urn:dmp:rejection" for e in told["extension"])
    others = dmp.get(FHIR, dmp.doctor(READER), params={"patient": record, "status": "current"})
    assert document not in others.text


def test_the_form_takes_only_what_was_announced(dmp: Dmp, record):
    data = pdf("annoncé")
    _, sent = upload(dmp, record, data + b"more", announced(record, data))
    assert sent.status_code in {400, 403}


def test_a_search_needs_a_patient_and_a_status(dmp: Dmp, record):
    for params in ({}, {"patient": record}, {"status": "current"}):
        answer = dmp.get(FHIR, dmp.doctor(), params=params)
        assert answer.status_code == 400
        assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_list_pages_newest_first_without_loss(dmp: Dmp, eventually):
    person = somebody()
    record = dmp.open(person)
    holder = dmp.holder(person)
    made = [
        dmp.post(FHIR, dmp.doctor(), json=reference(record, pdf(f"page {n}"))).json()["id"]
        for n in range(7)
    ]
    seen: list[str] = []
    url: str | None = f"{FHIR}?patient={record}&status=current&_count=3"
    while url:
        page = dmp.get(url, holder).json()
        seen += [
            e["resource"]["id"] for e in page.get("entry", []) if e["search"]["mode"] == "match"
        ]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
    assert [one for one in seen if one in made] == made[::-1]


def test_the_holder_is_told_of_a_new_document(dmp: Dmp, eventually):
    address = "nouveau.document@example.test"
    record = dmp.open(contact={"email": address})
    title = "Titre que personne ne doit lire"
    resource = reference(record, pdf())
    resource["content"][0]["attachment"]["title"] = title
    assert dmp.post(FHIR, dmp.doctor(), json=resource).status_code == 201
    mails = eventually(lambda: dmp.mail(address))
    assert mails
    assert title not in str(mails)


def test_who_prefers_a_message_gets_an_sms(dmp: Dmp, eventually):
    mobile = "+33639980001"
    record = dmp.open(contact={"mobile": mobile})
    assert dmp.post(FHIR, dmp.doctor(), json=reference(record, pdf())).status_code == 201
    assert eventually(lambda: dmp.mail(mobile))
