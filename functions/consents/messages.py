"""What comes from the queue `care-teams`: accesses, as EventBridge puts them in an SQS message."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from dmp.domain.traces import Mode
from dmp.usecases.join_care_team import Seen

_PROFESSIONAL = re.compile(r"professional#([0-9A-Za-z]{1,32})", re.ASCII)


class Detail(BaseModel):
    """What is read of the fact; the rest of it is not."""

    record_id: Annotated[str, Field(alias="recordId", pattern=r"^[0-9a-hjkmnp-tv-z]{26}$")]
    occurred_at: AwareDatetime = Field(alias="occurredAt")
    actor: str
    mode: Mode
    structure: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,14}$")] | None = None


class Envelope(BaseModel):
    """The event; `detail-type` is the fact's name."""

    detail_type: Literal["document.accessed.v1", "record.accessed.v1"] = Field(alias="detail-type")
    detail: Detail


def seen_of(body: str) -> Seen | None:
    """Where a professional was seen; None for an access that says nothing of it: an emergency,
    somebody else's, or under a token that names no structure.

    Raises pydantic's ValidationError for a body that is no such fact.
    """
    told = Envelope.model_validate_json(body).detail
    who = _PROFESSIONAL.fullmatch(told.actor)
    if who is None or told.structure is None or told.mode is not Mode.NORMAL:
        return None
    return Seen(told.record_id, who[1], told.structure, told.occurred_at.astimezone(UTC))
