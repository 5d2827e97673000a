"""What comes from outside of the area: the queue's facts and the workflow's input."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

RecordId = Annotated[str, StringConstraints(pattern=r"^[0-9a-hjkmnp-tv-z]{26}$")]


class Opened(BaseModel):
    """The detail of `record.opened.v1`, as far as it is read here."""

    record_id: RecordId = Field(alias="recordId")


class OpenedEvent(BaseModel):
    """`record.opened.v1` as EventBridge puts it into a queue's message."""

    type: Literal["record.opened.v1"] = Field(alias="detail-type")
    detail: Opened


class Task(BaseModel):
    """The input of `initial-history`, and what its steps are given."""

    record_id: RecordId = Field(alias="recordId")


class Failure(Task):
    """What the failing step is told: the class of the error, as the workflow names it."""

    error: str
