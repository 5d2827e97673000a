"""Rules of what holders decide, and of what professionals record for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from dmp.access.decide import CedarDecisions
from dmp.access.durations import Durations
from dmp.domain.access import Situation
from dmp.domain.actors import AgentRole
from dmp.domain.consents import (
    ActorConsents,
    AuthorisationState,
    Change,
    Consent,
    Kind,
    Settings,
    Turn,
)
from dmp.domain.errors import Conflict, Forbidden, Invalid, NotFound
from dmp.domain.traces import Act, Outcome, Trace
from dmp.edge import fhir_consent
from dmp.usecases.gate import Gate
from dmp.usecases.grant_access import GrantAccess, Wish
from dmp.usecases.read_consents import ConsentPage, ConsentQuestion, ReadConsents
from dmp.usecases.recognise_holder import RecogniseHolder
from tests.access import scenes
from tests.access.scenes import ME, NOW, OTHER, RECORD_ID, person, professional

LATER = NOW + timedelta(days=3)
DECISIONS = CedarDecisions()
AUTHORISE = Wish(RECORD_ID, Kind.AUTHORISATION, ME)
STOP = Wish(RECORD_ID, Kind.BLOCK, ME)


@dataclass
class House:
    """One record, its consents and its journal, kept in memory."""

    record: object = field(default_factory=scenes.record)
    held: dict[str | None, ActorConsents] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    journal: list[Trace] = field(default_factory=list)
    in_between: list = field(default_factory=list)
    broken: bool = False

    def of(self, record_id, actor, document_id=None):
        if record_id != RECORD_ID:
            return None
        return Situation(
            self.record,
            self.about(record_id, getattr(actor, "id", "nobody")),
            Settings.of(self.about(record_id, None)),
        )

    def about(self, record_id, professional):
        return self.held.get(professional, ActorConsents())

    def of_record(self, record_id):
        return [
            Consent(record_id, who, one)
            for who, all_ in self.held.items()
            for one in all_.decisions
        ]

    def history(self, consent_id):
        return [one for one in reversed(self.changes) if one.consent.id == consent_id]

    def save(self, stood, decided, changes, trace):
        if self.in_between:
            self.in_between.pop(0)()
        who = changes[0].consent.professional
        if self.about(RECORD_ID, who).version != stood.version:
            return False
        self.write(trace)
        self.held[who] = decided
        self.changes += changes
        return True

    def write(self, trace):
        if self.broken:
            raise ConnectionError
        self.journal.append(trace)

    def open_records_of(self, traits):
        return 0

    def bind(self, record, holder, trace):
        raise AssertionError

    @property
    def gate(self) -> Gate:
        return Gate(self, DECISIONS, self, RecogniseHolder(self))

    @property
    def grant(self) -> GrantAccess:
        return GrantAccess(self.gate, self, Durations(365, {"98": 30}))

    @property
    def read(self) -> ReadConsents:
        return ReadConsents(self.gate, self)

    def state(self, now=NOW):
        return self.about(RECORD_ID, ME).authorisation(now)


@pytest.fixture
def house() -> House:
    return House()


def test_the_holder_authorises_without_end_unless_they_name_one(house):
    done = house.grant(person(), AUTHORISE, NOW)
    assert (done.turn, done.consent.decision.until) == (Turn.GIVEN, None)
    assert house.state() is AuthorisationState.VALID
    assert [(one.act, one.outcome, one.target) for one in house.journal] == [
        (Act.CHANGE_CONSENT, Outcome.DONE, f"{RECORD_ID}.authorisation.{ME}")
    ]


def test_an_authorisation_that_a_professional_records_lasts_as_their_profession_says(house):
    done = house.grant(professional("98"), AUTHORISE, NOW)
    assert done.consent.decision.until == datetime(2026, 8, 13, tzinfo=UTC)
    assert house.state(NOW + timedelta(days=40)) is AuthorisationState.EXPIRED


def test_the_same_wish_again_changes_nothing(house):
    for actor in (person(), professional()):
        first = house.grant(actor, AUTHORISE, NOW)
        again = house.grant(actor, AUTHORISE, NOW + timedelta(minutes=5))
        assert (again.consent, again.turn) == (first.consent, None)
    assert len(house.changes) == 1
    assert house.about(RECORD_ID, ME).version == 1


def test_consent_recorded_again_another_day_is_renewed_and_never_shortened(house):
    first = house.grant(professional(), AUTHORISE, NOW)
    renewed = house.grant(professional(), AUTHORISE, LATER)
    assert renewed.turn is Turn.CHANGED
    assert renewed.consent.decision.until == first.consent.decision.until + timedelta(days=3)
    house.grant(person(), replace(AUTHORISE, until=NOW + timedelta(days=900)), LATER)
    longest = house.grant(professional(), AUTHORISE, LATER).consent.decision.until
    assert longest == NOW + timedelta(days=900)


def test_an_authorisation_without_end_stays_without_end(house):
    house.grant(person(), AUTHORISE, NOW)
    assert house.grant(professional(), AUTHORISE, LATER).turn is None
    assert house.about(RECORD_ID, ME).of(Kind.AUTHORISATION).until is None


def test_an_authorisation_that_is_over_is_given_anew(house):
    house.grant(person(), replace(AUTHORISE, until=NOW + timedelta(days=1)), NOW)
    done = house.grant(person(), AUTHORISE, LATER)
    assert (done.turn, done.consent.decision.since, done.consent.decision.version) == (
        Turn.GIVEN,
        LATER,
        2,
    )


def test_a_block_ends_the_authorisation_and_is_told_once(house):
    house.grant(person(), AUTHORISE, NOW)
    house.grant(person(), STOP, LATER)
    assert house.state(LATER) is AuthorisationState.FORBIDDEN
    assert not house.about(RECORD_ID, ME).of(Kind.AUTHORISATION).active
    assert [one.turn for one in house.changes] == [Turn.GIVEN, Turn.GIVEN, Turn.OVERRIDDEN]


def test_a_blocked_professional_is_told_nothing_and_changes_nothing(house):
    house.grant(person(), STOP, NOW)
    with pytest.raises(NotFound):
        house.grant(professional(), AUTHORISE, LATER)
    assert house.state(LATER) is AuthorisationState.FORBIDDEN
    last = house.journal[-1]
    assert (last.outcome, last.rules) == (Outcome.REFUSED, ("blocked",))


def test_a_block_that_arrives_while_a_professional_records_consent_wins(house):
    house.in_between = [lambda: house.grant(person(), STOP, NOW)]
    with pytest.raises(NotFound):
        house.grant(professional(), AUTHORISE, NOW)
    assert house.state() is AuthorisationState.FORBIDDEN


def test_a_block_of_the_same_moment_wins_however_the_clocks_stand(house):
    house.grant(person(), STOP, NOW + timedelta(milliseconds=5))
    with pytest.raises(Conflict):
        house.grant(person(), AUTHORISE, NOW)
    assert house.about(RECORD_ID, ME).of(Kind.AUTHORISATION) is None


def test_the_holder_lifts_a_block_before_authorising_again(house):
    house.grant(person(), STOP, NOW)
    with pytest.raises(Conflict):
        house.grant(person(), AUTHORISE, LATER)
    assert house.journal[-1].outcome is Outcome.FAILED
    assert house.state(LATER) is AuthorisationState.FORBIDDEN


def test_a_change_in_between_is_read_again_and_nothing_is_lost(house):
    house.in_between = [lambda: house.grant(person(), AUTHORISE, NOW)]
    house.grant(person(), STOP, NOW)
    assert {one.kind for one in house.about(RECORD_ID, ME).decisions} == {
        Kind.AUTHORISATION,
        Kind.BLOCK,
    }
    assert house.about(RECORD_ID, ME).version == 2


def test_who_never_gets_a_word_in_is_told_of_the_conflict(house):
    def other():
        house.held[ME] = replace(
            house.about(RECORD_ID, ME), version=house.about(RECORD_ID, ME).version + 1
        )

    house.in_between = [other] * 10
    with pytest.raises(Conflict):
        house.grant(person(), AUTHORISE, NOW)
    assert house.changes == []


@pytest.mark.parametrize(
    ("actor", "wish"),
    [
        (person(scenes.STRANGER), AUTHORISE),
        (person(), replace(AUTHORISE, record_id="0" * 26)),
        (person(), replace(AUTHORISE, record_id="no id")),
        (professional(), replace(AUTHORISE, professional=OTHER)),
        (professional(), replace(STOP, professional=OTHER)),
        (professional(), Wish(RECORD_ID, Kind.BREAK_GLASS_OPPOSITION)),
        (professional(emergency_reason=scenes.REASON), AUTHORISE),
    ],
)
def test_who_may_not_decide_sees_no_record_and_leaves_a_trace(house, actor, wish):
    with pytest.raises(NotFound):
        house.grant(actor, wish, NOW)
    assert house.held == {}
    assert [one.outcome for one in house.journal] == [Outcome.REFUSED]


@pytest.mark.parametrize(
    "actor", [scenes.agent(), scenes.agent(AgentRole.OPERATIONS), scenes.system(), scenes.feeder]
)
def test_only_people_and_professionals_decide(house, actor):
    with pytest.raises(Forbidden):
        house.grant(actor, AUTHORISE, NOW)
    assert [one.outcome for one in house.journal] == [Outcome.REFUSED]


def test_nothing_is_decided_in_a_closed_record():
    house = House(record=scenes.closed)
    with pytest.raises(NotFound):
        house.grant(person(), AUTHORISE, NOW)
    assert house.held == {}


def test_without_its_trace_no_decision_is_taken(house):
    house.broken = True
    with pytest.raises(ConnectionError):
        house.grant(person(), AUTHORISE, NOW)
    assert house.held == {}


def test_the_two_oppositions_are_independent(house):
    house.grant(person(), Wish(RECORD_ID, Kind.BREAK_GLASS_OPPOSITION), NOW)
    assert Settings.of(house.about(RECORD_ID, None)) == Settings(
        opposes_break_glass=True, version=1
    )
    house.grant(person(), Wish(RECORD_ID, Kind.CENTRE_15_OPPOSITION), NOW)
    house.grant(person(), Wish(RECORD_ID, Kind.MASKED_IN_EMERGENCY), NOW)
    assert Settings.of(house.about(RECORD_ID, None)) == Settings(*[True] * 3, version=3)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (replace(AUTHORISE, until=NOW), "in-the-past"),
        (replace(AUTHORISE, since=LATER + timedelta(days=1), until=LATER), "before-start"),
        (replace(STOP, until=LATER), "unexpected"),
        (replace(STOP, since=LATER), "in-the-future"),
        (Wish(RECORD_ID, Kind.CENTRE_15_OPPOSITION, until=LATER), "unexpected"),
    ],
)
def test_a_period_that_cannot_be_is_refused(house, wish, code):
    with pytest.raises(Invalid) as refused:
        house.grant(person(), wish, NOW)
    assert [one.code for one in refused.value.faults] == [code]
    assert house.held == {}


def test_an_authorisation_may_begin_later(house):
    house.grant(person(), replace(AUTHORISE, since=LATER), NOW)
    assert house.state(LATER) is AuthorisationState.VALID
    assert house.state(NOW) is not AuthorisationState.VALID


# -- reading them -------------------------------------------------------------------------------


def test_the_holder_reads_every_decision_newest_first(house):
    house.grant(person(), AUTHORISE, NOW)
    house.grant(person(), replace(STOP, professional=OTHER), LATER)
    found = house.read.search(person(), ConsentQuestion(RECORD_ID), LATER)
    assert [one.decision.kind for one in found.consents] == [Kind.BLOCK, Kind.AUTHORISATION]
    assert (house.journal[-1].act, house.journal[-1].count) == (Act.READ_CONSENTS, 2)
    chosen = ConsentQuestion(RECORD_ID, frozenset({Kind.BLOCK}), frozenset({True}))
    assert house.read.search(person(), chosen, LATER).total == 1


def test_decisions_come_by_pages_without_loss_and_each_page_is_traced(house):
    for kind in (Kind.AUTHORISATION, Kind.BLOCK):
        for who in (OTHER, ME):
            house.grant(person(), Wish(RECORD_ID, kind, who), NOW)
    whole = house.read.search(person(), ConsentQuestion(RECORD_ID), NOW).consents
    query, seen = {"patient": [RECORD_ID], "_count": ["3"]}, []
    while query:
        page = house.read.search(person(), fhir_consent.question_of(query), NOW)
        told = fhir_consent.bundle(page, "https://x/fhir", query)
        assert told["total"] == 4
        seen += [one["resource"]["id"] for one in told["entry"]]
        assert house.journal[-1].count == len(told["entry"]) <= 3
        following = [one["url"] for one in told["link"] if one["relation"] == "next"]
        query = parse_qs(following[0].partition("?")[2]) if following else None
    assert seen == [one.id for one in whole]


def test_a_professional_reads_what_is_about_them_alone(house):
    house.grant(person(), AUTHORISE, NOW)
    house.grant(person(), replace(AUTHORISE, professional=OTHER), NOW)
    found = house.read.search(professional(), ConsentQuestion(RECORD_ID), NOW)
    assert [one.professional for one in found.consents] == [ME]
    assert house.read.read(professional(), found.consents[0].id, NOW) == found.consents[0]
    with pytest.raises(NotFound):
        house.read.read(professional(), f"{RECORD_ID}.authorisation.{OTHER}", NOW)


@pytest.mark.parametrize("actor", [person(scenes.STRANGER), scenes.agent(), scenes.system()])
def test_to_anybody_else_there_is_nothing_and_the_attempt_is_traced(house, actor):
    house.grant(person(), AUTHORISE, NOW)
    unknown = house.read.search(actor, ConsentQuestion("0" * 26), NOW)
    assert house.read.search(actor, ConsentQuestion(RECORD_ID), NOW) == unknown == ConsentPage()
    with pytest.raises(NotFound):
        house.read.read(actor, f"{RECORD_ID}.authorisation.{ME}", NOW)
    assert [one.outcome for one in house.journal[-3:]] == [Outcome.REFUSED] * 3


def test_a_blocked_professional_reads_not_even_their_block(house):
    house.grant(person(), STOP, NOW)
    assert house.read.search(professional(), ConsentQuestion(RECORD_ID), NOW) == ConsentPage()
    with pytest.raises(NotFound):
        house.read.read(professional(), f"{RECORD_ID}.block.{ME}", NOW)


@pytest.mark.parametrize("name", ["", "x", f"{RECORD_ID}.block", f"{RECORD_ID}.nothing.{ME}"])
def test_what_is_no_consent_id_names_nothing(house, name):
    with pytest.raises(NotFound):
        house.read.read(person(), name, NOW)


def test_without_its_trace_nothing_is_read(house):
    house.grant(person(), AUTHORISE, NOW)
    house.broken = True
    with pytest.raises(ConnectionError):
        house.read.search(person(), ConsentQuestion(RECORD_ID), NOW)
