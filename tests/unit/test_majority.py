"""Coming of age: on which day, who represents until then, and the reminder before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dmp.domain.actors import Person
from dmp.domain.errors import Busy
from dmp.domain.identity import Traits
from dmp.domain.ids import moment_of
from dmp.domain.majority import (
    PARIS,
    acting,
    birthday,
    born_for,
    comes_of_age,
    is_minor,
    represents,
)
from dmp.domain.parameters import Parameters
from dmp.domain.records import Basis, RecordStatus, Representative
from dmp.store.bus import Bus
from dmp.usecases.remind_majority import LOOKED_BACK, RemindMajority
from tests.support.records import NOW, TRAITS, record

SCHEMA = Path(__file__).parents[2] / "events/facts/majority.approaching.v1.schema.json"
RULES = Parameters(18, timedelta(days=30), timedelta(days=90), masked_and_invisible=False)
PARENT = Traits("PAT-PARENT", ("ANNE",), date(1981, 5, 4), "female", "75101")
PARENTAL = Representative(PARENT, Basis.PARENTAL_AUTHORITY, NOW - timedelta(days=900), id="p")
GUARDIAN = replace(PARENTAL, basis=Basis.GUARDIANSHIP, id="g")
MORNING = datetime(2026, 3, 14, 5, 0, tzinfo=UTC)
TODAY = MORNING.astimezone(PARIS).date()
days = st.dates(date(1930, 1, 1), date(2100, 12, 31))


def child(born, **changes):
    told = {"traits": replace(TRAITS, birth_date=born), "representatives": (PARENTAL,)}
    return record(**{**told, **changes})


def born_in(left):
    """A day of birth of somebody who comes of age in so many days."""
    return born_for(TODAY + timedelta(days=left), 18)[0]


# -- the day ---------------------------------------------------------------------------------------


@given(born=days, age=st.integers(1, 40))
def test_who_is_looked_for_on_a_day_is_who_reaches_the_age_on_it(born, age):
    assert born in born_for(birthday(born, age), age)


@given(day=days, age=st.integers(1, 25))
def test_nobody_else_is_looked_for(day, age):
    found = born_for(day, age)
    assert all(birthday(born, age) == day for born in found)
    assert len(set(found)) == len(found)


def test_who_was_born_on_a_leap_day_comes_of_age_on_the_first_of_march():
    assert set(born_for(date(2026, 3, 1), 18)) == {date(2008, 3, 1), date(2008, 2, 29)}
    assert born_for(date(2028, 2, 29), 18) == ()


def test_majority_begins_with_the_day_in_paris():
    born = date(2008, 7, 14)
    last = datetime(2026, 7, 13, 21, 59, 59, tzinfo=UTC)
    assert comes_of_age(born, 18) == datetime(2026, 7, 13, 22, tzinfo=UTC)
    assert is_minor(child(born), last, 18)
    assert not is_minor(child(born), last + timedelta(seconds=1), 18)


def test_a_parent_represents_to_the_last_moment_of_minority_and_a_guardian_beyond():
    one = child(date(2008, 7, 14), representatives=(PARENTAL, GUARDIAN))
    last = comes_of_age(one.traits.birth_date, 18) - timedelta(microseconds=1)
    assert acting(one, last, 18) == (PARENTAL, GUARDIAN)
    assert acting(one, last + timedelta(microseconds=1), 18) == (GUARDIAN,)
    mother = Person("b" * 64, "Pat Parent", ("Anne",), PARENT.birth_date, "female", "75101")
    alone = replace(one, representatives=(PARENTAL,))
    assert represents(mother, alone, last, 18)
    assert not represents(mother, alone, last + timedelta(seconds=1), 18)
    assert not represents(replace(mother, names=("Annie",)), alone, last, 18)


# -- the reminder ----------------------------------------------------------------------------------


class FakeMinors:
    def __init__(self, *records):
        self.of = {one.id: one for one in records}
        self.asked = []

    def born_on(self, day):
        self.asked.append(day)
        return (name for name, one in self.of.items() if one.traits.birth_date == day)

    def records(self, record_ids):
        assert len(record_ids) <= 100
        return [self.of[name] for name in record_ids]


class FakeBus:
    def __init__(self, *unsent):
        self.facts = []
        self.unsent = frozenset(unsent)

    def publish(self, source, facts):
        assert source == "dmp.accounts"
        self.facts.extend(facts)
        return self.unsent


def reminded(*records, now=MORNING, bus=None):
    bus = bus or FakeBus()
    sent = RemindMajority(FakeMinors(*records), bus, RULES)(now)
    assert sent == len(bus.facts)
    return bus.facts


def test_a_month_before_majority_the_bus_is_told_and_neither_who_nor_when_they_were_born():
    one = child(born_in(30))
    (fact,) = reminded(one)
    assert (fact.type, fact.detail) == (
        "majority.approaching.v1",
        {"recordId": one.id},
    )


@pytest.mark.parametrize("day", [date(2026, 7, 1), date(2026, 7, 31)])
def test_the_reminder_s_moment_is_that_of_its_month_whatever_the_day_of_birth(day):
    one = child(born_for(day + RULES.majority_reminder, 18)[0])
    morning = datetime.combine(day, datetime.min.time(), PARIS) + timedelta(hours=6)
    (fact,) = reminded(one, now=morning)
    assert moment_of(fact.id).astimezone(PARIS) == datetime(2026, 7, 1, tzinfo=PARIS)


def test_the_same_record_is_the_same_fact_on_each_day_of_the_week_and_then_no_more():
    one = child(born_in(30))
    told = [reminded(one, now=MORNING + timedelta(days=n)) for n in range(LOOKED_BACK)]
    assert len({fact.id for (fact,) in told}) == 1
    assert reminded(one, now=MORNING + timedelta(days=LOOKED_BACK)) == []
    assert reminded(one, now=MORNING - timedelta(days=1)) == []


def test_two_records_are_two_facts():
    assert len({fact.id for fact in reminded(child(born_in(30)), child(born_in(30)))}) == 2


def test_who_was_born_on_a_leap_day_is_not_forgotten():
    morning = datetime(2026, 1, 30, 5, tzinfo=UTC)
    assert len(reminded(child(date(2008, 2, 29)), child(date(2008, 3, 1)), now=morning)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"status": RecordStatus.CLOSED},
        {"representatives": ()},
        {"representatives": (GUARDIAN,)},
        {"representatives": (replace(PARENTAL, until=MORNING - timedelta(days=1)),)},
    ],
    ids=["closed", "nobody", "guardian", "ended"],
)
def test_nobody_is_reminded_of_what_does_not_end(changes):
    assert reminded(child(born_in(30), **changes)) == []


def test_hundreds_are_read_by_hundreds():
    assert len(reminded(*(child(born_in(30)) for _ in range(250)))) == 250


def test_what_the_bus_did_not_take_fails_and_the_next_turn_tells_the_same():
    one, other = child(born_in(30)), child(born_in(29))
    bus = FakeBus(1)
    with pytest.raises(Busy):
        RemindMajority(FakeMinors(one, other), bus, RULES)(MORNING)
    again = reminded(one, other, now=MORNING + timedelta(days=1))
    assert {fact.id for fact in again} == {fact.id for fact in bus.facts}


def test_the_fact_fits_its_schema_on_the_bus():
    class Events:
        def put_events(self, Entries):  # noqa: N803 - AWS's own word
            self.entries = Entries
            return {"FailedEntryCount": 0, "Entries": [{"EventId": "0"}] * len(Entries)}

    events = Events()
    RemindMajority(FakeMinors(child(born_in(27))), Bus(events, "facts"), RULES)(MORNING)
    (entry,) = events.entries
    detail = json.loads(entry["Detail"])
    validator = Draft202012Validator(
        json.loads(SCHEMA.read_text("utf-8")), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    validator.validate(detail)
    assert moment_of(detail["eventId"]) < MORNING
