"""The access rules once more, in plain Python and from the rules' text alone: for tests only.

It knows neither Cedar nor the policies, nor the domain's own ways to tell who represents whom, what
an authorisation is worth or what a reason is; where the two disagree, one of them misreads the law.
The matrix is data, and the same for both.
"""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from zoneinfo import ZoneInfo

from dmp.access.matrix import Matrix
from dmp.domain.access import Action, Question
from dmp.domain.actors import Agent, AgentRole, Feeder, Person, Professional, System
from dmp.domain.consents import Kind
from dmp.domain.documents import DocumentStatus, Stage, Visibility
from dmp.domain.records import Basis, RecordStatus
from dmp.domain.traces import Mode

MAJORITY, CARE_TEAM_DAYS = 18, 90
STATE = {Action.SEE_RECORD, Action.FIND_RECORD}
BY_READERS = {
    Action.MASK_DOCUMENT,
    Action.HIDE_FROM_PATIENT,
    Action.SHOW_TO_PATIENT,
    Action.SHOW_TO_REPRESENTATIVES,
    Action.ARCHIVE_DOCUMENT,
}
BY_TRUSTED = {Action.UNMASK_DOCUMENT, Action.GRADE_CONFIDENTIALITY}
CHANGES = BY_READERS | BY_TRUSTED | {Action.DELETE_DOCUMENT}
OF_DOCUMENTS = CHANGES | {Action.READ_DOCUMENT, Action.KNOW_DOCUMENT}


def may(question: Question, matrix: Matrix) -> bool:
    if question.situation.record.status is RecordStatus.CLOSED and question.action not in STATE:
        return False
    match question.actor:
        case Person():
            return _person(question, question.actor)
        case Professional():
            return _professional(question, question.actor, matrix)
        case Agent():
            return _agent(question, question.actor)
        case System():
            return _system(question, question.actor)
        case Feeder():
            return question.action is Action.PUBLISH_DOCUMENT and _reimbursements(question)
    raise AssertionError(question.actor)


# -- the holder, and who represents them ---------------------------------------------------------


def _person(question: Question, actor: Person) -> bool:
    holder = question.situation.record.holder == actor.reference
    if not holder and not _represents(question, actor):
        return False
    if question.action is Action.PUBLISH_DOCUMENT:
        return not _reimbursements(question)
    if question.action in OF_DOCUMENTS:
        return _shown_to_person(question, holder=holder) and _person_may(question, holder=holder)
    return True


def _shown_to_person(question: Question, *, holder: bool) -> bool:
    visibility = question.document.visibility
    secret = Visibility.HIDDEN_FROM_REPRESENTATIVES in visibility and not holder
    return Visibility.HIDDEN_FROM_PATIENT not in visibility and not secret


def _person_may(question: Question, *, holder: bool) -> bool:
    action = question.action
    if action is Action.KNOW_DOCUMENT:
        return True
    if not _there(question):
        return False
    if action in {Action.GRADE_CONFIDENTIALITY, Action.DELETE_DOCUMENT}:
        return _sent(question)
    if action is Action.SHOW_TO_REPRESENTATIVES:
        return holder
    return action not in {Action.HIDE_FROM_PATIENT, Action.SHOW_TO_PATIENT}


def _represents(question: Question, actor: Person) -> bool:
    """By the five traits, within the term; parental authority ends on the eighteenth birthday."""
    record, now = question.situation.record, question.now
    today, born = now.astimezone(ZoneInfo("Europe/Paris")).date(), record.traits.birth_date
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    mine = (
        _plain(actor.family_name),
        _plain(" ".join(actor.names)),
        actor.birth_date,
        actor.sex,
        actor.birth_place,
    )
    for one in record.representatives:
        traits = one.traits
        theirs = (
            _plain(traits.family_name),
            _plain(" ".join(traits.given_names)),
            traits.birth_date,
            traits.sex,
            traits.birth_place,
        )
        begun, over = one.since <= now, one.until is not None and one.until <= now
        minor = years < MAJORITY or one.basis is Basis.GUARDIANSHIP
        if mine == theirs and begun and not over and minor:
            return True
    return False


def _plain(name: str) -> str:
    """Accents, case and hyphens make no other name."""
    letters = unicodedata.normalize("NFD", name.upper().replace("-", " "))
    return "".join(each for each in letters if not unicodedata.combining(each))


# -- professionals -------------------------------------------------------------------------------


def _professional(question: Question, actor: Professional, matrix: Matrix) -> bool:
    action = question.action
    if actor.specialty == "SM25" or (actor.structure and actor.structure.sector == "SA24"):
        return False
    if action is Action.FIND_RECORD or _given(question, Kind.BLOCK):
        return action is Action.FIND_RECORD
    calm, oneself = question.mode is Mode.NORMAL, question.about == actor.id
    another = question.about is not None and not oneself
    acts = {
        Action.PUBLISH_DOCUMENT: not _reimbursements(question),
        Action.READ_CONSENTS: oneself,
        Action.READ_TRACES: calm and _trusted(question, actor),
        Action.GRANT_AUTHORISATION: calm and oneself,
        Action.NAME_MEDECIN_TRAITANT: calm and oneself and actor.profession == "10",
        Action.WITHDRAW: calm and oneself,
        Action.BLOCK_PROFESSIONAL: calm and another and _trusted(question, actor),
        Action.LIFT_BLOCK: False,
        Action.NAME_DELEGATE: False,
        Action.CHANGE_SETTINGS: False,
    }
    if action in acts:
        return acts[action]
    if action in OF_DOCUMENTS - {Action.READ_DOCUMENT}:
        return calm and _touches(question, actor, matrix)
    return _emergency_holds(question, actor) and _reads(question, actor, matrix)


def _touches(question: Question, actor: Professional, matrix: Matrix) -> bool:
    """To learn of a document from the traces asks trust, not the matrix; who does not read one
    changes nothing of it."""
    if _sent(question):
        return True
    if question.action is Action.KNOW_DOCUMENT:
        return _trusted(question, actor)
    if not _reads_document(question, actor, matrix):
        return False
    return question.action in BY_READERS or (
        question.action in BY_TRUSTED and _trusted(question, actor)
    )


def _reads(question: Question, actor: Professional, matrix: Matrix) -> bool:
    admitted = _admitted(question, actor)
    match question.action:
        case Action.READ_DOCUMENT:
            return _reads_document(question, actor, matrix)
        case Action.READ_HISTORY:
            return admitted and matrix.opens(actor.profession, "REMB", "60")
        case Action.SEE_RECORD:
            return admitted or _opened(question) or _colleague(question)
        case Action.LIST_DOCUMENTS:
            return admitted
    raise AssertionError(question.action)


def _reads_document(question: Question, actor: Professional, matrix: Matrix) -> bool:
    """Authorisation, then matrix, then visibility; whoever sent it reads it anyhow."""
    document = question.document
    return _sent(question) or (
        _admitted(question, actor)
        and matrix.opens(actor.profession, document.type_code, document.class_code)
        and _there(question)
        and _shown_to_professional(question, actor)
    )


def _admitted(question: Question, actor: Professional) -> bool:
    return (
        _given(question, Kind.AUTHORISATION)
        or _presumed(question, actor)
        or _trusted(question, actor)
        or question.mode is not Mode.NORMAL
    )


def _given(question: Question, kind: Kind) -> bool:
    """Whether a decision about this professional stands at this moment."""
    return any(
        one.active and one.since <= question.now and (one.until is None or one.until > question.now)
        for one in question.situation.consents.decisions
        if one.kind is kind
    )


def _trusted(question: Question, actor: Professional) -> bool:
    """Médecin traitant, if a doctor, or delegate of any profession."""
    treating = actor.profession == "10" and _given(question, Kind.MEDECIN_TRAITANT)
    return treating or _given(question, Kind.DELEGATE)


def _presumed(question: Question, actor: Professional) -> bool:
    """A colleague's authorisation stands for mine unless the patient objected to me."""
    for one in question.situation.consents.decisions:
        if one.kind is Kind.AUTHORISATION and not one.active:
            return False
        if one.kind is Kind.BLOCK and one.active:
            return False
    for colleague in question.situation.team.members:
        age = question.now - colleague.since
        over = colleague.until is not None and colleague.until <= question.now
        fresh = timedelta(0) <= age < timedelta(days=CARE_TEAM_DAYS)
        if colleague.professional != actor.id and fresh and not over:
            return True
    return False


def _shown_to_professional(question: Question, actor: Professional) -> bool:
    return (
        Visibility.HIDDEN_FROM_PROFESSIONALS not in question.document.visibility
        or _trusted(question, actor)
        or (question.mode is not Mode.NORMAL and question.situation.settings.masked_in_emergency)
    )


def _emergency_holds(question: Question, actor: Professional) -> bool:
    settings = question.situation.settings
    if question.mode is Mode.BREAK_GLASS:
        letters = [each for each in _plain(actor.emergency_reason or "") if each.isalpha()]
        return (
            not settings.opposes_break_glass
            and len(letters) >= 10
            and len(set(letters)) >= 5
            and actor.profession in {"10", "21", "50", "60"}
        )
    if question.mode is Mode.CENTRE_15:
        return not settings.opposes_centre_15 and actor.profession == "10"
    return True


# -- everybody else ------------------------------------------------------------------------------


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
    return question.action in OF_DOCUMENTS and question.document.author == f"system#{actor.id}"


def _name(question: Question) -> str:
    actor = question.actor
    return f"{actor.kind}#{actor.reference if isinstance(actor, Person) else actor.id}"


def _sent(question: Question) -> bool:
    return question.document.author == _name(question)


def _opened(question: Question) -> bool:
    return question.situation.record.opened_by == _name(question)


def _colleague(question: Question) -> bool:
    record, actor = question.situation.record, question.actor
    if isinstance(actor, Agent):
        return record.structure is None and record.caisse == actor.caisse
    return bool(actor.structure) and record.structure == actor.structure.finess


def _reimbursements(question: Question) -> bool:
    return question.document is not None and question.document.type_code == "REMB"


def _there(question: Question) -> bool:
    document = question.document
    return _sent(question) or (
        document.stage is Stage.FINAL and document.status is not DocumentStatus.ENTERED_IN_ERROR
    )
