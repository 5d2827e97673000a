"""Record what the holder decides: who may read, who never may, what an emergency may do.

The holder, and who represents them, decide about anybody. A professional records, for themselves
and with its proof, what the patient tells them at the time of care: an authorisation, or that they
are the médecin traitant [arrêté 26 Oct 2023]; a médecin traitant or a delegate blocks others on
the patient's request. A block beats and ends whatever opened the record, and is lifted by nobody
but the holder's side (`change_consent`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from dmp.domain.access import Action, Situation
from dmp.domain.actors import Actor, Person, Professional, key_of
from dmp.domain.consents import (
    OPENING_KINDS,
    SETTING_KINDS,
    ActorConsents,
    Change,
    Consent,
    Decision,
    Kind,
    Proof,
    ProofKind,
    Turn,
    consent_id,
)
from dmp.domain.errors import Conflict, Fault, Forbidden, Invalid, StaleVersion
from dmp.domain.ids import new_ulid
from dmp.domain.records import Record
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.gate import Gate, Passage

GIVING = {
    Kind.AUTHORISATION: Action.GRANT_AUTHORISATION,
    Kind.BLOCK: Action.BLOCK_PROFESSIONAL,
    Kind.MEDECIN_TRAITANT: Action.NAME_MEDECIN_TRAITANT,
    Kind.DELEGATE: Action.NAME_DELEGATE,
    **dict.fromkeys(SETTING_KINDS, Action.CHANGE_SETTINGS),
}
"""What is asked of the policies when a decision is given or its period changed."""
TAKEN = frozenset(GIVING)
"""The kinds that can be recorded."""

ATTEMPTS = 4
PERIOD = "Consent.provision.period"
_CONVINCES = [ProofKind.DECLARED, ProofKind.VERIFIED, ProofKind.DOCUMENT, ProofKind.SELF]
"""Each says more than the ones before it."""


class Consents(Protocol):
    def about(self, record_id: str, professional: str | None) -> ActorConsents:
        """The decisions about one professional, or about the record itself, as they stand."""

    def save(
        self, stood: ActorConsents, decided: ActorConsents, changes: Sequence[Change], trace: Trace
    ) -> bool:
        """All or none; False when `stood` is no longer what stands."""


class Durations(Protocol):
    def of(self, profession: str) -> timedelta:
        """How long an authorisation lasts that this profession records without an end."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A decision to record. `professional` is a PS_IdNat, None for a decision about the record;
    without `since` it begins now, without `until` it lasts as its kind lasts.

    `structure` (FINESS) is where that professional acts, as far as whoever records it says so.
    `verified` and `verified_at` say that the patient's consent was verified with them, `document`
    names a document of the record that holds it.
    """

    record_id: str
    kind: Kind
    professional: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    structure: str | None = None
    verified: bool = False
    verified_at: datetime | None = None
    document: str | None = None

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
    """Its gate reads documents too: one may be the proof."""

    gate: Gate
    consents: Consents
    durations: Durations

    def __call__(
        self, actor: Actor, wish: Wish, now: datetime, expected: int | None = None
    ) -> Recorded:
        """The same wish again changes nothing. `expected` is the version that has to stand, 0 for
        none, None for any.

        Forbidden for an actor who never decides, NotFound for one who may not decide here (a
        blocked professional included), Invalid for a period that cannot be or a proof that is
        none, StaleVersion when another version stands than expected, Conflict for what would open
        the record to a blocked professional and when others kept changing the same decisions.
        """
        only_people(self.gate, actor, now)
        situation = self.gate.look(actor, wish.record_id, now, wish.document)
        if situation is None:
            self.consents.about(wish.record_id, wish.professional)  # what a refusal reads too
            self.gate.miss(actor, Act.CHANGE_CONSENT, now)
        for _ in range(ATTEMPTS):
            stood = self.consents.about(wish.record_id, wish.professional)
            passage = self._allowed(
                actor, wish, as_read(situation, actor, wish.professional, stood), now
            )
            before = stood.of(wish.kind)
            if expected is not None and (before.version if before else 0) != expected:
                self.gate.fail(passage, Act.CHANGE_CONSENT, StaleVersion(), now, wish.id)
            recorded = self._record(passage, wish, stood, now)
            if recorded is not None:
                return recorded
        return self.gate.fail(passage, Act.CHANGE_CONSENT, Conflict(), now, wish.id)

    def _allowed(self, actor: Actor, wish: Wish, situation: Situation, now: datetime) -> Passage:
        passage = self.gate.ask(actor, GIVING[wish.kind], situation, now, about=wish.professional)
        if not passage.answer.allowed:
            self.gate.refuse(passage, Act.CHANGE_CONSENT, now, wish.id)
        return passage

    def _record(
        self, passage: Passage, wish: Wish, stood: ActorConsents, now: datetime
    ) -> Recorded | None:
        """None when somebody else changed the decisions in between."""
        before, block = stood.of(wish.kind), stood.of(Kind.BLOCK)
        if barred(passage.actor, wish.professional, stood, now):
            self.gate.refuse(passage, Act.CHANGE_CONSENT, now, wish.id)
        if wish.kind in OPENING_KINDS and block is not None and block.lasts(now):
            self.gate.fail(passage, Act.CHANGE_CONSENT, Conflict(), now, wish.id)
        faults = [*period_faults(wish, now), *self._proof_faults(passage, wish, now)]
        if faults:
            self.gate.fail(passage, Act.CHANGE_CONSENT, Invalid(*faults), now, wish.id)
        decision = self._decision(passage, wish, stood, now)
        if decision == before:
            self.gate.trace(passage, Act.CHANGE_CONSENT, Outcome.DONE, now, target=wish.id)
            return Recorded(Consent(wish.record_id, wish.professional, decision), None)
        turn = Turn.CHANGED if before is not None and before.lasts(now) else Turn.GIVEN
        ended = overridden(stood, passage, now) if wish.kind is Kind.BLOCK else ()
        changes = [
            Change(new_ulid(now), now, what, Consent(wish.record_id, wish.professional, one))
            for one, what in ((decision, turn), *((one, Turn.OVERRIDDEN) for one in ended))
        ]
        trace = done(passage, wish.id, now)
        if self.consents.save(stood, stood.having(decision, *ended), changes, trace):
            return Recorded(changes[0].consent, turn)
        return None

    def _decision(
        self, passage: Passage, wish: Wish, stood: ActorConsents, now: datetime
    ) -> Decision:
        """What the decision is to be; the very one that stands when the wish adds nothing."""
        actor, before = passage.actor, stood.of(wish.kind)
        standing = before if before is not None and before.lasts(now) else None
        until = wish.until
        if until is None and wish.kind is Kind.AUTHORISATION and isinstance(actor, Professional):
            until = default_end(self.durations, actor, wish.since or now, standing)
        since = wish.since or (standing.since if standing else _to_the_millisecond(now))
        structure = _structure(actor, wish) or (standing.structure if standing else None)
        proof = _proof(actor, wish)
        if (
            standing
            and (standing.since, standing.until) == (since, until)
            and not _moves(structure, actor, standing)
            and not _says_more(proof, standing.proof)
        ):
            return standing
        return Decision(
            kind=wish.kind,
            since=since,
            until=until,
            recorded_by=key_of(actor),
            version=before.version + 1 if before else 1,
            structure=structure,
            proof=proof,
            recorded_at=now,
            represented=represented(actor, passage.record),
        )

    def _proof_faults(self, passage: Passage, wish: Wish, now: datetime) -> list[Fault]:
        """What a professional brings as proof has to be one: a moment that has been, a document
        that they may read. The holder's own word needs none."""
        actor, faults = passage.actor, []
        if not isinstance(actor, Professional):
            return []
        own = actor.structure.finess if actor.structure else None
        if wish.structure is not None and wish.professional == actor.id and wish.structure != own:
            faults.append(
                Fault("Consent.organization", "contradicts-token", "not where the caller acts")
            )
        if wish.verified_at is not None and wish.verified_at > now:
            at = "Consent.verification[0].verificationDate"
            faults.append(Fault(at, "in-the-future", "it has not been verified yet"))
        if wish.document is not None and not self._reads_proof(passage, now):
            faults.append(
                Fault("Consent.sourceReference", "unknown-document", "no document of this record")
            )
        return faults

    def _reads_proof(self, passage: Passage, now: datetime) -> bool:
        document = passage.situation.document
        if document is None:
            return False
        reading = self.gate.ask(
            passage.actor, Action.READ_DOCUMENT, passage.situation, now, document
        )
        return reading.answer.allowed


def only_people(gate: Gate, actor: Actor, now: datetime) -> None:
    """Forbidden, and traced, for those who never decide."""
    if not isinstance(actor, Person | Professional):
        gate.traces.write(trace_of(actor, Act.CHANGE_CONSENT, Outcome.REFUSED, now))
        raise Forbidden


def as_read(
    situation: Situation, actor: Actor, professional: str | None, stood: ActorConsents
) -> Situation:
    """With what was just read about the actor: a block that arrived in between counts."""
    own = isinstance(actor, Professional) and actor.id == professional
    return replace(situation, consents=stood) if own else situation


def barred(actor: Actor, professional: str | None, stood: ActorConsents, now: datetime) -> bool:
    """Whether a block of the actor themselves stands: also one that another request recorded
    meanwhile, and that begins after our `now`."""
    block = stood.of(Kind.BLOCK)
    own = isinstance(actor, Professional) and actor.id == professional
    return own and block is not None and block.lasts(now)


def done(passage: Passage, target: str, now: datetime) -> Trace:
    """The trace of a change, to be written with it."""
    return trace_of(
        passage.actor,
        Act.CHANGE_CONSENT,
        Outcome.DONE,
        now,
        record_id=passage.record.id,
        target=target,
        mode=passage.mode,
        rules=passage.answer.rules,
        matrix=passage.answer.matrix,
    )


def represented(actor: Actor, record: Record) -> bool:
    """Whether a person whom the policies let decide does so in the holder's name."""
    return isinstance(actor, Person) and actor.reference != record.holder


def ended_by(decision: Decision, passage: Passage, now: datetime) -> Decision:
    """A decision that no longer holds: who ended it and how that is known."""
    return replace(
        decision,
        active=False,
        recorded_by=key_of(passage.actor),
        recorded_at=now,
        represented=represented(passage.actor, passage.record),
        proof=word_of(passage.actor),
        version=decision.version + 1,
    )


def overridden(stood: ActorConsents, passage: Passage, now: datetime) -> tuple[Decision, ...]:
    """What a block ends, so that lifting it later revives nothing."""
    return tuple(
        ended_by(one, passage, now)
        for one in stood.decisions
        if one.active and one.kind in OPENING_KINDS
    )


def default_end(
    durations: Durations, actor: Professional, since: datetime, standing: Decision | None
) -> datetime | None:
    """The profession's duration, to the day, and never sooner than what stands: the same consent
    recorded again on another day is renewed, on the same day it is the same."""
    try:
        last = (since + durations.of(actor.profession)).date()
    except OverflowError:  # it begins where time ends
        last = date.max
    end = datetime.combine(last, time(), UTC)
    if standing is None:
        return end
    return None if standing.until is None else max(end, standing.until)


def period_faults(wish: Wish, now: datetime) -> list[Fault]:
    """What opens the record may begin later and end; everything else holds from now until
    withdrawn."""
    faults = []
    if wish.kind not in OPENING_KINDS:
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


def word_of(actor: Actor) -> Proof:
    """What an actor's own word is worth."""
    return Proof(ProofKind.DECLARED if isinstance(actor, Professional) else ProofKind.SELF)


def _to_the_millisecond(now: datetime) -> datetime:
    """As the resource tells it, so that what was read may be sent again unchanged."""
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _proof(actor: Actor, wish: Wish) -> Proof:
    if not isinstance(actor, Professional):
        return word_of(actor)
    if wish.document is not None:
        return Proof(ProofKind.DOCUMENT, wish.verified_at, wish.document)
    return Proof(ProofKind.VERIFIED, wish.verified_at) if wish.verified else word_of(actor)


def _says_more(proof: Proof, before: Proof | None) -> bool:
    """Whether a proof adds to the one that stands: a better one, or more of the same kind. Of a
    decision whose proof was not kept, the word of whoever repeats it adds nothing."""
    if before is None:
        return proof.kind in {ProofKind.VERIFIED, ProofKind.DOCUMENT}
    if proof.kind is not before.kind:
        return _CONVINCES.index(proof.kind) > _CONVINCES.index(before.kind)
    return (proof.at or before.at, proof.document) != (before.at, before.document)


def _moves(structure: str | None, actor: Actor, standing: Decision) -> bool:
    """Whether somebody is authorised in another structure now. A professional moves nothing that
    the holder said themselves: whom the holder named alone stays alone."""
    holders = standing.proof is None or standing.proof.kind is ProofKind.SELF
    return structure != standing.structure and not (isinstance(actor, Professional) and holders)


def _structure(actor: Actor, wish: Wish) -> str | None:
    """Where the professional acts: their own token says it, else whoever records the decision."""
    if wish.kind not in OPENING_KINDS:
        return None
    if isinstance(actor, Professional) and actor.id == wish.professional:
        return actor.structure.finess if actor.structure else None
    return wish.structure
