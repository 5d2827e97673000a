"""Care teams, from a request to the colleagues who are presumed authorised, and who are not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dmp.domain.actors import Structure
from dmp.store.aws import client
from dmp.store.consents import Consents, team_of
from dmp.store.items import decode, encode
from functions.accounts import app as accounts
from functions.consents import app as consents
from functions.documents import app as documents
from tests.access.scenes import ME, OTHER, person, professional
from tests.support.aws import JOURNAL, account
from tests.support.consents import body
from tests.support.gateway import ask
from tests.support.people import opening, somebody

HERE, THERE = "510000029", "750000018"
DOCTOR, NURSE = professional(), professional("60", id=OTHER)
HOLDER = person()
WITHDRAW = [{"op": "replace", "path": "/status", "value": "inactive"}]


@pytest.fixture
def dynamodb():
    with account():
        yield client("dynamodb")


@pytest.fixture
def record(dynamodb) -> str:
    """A record opened by a pharmacist and bound to its holder."""
    pharmacist = professional("21", id="810100997245", structure=Structure("512000015"))
    status, told, _ = ask(
        accounts.app, "POST", "/enrolment/records", pharmacist, opening(somebody())
    )
    assert status == 201, told
    dynamodb.update_item(
        TableName="accounts",
        Key=encode({"pk": f"REC#{told['recordId']}", "sk": "RECORD"}),
        UpdateExpression="SET holder = :holder",
        ExpressionAttributeValues=encode({":holder": HOLDER.reference}),
    )
    return told["recordId"]


@pytest.fixture
def store(dynamodb) -> Consents:
    return Consents(dynamodb, "consents", JOURNAL)


def items(table, prefix, record):
    answer = client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues=encode({":pk": f"REC#{record}", ":sk": prefix}),
    )
    return [decode(item) for item in answer["Items"]]


def members(record, finess=HERE):
    found = items("consents", f"TEAM#{finess}", record)
    return {one.professional: one for one in team_of(found[0] if found else None).members}


def post(actor, record, kind="authorisation", provision="permit", who=ME, **changes):
    told = body(kind, provision, patient={"reference": f"Patient/{record}"}, **changes)
    told["provision"]["actor"][0]["reference"]["identifier"]["value"] = who
    status, answer, headers = ask(consents.app, "POST", "/fhir/Consent", actor, told)
    assert status in {200, 201}, answer
    return answer, headers


def end(actor, consent_id, **headers):
    return ask(
        consents.app, "PATCH", f"/fhir/Consent/{consent_id}", actor,
        json.dumps(WITHDRAW).encode(),
        **{"Content-Type": "application/json-patch+json", **headers},
    )  # fmt: skip


def opens(actor, record) -> bool:
    """Whether a professional's search of documents is let in, by what its trace says."""
    ask(documents.app, "GET", f"/fhir/DocumentReference?patient={record}&status=current", actor)
    found = [one for one in items("traces", "TRACE#", record) if one["act"] == "document.search"]
    return max(found, key=lambda one: one["sk"])["outcome"] == "done"


def acts_in(finess):
    """The structure as a Consent names it."""
    where = {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": f"1{finess}"}
    return {"organization": [{"identifier": where}]}


# -- who brings colleagues, and who does not -----------------------------------------------------


def test_whom_the_holder_authorised_by_name_brings_nobody_by_reading(record):
    """The presumption asks that the patient was informed: here they were, of one professional."""
    post(HOLDER, record)
    (before,) = items("consents", f"ACTOR#{ME}", record)
    assert opens(DOCTOR, record)
    assert not opens(NURSE, record)
    assert items("consents", f"ACTOR#{ME}", record) == [before]
    assert items("consents", "TEAM#", record) == []


def test_the_structure_that_the_holder_names_brings_its_colleagues(record):
    told, _ = post(HOLDER, record, **acts_in(HERE))
    assert opens(NURSE, record)
    assert not opens(replace(NURSE, structure=Structure(THERE)), record)
    assert end(HOLDER, told["id"])[0] == 200
    assert not opens(NURSE, record)


def test_a_professional_who_records_it_at_the_time_of_care_brings_their_colleagues(record):
    post(DOCTOR, record)
    assert opens(NURSE, record)
    assert not opens(replace(NURSE, structure=Structure(THERE)), record)


def test_a_token_without_a_structure_brings_nobody(record):
    post(HOLDER, record)
    post(replace(DOCTOR, structure=None), record)
    post(replace(DOCTOR, structure=None), record, "medecin-traitant")
    assert items("consents", "TEAM#", record) == []


def test_the_role_of_medecin_traitant_brings_nobody(record):
    post(HOLDER, record, "medecin-traitant")
    post(DOCTOR, record, "medecin-traitant")
    assert opens(DOCTOR, record)
    assert items("consents", "TEAM#", record) == []


def test_who_is_only_presumed_brings_nobody_into_the_next_structure(record):
    """A nurse who works in two houses would else carry the presumption from one to the other."""
    post(DOCTOR, record)
    assert opens(NURSE, record)
    assert not opens(replace(NURSE, structure=Structure(THERE)), record)
    assert set(members(record)) == {ME}
    assert members(record, THERE) == {}


def test_who_repeats_the_holder_s_word_changes_nothing_and_brings_nobody(record, store):
    told, headers = post(HOLDER, record)
    before = store.about(record, ME)
    post(DOCTOR, record)
    assert store.about(record, ME) == before
    assert members(record) == {}
    assert not opens(NURSE, record)
    again = ask(consents.app, "GET", f"/fhir/Consent/{told['id']}", HOLDER)[2]
    assert again["ETag"] == headers["ETag"]
