"""Learn in which structure an authorised professional acts, from what they did under it.

A holder names the professional, seldom the structure: their colleagues there are presumed
authorised from the professional's first access with a token that names it. Nobody decided anything
then: the decision keeps its version and its history, nobody is told, and the age of the presumption
counts from the authorisation. A trace says that the service did it.

An emergency teaches nothing, and neither does an access without an authorisation of one's own: as
médecin traitant, as a delegate, as an author, or presumed oneself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dmp.domain.consents import ActorConsents, Consent
from dmp.domain.errors import Busy
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Outcome, Trace

SERVICE = "service#care-teams"
ATTEMPTS = 4


class Consents(Protocol):
    def about(self, record_id: str, professional: str | None) -> ActorConsents:
        """The decisions about one professional, as they stand."""

    def settle(self, stood: ActorConsents, consent: Consent, trace: Trace) -> bool:
        """The decision with its structure and the trace; False when `stood` no longer stands."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A professional (PS_IdNat) read in a record at a moment, in no emergency, acting in a
    structure (FINESS)."""

    record_id: str
    professional: str
    structure: str
    at: datetime


@dataclass(frozen=True, slots=True)
class JoinCareTeam:
    consents: Consents

    def __call__(self, seen: Seen, now: datetime) -> bool:
        """Whether something was learnt; the same access again teaches nothing. What is decided
        meanwhile wins. Busy when others kept changing the same decisions."""
        for _ in range(ATTEMPTS):
            stood = self.consents.about(seen.record_id, seen.professional)
            settled = stood.settled(seen.structure, seen.at, now)
            if settled is None:
                return False
            consent = Consent(seen.record_id, seen.professional, settled)
            if self.consents.settle(stood, consent, _trace(consent, now)):
                return True
        raise Busy("others keep changing the same decisions")


def _trace(consent: Consent, now: datetime) -> Trace:
    return Trace(
        id=new_ulid(now),
        at=now,
        act=Act.JOIN_CARE_TEAM,
        outcome=Outcome.DONE,
        actor=SERVICE,
        record_id=consent.record_id,
        target=consent.id,
        structure=consent.decision.structure,
    )
