"""What the holder, or who acts in their name, chooses to be told of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn, Protocol

from dmp.domain.access import Action
from dmp.domain.actors import Actor
from dmp.domain.errors import Conflict, Fault, Invalid, StaleVersion
from dmp.domain.notifications import ALWAYS_TOLD, Preferences
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.gate import Gate, Passage

_ATTEMPTS = 4


class PreferenceBook(Protocol):
    def of(self, record_id: str) -> Preferences:
        """As they stand; version 0 when nothing was ever chosen."""

    def save(self, record_id: str, preferences: Preferences, trace: Trace) -> bool:
        """Both or neither; False when the version before `preferences.version` is not there."""


@dataclass(frozen=True, slots=True)
class ReadPreferences:
    """To whoever may change them: they are settings of the record, and nobody else's business."""

    gate: Gate
    book: PreferenceBook

    def __call__(self, actor: Actor, record_id: str, now: datetime) -> Preferences:
        """NotFound for everybody else."""
        passage = _allowed(self.gate, actor, record_id, Act.READ_PREFERENCES, now)
        found = self.book.of(passage.record.id)
        self.gate.trace(passage, Act.READ_PREFERENCES, Outcome.DONE, now)
        return found


@dataclass(frozen=True, slots=True)
class ChangePreferences:
    gate: Gate
    book: PreferenceBook

    def __call__(
        self,
        actor: Actor,
        record_id: str,
        wanted: Preferences,
        now: datetime,
        *,
        expected: int | None = None,
    ) -> Preferences:
        """The preferences as a whole, as they stand afterwards; the same choice changes nothing.

        NotFound for who may not choose, Invalid for silence about what is always told,
        StaleVersion when another version than `expected` stands, Conflict when others kept
        changing them.
        """
        passage = _allowed(self.gate, actor, record_id, Act.CHANGE_PREFERENCES, now)
        if silenced := _silenced(wanted):
            self._fail(passage, Invalid(*silenced), now)
        for _ in range(_ATTEMPTS):
            stood = self.book.of(passage.record.id)
            if expected is not None and expected != stood.version:
                self._fail(passage, StaleVersion(), now)
            if wanted.same_choice(stood):
                self.gate.trace(passage, Act.CHANGE_PREFERENCES, Outcome.DONE, now)
                return stood
            after = replace(wanted, version=stood.version + 1)
            if self.book.save(passage.record.id, after, _done(passage, now)):
                return after
        return self._fail(passage, Conflict(), now)

    def _fail(
        self, passage: Passage, error: Invalid | StaleVersion | Conflict, now: datetime
    ) -> NoReturn:
        self.gate.fail(passage, Act.CHANGE_PREFERENCES, error, now)


def _silenced(wanted: Preferences) -> list[Fault]:
    return [
        Fault(f"types.{topic}", "required", "this is always told: choose a way")
        for topic in sorted(ALWAYS_TOLD)
        if wanted.channels.get(topic) == frozenset()
    ]


def _allowed(gate: Gate, actor: Actor, record_id: str, act: Act, now: datetime) -> Passage:
    situation = gate.situation(actor, record_id, act, now)
    passage = gate.ask(actor, Action.CHANGE_SETTINGS, situation, now)
    if not passage.answer.allowed:
        gate.refuse(passage, act, now)
    return passage


def _done(passage: Passage, now: datetime) -> Trace:
    return trace_of(
        passage.actor,
        Act.CHANGE_PREFERENCES,
        Outcome.DONE,
        now,
        record_id=passage.record.id,
        mode=passage.mode,
        rules=passage.answer.rules,
        matrix=passage.answer.matrix,
    )
