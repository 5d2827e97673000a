"""Facts leave a table by its stream: each once in meaning, in order, without an identity."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from dmp.domain.ids import moment_of
from dmp.domain.records import Basis, Contact, Representative
from dmp.domain.representatives import adding, ending
from dmp.edge import facts
from dmp.edge.facts import Change, Fact, fact_id, handler
from dmp.store.bus import Bus
from dmp.store.items import encode
from dmp.store.records import record_item
from functions.accounts.stream import facts_of
from tests.support.logs import written_by
from tests.support.records import NOW, TRAITS, record


class FakeEvents:
    """EventBridge, which refuses the facts about some records."""

    def __init__(self, *refused):
        self.refused = set(refused)
        self.taken = []
        self.calls = []

    def put_events(self, Entries):  # noqa: N803 - AWS's own word
        self.calls.append(len(Entries))
        answers = []
        for entry in Entries:
            if json.loads(entry["Detail"])["recordId"] in self.refused:
                answers.append({"ErrorCode": "ThrottlingException"})
            else:
                self.taken.append(entry)
                answers.append({"EventId": "0"})
        failed = sum("ErrorCode" in answer for answer in answers)
        return {"FailedEntryCount": failed, "Entries": answers}


def stream(*items, old=None):
    """An event of a table's stream: one insertion for each item."""
    return {
        "Records": [
            {
                "eventID": str(number),
                "eventName": "INSERT" if old is None else "MODIFY",
                "eventSource": "aws:dynamodb",
                "dynamodb": {
                    "Keys": encode({"pk": item["pk"], "sk": item["sk"]}),
                    "NewImage": encode(item),
                    **({"OldImage": encode(old)} if old else {}),
                    "SequenceNumber": f"10{number}",
                },
            }
            for number, item in enumerate(items)
        ]
    }


def one_each(change):
    record_id = change.pk.removeprefix("REC#")
    yield Fact("thing.happened.v1", fact_id(NOW, record_id), {"recordId": record_id})


def told(events, source="dmp.things", facts_of=one_each):
    return handler(source, facts_of, lambda: Bus(events, "facts"))


def items(count):
    return [{"pk": f"REC#{number}", "sk": "THING"} for number in range(count)]


def test_a_fact_is_told_by_its_source_with_its_id_and_its_moment():
    events = FakeEvents()
    assert told(events)(stream(*items(1)), None) == {"batchItemFailures": []}
    (entry,) = events.taken
    assert (entry["Source"], entry["DetailType"]) == ("dmp.things", "thing.happened.v1")
    assert entry["EventBusName"] == "facts"
    detail = json.loads(entry["Detail"])
    assert detail["eventId"] == fact_id(NOW, "0")
    assert detail["occurredAt"] == "2026-03-14T09:26:53.589Z"


def test_facts_go_out_ten_by_ten_in_their_order():
    events = FakeEvents()
    told(events)(stream(*items(23)), None)
    assert events.calls == [10, 10, 3]
    order = [json.loads(entry["Detail"])["recordId"] for entry in events.taken]
    assert order == [str(number) for number in range(23)]


def test_a_fact_that_cannot_go_stops_the_stream_at_its_change():
    events = FakeEvents("12")
    assert told(events)(stream(*items(23)), None) == {
        "batchItemFailures": [{"itemIdentifier": "1012"}]
    }
    assert events.calls == [10, 10]


def test_what_is_given_again_tells_the_same_facts_under_the_same_ids():
    events = FakeEvents("5")
    told(events)(stream(*items(8)), None)
    events.refused.clear()
    told(events)(stream(*items(8)), None)
    ids = [json.loads(entry["Detail"])["eventId"] for entry in events.taken]
    assert len(set(ids)) == 8


def test_a_change_that_is_not_understood_stops_the_stream_and_says_nothing_of_it():
    def puzzled(change):
        if change.pk == "REC#2":
            raise ValueError(f"cannot read {change.new}")
        return one_each(change)

    events = FakeEvents()
    puzzling = [*items(2), {"pk": "REC#2", "sk": "THING", "name": "PAT-TROIS"}, *items(1)]
    with written_by(facts.logger("things")) as log:
        answer = told(events, facts_of=puzzled)(stream(*puzzling), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "102"}]}
    assert len(events.taken) == 2
    assert "ValueError" in log.getvalue()
    assert "PAT-TROIS" not in log.getvalue()


def test_a_bus_that_is_down_gives_the_whole_batch_back():
    class Down:
        def put_events(self, Entries):  # noqa: N803
            raise OSError

    with pytest.raises(OSError):
        told(Down())(stream(*items(3)), None)


def test_nothing_to_tell_asks_nobody():
    events = FakeEvents()
    silent = told(events, facts_of=lambda _: [])
    assert silent(stream(*items(3)), None) == {"batchItemFailures": []}
    assert silent({"Records": []}, None) == {"batchItemFailures": []}
    assert events.calls == []


def test_a_change_tells_what_became_of_an_attribute():
    before, after = {"status": "open", "version": 1}, {"status": "closed", "version": 2}
    change = Change("pk", "sk", before, after)
    assert change.became("status") == "closed"
    assert Change("pk", "sk", after, after).became("status") is None
    assert Change("pk", "sk", None, after).became("status") == "closed"
    assert Change("pk", "sk", before, None).became("status") is None


def test_a_removal_by_time_is_told_from_one_that_was_asked_for():
    seen = []
    event = stream({"pk": "REC#1", "sk": "THING"})
    removed = event["Records"][0]
    removed["eventName"] = "REMOVE"
    removed["dynamodb"]["OldImage"] = removed["dynamodb"].pop("NewImage")
    told(FakeEvents(), facts_of=lambda change: seen.append(change) or [])(event, None)
    removed["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    told(FakeEvents(), facts_of=lambda change: seen.append(change) or [])(event, None)
    assert [(change.removed, change.expired) for change in seen] == [(True, False), (True, True)]


def test_the_id_of_a_fact_is_its_moment_and_what_makes_it_one():
    assert fact_id(NOW, "a", 1) == fact_id(NOW, "a", 1)
    assert len({fact_id(NOW, "a", 1), fact_id(NOW, "a", 2), fact_id(NOW, "a1")}) == 3
    assert abs(moment_of(fact_id(NOW, "a")) - NOW).total_seconds() < 0.001
    assert fact_id(NOW, "z") < fact_id(datetime(2026, 3, 15, tzinfo=UTC), "a")


# -- records -------------------------------------------------------------------------------------


def change(item, old=None):
    return Change(item["pk"], item["sk"], old, item)


def test_a_new_record_is_a_record_opened():
    one = record()
    (fact,) = facts_of(change(record_item(one)))
    assert fact.type == "record.opened.v1"
    assert dict(fact.detail) == {
        "recordId": one.id,
        "channel": "pharmacist",
        "scheme": "regime-general",
    }
    assert fact == next(facts_of(change(record_item(one))))


def test_a_record_that_moves_on_is_not_opened_again():
    one = record_item(record())
    assert list(facts_of(change(one | {"history": "running", "version": 2}, one))) == []
    assert list(facts_of(Change(one["pk"], one["sk"], one, None))) == []


@pytest.mark.parametrize("kind", ["INS", "IDEM", "SUBJECT", "SENT#01jd#email", "REC#7h3k"])
def test_the_ways_to_a_record_are_no_facts(kind):
    assert list(facts_of(change({"pk": "X#1", "sk": kind, "recordId": "7h3k"}))) == []


def test_no_fact_of_a_record_holds_an_identity():
    one = record()
    (fact,) = facts_of(change(record_item(one)))
    for identity in (one.ins.matricule, one.traits.family_name, one.contact.email):
        assert identity not in str(fact)


def test_a_record_that_is_bound_says_so_once_and_not_to_whom():
    one = record()
    bound = replace(one, holder="a" * 64, bound_at=NOW, version=2)
    later = replace(bound, version=3)
    (fact,) = facts_of(change(record_item(bound), record_item(one)))
    assert (fact.type, fact.detail) == ("record.bound.v1", {"recordId": one.id})
    assert fact.id == fact_id(NOW, "record.bound.v1", one.id)
    assert list(facts_of(change(record_item(later), record_item(bound)))) == []


# -- representatives -----------------------------------------------------------------------------

CHILD = replace(TRAITS, birth_date=date(2019, 6, 15))
MOTHER, FATHER = (
    Representative(TRAITS, Basis.PARENTAL_AUTHORITY, NOW, Contact(f"{name}@example.test"), id=name)
    for name in ("mother", "father")
)
LATER = NOW + timedelta(days=1)


def became(after, before):
    """What is told of representatives, and when it was."""
    told = [
        one
        for one in facts_of(change(record_item(after), before and record_item(before)))
        if one.type == "representative.changed.v1"
    ]
    assert all(one.detail["recordId"] == after.id for one in told)
    assert not any(word in str(told) for word in ("@", TRAITS.family_name, "1979", "2019"))
    return [(one.detail["representativeId"], one.detail["change"], one.id) for one in told]


def at(moment, which, what, whole):
    return which, what, fact_id(moment, "representative.changed.v1", whole.id, which, what)


def test_who_is_named_at_an_opening_is_told_after_it_each_one():
    one = record(traits=CHILD, representatives=(MOTHER, FATHER))
    assert next(facts_of(change(record_item(one)))).type == "record.opened.v1"
    assert became(one, None) == [at(NOW, name, "named", one) for name in ("mother", "father")]


def test_who_is_named_later_is_told_and_who_was_there_is_not_told_again():
    one = record(traits=CHILD, representatives=(MOTHER,))
    both = adding(one, replace(FATHER, since=LATER), LATER, 18)
    assert became(both, one) == [at(LATER, "father", "named", both)]
    assert became(replace(both, version=9), both) == []


def test_who_is_ended_is_told_once():
    one = record(traits=CHILD, representatives=(MOTHER, FATHER))
    over = ending(one, "father", LATER)
    assert became(over, one) == [at(LATER, "father", "ended", over)]
    assert became(replace(over, version=9), over) == []


def test_a_term_that_was_known_is_no_end_until_it_is_ended_before():
    guardian = replace(MOTHER, basis=Basis.GUARDIANSHIP, until=LATER + timedelta(days=365))
    one = record()
    named = adding(one, guardian, NOW, 18)
    assert became(named, one) == [at(NOW, "mother", "named", named)]
    over = ending(named, "mother", LATER)
    assert became(over, named) == [at(LATER, "mother", "ended", over)]


def test_who_is_forgotten_long_after_the_end_is_no_fact():
    one = ending(record(traits=CHILD, representatives=(MOTHER, FATHER)), "mother", LATER)
    assert became(replace(one, representatives=one.representatives[1:], version=9), one) == []


def test_naming_and_ending_are_two_facts_at_one_moment():
    one = record(traits=CHILD)
    named = adding(one, MOTHER, NOW, 18)
    over = ending(named, "mother", NOW)
    assert became(named, one)[0][2] != became(over, named)[0][2]
