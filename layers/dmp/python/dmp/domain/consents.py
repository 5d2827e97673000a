"""What the holder decided: who may read, who never may, and what an emergency may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """The decisions a holder takes, coded `urn:dmp:consent` in FHIR."""

    AUTHORISATION = "authorisation"
    BLOCK = "block"
    MEDECIN_TRAITANT = "medecin-traitant"
    DELEGATE = "delegate"
    BREAK_GLASS_OPPOSITION = "break-glass-opposition"
    CENTRE_15_OPPOSITION = "centre15-opposition"
    MASKED_IN_EMERGENCY = "masked-in-emergency"
    MASKED_HISTORY = "masked-history"


class AuthorisationState(StrEnum):
    """How TD0.2 names a professional's authorisation on a record."""

    NONE = "NON_EXISTE"
    FORBIDDEN = "INTERDIT"
    EXPIRED = "EXPIRE"
    VALID = "VALIDE"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one professional: since when, until when, recorded by whom."""

    kind: Kind
    since: datetime
    recorded_by: str
    until: datetime | None = None
    active: bool = True
    version: int = 1

    def holds(self, now: datetime) -> bool:
        """Active and not past its end."""
        return self.active and self.since <= now and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class ActorConsents:
    """All decisions of one record about one professional, at most one of each kind."""

    decisions: tuple[Decision, ...] = ()
    version: int = 0

    def of(self, kind: Kind) -> Decision | None:
        return next((d for d in self.decisions if d.kind is kind), None)

    def blocked(self, now: datetime) -> bool:
        block = self.of(Kind.BLOCK)
        return block is not None and block.holds(now)

    def authorisation(self, now: datetime) -> AuthorisationState:
        """A block beats any authorisation; an authorisation past its end is EXPIRE."""
        if self.blocked(now):
            return AuthorisationState.FORBIDDEN
        granted = self.of(Kind.AUTHORISATION)
        if granted is None or not granted.active:
            return AuthorisationState.NONE
        return AuthorisationState.VALID if granted.holds(now) else AuthorisationState.EXPIRED

    def medecin_traitant(self, now: datetime) -> bool:
        held = self.of(Kind.MEDECIN_TRAITANT)
        return held is not None and held.holds(now)


@dataclass(frozen=True, slots=True)
class Settings:
    """The record's own settings: the two independent oppositions, and masked documents."""

    opposes_break_glass: bool = False
    opposes_centre_15: bool = False
    masked_in_emergency: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class OpeningConsent:
    """The three consents taken at opening, each on its own."""

    opening: bool
    opposes_break_glass: bool
    opposes_centre_15: bool
