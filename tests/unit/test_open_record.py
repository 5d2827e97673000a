"""Opening a record: by whom, for whom, with which consent, and what is said when it cannot be."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from dmp.domain.actors import Agent, AgentRole, Feeder, Person, Professional, Structure, System
from dmp.domain.consents import OpeningConsent
from dmp.domain.directory import Insured
from dmp.domain.errors import (
    Busy,
    ConsentRequired,
    Deceased,
    Fault,
    Forbidden,
    IdempotencyKeyReused,
    Invalid,
    InvalidIns,
    NotInsured,
    RecordAlreadyOpen,
    SchemeNotServed,
    TraitsMismatch,
)
from dmp.domain.identity import NIR, TEST, Ins, InsuredNumber
from dmp.domain.records import Channel, Contact, HistoryStatus, RecordStatus, Scheme, Source
from dmp.domain.traces import Act, Outcome
from dmp.usecases.open_record import Application, Opening, OpenRecord, Repeatable
from functions.accounts.messages import application_of
from tests.support.people import DOMINIQUE, opening
from tests.support.records import NOW, TRAITS

INS = Ins(DOMINIQUE.matricule, TEST)
CONSENT = OpeningConsent(opening=True, opposes_break_glass=False, opposes_centre_15=True)
APPLICATION = Application(
    ins=INS,
    traits=TRAITS,
    scheme=Scheme.REGIME_GENERAL,
    consent=CONSENT,
    source=Source.CARTE_VITALE,
    contact=Contact("patient@example.test"),
)
KNOWN = Insured(INS, 1, TRAITS, "regime-general", "751", Contact("fund@example.test"))

PHARMACY = Structure("750000018", "SA33")
PHARMACIST = Professional("810100997245", "21", structure=PHARMACY)
DOCTOR = Professional("899700218896", "10")
NURSE = Professional("899700024450", "60")
CLERK = Agent("clerk", AgentRole.ENROLMENT, "751")
OPERATOR = Agent("operator", AgentRole.OPERATIONS, "751")
HOSPITAL = System(Structure("750000026"))
PATIENT = Person("a" * 64, "PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215")


class FakeRegister:
    def __init__(self, outcome=None):
        self.outcome = outcome
        self.opened = []

    def open(self, opening, consent, trace, repeatable=None):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.opened.append((opening, consent, trace, repeatable))
        return self.outcome or opening


class FakeDirectory:
    def __init__(self, *known):
        self.known = {one.ins: one for one in known}
        self.asked = 0

    def of(self, ins):
        self.asked += 1
        return self.known.get(ins)


class FakeTraces(list):
    def write(self, trace):
        self.append(trace)


class Counter:
    """The use case with its fakes at hand."""

    def __init__(self, *known, outcome=None, lenient=True):
        self.register = FakeRegister(outcome)
        self.directory = FakeDirectory(*known)
        self.traces = FakeTraces()
        self.open = OpenRecord(self.register, self.directory, self.traces, lenient, 18)

    def __call__(self, actor=PHARMACIST, application=APPLICATION):
        return self.open(actor, application, NOW)

    def refused(self, kind, application=APPLICATION, actor=PHARMACIST):
        with pytest.raises(kind) as refusal:
            self(actor, application)
        assert type(refusal.value) is kind
        assert [(t.act, t.outcome) for t in self.traces] == [(Act.OPEN_RECORD, Outcome.REFUSED)]
        assert self.register.opened == []
        return {fault.path for fault in getattr(refusal.value, "faults", ())}


def wrong(**changes):
    return replace(APPLICATION, **changes)


@pytest.mark.parametrize(
    ("actor", "channel"),
    [
        (PHARMACIST, Channel.PHARMACIST),
        (DOCTOR, Channel.PROFESSIONAL),
        (NURSE, Channel.PROFESSIONAL),
        (CLERK, Channel.CAISSE),
        (HOSPITAL, Channel.ESTABLISHMENT),
    ],
)
def test_the_channel_comes_from_who_opens(actor, channel):
    assert Counter()(actor).record.channel is channel


@pytest.mark.parametrize("actor", [PATIENT, OPERATOR, Feeder()])
def test_patients_and_operations_staff_open_nothing_at_a_counter(actor):
    counter = Counter()
    counter.refused(Forbidden, actor=actor)
    assert counter.directory.asked == 0


def test_the_right_to_open_is_looked_at_before_the_request():
    Counter().refused(Forbidden, wrong(consent=None, faults=(Fault("x", "y", "z"),)), PATIENT)


def test_a_new_record_is_open_awaits_its_history_and_says_who_opened_it():
    record = Counter()(PHARMACIST).record
    assert record.status is RecordStatus.OPEN
    assert record.history is HistoryStatus.PENDING
    assert record.opened_at == NOW
    assert record.opened_by == "professional#810100997245"
    assert (record.structure, record.caisse) == ("750000018", None)
    assert Counter()(CLERK).record.caisse == "751"


def test_the_insurer_knows_a_person_under_their_own_number_unless_told_otherwise():
    assert Counter()().record.insured == InsuredNumber(INS.matricule, 1)
    parent = InsuredNumber("277076322082910", 2)
    assert Counter()(application=wrong(insured=parent)).record.insured == parent


def test_the_opening_its_consents_and_its_trace_are_one_write():
    counter = Counter()
    record = counter().record
    ((_, consent, trace, repeatable),) = counter.register.opened
    assert consent == CONSENT
    assert (trace.act, trace.outcome, trace.record_id) == (
        Act.OPEN_RECORD,
        Outcome.DONE,
        record.id,
    )
    assert repeatable is None
    assert counter.traces == []


def test_two_openings_never_share_an_id():
    assert Counter()().record.id != Counter()().record.id


# -- refusals, by the most specific name that fits all -------------------------------------------


def test_a_wrong_number_alone_is_an_invalid_identity():
    paths = Counter().refused(InvalidIns, wrong(ins=Ins("279035121518988", NIR)))
    assert paths == {"ins.matricule"}


def test_traits_that_contradict_the_number_are_a_mismatch():
    paths = Counter().refused(TraitsMismatch, wrong(traits=replace(TRAITS, sex="male")))
    assert paths == {"traits.sex"}


def test_traits_are_not_compared_with_a_number_that_is_wrong_itself():
    other = replace(TRAITS, sex="male")
    Counter().refused(InvalidIns, wrong(ins=Ins("279035121518988", NIR), traits=other))


@pytest.mark.parametrize(
    "consent",
    [replace(CONSENT, opening=False), replace(CONSENT, opening=False, opposes_centre_15=False)],
)
def test_no_record_without_the_consent_to_open_it(consent):
    assert Counter().refused(ConsentRequired, wrong(consent=consent)) == {"consent.opening"}


def test_every_wrong_part_is_named_at_once():
    application = Application(
        ins=Ins("279035121518988", "1.2.3"),
        traits=replace(TRAITS, birth_place="Paris", birth_date=date(2030, 1, 1)),
        scheme=None,
        consent=replace(CONSENT, opening=False),
        source=None,
        insured=InsuredNumber("1", 12),
        contact=Contact("nowhere", "123"),
        faults=(Fault("scheme", "required", ""), Fault("source", "enum", "")),
        repeatable=Repeatable("k" * 256, ""),
    )
    assert Counter().refused(Invalid, application) == {
        "ins.oid",
        "ins.matricule",
        "traits.birthPlace",
        "traits.birthDate",
        "scheme",
        "source",
        "consent.opening",
        "insured.number",
        "insured.birthRank",
        "contact.email",
        "contact.mobile",
        "Idempotency-Key",
    }


def test_nobody_asks_the_directory_about_a_wrong_request():
    counter = Counter()
    counter.refused(InvalidIns, wrong(ins=Ins("279035121518988", NIR)))
    assert counter.directory.asked == 0


# -- what the insurance funds know ---------------------------------------------------------------


def test_somebody_whom_no_fund_knows_has_no_record():
    Counter(lenient=False).refused(NotInsured)
    Counter(lenient=True).refused(NotInsured, wrong(ins=Ins(INS.matricule, NIR)))


def test_test_identities_count_as_insured_where_identity_is_lenient():
    assert Counter(lenient=True)().record.ins == INS


def test_the_directory_has_the_last_word_even_about_test_identities():
    Counter(replace(KNOWN, deceased=True)).refused(Deceased)
    Counter(replace(KNOWN, scheme="msa")).refused(SchemeNotServed)


def test_traits_that_contradict_the_directory_are_a_mismatch_and_quote_nothing():
    known = replace(KNOWN, traits=replace(TRAITS, family_name="PAT-QUATRE", birth_place="75056"))
    counter = Counter(known)
    assert counter.refused(TraitsMismatch) == {"traits.birthFamilyName", "traits.birthPlace"}
    with pytest.raises(TraitsMismatch) as refusal:
        counter()
    assert "QUATRE" not in str(refusal.value.faults)


def test_the_funds_scheme_is_kept_and_the_opener_is_told():
    opened = Counter(replace(KNOWN, scheme="mgp"))()
    assert opened.record.scheme is Scheme.MGP
    assert opened.warnings == ("scheme-of-directory",)


def test_the_funds_contact_serves_when_none_was_given():
    assert Counter(KNOWN)(application=wrong(contact=Contact())).record.contact == KNOWN.contact
    assert Counter(KNOWN)().record.contact == APPLICATION.contact


def test_a_forgiven_key_is_told():
    forgiven = wrong(ins=Ins("279035121518988", TEST))
    assert Counter()(application=forgiven).warnings == ("key-forgiven",)
    Counter(lenient=False).refused(InvalidIns, forgiven)


def test_a_mobile_number_is_kept_in_one_form():
    contact = Contact(mobile="06 12 34 56 78")
    assert Counter()(application=wrong(contact=contact)).record.contact.mobile == "+33612345678"


# -- once ----------------------------------------------------------------------------------------


def test_the_second_opening_is_refused_and_traced_in_the_record_that_exists():
    counter = Counter(outcome=RecordAlreadyOpen("r1"))
    counter.refused(RecordAlreadyOpen)
    assert counter.traces[0].record_id == "r1"


def test_a_key_used_for_another_request_is_refused():
    reused = IdempotencyKeyReused(Fault("Idempotency-Key", "reused", "already used"))
    assert Counter(outcome=reused).refused(
        IdempotencyKeyReused, wrong(repeatable=Repeatable("k", "{}"))
    ) == {"Idempotency-Key"}


def test_a_repeated_request_gets_the_first_answer_and_leaves_a_trace():
    first = Counter()()
    counter = Counter(outcome=Opening(first.record, repeated=True))
    assert counter().record is first.record
    assert [(t.act, t.record_id) for t in counter.traces] == [(Act.READ_RECORD, first.record.id)]


def test_a_store_that_is_busy_is_a_failure_not_a_refusal():
    counter = Counter(outcome=Busy())
    with pytest.raises(Busy):
        counter()
    assert [trace.outcome for trace in counter.traces] == [Outcome.FAILED]


def test_a_refusal_that_cannot_be_traced_says_nothing():
    class Broken:
        def write(self, trace):
            raise OSError

    use_case = OpenRecord(FakeRegister(), FakeDirectory(), Broken(), lenient=True, majority=18)
    with pytest.raises(OSError):
        use_case(PATIENT, APPLICATION, NOW)


# -- what the request says -----------------------------------------------------------------------


def test_a_complete_request_is_read_whole():
    told = opening(DOMINIQUE, insured={"number": "277076322082910", "birthRank": 2})
    read = application_of(told, "key-1")
    assert (read.ins, read.traits, read.scheme) == (INS, TRAITS, Scheme.REGIME_GENERAL)
    assert read.insured == InsuredNumber("277076322082910", 2)
    assert read.faults == ()
    assert read.repeatable.key == "key-1"


def test_the_same_request_has_one_canonical_form():
    told = opening(DOMINIQUE)
    turned = dict(reversed(told.items()))
    assert application_of(told, "k").repeatable == application_of(turned, "k").repeatable
    other = opening(DOMINIQUE, source="insi")
    assert application_of(told, "k").repeatable != application_of(other, "k").repeatable


@pytest.mark.parametrize(
    ("part", "value", "field", "code"),
    [
        ("ins", {"matricule": 279035121518989, "oid": TEST}, "ins.matricule", "string-type"),
        ("ins", None, "ins", "model-type"),
        ("traits", {**DOMINIQUE.traits, "birthDate": "1979-02-31"}, "traits.birthDate", None),
        ("traits", {**DOMINIQUE.traits, "birthDate": 291427200}, "traits.birthDate", "date"),
        ("traits", {**DOMINIQUE.traits, "birthDate": "28/03/1979"}, "traits.birthDate", "date"),
        ("traits", {**DOMINIQUE.traits, "sex": "F"}, "traits.sex", "literal-error"),
        ("traits", {**DOMINIQUE.traits, "birthGivenNames": []}, "traits.birthGivenNames", None),
        (
            "traits",
            {**DOMINIQUE.traits, "birthGivenNames": "DOMINIQUE"},
            "traits.birthGivenNames",
            None,
        ),
        (
            "traits",
            {**DOMINIQUE.traits, "birthFamilyName": "A\u0000B"},
            "traits.birthFamilyName",
            None,
        ),
        (
            "traits",
            {**DOMINIQUE.traits, "birthFamilyName": "\ud800"},
            "traits.birthFamilyName",
            None,
        ),
        ("traits", {**DOMINIQUE.traits, "nickname": "Dom"}, "traits.nickname", "unknown-field"),
        ("scheme", "msa", "scheme", "scheme-not-served"),
        ("scheme", 3, "scheme", "enum"),
        ("source", "dictated", "source", "enum"),
        ("contact", {"email": 3}, "contact.email", "string-type"),
        ("insured", {"number": "1", "birthRank": "2"}, "insured.birthRank", "int-type"),
        ("insured", {"birthRank": 2}, "insured.number", "required"),
        ("consent", {"opening": "yes"}, "consent.opening", "bool-type"),
        ("recordId", "7h3k", "recordId", "unknown-field"),
    ],
)
def test_each_field_has_its_form_and_its_fault(part, value, field, code):
    read = application_of(opening(DOMINIQUE, **{part: value}), None)
    assert field in {fault.path for fault in read.faults}
    assert code is None or (field, code) in {(f.path, f.code) for f in read.faults}


def test_a_part_that_cannot_be_read_hides_no_fault_of_another():
    told = opening(DOMINIQUE, scheme="msa", source="dictated")
    told["traits"] = {**DOMINIQUE.traits, "birthDate": "1979-02-31"}
    told["ins"] = {"matricule": "279035121518988", "oid": NIR}
    told["contact"] = {"email": "not an address"}
    paths = Counter().refused(Invalid, application_of(told, None))
    assert paths == {"scheme", "source", "traits.birthDate", "ins.matricule", "contact.email"}


@pytest.mark.parametrize(
    "consent", [..., {}, {"opposesBreakGlass": False, "opposesCentre15": False}]
)
def test_a_missing_consent_is_a_consent_required(consent):
    told = opening(DOMINIQUE, consent=consent)
    if consent is ...:
        del told["consent"]
    Counter().refused(ConsentRequired, application_of(told, None))


def test_an_unreadable_flag_does_not_hide_that_the_opening_was_refused():
    told = opening(DOMINIQUE)
    told["consent"] = {"opening": False, "opposesBreakGlass": "no", "opposesCentre15": False}
    paths = Counter().refused(Invalid, application_of(told, None))
    assert paths == {"consent.opening", "consent.opposesBreakGlass"}


def test_a_scheme_that_is_not_served_has_its_own_name():
    application = application_of(opening(DOMINIQUE, scheme="msa"), None)
    assert Counter().refused(SchemeNotServed, application) == {"scheme"}


def test_no_fault_repeats_what_was_sent():
    told = opening(DOMINIQUE, contact={"email": "secret-address"}, scheme="secret-scheme")
    told["traits"] = {**DOMINIQUE.traits, "sex": "secret-sex", "birthDate": "secret-date"}
    read = application_of(told, None)
    with pytest.raises(Invalid) as refusal:
        Counter()(application=read)
    assert "secret" not in str([fault.detail for fault in refusal.value.faults])
