"""What S3 says of an object through EventBridge and the queue."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, Field

from dmp.domain.ids import split_document_id

_PREFIX = "in/"
_CREATED = "Object Created"


class S3Object(BaseModel):
    key: str
    version_id: str | None = Field(default=None, alias="version-id")


class Detail(BaseModel):
    object: S3Object


class Envelope(BaseModel):
    """`Object Created` of EventBridge; the key comes as it is, not URL-encoded."""

    detail_type: str = Field(alias="detail-type")
    detail: Detail


@dataclass(frozen=True, slots=True)
class Arrived:
    """A version of the object of one document."""

    document_id: str
    version: str | None


def arrival_of(body: str) -> Arrived | None:
    """The arrival in a message; None for an object that is no upload of ours.

    Raises pydantic's ValidationError for a body that is no event: the message then ends among the
    dead letters, where an operator reads why.
    """
    envelope = Envelope.model_validate_json(body)
    if envelope.detail_type != _CREATED:
        return None
    found = envelope.detail.object
    document_id = found.key.removeprefix(_PREFIX)
    if not found.key.startswith(_PREFIX) or split_document_id(document_id) is None:
        return None
    return Arrived(document_id, found.version_id or None)
