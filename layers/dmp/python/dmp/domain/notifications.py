"""Who is told what, on which way, and when there is nothing to tell.

A message never carries clinical content [arrêté 26 Oct 2023]: it says that something happened and
when, in the words of a catalogue, and neither what nor by whom.

The holder is told, and whoever acts in their name now. A document that is hidden from somebody is
not told to them, nor at an address that they may read: at a representative's own addresses, and
at the record's when the holder is a minor (*assumed*: whoever brought the child gave them). An
emergency is also told to the médecins traitants and the delegates [CSP R1111-48].

That somebody signed in as the holder for the first time, and that somebody began or ceased to
represent them, is told whatever was chosen: who should not have had that access must not be able
to switch it off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from dmp.domain.actors import Feeder, key_of
from dmp.domain.consents import ActorConsents, Consent
from dmp.domain.errors import DmpError
from dmp.domain.majority import acting, is_minor
from dmp.domain.paris import PARIS
from dmp.domain.records import Basis, Contact, Record, RecordStatus, Representative
from dmp.domain.traces import Mode

FEEDER = key_of(Feeder())
FRENCH, ENGLISH = "fr", "en"
_PERSON = "patient#"
_PROFESSIONAL = "professional#"


class Topic(StrEnum):
    """What people choose ways for."""

    DOCUMENT_PUBLISHED = "document.published"
    DOCUMENT_ACCESSED = "document.accessed"
    CONSENT_CHANGED = "consent.changed"
    HISTORY_IMPORTED = "history.imported"
    UPLOAD_REJECTED = "upload.rejected"
    EMERGENCY_ACCESSED = "emergency.accessed"
    MAJORITY_APPROACHING = "majority.approaching"
    RECORD_BOUND = "record.bound"
    REPRESENTATIVE_CHANGED = "representative.changed"


ALWAYS_TOLD = frozenset(
    {Topic.EMERGENCY_ACCESSED, Topic.RECORD_BOUND, Topic.REPRESENTATIVE_CHANGED}
)
"""Of these people choose the way, never silence: emergencies by law [CSP R1111-48], the two others
because they say who got into the record."""


class Subject(StrEnum):
    """The facts that people are told about, by their name on the bus."""

    DOCUMENT_PUBLISHED = "document.published.v1"
    HISTORY_IMPORTED = "history.imported.v1"
    CONSENT_CHANGED = "consent.changed.v1"
    UPLOAD_REJECTED = "upload.rejected.v1"
    DOCUMENT_ACCESSED = "document.accessed.v1"
    RECORD_ACCESSED = "record.accessed.v1"
    EMERGENCY_ACCESSED = "emergency.accessed.v1"
    MAJORITY_APPROACHING = "majority.approaching.v1"
    RECORD_BOUND = "record.bound.v1"
    REPRESENTATIVE_CHANGED = "representative.changed.v1"

    @property
    def topic(self) -> Topic:
        """A first access is one thing to whoever is told, by whichever door it came."""
        if self is Subject.RECORD_ACCESSED:
            return Topic.DOCUMENT_ACCESSED
        return Topic(self.value.removesuffix(".v1"))


class Representation(StrEnum):
    """What became of a representative."""

    NAMED = "named"
    ENDED = "ended"


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "mobile"


class Role(StrEnum):
    """As what somebody is told: the words differ."""

    HOLDER = "holder"
    REPRESENTATIVE = "representative"
    NEW_REPRESENTATIVE = "new-representative"
    """Who is told that they are one."""
    PROFESSIONAL = "professional"


class AddressRefused(DmpError):
    """The provider will never take a message to that address: no retry helps."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of the bus. `actor` is the key of who did it, when the fact says so
    (`professional#8…`, `patient#<hash>`); `mode` how an access was asked for; `document_id` the
    document it is about; the flags say from whom that document is hidden, and to whom, of one
    published before, it is shown only now. `representation` is what became of the representative
    whose id is `representative`."""

    event_id: str
    subject: Subject
    record_id: str
    occurred_at: datetime
    actor: str | None = None
    mode: Mode = Mode.NORMAL
    document_id: str | None = None
    hidden_from_holder: bool = False
    hidden_from_representatives: bool = False
    shown_to_holder: bool = False
    shown_to_representatives: bool = False
    representation: Representation | None = None
    representative: str | None = None

    @property
    def occasion(self) -> str:
        """What each person is told of once.

        The fact itself, but for accesses: the first one of each professional, by whichever door,
        and the emergency of each professional and day, however much they opened in it; and for
        representatives, of whom an opening may name several at one moment.
        """
        who = (self.actor or "").replace("#", ".")
        match self.subject.topic:
            case Topic.DOCUMENT_ACCESSED:
                return f"first-access.{who}"
            case Topic.EMERGENCY_ACCESSED:
                return f"emergency.{self.occurred_at.astimezone(PARIS):%Y-%m-%d}.{who}"
            case Topic.REPRESENTATIVE_CHANGED:
                moment = self.occurred_at.isoformat(timespec="milliseconds")
                return f"representative-{self.representation}.{moment}"
            case _:
                return self.event_id

    @property
    def once_for_all(self) -> bool:
        """Whether that is remembered for as long as the record is."""
        return self.subject.topic is Topic.DOCUMENT_ACCESSED

    @property
    def hidden(self) -> bool:
        """Whether somebody is not told of it who would be told of the like."""
        return self.hidden_from_holder or self.hidden_from_representatives

    @property
    def shown_only_now(self) -> bool:
        """Whether it is told to those alone who were not told when it was published."""
        shown = self.shown_to_holder or self.shown_to_representatives
        return shown and self.subject is Subject.DOCUMENT_PUBLISHED

    @property
    def idle(self) -> bool:
        """Whether nobody is told, whoever the record belongs to.

        An access by somebody who is no professional; one in an emergency, which is told as such
        and is no first access; the insurer's document, which is told as the history that it is.
        """
        match self.subject:
            case Subject.DOCUMENT_ACCESSED | Subject.RECORD_ACCESSED:
                by_professional = (self.actor or "").startswith(_PROFESSIONAL)
                return self.mode is not Mode.NORMAL or not by_professional
            case Subject.DOCUMENT_PUBLISHED:
                return self.actor == FEEDER
            case Subject.UPLOAD_REJECTED:
                return not (self.actor or "").startswith(_PERSON)
            case _:
                return False

    @property
    def about(self) -> str:
        """What a trace of telling it points to: who may not know of the document then does not
        see that it was told either."""
        return self.document_id or self.event_id


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a record's people chose to be told of, and how.

    `channels` has the topics for which they chose; nothing chosen is the preferred way of the
    record, no channel at all is not to be told. `version` 0 means that nothing was ever chosen.
    """

    channels: Mapping[Topic, frozenset[Channel]] = field(default_factory=dict)
    language: str = FRENCH
    version: int = 0

    def same_choice(self, other: Preferences) -> bool:
        return (self.channels, self.language) == (other.channels, other.language)


@dataclass(frozen=True, slots=True)
class Way:
    """A channel and the address on it."""

    channel: Channel
    address: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to tell, on every way of `ways`; `spare` are tried one after the other when the
    addresses of `ways` are refused for good. Without ways they cannot be reached.

    `name` is what a claim is held by: `holder`, `representative.01jd…`, `professional.8997…`.
    """

    name: str
    role: Role
    ways: tuple[Way, ...]
    spare: tuple[Way, ...] = ()
    language: str = FRENCH


@dataclass(frozen=True, slots=True)
class Message:
    """A message ready to go: an SMS has no `title`."""

    channel: Channel
    address: str
    title: str
    text: str


def people_to_tell(
    fact: Fact, record: Record, preferences: Preferences, now: datetime, majority: int
) -> tuple[Recipient, ...]:
    """The holder and their acting representatives, as far as each is to be told of this.

    An address that both have is told once, as the representative's. One recipient without ways
    stands for all when nobody can be reached. `majority` is in years.
    """
    if record.status is not RecordStatus.OPEN or fact.idle:
        return ()
    minor = is_minor(record, now, majority)
    if fact.subject is Subject.MAJORITY_APPROACHING and not minor:
        return ()
    representatives = acting(record, now, majority)
    told = _representatives_told(fact, record, representatives)
    contact = _holders_contact(fact, record, representatives, told, minor=minor)
    people = [("representative." + one.id, _as_what(fact, one), one.contact) for one in told]
    if contact is not None:
        people.append(("holder", Role.HOLDER, contact))
    recipients = [
        Recipient(name, role, *ways, language=preferences.language)
        for name, role, contact in people
        if (ways := _ways(contact, preferences, fact.subject.topic)) is not None
    ]
    reachable = _without_repeats([one for one in recipients if one.ways])
    return reachable or tuple(recipients[-1:])


def _representatives_told(
    fact: Fact, record: Record, representatives: Sequence[Representative]
) -> tuple[Representative, ...]:
    """Never of what is hidden from them, or from the holder in whose name they act; an emergency
    is one whichever document was opened in it. Not of what the only one of them did. What was
    hidden from the holder was from them too, and is shown to both."""
    emergency = fact.subject is Subject.EMERGENCY_ACCESSED
    if fact.hidden_from_representatives or (fact.hidden_from_holder and not emergency):
        return ()
    if fact.shown_only_now:
        return tuple(representatives)
    if fact.subject is Subject.MAJORITY_APPROACHING:
        return tuple(one for one in representatives if one.basis is Basis.PARENTAL_AUTHORITY)
    if fact.subject is Subject.DOCUMENT_PUBLISHED and len(representatives) == 1:
        deposited = (fact.actor or "").startswith(_PERSON) and not _by_holder(fact, record)
        return () if deposited else tuple(representatives)
    if fact.representation:
        # Who was named beside them at an opening is told of their own naming, not of the other.
        return tuple(
            one for one in representatives if _is_new(fact, one) or one.since < fact.occurred_at
        )
    return tuple(representatives)


def _is_new(fact: Fact, one: Representative) -> bool:
    return fact.representation is Representation.NAMED and one.id == fact.representative


def _as_what(fact: Fact, one: Representative) -> Role:
    return Role.NEW_REPRESENTATIVE if _is_new(fact, one) else Role.REPRESENTATIVE


def _holders_contact(
    fact: Fact,
    record: Record,
    representatives: Sequence[Representative],
    told: Sequence[Representative],
    *,
    minor: bool,
) -> Contact | None:
    """Where the holder is told; None when they are not, or not without others reading it.

    `representatives` are the acting ones, `told` those of them who are told too.
    """
    emergency = fact.subject is Subject.EMERGENCY_ACCESSED
    if fact.hidden_from_holder and not emergency:
        return None
    if fact.subject is Subject.DOCUMENT_PUBLISHED and _by_holder(fact, record):
        return None
    if fact.hidden_from_representatives and minor:
        return None
    if fact.shown_only_now and not (fact.shown_to_holder or minor):
        return None
    # Of several who were named at one moment each is told by a fact of their own.
    all_told = fact.subject is Subject.REPRESENTATIVE_CHANGED
    others = representatives if fact.hidden_from_representatives or all_told else told
    taken = {way.address for one in others for way in known_ways(one.contact)}
    left = [way for way in known_ways(record.contact) if way.address not in taken]
    if not left and known_ways(record.contact):
        return None
    kept = {way.channel: way.address for way in left}
    return replace(record.contact, email=kept.get(Channel.EMAIL), mobile=kept.get(Channel.SMS))


def _without_repeats(recipients: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """Two representatives of one household may have given one address: it is written to once."""
    seen: set[Way] = set()
    kept = []
    for one in recipients:
        ways = tuple(way for way in one.ways if way not in seen)
        seen.update(ways)
        if ways:
            kept.append(replace(one, ways=ways))
    return tuple(kept)


def _by_holder(fact: Fact, record: Record) -> bool:
    return record.holder is not None and fact.actor == _PERSON + record.holder


def known_ways(contact: Contact) -> tuple[Way, ...]:
    """Every way to somebody, e-mail first."""
    held = ((Channel.EMAIL, contact.email), (Channel.SMS, contact.mobile))
    return tuple(Way(channel, address) for channel, address in held if address)


def _ways(
    contact: Contact, preferences: Preferences, topic: Topic
) -> tuple[tuple[Way, ...], tuple[Way, ...]] | None:
    """The ways to use and the spare ones; None for who chose not to be told.

    Of a choice that names no way we know, the way that works is used: only an empty choice is
    silence, and of what is always told there is none.
    """
    known = known_ways(contact)
    chosen = preferences.channels.get(topic)
    if chosen is not None and not chosen and topic not in ALWAYS_TOLD:
        return None
    ways = tuple(way for way in known if chosen and way.channel in chosen)
    if not ways:
        ways = tuple(way for way in known if way.channel == contact.channel)
    return ways, tuple(way for way in known if way not in ways)


def professionals_to_tell(
    fact: Fact, consents: Sequence[Consent], now: datetime
) -> tuple[str, ...]:
    """The médecins traitants and delegates to be told of an emergency, by PS_IdNat, in order.

    Not who acted, nor a blocked one. `consents` are those of the fact's record.
    """
    if fact.subject is not Subject.EMERGENCY_ACCESSED:
        return ()
    about = sorted(
        ((one.professional, one.decision) for one in consents if one.professional),
        key=lambda pair: pair[0],
    )
    found = []
    for professional, pairs in groupby(about, key=lambda pair: pair[0]):
        decided = ActorConsents(tuple(decision for _, decision in pairs))
        watches = decided.medecin_traitant(now) or decided.delegate(now)
        acted = fact.actor == _PROFESSIONAL + professional
        if watches and not decided.blocked(now) and not acted:
            found.append(professional)
    return tuple(found)


def professional_recipient(professional: str, email: str | None) -> Recipient:
    """A professional, told at the address they gave for it (MSSanté or another), if they did."""
    ways = (Way(Channel.EMAIL, email),) if email else ()
    return Recipient(f"professional.{professional}", Role.PROFESSIONAL, ways)


def paris_time(moment: datetime) -> tuple[str, str]:
    """A UTC moment as people in France read it: `("14/03/2026", "09:05")`."""
    local = moment.astimezone(PARIS)
    return f"{local:%d/%m/%Y}", f"{local:%H:%M}"
