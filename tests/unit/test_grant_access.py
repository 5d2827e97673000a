"""Rules of what holders decide, and of what professionals record for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from dmp.access.decide import CedarDecisions
from dmp.access.durations import Durations
from dmp.domain.access import Situation
from dmp.domain.actors import AgentRole, key_of
from dmp.domain.consents import (
    ActorConsents,
    AuthorisationState,
    Change,
    Consent,
    Kind,
    Proof,
    ProofKind,
    Settings,
    Turn,
    consent_id,
)
from dmp.domain.documents import Document
from dmp.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotAllowed,
    NotFound,
    StaleVersion,
)
from dmp.domain.records import Basis, Representative
from dmp.domain.traces import Act, Outcome, Trace
from dmp.edge import fhir_consent
from dmp.usecases.change_consent import Asked, ChangeConsent
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
    documents: dict[str, Document] = field(default_factory=dict)
    broken: bool = False

    def of(self, record_id, actor, document_id=None):
        if record_id != RECORD_ID:
            return None
        return Situation(
            self.record,
            self.about(record_id, getattr(actor, "id", "nobody")),
            Settings.of(self.about(record_id, None)),
            self.documents.get(document_id),
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
        return self.replace(changes[0].consent.professional, stood, decided, changes, trace)

    def replace(self, who, stood, decided, changes, trace):
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
    def change(self) -> ChangeConsent:
        return ChangeConsent(self.gate, self, Durations(365, {"98": 30}))

    def withdraw(self, actor, kind, who=ME, now=NOW, expected=None):
        return self.change(actor, consent_id(RECORD_ID, kind, who), withdrawn, now, expected)

    def of_kind(self, kind, who=ME):
        return self.about(RECORD_ID, who).of(kind)

    @property
    def read(self) -> ReadConsents:
        return ReadConsents(self.gate, self)

    def state(self, now=NOW):
        return self.about(RECORD_ID, ME).authorisation(now)


def withdrawn(consent: Consent) -> Asked:
    return Asked(active=False, since=consent.decision.since, until=consent.decision.until)


def until(end):
    """The period's end, moved."""
    return lambda consent: Asked(active=True, since=consent.decision.since, until=end)


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
    assert house.of_kind(Kind.AUTHORISATION).version == 1


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


def test_what_begins_where_time_ends_is_recorded_like_anything_else(house):
    never = datetime(9999, 12, 30, 23, tzinfo=UTC)
    recorded = house.grant(professional(), replace(AUTHORISE, since=never), NOW)
    assert recorded.consent.decision.since == never
    assert house.state(NOW) is not AuthorisationState.VALID


# -- médecin traitant and delegate ---------------------------------------------------------------

MEDECIN_TRAITANT = Wish(RECORD_ID, Kind.MEDECIN_TRAITANT, ME)
DELEGATE = Wish(RECORD_ID, Kind.DELEGATE, ME)
CHILD = scenes.record(
    traits=replace(scenes.record().traits, birth_date=date(2015, 3, 28)),
    representatives=(
        Representative(person("c" * 64).traits, Basis.PARENTAL_AUTHORITY, scenes.AGO, id="0" * 26),
    ),
)
MOTHER = person("c" * 64)


def test_the_holder_names_a_medecin_traitant_and_a_delegate(house):
    for wish in (MEDECIN_TRAITANT, replace(DELEGATE, professional=OTHER)):
        assert house.grant(person(), wish, NOW).turn is Turn.GIVEN
    assert house.about(RECORD_ID, ME).medecin_traitant(NOW)
    assert house.about(RECORD_ID, OTHER).delegate(NOW)


def test_several_doctors_may_be_medecin_traitant_of_one_record(house):
    house.grant(person(), MEDECIN_TRAITANT, NOW)
    house.grant(person(), replace(MEDECIN_TRAITANT, professional=OTHER), NOW)
    assert all(house.about(RECORD_ID, one).medecin_traitant(NOW) for one in (ME, OTHER))


def test_a_doctor_records_being_medecin_traitant_and_nobody_else_does(house):
    assert house.grant(professional(), MEDECIN_TRAITANT, NOW).consent.decision.until is None
    house.held.clear()
    for actor, wish in (
        (professional("60"), MEDECIN_TRAITANT),
        (professional(), replace(MEDECIN_TRAITANT, professional=OTHER)),
    ):
        with pytest.raises(NotFound):
            house.grant(actor, wish, NOW)
    assert house.held == {}


def test_no_professional_makes_themselves_or_another_a_delegate(house):
    house.grant(person(), MEDECIN_TRAITANT, NOW)
    for who in (ME, OTHER):
        with pytest.raises(NotFound):
            house.grant(professional(), replace(DELEGATE, professional=who), NOW)


@pytest.mark.parametrize("role", [MEDECIN_TRAITANT, DELEGATE])
def test_who_has_a_medecin_traitant_s_rights_blocks_others_on_the_patient_s_request(house, role):
    house.grant(person(), role, NOW)
    done = house.grant(professional(), replace(STOP, professional=OTHER), LATER)
    assert done.turn is Turn.GIVEN
    assert done.consent.decision.proof == Proof(ProofKind.DECLARED)
    assert house.about(RECORD_ID, OTHER).blocked(LATER)


@pytest.mark.parametrize("wish", [AUTHORISE, MEDECIN_TRAITANT, DELEGATE])
def test_a_block_ends_whatever_opened_the_record_and_beats_what_comes_after(house, wish):
    house.grant(person(), wish, NOW)
    house.grant(person(), STOP, LATER)
    ended = house.of_kind(wish.kind)
    assert (ended.active, ended.version, ended.recorded_at) == (False, 2, LATER)
    with pytest.raises(Conflict):
        house.grant(person(), wish, LATER)
    house.withdraw(person(), Kind.BLOCK, now=LATER)
    assert not house.of_kind(wish.kind).active
    assert house.grant(person(), wish, LATER).turn is Turn.GIVEN


# -- in the holder's name ------------------------------------------------------------------------


def test_a_representative_decides_in_the_holder_s_name_and_it_is_said(house):
    house = House(record=CHILD)
    done = house.grant(MOTHER, AUTHORISE, NOW)
    assert done.consent.decision.represented
    assert house.state() is AuthorisationState.VALID
    house.grant(MOTHER, STOP, NOW)
    assert house.of_kind(Kind.AUTHORISATION).represented
    assert house.withdraw(MOTHER, Kind.BLOCK).consent.decision.represented
    assert not house.grant(person(), AUTHORISE, NOW).consent.decision.represented


def test_who_no_longer_represents_decides_nothing():
    house = House(record=replace(CHILD, traits=scenes.record().traits))
    with pytest.raises(NotFound):
        house.grant(MOTHER, AUTHORISE, NOW)
    assert house.held == {}


# -- the proof and the structure -----------------------------------------------------------------

PAPER = f"{RECORD_ID}.01jd0000000000000000000000"


def test_the_holder_s_own_word_is_the_best_proof(house):
    done = house.grant(person(), replace(AUTHORISE, verified=True, document="no matter"), NOW)
    assert done.consent.decision.proof == Proof(ProofKind.SELF)


@pytest.mark.parametrize(
    ("said", "proof"),
    [
        ({}, Proof(ProofKind.DECLARED)),
        ({"verified": True}, Proof(ProofKind.VERIFIED)),
        ({"verified": True, "verified_at": NOW}, Proof(ProofKind.VERIFIED, NOW)),
        ({"document": PAPER}, Proof(ProofKind.DOCUMENT, None, PAPER)),
        (
            {"document": PAPER, "verified": True, "verified_at": NOW},
            Proof(ProofKind.DOCUMENT, NOW, PAPER),
        ),
    ],
)
def test_a_professional_says_how_they_know_that_the_patient_agreed(house, said, proof):
    house.documents[PAPER] = scenes.by(professional(), id=PAPER)
    done = house.grant(professional(), replace(AUTHORISE, **said), NOW)
    assert done.consent.decision.proof == proof


def test_a_better_proof_is_a_change_and_a_weaker_one_is_none(house):
    house.grant(professional(), AUTHORISE, NOW)
    better = house.grant(professional(), replace(AUTHORISE, verified=True, verified_at=NOW), NOW)
    assert (better.turn, better.consent.decision.version) == (Turn.CHANGED, 2)
    assert house.grant(professional(), AUTHORISE, NOW).turn is None
    assert house.grant(professional(), replace(AUTHORISE, verified=True), NOW).turn is None
    assert house.of_kind(Kind.AUTHORISATION).proof == Proof(ProofKind.VERIFIED, NOW)


@pytest.mark.parametrize(
    "document",
    [
        None,
        scenes.document(id=PAPER),
        scenes.by(professional(id=OTHER), id=PAPER),
    ],
    ids=["there is none", "not for the caller", "by a colleague"],
)
def test_what_a_professional_may_not_read_proves_nothing(house, document):
    if document:
        house.documents[PAPER] = document
    with pytest.raises(Invalid) as refused:
        house.grant(professional(), replace(AUTHORISE, document=PAPER), NOW)
    (fault,) = refused.value.faults
    assert (fault.path, fault.code) == ("Consent.sourceReference", "unknown-document")
    assert (house.held, house.journal[-1].outcome) == ({}, Outcome.FAILED)


def test_nothing_was_verified_in_the_future(house):
    with pytest.raises(Invalid) as refused:
        house.grant(professional(), replace(AUTHORISE, verified=True, verified_at=LATER), NOW)
    assert refused.value.faults[0].path == "Consent.verification[0].verificationDate"


def test_a_professional_s_structure_is_their_token_s_and_the_holder_may_say_it(house):
    here, there = scenes.HERE.finess, scenes.THERE.finess
    assert house.grant(professional(), AUTHORISE, NOW).consent.decision.structure == here
    moved = house.grant(professional(structure=scenes.THERE), AUTHORISE, NOW)
    assert (moved.turn, moved.consent.decision.structure) == (Turn.CHANGED, there)
    with pytest.raises(Invalid) as refused:
        house.grant(professional(), replace(AUTHORISE, structure=there), NOW)
    assert refused.value.faults[0].path == "Consent.organization"
    told = house.grant(person(), replace(AUTHORISE, professional=OTHER, structure=here), NOW)
    assert told.consent.decision.structure == here
    again = house.grant(person(), replace(AUTHORISE, professional=OTHER), NOW)
    assert (again.turn, again.consent.decision.structure) == (None, here)


def test_whom_the_holder_named_alone_stays_alone_however_often_they_repeat_it(house):
    given = house.grant(person(), AUTHORISE, NOW).consent.decision
    again = house.grant(professional(), AUTHORISE, LATER)
    assert (again.turn, again.consent.decision) == (None, given)
    assert house.of_kind(Kind.AUTHORISATION).structure is None


def test_a_professional_who_recorded_it_elsewhere_says_where_they_act_now(house):
    house.grant(professional(structure=None), AUTHORISE, NOW)
    again = house.grant(professional(), AUTHORISE, NOW)
    assert (again.turn, again.consent.decision.structure) == (Turn.CHANGED, scenes.HERE.finess)


def test_where_a_professional_acts_is_known_once_for_each_authorisation_of_the_holder(house):
    house.grant(person(), replace(AUTHORISE, structure=scenes.THERE.finess), NOW)
    assert house.grant(professional(), AUTHORISE, NOW).turn is None
    assert house.of_kind(Kind.AUTHORISATION).structure == scenes.THERE.finess
    assert house.grant(person(), replace(AUTHORISE, structure=scenes.HERE.finess), NOW).turn is (
        Turn.CHANGED
    )


def test_an_authorisation_given_again_after_its_end_knows_no_structure(house):
    house.grant(person(), AUTHORISE, NOW)
    house.grant(professional(), AUTHORISE, NOW)
    house.withdraw(person(), Kind.AUTHORISATION, now=LATER)
    assert house.grant(person(), AUTHORISE, LATER).consent.decision.structure is None


def test_the_role_of_medecin_traitant_repeated_makes_no_care_team(house):
    house.grant(person(), Wish(RECORD_ID, Kind.MEDECIN_TRAITANT, ME), NOW)
    again = house.grant(professional(), Wish(RECORD_ID, Kind.MEDECIN_TRAITANT, ME), NOW)
    assert (again.turn, again.consent.decision.structure) == (None, None)


# -- changing them -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.AUTHORISATION, Kind.MEDECIN_TRAITANT, Kind.DELEGATE])
@pytest.mark.parametrize("actor", [person(), professional()], ids=["holder", "professional"])
def test_what_opened_the_record_is_withdrawn_by_the_holder_or_given_back(house, kind, actor):
    given = house.grant(person(), Wish(RECORD_ID, kind, ME), NOW).consent.decision
    done = house.withdraw(actor, kind, now=LATER)
    assert done.turn is Turn.WITHDRAWN
    assert done.consent.decision == replace(
        given,
        active=False,
        version=2,
        recorded_by=key_of(actor),
        recorded_at=LATER,
        proof=Proof(ProofKind.SELF if actor == person() else ProofKind.DECLARED),
    )
    assert house.state(LATER) is AuthorisationState.NONE
    assert [one.turn for one in house.changes] == [Turn.GIVEN, Turn.WITHDRAWN]


def test_what_was_withdrawn_is_given_anew_by_a_new_consent(house):
    house.grant(person(), AUTHORISE, NOW)
    house.withdraw(person(), Kind.AUTHORISATION)
    again = house.grant(person(), AUTHORISE, LATER)
    assert (again.turn, again.consent.decision.version) == (Turn.GIVEN, 3)
    assert house.state(LATER) is AuthorisationState.VALID


def test_withdrawing_again_changes_nothing_and_leaves_its_trace(house):
    house.grant(person(), AUTHORISE, NOW)
    first = house.withdraw(person(), Kind.AUTHORISATION)
    again = house.withdraw(person(), Kind.AUTHORISATION, now=LATER)
    assert (again.turn, again.consent) == (None, first.consent)
    assert [one.outcome for one in house.journal] == [Outcome.DONE] * 3


def test_a_withdrawn_decision_does_not_stand_again_by_itself(house):
    house.grant(person(), AUTHORISE, NOW)
    house.withdraw(person(), Kind.AUTHORISATION)
    with pytest.raises(Invalid) as refused:
        house.change(person(), AUTHORISE.id, until(None), LATER)
    assert [(one.path, one.code) for one in refused.value.faults] == [
        ("Consent.status", "withdrawn")
    ]
    assert house.state(LATER) is AuthorisationState.NONE


def test_oppositions_are_the_holder_s_to_withdraw(house):
    for kind in (Kind.BREAK_GLASS_OPPOSITION, Kind.CENTRE_15_OPPOSITION, Kind.MASKED_IN_EMERGENCY):
        house.grant(person(), Wish(RECORD_ID, kind), NOW)
    house.withdraw(person(), Kind.BREAK_GLASS_OPPOSITION, who=None)
    assert Settings.of(house.about(RECORD_ID, None)) == Settings(
        opposes_centre_15=True, masked_in_emergency=True, version=4
    )
    house.grant(person(), MEDECIN_TRAITANT, NOW)
    with pytest.raises(NotFound):
        house.withdraw(professional(), Kind.CENTRE_15_OPPOSITION, who=None)


def test_nobody_but_the_holder_lifts_a_block(house):
    house.grant(person(), MEDECIN_TRAITANT, NOW)
    house.grant(professional(), replace(STOP, professional=OTHER), NOW)
    for actor in (professional(), professional(id=OTHER), person(scenes.STRANGER)):
        with pytest.raises(NotFound):
            house.withdraw(actor, Kind.BLOCK, who=OTHER)
    assert house.about(RECORD_ID, OTHER).blocked(NOW)
    assert house.withdraw(person(), Kind.BLOCK, who=OTHER).turn is Turn.WITHDRAWN
    assert not house.about(RECORD_ID, OTHER).blocked(NOW)


def test_who_reads_a_decision_and_may_not_change_it_is_told_so(house):
    house.grant(person(), DELEGATE, NOW)
    house.grant(person(), replace(STOP), NOW)
    house.withdraw(person(), Kind.BLOCK)
    house.grant(person(), DELEGATE, NOW)
    for name, amend in ((DELEGATE.id, until(LATER)), (STOP.id, withdrawn)):
        with pytest.raises(Forbidden):
            house.change(professional(), name, amend, NOW)
        assert house.journal[-1].outcome is Outcome.REFUSED
    with pytest.raises(Forbidden):
        house.change(professional(emergency_reason=scenes.REASON), DELEGATE.id, withdrawn, NOW)
    assert house.of_kind(Kind.DELEGATE).version == 3


def test_who_does_not_read_a_decision_finds_none_to_change(house):
    house.grant(person(), AUTHORISE, NOW)
    before = dict(house.held)
    for actor in (person(scenes.STRANGER), professional(id=OTHER)):
        with pytest.raises(NotFound):
            house.withdraw(actor, Kind.AUTHORISATION)
    for name in ("x", f"{RECORD_ID}.delegate.{ME}", f"{RECORD_ID}.masked-history"):
        with pytest.raises(NotFound):
            house.change(person(), name, withdrawn, NOW)
    for actor in (scenes.agent(), scenes.system()):
        with pytest.raises(Forbidden):
            house.withdraw(actor, Kind.AUTHORISATION)
    assert house.held == before
    assert {one.outcome for one in house.journal[1:]} == {Outcome.REFUSED}
    assert len(house.journal) == 8


def test_a_blocked_professional_changes_nothing(house):
    house.grant(person(), AUTHORISE, NOW)
    house.grant(person(), STOP, NOW)
    for kind in (Kind.AUTHORISATION, Kind.BLOCK):
        with pytest.raises(NotFound):
            house.withdraw(professional(), kind)


def test_a_period_is_moved_by_whoever_may_give_it(house):
    house.grant(person(), AUTHORISE, NOW)
    moved = house.change(person(), AUTHORISE.id, until(LATER), NOW)
    assert (moved.turn, moved.consent.decision.until) == (Turn.CHANGED, LATER)
    assert house.state(LATER) is AuthorisationState.EXPIRED
    longer = house.change(professional("98"), AUTHORISE.id, until(None), NOW)
    assert longer.consent.decision.until == datetime(2026, 8, 13, tzinfo=UTC)
    assert longer.consent.decision.proof == Proof(ProofKind.DECLARED)


def test_what_is_over_may_still_be_withdrawn_or_made_to_last(house):
    house.grant(person(), replace(AUTHORISE, until=LATER), NOW)
    revived = house.change(person(), AUTHORISE.id, until(None), LATER)
    assert revived.turn is Turn.CHANGED
    assert house.state(LATER) is AuthorisationState.VALID
    house.change(person(), AUTHORISE.id, until(LATER + timedelta(days=1)), LATER)
    over = LATER + timedelta(days=2)
    assert house.withdraw(professional(), Kind.AUTHORISATION, now=over).turn is Turn.WITHDRAWN
    assert house.about(RECORD_ID, ME).objected


def test_a_role_may_end_one_day(house):
    house.grant(person(), replace(MEDECIN_TRAITANT, until=LATER), NOW)
    assert not house.about(RECORD_ID, ME).medecin_traitant(LATER)


@pytest.mark.parametrize(
    ("kind", "amend", "fault"),
    [
        (Kind.AUTHORISATION, until(NOW), ("Consent.provision.period.end", "in-the-past")),
        (
            Kind.AUTHORISATION,
            lambda _: Asked(active=True, since=LATER + timedelta(days=1), until=LATER),
            ("Consent.provision.period.end", "before-start"),
        ),
        (
            Kind.AUTHORISATION,
            lambda _: Asked(active=False, since=NOW, until=LATER),
            ("Consent.provision.period", "unexpected"),
        ),
        (Kind.BLOCK, until(LATER), ("Consent.provision.period", "unexpected")),
    ],
)
def test_a_change_of_period_that_cannot_be_is_refused(house, kind, amend, fault):
    house.grant(person(), Wish(RECORD_ID, kind, ME), NOW)
    with pytest.raises(Invalid) as refused:
        house.change(person(), consent_id(RECORD_ID, kind, ME), amend, NOW)
    assert [(one.path, one.code) for one in refused.value.faults] == [fault]
    assert len(house.changes) == 1


def test_what_cannot_be_asked_of_a_decision_is_refused_and_traced(house):
    def never(consent):
        raise NotAllowed

    house.grant(person(), AUTHORISE, NOW)
    with pytest.raises(NotAllowed):
        house.change(person(), AUTHORISE.id, never, NOW)
    assert house.journal[-1].outcome is Outcome.FAILED


# -- versions ------------------------------------------------------------------------------------


def test_who_changes_another_version_than_they_saw_is_stopped(house):
    house.grant(person(), AUTHORISE, NOW)
    house.change(person(), AUTHORISE.id, until(LATER), NOW, 1)
    with pytest.raises(StaleVersion):
        house.withdraw(person(), Kind.AUTHORISATION, expected=1)
    assert house.state() is AuthorisationState.VALID
    assert house.withdraw(person(), Kind.AUTHORISATION, expected=2).turn is Turn.WITHDRAWN


def test_a_version_may_be_expected_of_a_decision_that_is_recorded_too(house):
    with pytest.raises(StaleVersion):
        house.grant(person(), AUTHORISE, NOW, 1)
    house.grant(person(), AUTHORISE, NOW, 0)
    with pytest.raises(StaleVersion):
        house.grant(person(), replace(AUTHORISE, until=LATER), NOW, 0)
    assert house.grant(person(), replace(AUTHORISE, until=LATER), NOW, 1).turn is Turn.CHANGED
    assert house.journal[-2].outcome is Outcome.FAILED


def test_two_changes_at_once_of_one_version_are_one_and_a_stale_one(house):
    house.grant(person(), AUTHORISE, NOW)
    house.in_between = [lambda: house.change(person(), AUTHORISE.id, until(LATER), NOW, 1)]
    with pytest.raises(StaleVersion):
        house.withdraw(person(), Kind.AUTHORISATION, expected=1)
    assert (house.of_kind(Kind.AUTHORISATION).version, len(house.changes)) == (2, 2)


def test_two_changes_at_once_without_a_version_are_both_kept(house):
    house.grant(person(), AUTHORISE, NOW)
    house.in_between = [lambda: house.change(person(), AUTHORISE.id, until(LATER), NOW)]
    done = house.withdraw(person(), Kind.AUTHORISATION).consent.decision
    assert (done.version, done.active, done.until) == (3, False, LATER)
    assert [one.turn for one in house.changes] == [Turn.GIVEN, Turn.CHANGED, Turn.WITHDRAWN]


def test_who_never_gets_a_change_in_is_told_of_the_conflict(house):
    house.grant(person(), AUTHORISE, NOW)

    def other():
        about = house.about(RECORD_ID, ME)
        house.held[ME] = replace(about, version=about.version + 1)

    house.in_between = [other] * 10
    with pytest.raises(Conflict):
        house.withdraw(person(), Kind.AUTHORISATION)
    assert len(house.changes) == 1
    assert house.journal[-1].outcome is Outcome.FAILED


def test_who_never_gets_a_decision_in_leaves_a_trace(house):
    def other():
        about = house.about(RECORD_ID, ME)
        house.held[ME] = replace(about, version=about.version + 1)

    house.in_between = [other] * 10
    with pytest.raises(Conflict):
        house.grant(person(), AUTHORISE, NOW)
    assert not house.changes
    assert house.journal[-1].outcome is Outcome.FAILED


def test_a_block_that_arrives_while_a_professional_changes_their_authorisation_wins(house):
    house.grant(person(), AUTHORISE, NOW)
    house.in_between = [lambda: house.grant(person(), STOP, NOW)]
    with pytest.raises(NotFound):
        house.change(professional(), AUTHORISE.id, until(LATER), NOW)
    assert house.state() is AuthorisationState.FORBIDDEN


def test_without_its_trace_nothing_is_withdrawn(house):
    house.grant(person(), AUTHORISE, NOW)
    house.broken = True
    with pytest.raises(ConnectionError):
        house.withdraw(person(), Kind.AUTHORISATION)
    assert house.state() is AuthorisationState.VALID


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


# -- their history -------------------------------------------------------------------------------


def test_every_change_of_a_decision_is_told_newest_first_with_who_when_and_what(house):
    house.grant(professional(), AUTHORISE, NOW)
    house.change(person(), AUTHORISE.id, until(LATER + timedelta(days=1)), LATER)
    house.withdraw(professional(), Kind.AUTHORISATION, now=LATER)
    page = house.read.history(person(), AUTHORISE.id, LATER)
    told = [(one.turn, one.at, one.consent.decision.recorded_by) for one in page.changes]
    assert told == [
        (Turn.WITHDRAWN, LATER, f"professional#{ME}"),
        (Turn.CHANGED, LATER, f"patient#{scenes.HOLDER}"),
        (Turn.GIVEN, NOW, f"professional#{ME}"),
    ]
    assert (page.total, page.next) == (3, None)
    last = house.journal[-1]
    assert (last.act, last.target, last.count) == (Act.READ_CONSENTS, AUTHORISE.id, 3)
    assert house.read.history(professional(), AUTHORISE.id, LATER) == page


def test_a_history_comes_by_pages_without_loss(house):
    for kind in (Kind.BREAK_GLASS_OPPOSITION, Kind.CENTRE_15_OPPOSITION):
        for _ in range(3):
            house.grant(person(), Wish(RECORD_ID, kind), NOW)
            house.withdraw(person(), kind, who=None)
    name = consent_id(RECORD_ID, Kind.CENTRE_15_OPPOSITION, None)
    seen, after = [], None
    while True:
        page = house.read.history(person(), name, NOW, count=4, after=after)
        assert page.total == 6
        seen += [one.consent.decision.version for one in page.changes]
        after = page.next
        if after is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1]


def test_a_decision_from_before_the_history_is_its_own_only_line(house):
    house.held[ME] = scenes.authorised
    page = house.read.history(person(), AUTHORISE.id, NOW)
    (line,) = page.changes
    assert (line.turn, line.at, line.consent.decision) == (
        Turn.GIVEN,
        scenes.AGO,
        scenes.authorised.of(Kind.AUTHORISATION),
    )


@pytest.mark.parametrize(
    ("actor", "name"),
    [
        (person(scenes.STRANGER), AUTHORISE.id),
        (professional(id=OTHER), AUTHORISE.id),
        (scenes.agent(), AUTHORISE.id),
        (person(), f"{RECORD_ID}.delegate.{ME}"),
        (person(), "nonsense"),
    ],
)
def test_who_does_not_read_a_decision_reads_no_history_of_it(house, actor, name):
    house.grant(person(), AUTHORISE, NOW)
    with pytest.raises(NotFound):
        house.read.history(actor, name, NOW)
    assert house.journal[-1].outcome is Outcome.REFUSED
