"""Cedar decides: `usecases.ports.Decisions` on the policies of `dmp_policies`.

Policies and schema are parsed once per process. Prohibition beats permission by construction,
and whatever cannot be evaluated is refused: a policy that errs would be skipped by Cedar, and a
skipped prohibition must not open anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from importlib.resources import files
from json import JSONEncoder
from typing import Any

from cedarpy import AuthzResult, Decision, Entities, PolicySet, Schema, is_authorized_batch

from dmp.access import facts
from dmp.access.matrix import Matrix, load_matrix
from dmp.access.parameters import load_parameters
from dmp.domain.access import DOCUMENT_ACTIONS, NO_DOCUMENT, Action, Answer, Question
from dmp.domain.actors import key_of
from dmp.domain.documents import Document, Visibility
from dmp.domain.parameters import Parameters

EVALUATION_ERROR = "evaluation-error"
"""The rule id of an answer that could not be worked out."""

NO_PERMISSION = "no-permission"
"""The rule id of a refusal that no prohibition explains: nothing permits it."""

_KEPT = 64
"""How many sets of entities a process keeps parsed: some kilobytes each."""

_written = JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""JSON without blanks, by an encoder that is made once: cheaper to write, and to read for Cedar."""

_HIDDEN = frozenset(
    {
        Visibility.HIDDEN_FROM_PROFESSIONALS,
        Visibility.HIDDEN_FROM_PATIENT,
        Visibility.HIDDEN_FROM_REPRESENTATIVES,
    }
)


def policies_text() -> str:
    """All policies, guardrails first."""
    found = [file for file in files("dmp_policies").iterdir() if file.name.endswith(".cedar")]
    return "\n".join(file.read_text("utf-8") for file in sorted(found, key=lambda file: file.name))


def schema_text() -> str:
    return files("dmp_policies").joinpath("schema.cedarschema").read_text("utf-8")


Alarm = Callable[[str], None]
"""Told the action (never data) of a question that could not be worked out."""


class CedarDecisions:
    """The decisions of the policies given, by default those in force."""

    def __init__(
        self,
        policies: str | None = None,
        matrix: Matrix | None = None,
        parameters: Parameters | None = None,
        alarm: Alarm | None = None,
    ) -> None:
        self._policies = PolicySet.from_str(policies_text() if policies is None else policies)
        self._schema = Schema.from_str(schema_text())
        self._matrix = matrix or load_matrix()
        self._parameters = parameters or load_parameters()
        self._alarm = alarm
        # Who reads one document reads others: the same entities, parsed and held against the
        # schema once. What is kept of an actor is their key, as in a trace.
        self._entities = lru_cache(_KEPT)(partial(Entities.from_json_str, schema=self._schema))

    def decide(self, question: Question) -> Answer:
        """The answer to one question; of DOCUMENT_ACTIONS and PUBLISH_DOCUMENT on `document`."""
        try:
            if question.action not in DOCUMENT_ACTIONS:
                return self._of_record(question)
            document = question.document or question.situation.document
            if document is None:
                return self._refusal(NO_DOCUMENT)
            return self._of_document(question, document)
        except Exception:  # noqa: BLE001 - whatever keeps the rules from being read refuses
            return self._error(question.action)

    def visible(self, question: Question, documents: Sequence[Document]) -> list[Answer]:
        """May the actor do this to each of these documents? One answer per document, in order;
        decided once per distinct signature. An action that is not about a document asks whether
        the actor may read them."""
        if not documents:
            return []
        try:
            return self._of_documents(question, documents)
        except Exception:  # noqa: BLE001 - whatever keeps the rules from being read refuses
            return [self._error(question.action)] * len(documents)

    def _of_record(self, question: Question) -> Answer:
        resource = (
            facts.deposit(question.document)
            if question.action is Action.PUBLISH_DOCUMENT and question.document
            else facts.record(question)
        )
        opened = question.action is Action.READ_HISTORY and facts.opened(
            question.actor, *facts.REIMBURSEMENTS, self._matrix
        )
        actor = facts.principal(question.actor)
        given = _written(facts.context(question, self._parameters, matrix=opened))
        asked = facts.request(actor, question.action, resource, given)
        return self._answers(question.action, [asked], [actor, resource])[0]

    def _of_document(self, question: Question, document: Document) -> Answer:
        """As `_of_documents` of one, without what only a list needs."""
        actor, me = facts.principal(question.actor), key_of(question.actor)
        kind = document.type_code, document.class_code
        opened = facts.opened(question.actor, *kind, self._matrix)
        seen = facts.signature(document, me, opened=opened)
        entity = facts.lying("signature-0", seen, me)
        given = _written(facts.context(question, self._parameters, matrix=opened))
        asked = facts.request(actor, question.action, entity, given)
        return _warned(self._answers(question.action, [asked], [actor, entity])[0], seen)

    def _of_documents(self, question: Question, documents: Sequence[Document]) -> list[Answer]:
        action = question.action if question.action in DOCUMENT_ACTIONS else Action.READ_DOCUMENT
        me = key_of(question.actor)
        opened: dict[tuple[str, str | None], bool] = {}
        seen: list[facts.Signature] = []
        for document in documents:
            kind = (document.type_code, document.class_code)
            if kind not in opened:
                opened[kind] = facts.opened(question.actor, *kind, self._matrix)
            seen.append(facts.signature(document, me, opened=opened[kind]))
        distinct = {one: f"signature-{number}" for number, one in enumerate(dict.fromkeys(seen))}
        actor = facts.principal(question.actor)
        contexts = {
            matrix: _written(facts.context(question, self._parameters, matrix=matrix))
            for matrix in {one[0] for one in distinct}
        }
        entities = [facts.lying(name, one, me) for one, name in distinct.items()]
        asked = [
            facts.request(actor, action, entity, contexts[one[0]])
            for entity, one in zip(entities, distinct, strict=True)
        ]
        answers = self._answers(action, asked, [actor, *entities])
        by_signature = {
            one: _warned(answer, one) for one, answer in zip(distinct, answers, strict=True)
        }
        return [by_signature[one] for one in seen]

    def _answers(
        self, action: Action, asked: list[facts.Json], entities: list[facts.Json]
    ) -> list[Answer]:
        known = self._entities(_written(entities))
        results = is_authorized_batch(asked, self._policies, known, self._schema)
        answers = [self._answer(result) for result in results]
        if any(answer.rules == (EVALUATION_ERROR,) for answer in answers):
            self._tell(action)
        return answers

    def _answer(self, result: AuthzResult) -> Answer:
        decision, found = result.decision, result.diagnostics
        if found.errors or decision is Decision.NoDecision:
            return self._refusal(EVALUATION_ERROR)
        named: dict[str, Any] = found.id_annotations_by_reason
        rules = tuple(sorted(named.values())) or (NO_PERMISSION,)
        return Answer(allowed=decision is Decision.Allow, rules=rules, matrix=self._matrix.version)

    def _error(self, action: Action) -> Answer:
        self._tell(action)
        return self._refusal(EVALUATION_ERROR)

    def _refusal(self, rule: str) -> Answer:
        return Answer(allowed=False, rules=(rule,), matrix=self._matrix.version)

    def _tell(self, action: Action) -> None:
        # An alarm that fails opens nothing either.
        with suppress(Exception):
            if self._alarm is not None:
                self._alarm(action.value)


def _warned(answer: Answer, seen: facts.Signature) -> Answer:
    if answer.allowed and seen[1] & _HIDDEN:
        return Answer(answer.allowed, answer.rules, answer.matrix, hidden_from_others=True)
    return answer
