"""What the holder decided: who may read, who never may, and what an emergency may do.

A decision is about one professional (authorisation, block, médecin traitant, delegate) or about
the record itself (the two oppositions, masked documents in an emergency). A consent's id says
which: `<recordId>.<kind>.<PS_IdNat>` or `<recordId>.<kind>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from dmp.domain.ids import is_record_id


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


ABOUT_A_PROFESSIONAL = frozenset(
    {Kind.AUTHORISATION, Kind.BLOCK, Kind.MEDECIN_TRAITANT, Kind.DELEGATE}
)
SETTING_KINDS = frozenset(
    {Kind.BREAK_GLASS_OPPOSITION, Kind.CENTRE_15_OPPOSITION, Kind.MASKED_IN_EMERGENCY}
)
OPENING_KINDS = ABOUT_A_PROFESSIONAL - {Kind.BLOCK}
"""What opens a record to somebody; a block ends all of it, and none is given while one stands."""
DENIALS = frozenset({Kind.BLOCK, Kind.BREAK_GLASS_OPPOSITION, Kind.CENTRE_15_OPPOSITION})
"""Kinds whose active form refuses something (FHIR `provision.type` deny); the others permit."""

_PS_ID = re.compile(r"[0-9A-Za-z]{1,32}")


class AuthorisationState(StrEnum):
    """How TD0.2 names a professional's authorisation on a record."""

    NONE = "NON_EXISTE"
    FORBIDDEN = "INTERDIT"
    EXPIRED = "EXPIRE"
    VALID = "VALIDE"


class ProofKind(StrEnum):
    """How it is known that the patient agreed."""

    SELF = "self"
    """The holder, or who represents them, decided with their own token."""
    DECLARED = "declared"
    """The professional declares it, under their own token; the holder is told at once."""
    VERIFIED = "verified"
    """The professional verified it with the patient, on a date."""
    DOCUMENT = "document"
    """A document of this record holds it (a signed form)."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that the patient agreed: `at` the date of a verification, `document` the id of a
    document of the same record."""

    kind: ProofKind
    at: datetime | None = None
    document: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about one professional: since when, until when, recorded when and by whom.

    `structure` is the FINESS of the structure where that professional acts, when it is known: said
    with the decision, or when that professional records it again, which makes no new version.
    `represented` says that whoever recorded it acted in the holder's name. `recorded_at` is None
    for what was recorded before it was kept.
    """

    kind: Kind
    since: datetime
    recorded_by: str
    until: datetime | None = None
    active: bool = True
    version: int = 1
    structure: str | None = None
    proof: Proof | None = None
    recorded_at: datetime | None = None
    represented: bool = False

    @property
    def at(self) -> datetime:
        """When it was last given or changed, as far as that is known."""
        return self.recorded_at or self.since

    def lasts(self, now: datetime) -> bool:
        """Neither withdrawn nor over; one that only begins later lasts too."""
        return self.active and (self.until is None or now < self.until)

    def holds(self, now: datetime) -> bool:
        """Active and not past its end."""
        return self.lasts(now) and self.since <= now


@dataclass(frozen=True, slots=True)
class ActorConsents:
    """All decisions of one record about one professional, at most one of each kind.

    The decisions about the record itself have the same form. `version` counts the writes of the
    whole and is the condition of the next one; 0 means that nothing was ever decided.
    """

    decisions: tuple[Decision, ...] = ()
    version: int = 0

    def having(self, *decided: Decision) -> ActorConsents:
        """The next version, with decisions added or put in the place of those of their kinds."""
        kinds = {decision.kind for decision in decided}
        others = tuple(d for d in self.decisions if d.kind not in kinds)
        return replace(self, decisions=(*others, *decided), version=self.version + 1)

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

    def delegate(self, now: datetime) -> bool:
        """Whether the holder gave this professional the rights of a médecin traitant."""
        held = self.of(Kind.DELEGATE)
        return held is not None and held.holds(now)

    @property
    def authorised_at(self) -> datetime | None:
        """The moment of the newest decision that opens the record and was not ended, though it
        may be over; None without one."""
        return max(
            (d.at for d in self.decisions if d.active and d.kind in OPENING_KINDS), default=None
        )

    @property
    def objected(self) -> bool:
        """Whether an authorisation was taken back, or a block stands: no presumption then."""
        granted, block = self.of(Kind.AUTHORISATION), self.of(Kind.BLOCK)
        return (granted is not None and not granted.active) or (block is not None and block.active)


@dataclass(frozen=True, slots=True)
class Member:
    """An authorised professional of a care team: since when and until when."""

    professional: str
    since: datetime
    until: datetime | None = None

    @classmethod
    def by(cls, decision: Decision, professional: str) -> Member:
        """What an authorisation makes of somebody: its age counts from when it was last given."""
        return cls(professional, max(decision.since, decision.at), decision.until)


@dataclass(frozen=True, slots=True)
class CareTeam:
    """The professionals of one structure whom the holder authorised on one record."""

    members: tuple[Member, ...] = ()

    def presumes(self, professional: str, now: datetime, lasting: timedelta) -> bool:
        """Whether a colleague's authorisation, not older than `lasting`, still holds now."""
        return any(
            member.professional != professional
            and member.since <= now < member.since + lasting
            and (member.until is None or now < member.until)
            for member in self.members
        )


NO_TEAM = CareTeam()


@dataclass(frozen=True, slots=True)
class Settings:
    """The record's own settings: the two independent oppositions, and masked documents."""

    opposes_break_glass: bool = False
    opposes_centre_15: bool = False
    masked_in_emergency: bool = False
    version: int = 0

    @classmethod
    def of(cls, decided: ActorConsents) -> Settings:
        """What the decisions about the record itself amount to; oppositions have no end."""
        held = {d.kind for d in decided.decisions if d.active}
        return cls(
            opposes_break_glass=Kind.BREAK_GLASS_OPPOSITION in held,
            opposes_centre_15=Kind.CENTRE_15_OPPOSITION in held,
            masked_in_emergency=Kind.MASKED_IN_EMERGENCY in held,
            version=decided.version,
        )


@dataclass(frozen=True, slots=True)
class OpeningConsent:
    """The three consents taken at opening, each on its own."""

    opening: bool
    opposes_break_glass: bool
    opposes_centre_15: bool

    def decisions(self, recorded_by: str, now: datetime) -> ActorConsents:
        """The oppositions as decisions about the record itself."""
        opposed = (
            (self.opposes_break_glass, Kind.BREAK_GLASS_OPPOSITION),
            (self.opposes_centre_15, Kind.CENTRE_15_OPPOSITION),
        )
        return ActorConsents(
            tuple(
                Decision(kind, now, recorded_by, recorded_at=now) for said, kind in opposed if said
            ),
            version=1,
        )


@dataclass(frozen=True, slots=True)
class Consent:
    """One decision in its place: of which record, about which professional (None: the record)."""

    record_id: str
    professional: str | None
    decision: Decision

    @property
    def id(self) -> str:
        return consent_id(self.record_id, self.decision.kind, self.professional)


@dataclass(frozen=True, slots=True)
class Granted:
    """A record that decisions open, or opened, to one professional; `at` is
    `consents.authorised_at`."""

    record_id: str
    at: datetime
    consents: ActorConsents


class Turn(StrEnum):
    """What happened to a decision; OVERRIDDEN is what a block does to an authorisation."""

    AT_OPENING = "at-opening"
    GIVEN = "given"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history of a record's consents: what a decision became, and by whom."""

    id: str
    at: datetime
    turn: Turn
    consent: Consent


def consent_id(record_id: str, kind: Kind, professional: str | None) -> str:
    """`7h3k….authorisation.899700218896`, `7h3k….break-glass-opposition`."""
    return ".".join(part for part in (record_id, kind.value, professional) if part)


def split_consent_id(value: str) -> tuple[str, Kind, str | None] | None:
    """Record, kind and professional; None for what cannot be one of our consent ids."""
    record_id, _, rest = value.partition(".")
    code, _, professional = rest.partition(".")
    if not is_record_id(record_id) or code not in {kind.value for kind in Kind}:
        return None
    kind = Kind(code)
    if kind in ABOUT_A_PROFESSIONAL:
        return (record_id, kind, professional) if _PS_ID.fullmatch(professional) else None
    return None if professional else (record_id, kind, None)
