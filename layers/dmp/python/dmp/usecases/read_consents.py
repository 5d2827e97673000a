"""Read what the holder decided, and how it came about: the holder, and who represents them, see it
all, a professional what is about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dmp.domain.access import Action
from dmp.domain.actors import Actor, Professional
from dmp.domain.consents import Change, Consent, Kind, Turn, split_consent_id
from dmp.domain.errors import NotFound
from dmp.domain.traces import Act, Outcome
from dmp.usecases.gate import Gate, Passage
from dmp.usecases.ports import DEFAULT_COUNT


class Consents(Protocol):
    def of_record(self, record_id: str) -> list[Consent]:
        """Every decision of a record, withdrawn ones too."""

    def history(self, consent_id: str) -> list[Change]:
        """Every change of one decision, newest first."""


Place = tuple[datetime, str]
"""Where a page ended: since when the last decision stands, and its id."""


@dataclass(frozen=True, slots=True)
class ConsentQuestion:
    """What is asked of one record: kinds, and whether active or withdrawn, None for any; a page
    of `count`, after the place where the one before ended."""

    record_id: str
    kinds: frozenset[Kind] | None = None
    active: frozenset[bool] | None = None
    count: int = DEFAULT_COUNT
    after: Place | None = None

    def matches(self, consent: Consent) -> bool:
        decision = consent.decision
        return (self.kinds is None or decision.kind in self.kinds) and (
            self.active is None or decision.active in self.active
        )


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """`total` counts every match; `next` is where the following page begins, if there is one."""

    consents: tuple[Consent, ...] = ()
    total: int = 0
    next: Place | None = None


NOTHING = ConsentPage()


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """What one decision became, newest first; `next` is the version after which the following page
    begins, if there is one."""

    changes: tuple[Change, ...]
    total: int
    next: int | None = None


@dataclass(frozen=True, slots=True)
class ReadConsents:
    gate: Gate
    consents: Consents

    def search(self, actor: Actor, question: ConsentQuestion, now: datetime) -> ConsentPage:
        """Newest first; of an unknown, closed or forbidden record the same nothing."""
        try:
            passage = self._passage(actor, question.record_id, now)
        except NotFound:
            return NOTHING
        seen = list(self._seen(passage)) if passage.answer.allowed else []
        if not passage.answer.allowed or (isinstance(actor, Professional) and not seen):
            # Of whom nothing was decided: they learn nothing, and their trace says as much.
            self.gate.trace(passage, Act.READ_CONSENTS, Outcome.REFUSED, now)
            return NOTHING
        found = [consent for consent in seen if question.matches(consent)]
        found.sort(key=_place, reverse=True)
        after = question.after
        rest = [one for one in found if after is None or _place(one) < after]
        page = tuple(rest[: question.count])
        self.gate.trace(passage, Act.READ_CONSENTS, Outcome.DONE, now, count=len(page))
        following = _place(page[-1]) if len(rest) > len(page) else None
        return ConsentPage(page, len(found), following)

    def read(self, actor: Actor, consent_id: str, now: datetime) -> Consent:
        """One decision; NotFound when there is none, or none that the actor may see."""
        passage, found = self._one(actor, consent_id, now)
        self.gate.trace(passage, Act.READ_CONSENTS, Outcome.DONE, now, target=consent_id)
        return found

    def history(
        self,
        actor: Actor,
        consent_id: str,
        now: datetime,
        *,
        count: int = DEFAULT_COUNT,
        after: int | None = None,
    ) -> HistoryPage:
        """The changes of one decision, a page of `count` after the version `after`; NotFound when
        there is no such decision, or none that the actor may see.

        Of a decision that is older than the history, the present state is all there is.
        """
        passage, found = self._one(actor, consent_id, now)
        lines = self.consents.history(consent_id)
        version = found.decision.version
        if not any(line.consent.decision.version == version for line in lines):
            lines.insert(0, _present(found))
        rest = [one for one in lines if after is None or one.consent.decision.version < after]
        page = tuple(rest[:count])
        self.gate.trace(
            passage, Act.READ_CONSENTS, Outcome.DONE, now, target=consent_id, count=len(page)
        )
        last = page[-1].consent.decision.version if len(rest) > len(page) else None
        return HistoryPage(page, len(lines), last)

    def _one(self, actor: Actor, consent_id: str, now: datetime) -> tuple[Passage, Consent]:
        """A decision that the actor may see, not yet traced."""
        place = split_consent_id(consent_id)
        if place is None:
            self.gate.miss(actor, Act.READ_CONSENTS, now)
        passage = self._passage(actor, place[0], now)
        seen = self._seen(passage) if passage.answer.allowed else ()
        found = next((one for one in seen if one.id == consent_id), None)
        if found is None:
            self.gate.refuse(passage, Act.READ_CONSENTS, now, consent_id)
        return passage, found

    def _passage(self, actor: Actor, record_id: str, now: datetime) -> Passage:
        """The decision; NotFound when there is no such record."""
        situation = self.gate.situation(actor, record_id, Act.READ_CONSENTS, now)
        about = actor.id if isinstance(actor, Professional) else None
        return self.gate.ask(actor, Action.READ_CONSENTS, situation, now, about=about)

    def _seen(self, passage: Passage) -> Iterable[Consent]:
        record = passage.record
        if isinstance(passage.actor, Professional):
            professional = passage.actor.id
            own = passage.situation.consents.decisions
            return [Consent(record.id, professional, decision) for decision in own]
        return self.consents.of_record(record.id)


def _present(consent: Consent) -> Change:
    turn = Turn.GIVEN if consent.decision.active else Turn.WITHDRAWN
    return Change(consent.id, consent.decision.at, turn, consent)


def _place(consent: Consent) -> Place:
    return consent.decision.since, consent.id
