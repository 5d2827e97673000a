"""Rules of the care teams: what an access says of where an authorised professional acts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from dmp.domain.consents import Kind
from dmp.domain.errors import Busy
from dmp.domain.traces import Act, Outcome
from dmp.usecases.grant_access import Wish
from dmp.usecases.join_care_team import SERVICE, JoinCareTeam, Seen
from functions.consents.messages import seen_of
from tests.access.scenes import HERE, ME, NOW, OTHER, RECORD_ID, THERE, person, professional
from tests.unit.test_grant_access import AUTHORISE, LATER, STOP, House

SEEN = Seen(RECORD_ID, ME, HERE.finess, LATER)


@pytest.fixture
def house() -> House:
    return House()


def learn(house, seen=SEEN, now=LATER):
    return JoinCareTeam(house)(seen, now)


# -- what is learnt ------------------------------------------------------------------------------


def test_the_first_access_under_an_authorisation_says_where_its_professional_acts(house):
    given = house.grant(person(), AUTHORISE, NOW).consent.decision
    before = house.about(RECORD_ID, ME)
    assert learn(house)
    assert house.about(RECORD_ID, ME) == before.having(replace(given, structure=HERE.finess))


def test_nobody_decided_anything_and_the_trace_says_that_the_service_did_it(house):
    house.grant(person(), AUTHORISE, NOW)
    lines, entries = list(house.changes), len(house.journal)
    learn(house)
    assert house.changes == lines
    (entry,) = house.journal[entries:]
    assert (entry.act, entry.outcome, entry.actor) == (Act.JOIN_CARE_TEAM, Outcome.DONE, SERVICE)
    assert (entry.record_id, entry.target) == (RECORD_ID, AUTHORISE.id)
    assert (entry.structure, entry.profession, entry.rules) == (HERE.finess, None, ())


def test_the_same_access_again_teaches_nothing(house):
    house.grant(person(), AUTHORISE, NOW)
    assert learn(house)
    entries, stands = list(house.journal), house.about(RECORD_ID, ME)
    assert not learn(house)
    assert (house.journal, house.about(RECORD_ID, ME)) == (entries, stands)


def test_the_first_structure_stays_until_the_authorisation_is_given_again(house):
    house.grant(person(), AUTHORISE, NOW)
    assert learn(house)
    elsewhere = replace(SEEN, structure=THERE.finess)
    assert not learn(house, elsewhere)
    house.withdraw(person(), Kind.AUTHORISATION, now=LATER)
    house.grant(person(), AUTHORISE, LATER)
    assert house.of_kind(Kind.AUTHORISATION).structure is None
    assert learn(house, elsewhere)
    assert house.of_kind(Kind.AUTHORISATION).structure == THERE.finess


def test_what_was_said_is_not_learnt_otherwise(house):
    house.grant(person(), replace(AUTHORISE, structure=THERE.finess), NOW)
    assert not learn(house)
    assert house.of_kind(Kind.AUTHORISATION).structure == THERE.finess


@pytest.mark.parametrize("kind", [None, Kind.MEDECIN_TRAITANT, Kind.DELEGATE])
def test_only_an_authorisation_of_one_s_own_makes_a_care_team(house, kind):
    if kind:
        house.grant(person(), Wish(RECORD_ID, kind, ME), NOW)
    house.grant(person(), replace(AUTHORISE, professional=OTHER), NOW)
    held = dict(house.held)
    assert not learn(house)
    assert house.held == held


def test_an_access_before_the_authorisation_says_nothing_of_it(house):
    house.grant(person(), AUTHORISE, NOW)
    assert not learn(house, replace(SEEN, at=NOW - timedelta(microseconds=1)))
    assert learn(house, replace(SEEN, at=NOW))


def test_an_access_before_the_authorisation_was_given_again_says_nothing_of_it(house):
    house.grant(person(), AUTHORISE, NOW)
    house.withdraw(person(), Kind.AUTHORISATION, now=NOW)
    house.grant(person(), replace(AUTHORISE, since=NOW), LATER)
    assert not learn(house, replace(SEEN, at=LATER - timedelta(seconds=1)))


def test_an_authorisation_that_begins_later_or_is_over_makes_no_care_team(house):
    house.grant(person(), replace(AUTHORISE, since=LATER, until=LATER + timedelta(days=1)), NOW)
    assert not learn(house, now=LATER - timedelta(seconds=1))
    assert not learn(house, now=LATER + timedelta(days=1))
    assert learn(house, now=LATER)


@pytest.mark.parametrize("end", ["withdrawn", "given back", "blocked"])
@pytest.mark.parametrize("meanwhile", [False, True], ids=["before", "meanwhile"])
def test_whose_authorisation_was_ended_joins_nothing(house, end, meanwhile):
    def ending():
        if end == "blocked":
            house.grant(person(), STOP, LATER)
        else:
            actor = person() if end == "withdrawn" else professional()
            house.withdraw(actor, Kind.AUTHORISATION, now=LATER)

    house.grant(person(), AUTHORISE, NOW)
    if meanwhile:
        house.in_between.append(ending)
    else:
        ending()
    assert not learn(house)
    assert house.of_kind(Kind.AUTHORISATION).structure is None
    assert not [entry for entry in house.journal if entry.act is Act.JOIN_CARE_TEAM]


def test_a_holder_who_changes_the_version_they_saw_is_not_stopped_by_what_is_learnt(house):
    seen = house.grant(person(), AUTHORISE, NOW).consent.decision.version
    house.in_between.append(lambda: learn(house))
    done = house.withdraw(person(), Kind.AUTHORISATION, now=LATER, expected=seen)
    # The team is left by who withdraws what was learnt meanwhile.
    assert (done.consent.decision.active, done.consent.decision.structure) == (False, HERE.finess)
    assert done.consent.decision.version == seen + 1


def test_what_is_learnt_comes_back_to_the_queue_when_others_keep_changing_the_same(house):
    house.grant(person(), AUTHORISE, NOW)
    many = [lambda: house.grant(person(), Wish(RECORD_ID, Kind.DELEGATE, ME), NOW)] + [
        lambda day=day: house.grant(
            person(), Wish(RECORD_ID, Kind.DELEGATE, ME, until=LATER + timedelta(days=day)), NOW
        )
        for day in (1, 2, 3)
    ]
    # Each change is asked in between too, and finds nothing to do there.
    for one in many:
        house.in_between += [one, lambda: None]
    with pytest.raises(Busy):
        learn(house)
    assert learn(house)


def test_without_its_trace_nothing_is_learnt(house):
    house.grant(person(), AUTHORISE, NOW)
    house.broken = True
    with pytest.raises(ConnectionError):
        learn(house)
    assert house.of_kind(Kind.AUTHORISATION).structure is None


# -- what comes from the queue -------------------------------------------------------------------


def message(kind="record.accessed.v1", without=(), **changes):
    detail = {
        "eventId": "01kxg1cj6835rs2bdbc9mrmy7v",
        "occurredAt": "2026-07-14T12:05:00.000+02:00",
        "recordId": RECORD_ID,
        "traceId": "01kxg1chz000000000ky77tv2w",
        "actor": f"professional#{ME}",
        "mode": "normal",
        "structure": HERE.finess,
        **changes,
    }
    told = {name: value for name, value in detail.items() if name not in without}
    return json.dumps({"detail-type": kind, "source": "dmp.traces", "detail": told})


@pytest.mark.parametrize("kind", ["record.accessed.v1", "document.accessed.v1"])
def test_an_access_says_who_acted_where_in_which_record_and_when(kind):
    assert seen_of(message(kind)) == replace(SEEN, at=NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "break-glass"},
        {"mode": "centre-15"},
        {"without": ("structure",)},
        {"actor": "patient#" + "a" * 64},
        {"actor": f"system#1{HERE.finess}"},
        {"actor": "feeder#ALIM_AM"},
    ],
)
def test_emergencies_other_people_and_tokens_without_a_structure_teach_nothing(changes):
    assert seen_of(message(**changes)) is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        message("emergency.accessed.v1"),
        message("consent.changed.v1"),
        message(without=("recordId",)),
        message(without=("actor",)),
        message(without=("mode",)),
        message(without=("occurredAt",)),
        message(recordId="elsewhere"),
        message(occurredAt="2026-07-14T10:05:00"),
        message(structure="51#0000"),
        message(mode="other"),
    ],
)
def test_what_is_no_access_ends_among_the_dead_letters(body):
    with pytest.raises(ValidationError):
        seen_of(body)
