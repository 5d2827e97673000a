"""Who acts. An actor is what a verified token said, and nothing that a request added."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from dmp.domain.identity import Traits, fold

DOCTOR = "10"
PHARMACIST = "21"
LEAST_LETTERS = 10
LEAST_DIFFERENT = 5


@dataclass(frozen=True, slots=True)
class Structure:
    """A health structure, by the number of its site in the FINESS register (9 characters)."""

    finess: str
    sector: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Professional:
    """A health professional authenticated by Pro Santé Connect.

    `id` is the national number PS_IdNat ("8" and the RPPS), `profession` a code of table G15,
    `specialty` of table R01 (SM54 is general practice).
    """

    id: str
    profession: str
    specialty: str | None = None
    structure: Structure | None = None
    emergency_reason: str | None = None
    regulation: bool = False

    kind = "professional"


@dataclass(frozen=True, slots=True)
class Person:
    """A patient or relative authenticated by FranceConnect+, with the traits it vouches for.

    `reference` is the keyed hash of issuer and subject, never the subject itself; `names` are
    all given names in order.
    """

    reference: str
    family_name: str
    names: tuple[str, ...]
    birth_date: date
    sex: str
    birth_place: str

    kind = "patient"

    @property
    def traits(self) -> Traits:
        return Traits(self.family_name, self.names, self.birth_date, self.sex, self.birth_place)


class AgentRole(StrEnum):
    ENROLMENT = "enrolment"
    OPERATIONS = "operations"


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody of an insurance fund or of the service's operations; `caisse` is the fund."""

    id: str
    role: AgentRole
    caisse: str

    kind = "agent"


@dataclass(frozen=True, slots=True)
class System:
    """A health structure's software, authenticated by the structure's certificate."""

    structure: Structure

    kind = "system"

    @property
    def id(self) -> str:
        return f"1{self.structure.finess}"


@dataclass(frozen=True, slots=True)
class Feeder:
    """The insurer's automatic feeder (ALIM_AM): it writes the reimbursement history, alone."""

    id: str = "ALIM_AM"

    kind = "feeder"


Actor = Professional | Person | Agent | System | Feeder


def key_of(actor: Actor) -> str:
    """How an actor is named in a trace or a right: `professional#899700218896`, `patient#<hash>`.

    A patient is named by the keyed hash of the subject, so that no trace holds an identity.
    """
    reference = actor.reference if isinstance(actor, Person) else actor.id
    return f"{actor.kind}#{reference}"


def gives_reason(professional: Professional) -> bool:
    """Whether the emergency reason has substance: ten letters at least, of five kinds at least.

    Case and accents make no difference; digits, blanks and signs count for nothing. Whether the
    words are true is for people, who follow every emergency up (`domain.emergencies`). *Assumed.*
    """
    reason = professional.emergency_reason
    if not reason:
        return False
    letters = sum(character.isalpha() for character in reason)
    different = set(fold(reason)) - {" "}
    return letters >= LEAST_LETTERS and len(different) >= LEAST_DIFFERENT
