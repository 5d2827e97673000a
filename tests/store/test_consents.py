"""Consents on their table, and over FHIR from request to item."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
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
from dmp.store import items as transactions
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
from functions.documents import app as documents
from infra.cdk import catalogue
from tests.access.scenes import ME, NOW, OTHER, RECORD_ID, STRANGER, agent, person, professional
from tests.support.aws import INDEXES, JOURNAL, account
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


def test_the_index_is_the_one_that_is_deployed():
    """Otherwise the pages below prove nothing about a stage."""
    assert catalogue.TABLES["consents"].indexes == INDEXES["consents"]


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


# -- changing them over FHIR ---------------------------------------------------------------------

STATUS = "/status"
END = "/provision/period/end"


def patch(actor, consent_id, *operations, **headers):
    sent = json.dumps([{"op": op, "path": path, "value": value} for op, path, value in operations])
    return ask(
        consents.app, "PATCH", f"/fhir/Consent/{consent_id}", actor, sent.encode(),
        **{"Content-Type": "application/json-patch+json", **headers},
    )  # fmt: skip


def withdraw(actor, consent_id, **headers):
    return patch(actor, consent_id, ("replace", STATUS, "inactive"), **headers)


def history(actor, consent_id, more=""):
    return ask(consents.app, "GET", f"/fhir/Consent/{consent_id}/_history{more}", actor)


def listing(actor, record):
    """How many documents a professional's search of the record answers with, None for none of
    their business."""
    url = f"/fhir/DocumentReference?patient={record}&status=current"
    status, told, _ = ask(documents.app, "GET", url, actor)
    assert status == 200, told
    return status, told["total"]


def outcome_of_last_search(dynamodb, record):
    found = [one for one in traces(dynamodb, record) if one["act"] == "document.search"]
    return max(found, key=lambda one: one["sk"])["outcome"]


@pytest.fixture
def opens(dynamodb, record):
    """Whether a professional's search of documents is let in, by what its trace says."""

    def asked(actor) -> bool:
        listing(actor, record)
        return outcome_of_last_search(dynamodb, record) == "done"

    return asked


def test_a_withdrawn_authorisation_opens_nothing_at_the_next_request(holder, record, opens):
    doctor = professional()
    assert not opens(doctor)
    told = post(doctor, body(), record)[1]
    assert opens(doctor)
    status, after, headers = withdraw(holder, told["id"])
    assert (status, after["status"], headers["ETag"]) == (200, "inactive", 'W/"2"')
    assert not opens(doctor)
    assert post(doctor, body(), record)[0] == 201
    assert opens(doctor)


def test_a_block_holds_from_the_next_request_until_it_is_lifted(holder, record, opens):
    doctor = professional()
    given = post(holder, body(), record)[1]
    blocked = post(holder, body("block", "deny"), record)[1]
    assert not opens(doctor)
    assert withdraw(doctor, blocked["id"])[0] == 404
    assert withdraw(doctor, given["id"])[0] == 404
    assert withdraw(holder, blocked["id"])[0] == 200
    assert not opens(doctor)
    assert post(doctor, body(), record)[0] == 201
    assert opens(doctor)


def test_the_period_is_changed_to_the_day_and_told_again(holder, record):
    told = post(holder, body(), record)[1]
    status, after, _ = patch(holder, told["id"], ("add", END, "2999-12-31"))
    assert (status, after["provision"]["period"]["end"]) == (200, "2999-12-31T23:00:00.000Z")
    assert after["provision"]["period"]["start"] == told["provision"]["period"]["start"]
    assert patch(holder, told["id"], ("add", END, "2999-12-31"))[1] == after
    assert [one["turn"] for one in fetched(holder, told["id"])] == ["changed", "given"]


def fetched(actor, consent_id):
    status, told, _ = history(actor, consent_id)
    assert status == 200, told
    return [
        {
            "turn": next(
                one["valueCode"]
                for one in entry["resource"]["extension"]
                if one["url"] == "urn:dmp:change"
            ),
            "by": entry["resource"]["performer"],
            "version": entry["resource"]["meta"]["versionId"],
        }
        for entry in told["entry"]
    ]


def test_what_a_professional_records_says_how_they_know_and_where_they_act(dynamodb, record):
    proof = [{"verified": True, "verificationDate": "2026-01-05"}]
    told = post(professional(), body(verification=proof), record)[1]
    assert told["verification"] == [
        {"verified": True, "verificationDate": "2026-01-04T23:00:00.000Z"}
    ]
    assert told["organization"] == [
        {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": f"1{HERE}"}}
    ]
    assert post(professional(), {**told, "id": "any"}, record)[:2] == (200, told)
    assert len(items(dynamodb, "consents", "CHANGE#", record)) == 1


def test_a_document_of_another_record_or_of_nobody_proves_nothing(record):
    for name in (f"{record}.{'0' * 26}", f"{'0' * 26}.{'0' * 26}"):
        told = body(
            patient={"reference": f"Patient/{record}"},
            sourceReference={"reference": f"DocumentReference/{name}"},
        )
        status, answer, _ = ask(consents.app, "POST", "/fhir/Consent", professional(), told)
        assert (status, answer["issue"][0]["expression"]) == (422, ["Consent.sourceReference"])


def test_which_document_proves_a_decision_is_told_to_professionals_alone(store, holder, record):
    """It may be a minor's secret, or one that is not announced yet."""
    paper, doctor = f"{record}.{new_ulid(NOW)}", professional()
    given = replace(authorisation, proof=Proof(ProofKind.DOCUMENT, None, paper))
    consent = Consent(record, ME, given)
    change = Change(new_ulid(NOW), NOW, Turn.GIVEN, consent)
    decided = ActorConsents().having(given)
    assert store.save(ActorConsents(), decided, [change], replace(a_trace(), record_id=record))
    own, names = f"/fhir/Consent/{consent.id}", {}
    for actor in (holder, doctor):
        for asked in (own, f"{own}/_history", f"/fhir/Consent?patient={record}"):
            status, told, _ = ask(consents.app, "GET", asked, actor)
            assert status == 200, told
            assert '"document"' in json.dumps(told)
            names.setdefault(actor, []).append(paper in json.dumps(told))
    assert names == {holder: [False] * 3, doctor: [True] * 3}
    guess = ("test", "/sourceReference/reference", f"DocumentReference/{paper}")
    assert patch(holder, consent.id, guess)[0] == 422
    assert patch(doctor, consent.id, guess)[0] == 200


def test_the_colleagues_of_an_authorised_professional_are_presumed_until_it_ends(
    holder, record, opens
):
    doctor, nurse = professional(), professional("60", id=OTHER)
    assert not opens(nurse)
    told = post(doctor, body(), record)[1]
    assert opens(nurse)
    assert not opens(professional("60", id=OTHER, structure=Structure(THERE)))
    assert withdraw(holder, told["id"])[0] == 200
    assert not opens(nurse)


def test_a_colleague_to_whom_the_holder_objected_is_presumed_nothing(holder, record, opens):
    nurse = professional("60", id=OTHER)
    post(professional(), body(), record)
    mine = post(holder, about(body(), OTHER), record)[1]
    assert opens(nurse)
    assert withdraw(holder, mine["id"])[0] == 200
    assert not opens(nurse)


def test_a_blocked_professional_s_colleagues_lose_what_they_had_through_them(holder, record, opens):
    post(professional(), body(), record)
    assert opens(professional("60", id=OTHER))
    post(holder, body("block", "deny"), record)
    assert not opens(professional("60", id=OTHER))


def about(told, who):
    told = deepcopy(told)
    told["provision"]["actor"][0]["reference"]["identifier"]["value"] = who
    return told


def test_the_medecin_traitant_blocks_and_only_the_holder_lifts(holder, record, opens):
    doctor, other = professional(), professional(id=OTHER)
    assert post(doctor, body("medecin-traitant"), record)[0] == 201
    assert opens(doctor)
    post(holder, about(body(), OTHER), record)
    status, blocked, _ = post(doctor, about(body("block", "deny"), OTHER), record)
    assert status == 201
    assert not opens(other)
    assert withdraw(doctor, blocked["id"])[0] == 404
    assert withdraw(holder, blocked["id"])[0] == 200


def test_a_delegate_is_named_by_the_holder_and_gives_it_back(holder, record, opens):
    doctor = professional()
    assert post(doctor, body("delegate"), record)[0] == 404
    told = post(holder, body("delegate"), record)[1]
    assert opens(doctor)
    assert patch(doctor, told["id"], ("add", END, "2999-01-01"))[0] == 403
    assert withdraw(doctor, told["id"])[0] == 200
    assert not opens(doctor)


def test_every_change_is_kept_and_read_page_by_page(holder, record):
    told = post(professional(), body(), record)[1]
    patch(holder, told["id"], ("add", END, "2999-12-31"))
    withdraw(professional(), told["id"])
    lines = fetched(holder, told["id"])
    assert [(one["turn"], one["version"]) for one in lines] == [
        ("withdrawn", "3"),
        ("changed", "2"),
        ("given", "1"),
    ]
    assert lines[1]["by"] == [{"reference": f"Patient/{record}"}]
    assert lines[0]["by"][0]["identifier"]["value"] == ME
    seen, more = [], "?_count=2"
    while more is not None:
        status, page, _ = history(holder, told["id"], more)
        assert (status, page["type"], page["total"]) == (200, "history", 3)
        seen += [one["resource"]["meta"]["versionId"] for one in page["entry"]]
        following = [one["url"] for one in page["link"] if one["relation"] == "next"]
        more = f"?{following[0].partition('?')[2]}" if following else None
    assert seen == ["3", "2", "1"]
    assert history(person(STRANGER), told["id"])[0] == 404
    assert history(professional(id=OTHER), told["id"])[0] == 404


def test_what_was_said_at_opening_is_withdrawn_like_any_other(holder, record, dynamodb):
    taken = OpeningConsent(opening=True, opposes_break_glass=True, opposes_centre_15=False)
    first = Settings.of(Consents(dynamodb, "consents", JOURNAL).about(record, None))
    name = f"{record}.break-glass-opposition"
    assert first.opposes_break_glass is False
    for one in (settings_put("consents", record, taken, "agent#7", NOW),):
        dynamodb.put_item(TableName="consents", Item=one["Put"]["Item"])
    for one in opening_puts("consents", record, taken, "agent#7", NOW):
        write(dynamodb, one)
    assert withdraw(holder, name)[0] == 200
    told = history(holder, name)[1]
    assert [one["resource"]["status"] for one in told["entry"]] == ["inactive", "active"]
    assert "performer" not in told["entry"][1]["resource"]


def test_withdrawing_is_told_on_the_bus_and_what_a_block_ended_is_not(dynamodb, holder, record):
    told_of = told_in(dynamodb, record)
    first = post(holder, body(), record)[1]
    patch(holder, first["id"], ("add", END, "2999-12-31"))
    withdraw(holder, first["id"])
    post(holder, body("medecin-traitant"), record)
    post(holder, body("block", "deny"), record)
    assert [(one["kind"], one["change"]) for one in told_of()] == [
        ("authorisation", "given"),
        ("authorisation", "changed"),
        ("authorisation", "withdrawn"),
        ("medecin-traitant", "given"),
        ("block", "given"),
    ]


def told_in(dynamodb, record):
    def read():
        return [
            dict(fact.detail)
            for item in items(dynamodb, "consents", "CHANGE#", record)
            for fact in facts_of(ItemChange(item["pk"], item["sk"], None, item))
        ]

    return read


# -- several at once -----------------------------------------------------------------------------


@pytest.fixture
def meanwhile(monkeypatch):
    """What somebody else does between what a request reads and what it writes; each once."""
    acts, busy = [], []

    def transact(dynamodb, writes, token=None):
        if acts and not busy:
            busy.append(True)
            acts.pop(0)()
            busy.clear()
        real(dynamodb, writes, token)

    real = transactions.transact
    monkeypatch.setattr(transactions, "transact", transact)
    return acts


def test_a_stale_version_changes_nothing(holder, record):
    told = post(holder, body(), record)[1]
    assert patch(holder, told["id"], ("add", END, "2999-12-31"), **{"If-Match": 'W/"1"'})[0] == 200
    status, answer, _ = withdraw(holder, told["id"], **{"If-Match": 'W/"1"'})
    assert status == 412
    assert answer["issue"][0]["details"]["coding"][0]["code"] == "stale-version"
    assert ask(consents.app, "GET", f"/fhir/Consent/{told['id']}", holder)[1]["status"] == "active"
    assert withdraw(holder, told["id"], **{"If-Match": 'W/"2"'})[0] == 200
    assert withdraw(holder, told["id"], **{"If-Match": "*"})[0] == 200
    assert withdraw(holder, told["id"], **{"If-Match": "2"})[0] == 400


def test_of_two_who_change_one_version_one_is_told_that_it_is_stale(holder, record, meanwhile):
    told = post(holder, body(), record)[1]
    meanwhile.append(
        lambda: patch(holder, told["id"], ("add", END, "2999-12-31"), **{"If-Match": 'W/"1"'})
    )
    assert withdraw(holder, told["id"], **{"If-Match": 'W/"1"'})[0] == 412
    assert [one["turn"] for one in fetched(holder, told["id"])] == ["changed", "given"]


def test_of_changes_at_once_none_is_lost(dynamodb, holder, record, meanwhile):
    told = post(holder, body(), record)[1]
    meanwhile += [
        lambda: patch(holder, told["id"], ("add", END, "2999-12-31")),
        lambda: post(holder, body("delegate"), record),
    ]
    status, after, headers = withdraw(holder, told["id"])
    assert (status, after["status"], headers["ETag"]) == (200, "inactive", 'W/"3"')
    assert after["provision"]["period"]["end"] == "2999-12-31T23:00:00.000Z"
    store = Consents(dynamodb, "consents", JOURNAL)
    stands = store.about(record, ME)
    assert {(one.kind, one.active) for one in stands.decisions} == {
        (Kind.AUTHORISATION, False),
        (Kind.DELEGATE, True),
    }
    assert (stands.version, len(items(dynamodb, "consents", "CHANGE#", record))) == (4, 4)


def test_a_block_meanwhile_beats_the_authorisation_being_recorded(holder, record, meanwhile, opens):
    meanwhile.append(lambda: post(holder, body("block", "deny"), record))
    assert post(professional(), body(), record)[0] == 404
    assert not opens(professional())


def test_who_is_overtaken_again_and_again_is_told_of_the_conflict(holder, record, meanwhile):
    told = post(holder, body(), record)[1]

    def another(day):
        return lambda: patch(holder, told["id"], ("add", END, f"2999-12-{day:02}"))

    meanwhile += [another(day) for day in range(1, 5)]
    status, answer, _ = withdraw(holder, told["id"])
    assert status == 409
    assert answer["issue"][0]["details"]["coding"][0]["code"] == "conflict"
    assert [one["turn"] for one in fetched(holder, told["id"])] == ["changed"] * 4 + ["given"]


def test_two_colleagues_at_once_are_both_of_the_team(dynamodb, holder, record, meanwhile):
    meanwhile.append(lambda: post(professional(id=OTHER), about(body(), OTHER), record))
    assert post(professional(), body(), record)[0] == 201
    found = items(dynamodb, "consents", f"TEAM#{HERE}", record)
    assert {one.professional for one in team_of(found[0]).members} == {ME, OTHER}


# -- wrong requests ------------------------------------------------------------------------------


def test_a_decision_is_never_overwritten_nor_removed(holder, record):
    told = post(holder, body(), record)[1]
    for method in ("PUT", "DELETE"):
        status, _, headers = ask(consents.app, method, f"/fhir/Consent/{told['id']}", holder)
        assert (status, headers["Allow"]) == (405, "GET, PATCH")


@pytest.mark.parametrize(
    ("operations", "status", "path"),
    [
        ([("replace", "/patient/reference", "Patient/x")], 405, None),
        ([("replace", STATUS, "inactive"), ("replace", "/provision/type", "deny")], 405, None),
        ([("replace", STATUS, "draft")], 422, "Consent.status"),
        ([("add", END, "2020-01-01")], 422, "Consent.provision.period.end"),
        ([("add", END, "soon")], 422, "Consent.provision.period.end"),
        ([("test", "/meta/versionId", "7")], 422, "patch[0]"),
        ([("rename", STATUS, "x")], 400, "patch[0].op"),
        ([("test", STATUS, "inactive")], 422, "patch[0]"),
    ],
)
def test_a_wrong_patch_names_what_is_wrong_and_changes_nothing(
    holder, record, operations, status, path
):
    told = post(holder, body(), record)[1]
    answered, answer, _ = patch(holder, told["id"], *operations)
    assert (answered, answer["issue"][0].get("expression")) == (status, path and [path])
    assert ask(consents.app, "GET", f"/fhir/Consent/{told['id']}", holder)[1] == told


def test_a_patch_is_a_json_patch(holder, record):
    told = post(holder, body(), record)[1]
    refused = withdraw(holder, told["id"], **{"Content-Type": "application/fhir+json"})
    assert refused[0] == 415


def test_who_has_no_business_with_a_decision_is_answered_as_if_there_were_none(holder, record):
    told = post(holder, body(), record)[1]
    nowhere = f"{'0' * 26}.authorisation.{ME}"
    for actor in (person(STRANGER), professional(id=OTHER)):
        assert withdraw(actor, told["id"])[:2] == withdraw(actor, nowhere)[:2]
        assert withdraw(actor, told["id"])[0] == 404
    assert withdraw(agent(), told["id"])[0] == 403
    assert withdraw(None, told["id"])[0] == 401


def test_every_change_and_refusal_leaves_its_trace(dynamodb, holder, record):
    told = post(holder, body("delegate"), record)[1]
    before = len(traces(dynamodb, record))
    withdraw(person(STRANGER), told["id"])
    patch(professional(), told["id"], ("add", END, "2999-01-01"))
    withdraw(holder, told["id"], **{"If-Match": 'W/"9"'})
    withdraw(holder, told["id"])
    history(holder, told["id"])
    left = [(one["act"], one["outcome"]) for one in traces(dynamodb, record)[before:]]
    assert left == [
        ("consent.change", "refused"),
        ("consent.change", "refused"),
        ("consent.change", "failed"),
        ("consent.change", "done"),
        ("consent.search", "done"),
    ]
    assert {one["target"] for one in traces(dynamodb, record)[before:]} == {told["id"]}
