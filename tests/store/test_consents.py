"""Consents on their table, and over FHIR from request to item."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from dmp.domain.actors import Structure
from dmp.domain.consents import (
    ActorConsents,
    Change,
    Consent,
    Decision,
    Kind,
    OpeningConsent,
    Settings,
    Turn,
)
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Outcome, Trace
from dmp.edge.facts import Change as ItemChange
from dmp.store.aws import client
from dmp.store.consents import (
    Consents,
    actor_consents_of,
    change_of_item,
    settings_of,
    settings_put,
)
from dmp.store.items import ConditionFailed, decode, encode, write
from functions.accounts import app as accounts
from functions.accounts import wiring as accounts_wiring
from functions.consents import app as consents
from functions.consents import wiring
from functions.consents.stream import facts_of
from tests.access.scenes import ME, NOW, OTHER, RECORD_ID, STRANGER, agent, person, professional
from tests.support.aws import JOURNAL, account
from tests.support.consents import body, without_actor
from tests.support.gateway import ask
from tests.support.people import opening, somebody

HOLDER_KEY = "patient#" + "a" * 64


def forget(*modules) -> None:
    for module in modules:
        for made in vars(module).values():
            if hasattr(made, "cache_clear"):
                made.cache_clear()


@pytest.fixture
def dynamodb():
    with account():
        forget(wiring, accounts_wiring)
        yield client("dynamodb")
        forget(wiring, accounts_wiring)


@pytest.fixture
def store(dynamodb) -> Consents:
    return Consents(dynamodb, "consents", JOURNAL)


def items(dynamodb, table: str, prefix: str, record_id: str = RECORD_ID):
    answer = dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues=encode({":pk": f"REC#{record_id}", ":sk": prefix}),
    )
    return [decode(item) for item in answer["Items"]]


def traces(dynamodb, record_id: str = RECORD_ID):
    return items(dynamodb, "traces", "TRACE#", record_id)


def saved(store, decision: Decision, who: str | None = ME, before: ActorConsents | None = None):
    decided = (before or ActorConsents()).having(decision)
    change = Change(new_ulid(NOW), NOW, Turn.GIVEN, Consent(RECORD_ID, who, decision))
    trace = Trace(new_ulid(NOW), NOW, Act.CHANGE_CONSENT, Outcome.DONE, HOLDER_KEY, RECORD_ID)
    return store.save(decided, [change], trace), decided


authorisation = Decision(Kind.AUTHORISATION, NOW, HOLDER_KEY, NOW + timedelta(days=1))
block = Decision(Kind.BLOCK, NOW, HOLDER_KEY)


def test_a_decision_its_history_and_its_trace_are_written_together(dynamodb, store):
    done, decided = saved(store, authorisation)
    assert done
    assert store.about(RECORD_ID, ME) == decided
    (change,) = items(dynamodb, "consents", "CHANGE#")
    assert change_of_item(change).consent == Consent(RECORD_ID, ME, authorisation)
    assert len(traces(dynamodb)) == 1


def test_who_decides_on_an_older_version_writes_nothing(dynamodb, store):
    _, first = saved(store, authorisation)
    assert saved(store, block)[0] is False
    assert saved(store, block, before=first)[0] is True
    assert saved(store, block, before=first)[0] is False
    assert store.about(RECORD_ID, ME).version == 2
    assert len(traces(dynamodb)) == len(items(dynamodb, "consents", "CHANGE#")) == 2


def test_every_decision_of_a_record_is_listed_and_no_other_s(store):
    saved(store, authorisation)
    saved(store, block, OTHER)
    saved(store, Decision(Kind.BREAK_GLASS_OPPOSITION, NOW, HOLDER_KEY), None)
    assert {(one.professional, one.decision.kind) for one in store.of_record(RECORD_ID)} == {
        (None, Kind.BREAK_GLASS_OPPOSITION),
        (ME, Kind.AUTHORISATION),
        (OTHER, Kind.BLOCK),
    }
    assert store.of_record("0" * 26) == []


def test_the_oppositions_taken_at_opening_are_settings_and_consents(dynamodb, store):
    taken = OpeningConsent(opening=True, opposes_break_glass=False, opposes_centre_15=True)
    one = settings_put("consents", RECORD_ID, taken, HOLDER_KEY, NOW)
    write(dynamodb, one)
    assert settings_of(decode(one["Put"]["Item"])) == Settings(opposes_centre_15=True, version=1)
    assert [consent.id for consent in store.of_record(RECORD_ID)] == [
        f"{RECORD_ID}.centre15-opposition"
    ]
    with pytest.raises(ConditionFailed):
        write(dynamodb, one)


def test_nothing_decided_is_nothing_opposed_and_nobody_authorised():
    assert settings_of(None) == Settings()
    assert actor_consents_of(None) == ActorConsents()


# -- the stream ---------------------------------------------------------------------------------


def told(dynamodb) -> list[dict]:
    found = items(dynamodb, "consents", "ACTOR#") + items(dynamodb, "consents", "CHANGE#")
    return [
        dict(fact.detail)
        for item in found
        for fact in facts_of(ItemChange(item["pk"], item["sk"], None, item))
    ]


def test_a_change_is_told_once_with_ids_only(dynamodb, store):
    saved(store, authorisation)
    assert told(dynamodb) == [
        {
            "recordId": RECORD_ID,
            "consentId": f"{RECORD_ID}.authorisation.{ME}",
            "kind": "authorisation",
            "change": "given",
            "actor": HOLDER_KEY,
        }
    ]


# -- over FHIR ----------------------------------------------------------------------------------


@pytest.fixture
def holder():
    return person()


@pytest.fixture
def record(dynamodb, holder) -> str:
    """A record opened by a pharmacist and bound to its holder."""
    pharmacist = professional("21", id=OTHER, structure=Structure("512000015"))
    status, told, _ = ask(
        accounts.app, "POST", "/enrolment/records", pharmacist, opening(somebody())
    )
    assert status == 201, told
    dynamodb.update_item(
        TableName="accounts",
        Key=encode({"pk": f"REC#{told['recordId']}", "sk": "RECORD"}),
        UpdateExpression="SET holder = :holder",
        ExpressionAttributeValues=encode({":holder": holder.reference}),
    )
    return told["recordId"]


def post(actor, told, record):
    return ask(
        consents.app, "POST", "/fhir/Consent", actor,
        {**told, "patient": {"reference": f"Patient/{record}"}},
    )  # fmt: skip


def search(actor, record, more=""):
    return ask(consents.app, "GET", f"/fhir/Consent?patient={record}{more}", actor)


def test_the_holder_authorises_reads_it_again_and_finds_it(holder, record):
    status, told, headers = post(holder, body(), record)
    assert status == 201
    assert headers["Location"] == f"https://dmp.test/fhir/Consent/{told['id']}"
    assert headers["ETag"] == 'W/"1"'
    assert ask(consents.app, "GET", f"/fhir/Consent/{told['id']}", holder)[:2] == (200, told)
    status, found, _ = search(holder, record)
    assert (status, found["total"], found["entry"][0]["resource"]) == (200, 1, told)


def test_the_same_consent_again_is_the_same_version(dynamodb, holder, record):
    first = post(holder, body(), record)
    again = post(holder, body(), record)
    assert (first[0], again[0], again[1]) == (201, 200, first[1])
    assert len(items(dynamodb, "consents", "CHANGE#", record)) == 1


def test_many_at_once_are_one(dynamodb, holder, record):
    wiring.grant_access()
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(lambda _: post(holder, body(), record)[0], range(6)))
    assert sorted(done).count(201) == 1
    assert set(done) <= {200, 201}
    assert len(items(dynamodb, "consents", "CHANGE#", record)) == 1


def test_a_blocked_professional_sees_what_a_stranger_to_the_record_sees(holder, record):
    doctor = professional()
    assert post(doctor, body(), record)[0] == 201
    assert post(holder, body("block", "deny"), record)[0] == 201
    refused = post(doctor, body(), record)
    assert refused[:2] == post(doctor, body(), "0" * 26)[:2]
    assert refused[0] == 404
    assert search(doctor, record)[0] == 200
    assert search(doctor, record)[1]["total"] == 0
    assert post(holder, body(), record)[0] == 409


def test_strangers_find_the_same_nothing_as_in_a_record_that_is_not(holder, record):
    told = post(holder, body(), record)[1]
    for actor in (person(STRANGER), agent(), professional(id=OTHER)):
        seen, unknown = search(actor, record), search(actor, "0" * 26)
        assert seen[0] == unknown[0] == 200
        assert (seen[1]["total"], unknown[1]["total"]) == (0, 0)
        one = ask(consents.app, "GET", f"/fhir/Consent/{told['id']}", actor)
        other = ask(consents.app, "GET", f"/fhir/Consent/{'0' * 26}.authorisation.{ME}", actor)
        assert (one[0], one[1]) == (other[0], other[1])
        assert one[0] == 404


def test_an_opposition_is_found_among_the_consents(holder, record):
    assert post(holder, without_actor(body("break-glass-opposition", "deny")), record)[0] == 201
    found = search(holder, record, "&category=break-glass-opposition&status=active")[1]
    assert [one["resource"]["id"] for one in found["entry"]] == [f"{record}.break-glass-opposition"]


def test_every_attempt_leaves_its_trace(dynamodb, holder, record):
    before = len(traces(dynamodb, record))
    post(holder, body(), record)
    search(holder, record)
    search(person(STRANGER), record)
    post(professional(id=OTHER), body(), record)
    left = traces(dynamodb, record)[before:]
    assert sorted((one["act"], one["outcome"]) for one in left) == [
        ("consent.change", "done"),
        ("consent.change", "refused"),
        ("consent.search", "done"),
        ("consent.search", "refused"),
    ]


def test_wrong_requests_are_told_apart(holder, record):
    assert post(agent(), body(), record)[0] == 403
    assert ask(consents.app, "POST", "/fhir/Consent", None, body())[0] == 401
    status, told, _ = post(holder, body("delegate"), record)
    assert (status, told["issue"][0]["expression"]) == (422, ["Consent.category"])
    assert search(holder, record, "&status:not=active")[0] == 400
    status, told, _ = search(holder, record, "&actor=x")
    assert (status, "actor" in told["link"][0]["url"]) == (200, False)
    late = body()
    late["provision"]["period"] = {"end": "2020-01-01"}
    status, told, _ = post(holder, late, record)
    assert (status, told["issue"][0]["expression"]) == (422, ["Consent.provision.period.end"])


def test_a_professional_s_own_authorisation_ends_one_day(record):
    told = post(professional(), body(), record)[1]
    assert told["provision"]["period"].keys() == {"start", "end"}
