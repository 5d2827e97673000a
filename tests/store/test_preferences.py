"""Rules of preferences and of professionals' addresses, on moto."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import boto3
import pytest

from dmp.domain.notifications import Channel, Preferences, Subject, Topic
from dmp.domain.traces import Act, Outcome, Trace
from dmp.store.items import decode, encode, together
from dmp.store.preferences import ContactBook, Files, PreferenceBook
from dmp.store.records import record_item
from dmp.usecases.own_contact import OwnContact
from tests.support.aws import JOURNAL, account
from tests.support.telling import DOCTOR, NOW, RECORD, fact

CHOICE = Preferences(
    {Topic.DOCUMENT_PUBLISHED: frozenset(), Topic.EMERGENCY_ACCESSED: frozenset(Channel)}, "en", 1
)


@pytest.fixture
def dynamodb():
    with account():
        yield boto3.client("dynamodb")


def trace(number=1):
    return Trace(f"01jd{number}", NOW, Act.CHANGE_PREFERENCES, Outcome.DONE, DOCTOR, RECORD.id)


def traces(dynamodb):
    return dynamodb.scan(TableName="traces")["Count"]


@pytest.fixture
def book(dynamodb):
    return PreferenceBook(dynamodb, "accounts", JOURNAL)


def test_what_was_never_chosen_has_version_zero(book) -> None:
    assert book.of(RECORD.id) == Preferences()


def test_preferences_come_back_as_they_were_chosen_an_empty_choice_too(book, dynamodb) -> None:
    assert book.save(RECORD.id, CHOICE, trace())
    assert book.of(RECORD.id) == CHOICE
    item = decode(dynamodb.scan(TableName="accounts")["Items"][0])
    assert (item["pk"], item["sk"]) == (f"REC#{RECORD.id}", "PREFERENCES")
    assert item["channels"]["emergency.accessed"] == ["email", "mobile"]


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_is_written_once_and_after_the_one_before_it(book, dynamodb, version) -> None:
    book.save(RECORD.id, CHOICE, trace())
    assert not book.save(RECORD.id, replace(CHOICE, language="fr", version=version), trace(2))
    assert book.of(RECORD.id) == CHOICE
    assert traces(dynamodb) == 1, "no change, no trace of one"
    assert book.save(RECORD.id, replace(CHOICE, language="fr", version=2), trace(3))


@pytest.fixture
def files(dynamodb):
    dynamodb.put_item(TableName="accounts", Item=encode(record_item(RECORD)))
    return Files(dynamodb, "accounts")


def test_record_and_preferences_are_read_at_once(files, book, dynamodb) -> None:
    assert files.of(fact()).preferences == Preferences()
    book.save(RECORD.id, CHOICE, trace())
    calls = []
    dynamodb.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    found = files.of(fact())
    assert (found.record, found.preferences, found.settled) == (RECORD, CHOICE, False)
    assert calls == ["BatchGetItem"]


def test_a_fact_about_no_record_finds_nothing(files) -> None:
    assert files.of(fact(record_id="0" * 26)) is None


def test_a_first_access_that_was_told_is_known_by_whichever_door_the_next_comes(files) -> None:
    first = fact(Subject.DOCUMENT_ACCESSED)
    files.settle(first)
    files.settle(first)
    again = fact(Subject.RECORD_ACCESSED)
    assert files.of(again).settled
    assert files.of(replace(again, occurred_at=NOW + timedelta(days=900))).settled
    assert not files.of(replace(again, actor="professional#899700218896")).settled
    assert not files.of(fact()).settled


@pytest.fixture
def contacts(dynamodb):
    return ContactBook(dynamodb, "accounts", JOURNAL)


def test_an_address_is_kept_under_the_professional_and_versioned(contacts, dynamodb) -> None:
    assert contacts.of("899700218896") == OwnContact()
    assert contacts.save("899700218896", OwnContact("a@example.org", 1), trace())
    assert not contacts.save("899700218896", OwnContact("b@example.org", 1), trace(2))
    assert contacts.save("899700218896", OwnContact(None, 2), trace(3))
    assert contacts.of("899700218896") == OwnContact(None, 2)
    (item,) = dynamodb.scan(TableName="accounts")["Items"]
    assert (item["pk"], item["sk"]) == ({"S": "PRO#899700218896"}, {"S": "CONTACT"})


def test_the_addresses_of_many_are_those_of_who_gave_one(contacts) -> None:
    asked = [f"8{number:011d}" for number in range(120)]
    contacts.save(asked[0], OwnContact("a@example.org", 1), trace(1))
    contacts.save(asked[1], OwnContact(None, 1), trace(2))
    contacts.save(asked[119], OwnContact("z@example.org", 1), trace(3))
    assert contacts.of_professionals(asked) == {
        asked[0]: "a@example.org",
        asked[119]: "z@example.org",
    }
    assert contacts.of_professionals([]) == {}


def test_what_a_table_leaves_out_at_first_is_asked_for_again(dynamodb) -> None:
    keys = [{"pk": f"P#{n}", "sk": "S"} for n in range(3)]
    for key in keys:
        dynamodb.put_item(TableName="accounts", Item=encode(key))
    whole = dynamodb.batch_get_item

    class Stingy:
        asked = 0

        def batch_get_item(self, RequestItems):  # noqa: N803
            self.asked += 1
            some, rest = RequestItems["accounts"]["Keys"][:1], RequestItems["accounts"]["Keys"][1:]
            answer = whole(RequestItems={"accounts": {"Keys": some, "ConsistentRead": True}})
            left = {"accounts": {"Keys": rest, "ConsistentRead": True}} if rest else {}
            return answer | {"UnprocessedKeys": left}

    stingy = Stingy()
    assert len(together(stingy, {"accounts": keys, "consents": []})) == 3
    assert stingy.asked == 3
