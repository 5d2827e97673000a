"""The gate of every access to a record: read once, decide, trace, and only then go on.

No trace, no disclosure: when the trace cannot be written, the access fails.

What does not exist costs the same as what is refused: where there is no record, or no document,
the same reads and the same decision are made about one that cannot exist, so that the time of an
answer tells nothing either. TD0.2 tells professionals that a record exists, and is free of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from dmp.domain.access import (
    DOCUMENT_ACTIONS,
    NO_DOCUMENT,
    Action,
    Answer,
    Question,
    Situation,
)
from dmp.domain.actors import Actor, Person, Professional
from dmp.domain.consents import ActorConsents, Settings
from dmp.domain.documents import Content, Document, DocumentStatus, Stage, Visibility
from dmp.domain.errors import DmpError, NotFound
from dmp.domain.identity import TEST, Ins, InsuredNumber, Traits
from dmp.domain.ids import document_id as id_of_document
from dmp.domain.ids import is_record_id, new_record_id
from dmp.domain.records import Channel, Record, RecordStatus, Scheme
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
        self,
        actor: Actor,
        record_id: str | None,
        act: Act,
        now: datetime,
        document_id: str | None = None,
    ) -> Situation:
        """What there is to decide on; NotFound when there is no such record, and the attempt is
        traced like any refused one. `record_id` is None for a number that nobody's record has.

        A patient seen for the first time is bound to the record their strict traits match.
        """
        found = self.look(actor, record_id, now, document_id)
        if found is None:
            self.miss(actor, act, now)
        return found

    def look(
        self, actor: Actor, record_id: str | None, now: datetime, document_id: str | None = None
    ) -> Situation | None:
        """As `situation`, without trace nor exception: who is given nothing goes on to `miss`.

        For None something is read that cannot exist. A text that cannot be an id reaches no
        store: that it finds nothing is no secret.
        """
        if record_id is None:
            record_id = new_record_id()
            document_id = id_of_document(record_id, new_record_id()) if document_id else None
        found = (
            self.situations.of(record_id, actor, document_id) if is_record_id(record_id) else None
        )
        if found is not None and isinstance(actor, Person) and found.record.holder is None:
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
        """The decision, without trace nor exception; about a document that is not there it is a
        refusal, worked out like any other."""
        mode = mode_of(actor)
        nowhere = False
        if action in DOCUMENT_ACTIONS:
            document = document or situation.document
            nowhere = document is None
        question = Question(
            actor, action, situation, now, mode, _NO_DOCUMENT if nowhere else document, about
        )
        answer = self.decisions.decide(question)
        if nowhere:
            answer = Answer(allowed=False, rules=(NO_DOCUMENT,), matrix=answer.matrix)
        return Passage(actor, situation, answer, mode)

    def trace(
        self,
        passage: Passage,
        act: Act,
        outcome: Outcome,
        now: datetime,
        *,
        target: str | None = None,
        count: int | None = None,
        changes: tuple[str, ...] = (),
        hidden_from: tuple[str, ...] = (),
    ) -> None:
        """`target` is the id of what the act was about; when it is the situation's document, the
        trace says by itself from whom that is hidden."""
        document = passage.situation.document
        if document is not None and document.id == target:
            hidden_from = document.hidden_from
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
                changes=changes,
                hidden_from=hidden_from,
            )
        )

    def miss(self, actor: Actor, act: Act, now: datetime) -> NoReturn:
        """Trace an attempt that reached no record, and answer as for any refused one."""
        self.pretend(actor, now)
        self.traces.write(trace_of(actor, act, Outcome.REFUSED, now, mode=mode_of(actor)))
        raise NotFound

    def pretend(self, actor: Actor, now: datetime) -> None:
        """Decide about a record that cannot exist, and forget it: the time that a refusal takes."""
        question = Question(
            actor, Action.READ_DOCUMENT, _NO_RECORD, now, mode_of(actor), _NO_DOCUMENT
        )
        self.decisions.decide(question)

    def fail(
        self,
        passage: Passage,
        act: Act,
        error: DmpError,
        now: datetime,
        target: str | None = None,
        *,
        hidden_from: tuple[str, ...] = (),
    ) -> NoReturn:
        """Trace an allowed act that could not be done, and say why."""
        self.trace(passage, act, Outcome.FAILED, now, target=target, hidden_from=hidden_from)
        raise error

    def refuse(
        self,
        passage: Passage,
        act: Act,
        now: datetime,
        target: str | None = None,
        *,
        hidden_from: tuple[str, ...] = (),
    ) -> NoReturn:
        """Trace the refused attempt and answer as if there were nothing."""
        self.trace(passage, act, Outcome.REFUSED, now, target=target, hidden_from=hidden_from)
        raise NotFound


_EVER = datetime(2000, 1, 1, tzinfo=UTC)
_NO_RECORD = Situation(
    Record(
        id="0" * 26,
        ins=Ins("", TEST),
        traits=Traits("", (), _EVER.date(), "", ""),
        insured=InsuredNumber(""),
        scheme=Scheme.REGIME_GENERAL,
        status=RecordStatus.OPEN,
        channel=Channel.CAISSE,
        opened_at=_EVER,
        opened_by="",
    ),
    ActorConsents(),
    Settings(),
)
_NO_DOCUMENT = Document(
    id=id_of_document("0" * 26, "0" * 26),
    record_id="0" * 26,
    unique_id="",
    type_code="11488-4",
    class_code="10",
    status=DocumentStatus.CURRENT,
    stage=Stage.FINAL,
    author="",
    visibility=frozenset({Visibility.HIDDEN_FROM_PROFESSIONALS}),
    title="",
    dated=_EVER,
    submitted_at=_EVER,
    content=Content("", 0, "", ""),
    resource="{}",
)
