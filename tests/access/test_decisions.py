"""How decisions are made: refused when in doubt, once per signature, with their reasons."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from dmp.access import decide, facts
from dmp.access.decide import EVALUATION_ERROR, CedarDecisions, schema_text
from dmp.access.durations import Durations, load_durations
from dmp.access.matrix import load_matrix
from dmp.access.parameters import load_parameters
from dmp.domain.access import (
    DOCUMENT_ACTIONS,
    NO_DOCUMENT,
    Action,
    Answer,
    authorisation_state,
    is_delegate,
    is_medecin_traitant,
)
from dmp.domain.consents import NO_TEAM, AuthorisationState, Kind
from dmp.domain.documents import DocumentStatus, Stage, Visibility
from dmp.domain.records import RecordStatus
from tests.access import scenes
from tests.access.cases import CASES

doctor, nurse = scenes.professional(), scenes.professional("60")
PERMIT_ALL = '// Anything goes.\n@id("anything")\npermit (principal, action, resource);\n'
BROKEN = PERMIT_ALL + (
    '@id("broken")\nforbid (principal, action, resource)\nwhen { principal.absent };'
)
IN_FORCE = CedarDecisions()


def documents():
    kinds = [("11488-4", "10"), ("68599-0", "11"), ("ATTEST-RESID", "52"), ("00000-0", "00")]
    marks = [(), (Visibility.HIDDEN_FROM_PROFESSIONALS,), (Visibility.HIDDEN_FROM_PATIENT,)]
    return [
        scenes.marked(
            *codes, type_code=kind, class_code=group, author=author, stage=stage, status=status
        )
        for kind, group in kinds
        for codes in marks
        for author in (
            f"professional#{scenes.ME}",
            "system#1510000029",
            f"professional#{scenes.OTHER}",
        )
        for stage in Stage
        for status in DocumentStatus
    ]


@pytest.mark.parametrize("actor", [doctor, nurse, scenes.person(), scenes.system()], ids=str)
def test_a_list_is_decided_as_each_of_its_documents_would_be(actor) -> None:
    found = documents()
    question = scenes.asks(actor, Action.LIST_DOCUMENTS, scenes.authorised)
    answers = IN_FORCE.visible(question, found)
    each = [
        IN_FORCE.decide(replace(question, action=Action.READ_DOCUMENT, document=one))
        for one in found
    ]
    assert answers == each
    assert {answer.allowed for answer in answers} == {True, False}


def test_a_list_is_decided_once_per_signature(monkeypatch) -> None:
    asked: list[int] = []
    batch = decide.is_authorized_batch

    def counting(requests, *rest):
        asked.append(len(requests))
        return batch(requests, *rest)

    monkeypatch.setattr(decide, "is_authorized_batch", counting)
    found = [scenes.document(id=str(n), title=str(n)) for n in range(500)] + [
        scenes.marked(Visibility.HIDDEN_FROM_PROFESSIONALS)
    ]
    question = scenes.asks(doctor, Action.LIST_DOCUMENTS, scenes.authorised)
    answers = IN_FORCE.visible(question, found)
    assert (asked, [one.allowed for one in answers]) == ([2], [True] * 500 + [False])


def test_an_empty_list_has_no_answers() -> None:
    assert IN_FORCE.visible(scenes.asks(doctor, Action.LIST_DOCUMENTS), []) == []


def test_a_prohibition_that_cannot_be_evaluated_refuses() -> None:
    question = scenes.asks(doctor, Action.LIST_DOCUMENTS, scenes.authorised)
    assert CedarDecisions(PERMIT_ALL).decide(question).allowed
    answer = CedarDecisions(BROKEN).decide(question)
    assert (answer.allowed, answer.rules) == (False, (EVALUATION_ERROR,))


@pytest.mark.parametrize("question", [case.question for case in CASES if case.allowed][:20])
def test_facts_that_the_schema_does_not_know_refuse(question, monkeypatch) -> None:
    plain = facts.context
    monkeypatch.setattr(facts, "context", lambda *a, **k: plain(*a, **k) | {"surprise": True})
    answer = CedarDecisions(PERMIT_ALL).decide(question)
    assert (answer.allowed, answer.rules) == (False, (EVALUATION_ERROR,))


@pytest.mark.parametrize("name", ["principal", "lying"])
def test_entities_that_the_schema_does_not_know_refuse(name, monkeypatch) -> None:
    plain = getattr(facts, name)

    def strange(*told, **more):
        entity = plain(*told, **more)
        return {**entity, "attrs": {**entity["attrs"], "surprise": True}}

    question = scenes.asks(doctor, Action.READ_DOCUMENT, document=scenes.document())
    decisions = CedarDecisions(PERMIT_ALL)
    assert decisions.decide(question).allowed
    monkeypatch.setattr(facts, name, strange)
    for answer in (decisions.decide(question), *decisions.visible(question, [scenes.document()])):
        assert (answer.allowed, answer.rules) == (False, (EVALUATION_ERROR,))


def test_what_is_kept_of_one_actor_answers_nobody_else() -> None:
    decisions = CedarDecisions()
    mine = scenes.by(doctor)
    actors = [doctor, scenes.professional(id=scenes.OTHER), nurse, scenes.person(), doctor]
    told = [
        decisions.decide(scenes.asks(actor, Action.READ_DOCUMENT, document=mine)).rules
        for actor in actors
    ]
    assert told == [
        CedarDecisions().decide(scenes.asks(actor, Action.READ_DOCUMENT, document=mine)).rules
        for actor in actors
    ]
    assert told[0] != told[1]


def test_an_engine_that_fails_refuses(monkeypatch) -> None:
    def fail(*_):
        raise RuntimeError("no engine")

    monkeypatch.setattr(decide, "is_authorized_batch", fail)
    question = scenes.asks(scenes.person(), Action.READ_DOCUMENT, document=scenes.document())
    assert IN_FORCE.decide(question).rules == (EVALUATION_ERROR,)
    assert not IN_FORCE.visible(question, [scenes.document()])[0].allowed


def alarmed(**changes) -> tuple[CedarDecisions, list[str]]:
    """Decisions whose alarm writes down what it is told."""
    told: list[str] = []
    return CedarDecisions(alarm=told.append, **changes), told


def test_an_alarm_goes_off_once_for_a_question_that_cannot_be_evaluated() -> None:
    decisions, told = alarmed(policies=BROKEN)
    question = scenes.asks(doctor, Action.LIST_DOCUMENTS, scenes.authorised)
    assert decisions.decide(question).rules == (EVALUATION_ERROR,)
    answers = decisions.visible(question, documents())
    assert {(one.allowed, one.rules) for one in answers} == {(False, (EVALUATION_ERROR,))}
    assert told == ["list-documents", "read-document"]


@pytest.mark.parametrize("broken", ["principal", "context"])
def test_facts_that_cannot_be_told_refuse_and_go_off(broken, monkeypatch) -> None:
    def fail(*_, **__):
        raise LookupError(scenes.HOLDER)

    monkeypatch.setattr(facts, broken, fail)
    decisions, told = alarmed()
    question = scenes.asks(scenes.person(), Action.READ_HISTORY)
    assert decisions.decide(question).rules == (EVALUATION_ERROR,)
    assert (
        decisions.visible(question, [scenes.document()] * 2)
        == [Answer(allowed=False, rules=(EVALUATION_ERROR,), matrix=load_matrix().version)] * 2
    )
    assert told == ["read-history", "read-history"]


def test_an_alarm_that_fails_opens_nothing() -> None:
    def fail(_: str) -> None:
        raise OSError

    decisions = CedarDecisions(BROKEN, alarm=fail)
    question = scenes.asks(doctor, Action.LIST_DOCUMENTS, scenes.authorised)
    assert decisions.decide(question).rules == (EVALUATION_ERROR,)


def test_a_refusal_is_no_alarm() -> None:
    decisions, told = alarmed()
    for case in CASES:
        decisions.decide(case.question)
    assert told == []


@pytest.mark.parametrize("action", sorted(DOCUMENT_ACTIONS))
def test_there_is_nothing_to_do_without_a_document(action) -> None:
    answer = IN_FORCE.decide(scenes.asks(scenes.person(), action))
    assert (answer.allowed, answer.rules) == (False, (NO_DOCUMENT,))


def test_a_document_of_the_situation_is_the_one_that_is_meant() -> None:
    question = scenes.asks(scenes.person(), Action.MASK_DOCUMENT)
    situation = replace(question.situation, document=scenes.document())
    assert IN_FORCE.decide(replace(question, situation=situation)).allowed


def test_a_list_is_asked_for_what_the_question_asks_and_else_for_reading() -> None:
    mother, secret = scenes.parent(), scenes.marked(Visibility.HIDDEN_FROM_REPRESENTATIVES)
    gone = scenes.document(status=DocumentStatus.ENTERED_IN_ERROR)
    for action, expected in (
        (Action.READ_TRACES, [False, False, True]),
        (Action.READ_DOCUMENT, [False, False, True]),
        (Action.KNOW_DOCUMENT, [False, True, True]),
        (Action.MASK_DOCUMENT, [False, False, True]),
        (Action.DELETE_DOCUMENT, [False, False, False]),
    ):
        question = scenes.asks(mother, action, record=scenes.represented())
        answers = IN_FORCE.visible(question, [secret, gone, scenes.document()])
        assert [one.allowed for one in answers] == expected, action


def test_every_action_is_a_word_of_the_schema_and_no_other_is() -> None:
    groups = {"reading", "content", "document", "changes", "traces", "decisions"}
    declared = re.findall(r"^action\b([^{;]*?)(?: in |\sappliesTo|;)", schema_text(), re.MULTILINE)
    words = {word for names in declared for word in re.findall(r'"([^"]+)"', names)}
    assert words == groups | {action.value for action in Action}


def test_the_age_of_majority_and_the_term_of_a_team_are_parameters() -> None:
    told = load_parameters()
    sooner = CedarDecisions(parameters=replace(told, majority=16, care_team=timedelta(days=7)))
    mother = scenes.asks(scenes.parent(), Action.LIST_DOCUMENTS, record=scenes.represented())
    colleague = scenes.asks(doctor, Action.LIST_DOCUMENTS, team=scenes.team)
    assert [IN_FORCE.decide(one).allowed for one in (mother, colleague)] == [True, True]
    assert [sooner.decide(one).allowed for one in (mother, colleague)] == [False, False]


@pytest.mark.parametrize(
    ("consents", "team", "state"),
    [
        (scenes.nothing, NO_TEAM, AuthorisationState.NONE),
        (scenes.authorised, NO_TEAM, AuthorisationState.VALID),
        (scenes.expired, NO_TEAM, AuthorisationState.EXPIRED),
        (scenes.nothing, scenes.team, AuthorisationState.VALID),
        (scenes.expired, scenes.team, AuthorisationState.VALID),
        (scenes.withdrawn, scenes.team, AuthorisationState.NONE),
        (scenes.blocked, scenes.team, AuthorisationState.FORBIDDEN),
    ],
)
def test_td02_counts_the_care_team_unless_the_patient_objected(consents, team, state) -> None:
    question = scenes.asks(doctor, Action.FIND_RECORD, consents, team=team)
    told = load_parameters()
    assert authorisation_state(question.situation, doctor, scenes.NOW, told) is state
    software = scenes.system()
    nobody = authorisation_state(question.situation, software, scenes.NOW, told)
    assert nobody is AuthorisationState.NONE


def test_only_a_doctor_is_medecin_traitant_and_anybody_a_delegate() -> None:
    both = scenes.decided(Kind.MEDECIN_TRAITANT, Kind.DELEGATE)
    found = scenes.asks(doctor, Action.FIND_RECORD, both).situation
    actors = (doctor, nurse, scenes.person())
    assert [is_medecin_traitant(found, one, scenes.NOW) for one in actors] == [True, False, False]
    assert [is_delegate(found, one, scenes.NOW) for one in actors] == [True, True, False]


def test_who_may_see_a_hidden_document_is_warned_that_others_do_not() -> None:
    masked = scenes.marked(Visibility.HIDDEN_FROM_PROFESSIONALS)
    secret = scenes.marked(Visibility.HIDDEN_FROM_REPRESENTATIVES)
    question = scenes.asks(scenes.person(), Action.LIST_DOCUMENTS)
    answers = IN_FORCE.visible(question, [masked, secret, scenes.document()])
    assert [one.hidden_from_others for one in answers] == [True, True, False]
    refused = IN_FORCE.visible(
        scenes.asks(doctor, Action.LIST_DOCUMENTS, scenes.authorised), [masked]
    )
    assert [(one.allowed, one.hidden_from_others) for one in refused] == [(False, False)]


def test_an_answer_names_every_prohibition_and_the_matrix_in_force() -> None:
    answer = IN_FORCE.decide(
        scenes.asks(
            nurse,
            Action.READ_DOCUMENT,
            document=scenes.marked(
                Visibility.HIDDEN_FROM_PROFESSIONALS, type_code="68599-0", class_code="11"
            ),
            record=scenes.record(status=RecordStatus.CLOSED),
        )
    )
    assert answer.rules == (
        "closed-record",
        "hidden-from-professionals",
        "matrix",
        "no-authorisation",
    )
    assert answer.matrix == load_matrix().version


# -- the matrix ---------------------------------------------------------------------------------

KNOWN = {
    "10": {"60591-5": True, "68599-0": True, "REMB": True, "EXPPAT_3": True, "ATTEST-RESID": False},
    "60": {
        **dict.fromkeys(("75496-0", "68599-0", "83901-9", "68817-6", "89601-9"), False),
        **dict.fromkeys(("83981-1", "11488-4", "11502-2", "15507-7", "56445-0", "PROT_ALD"), True),
    },
    "40": dict.fromkeys(("80788-3", "75496-0", "83981-1", "83901-9", "68599-0"), False),
}


@pytest.mark.parametrize(
    ("profession", "code", "reads"),
    [(who, code, reads) for who, cells in KNOWN.items() for code, reads in cells.items()],
)
def test_the_published_cells_of_the_matrix_are_kept(profession, code, reads) -> None:
    assert load_matrix().opens(profession, code, None) is reads


def test_pharmacists_read_almost_everything_and_physiotherapists_the_majority() -> None:
    matrix = load_matrix()
    read = {
        who: sum(matrix.opens(who, code, None) for code in matrix.types) / len(matrix.types)
        for who in ("21", "70", "80")
    }
    assert read["21"] > 0.9
    assert 0.5 < read["70"] < 0.9
    assert 0.5 < read["80"] < 0.9


def test_a_type_without_a_row_is_treated_by_its_class_then_as_any_other() -> None:
    matrix = load_matrix()
    assert matrix.opens("60", "new-type", "10")
    assert not matrix.opens("60", "new-type", "52")
    assert not matrix.opens("60", "new-type", None)
    assert matrix.opens("10", "new-type", None)
    assert not matrix.opens("99", "new-type", "10")


def test_the_matrix_knows_every_profession_and_type_of_the_house() -> None:
    matrix = load_matrix()
    assert len(matrix.types) >= 42
    assert len(matrix.professions) >= 21
    assert all(tuple(row.cells) == matrix.professions for row in matrix.rows)


def test_a_cell_says_whether_a_public_source_settled_it() -> None:
    matrix = load_matrix()
    assert matrix.sourced("10", "ATTEST-RESID")
    assert matrix.sourced("10", "new-type")
    assert matrix.sourced("60", "68599-0", "11")
    assert not matrix.sourced("60", "60591-5", "11")
    assert not matrix.sourced("21", "60591-5")
    assert not matrix.sourced("99", "60591-5")


def test_an_authorisation_lasts_as_its_profession_says() -> None:
    durations = Durations(365, {"98": 30})
    assert (durations.of("98").days, durations.of("10").days) == (30, 365)
    in_force = load_durations()
    assert in_force.of("10").days == 365
    assert in_force.of("98") < in_force.of("35") < in_force.of("10")
