"""Who represents a holder: named and ended over HTTP, on moto, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure, System
from dmp.domain.consents import Change, Consent, Decision, Kind, Turn
from dmp.domain.ids import new_ulid
from dmp.domain.majority import comes_of_age
from dmp.domain.paris import PARIS
from dmp.domain.records import RecordStatus
from dmp.domain.traces import Act, Outcome, Trace
from dmp.edge.http import HttpArea
from dmp.store.aws import client
from dmp.store.consents import Consents
from dmp.store.items import decode, encode
from dmp.store.pseudonyms import Pseudonyms
from dmp.store.records import Records, record_item
from dmp.store.representatives import Minors, Representatives
from dmp.store.traces import Journal
from tests.support.aws import JOURNAL, account
from tests.support.gateway import ask
from tests.support.people import Someone, opening, somebody
from tests.support.records import record

PHARMACY = Structure("750000018", "SA33")
PHARMACIST = Professional("810100997245", "21", structure=PHARMACY)
COLLEAGUE = Professional("899700024450", "21", structure=PHARMACY)
ELSEWHERE = Professional("899700000013", "21", structure=Structure("750000026"))
CLERK = Agent("clerk", AgentRole.ENROLMENT, "751")
OPERATOR = Agent("operator", AgentRole.OPERATIONS, "751")
HOSPITAL = System(Structure("750000034"))
EMERGENCY = replace(ELSEWHERE, emergency_reason="Patient inconscient, détresse vitale")
RECORDS = "/enrolment/records"
NOW = datetime.now(UTC)
YEAR = NOW.astimezone(PARIS).year


@pytest.fixture(scope="module", autouse=True)
def aws():
    with account():
        yield


@pytest.fixture(scope="module")
def app(aws):
    from functions.accounts.app import app as area  # noqa: PLC0415 - its clients are made inside

    return area


def minor():
    return somebody(year=YEAR - 10)


def adult():
    return somebody(year=YEAR - 40)


def told(someone: Someone, basis="parental-authority", **more):
    return {"traits": someone.traits, "basis": basis, **more}


def visitor(someone: Someone):
    return Person(
        f"{someone.matricule:0<64}",
        someone.family_name,
        someone.given_names,
        someone.birth_date,
        someone.sex,
        someone.birth_place,
    )


def opened(app, someone, *representatives, actor=PHARMACIST):
    body = opening(
        someone, **({"representatives": list(representatives)} if representatives else {})
    )
    status, answer, _ = ask(app, "POST", RECORDS, actor, body)
    assert status == 201, answer
    return answer["recordId"]


def place(record_id, which=None):
    return f"{RECORDS}/{record_id}/representatives" + (f"/{which}" if which else "")


def shown(app, record_id, actor=PHARMACIST):
    status, answer, _ = ask(app, "GET", place(record_id), actor)
    assert status == 200, answer
    return answer["representatives"]


def items(pk_start):
    found = boto3.client("dynamodb").scan(TableName="accounts")["Items"]
    return [item for item in map(decode, found) if item["pk"].startswith(pk_start)]


def traces(record_id, act="representative.change"):
    answer = boto3.client("dynamodb").query(
        TableName="traces",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"REC#{record_id}"}},
    )
    found = [decode(item) for item in answer["Items"]]
    return [(t["outcome"], t.get("target")) for t in found if t["act"] == act]


def faults(answer):
    return {(each["field"], each["code"]) for each in answer["errors"]}


def at(monkeypatch, moment):
    monkeypatch.setattr(HttpArea, "now", property(lambda _: moment))


# -- at the opening --------------------------------------------------------------------------------


def test_parents_are_named_with_the_opening(app):
    mother, father = adult(), adult()
    contact = {"mobile": "06 39 98 00 09"}
    record_id = opened(app, minor(), told(mother, contact=contact), told(father))
    first, second = shown(app, record_id)
    assert set(first) == {"id", "basis", "since", "acting", "traits"}
    assert (first["basis"], first["acting"]) == ("parental-authority", True)
    assert [first["traits"], second["traits"]] == [mother.traits, father.traits]
    assert first["id"] != second["id"]
    kept = Records(client("dynamodb"), "accounts").of(record_id).representatives
    assert kept[0].contact.mobile == "+33639980009"


def test_no_key_holds_a_birth_date_nor_anything_of_a_representative(app):
    child, mother = minor(), adult()
    record_id = opened(app, child, told(mother))
    ways = [i for start in ("OFAGE#", "REPRESENTS#") for i in items(start) if record_id in i["sk"]]
    assert [set(item) for item in ways] == [{"pk", "sk"}] * 2
    assert not any(
        text in str(ways)
        for text in (
            child.birth_date.isoformat(),
            mother.family_name,
            mother.birth_date.isoformat(),
        )
    )


def test_the_record_of_an_adult_is_under_no_parental_authority(app):
    status, answer, _ = ask(
        app, "POST", RECORDS, PHARMACIST, opening(adult(), representatives=[told(adult())])
    )
    assert (status, faults(answer)) == (422, {("representatives[0].basis", "of-age")})
    record_id = opened(app, adult(), told(adult(), "guardianship", until="2999-12-31"))
    assert [i for i in items("OFAGE#") if record_id in i["sk"]] == []
    (one,) = shown(app, record_id)
    assert (one["until"], one["acting"]) == ("2999-12-31T23:00:00.000Z", True)


def test_every_wrong_representative_is_named_at_once(app):
    child, mother = minor(), adult()
    wrong = [
        told(mother),
        told(mother, "guardianship"),
        {"traits": child.traits, "basis": "parental-authority"},
        told(minor(), contact={"email": "nowhere"}, until="2001-01-01"),
    ]
    status, answer, _ = ask(app, "POST", RECORDS, PHARMACIST, opening(child, representatives=wrong))
    assert status == 422
    assert faults(answer) == {
        ("representatives[1].traits", "twice"),
        ("representatives[2].traits", "is-holder"),
        ("representatives[3].traits.birthDate", "not-of-age"),
        ("representatives[3].contact.email", "email-form"),
        ("representatives[3].until", "in-the-past"),
    }


@pytest.mark.parametrize(
    ("representatives", "field"),
    [
        ([{"basis": "parental-authority"}], "representatives[0].traits"),
        ([{"traits": {}, "basis": "aunt"}], "representatives[0].basis"),
        ([{"relation": "mother"}], "representatives[0].relation"),
        ("mother", "representatives"),
        ([told(adult()) for _ in range(5)], "representatives"),
    ],
)
def test_a_representative_has_a_form(app, representatives, field):
    body = opening(minor(), representatives=representatives)
    status, answer, _ = ask(app, "POST", RECORDS, PHARMACIST, body)
    assert status == 422
    assert field in {each["field"] for each in answer["errors"]}


def test_the_same_opening_again_is_answered_the_same_and_another_representative_is_another(app):
    child, body = minor(), {}
    body = opening(child, representatives=[told(adult())])
    key = {"Idempotency-Key": f"key-{child.matricule}"}
    first = ask(app, "POST", RECORDS, PHARMACIST, body, **key)
    assert ask(app, "POST", RECORDS, PHARMACIST, body, **key)[:2] == first[:2]
    other = {**body, "representatives": [told(adult())]}
    assert ask(app, "POST", RECORDS, PHARMACIST, other, **key)[0] == 422


# -- who is told -----------------------------------------------------------------------------------


def test_where_the_record_was_opened_who_represents_is_known(app):
    mother = adult()
    record_id = opened(app, minor(), told(mother))
    assert [one["traits"] for one in shown(app, record_id, COLLEAGUE)] == [mother.traits]


def test_the_holder_and_who_acts_for_them_are_told(app):
    child, mother = minor(), adult()
    record_id = opened(app, child, told(mother))
    for person in (child, mother):
        assert shown(app, record_id, visitor(person))[0]["traits"] == mother.traits


def test_others_who_may_follow_the_record_are_told_that_there_is_somebody_not_who(app):
    record_id = opened(app, minor(), told(adult()))
    (one,) = shown(app, record_id, EMERGENCY)
    assert set(one) == {"id", "basis", "since", "acting"}


@pytest.mark.parametrize("actor", [ELSEWHERE, HOSPITAL, CLERK, OPERATOR, visitor(adult())])
def test_to_anybody_else_there_is_nothing(app, actor):
    record_id = opened(app, minor(), told(adult()))
    known = ask(app, "GET", place(record_id), actor)
    assert known == ask(app, "GET", place("0" * 26), actor)
    assert known[0] == 404


# -- the holder is the holder ----------------------------------------------------------------------


def test_a_representative_is_never_taken_for_the_holder(app):
    child, mother = minor(), adult()
    record_id = opened(app, child, told(mother))
    assert ask(app, "GET", f"{RECORDS}/{record_id}", visitor(mother))[0] == 200
    records = Records(client("dynamodb"), "accounts")
    assert records.of(record_id).holder is None
    assert ask(app, "GET", f"{RECORDS}/{record_id}", visitor(child))[0] == 200
    assert records.of(record_id).holder == visitor(child).reference
    assert ask(app, "GET", f"{RECORDS}/{record_id}", visitor(mother))[0] == 200
    assert records.of(record_id).holder == visitor(child).reference


# -- named later -----------------------------------------------------------------------------------


@pytest.mark.parametrize("opener", [PHARMACIST, CLERK, HOSPITAL])
def test_whoever_opened_the_record_names_a_representative_later(app, opener):
    child, mother = minor(), adult()
    record_id = opened(app, child, actor=opener)
    assert ask(app, "GET", f"{RECORDS}/{record_id}", visitor(mother))[0] == 404
    status, answer, headers = ask(app, "POST", place(record_id), opener, told(mother))
    assert (status, answer["traits"]) == (201, mother.traits)
    assert headers["Location"] == place(record_id, answer["id"])
    assert traces(record_id) == [("done", answer["id"])]
    assert ask(app, "GET", f"{RECORDS}/{record_id}", visitor(mother))[0] == 200
    minors = Minors(client("dynamodb"), "accounts", Pseudonyms(lambda: b"p" * 64))
    assert record_id in list(minors.born_on(child.birth_date))


def test_a_term_until_the_end_of_time_is_one(app):
    record_id = opened(app, adult())
    guardian = told(adult(), "guardianship", until="9999-12-31")
    status, answer, _ = ask(app, "POST", place(record_id), PHARMACIST, guardian)
    assert (status, answer["acting"]) == (201, True)
    assert ask(app, "POST", place(record_id), PHARMACIST, guardian)[0] == 200


def test_the_same_naming_again_changes_nothing_and_other_terms_are_a_conflict(app):
    record_id, mother = opened(app, minor()), adult()
    contact = {"email": "mere@example.test"}
    first = ask(app, "POST", place(record_id), PHARMACIST, told(mother, contact=contact))
    again = ask(app, "POST", place(record_id), COLLEAGUE, told(mother, contact=contact))
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert Records(client("dynamodb"), "accounts").of(record_id).version == 2
    other = ask(app, "POST", place(record_id), PHARMACIST, told(mother, "guardianship"))
    assert (other[0], other[1]["type"]) == (409, "urn:dmp:problem/conflict")
    assert traces(record_id)[-1] == ("failed", None)


def test_a_fifth_representative_is_one_too_many_until_one_is_ended(app):
    record_id = opened(app, minor(), *(told(adult()) for _ in range(4)))
    fifth = told(adult())
    status, answer, _ = ask(app, "POST", place(record_id), PHARMACIST, fifth)
    assert (status, faults(answer)) == (422, {("representatives", "too-many")})
    first = shown(app, record_id)[0]["id"]
    assert ask(app, "DELETE", place(record_id, first), PHARMACIST)[0] == 204
    assert ask(app, "POST", place(record_id), PHARMACIST, fifth)[0] == 201


def test_who_is_named_alone_is_checked_like_the_others(app):
    child = minor()
    record_id = opened(app, child)
    body = {**told(minor()), "until": "2001-01-01"}
    status, answer, _ = ask(app, "POST", place(record_id), PHARMACIST, body)
    assert (status, faults(answer)) == (
        422,
        {("traits.birthDate", "not-of-age"), ("until", "in-the-past")},
    )
    own = ask(app, "POST", place(record_id), PHARMACIST, told(child))
    assert (own[0], faults(own[1])) == (422, {("traits", "is-holder")})


def overtaken(monkeypatch, times, by):
    """Somebody else writes the record just before each of the first writes."""
    left, real = [times], Representatives.save

    def save(self, after, trace, named=None):
        if left[0]:
            left[0] -= 1
            by()
        return real(self, after, trace, named)

    monkeypatch.setattr(Representatives, "save", save)


def test_of_two_who_are_named_at_once_both_are_kept(app, monkeypatch):
    record_id, first, second = opened(app, minor()), adult(), adult()
    overtaken(monkeypatch, 1, lambda: ask(app, "POST", place(record_id), COLLEAGUE, told(first)))
    assert ask(app, "POST", place(record_id), PHARMACIST, told(second))[0] == 201
    assert [one["traits"] for one in shown(app, record_id)] == [first.traits, second.traits]
    assert [outcome for outcome, _ in traces(record_id)] == ["done", "done"]


def test_the_same_person_named_twice_at_once_is_named_once(app, monkeypatch):
    record_id, mother = opened(app, minor()), adult()
    overtaken(monkeypatch, 1, lambda: ask(app, "POST", place(record_id), COLLEAGUE, told(mother)))
    assert ask(app, "POST", place(record_id), PHARMACIST, told(mother))[0] == 200
    assert len(shown(app, record_id)) == 1


def test_who_is_overtaken_again_and_again_is_told_of_the_conflict(app, monkeypatch):
    record_id = opened(app, minor())

    def meddle():
        client("dynamodb").update_item(
            TableName="accounts",
            Key=encode({"pk": f"REC#{record_id}", "sk": "RECORD"}),
            UpdateExpression="SET version = version + :one",
            ExpressionAttributeValues=encode({":one": 1}),
        )

    overtaken(monkeypatch, 100, meddle)
    assert ask(app, "POST", place(record_id), PHARMACIST, told(adult()))[0] == 409
    assert shown(app, record_id) == []
    assert traces(record_id) == [("failed", None)]


@pytest.mark.parametrize("actor", [OPERATOR, visitor(adult())])
def test_who_opens_no_records_names_nobody(app, actor):
    record_id = opened(app, minor())
    assert ask(app, "POST", place(record_id), actor, told(adult()))[0] == 403


@pytest.mark.parametrize("actor", [ELSEWHERE, CLERK, HOSPITAL, EMERGENCY])
def test_who_may_not_follow_the_record_names_nobody_nor_does_an_emergency(app, actor):
    record_id = opened(app, minor())
    refused = ask(app, "POST", place(record_id), actor, told(adult()))
    assert refused == ask(app, "POST", place("0" * 26), actor, told(adult()))
    assert refused[0] == 404
    assert traces(record_id) == [("refused", None)]
    assert shown(app, record_id) == []


def authorised(record_id, professional):
    """As the professional records it for themselves."""
    consents = Consents(client("dynamodb"), "consents", JOURNAL)
    given = Decision(Kind.AUTHORISATION, NOW, f"professional#{professional.id}", recorded_at=NOW)
    change = Change(new_ulid(NOW), NOW, Turn.GIVEN, Consent(record_id, professional.id, given))
    trace = Trace(
        new_ulid(NOW), NOW, Act.CHANGE_CONSENT, Outcome.DONE, given.recorded_by, record_id
    )
    stood = consents.about(record_id, professional.id)
    assert consents.save(stood, stood.having(given), [change], trace)


def test_an_authorisation_leads_to_no_representative(app):
    """Else whoever records one for themselves would have everything decided by a friend."""
    friend, record_id = adult(), opened(app, adult())
    authorised(record_id, ELSEWHERE)
    assert ask(app, "GET", f"{RECORDS}/{record_id}", ELSEWHERE)[0] == 200
    guardian = told(friend, "guardianship")
    assert ask(app, "POST", place(record_id), ELSEWHERE, guardian)[0] == 403
    assert traces(record_id) == [("refused", None)]
    assert ask(app, "GET", f"{RECORDS}/{record_id}", visitor(friend))[0] == 404
    assert ask(app, "POST", place(record_id), COLLEAGUE, guardian)[0] == 201


def test_an_authorisation_ends_no_representation(app):
    record_id = opened(app, minor(), told(adult()))
    authorised(record_id, ELSEWHERE)
    (one,) = shown(app, record_id)
    assert ask(app, "DELETE", place(record_id, one["id"]), ELSEWHERE)[0] == 403
    assert shown(app, record_id)[0]["acting"]


def test_nobody_is_named_for_the_holder_of_a_closed_record(app):
    closed = record(
        opened_by="professional#810100997245", status=RecordStatus.CLOSED, closed_at=NOW
    )
    client("dynamodb").put_item(TableName="accounts", Item=encode(record_item(closed)))
    refused = ask(app, "POST", place(closed.id), PHARMACIST, told(adult(), "guardianship"))
    assert (refused[0], refused[1]["type"]) == (409, "urn:dmp:problem/record-closed")


def test_nobody_is_named_without_a_trace(app):
    one = Records(client("dynamodb"), "accounts").of(opened(app, minor(), told(adult())))
    untraced = Representatives(
        client("dynamodb"), "accounts", Journal("no-table", lambda: b"j"), Pseudonyms(lambda: b"p")
    )
    from dmp.domain.traces import Act, Outcome, trace_of  # noqa: PLC0415

    trace = trace_of(PHARMACIST, Act.CHANGE_REPRESENTATIVES, Outcome.DONE, NOW, record_id=one.id)
    with pytest.raises(ClientError):
        untraced.save(replace(one, representatives=(), version=one.version + 1), trace)
    assert len(shown(app, one.id)) == 1


# -- ended -----------------------------------------------------------------------------------------


def test_who_was_ended_has_nothing_from_the_next_request_on(app):
    mother = adult()
    record_id = opened(app, minor(), told(mother, contact={"email": "mere@example.test"}))
    (one,) = shown(app, record_id)
    assert ask(app, "GET", f"/fhir/Patient/{record_id}", visitor(mother))[0] == 200
    assert ask(app, "DELETE", place(record_id, one["id"]), COLLEAGUE)[0] == 204
    assert ask(app, "GET", f"/fhir/Patient/{record_id}", visitor(mother))[0] == 404
    (ended,) = shown(app, record_id)
    assert (ended["id"], ended["acting"]) == (one["id"], False)
    assert datetime.fromisoformat(ended["until"]) <= datetime.now(UTC)
    (kept,) = Records(client("dynamodb"), "accounts").of(record_id).representatives
    assert kept.contact.channel is None
    assert ask(app, "DELETE", place(record_id, one["id"]), PHARMACIST)[0] == 204
    assert shown(app, record_id) == [ended]
    again = ask(app, "POST", place(record_id), PHARMACIST, told(mother))
    assert (again[0], again[1]["id"] != one["id"]) == (201, True)


def test_what_ended_long_ago_is_forgotten_in_the_end(app):
    record_id = opened(app, minor())
    for _ in range(14):
        done = ask(app, "POST", place(record_id), PHARMACIST, told(adult()))[1]
        ask(app, "DELETE", place(record_id, done["id"]), PHARMACIST)
    assert len(shown(app, record_id)) == 12
    assert shown(app, record_id)[-1]["id"] == done["id"]


def test_an_id_that_names_nobody_is_not_found(app):
    record_id, other = opened(app, minor()), opened(app, minor(), told(adult()))
    (foreign,) = shown(app, other)
    for which in (foreign["id"], "0", "x" * 300):
        assert ask(app, "DELETE", place(record_id, which), PHARMACIST)[0] == 404
    assert shown(app, other)[0]["acting"]


def test_a_holder_of_age_ends_what_they_want_no_more(app):
    holder, guardian = adult(), adult()
    record_id = opened(app, holder, told(guardian, "guardianship"))
    (one,) = shown(app, record_id)
    assert ask(app, "DELETE", place(record_id, one["id"]), visitor(guardian))[0] == 403
    assert ask(app, "DELETE", place(record_id, one["id"]), visitor(adult()))[0] == 404
    assert shown(app, record_id)[0]["acting"]
    assert ask(app, "DELETE", place(record_id, one["id"]), visitor(holder))[0] == 204
    assert not shown(app, record_id)[0]["acting"]


def test_a_child_ends_nothing(app):
    child = minor()
    record_id = opened(app, child, told(adult()))
    (one,) = shown(app, record_id)
    assert ask(app, "DELETE", place(record_id, one["id"]), visitor(child))[0] == 403
    assert shown(app, record_id)[0]["acting"]


@pytest.mark.parametrize("actor", [ELSEWHERE, EMERGENCY, HOSPITAL])
def test_who_may_not_follow_the_record_ends_nothing(app, actor):
    record_id = opened(app, minor(), told(adult()))
    (one,) = shown(app, record_id)
    assert ask(app, "DELETE", place(record_id, one["id"]), actor)[0] == 404
    assert shown(app, record_id)[0]["acting"]


# -- majority --------------------------------------------------------------------------------------


def test_the_access_of_a_parent_ends_with_the_first_moment_of_majority(app, monkeypatch):
    child, mother, guardian = minor(), adult(), adult()
    record_id = opened(app, child, told(mother), told(guardian, "guardianship"))
    grown = comes_of_age(child.birth_date, 18)
    seen = {}
    for moment in (grown - timedelta(microseconds=1), grown):
        at(monkeypatch, moment)
        seen[moment] = [
            ask(app, "GET", f"/fhir/Patient/{record_id}", visitor(one))[0]
            for one in (mother, guardian, child)
        ]
    assert list(seen.values()) == [[200, 200, 200], [404, 200, 200]]
    first, second = shown(app, record_id, visitor(child))
    assert (first["acting"], second["acting"]) == (False, True)


def test_the_parent_of_a_child_grown_up_may_be_named_its_guardian(app, monkeypatch):
    child, mother = minor(), adult()
    record_id = opened(app, child, told(mother))
    at(monkeypatch, comes_of_age(child.birth_date, 18))
    refused = ask(app, "POST", place(record_id), PHARMACIST, told(mother))
    assert (refused[0], faults(refused[1])) == (422, {("basis", "of-age")})
    status, _, _ = ask(app, "POST", place(record_id), PHARMACIST, told(mother, "guardianship"))
    assert status == 201
    assert ask(app, "GET", f"/fhir/Patient/{record_id}", visitor(mother))[0] == 200


def test_the_morning_turn_tells_the_bus_of_who_comes_of_age(app, monkeypatch):
    from functions.accounts import majority, wiring_majority  # noqa: PLC0415

    child = minor()
    record_id = opened(app, child, told(adult()))
    opened(app, minor())
    told_facts = []

    class Events:
        def put_events(self, Entries):  # noqa: N803 - AWS's own word
            told_facts.extend(Entries)
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "0"}] * len(Entries)}

    real = client

    def given(service):
        return Events() if service == "events" else real(service)

    monkeypatch.setattr(wiring_majority, "client", given)
    morning = comes_of_age(child.birth_date, 18) - timedelta(days=30) + timedelta(hours=6)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return morning.astimezone(tz)

    monkeypatch.setattr(majority, "datetime", Clock)
    answer = majority.handler({}, None)
    assert answer == {"reminded": len(told_facts)}
    assert f'"recordId": "{record_id}"}}' in " ".join(e["Detail"] for e in told_facts)
