"""Tell the holder that something happened in their record: once, on the way they prefer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dmp.domain.errors import Busy
from dmp.domain.ids import new_ulid
from dmp.domain.notifications import Channel, Fact, Message, Subject, concerns_holder, reach
from dmp.domain.records import Record
from dmp.domain.traces import Act, Outcome, Trace

SERVICE = "service#notifications"
NO_CONTACT = "no-contact-known"
_NOWHERE = "none"


class Claim(StrEnum):
    """What came of claiming a notice: it is ours to send, it went out before, or somebody else
    is sending it right now."""

    OURS = "ours"
    DONE = "done"
    HELD = "held"


class Records(Protocol):
    def of(self, record_id: str) -> Record | None:
        """The record, or None when there is no such record."""


class Notices(Protocol):
    def claim(self, fact: Fact, channel: str, now: datetime) -> Claim:
        """Take a notice before sending it. A claim lapses: who crashed holds nobody up."""

    def finish(self, fact: Fact, channel: str, trace: Trace, now: datetime) -> None:
        """The notice is done: that and its trace are written together, or neither."""


class Wording(Protocol):
    def message(self, subject: Subject, when: datetime, channel: Channel, to: str) -> Message:
        """What is said of a fact on a channel, with the moment in French time."""


class Messengers(Protocol):
    def send(self, message: Message) -> None:
        """Hand the message to the provider of its channel; Busy when it does not take it now."""


@dataclass(frozen=True, slots=True)
class NotifyHolder:
    """At least once, and in practice once: a notice is claimed before it is sent and finished
    after. Only a crash between the two, after the provider took the message, sends it twice.

    Raises Busy when the provider is down or another worker holds the notice: the queue tries
    again.
    """

    records: Records
    notices: Notices
    wording: Wording
    messengers: Messengers

    def __call__(self, fact: Fact, now: datetime) -> None:
        record = self.records.of(fact.record_id)
        if record is None or not concerns_holder(fact, record):
            return
        found = reach(record.contact)
        channel = found[0].value if found else _NOWHERE
        claim = self.notices.claim(fact, channel, now)
        if claim is Claim.HELD:
            raise Busy("the notice is being sent")
        if claim is Claim.DONE:
            return
        if found:
            way, address = found
            self.messengers.send(self.wording.message(fact.subject, fact.occurred_at, way, address))
        self.notices.finish(fact, channel, _trace(fact, reached=bool(found), now=now), now)


def _trace(fact: Fact, *, reached: bool, now: datetime) -> Trace:
    return Trace(
        id=new_ulid(now),
        at=now,
        act=Act.NOTIFY,
        outcome=Outcome.DONE if reached else Outcome.FAILED,
        actor=SERVICE,
        record_id=fact.record_id,
        target=fact.event_id,
        reason=None if reached else NO_CONTACT,
    )
