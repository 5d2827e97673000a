"""Consents on their table, and over FHIR from request to item."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from dmp.domain.actors import Structure
from dmp.domain.consents import (
    ActorConsents,
    AuthorisationState,
    Change,
    Consent,
    Decision,
    Kind,
    Member,
    OpeningConsent,
    Proof,
    ProofKind,
    Settings,
    Turn,
)
from dmp.domain.ids import new_record_id, new_ulid
from dmp.domain.traces import Act, Outcome, Trace
from dmp.edge.facts import Change as ItemChange
from dmp.store.aws import client
from dmp.store.consents import (
    Authorisations,
    Consents,
    actor_consents_of,
    change_of_item,
    opening_puts,
    settings_of,
    settings_put,
    team_of,
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
HERE, THERE = "510000029", "750000018"


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
    stood = before or ActorConsents()
    decided = stood.having(decision)
    change = Change(new_ulid(NOW), NOW, Turn.GIVEN, Consent(RECORD_ID, who, decision))
    return store.save(stood, decided, [change], a_trace()), decided


def a_trace() -> Trace:
    return Trace(new_ulid(NOW), NOW, Act.CHANGE_CONSENT, Outcome.DONE, HOLDER_KEY, RECORD_ID)


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


def test_what_was_said_at_opening_is_the_first_line_of_its_history(dynamodb, store):
    taken = OpeningConsent(opening=True, opposes_break_glass=True, opposes_centre_15=True)
    for one in opening_puts("consents", RECORD_ID, taken, HOLDER_KEY, NOW):
        write(dynamodb, one)
    for kind in ("break-glass-opposition", "centre15-opposition"):
        (line,) = store.history(f"{RECORD_ID}.{kind}")
        assert (line.turn, line.at) == (Turn.AT_OPENING, NOW)
    assert told(dynamodb) == []


def test_everything_known_of_a_decision_is_kept(store):
    whole = Decision(
        Kind.AUTHORISATION,
        NOW,
        HOLDER_KEY,
        NOW + timedelta(days=1),
        structure="510000029",
        proof=Proof(ProofKind.DOCUMENT, NOW, f"{RECORD_ID}.{'0' * 26}"),
        recorded_at=NOW + timedelta(seconds=1),
        represented=True,
    )
    saved(store, whole)
    assert store.about(RECORD_ID, ME).of(Kind.AUTHORISATION) == whole


def test_what_was_kept_before_structures_and_proofs_is_still_read():
    old = {"since": NOW.isoformat(), "recordedBy": HOLDER_KEY, "active": True, "version": 1}
    item = {"pk": "x", "sk": "y", "version": 1, "decisions": {"authorisation": old}}
    (decision,) = actor_consents_of(item).decisions
    assert decision == Decision(Kind.AUTHORISATION, NOW, HOLDER_KEY)
    assert (decision.at, decision.represented) == (NOW, False)


def test_the_history_of_a_decision_is_its_own_newest_first_whatever_the_clocks_say(store):
    _, first = saved(store, authorisation)
    again = replace(authorisation, version=2, recorded_at=NOW - timedelta(seconds=1))
    late = Change(
        new_ulid(NOW - timedelta(seconds=1)), NOW, Turn.CHANGED, Consent(RECORD_ID, ME, again)
    )
    assert store.save(first, first.having(again), [late], a_trace())
    saved(store, authorisation, OTHER)
    saved(store, Decision(Kind.MASKED_IN_EMERGENCY, NOW, HOLDER_KEY), None)
    lines = store.history(f"{RECORD_ID}.authorisation.{ME}")
    assert [one.consent.decision.version for one in lines] == [2, 1]
    assert len(store.history(f"{RECORD_ID}.masked-in-emergency")) == 1
    assert store.history(f"{RECORD_ID}.block.{ME}") == store.history("no consent") == []


# -- the care team -------------------------------------------------------------------------------


def team(dynamodb, finess: str):
    found = items(dynamodb, "consents", f"TEAM#{finess}")
    return {one.professional: one for one in team_of(found[0] if found else None).members}


def test_an_authorisation_makes_a_member_of_the_team_until_it_ends(dynamodb, store):
    mine = replace(authorisation, structure=HERE)
    _, decided = saved(store, mine)
    saved(store, replace(mine, until=None), OTHER)
    assert team(dynamodb, HERE) == {
        ME: Member(ME, NOW, NOW + timedelta(days=1)),
        OTHER: Member(OTHER, NOW),
    }
    ended = replace(mine, active=False, version=2)
    saved(store, ended, before=decided)
    assert set(team(dynamodb, HERE)) == {OTHER}


def test_a_renewed_authorisation_makes_the_team_young_again(dynamodb, store):
    _, decided = saved(store, replace(authorisation, structure=HERE))
    later = NOW + timedelta(days=80)
    again = replace(authorisation, structure=HERE, version=2, recorded_at=later)
    saved(store, again, before=decided)
    assert team(dynamodb, HERE)[ME].since == later


def test_who_works_elsewhere_now_leaves_the_team(dynamodb, store):
    _, decided = saved(store, replace(authorisation, structure=HERE))
    saved(store, replace(authorisation, structure=THERE, version=2), before=decided)
    assert set(team(dynamodb, HERE)) == set()
    assert set(team(dynamodb, THERE)) == {ME}


def test_a_block_takes_its_professional_out_of_the_team(dynamodb, store):
    mine = replace(authorisation, structure=HERE)
    _, stood = saved(store, mine)
    ended = replace(mine, active=False, version=2)
    lines = [
        Change(new_ulid(NOW), NOW, turn, Consent(RECORD_ID, ME, one))
        for one, turn in ((block, Turn.GIVEN), (ended, Turn.OVERRIDDEN))
    ]
    assert store.save(stood, stood.having(block, ended), lines, a_trace())
    assert team(dynamodb, HERE) == {}


@pytest.mark.parametrize("kind", [Kind.MEDECIN_TRAITANT, Kind.DELEGATE])
def test_only_an_authorisation_presumes_that_of_colleagues(dynamodb, store, kind):
    saved(store, Decision(kind, NOW, HOLDER_KEY, structure=HERE))
    assert team(dynamodb, HERE) == {}


def test_where_nobody_knows_the_structure_there_is_no_team(dynamodb, store):
    saved(store, authorisation)
    assert items(dynamodb, "consents", "TEAM#") == []


# -- the records open to one professional --------------------------------------------------------


def granted(store, at, kind=Kind.AUTHORISATION, **changes) -> str:
    """A record that opens to ME at a moment."""
    record_id = new_record_id()
    decision = Decision(kind, at, HOLDER_KEY, recorded_at=at, **changes)
    line = Change(new_ulid(at), at, Turn.GIVEN, Consent(record_id, ME, decision))
    assert store.save(ActorConsents(), ActorConsents().having(decision), [line], a_trace())
    return record_id


def test_the_records_open_to_a_professional_come_newest_first_page_by_page(dynamodb, store):
    read = Authorisations(dynamodb, "consents").of_professional
    moments = [NOW + timedelta(minutes=m) for m in (0, 3, 1, 1, 2)]
    made = {granted(store, at) for at in moments} | {granted(store, NOW, Kind.DELEGATE)}
    saved(store, authorisation, OTHER)
    whole = read(ME, limit=50)
    assert {one.record_id for one in whole} == made
    assert [one.at for one in whole] == sorted((one.at for one in whole), reverse=True)
    assert whole[0].consents.authorisation(whole[0].at) is AuthorisationState.VALID
    seen, before = [], None
    while page := read(ME, before, limit=2):
        assert len(page) <= 2
        seen += page
        before = (page[-1].at, page[-1].record_id)
    assert seen == whole
    assert read(STRANGER) == []


@pytest.mark.parametrize("kind", [Kind.AUTHORISATION, Kind.MEDECIN_TRAITANT, Kind.DELEGATE])
def test_what_was_taken_back_opens_no_record(dynamodb, store, kind):
    decision = Decision(kind, NOW, HOLDER_KEY)
    _, stood = saved(store, decision)
    read = Authorisations(dynamodb, "consents").of_professional
    assert [one.record_id for one in read(ME)] == [RECORD_ID]
    _, stood = saved(store, replace(decision, active=False, version=2), before=stood)
    assert read(ME) == []
    saved(store, block, before=stood)
    assert read(ME) == []


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
    status, told, _ = post(holder, without_actor(body("masked-history")), record)
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
