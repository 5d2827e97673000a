"""Preferences and professionals' addresses, as API Gateway calls them, on moto; and the queue
after them, to the messages that leave."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sesv2.models import sesv2_backends
from moto.sns.models import sns_backends

from dmp.domain.actors import Agent, AgentRole, Person, Professional, Structure, System
from dmp.domain.ids import new_record_id
from dmp.domain.notifications import Topic
from dmp.domain.records import Basis, Contact, RecordStatus, Representative
from dmp.store.items import decode, encode
from dmp.store.records import record_item
from dmp.usecases.set_preferences import ChangePreferences
from tests.support.aws import REGION, account
from tests.support.gateway import ask
from tests.support.logs import written_by
from tests.support.records import NOW, TRAITS, record

DOCTOR = Professional("899700218896", "10", structure=Structure("510000029"))
OTHER = Professional("810100997245", "10")
CLERK = Agent("clerk", AgentRole.ENROLMENT, "751")
OPERATOR = Agent("operator", AgentRole.OPERATIONS, "751")
HOSPITAL = System(Structure("750000034"))
STRANGER = Person("e" * 64, "AUTRE", ("JEAN",), date(1980, 1, 1), "male", "75056")
ME = "/notifications/me"
DEFAULT = {topic.value: ["preferred"] for topic in Topic}


@pytest.fixture(scope="module", autouse=True)
def aws():
    with account():
        boto3.client("sesv2").create_email_identity(EmailIdentity="dmp@example.test")
        yield


@pytest.fixture(scope="module")
def app(aws):
    from functions.notifications.app import app as area  # noqa: PLC0415 - its clients are made inside

    return area


def kept(**changes):
    """A record in the table, with its holder bound."""
    whole = record(id=new_record_id(), holder="a" * 64, **changes)
    boto3.client("dynamodb").put_item(TableName="accounts", Item=encode(record_item(whole)))
    return whole


def holder_of(whole):
    traits = whole.traits
    return Person(
        whole.holder,
        traits.family_name,
        traits.given_names,
        traits.birth_date,
        traits.sex,
        traits.birth_place,
    )


def place(whole):
    return f"/notifications/{whole.id}/preferences"


def traces(owner):
    answer = boto3.client("dynamodb").query(
        TableName="traces",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": owner}},
    )
    return [(t["act"], t["outcome"]) for t in map(decode, answer["Items"])]


def acts_of(whole):
    return traces(f"REC#{whole.id}")


# -- preferences -----------------------------------------------------------------------------------


def test_where_nothing_was_chosen_every_type_goes_the_preferred_way(app):
    whole = kept()
    status, told, headers = ask(app, "GET", place(whole), holder_of(whole))
    assert (status, headers["ETag"]) == (200, 'W/"0"')
    assert told == {"language": "fr", "types": DEFAULT}
    assert acts_of(whole) == [("preference.read", "done")]


def test_a_choice_stands_whole_with_its_version_and_its_trace(app):
    whole = kept()
    body = {
        "language": "en",
        "types": {"document.accessed": [], "emergency.accessed": ["mobile", "email"]},
    }
    status, told, headers = ask(app, "PUT", place(whole), holder_of(whole), body)
    assert (status, headers["ETag"]) == (200, 'W/"1"')
    expected = DEFAULT | {"document.accessed": [], "emergency.accessed": ["email", "mobile"]}
    assert told == {"language": "en", "types": expected}
    assert ask(app, "GET", place(whole), holder_of(whole))[1] == told
    assert acts_of(whole) == [("preference.change", "done"), ("preference.read", "done")]


def test_what_is_read_may_be_sent_back_and_changes_nothing(app):
    whole = kept()
    who = holder_of(whole)
    ask(app, "PUT", place(whole), who, {"types": {"consent.changed": ["mobile"]}})
    told = ask(app, "GET", place(whole), who)[1]
    status, again, headers = ask(app, "PUT", place(whole), who, told)
    assert (status, again, headers["ETag"]) == (200, told, 'W/"1"')


def test_a_type_that_is_left_out_goes_the_preferred_way_again(app):
    whole = kept()
    who = holder_of(whole)
    ask(app, "PUT", place(whole), who, {"types": {"consent.changed": []}})
    assert ask(app, "PUT", place(whole), who, {})[1] == {"language": "fr", "types": DEFAULT}


def test_a_change_names_the_version_it_is_about_and_no_other_is_lost(app):
    whole = kept()
    who, body = holder_of(whole), {"types": {"consent.changed": []}}
    first = ask(app, "PUT", place(whole), who, body, **{"If-Match": 'W/"0"'})
    stale = ask(app, "PUT", place(whole), who, {}, **{"If-Match": 'W/"0"'})
    assert (first[0], stale[0]) == (200, 412)
    assert stale[1]["type"] == "urn:dmp:problem/stale-version"
    assert ask(app, "GET", place(whole), who)[1]["types"]["consent.changed"] == []
    assert ask(app, "PUT", place(whole), who, {}, **{"If-Match": 'W/"1"'})[0] == 200
    assert ("preference.change", "failed") in acts_of(whole)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {"types": {"document.read": ["email"], "weather": []}},
            {"types.document.read", "types.weather"},
        ),
        ({"types": {"emergency.accessed": []}}, {"types.emergency.accessed"}),
        ({"types": {"record.bound": []}}, {"types.record.bound"}),
        ({"types": {"representative.changed": []}}, {"types.representative.changed"}),
        ({"types": {"consent.changed": ["pigeon"]}}, {"types.consent.changed[0]"}),
        ({"types": {"consent.changed": ["email", "email"]}}, {"types.consent.changed"}),
        ({"types": {"consent.changed": ["preferred", "email"]}}, {"types.consent.changed"}),
        ({"types": {"consent.changed": "email"}}, {"types.consent.changed"}),
        ({"types": {"consent_changed": []}}, {"types.consent_changed"}),
        ({"language": "de", "email": "x@example.org"}, {"language", "email"}),
    ],
)
def test_every_wrong_field_is_named_and_nothing_changes(app, body, fields):
    whole = kept()
    status, told, _ = ask(app, "PUT", place(whole), holder_of(whole), body)
    assert (status, {one["field"] for one in told["errors"]}) == (422, fields)
    assert ask(app, "GET", place(whole), holder_of(whole))[2]["ETag"] == 'W/"0"'


@pytest.mark.parametrize(
    "actor", [STRANGER, DOCTOR, CLERK, OPERATOR, HOSPITAL], ids=lambda a: a.kind
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_to_anybody_else_a_record_s_preferences_are_those_of_a_record_that_is_none(
    app, actor, method
):
    whole, body = kept(), {} if method == "PUT" else None
    nowhere = f"/notifications/{new_record_id()}/preferences"
    here, there = (
        ask(app, method, place(whole), actor, body),
        ask(app, method, nowhere, actor, body),
    )
    assert here[0] == there[0] == 404
    assert here[1] == there[1]
    assert [outcome for _, outcome in acts_of(whole)] == ["refused"]


def test_a_closed_record_has_no_preferences(app):
    whole = kept(status=RecordStatus.CLOSED)
    assert ask(app, "GET", place(whole), holder_of(whole))[0] == 404


def test_whoever_represents_a_minor_chooses_in_their_name_and_a_former_one_does_not(app):
    parent = Representative(
        replace(TRAITS, given_names=("CAMILLE",), birth_place="75056"),
        Basis.PARENTAL_AUTHORITY,
        NOW,
        id="01jd0000000000000000000000",
    )
    child = replace(TRAITS, birth_date=date(2015, 1, 1))
    traits = parent.traits
    person = Person(
        "c" * 64,
        traits.family_name,
        traits.given_names,
        traits.birth_date,
        traits.sex,
        traits.birth_place,
    )
    minor, grown = (kept(traits=one, representatives=(parent,)) for one in (child, TRAITS))
    body = {"types": {"document.published": []}}
    assert ask(app, "PUT", place(minor), person, body)[0] == 200
    assert ask(app, "PUT", place(grown), person, body)[0] == 404


def test_when_others_keep_changing_them_it_is_a_conflict(app, monkeypatch):
    from functions.notifications import wiring  # noqa: PLC0415 - its clients are made inside

    whole = kept()
    found = wiring.change_preferences()

    class Contended:
        of = found.book.of

        def save(self, *_):
            return False

    monkeypatch.setattr(
        wiring, "change_preferences", lambda: ChangePreferences(found.gate, Contended())
    )
    answer = ask(app, "PUT", place(whole), holder_of(whole), {"language": "en"})
    assert (answer[0], answer[1]["type"]) == (409, "urn:dmp:problem/conflict")
    assert acts_of(whole) == [("preference.change", "failed")]


def test_no_log_holds_an_address(app):
    with written_by(app.journal) as log:
        ask(app, "PUT", ME, DOCTOR, {"email": "cabinet@example.org"})
        ask(app, "PUT", ME, DOCTOR, {"email": "not an address"})
    assert "cabinet" not in log.getvalue()


# -- where a professional is told ------------------------------------------------------------------


def test_a_professional_says_where_they_are_told_changes_it_and_takes_it_back(app):
    who = Professional("899700000013", "10")
    assert ask(app, "GET", ME, who)[1] == {"email": None}
    for version, email in enumerate(("a@mssante.example", "b@mssante.example", None), 1):
        status, told, headers = ask(app, "PUT", ME, who, {"email": email})
        assert (status, told, headers["ETag"]) == (200, {"email": email}, f'W/"{version}"')
        assert ask(app, "PUT", ME, who, {"email": email})[2]["ETag"] == f'W/"{version}"'
    assert ask(app, "PUT", ME, who, {"email": None}, **{"If-Match": 'W/"1"'})[0] == 412


def test_each_professional_sees_their_own_address_alone(app):
    ask(app, "PUT", ME, DOCTOR, {"email": "cabinet@example.org"})
    assert ask(app, "GET", ME, OTHER)[1] == {"email": None}


@pytest.mark.parametrize("email", ["", "cabinet", "a@b", "a b@example.org", "x" * 250 + "@a.fr", 7])
def test_what_is_no_address_is_refused(app, email):
    status, told, _ = ask(app, "PUT", ME, OTHER, {"email": email})
    assert (status, [one["field"] for one in told["errors"]]) == (422, ["email"])


def test_an_address_must_be_said_even_to_take_it_back(app):
    assert ask(app, "PUT", ME, OTHER, {})[1]["errors"][0]["code"] == "required"


@pytest.mark.parametrize("actor", [STRANGER, CLERK, OPERATOR, HOSPITAL], ids=lambda a: a.kind)
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {"email": "a@example.org"})])
def test_who_is_no_professional_is_told_nothing_there(app, actor, method, body):
    status, told, _ = ask(app, method, ME, actor, body)
    assert (status, told["type"]) == (403, "urn:dmp:problem/forbidden")


def test_without_a_token_nobody_enters(app):
    assert ask(app, "GET", ME)[0] == 401


# -- from the queue to the messages ----------------------------------------------------------------


def queued(whole, detail_type, received=1, **detail):
    told = {"eventId": "01kxg1ch70t6qqsw0bc9mvywm4", "occurredAt": "2026-07-14T10:05:00Z"}
    body = {"detail-type": detail_type, "detail": told | {"recordId": whole.id} | detail}
    return {
        "Records": [
            {
                "messageId": "1",
                "body": json.dumps(body),
                "attributes": {"ApproximateReceiveCount": str(received)},
                "eventSource": "aws:sqs",
            }
        ]
    }


@pytest.fixture
def handle(aws):
    from functions.notifications.queue import handler  # noqa: PLC0415 - its clients are made inside

    return lambda event: handler(event, None)["batchItemFailures"]


def mails(address):
    sent = sesv2_backends[DEFAULT_ACCOUNT_ID][REGION].core_backend.sent_messages
    return [one for one in sent if one.destinations["ToAddresses"] == [address]]


def treat(whole, professional, kind="medecin-traitant"):
    decision = {"since": NOW.isoformat(), "recordedBy": "x", "active": True, "version": 1}
    item = {"pk": f"REC#{whole.id}", "sk": f"ACTOR#{professional}", "version": 1}
    boto3.client("dynamodb").put_item(
        TableName="consents", Item=encode(item | {"decisions": {kind: decision}})
    )


def test_an_emergency_reaches_the_holder_as_chosen_and_the_medecin_traitant(app, handle):
    whole = kept(contact=Contact("urgence@example.test", "+33639980009"))
    ask(app, "PUT", place(whole), holder_of(whole), {"types": {"emergency.accessed": ["mobile"]}})
    ask(app, "PUT", ME, DOCTOR, {"email": "traitant@example.test"})
    treat(whole, DOCTOR.id)
    treat(whole, OTHER.id, "delegate")
    event = queued(
        whole, "emergency.accessed.v1", actor="professional#899700024450", mode="break-glass"
    )
    assert (handle(event), handle(event)) == ([], [])
    assert mails("urgence@example.test") == []
    numbers = [told[0] for told in sns_backends[DEFAULT_ACCOUNT_ID][REGION].sms_messages.values()]
    assert numbers == ["+33639980009"]
    (mail,) = mails("traitant@example.test")
    assert whole.id in mail.body
    assert "bris de glace" in mail.body
    for hidden in (whole.ins.matricule, whole.traits.family_name, "899700024450"):
        assert hidden not in mail.subject + mail.body
    assert sorted(act for act in acts_of(whole) if "notify" in act[0]) == [
        ("holder.notify", "done"),
        ("professional.notify", "done"),
        ("professional.notify", "failed"),  # the delegate never said where
    ]


def test_a_type_that_nobody_wants_to_be_told_of_is_not(app, handle):
    whole = kept(contact=Contact("silence@example.test"))
    ask(app, "PUT", place(whole), holder_of(whole), {"types": {"document.published": []}})
    assert handle(queued(whole, "document.published.v1", author="professional#899700024450")) == []
    assert mails("silence@example.test") == []


def test_after_the_last_attempt_the_trace_says_that_the_provider_would_not(handle, monkeypatch):
    from functions.notifications import wiring_queue  # noqa: PLC0415 - its clients are made inside

    whole = kept(contact=Contact("panne@example.test"))
    messengers = wiring_queue.tell().people.deliver.messengers
    with monkeypatch.context() as patch:
        patch.setattr(messengers, "_sender", "unknown@example.test")
        assert len(handle(queued(whole, "history.imported.v1", received=5))) == 1
    (item,) = boto3.client("dynamodb").query(
        TableName="traces",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"REC#{whole.id}"}},
    )["Items"]
    assert (decode(item)["outcome"], decode(item)["reason"]) == ("failed", "provider-unavailable")
