"""The gate of every access: what is asked, what is traced, whom a first visit binds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from dmp.domain.access import NO_DOCUMENT, Action, Answer, Situation
from dmp.domain.actors import Agent, AgentRole, Person, Professional
from dmp.domain.consents import ActorConsents, Settings
from dmp.domain.errors import InvalidIns, NotFound
from dmp.domain.identity import TEST, Ins
from dmp.domain.records import RecordStatus
from dmp.domain.traces import Act, Mode, Outcome
from dmp.usecases.find_record import FindRecord
from dmp.usecases.gate import Gate, mode_of
from dmp.usecases.read_record import ReadRecord
from dmp.usecases.recognise_holder import RecogniseHolder
from tests.support.records import NOW, TRAITS, record

RECORD = record()
DOCTOR = Professional("899700218896", "10")
HOLDER = Person("a" * 64, "Pat Trois", ("Dominique",), date(1979, 3, 28), "female", "51215")
AGENT = Agent("agent-7", AgentRole.ENROLMENT, "751")


class FakeSituations:
    def __init__(self, record):
        self.record = record
        self.asked = 0

    def of(self, record_id, actor, document_id=None):
        self.asked += 1
        if self.record is None or record_id != self.record.id:
            return None
        return Situation(self.record, ActorConsents(), Settings())


class FakeDecisions:
    """Allows the actions it was given, and remembers the questions."""

    def __init__(self, allowed):
        self.allowed = allowed
        self.questions = []

    def decide(self, question):
        self.questions.append(question)
        return Answer(question.action in self.allowed, ("a-rule",), "2026.1")


class FakeTraces(list):
    def write(self, trace):
        self.append(trace)


class FakeHolders:
    def __init__(self, count=1, *, quicker=False):
        self.count = count
        self.quicker = quicker
        self.bound = []

    def open_records_of(self, traits):
        return self.count

    def bind(self, record, holder, trace):
        self.bound.append((holder, trace))
        return None if self.quicker else replace(record, holder=holder)


class FakeFinder:
    def __init__(self, record):
        self.record = record

    def find(self, ins):
        return self.record.id if self.record and ins == self.record.ins else None


class House:
    def __init__(self, record=RECORD, allowed=(), holders=None):
        self.situations = FakeSituations(record)
        self.decisions = FakeDecisions(set(allowed))
        self.traces = FakeTraces()
        self.holders = holders or FakeHolders()
        self.gate = Gate(
            self.situations, self.decisions, self.traces, RecogniseHolder(self.holders)
        )
        self.read = ReadRecord(self.gate)
        self.find = FindRecord(FakeFinder(record), self.gate, lenient=False)

    def told(self):
        return [(trace.act, trace.outcome, trace.record_id) for trace in self.traces]


@pytest.mark.parametrize(
    ("actor", "mode"),
    [
        (DOCTOR, Mode.NORMAL),
        (replace(DOCTOR, emergency_reason="inconscient"), Mode.BREAK_GLASS),
        (replace(DOCTOR, emergency_reason="x"), Mode.BREAK_GLASS),
        (replace(DOCTOR, regulation=True), Mode.CENTRE_15),
        (replace(DOCTOR, regulation=True, emergency_reason="inconscient"), Mode.CENTRE_15),
        (HOLDER, Mode.NORMAL),
        (AGENT, Mode.NORMAL),
    ],
)
def test_the_mode_of_an_access_comes_from_the_token(actor, mode):
    assert mode_of(actor) is mode


def test_an_allowed_reading_is_traced_with_the_rules_that_allowed_it():
    house = House(allowed=[Action.SEE_RECORD])
    assert house.read(DOCTOR, RECORD.id, NOW).record == RECORD
    (trace,) = house.traces
    assert (trace.act, trace.outcome) == (Act.READ_RECORD, Outcome.DONE)
    assert (trace.rules, trace.matrix) == (("a-rule",), "2026.1")


def test_a_refused_reading_looks_like_nothing_and_is_traced():
    house = House()
    with pytest.raises(NotFound):
        house.read(DOCTOR, RECORD.id, NOW)
    assert house.told() == [(Act.READ_RECORD, Outcome.REFUSED, RECORD.id)]


def test_a_record_that_does_not_exist_is_refused_in_the_same_way():
    house = House(record=None)
    with pytest.raises(NotFound):
        house.read(DOCTOR, RECORD.id, NOW)
    assert house.told() == [(Act.READ_RECORD, Outcome.REFUSED, None)]


@pytest.mark.parametrize("name", ["", "..", "REC#x", "7h3k", "A" * 26, "é" * 26])
def test_a_name_that_can_be_no_records_reaches_no_store(name):
    house = House(allowed=[Action.SEE_RECORD])
    with pytest.raises(NotFound):
        house.read(DOCTOR, name, NOW)
    assert house.situations.asked == 0


def test_no_trace_no_disclosure():
    house = House(allowed=[Action.SEE_RECORD, Action.FIND_RECORD])

    def broken(trace):
        raise OSError

    house.traces.write = broken
    with pytest.raises(OSError):
        house.read(DOCTOR, RECORD.id, NOW)
    with pytest.raises(OSError):
        house.find(DOCTOR, RECORD.ins, NOW)


# -- the first visit of a holder -----------------------------------------------------------------


def test_a_holder_is_recognised_by_their_traits_and_the_binding_is_traced():
    house = House(allowed=[Action.SEE_RECORD])
    found = house.read(HOLDER, RECORD.id, NOW)
    assert found.record.holder == HOLDER.reference
    ((holder, trace),) = house.holders.bound
    assert holder == HOLDER.reference
    assert (trace.act, trace.record_id) == (Act.BIND_HOLDER, RECORD.id)
    assert house.decisions.questions[0].situation.record.holder == HOLDER.reference


@pytest.mark.parametrize(
    "house",
    [
        House(replace(RECORD, traits=replace(TRAITS, birth_place="51216"))),
        House(replace(RECORD, status=RecordStatus.CLOSED)),
        House(replace(RECORD, holder="b" * 64)),
        House(holders=FakeHolders(count=2)),
        House(holders=FakeHolders(count=0)),
    ],
    ids=["other traits", "closed", "bound", "two records", "no record"],
)
def test_nobody_is_bound_in_doubt(house):
    with pytest.raises(NotFound):
        house.read(HOLDER, RECORD.id, NOW)
    assert house.holders.bound == []


def test_who_was_not_quick_enough_is_not_the_holder():
    house = House(holders=FakeHolders(quicker=True))
    with pytest.raises(NotFound):
        house.read(HOLDER, RECORD.id, NOW)
    assert house.decisions.questions[0].situation.record.holder is None


@pytest.mark.parametrize("actor", [DOCTOR, AGENT])
def test_only_patients_are_bound(actor):
    house = House(allowed=[Action.SEE_RECORD])
    house.read(actor, RECORD.id, NOW)
    assert house.holders.bound == []


# -- TD0.2 ---------------------------------------------------------------------------------------


def test_an_exact_ins_finds_its_record():
    house = House(allowed=[Action.FIND_RECORD])
    assert house.find(DOCTOR, RECORD.ins, NOW).record == RECORD
    assert house.told() == [(Act.READ_RECORD, Outcome.DONE, RECORD.id)]


def test_a_person_without_record_is_not_found():
    house = House(allowed=[Action.FIND_RECORD])
    assert house.find(DOCTOR, Ins("277076322082910", TEST), NOW) is None
    assert house.told() == [(Act.READ_RECORD, Outcome.DONE, None)]
    assert house.traces[0].count == 0


def test_who_may_not_know_finds_nothing_and_leaves_a_trace():
    house = House()
    assert house.find(AGENT, RECORD.ins, NOW) is None
    assert house.told() == [(Act.READ_RECORD, Outcome.REFUSED, RECORD.id)]


def test_a_wrong_number_finds_a_fault():
    house = House(allowed=[Action.FIND_RECORD])
    with pytest.raises(InvalidIns) as refusal:
        house.find(DOCTOR, Ins("279035121518988", TEST), NOW)
    assert [fault.path for fault in refusal.value.faults] == ["identifier.matricule"]


# -- what is not there ----------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False])
def test_a_refusal_takes_one_read_one_decision_and_one_trace_whether_or_not_there_is_a_record(
    there,
):
    house = House(record=RECORD if there else None)
    with pytest.raises(NotFound):
        house.read(DOCTOR, RECORD.id, NOW)
    assert house.situations.asked == 1
    assert len(house.decisions.questions) == 1
    assert len(house.traces) == 1


@pytest.mark.parametrize("actor", [AGENT, HOLDER])
@pytest.mark.parametrize("there", [True, False])
def test_whom_td02_is_not_for_waits_as_long_for_a_record_as_for_none(actor, there):
    house = House(record=replace(RECORD, holder="b" * 64) if there else None)
    assert house.find(actor, RECORD.ins, NOW) is None
    assert house.situations.asked == 1
    assert len(house.decisions.questions) == 1
    assert len(house.traces) == 1


def test_what_is_read_in_the_place_of_nothing_can_be_nobody_s():
    house = House(allowed=[Action.SEE_RECORD])
    with pytest.raises(NotFound):
        house.gate.situation(DOCTOR, None, Act.READ_DOCUMENT, NOW, f"{RECORD.id}.{'0' * 26}")
    (question,) = house.decisions.questions
    assert question.situation.record.id == "0" * 26
    assert house.told() == [(Act.READ_DOCUMENT, Outcome.REFUSED, None)]


def test_a_document_that_is_not_there_is_refused_whatever_the_decision_says():
    house = House(allowed=[Action.READ_DOCUMENT])
    situation = house.gate.situation(DOCTOR, RECORD.id, Act.READ_DOCUMENT, NOW)
    passage = house.gate.ask(DOCTOR, Action.READ_DOCUMENT, situation, NOW)
    assert (passage.answer.allowed, passage.answer.rules) == (False, (NO_DOCUMENT,))
    assert house.decisions.questions[-1].document is not None
