"""Deliver one notice to one person: claimed, sent, finished with its trace.

At least once, and in practice once: a notice is claimed before it is sent and finished after. Only
a crash between the two, after the provider took the message, sends it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dmp.domain.documents import REPRESENTATIVES
from dmp.domain.errors import Busy
from dmp.domain.ids import new_ulid
from dmp.domain.notifications import AddressRefused, Fact, Message, Recipient, Role, Way
from dmp.domain.traces import Act, Outcome, Trace

SERVICE = "service#notifications"
NO_CONTACT = "no-contact-known"
REFUSED = "address-refused"
UNAVAILABLE = "provider-unavailable"
UNCONFIRMED = "delivery-unconfirmed"
NOWHERE = "none"
"""What stands for the channel of somebody who cannot be reached."""


class Claim(StrEnum):
    """What came of claiming a notice: it is ours to send, it went out before, the provider refused
    its address for good, or somebody else is sending it right now."""

    OURS = "ours"
    DONE = "done"
    REFUSED = "refused"
    HELD = "held"


class Ending(StrEnum):
    """How a notice ended; neither is tried again."""

    SENT = "sent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact for one person on one channel: what is claimed."""

    fact: Fact
    recipient: Recipient
    channel: str


class Notices(Protocol):
    def claim(self, notice: Notice, now: datetime) -> Claim:
        """Take a notice before sending it. A claim lapses: who crashed holds nobody up."""

    def finish(self, notice: Notice, ending: Ending, trace: Trace, now: datetime) -> None:
        """The notice is over: that and its trace are written together, or neither."""

    def give_back(self, notice: Notice, now: datetime, trace: Trace | None = None) -> None:
        """The provider did not take our notice: the next attempt need not wait for the claim to
        lapse. With the trace that says so, if this attempt was the last."""

    def doubt(self, notice: Notice, trace: Trace) -> None:
        """Trace that nobody knows whether somebody else's notice went out, unless it is over."""


class Wording(Protocol):
    def message(self, fact: Fact, recipient: Recipient, way: Way) -> Message:
        """What is said of a fact to somebody on a channel, with the moment in French time."""


class Messengers(Protocol):
    def send(self, message: Message) -> None:
        """Hand the message to the provider of its channel. Busy when it does not take it now,
        AddressRefused when it never will."""


@dataclass(frozen=True, slots=True)
class Deliver:
    notices: Notices
    wording: Wording
    messengers: Messengers

    def __call__(self, fact: Fact, recipient: Recipient, now: datetime, *, last: bool) -> None:
        """Every way of the recipient; the spare ones in turn when all of these are refused.

        Raises Busy when a provider is down or another worker holds the notice: the queue tries
        again. On the `last` attempt, before the dead letters, the trace says so first.
        """
        if not recipient.ways:
            self._nobody(Notice(fact, recipient, NOWHERE), now)
            return
        told, undone = False, None
        for way in recipient.ways:
            try:
                told |= self._by(way, fact, recipient, now, last=last)
            except Busy as busy:
                undone = busy
        if undone:
            raise undone
        if not told:
            any(self._by(way, fact, recipient, now, last=last) for way in recipient.spare)

    def _by(self, way: Way, fact: Fact, recipient: Recipient, now: datetime, *, last: bool) -> bool:
        """Whether the message went out on this way, now or before; not when it was refused."""
        notice = Notice(fact, recipient, way.channel.value)
        match self.notices.claim(notice, now):
            case Claim.DONE:
                return True
            case Claim.REFUSED:
                return False
            case Claim.HELD:
                if last:
                    self.notices.doubt(notice, _trace(notice, now, UNCONFIRMED))
                raise Busy("the notice is being sent")
            case Claim.OURS:
                pass
        try:
            self.messengers.send(self.wording.message(fact, recipient, way))
        except AddressRefused:
            self.notices.finish(notice, Ending.REFUSED, _trace(notice, now, REFUSED), now)
            return False
        except Busy:
            failed = _trace(notice, now, UNAVAILABLE) if last else None
            self.notices.give_back(notice, now, failed)
            raise
        self.notices.finish(notice, Ending.SENT, _trace(notice, now), now)
        return True

    def _nobody(self, notice: Notice, now: datetime) -> None:
        claim = self.notices.claim(notice, now)
        if claim is Claim.HELD:
            raise Busy("the notice is being given up")
        if claim is Claim.OURS:
            self.notices.finish(notice, Ending.REFUSED, _trace(notice, now, NO_CONTACT), now)


def _trace(notice: Notice, now: datetime, reason: str | None = None) -> Trace:
    """`target` is the document where the fact is about one, so that who may not know of it does
    not learn of it from here; of a professional, who was told."""
    professional = notice.recipient.role is Role.PROFESSIONAL
    return Trace(
        id=new_ulid(now),
        at=now,
        act=Act.NOTIFY_PROFESSIONAL if professional else Act.NOTIFY,
        outcome=Outcome.FAILED if reason else Outcome.DONE,
        actor=SERVICE,
        record_id=notice.fact.record_id,
        target=notice.recipient.name if professional else notice.fact.about,
        reason=reason,
        hidden_from=(REPRESENTATIVES,) if notice.fact.hidden_from_representatives else (),
    )
