"""A document as the record knows it: metadata here, bytes in the vault."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DocumentStatus(StrEnum):
    """The availability of the reference (FHIR `status`)."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    ENTERED_IN_ERROR = "entered-in-error"


class Stage(StrEnum):
    """How far the bytes have come (FHIR `docStatus`)."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    REJECTED = "entered-in-error"


class Visibility(StrEnum):
    """Confidentiality and visibility codes; a document carries one or more."""

    NORMAL = "N"
    RESTRICTED = "R"
    VERY_RESTRICTED = "V"
    HIDDEN_FROM_PROFESSIONALS = "MASQUE_PS"
    HIDDEN_FROM_PATIENT = "INVISIBLE_PATIENT"
    HIDDEN_FROM_REPRESENTATIVES = "INVISIBLE_REPRESENTANTS_LEGAUX"


HOLDER = "holder"
REPRESENTATIVES = "representatives"

HIDING = frozenset(
    {
        Visibility.HIDDEN_FROM_PROFESSIONALS,
        Visibility.HIDDEN_FROM_PATIENT,
        Visibility.HIDDEN_FROM_REPRESENTATIVES,
    }
)
"""The codes that hide a document from somebody."""


def hidden_from(visibility: Collection[Visibility]) -> tuple[str, ...]:
    """Who is not to learn of a document with these codes, of those who are told of their record:
    `holder`, `representatives`. What the holder does not see yet, representatives do not either."""
    if Visibility.HIDDEN_FROM_PATIENT in visibility:
        return (HOLDER, REPRESENTATIVES)
    return (REPRESENTATIVES,) if Visibility.HIDDEN_FROM_REPRESENTATIVES in visibility else ()


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes: `sha1` (FHIR's, base64) and `size` in bytes as announced, `key` where they lie
    in the vault; an announced upload has no key yet (the empty string)."""

    media_type: str
    size: int
    sha1: str
    key: str


@dataclass(frozen=True, slots=True)
class Document:
    """One document of one record.

    `type_code` and `class_code` are the LOINC or TRE_A05 type and the TRE_A03 class; `author`
    is the key of who sent it (`professional#8…`, `patient#…`, `feeder#ALIM_AM`); `resource` is
    the FHIR resource as it was sent, without its bytes and without what the server sets.
    `rejection` is the code and the sentence of an upload's refusal, apart by a colon;
    `updated_at` the moment of the last change, for ETag's sister `meta.lastUpdated`; `archived`
    puts it aside, for as long as somebody wishes.
    """

    id: str
    record_id: str
    unique_id: str
    type_code: str
    class_code: str | None
    status: DocumentStatus
    stage: Stage
    author: str
    visibility: frozenset[Visibility]
    title: str
    dated: datetime
    submitted_at: datetime
    content: Content
    resource: str
    author_structure: str | None = None
    rejection: str | None = None
    version: int = 1
    updated_at: datetime | None = None
    replaces: str | None = None
    archived: bool = False

    @property
    def listed(self) -> bool:
        """Whether anybody but the sender may know of it: its bytes were checked and kept."""
        return self.stage is Stage.FINAL

    @property
    def hidden_from(self) -> tuple[str, ...]:
        """See `hidden_from`."""
        return hidden_from(self.visibility)

    @property
    def hidden_from_others(self) -> bool:
        """Whether somebody does not see it: who does is warned."""
        return not HIDING.isdisjoint(self.visibility)

    def same_submission(self, other: Document) -> bool:
        """Whether another one is the same thing sent again: same name, sender and bytes."""
        return (
            self.record_id == other.record_id
            and self.unique_id == other.unique_id
            and self.author == other.author
            and (self.content.sha1, self.content.size) == (other.content.sha1, other.content.size)
        )
