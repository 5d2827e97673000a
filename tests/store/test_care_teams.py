"""Care teams that are learnt: from a request to the colleagues who are presumed authorised."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dmp.domain.actors import Structure
from dmp.domain.consents import Kind
from dmp.domain.traces import Act
from dmp.edge.facts import Change
from dmp.store import consents as stored
from dmp.store.aws import client
from dmp.store.bus import Bus
from dmp.store.consents import Consents, team_of
from dmp.store.items import decode, encode
from functions.accounts import app as accounts
from functions.consents import app as consents
from functions.documents import app as documents
from functions.traces.stream import facts_of
from infra.cdk import catalogue
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


def post(actor, record, kind="authorisation", provision="permit", who=ME):
    told = body(kind, provision, patient={"reference": f"Patient/{record}"})
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


class Taken:
    """A bus that takes everything."""

    def __init__(self) -> None:
        self.entries: list[dict[str, str]] = []

    def put_events(self, Entries):  # noqa: N803 - AWS's name
        self.entries += Entries
        return {"FailedEntryCount": 0, "Entries": [{}] * len(Entries)}


def accesses(record):
    """The messages that the traces of a record become on the queue `care-teams`."""
    told = [
        fact
        for item in items("traces", "TRACE#", record)
        for fact in facts_of(Change(item["pk"], item["sk"], None, item))
        if fact.type in catalogue.QUEUES["care-teams"].facts
    ]
    taken = Taken()
    Bus(taken, "facts").publish("dmp.traces", told)
    return [
        {
            "messageId": f"m-{number}",
            "eventSource": "aws:sqs",
            "body": json.dumps(
                {"detail-type": entry["DetailType"], "detail": json.loads(entry["Detail"])}
            ),
        }
        for number, entry in enumerate(taken.entries)
    ]


def deliver(messages):
    handler = importlib.import_module("functions.consents.teams").handler
    return handler({"Records": messages}, None)["batchItemFailures"]


# -- what it opens -------------------------------------------------------------------------------


def test_colleagues_are_presumed_once_the_one_whom_the_holder_authorised_has_acted(record):
    post(HOLDER, record)
    assert not opens(NURSE, record)
    assert opens(DOCTOR, record)
    assert not opens(NURSE, record)
    assert deliver(accesses(record)) == []
    assert opens(NURSE, record)
    assert not opens(replace(NURSE, structure=Structure(THERE)), record)


def test_a_professional_who_repeats_the_holder_s_authorisation_brings_their_colleagues(record):
    told, headers = post(HOLDER, record)
    again, same = post(DOCTOR, record)
    assert opens(NURSE, record)
    assert same["ETag"] == headers["ETag"]
    assert again == {**told, "organization": again["organization"]}
    assert len(items("consents", "CHANGE#", record)) == 1


def test_the_presumption_is_as_old_as_the_authorisation_not_as_the_access(record, store):
    post(HOLDER, record)
    given = store.about(record, ME).of(Kind.AUTHORISATION)
    opens(DOCTOR, record)
    deliver(accesses(record))
    assert members(record)[ME].since == given.at
    assert members(record)[ME].until == given.until


def test_an_emergency_and_a_role_bring_nobody(record):
    post(HOLDER, record)
    hurry = replace(DOCTOR, emergency_reason="Patient inconscient, détresse vitale")
    assert opens(hurry, record)
    post(HOLDER, record, "medecin-traitant")
    end(HOLDER, f"{record}.authorisation.{ME}")
    assert opens(DOCTOR, record)
    assert deliver(accesses(record)) == []
    assert items("consents", "TEAM#", record) == []


def test_who_is_only_presumed_brings_nobody_into_the_next_structure(record):
    """A nurse who works in two houses would else carry the presumption from one to the other."""
    post(DOCTOR, record)
    assert opens(NURSE, record)
    elsewhere = replace(NURSE, structure=Structure(THERE))
    opens(elsewhere, record)
    deliver(accesses(record))
    assert set(members(record)) == {ME}
    assert members(record, THERE) == {}


# -- what it leaves as it is ---------------------------------------------------------------------


def test_what_is_learnt_is_nobody_s_decision(record, store):
    told, headers = post(HOLDER, record)
    opens(DOCTOR, record)
    before = store.about(record, ME)
    deliver(accesses(record))
    after = store.about(record, ME)
    settled = replace(before.of(Kind.AUTHORISATION), structure=HERE)
    assert after == before.having(settled)
    assert len(items("consents", "CHANGE#", record)) == 1
    _, read, again = ask(consents.app, "GET", f"/fhir/Consent/{told['id']}", HOLDER)
    assert again["ETag"] == headers["ETag"]
    assert read == {
        **told,
        "organization": [
            {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": f"1{HERE}"}}
        ],
    }
    status, ended, _ = end(HOLDER, told["id"], **{"If-Match": headers["ETag"]})
    assert (status, ended["status"]) == (200, "inactive")


def test_the_professional_s_place_among_my_patients_stays(record):
    post(HOLDER, record)
    (before,) = items("consents", f"ACTOR#{ME}", record)
    opens(DOCTOR, record)
    deliver(accesses(record))
    (after,) = items("consents", f"ACTOR#{ME}", record)
    assert after["authorisedAt"] == before["authorisedAt"]
    assert after["professional"] == before["professional"] == ME


def test_the_trace_says_that_the_service_did_it(record):
    post(HOLDER, record)
    opens(DOCTOR, record)
    deliver(accesses(record))
    (entry,) = joined(record)
    assert (entry["actorKey"], entry["outcome"]) == ("service#care-teams", "done")
    assert entry["target"] == f"{record}.authorisation.{ME}"
    assert entry["structure"] == HERE
    assert JOURNAL.genuine(entry)
    # No fact comes of it: it is not an access, and the queue does not feed itself.
    assert list(facts_of(Change(entry["pk"], entry["sk"], None, entry))) == []


def joined(record):
    found = items("traces", "TRACE#", record)
    return [one for one in found if one["act"] == Act.JOIN_CARE_TEAM.value]


def test_handed_out_again_it_is_learnt_once(record, store):
    post(HOLDER, record)
    opens(DOCTOR, record)
    messages = accesses(record)
    for _ in range(3):
        assert deliver([*messages, *messages]) == []
    assert len(joined(record)) == 1
    assert store.about(record, ME).version == 2


def test_what_is_no_access_comes_back_alone(record):
    post(HOLDER, record)
    opens(DOCTOR, record)
    broken = {"messageId": "broken", "eventSource": "aws:sqs", "body": "{}"}
    assert deliver([broken, *accesses(record)]) == [{"itemIdentifier": "broken"}]
    assert set(members(record)) == {ME}


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


@pytest.mark.parametrize("how", ["withdrawn", "blocked"])
def test_what_the_holder_ends_while_it_is_learnt_stays_ended(record, meanwhile, how):
    told, _ = post(HOLDER, record)
    opens(DOCTOR, record)
    meanwhile.append(
        (lambda: end(HOLDER, told["id"]))
        if how == "withdrawn"
        else (lambda: post(HOLDER, record, "block", "deny"))
    )
    assert deliver(accesses(record)) == []
    assert not meanwhile
    assert (members(record), joined(record)) == ({}, [])
    assert not opens(NURSE, record)


@pytest.mark.parametrize("how", ["withdrawn", "blocked"])
def test_who_ends_an_authorisation_while_it_is_learnt_ends_the_team_too(record, meanwhile, how):
    told, headers = post(HOLDER, record)
    opens(DOCTOR, record)
    messages = accesses(record)
    meanwhile.append(lambda: deliver(messages))
    if how == "withdrawn":
        assert end(HOLDER, told["id"], **{"If-Match": headers["ETag"]})[0] == 200
    else:
        post(HOLDER, record, "block", "deny")
    assert len(joined(record)) == 1
    assert members(record) == {}
    assert not opens(NURSE, record)


@pytest.mark.parametrize("how", ["withdrawn", "blocked"])
def test_a_message_that_comes_late_brings_nobody_back(record, how):
    told, _ = post(HOLDER, record)
    opens(DOCTOR, record)
    messages = accesses(record)
    deliver(messages)
    if how == "withdrawn":
        assert end(HOLDER, told["id"])[0] == 200
    else:
        block, _ = post(HOLDER, record, "block", "deny")
        assert end(HOLDER, block["id"])[0] == 200
    assert deliver(messages) == []
    assert members(record) == {}
    post(HOLDER, record)
    assert deliver(messages) == []  # acted before it was given again
    assert members(record) == {}


def test_two_deliveries_at_once_learn_it_once(record, meanwhile):
    post(HOLDER, record)
    opens(DOCTOR, record)
    messages = accesses(record)
    meanwhile.append(lambda: deliver(messages))
    assert deliver(messages) == []
    assert (set(members(record)), len(joined(record))) == ({ME}, 1)


def test_two_colleagues_who_act_at_once_are_both_of_the_team(record, meanwhile):
    post(HOLDER, record)
    post(HOLDER, record, who=OTHER)
    opens(DOCTOR, record)
    mine = accesses(record)
    opens(NURSE, record)
    both = accesses(record)
    meanwhile.append(lambda: deliver(both))
    assert deliver(mine) == []
    assert set(members(record)) == {ME, OTHER}


def test_an_access_costs_no_more_calls_for_it(record):
    """What is learnt is learnt after the answer: the access itself writes its trace alone."""
    post(HOLDER, record)
    (before,) = items("consents", f"ACTOR#{ME}", record)
    assert opens(DOCTOR, record)
    assert items("consents", f"ACTOR#{ME}", record) == [before]
    assert items("consents", "TEAM#", record) == []


def test_the_oldest_authorisations_learn_their_structure_too(record, store, dynamodb):
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
    assert opens(DOCTOR, record)
    assert deliver(accesses(record)) == []
    assert members(record)[ME].since == at
