"""What the holder is told, and when there is nothing to tell.

A message never carries clinical content [arrêté 26 Oct 2023]: it says that something happened and
when, in the words of a catalogue, and neither what nor by whom.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from dmp.domain.actors import Feeder, key_of
from dmp.domain.records import Contact, Record, RecordStatus
from dmp.domain.traces import Mode

FEEDER = key_of(Feeder())
PARIS = ZoneInfo("Europe/Paris")


class Subject(StrEnum):
    """The facts that holders are told about, by their name on the bus."""

    DOCUMENT_PUBLISHED = "document.published.v1"
    HISTORY_IMPORTED = "history.imported.v1"
    CONSENT_CHANGED = "consent.changed.v1"
    UPLOAD_REJECTED = "upload.rejected.v1"
    DOCUMENT_ACCESSED = "document.accessed.v1"
    EMERGENCY_ACCESSED = "emergency.accessed.v1"


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "mobile"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the bus. `actor` is the key of who did it, when the fact says so
    (`professional#8…`, `patient#<hash>`); `mode` how an access was asked for."""

    event_id: str
    subject: Subject
    record_id: str
    occurred_at: datetime
    actor: str | None = None
    mode: Mode = Mode.NORMAL

    @property
    def occasion(self) -> str:
        """What the holder is told of once.

        The fact itself, but for accesses: the first one of each professional, and the emergency
        of each professional and day, however many documents they opened in it.
        """
        who = (self.actor or "").replace("#", ".")
        match self.subject:
            case Subject.DOCUMENT_ACCESSED:
                return f"first-access.{who}"
            case Subject.EMERGENCY_ACCESSED:
                return f"emergency.{self.occurred_at.astimezone(PARIS):%Y-%m-%d}.{who}"
            case _:
                return self.event_id

    @property
    def once_for_all(self) -> bool:
        """Whether that is remembered for as long as the record is."""
        return self.subject is Subject.DOCUMENT_ACCESSED


@dataclass(frozen=True, slots=True)
class Message:
    """A message ready to go: an SMS has no `title`."""

    channel: Channel
    address: str
    title: str
    text: str


def concerns_holder(fact: Fact, record: Record) -> bool:
    """Whether the holder is to be told.

    Not of the document that they deposited themselves, nor of the one that comes with the history,
    which is told as such; of a rejected upload only when it was
    theirs; of a professional's first access, which an emergency is not: it is told as such [CSP
    R1111-48]; of nothing once the record is closed.
    """
    if record.status is not RecordStatus.OPEN:
        return False
    by_holder = record.holder is not None and fact.actor == f"patient#{record.holder}"
    match fact.subject:
        case Subject.DOCUMENT_PUBLISHED:
            return not by_holder and fact.actor != FEEDER
        case Subject.UPLOAD_REJECTED:
            return by_holder
        case Subject.DOCUMENT_ACCESSED:
            return fact.mode is Mode.NORMAL and (fact.actor or "").startswith("professional#")
        case Subject.HISTORY_IMPORTED | Subject.CONSENT_CHANGED | Subject.EMERGENCY_ACCESSED:
            return True


def reach(contact: Contact) -> tuple[Channel, str] | None:
    """The way that the holder prefers among those that we know, and the address on it."""
    if contact.channel is None:
        return None
    channel = Channel(contact.channel)
    address = contact.email if channel is Channel.EMAIL else contact.mobile
    return (channel, address) if address else None


def paris_time(moment: datetime) -> tuple[str, str]:
    """A UTC moment as people in France read it: `("14/03/2026", "09:05")`."""
    local = moment.astimezone(PARIS)
    return f"{local:%d/%m/%Y}", f"{local:%H:%M}"
