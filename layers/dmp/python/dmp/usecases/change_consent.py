"""Change or end a decision that was recorded: withdraw it, lift a block, move its period.

The holder, and who represents them, change every decision. A professional gives back what was
given to them and changes the period of what they may record. A block is lifted by nobody but the
holder's side, and what it ended stays ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from dmp.domain.access import Action
from dmp.domain.actors import Actor, Professional, key_of
from dmp.domain.consents import (
    ABOUT_A_PROFESSIONAL,
    OPENING_KINDS,
    SETTING_KINDS,
    ActorConsents,
    Change,
    Consent,
    Decision,
    Kind,
    Turn,
    split_consent_id,
)
from dmp.domain.errors import Conflict, DmpError, Fault, Forbidden, Invalid, StaleVersion
from dmp.domain.ids import new_ulid
from dmp.domain.traces import Act, Outcome
from dmp.usecases.gate import Gate, Passage
from dmp.usecases.grant_access import (
    ATTEMPTS,
    GIVING,
    PERIOD,
    TAKEN,
    Consents,
    Durations,
    Recorded,
    Wish,
    as_read,
    barred,
    default_end,
    done,
    ended_by,
    only_people,
    period_faults,
    represented,
    word_of,
)

_ENDING = {
    **dict.fromkeys(ABOUT_A_PROFESSIONAL, Action.WITHDRAW),
    Kind.BLOCK: Action.LIFT_BLOCK,
    **dict.fromkeys(SETTING_KINDS, Action.CHANGE_SETTINGS),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a decision is to be: whether it stands, and its period."""

    active: bool
    since: datetime
    until: datetime | None


Amend = Callable[[Consent], Asked]
"""What is asked, of the decision that stands; may refuse with a DmpError."""


@dataclass(frozen=True, slots=True)
class ChangeConsent:
    gate: Gate
    consents: Consents
    durations: Durations

    def __call__(
        self,
        actor: Actor,
        name: str,
        amend: Amend,
        now: datetime,
        expected: int | None = None,
    ) -> Recorded:
        """The decision `name` as it stands after the change; the same change again is none.

        NotFound for who may not read that decision, Forbidden for who may read and not change it
        (and for an actor who never decides), StaleVersion when another version stands than
        `expected`, what `amend` raises, Invalid for a period that cannot be and for a withdrawn
        decision that is to stand again, Conflict when others kept changing the same decisions.
        """
        only_people(self.gate, actor, now)
        place = split_consent_id(name)
        if place is None:
            self.gate.miss(actor, Act.CHANGE_CONSENT, now)
        record_id, kind, professional = place
        situation = self.gate.look(actor, record_id, now)
        if situation is None:
            self.consents.about(record_id, professional)  # what a refusal reads too
            self.gate.miss(actor, Act.CHANGE_CONSENT, now)
        own = actor.id if isinstance(actor, Professional) else None
        for _ in range(ATTEMPTS):
            stood = self.consents.about(record_id, professional)
            seen = self.gate.ask(
                actor,
                Action.READ_CONSENTS,
                as_read(situation, actor, professional, stood),
                now,
                about=own,
            )
            seeing = own in {None, professional} and not barred(actor, professional, stood, now)
            decision = stood.of(kind) if kind in TAKEN and seeing else None
            if not seen.answer.allowed or decision is None:
                self.gate.refuse(seen, Act.CHANGE_CONSENT, now, name)
            if expected is not None and decision.version != expected:
                self.gate.fail(seen, Act.CHANGE_CONSENT, StaleVersion(), now, name)
            consent = Consent(record_id, professional, decision)
            try:
                asked = amend(consent)
            except DmpError as error:
                self.gate.fail(seen, Act.CHANGE_CONSENT, error, now, name)
            passage = self._allowed(seen, consent, asked, now)
            recorded = self._record(passage, consent, asked, stood, now)
            if recorded is not None:
                return recorded
        return self.gate.fail(passage, Act.CHANGE_CONSENT, Conflict(), now, name)

    def _allowed(self, seen: Passage, consent: Consent, asked: Asked, now: datetime) -> Passage:
        action = (GIVING if asked.active else _ENDING)[consent.decision.kind]
        passage = self.gate.ask(seen.actor, action, seen.situation, now, about=consent.professional)
        if not passage.answer.allowed:
            self.gate.trace(passage, Act.CHANGE_CONSENT, Outcome.REFUSED, now, target=consent.id)
            raise Forbidden
        return passage

    def _record(
        self,
        passage: Passage,
        consent: Consent,
        asked: Asked,
        stood: ActorConsents,
        now: datetime,
    ) -> Recorded | None:
        """None when somebody else changed the decisions in between."""
        before = consent.decision
        if asked == Asked(before.active, before.since, before.until):
            self.gate.trace(passage, Act.CHANGE_CONSENT, Outcome.DONE, now, target=consent.id)
            return Recorded(consent, None)
        faults = _faults(consent, asked, now)
        if faults:
            self.gate.fail(passage, Act.CHANGE_CONSENT, Invalid(*faults), now, consent.id)
        after = (
            self._moved(passage, before, asked, now)
            if asked.active
            else ended_by(before, passage, now)
        )
        turn = Turn.CHANGED if asked.active else Turn.WITHDRAWN
        change = Change(new_ulid(now), now, turn, replace(consent, decision=after))
        trace = done(passage, consent.id, now)
        if self.consents.save(stood, stood.having(after), [change], trace):
            return Recorded(change.consent, turn)
        return None

    def _moved(self, passage: Passage, before: Decision, asked: Asked, now: datetime) -> Decision:
        actor, until = passage.actor, asked.until
        if until is None and before.kind is Kind.AUTHORISATION and isinstance(actor, Professional):
            until = default_end(self.durations, actor, max(asked.since, now), None)
        return replace(
            before,
            since=asked.since,
            until=until,
            recorded_by=key_of(actor),
            recorded_at=now,
            represented=represented(actor, passage.record),
            proof=word_of(actor),
            version=before.version + 1,
        )


def _faults(consent: Consent, asked: Asked, now: datetime) -> list[Fault]:
    before = consent.decision
    moved = (asked.since, asked.until) != (before.since, before.until)
    if asked.active and not before.active:
        return [Fault("Consent.status", "withdrawn", "what was withdrawn is recorded anew")]
    if not asked.active:
        told = Fault(PERIOD, "unexpected", "what is withdrawn keeps its period")
        return [told] if moved else []
    if moved and before.kind not in OPENING_KINDS:
        return [Fault(PERIOD, "unexpected", "it lasts until it is withdrawn")]
    wish = Wish(consent.record_id, before.kind, consent.professional, asked.since, asked.until)
    return period_faults(wish, now)
