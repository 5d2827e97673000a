"""What comes from the queue: facts of the bus, as EventBridge puts them in an SQS message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AliasChoices, AwareDatetime, BaseModel, Field, StrictBool

from dmp.domain.notifications import Fact, Representation, Subject
from dmp.domain.traces import Mode

_TOLD = frozenset(subject.value for subject in Subject)
_Id = Annotated[str, Field(min_length=1, max_length=64)]


class Detail(BaseModel):
    """The ids that the facts told here carry; what else a fact says is not read."""

    event_id: _Id = Field(alias="eventId")
    record_id: _Id = Field(alias="recordId")
    occurred_at: AwareDatetime = Field(alias="occurredAt")
    actor: str | None = Field(default=None, validation_alias=AliasChoices("author", "actor"))
    mode: Mode = Mode.NORMAL
    document_id: str | None = Field(default=None, alias="documentId")
    hidden_from_holder: StrictBool = Field(default=False, alias="hiddenFromHolder")
    hidden_from_representatives: StrictBool = Field(
        default=False, alias="hiddenFromRepresentatives"
    )
    shown_to_holder: StrictBool = Field(default=False, alias="shownToHolder")
    shown_to_representatives: StrictBool = Field(default=False, alias="shownToRepresentatives")


class RepresentativeDetail(Detail):
    """What became of a representative, and of which."""

    change: Representation
    representative_id: _Id = Field(alias="representativeId")


class Envelope(BaseModel):
    """An event of EventBridge; `detail-type` is the fact's name."""

    detail_type: str = Field(alias="detail-type")
    detail: dict[str, object]


def fact_of(body: str) -> Fact | None:
    """The fact in a message; None for one that nobody is told about.

    Raises pydantic's ValidationError for a body that is no fact: the message then ends among the
    dead letters, where an operator reads why.
    """
    envelope = Envelope.model_validate_json(body)
    if envelope.detail_type not in _TOLD:
        return None
    subject = Subject(envelope.detail_type)
    if subject is Subject.REPRESENTATIVE_CHANGED:
        changed = RepresentativeDetail.model_validate(envelope.detail)
        return replace(
            _fact(subject, changed),
            representation=changed.change,
            representative=changed.representative_id,
        )
    return _fact(subject, Detail.model_validate(envelope.detail))


def _fact(subject: Subject, detail: Detail) -> Fact:
    return Fact(
        event_id=detail.event_id,
        subject=subject,
        record_id=detail.record_id,
        occurred_at=_utc(detail.occurred_at),
        actor=detail.actor,
        mode=detail.mode,
        document_id=detail.document_id,
        hidden_from_holder=detail.hidden_from_holder,
        hidden_from_representatives=detail.hidden_from_representatives,
        shown_to_holder=detail.shown_to_holder,
        shown_to_representatives=detail.shown_to_representatives,
    )


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
