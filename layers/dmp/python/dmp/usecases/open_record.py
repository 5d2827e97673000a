"""Open a person's record, once, with their consent: the identity comes from a card or the INSi
service, the channel from the token."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from dmp.domain.actors import (
    PHARMACIST,
    Actor,
    Agent,
    AgentRole,
    Professional,
    System,
    key_of,
)
from dmp.domain.consents import OpeningConsent
from dmp.domain.contacts import contact_faults, international
from dmp.domain.directory import Insured, directory_faults
from dmp.domain.errors import (
    Busy,
    ConsentRequired,
    Deceased,
    DmpError,
    Fault,
    Forbidden,
    Invalid,
    InvalidIns,
    NotInsured,
    RecordExists,
    SchemeNotServed,
    TraitsMismatch,
)
from dmp.domain.identity import (
    LENIENT_OIDS,
    Ins,
    InsuredNumber,
    Traits,
    ins_faults,
    insured_faults,
    key_forgiven,
    mismatch_faults,
    trait_faults,
)
from dmp.domain.ids import new_record_id
from dmp.domain.records import Channel, Contact, Record, RecordStatus, Scheme, Source
from dmp.domain.representatives import Naming, named, naming_faults, twice_faults
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.ports import Traces

KEY_FORGIVEN = "key-forgiven"
SCHEME_OF_DIRECTORY = "scheme-of-directory"
REPRESENTATIVES = "representatives"

_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that its caller may send again: the key they gave it, and the body they sent, in
    one canonical form. The same key with another body is refused."""

    key: str
    body: str


@dataclass(frozen=True, slots=True)
class Application:
    """What was asked at the counter, as far as it could be read.

    A part that could not be read is None and has its fault in `faults`, so that the caller is
    told of everything at once (each of the `representatives` is such a part); an absent `insured`
    is the INS itself, under rank 1.
    """

    ins: Ins | None
    traits: Traits | None
    scheme: Scheme | None
    consent: OpeningConsent | None
    source: Source | None
    insured: InsuredNumber | None = None
    contact: Contact = field(default_factory=Contact)
    faults: tuple[Fault, ...] = ()
    repeatable: Repeatable | None = None
    representatives: tuple[Naming | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """A record opened, and what its opener must be warned of. `repeated` when an earlier request
    under the same key opened it."""

    record: Record
    warnings: tuple[str, ...] = ()
    repeated: bool = False


class Register(Protocol):
    def open(
        self,
        opening: Opening,
        consent: OpeningConsent,
        trace: Trace,
        repeatable: Repeatable | None = None,
    ) -> Opening:
        """Record, consents, trace and answer in one transaction; the earlier opening when the
        same request was answered before. Raises RecordExists, IdempotencyKeyReused or Busy."""


class Directory(Protocol):
    def of(self, ins: Ins) -> Insured | None:
        """What the insurance funds know of a person."""


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """`lenient` is the stage's identity mode: wrong keys pass under the test and demonstration
    OIDs, with a warning, and whoever has such a number counts as insured. `majority` in years."""

    register: Register
    directory: Directory
    traces: Traces
    lenient: bool
    majority: int

    def __call__(self, actor: Actor, application: Application, now: datetime) -> Opening:
        try:
            opening = self._opening(actor, application, now)
        except DmpError as error:
            outcome = Outcome.FAILED if isinstance(error, Busy) else Outcome.REFUSED
            met = error.record_id if isinstance(error, RecordExists) else None
            self.traces.write(trace_of(actor, Act.OPEN_RECORD, outcome, now, record_id=met))
            raise
        if opening.repeated:
            told = opening.record.id
            self.traces.write(trace_of(actor, Act.READ_RECORD, Outcome.DONE, now, record_id=told))
        return opening

    def _opening(self, actor: Actor, application: Application, now: datetime) -> Opening:
        channel = channel_of(actor)
        record, consent = self._accepted(actor, channel, application, now)
        known = self.directory.of(record.ins)
        _refuse(directory_faults(known, record.ins, record.traits, lenient=self.lenient))
        warnings = [KEY_FORGIVEN] if key_forgiven(record.ins) else []
        if known is not None and known.scheme != record.scheme.value:
            warnings.append(SCHEME_OF_DIRECTORY)
            record = replace(record, scheme=Scheme(known.scheme))
        if known is not None and record.contact.channel is None:
            record = replace(record, contact=known.contact)
        trace = trace_of(actor, Act.OPEN_RECORD, Outcome.DONE, now, record_id=record.id)
        opening = Opening(record, tuple(warnings))
        return self.register.open(opening, consent, trace, application.repeatable)

    def _accepted(
        self, actor: Actor, channel: Channel, application: Application, now: datetime
    ) -> tuple[Record, OpeningConsent]:
        """The record to be, once nothing is wrong with any part of the application."""
        _refuse([*application.faults, *self._faults(application, now)])
        ins, traits, consent = application.ins, application.traits, application.consent
        scheme = application.scheme
        if ins is None or traits is None or consent is None or scheme is None:
            raise ValueError("an application lacks a part without saying so")
        contact = application.contact
        mobile = international(contact.mobile) if contact.mobile else None
        record = Record(
            id=new_record_id(),
            ins=ins,
            traits=traits,
            insured=application.insured or InsuredNumber(ins.matricule),
            scheme=scheme,
            status=RecordStatus.OPEN,
            channel=channel,
            opened_at=now,
            opened_by=key_of(actor),
            contact=replace(contact, mobile=mobile),
            source=application.source,
            structure=_finess(actor),
            caisse=actor.caisse if isinstance(actor, Agent) else None,
            representatives=tuple(named(one, now) for one in application.representatives if one),
        )
        return record, consent

    def _faults(self, application: Application, now: datetime) -> list[Fault]:
        ins, traits = application.ins, application.traits
        faults = contact_faults(application.contact)
        number = ins_faults(ins, lenient=self.lenient) if ins else []
        faults += number
        if traits:
            faults += trait_faults(traits, now.date())
        if ins and traits and not number:
            faults += mismatch_faults(ins, traits)
        if traits:
            faults += self._representatives_faults(application.representatives, traits, now)
        if application.insured:
            forgiving = self.lenient and ins is not None and ins.oid in LENIENT_OIDS
            faults += insured_faults(application.insured, lenient=forgiving)
        if application.consent and not application.consent.opening:
            faults.append(Fault("consent.opening", "consent-required", "no record without consent"))
        if application.repeatable and not _KEY.fullmatch(application.repeatable.key):
            faults.append(Fault("Idempotency-Key", "form", "1 to 255 printable ASCII characters"))
        return faults

    def _representatives_faults(
        self, namings: tuple[Naming | None, ...], holder: Traits, now: datetime
    ) -> list[Fault]:
        faults = twice_faults(namings, at=REPRESENTATIVES)
        for number, one in enumerate(namings):
            if one is not None:
                at = f"{REPRESENTATIVES}[{number}]"
                faults += naming_faults(one, holder, now, self.majority, at=at)
        return faults


def channel_of(actor: Actor) -> Channel:
    """The channel of an opening, from the token alone; Forbidden for those who may not open."""
    match actor:
        case Professional(profession=profession):
            return Channel.PHARMACIST if profession == PHARMACIST else Channel.PROFESSIONAL
        case System():
            return Channel.ESTABLISHMENT
        case Agent(role=AgentRole.ENROLMENT):
            return Channel.CAISSE
    raise Forbidden


def _finess(actor: Actor) -> str | None:
    if isinstance(actor, Professional | System) and actor.structure:
        return actor.structure.finess
    return None


def _refuse(faults: list[Fault]) -> None:
    """Raise the most specific refusal that all faults share, if there are any."""
    kinds = {_kind(fault) for fault in faults}
    if len(kinds) == 1:
        raise kinds.pop()(*faults)
    if kinds:
        raise Invalid(*faults)


def _kind(fault: Fault) -> type[Invalid]:
    by_code: dict[str, type[Invalid]] = {
        "contradicts-matricule": TraitsMismatch,
        "contradicts-directory": TraitsMismatch,
        "consent-required": ConsentRequired,
        "scheme-not-served": SchemeNotServed,
        "not-insured": NotInsured,
        "deceased": Deceased,
    }
    part = fault.path.partition(".")[0]
    if fault.code in by_code:
        return by_code[fault.code]
    if part == "ins":
        return InvalidIns
    if part == "consent" and fault.code == "required":
        return ConsentRequired
    return Invalid
