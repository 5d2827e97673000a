"""Telling people, in memory: claims that lapse, providers that fail, and what they were handed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from dmp.domain.consents import Consent, Decision, Kind
from dmp.domain.errors import Busy
from dmp.domain.identity import Traits
from dmp.domain.notifications import (
    AddressRefused,
    Fact,
    Message,
    Preferences,
    Representation,
    Subject,
)
from dmp.domain.records import Basis, Contact, Record, Representative
from dmp.domain.traces import Trace
from dmp.usecases.deliver import Claim, Deliver, Ending, Notice
from dmp.usecases.notify_holder import NotifyHolder
from dmp.usecases.notify_professionals import NotifyProfessionals
from dmp.usecases.tell import File, Tell
from functions.notifications.wording import Wording
from tests.support.records import TRAITS, record

NOW = datetime(2026, 7, 14, 10, 5, tzinfo=UTC)
MAJORITY = 18
LEASE = timedelta(seconds=60)
DOCTOR = "professional#810100997245"
HOLDER = "a" * 64
BY_HOLDER = f"patient#{HOLDER}"
BY_REPRESENTATIVE = "patient#" + "b" * 64
TREATING, DELEGATE = "899700218896", "899700024450"
EVENT_ID = "01jd0000000000000000000000"

RECORD = record(
    contact=Contact(email="dominique@example.org", mobile="+33612345678"), holder=HOLDER
)
CHILD = replace(TRAITS, birth_date=date(2012, 3, 28))
PARENTS = Traits("PAT-TROIS", ("CAMILLE",), date(1979, 6, 15), "female", "51215")


def fact(subject=Subject.DOCUMENT_PUBLISHED, actor: str | None = DOCTOR, **more) -> Fact:
    record_id, event_id = more.pop("record_id", RECORD.id), more.pop("event_id", EVENT_ID)
    if subject is Subject.REPRESENTATIVE_CHANGED:
        more = {"representation": Representation.NAMED, "representative": "r0"} | more
    return Fact(event_id, subject, record_id, NOW, actor, **more)


def representative(
    name: str, contact: Contact, basis=Basis.PARENTAL_AUTHORITY, until=None
) -> Representative:
    since = NOW - timedelta(days=900)
    return Representative(PARENTS, basis, since, contact, until, id=name)


def consent(kind: Kind, professional: str | None, *, active=True, since=NOW, until=None) -> Consent:
    decision = Decision(kind, since, BY_HOLDER, until, active)
    return Consent(RECORD.id, professional, decision)


@dataclass
class FakeFiles:
    record: Record | None = RECORD
    preferences: Preferences = field(default_factory=Preferences)
    settled: set[str] = field(default_factory=set)
    reads: int = 0

    def of(self, told: Fact) -> File | None:
        self.reads += 1
        if self.record is None:
            return None
        return File(self.record, self.preferences, told.occasion in self.settled)

    def settle(self, told: Fact) -> None:
        self.settled.add(told.occasion)


@dataclass
class FakeNotices:
    """Claims that lapse after a minute, as the table keeps them."""

    claimed: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    endings: dict[tuple[str, str, str], Ending] = field(default_factory=dict)
    traces: list[Trace] = field(default_factory=list)
    claims: int = 0

    def claim(self, notice: Notice, now: datetime) -> Claim:
        self.claims += 1
        key = key_of(notice)
        if key in self.endings:
            return Claim.DONE if self.endings[key] is Ending.SENT else Claim.REFUSED
        if key in self.claimed and now < self.claimed[key]:
            return Claim.HELD
        self.claimed[key] = now + LEASE
        return Claim.OURS

    def finish(self, notice: Notice, ending: Ending, trace: Trace, now: datetime) -> None:
        assert key_of(notice) in self.claimed
        if key_of(notice) not in self.endings:
            self.endings[key_of(notice)] = ending
            self.traces.append(trace)

    def give_back(self, notice: Notice, now: datetime, trace: Trace | None = None) -> None:
        if key_of(notice) not in self.endings:
            self.claimed[key_of(notice)] = now
            self.traces += [trace] if trace else []

    def doubt(self, notice: Notice, trace: Trace) -> None:
        if key_of(notice) not in self.endings:
            self.traces.append(trace)


def key_of(notice: Notice) -> tuple[str, str, str]:
    return notice.fact.occasion, notice.recipient.name, notice.channel


@dataclass
class FakeMessengers:
    """`down` are the channels that do not answer, `refused` the addresses that never will."""

    sent: list[Message] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def send(self, message: Message) -> None:
        if message.channel.value in self.down:
            raise Busy("the provider does not answer")
        if message.address in self.refused:
            raise AddressRefused("no such address")
        self.sent.append(message)


@dataclass
class FakeConsents:
    consents: list[Consent] = field(default_factory=list)

    def of_record(self, record_id: str) -> list[Consent]:
        return self.consents


@dataclass
class FakeAddresses:
    known: dict[str, str] = field(default_factory=dict)

    def of_professionals(self, professionals):
        return {one: self.known[one] for one in professionals if one in self.known}


@dataclass
class House:
    """Everything that telling needs, in memory."""

    record: Record | None = RECORD
    preferences: Preferences = field(default_factory=Preferences)
    consents: list[Consent] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    notices: FakeNotices = field(default_factory=FakeNotices)
    messengers: FakeMessengers = field(default_factory=FakeMessengers)

    def __post_init__(self) -> None:
        self.files = FakeFiles(self.record, self.preferences)

    @property
    def use(self) -> Tell:
        deliver = Deliver(self.notices, Wording(), self.messengers)
        return Tell(
            self.files,
            NotifyHolder(deliver, MAJORITY),
            NotifyProfessionals(
                FakeConsents(self.consents), FakeAddresses(self.addresses), deliver
            ),
        )

    def tell(self, told: Fact, now: datetime = NOW, *, last: bool = False) -> list[Message]:
        self.use(told, now, last=last)
        return self.messengers.sent

    @property
    def traced(self) -> Counter:
        return Counter((t.act.value, t.outcome.value, t.reason) for t in self.notices.traces)
