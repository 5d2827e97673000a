"""Record what the holder decides: who may read, who never may, what an emergency may do.

The holder decides about anybody; a professional records, for themselves, the authorisation that
the patient gives at the time of care [arrêté 26 Oct 2023]. A block beats any authorisation, ends
the one that stood, and is lifted by nobody but the holder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Protocol

from dmp.domain.access import Action, Situation
from dmp.domain.actors import Actor, Person, Professional, key_of
from dmp.domain.consents import (
    ABOUT_A_PROFESSIONAL,
    SETTING_KINDS,
    ActorConsents,
    Change,
    Consent,
    Decision,
    Kind,
    Turn,
    consent_id,
)
from dmp.domain.errors import Conflict, Fault, Forbidden, Invalid
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.gate import Gate, Passage

_ACTIONS = {
    Kind.AUTHORISATION: Action.GRANT_AUTHORISATION,
    Kind.BLOCK: Action.BLOCK_PROFESSIONAL,
    **dict.fromkeys(SETTING_KINDS, Action.CHANGE_SETTINGS),
}
TAKEN = frozenset(_ACTIONS)
"""The kinds that can be recorded."""

_ATTEMPTS = 4
PERIOD = "Consent.provision.period"


class Consents(Protocol):
    def about(self, record_id: str, professional: str | None) -> ActorConsents:
        """The decisions about one professional, or about the record itself, as they stand."""

    def save(self, decided: ActorConsents, changes: Sequence[Change], trace: Trace) -> bool:
        """All or none; False when the version before `decided.version` is no longer there."""


class Durations(Protocol):
    def of(self, profession: str) -> timedelta:
        """How long an authorisation lasts that this profession records without an end."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A decision to record. `professional` is a PS_IdNat, None for a decision about the record;
    without `since` it begins now, without `until` it lasts as its kind lasts."""

    record_id: str
    kind: Kind
    professional: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def id(self) -> str:
        return consent_id(self.record_id, self.kind, self.professional)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The decision as it stands; `turn` is what became of it, None when nothing changed."""

    consent: Consent
    turn: Turn | None

    @property
    def given(self) -> bool:
        return self.turn is Turn.GIVEN


@dataclass(frozen=True, slots=True)
class GrantAccess:
    gate: Gate
    consents: Consents
    durations: Durations

    def __call__(self, actor: Actor, wish: Wish, now: datetime) -> Recorded:
        """The same wish again changes nothing.

        Forbidden for an actor who never decides, NotFound for one who may not decide here (a
        blocked professional included), Invalid for a period that cannot be, Conflict for an
        authorisation of a blocked professional and when others kept changing the same decisions.
        """
        if not isinstance(actor, Person | Professional):
            self.gate.traces.write(trace_of(actor, Act.CHANGE_CONSENT, Outcome.REFUSED, now))
            raise Forbidden
        situation = self.gate.situation(actor, wish.record_id, Act.CHANGE_CONSENT, now)
        for _ in range(_ATTEMPTS):
            stood = self.consents.about(wish.record_id, wish.professional)
            passage = self._allowed(actor, wish, _as_read(situation, actor, wish, stood), now)
            recorded = self._record(passage, wish, stood, now)
            if recorded is not None:
                return recorded
        raise Conflict

    def _allowed(self, actor: Actor, wish: Wish, situation: Situation, now: datetime) -> Passage:
        passage = self.gate.ask(actor, _ACTIONS[wish.kind], situation, now, about=wish.professional)
        if not passage.answer.allowed:
            self.gate.refuse(passage, Act.CHANGE_CONSENT, now, wish.id)
        return passage

    def _record(
        self, passage: Passage, wish: Wish, stood: ActorConsents, now: datetime
    ) -> Recorded | None:
        """None when somebody else changed the decisions in between."""
        block = stood.of(Kind.BLOCK)
        if wish.kind is Kind.AUTHORISATION and block is not None and lasts(block, now):
            # Also one that another request recorded meanwhile, and that begins after our `now`.
            self.gate.fail(passage, Act.CHANGE_CONSENT, Conflict(), now, wish.id)
        faults = period_faults(wish, now)
        if faults:
            self.gate.fail(passage, Act.CHANGE_CONSENT, Invalid(*faults), now, wish.id)
        decision = self._decision(passage.actor, wish, stood, now)
        before = stood.of(wish.kind)
        if decision == before:
            self.gate.trace(passage, Act.CHANGE_CONSENT, Outcome.DONE, now, target=wish.id)
            return Recorded(Consent(wish.record_id, wish.professional, decision), None)
        turn = Turn.CHANGED if before is not None and lasts(before, now) else Turn.GIVEN
        ended = overridden(stood, key_of(passage.actor)) if wish.kind is Kind.BLOCK else ()
        changes = [
            Change(new_ulid(now), now, what, Consent(wish.record_id, wish.professional, one))
            for one, what in ((decision, turn), *((one, Turn.OVERRIDDEN) for one in ended))
        ]
        trace = trace_of(
            passage.actor,
            Act.CHANGE_CONSENT,
            Outcome.DONE,
            now,
            record_id=wish.record_id,
            target=wish.id,
            mode=passage.mode,
            rules=passage.answer.rules,
            matrix=passage.answer.matrix,
        )
        if self.consents.save(stood.having(decision, *ended), changes, trace):
            return Recorded(changes[0].consent, turn)
        return None

    def _decision(self, actor: Actor, wish: Wish, stood: ActorConsents, now: datetime) -> Decision:
        """What the decision is to be; the very one that stands when the wish adds nothing."""
        before = stood.of(wish.kind)
        standing = before if before is not None and lasts(before, now) else None
        until = wish.until
        if until is None and wish.kind is Kind.AUTHORISATION and isinstance(actor, Professional):
            until = self._default_end(actor, wish.since or now, standing)
        since = wish.since or (standing.since if standing else now)
        if standing and (standing.since, standing.until) == (since, until):
            return standing
        return Decision(
            kind=wish.kind,
            since=since,
            until=until,
            recorded_by=key_of(actor),
            version=before.version + 1 if before else 1,
        )

    def _default_end(
        self, actor: Professional, since: datetime, standing: Decision | None
    ) -> datetime | None:
        """The profession's duration, to the day, and never sooner than what stands: the same
        consent recorded again on another day is renewed, on the same day it is the same."""
        end = datetime.combine((since + self.durations.of(actor.profession)).date(), time(), UTC)
        if standing is None:
            return end
        return None if standing.until is None else max(end, standing.until)


def lasts(decision: Decision, now: datetime) -> bool:
    """Neither withdrawn nor over; one that only begins later lasts too."""
    return decision.active and (decision.until is None or now < decision.until)


def overridden(stood: ActorConsents, by: str) -> tuple[Decision, ...]:
    """What a block ends, so that lifting it later revives nothing."""
    return tuple(
        replace(one, active=False, recorded_by=by, version=one.version + 1)
        for one in stood.decisions
        if one.active and one.kind in ABOUT_A_PROFESSIONAL - {Kind.BLOCK}
    )


def period_faults(wish: Wish, now: datetime) -> list[Fault]:
    """An authorisation may begin later and end; everything else holds from now until withdrawn."""
    faults = []
    if wish.kind is not Kind.AUTHORISATION:
        if wish.until is not None:
            faults.append(Fault(f"{PERIOD}.end", "unexpected", "it lasts until it is withdrawn"))
        if wish.since is not None and wish.since > now:
            faults.append(Fault(f"{PERIOD}.start", "in-the-future", "it holds from now on"))
        return faults
    if wish.until is not None and wish.until <= now:
        faults.append(Fault(f"{PERIOD}.end", "in-the-past", "it would be over already"))
    elif wish.until is not None and wish.since is not None and wish.until <= wish.since:
        faults.append(Fault(f"{PERIOD}.end", "before-start", "it would end before it begins"))
    return faults


def _as_read(situation: Situation, actor: Actor, wish: Wish, stood: ActorConsents) -> Situation:
    """With what was just read about the actor: a block that arrived in between counts."""
    own = isinstance(actor, Professional) and actor.id == wish.professional
    return replace(situation, consents=stood) if own else situation
