"""Everything that one access is decided on, in one consistent read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import boto3
import pytest

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure
from dmp.domain.consents import (
    NO_TEAM,
    ActorConsents,
    CareTeam,
    Kind,
    Member,
    OpeningConsent,
    Settings,
)
from dmp.domain.errors import Busy
from dmp.domain.ids import document_id, new_record_id, new_ulid
from dmp.store import items
from dmp.store.aws import client
from dmp.store.consents import actor_sk, settings_put, team_sk
from dmp.store.items import encode, put, write
from dmp.store.records import record_item
from dmp.store.situations import Situations
from tests.support.aws import account
from tests.support.records import NOW, record

DOCTOR = Professional("899700218896", "10")
NURSE = Professional("899700024450", "60")
HOLDER = Person("a" * 64, "PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215")
AGENT = Agent("agent-7", AgentRole.ENROLMENT, "751")
CONSENT = OpeningConsent(opening=True, opposes_break_glass=True, opposes_centre_15=False)


class Counted:
    """DynamoDB with its calls counted, and its answers shortened when asked."""

    def __init__(self):
        self.real = client("dynamodb")
        self.requests = []
        self.withheld = 0

    def batch_get_item(self, RequestItems):  # noqa: N803 - AWS's own word
        self.requests.append(RequestItems)
        if self.withheld:
            self.withheld -= 1
            first = dict(list(RequestItems.items())[:1])
            rest = {name: asked for name, asked in RequestItems.items() if name not in first}
            answer = self.real.batch_get_item(RequestItems=first)
            return {**answer, "UnprocessedKeys": rest or first}
        return self.real.batch_get_item(RequestItems=RequestItems)


@pytest.fixture(scope="module", autouse=True)
def aws():
    with account():
        yield


@pytest.fixture
def dynamodb(monkeypatch):
    monkeypatch.setattr(items, "sleep", lambda _: None)
    return Counted()


@pytest.fixture
def read(dynamodb):
    return Situations(dynamodb, "accounts", "consents", "documents")


@pytest.fixture
def known():
    """A record whose holder opposed the break-glass and blocked the doctor."""
    one = record()
    real = client("dynamodb")
    write(real, put("accounts", record_item(one)))
    write(real, settings_put("consents", one.id, CONSENT, one.opened_by, NOW))
    block = {
        "since": NOW.isoformat(),
        "recordedBy": "patient#" + "a" * 64,
        "active": True,
        "version": 1,
    }
    item = {"pk": f"REC#{one.id}", "sk": actor_sk(DOCTOR.id), "version": 1}
    write(real, put("consents", {**item, "decisions": {"block": block}}))
    return one


def test_record_consents_and_settings_come_in_one_consistent_read(dynamodb, read, known):
    found = read.of(known.id, DOCTOR)
    assert found.record == known
    assert found.consents.of(Kind.BLOCK) is not None
    assert found.settings.opposes_break_glass
    assert found.document is None
    (request,) = dynamodb.requests
    assert set(request) == {"accounts", "consents"}
    assert all(asked["ConsistentRead"] for asked in request.values())


def test_what_was_decided_about_one_professional_is_not_told_of_another(read, known):
    assert read.of(known.id, NURSE).consents == ActorConsents()


@pytest.mark.parametrize("actor", [HOLDER, AGENT])
def test_nothing_is_decided_about_those_who_are_no_professionals(dynamodb, read, known, actor):
    found = read.of(known.id, actor)
    assert found.consents == ActorConsents()
    assert found.settings.opposes_break_glass
    (request,) = dynamodb.requests
    assert len(request["consents"]["Keys"]) == 1


HERE, THERE = Structure("510000029"), Structure("750000018")


@pytest.fixture
def team(known):
    """Two authorised professionals of one structure, one of them without end."""
    item = {
        "pk": f"REC#{known.id}",
        "sk": team_sk(HERE.finess),
        DOCTOR.id: {"since": NOW.isoformat(), "until": (NOW + timedelta(days=1)).isoformat()},
        "810100997245": {"since": NOW.isoformat()},
    }
    write(client("dynamodb"), put("consents", item))
    return CareTeam((Member(DOCTOR.id, NOW, NOW + timedelta(days=1)), Member("810100997245", NOW)))


def test_the_care_team_of_the_structure_comes_in_the_same_read(dynamodb, read, known, team):
    found = read.of(known.id, replace(NURSE, structure=HERE))
    assert sorted(found.team.members, key=str) == sorted(team.members, key=str)
    (request,) = dynamodb.requests
    assert len(request["consents"]["Keys"]) == 3


@pytest.mark.parametrize(
    "actor", [NURSE, replace(NURSE, structure=THERE), HOLDER, AGENT], ids=lambda one: one.kind
)
def test_elsewhere_there_is_no_team(read, known, team, actor):
    assert read.of(known.id, actor).team == NO_TEAM


def test_no_record_is_no_situation(read):
    assert read.of(new_record_id(), DOCTOR) is None


def test_a_record_without_settings_opposes_nothing(read, known):
    boto3.client("dynamodb").delete_item(
        TableName="consents", Key=encode({"pk": f"REC#{known.id}", "sk": "SETTINGS"})
    )
    assert read.of(known.id, DOCTOR).settings == Settings()


def test_a_document_that_is_not_there_is_none(dynamodb, read, known):
    found = read.of(known.id, DOCTOR, document_id(known.id, new_ulid(NOW)))
    assert found.document is None
    assert set(dynamodb.requests[0]) == {"accounts", "consents", "documents"}


@pytest.mark.parametrize("name", ["nonsense", "", "7h3k.01jd"])
def test_a_name_that_is_no_documents_is_not_asked_for(dynamodb, read, known, name):
    assert read.of(known.id, DOCTOR, name).document is None
    assert "documents" not in dynamodb.requests[0]


def test_another_records_document_is_not_asked_for(dynamodb, read, known):
    elsewhere = document_id(new_record_id(), new_ulid(NOW))
    assert read.of(known.id, DOCTOR, elsewhere).document is None
    assert "documents" not in dynamodb.requests[0]


def test_what_the_store_withheld_is_asked_for_again(dynamodb, read, known):
    dynamodb.withheld = 1
    found = read.of(known.id, DOCTOR)
    assert (found.record, found.settings.opposes_break_glass) == (known, True)
    assert len(dynamodb.requests) == 2


def test_a_store_that_keeps_withholding_decides_nothing(dynamodb, read, known):
    """An access is never decided on half of what there is to know."""
    dynamodb.withheld = 1000
    with pytest.raises(Busy):
        read.of(known.id, DOCTOR)


def test_an_area_without_the_documents_never_guesses(known):
    without = Situations(client("dynamodb"), "accounts", "consents")
    with pytest.raises(ValueError):
        without.of(known.id, DOCTOR, document_id(known.id, new_ulid(datetime.now(UTC))))


def test_a_closed_record_is_a_situation_too(read):
    one = replace(record(), closed_at=NOW)
    write(client("dynamodb"), put("accounts", record_item(one)))
    assert read.of(one.id, HOLDER).record == one


# -- many at once ----------------------------------------------------------------------------------


def test_many_records_are_one_situation_each_in_a_read_of_twenty_five(read, dynamodb):
    ones = [record() for _ in range(30)]
    for one in ones:
        write(dynamodb.real, put("accounts", record_item(one)))
    write(dynamodb.real, settings_put("consents", ones[3].id, CONSENT, ones[3].opened_by, NOW))
    wanted = [one.id for one in ones]
    found = read.of_all([*wanted, new_record_id()], DOCTOR)
    assert list(found) == wanted
    assert len(dynamodb.requests) == 2
    assert [found[one.id].record for one in ones] == ones
    opposed = [each for each in wanted if found[each].settings.opposes_break_glass]
    assert opposed == [ones[3].id]
    assert all(each == read.of(name, DOCTOR) for name, each in found.items())
