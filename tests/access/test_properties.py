"""What must hold between two questions that differ in one thing."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dmp.access.decide import CedarDecisions
from dmp.access.parameters import load_parameters
from dmp.domain.access import (
    DOCUMENT_ACTIONS,
    DOCUMENT_CHANGES,
    Action,
    Question,
    authorisation_state,
)
from dmp.domain.actors import Professional, key_of
from dmp.domain.consents import (
    NO_TEAM,
    AuthorisationState,
    CareTeam,
    Decision,
    Kind,
    Settings,
)
from dmp.domain.documents import Visibility
from dmp.domain.records import RecordStatus
from dmp.domain.traces import Mode
from tests.access import scenes
from tests.access.scenarios import a_document, decision, scenarios

SEEDS, OF_EACH = 40, 50
READING = {
    Action.SEE_RECORD,
    Action.LIST_DOCUMENTS,
    Action.READ_DOCUMENT,
    Action.READ_HISTORY,
}
GIVING = {Kind.AUTHORISATION, Kind.MEDECIN_TRAITANT, Kind.DELEGATE}
HIDING = set(Visibility) - {
    Visibility.NORMAL,
    Visibility.RESTRICTED,
    Visibility.VERY_RESTRICTED,
}

decisions = CedarDecisions()
parameters = load_parameters()
whatever = given(st.integers(0, 2**64 - 1))
often = settings(max_examples=SEEDS, deadline=None, database=None, phases=[Phase.generate])


def may(question: Question) -> bool:
    return decisions.decide(question).allowed


def of_professionals(seed: int) -> list[Question]:
    return [one for one in scenarios(seed, OF_EACH) if isinstance(one.actor, Professional)]


def situated(question: Question, **changes) -> Question:
    """The same question in a situation that differs."""
    return replace(question, situation=replace(question.situation, **changes))


def never_opens(before: Question, after: Question) -> None:
    assert may(before) or not may(after), (before, after)


def urgent(question: Question, mode: Mode) -> Question:
    """The same question, asked in an emergency that nothing stands against."""
    actor = replace(
        question.actor,
        profession="10",
        emergency_reason=scenes.REASON if mode is Mode.BREAK_GLASS else None,
        regulation=mode is Mode.CENTRE_15,
    )
    return replace(question, actor=actor, mode=mode)


@often
@whatever
def test_a_block_never_opens_anything(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - scenarios, not secrets
    for question in of_professionals(seed):
        consents = question.situation.consents
        if consents.of(Kind.BLOCK) is None:
            block = replace(decision(chance, Kind.BLOCK, question.now), active=True)
            never_opens(question, situated(question, consents=consents.having(block)))


@often
@whatever
def test_what_is_withdrawn_never_opens_anything(seed: int) -> None:
    for question in of_professionals(seed):
        consents = question.situation.consents
        for one in consents.decisions:
            if one.kind in GIVING and one.active:
                ended = consents.having(replace(one, active=False))
                never_opens(question, situated(question, consents=ended))
                rest = tuple(each for each in consents.decisions if each is not one)
                never_opens(
                    question, situated(question, consents=replace(consents, decisions=rest))
                )


@often
@whatever
def test_a_team_that_shrinks_never_opens_anything(seed: int) -> None:
    for question in of_professionals(seed):
        members = question.situation.team.members
        never_opens(question, situated(question, team=NO_TEAM))
        for one in members:
            rest = CareTeam(tuple(each for each in members if each is not one))
            never_opens(question, situated(question, team=rest))


@often
@whatever
def test_who_no_longer_represents_gains_nothing(seed: int) -> None:
    for question in scenarios(seed, OF_EACH):
        record = question.situation.record
        never_opens(question, situated(question, record=replace(record, representatives=())))


@often
@whatever
def test_an_opposition_and_a_closure_never_open_anything(seed: int) -> None:
    for question in scenarios(seed, OF_EACH):
        found = question.situation
        kept = found.settings
        for opposed in (
            replace(kept, opposes_break_glass=True),
            replace(kept, opposes_centre_15=True),
            replace(kept, masked_in_emergency=False),
        ):
            never_opens(question, situated(question, settings=opposed))
        closed = replace(found.record, status=RecordStatus.CLOSED)
        never_opens(question, situated(question, record=closed))


@often
@whatever
def test_no_emergency_opens_what_a_block_closes(seed: int) -> None:
    for question in of_professionals(seed):
        since = question.now - parameters.care_team
        block = Decision(Kind.BLOCK, since, f"patient#{scenes.HOLDER}")
        blocked = situated(
            question,
            consents=question.situation.consents.having(block),
            settings=Settings(masked_in_emergency=True),
        )
        for mode in (Mode.BREAK_GLASS, Mode.CENTRE_15):
            asked = urgent(blocked, mode)
            assert not may(asked) or asked.action is Action.FIND_RECORD, asked


@often
@whatever
def test_an_emergency_opens_reading_and_nothing_else(seed: int) -> None:
    for question in of_professionals(seed):
        if question.action in READING:
            continue
        calm = replace(question.actor, profession="10", emergency_reason=None, regulation=False)
        before = replace(question, actor=calm, mode=Mode.NORMAL)
        for mode in (Mode.BREAK_GLASS, Mode.CENTRE_15):
            never_opens(before, urgent(question, mode))


@often
@whatever
def test_a_document_that_is_hidden_more_is_shown_to_nobody_more(seed: int) -> None:
    for question in scenarios(seed, OF_EACH):
        document = question.document
        if document is None or question.action not in DOCUMENT_ACTIONS:
            continue
        for code in HIDING:
            hidden = replace(document, visibility=document.visibility | {code})
            never_opens(question, replace(question, document=hidden))


@often
@whatever
def test_who_changes_a_document_reads_it(seed: int) -> None:
    for question in scenarios(seed, OF_EACH):
        if question.action in DOCUMENT_CHANGES:
            never_opens(replace(question, action=Action.READ_DOCUMENT), question)


@often
@whatever
def test_td02_says_valide_exactly_to_whom_consent_opens_the_record(seed: int) -> None:
    for question in of_professionals(seed):
        consents = question.situation.consents
        own = tuple(
            one for one in consents.decisions if one.kind in {Kind.AUTHORISATION, Kind.BLOCK}
        )
        plain = replace(
            situated(
                question,
                consents=replace(consents, decisions=own),
                record=scenes.default,
            ),
            actor=scenes.professional(id=question.actor.id),
            action=Action.LIST_DOCUMENTS,
            mode=Mode.NORMAL,
        )
        state = authorisation_state(plain.situation, plain.actor, plain.now, parameters)
        assert may(plain) is (state is AuthorisationState.VALID), plain
        blocked = consents.blocked(question.now)
        assert (state is AuthorisationState.FORBIDDEN) is blocked


@often
@whatever
def test_a_list_is_decided_as_each_of_its_documents_would_be(seed: int) -> None:
    """For every act on documents: what is shown, and so its total, is what each one allows."""
    chance = Random(seed)  # noqa: S311 - scenarios, not secrets
    for question in scenarios(seed, 6):
        keys = [key_of(question.actor), f"professional#{scenes.OTHER}", "feeder#ALIM_AM"]
        found = [a_document(chance, keys) for _ in range(25)]
        asked = replace(question, action=chance.choice(sorted(DOCUMENT_ACTIONS)))
        answers = decisions.visible(asked, found)
        assert answers == [decisions.decide(replace(asked, document=one)) for one in found]
        for one, answer in zip(found, answers, strict=True):
            assert answer.hidden_from_others is (answer.allowed and bool(one.visibility & HIDING))
