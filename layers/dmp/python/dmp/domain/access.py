"""The question that every access asks, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dmp.domain.actors import DOCTOR, Actor, Professional
from dmp.domain.consents import NO_TEAM, ActorConsents, AuthorisationState, CareTeam, Settings
from dmp.domain.documents import Document
from dmp.domain.parameters import Parameters
from dmp.domain.records import Record
from dmp.domain.traces import Mode


class Action(StrEnum):
    """What is asked of a record or of one of its documents (a Cedar action each).

    SEE_RECORD is the state of the record (status, channel, dates), not the holder's identity;
    FIND_RECORD is what TD0.2 tells who gives an exact INS: that it exists, and whether it is open.
    KNOW_DOCUMENT is to learn from a trace that a document exists. WITHDRAW ends what was given to a
    professional (an authorisation, the role of médecin traitant, a delegation); a block is lifted
    by LIFT_BLOCK. Each change of a document's labels is an act of its own.
    """

    SEE_RECORD = "see-record"
    FIND_RECORD = "find-record"
    LIST_DOCUMENTS = "list-documents"
    READ_DOCUMENT = "read-document"
    PUBLISH_DOCUMENT = "publish-document"
    READ_HISTORY = "read-history"
    READ_CONSENTS = "read-consents"
    READ_TRACES = "read-traces"
    KNOW_DOCUMENT = "know-document"
    GRANT_AUTHORISATION = "grant-authorisation"
    NAME_MEDECIN_TRAITANT = "name-medecin-traitant"
    NAME_DELEGATE = "name-delegate"
    BLOCK_PROFESSIONAL = "block-professional"
    LIFT_BLOCK = "lift-block"
    WITHDRAW = "withdraw"
    CHANGE_SETTINGS = "change-settings"
    MASK_DOCUMENT = "mask-document"
    UNMASK_DOCUMENT = "unmask-document"
    HIDE_FROM_PATIENT = "hide-from-patient"
    SHOW_TO_PATIENT = "show-to-patient"
    SHOW_TO_REPRESENTATIVES = "show-to-representatives"
    GRADE_CONFIDENTIALITY = "grade-confidentiality"
    ARCHIVE_DOCUMENT = "archive-document"
    DELETE_DOCUMENT = "delete-document"


DOCUMENT_CHANGES = frozenset(
    {
        Action.MASK_DOCUMENT,
        Action.UNMASK_DOCUMENT,
        Action.HIDE_FROM_PATIENT,
        Action.SHOW_TO_PATIENT,
        Action.SHOW_TO_REPRESENTATIVES,
        Action.GRADE_CONFIDENTIALITY,
        Action.ARCHIVE_DOCUMENT,
        Action.DELETE_DOCUMENT,
    }
)
DOCUMENT_ACTIONS = DOCUMENT_CHANGES | {Action.READ_DOCUMENT, Action.KNOW_DOCUMENT}
"""What is asked of a document that lies in the record."""

NO_DOCUMENT = "no-document"
"""The rule id of a refusal about a document that is not there."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that was read, at once and consistently, to decide one access.

    `consents` are the holder's decisions about the acting professional (empty for anybody else),
    `team` the authorised professionals of the structure where that professional acts.
    """

    record: Record
    consents: ActorConsents
    settings: Settings
    document: Document | None = None
    team: CareTeam = NO_TEAM


@dataclass(frozen=True, slots=True)
class Question:
    """May this actor do this, in this situation, now?

    `document` only for document actions; `about` is the professional (PS_IdNat) that a consent
    is about, only for the consent actions.
    """

    actor: Actor
    action: Action
    situation: Situation
    now: datetime
    mode: Mode = Mode.NORMAL
    document: Document | None = None
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Allowed or not, by which rules, under which version of the matrix.

    `hidden_from_others` is set when an allowed document is hidden from somebody: who may see it
    is warned.
    """

    allowed: bool
    rules: tuple[str, ...]
    matrix: str
    hidden_from_others: bool = False


def presumed(situation: Situation, actor: Actor, now: datetime, parameters: Parameters) -> bool:
    """Whether a colleague's authorisation stands for this professional's own: same structure,
    not older than the care team's term, and no objection [arrêté du 26 octobre 2023]."""
    return (
        isinstance(actor, Professional)
        and not situation.consents.objected
        and situation.team.presumes(actor.id, now, parameters.care_team)
    )


def authorisation_state(
    situation: Situation, actor: Actor, now: datetime, parameters: Parameters
) -> AuthorisationState:
    """What TD0.2 says of a professional: their own authorisation, or the one that their care team
    presumes, which is VALIDE too; a block beats both. Anybody else has none."""
    if not isinstance(actor, Professional):
        return AuthorisationState.NONE
    own = situation.consents.authorisation(now)
    if own is AuthorisationState.FORBIDDEN or not presumed(situation, actor, now, parameters):
        return own
    return AuthorisationState.VALID


def is_medecin_traitant(situation: Situation, actor: Actor, now: datetime) -> bool:
    """Whether the holder's médecin traitant acts: the role counts for doctors only."""
    return (
        isinstance(actor, Professional)
        and actor.profession == DOCTOR
        and situation.consents.medecin_traitant(now)
    )


def is_delegate(situation: Situation, actor: Actor, now: datetime) -> bool:
    """Whether somebody acts to whom the holder gave the médecin traitant's rights."""
    return isinstance(actor, Professional) and situation.consents.delegate(now)
