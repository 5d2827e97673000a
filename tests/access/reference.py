"""The access rules once more, in plain Python and from the rules' text alone: for tests only.

It knows neither Cedar nor the policies; where the two disagree, one of them misreads the law.
"""

from __future__ import annotations

from dmp.access.matrix import Matrix
from dmp.domain.access import Action, Question
from dmp.domain.actors import (
    Agent,
    AgentRole,
    Feeder,
    Person,
    Professional,
    System,
    gives_reason,
    key_of,
)
from dmp.domain.consents import AuthorisationState
from dmp.domain.documents import DocumentStatus, Stage, Visibility
from dmp.domain.records import RecordStatus
from dmp.domain.traces import Mode

STATE = {Action.SEE_RECORD, Action.FIND_RECORD}


def may(question: Question, matrix: Matrix) -> bool:
    if question.situation.record.status is RecordStatus.CLOSED and question.action not in STATE:
        return False
    match question.actor:
        case Person():
            return _holder(question)
        case Professional():
            return _professional(question, question.actor, matrix)
        case Agent():
            return _agent(question, question.actor)
        case System():
            return _system(question, question.actor)
        case Feeder():
            return question.action is Action.PUBLISH_DOCUMENT and _reimbursements(question)
    raise AssertionError(question.actor)


def _holder(question: Question) -> bool:
    if question.situation.record.holder != question.actor.reference:
        # Whoever sent a document sees it again; no patient follows a record that is not theirs.
        sent = question.action is Action.READ_DOCUMENT and _sent(question)
        opened = question.action is Action.SEE_RECORD and _opened(question)
        return opened or (sent and _shown_to_patient(question))
    if question.action is Action.READ_DOCUMENT:
        return _there(question) and _shown_to_patient(question)
    return question.action is not Action.PUBLISH_DOCUMENT or not _reimbursements(question)


def _professional(question: Question, actor: Professional, matrix: Matrix) -> bool:
    found, action = question.situation, question.action
    if actor.specialty == "SM25" or (actor.structure and actor.structure.sector == "SA24"):
        return False
    if action is Action.FIND_RECORD:
        return True
    if found.consents.blocked(question.now):
        return False
    treating = found.consents.medecin_traitant(question.now)
    calm, oneself = question.mode is Mode.NORMAL, question.about == actor.id
    acts = {
        Action.PUBLISH_DOCUMENT: not _reimbursements(question),
        Action.READ_CONSENTS: oneself,
        Action.GRANT_AUTHORISATION: calm and oneself,
        Action.BLOCK_PROFESSIONAL: calm and treating,
        Action.CHANGE_SETTINGS: False,
    }
    if action in acts:
        return acts[action]
    return _emergency_holds(question, actor) and _reads(question, actor, matrix)


def _reads(question: Question, actor: Professional, matrix: Matrix) -> bool:
    """Authorisation, then matrix, then visibility."""
    consents, now = question.situation.consents, question.now
    admitted = (
        consents.authorisation(now) is AuthorisationState.VALID
        or consents.medecin_traitant(now)
        or question.mode is not Mode.NORMAL
    )
    if question.action is Action.READ_DOCUMENT:
        document = question.document
        opened = matrix.opens(actor.profession, document.type_code, document.class_code)
        others = admitted and opened and _there(question) and _shown_to_professional(question)
        return _sent(question) or others
    if question.action is Action.READ_HISTORY:
        return admitted and matrix.opens(actor.profession, "REMB", "60")
    if question.action is Action.SEE_RECORD:
        return admitted or _opened(question) or _colleague(question)
    return admitted


def _shown_to_professional(question: Question) -> bool:
    found = question.situation
    return (
        Visibility.HIDDEN_FROM_PROFESSIONALS not in question.document.visibility
        or found.consents.medecin_traitant(question.now)
        or (question.mode is not Mode.NORMAL and found.settings.masked_in_emergency)
    )


def _emergency_holds(question: Question, actor: Professional) -> bool:
    settings = question.situation.settings
    if question.mode is Mode.BREAK_GLASS:
        return (
            not settings.opposes_break_glass
            and gives_reason(actor)
            and actor.profession in {"10", "21", "50", "60"}
        )
    if question.mode is Mode.CENTRE_15:
        return not settings.opposes_centre_15 and actor.profession == "10"
    return True


def _agent(question: Question, actor: Agent) -> bool:
    return (
        actor.role is AgentRole.ENROLMENT
        and question.action is Action.SEE_RECORD
        and (_opened(question) or _colleague(question))
    )


def _system(question: Question, actor: System) -> bool:
    if question.action is Action.PUBLISH_DOCUMENT:
        return not _reimbursements(question)
    if question.action is Action.SEE_RECORD:
        return _opened(question) or _colleague(question)
    return question.action is Action.READ_DOCUMENT and _sent(question)


def _sent(question: Question) -> bool:
    return question.document.author == key_of(question.actor)


def _opened(question: Question) -> bool:
    return question.situation.record.opened_by == key_of(question.actor)


def _colleague(question: Question) -> bool:
    record, actor = question.situation.record, question.actor
    if isinstance(actor, Agent):
        return record.structure is None and record.caisse == actor.caisse
    return bool(actor.structure) and record.structure == actor.structure.finess


def _reimbursements(question: Question) -> bool:
    return question.document is not None and question.document.type_code == "REMB"


def _shown_to_patient(question: Question) -> bool:
    return Visibility.HIDDEN_FROM_PATIENT not in question.document.visibility


def _there(question: Question) -> bool:
    document = question.document
    return _sent(question) or (
        document.stage is Stage.FINAL and document.status is not DocumentStatus.ENTERED_IN_ERROR
    )
