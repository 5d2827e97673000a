"""Every access and act leaves a trace: date, identity, mode, outcome [CSP R1111-43]."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dmp.domain.actors import Actor, Professional, System, key_of
from dmp.domain.ids import new_ulid


class Act(StrEnum):
    """What was done or tried."""

    OPEN_RECORD = "record.open"
    READ_RECORD = "record.read"
    BIND_HOLDER = "record.bind"
    PUBLISH_DOCUMENT = "document.publish"
    ANNOUNCE_DOCUMENT = "document.announce"
    REJECT_DOCUMENT = "document.reject"
    REPLACE_DOCUMENT = "document.replace"
    SEARCH_DOCUMENTS = "document.search"
    READ_DOCUMENT = "document.read"
    READ_CONTENT = "document.content"
    READ_HISTORY = "history.read"
    IMPORT_HISTORY = "history.import"
    CHANGE_DOCUMENT = "document.change"
    CHANGE_CONSENT = "consent.change"
    READ_CONSENTS = "consent.search"
    LIST_PATIENTS = "patient.list"
    CHANGE_REPRESENTATIVES = "representative.change"
    READ_TRACES = "trace.read"
    EXPORT_TRACES = "trace.export"
    READ_PREFERENCES = "preference.read"
    CHANGE_PREFERENCES = "preference.change"
    READ_EMERGENCIES = "emergency.list"
    FOLLOW_EMERGENCY = "emergency.follow"
    NOTIFY = "holder.notify"
    NOTIFY_PROFESSIONAL = "professional.notify"
    REMIND_MAJORITY = "majority.remind"


ABOUT_A_DOCUMENT = frozenset(
    {
        Act.PUBLISH_DOCUMENT,
        Act.ANNOUNCE_DOCUMENT,
        Act.REJECT_DOCUMENT,
        Act.REPLACE_DOCUMENT,
        Act.READ_DOCUMENT,
        Act.READ_CONTENT,
        Act.IMPORT_HISTORY,
        Act.CHANGE_DOCUMENT,
        Act.NOTIFY,
    }
)
"""The acts whose target is a document; of telling people, where it was about one."""


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Mode(StrEnum):
    """How access was asked for; the emergencies come from the token alone."""

    NORMAL = "normal"
    BREAK_GLASS = "break-glass"
    CENTRE_15 = "centre-15"


@dataclass(frozen=True, slots=True)
class Trace:
    """One line of the journal. `rules` are the ids of the policies that decided.

    `record_id` is None when no record was reached; `target` is a document's or consent's id;
    `count` is how many documents a search disclosed. `changes` are the actions of which a change
    of a document consisted (`mask-document`); `hidden_from` says from whom the document of an act
    was hidden at that moment (`holder`, `representatives`): who is told of the act must know.
    """

    id: str
    at: datetime
    act: Act
    outcome: Outcome
    actor: str
    record_id: str | None = None
    target: str | None = None
    mode: Mode = Mode.NORMAL
    reason: str | None = None
    profession: str | None = None
    structure: str | None = None
    rules: tuple[str, ...] = ()
    matrix: str | None = None
    count: int | None = None
    changes: tuple[str, ...] = ()
    hidden_from: tuple[str, ...] = ()


def trace_of(
    actor: Actor,
    act: Act,
    outcome: Outcome,
    now: datetime,
    *,
    record_id: str | None = None,
    target: str | None = None,
    mode: Mode = Mode.NORMAL,
    rules: tuple[str, ...] = (),
    matrix: str | None = None,
    count: int | None = None,
    changes: tuple[str, ...] = (),
    hidden_from: tuple[str, ...] = (),
) -> Trace:
    """The trace of one act at one moment, with what the token said of the actor."""
    professional = actor if isinstance(actor, Professional) else None
    structure = actor.structure if isinstance(actor, Professional | System) else None
    return Trace(
        id=new_ulid(now),
        at=now,
        act=act,
        outcome=outcome,
        actor=key_of(actor),
        record_id=record_id,
        target=target,
        mode=mode,
        reason=professional.emergency_reason if professional and mode is Mode.BREAK_GLASS else None,
        profession=professional.profession if professional else None,
        structure=structure.finess if structure else None,
        rules=rules,
        matrix=matrix,
        count=count,
        changes=changes,
        hidden_from=hidden_from,
    )
