"""Care teams, from a request to the colleagues who are presumed authorised, and who are not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dmp.domain.actors import Structure, key_of
from dmp.domain.consents import Kind
from dmp.store import consents as stored
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


def test_a_professional_who_repeats_the_holder_s_authorisation_brings_their_colleagues(record):
    told, headers = post(HOLDER, record)
    assert not opens(NURSE, record)
    again, same = post(DOCTOR, record)
    assert opens(NURSE, record)
    assert same["ETag"] == headers["ETag"]
    assert again == {**told, **acts_in(HERE)}
    assert len(items("consents", "CHANGE#", record)) == 1


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


def test_the_presumption_is_as_old_as_the_authorisation_not_as_its_repetition(record, store):
    post(HOLDER, record)
    given = store.about(record, ME).of(Kind.AUTHORISATION)
    post(DOCTOR, record)
    assert members(record)[ME].since == given.at
    assert members(record)[ME].until == given.until


def test_the_oldest_authorisations_may_be_repeated_too(record, dynamodb):
    """Those from before proofs and moments were kept."""
    at = datetime.now(UTC) - timedelta(days=1)
    old = {"since": at.isoformat(), "recordedBy": "patient#x", "active": True, "version": 1}
    dynamodb.put_item(
        TableName="consents",
        Item=encode(
            {
                "pk": f"REC#{record}",
                "sk": f"ACTOR#{ME}",
                "version": 1,
                "decisions": {"authorisation": old},
            }
        ),
    )
    post(DOCTOR, record)
    assert members(record)[ME].since == at


# -- what a repetition leaves as it is -----------------------------------------------------------


def test_what_is_repeated_is_no_new_decision(record, store):
    told, headers = post(HOLDER, record)
    before = store.about(record, ME)
    post(DOCTOR, record)
    settled = replace(before.of(Kind.AUTHORISATION), structure=HERE)
    assert store.about(record, ME) == before.having(settled)
    assert len(items("consents", "CHANGE#", record)) == 1
    _, read, again = ask(consents.app, "GET", f"/fhir/Consent/{told['id']}", HOLDER)
    assert again["ETag"] == headers["ETag"]
    assert read == {**told, **acts_in(HERE)}
    status, ended, _ = end(HOLDER, told["id"], **{"If-Match": headers["ETag"]})
    assert (status, ended["status"]) == (200, "inactive")


def test_the_professional_s_place_among_my_patients_stays(record):
    post(HOLDER, record)
    (before,) = items("consents", f"ACTOR#{ME}", record)
    post(DOCTOR, record)
    (after,) = items("consents", f"ACTOR#{ME}", record)
    assert after["authorisedAt"] == before["authorisedAt"]
    assert after["professional"] == before["professional"] == ME


def test_the_trace_says_that_the_professional_did_it(record):
    post(HOLDER, record)
    post(DOCTOR, record)
    entry = max(items("traces", "TRACE#", record), key=lambda one: one["sk"])
    assert (entry["act"], entry["outcome"]) == ("consent.change", "done")
    assert (entry["actorKey"], entry["structure"]) == (key_of(DOCTOR), HERE)
    assert entry["target"] == f"{record}.authorisation.{ME}"
    assert JOURNAL.genuine(entry)


def test_repeated_again_it_is_said_once(record, store):
    post(HOLDER, record)
    for _ in range(3):
        post(DOCTOR, record)
    assert store.about(record, ME).version == 2
    assert len(items("consents", "TEAM#", record)) == 1


# -- several at once -----------------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch):
    """What somebody else does between what is read and what is written; each once."""
    acts, busy = [], []

    def transact(dynamodb, writes, token=None):
        if acts and not busy:
            busy.append(True)
            acts.pop(0)()
            busy.clear()
        real(dynamodb, writes, token)

    real = stored.transact
    monkeypatch.setattr(stored, "transact", transact)
    return acts


def test_a_block_that_comes_while_it_is_repeated_wins(record, meanwhile):
    post(HOLDER, record)
    meanwhile.append(lambda: post(HOLDER, record, "block", "deny"))
    assert status_of(DOCTOR, record) == 404
    assert not meanwhile
    assert members(record) == {}
    assert not opens(NURSE, record)


def status_of(actor, record) -> int:
    told = body(patient={"reference": f"Patient/{record}"})
    return ask(consents.app, "POST", "/fhir/Consent", actor, told)[0]


def test_what_is_withdrawn_while_it_is_repeated_is_recorded_anew_and_told(record, meanwhile):
    """As it would be a moment later: a decision of its own, of which the holder hears."""
    told, _ = post(HOLDER, record)
    meanwhile.append(lambda: end(HOLDER, told["id"]))
    assert status_of(DOCTOR, record) == 201
    lines = sorted(items("consents", "CHANGE#", record), key=lambda one: one["decision"]["version"])
    assert [line["turn"] for line in lines] == ["given", "withdrawn", "given"]
    assert lines[-1]["decision"]["recordedBy"] == key_of(DOCTOR)


@pytest.mark.parametrize("how", ["withdrawn", "blocked"])
def test_who_ends_an_authorisation_while_it_is_repeated_ends_the_team_too(record, meanwhile, how):
    told, headers = post(HOLDER, record)
    joined = []
    meanwhile.append(lambda: (post(DOCTOR, record), joined.extend(members(record))))
    if how == "withdrawn":
        assert end(HOLDER, told["id"], **{"If-Match": headers["ETag"]})[0] == 200
    else:
        post(HOLDER, record, "block", "deny")
    assert joined == [ME]
    assert members(record) == {}
    assert not opens(NURSE, record)


def test_repeated_twice_at_once_it_is_said_once(record, store, meanwhile):
    post(HOLDER, record)
    meanwhile.append(lambda: post(DOCTOR, record))
    post(DOCTOR, record)
    assert not meanwhile
    assert (set(members(record)), store.about(record, ME).version) == ({ME}, 2)


def test_two_colleagues_who_repeat_at_once_are_both_of_the_team(record, meanwhile):
    post(HOLDER, record)
    post(HOLDER, record, who=OTHER)
    meanwhile.append(lambda: post(NURSE, record, who=OTHER))
    post(DOCTOR, record)
    assert not meanwhile
    assert set(members(record)) == {ME, OTHER}
