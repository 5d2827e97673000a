"""The question that every access asks, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dmp.domain.actors import Actor
from dmp.domain.consents import ActorConsents, Settings
from dmp.domain.documents import Document
from dmp.domain.records import Record
from dmp.domain.traces import Mode


class Action(StrEnum):
    """What is asked of a record or of one of its documents (a Cedar action each).

    SEE_RECORD is the state of the record (status, channel, dates), not the holder's identity;
    FIND_RECORD is what TD0.2 tells who gives an exact INS: that it exists, and whether it is open.
    """

    SEE_RECORD = "see-record"
    FIND_RECORD = "find-record"
    LIST_DOCUMENTS = "list-documents"
    READ_DOCUMENT = "read-document"
    PUBLISH_DOCUMENT = "publish-document"
    READ_HISTORY = "read-history"
    READ_CONSENTS = "read-consents"
    GRANT_AUTHORISATION = "grant-authorisation"
    BLOCK_PROFESSIONAL = "block-professional"
    CHANGE_SETTINGS = "change-settings"


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that was read, at once and consistently, to decide one access.

    `consents` are the holder's decisions about the acting professional (empty for anybody else).
    """

    record: Record
    consents: ActorConsents
    settings: Settings
    document: Document | None = None


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
