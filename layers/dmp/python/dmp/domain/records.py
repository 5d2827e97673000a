"""A record: whose it is, how it was opened, and how far its history has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from dmp.domain.identity import Ins, InsuredNumber, Traits


class RecordStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Channel(StrEnum):
    """Derived from the token, never sent."""

    PHARMACIST = "pharmacist"
    PROFESSIONAL = "professional"
    ESTABLISHMENT = "establishment"
    CAISSE = "caisse"
    PATIENT = "patient"


class HistoryStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    COMPLETE = "complete"
    EMPTY = "empty"
    FAILED = "failed"

    def may_become(self, after: HistoryStatus) -> bool:
        """The steps of an import: it runs, it ends, and one that failed may run again."""
        return after in _NEXT[self]


_NEXT = {
    HistoryStatus.PENDING: {HistoryStatus.RUNNING, HistoryStatus.FAILED},
    HistoryStatus.RUNNING: {HistoryStatus.COMPLETE, HistoryStatus.EMPTY, HistoryStatus.FAILED},
    HistoryStatus.COMPLETE: set(),
    HistoryStatus.EMPTY: set(),
    HistoryStatus.FAILED: {HistoryStatus.RUNNING},
}


class Scheme(StrEnum):
    """The schemes served in 2018."""

    REGIME_GENERAL = "regime-general"
    CAVIMAC = "cavimac"
    ENIM = "enim"
    MGP = "mgp"
    MNH = "mnh"
    SOLSANTIS = "solsantis"
    HFP = "hfp"
    CANSSM = "canssm"
    LMDE = "lmde"


class Source(StrEnum):
    """Where the qualified identity was read: a card, its mobile form, or the INSi service."""

    CARTE_VITALE = "carte-vitale"
    APCV = "apcv"
    INSI = "insi"


@dataclass(frozen=True, slots=True)
class Contact:
    """Where the holder is told things. `preferred` is `email` or `mobile`."""

    email: str | None = None
    mobile: str | None = None
    preferred: str | None = None

    @property
    def channel(self) -> str | None:
        """The way that works: the preferred one if it is held, else the one that is."""
        held = [name for name in ("email", "mobile") if getattr(self, name)]
        if self.preferred in held:
            return self.preferred
        return held[0] if held else None


class Basis(StrEnum):
    """Why somebody represents the holder."""

    PARENTAL_AUTHORITY = "parental-authority"
    """Until the holder is of age."""
    GUARDIANSHIP = "guardianship"
    """By a judge's decision, until its end."""


@dataclass(frozen=True, slots=True)
class Representative:
    """Somebody who acts in the holder's name, known by their strict traits.

    `until` is the end of a guardianship (None: none is known); parental authority ends by itself.
    `id` names the entry in its record and says nothing of the person.
    """

    traits: Traits
    basis: Basis
    since: datetime
    contact: Contact = field(default_factory=Contact)
    until: datetime | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One person's record.

    `source` says how the identity was read (None for the openings that read no card), `structure`
    and `caisse` who opened it: a FINESS number, a fund. `holder` is the keyed reference of the
    patient's token subject once bound, `bound_at` when that was, on their first visit. `version`
    counts every change and is the condition of the next one.
    """

    id: str
    ins: Ins
    traits: Traits
    insured: InsuredNumber
    scheme: Scheme
    status: RecordStatus
    channel: Channel
    opened_at: datetime
    opened_by: str
    contact: Contact = field(default_factory=Contact)
    source: Source | None = None
    structure: str | None = None
    caisse: str | None = None
    holder: str | None = None
    bound_at: datetime | None = None
    history: HistoryStatus = HistoryStatus.PENDING
    history_reason: str | None = None
    closed_at: datetime | None = None
    representatives: tuple[Representative, ...] = ()
    version: int = 1
