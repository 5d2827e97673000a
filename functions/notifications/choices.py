"""Preferences and addresses, as they are sent and answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from dmp.domain.notifications import FRENCH, Channel, Preferences, Topic

PREFERRED = "preferred"


def _apart(ways: list[str]) -> list[str]:
    if len(set(ways)) != len(ways):
        raise PydanticCustomError("twice", "a way is named once")
    if PREFERRED in ways and len(ways) > 1:
        raise PydanticCustomError("contradiction", "the preferred way, or ways by name")
    return ways


Way = Literal["preferred", "email", "mobile"]
Ways = Annotated[
    list[Way],
    Field(max_length=2, description="`preferred`; or `email`, `mobile` or both; or none at all."),
    AfterValidator(_apart),
]
SomeWays = Annotated[
    list[Way],
    Field(min_length=1, max_length=2, description="As the others, but never none."),
    AfterValidator(_apart),
]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TypesMessage(_Message):
    """The ways on which each type is told; without a type, the preferred way of the record."""

    document_published: Ways = Field([PREFERRED], alias=Topic.DOCUMENT_PUBLISHED.value)
    document_accessed: Ways = Field([PREFERRED], alias=Topic.DOCUMENT_ACCESSED.value)
    consent_changed: Ways = Field([PREFERRED], alias=Topic.CONSENT_CHANGED.value)
    history_imported: Ways = Field([PREFERRED], alias=Topic.HISTORY_IMPORTED.value)
    upload_rejected: Ways = Field([PREFERRED], alias=Topic.UPLOAD_REJECTED.value)
    emergency_accessed: SomeWays = Field([PREFERRED], alias=Topic.EMERGENCY_ACCESSED.value)
    majority_approaching: Ways = Field([PREFERRED], alias=Topic.MAJORITY_APPROACHING.value)
    record_bound: SomeWays = Field([PREFERRED], alias=Topic.RECORD_BOUND.value)
    representative_changed: SomeWays = Field([PREFERRED], alias=Topic.REPRESENTATIVE_CHANGED.value)


class PreferencesMessage(_Message):
    """`PUT /notifications/{recordId}/preferences`, and what it and GET answer."""

    language: Literal["fr", "en"] = FRENCH
    types: TypesMessage = Field(default_factory=TypesMessage)

    def wanted(self) -> Preferences:
        chosen: dict[str, list[str]] = self.types.model_dump(by_alias=True)
        return Preferences(
            channels={
                Topic(topic): frozenset(map(Channel, ways))
                for topic, ways in chosen.items()
                if ways != [PREFERRED]
            },
            language=self.language,
        )


class ContactMessage(_Message):
    """`PUT /notifications/me`, and what it and GET answer."""

    email: Annotated[str, Field(max_length=254)] | None


def told(preferences: Preferences) -> dict[str, Any]:
    """Every type with its ways: what a PUT would say to leave everything as it is."""
    return {
        "language": preferences.language,
        "types": {
            topic.value: sorted(preferences.channels[topic])
            if topic in preferences.channels
            else [PREFERRED]
            for topic in Topic
        },
    }
