"""Change a document's status, security labels or archive state in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn, Protocol

from dmp.domain.access import Action, Answer, Situation
from dmp.domain.actors import Actor
from dmp.domain.amendments import Amendment, acts_of, changes, faults_of
from dmp.domain.documents import Document
from dmp.domain.errors import Conflict, DmpError, Forbidden, Invalid, SeveralMatch, StaleVersion
from dmp.domain.identity import Ins
from dmp.domain.ids import new_record_id
from dmp.domain.parameters import Parameters
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.gate import Gate, Passage
from dmp.usecases.ports import RecordFinder
from dmp.usecases.read_document import ReadDocument, disclosed

_TRIES = 4
_NO_DOCUMENT = "none"

Rewrite = Callable[[Document, Answer], Amendment]
"""What a document is to be, as far as the caller sees it; raises Invalid and NotAllowed."""


class Shelf(Protocol):
    def change(self, document: Document, trace: Trace) -> bool:
        """The next version of a document, and its trace; False when another change was quicker."""

    def carrying(self, unique_id: str, record_id: str | None = None) -> list[str]:
        """The ids of the documents that carry a producer's identifier, in one record or in all."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Which document is meant: a producer's identifier, whose record when that is said, and what
    else holds of it."""

    unique_id: str
    whose: str | Ins | None
    holds: Callable[[Document], bool]


@dataclass(frozen=True, slots=True)
class ChangeDocument:
    """One read, one decision for each act, one transaction with the trace.

    Who may not read the document is told NotFound; who reads it and may not change it so,
    Forbidden. What would change nothing is answered with the document, and traced as a reading.
    """

    gate: Gate
    finder: RecordFinder
    documents: Shelf
    parameters: Parameters

    def __call__(
        self,
        actor: Actor,
        document_id: str,
        rewrite: Rewrite,
        expected: int | None,
        now: datetime,
    ) -> Document:
        """`expected` is the version that the caller means to change, if they say so. Raises
        NotFound, Forbidden, Invalid, NotAllowed, StaleVersion, and Conflict when others kept
        changing the document."""
        read = ReadDocument(self.gate)
        for _ in range(_TRIES):
            document, passage = read.allowed(actor, document_id, now, Act.CHANGE_DOCUMENT)
            changed = self._change(passage, document, rewrite, expected, now)
            if changed is not None:
                return changed
        return self.gate.fail(passage, Act.CHANGE_DOCUMENT, Conflict(), now, document_id)

    def matching(
        self,
        actor: Actor,
        condition: Condition,
        rewrite: Rewrite,
        expected: int | None,
        now: datetime,
    ) -> Document:
        """The one document that the caller may read and the condition means; raises as above, and
        SeveralMatch. How many documents match that they may not read, nobody learns."""
        passages = [
            self.gate.ask(actor, Action.READ_DOCUMENT, situation, now)
            for situation in self._situations(actor, condition, now)
        ]
        if not passages:
            self.gate.miss(actor, Act.CHANGE_DOCUMENT, now)
        meant = [
            (document, passage)
            for passage in passages
            if (document := disclosed(passage)) is not None and condition.holds(document)
        ]
        if len(meant) > 1:
            self.gate.fail(meant[0][1], Act.CHANGE_DOCUMENT, SeveralMatch(), now)
        if not meant:
            found = passages[0].situation.document
            self.gate.refuse(passages[0], Act.CHANGE_DOCUMENT, now, found.id if found else None)
        ((document, passage),) = meant
        changed = self._change(passage, document, rewrite, expected, now)
        return changed or self(actor, document.id, rewrite, expected, now)

    def _situations(self, actor: Actor, condition: Condition, now: datetime) -> list[Situation]:
        """One for each document that carries the identifier, readable or not; where there is none,
        the reads are made all the same."""
        whose = condition.whose
        if isinstance(whose, Ins):
            whose = self.finder.find(whose) or new_record_id()
        named = self.documents.carrying(condition.unique_id, whose)
        if not named:
            self.gate.look(actor, None, now, _NO_DOCUMENT)
        looked = [self.gate.look(actor, one.partition(".")[0], now, one) for one in named]
        return [situation for situation in looked if situation is not None]

    def _change(
        self,
        passage: Passage,
        document: Document,
        rewrite: Rewrite,
        expected: int | None,
        now: datetime,
    ) -> Document | None:
        """The document as it stands then; None when another change was quicker."""

        def fail(error: DmpError, acts: tuple[str, ...] = ()) -> NoReturn:
            self.gate.trace(
                passage,
                Act.CHANGE_DOCUMENT,
                Outcome.REFUSED if isinstance(error, Forbidden) else Outcome.FAILED,
                now,
                target=document.id,
                changes=acts,
            )
            raise error

        if expected is not None and expected != document.version:
            fail(StaleVersion())
        try:
            amendment = rewrite(document, passage.answer)
        except DmpError as error:
            fail(error)
        if not changes(document, amendment):
            self.gate.trace(passage, Act.READ_DOCUMENT, Outcome.DONE, now, target=document.id)
            return document
        acts = acts_of(document, amendment)
        told = tuple(act.value for act in acts)
        both = self.parameters.masked_and_invisible
        if faults := faults_of(document, amendment, masked_and_invisible=both):
            fail(Invalid(*faults), told)
        asked = [self.gate.ask(passage.actor, act, passage.situation, now) for act in acts]
        refused = [one for one in asked if not one.answer.allowed]
        rules = tuple(sorted({rule for one in refused or asked for rule in one.answer.rules}))
        passage = replace(passage, answer=replace(passage.answer, rules=rules))
        if refused or not asked:
            fail(Forbidden(), told)
        after = replace(
            document,
            status=amendment.status,
            visibility=amendment.visibility,
            archived=amendment.archived,
            resource=amendment.resource,
            version=document.version + 1,
            updated_at=now,
        )
        trace = trace_of(
            passage.actor,
            Act.CHANGE_DOCUMENT,
            Outcome.DONE,
            now,
            record_id=document.record_id,
            target=document.id,
            mode=passage.mode,
            rules=rules,
            matrix=passage.answer.matrix,
            changes=told,
            hidden_from=tuple(sorted({*document.hidden_from, *after.hidden_from})),
        )
        return after if self.documents.change(after, trace) else None
