"""The gate of every access to a record: read once, decide, trace, and only then go on.

No trace, no disclosure: when the trace cannot be written, the access fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from dmp.domain.access import Action, Answer, Question, Situation
from dmp.domain.actors import Actor, Person, Professional
from dmp.domain.documents import Document
from dmp.domain.errors import DmpError, NotFound
from dmp.domain.ids import is_record_id
from dmp.domain.records import Record
from dmp.domain.traces import Act, Mode, Outcome, trace_of
from dmp.usecases.ports import Decisions, Situations, Traces
from dmp.usecases.recognise_holder import RecogniseHolder


def mode_of(actor: Actor) -> Mode:
    """The mode asked for, from the token: regulation is centre 15, a reason is break-glass.

    Whether the mode is *allowed* is for the policies; a reason that is none still asks for the
    emergency, and is refused there.
    """
    if isinstance(actor, Professional):
        if actor.regulation:
            return Mode.CENTRE_15
        if actor.emergency_reason:
            return Mode.BREAK_GLASS
    return Mode.NORMAL


@dataclass(frozen=True, slots=True)
class Passage:
    """A granted access, not yet traced: whoever discloses writes the trace first."""

    actor: Actor
    situation: Situation
    answer: Answer
    mode: Mode

    @property
    def record(self) -> Record:
        return self.situation.record


@dataclass(frozen=True, slots=True)
class Gate:
    situations: Situations
    decisions: Decisions
    traces: Traces
    holders: RecogniseHolder

    def situation(
        self, actor: Actor, record_id: str, act: Act, now: datetime, document_id: str | None = None
    ) -> Situation:
        """What there is to decide on; NotFound when there is no such record, and the attempt is
        traced like any refused one.

        A patient seen for the first time is bound to the record their strict traits match.
        """
        found = (
            self.situations.of(record_id, actor, document_id) if is_record_id(record_id) else None
        )
        if found is None:
            self.miss(actor, act, now)
        if isinstance(actor, Person) and found.record.holder is None:
            return self.holders(actor, found, now)
        return found

    def ask(
        self,
        actor: Actor,
        action: Action,
        situation: Situation,
        now: datetime,
        document: Document | None = None,
        *,
        about: str | None = None,
    ) -> Passage:
        """The decision, without trace nor exception."""
        mode = mode_of(actor)
        question = Question(actor, action, situation, now, mode, document, about)
        return Passage(actor, situation, self.decisions.decide(question), mode)

    def trace(
        self,
        passage: Passage,
        act: Act,
        outcome: Outcome,
        now: datetime,
        *,
        target: str | None = None,
        count: int | None = None,
    ) -> None:
        self.traces.write(
            trace_of(
                passage.actor,
                act,
                outcome,
                now,
                record_id=passage.record.id,
                target=target,
                mode=passage.mode,
                rules=passage.answer.rules,
                matrix=passage.answer.matrix,
                count=count,
            )
        )

    def miss(self, actor: Actor, act: Act, now: datetime) -> NoReturn:
        """Trace an attempt that reached no record, and answer as for any refused one."""
        self.traces.write(trace_of(actor, act, Outcome.REFUSED, now, mode=mode_of(actor)))
        raise NotFound

    def fail(
        self,
        passage: Passage,
        act: Act,
        error: DmpError,
        now: datetime,
        target: str | None = None,
    ) -> NoReturn:
        """Trace an allowed act that could not be done, and say why."""
        self.trace(passage, act, Outcome.FAILED, now, target=target)
        raise error

    def refuse(
        self, passage: Passage, act: Act, now: datetime, target: str | None = None
    ) -> NoReturn:
        """Trace the refused attempt and answer as if there were nothing."""
        self.trace(passage, act, Outcome.REFUSED, now, target=target)
        raise NotFound
