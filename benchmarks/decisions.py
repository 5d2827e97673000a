"""Decisions in process, against raw cedarpy on the same policies, schema, requests and entities.

Raw is what anybody would write: the policies and the schema parsed once, the requests and entities
ready as JSON objects, `is_authorized` for each document, or one `is_authorized_batch` for all.
Ours begins at the domain's objects: it makes requests and entities too, asks once per signature and
says which rules decided. All run in turns; a ratio is the median of the turns' ratios.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from random import Random
from typing import Any

from cedarpy import PolicySet, Schema, is_authorized, is_authorized_batch

from dmp.access import facts
from dmp.access.decide import CedarDecisions, policies_text, schema_text
from dmp.access.matrix import load_matrix
from dmp.access.parameters import load_parameters
from dmp.domain.access import Action, Question
from dmp.domain.actors import key_of
from dmp.domain.documents import Document, DocumentStatus, Visibility
from tests.access import scenes


@dataclass(frozen=True, slots=True)
class Aim:
    what: str
    figure: float
    least: bool = False


AIMS = (
    Aim("one decision, times raw cedarpy:", 1.2),
    Aim("a list of 1,000, times faster than deciding each:", 20, least=True),
    Aim("a list of 1,000, ms:", 5),
    Aim("AWS calls that a consent check adds to a read:", 1),
)
SIZES = (20, 200, 1000)
STRANGERS = 500
"""More than a process keeps the entities of."""

# What lies in a record, by share: reports, biology and imaging, prescriptions and what came of
# them, the insurer's and the patient's own; some types that are closed to some professions.
_TYPES = {
    ("11488-4", "10"): 22,
    ("11502-2", "10"): 20,
    ("57833-6", "42"): 18,
    ("18748-4", "31"): 10,
    ("60593-1", "43"): 8,
    ("11490-0", "10"): 5,
    ("34112-3", "10"): 4,
    ("15507-7", "10"): 3,
    ("REMB", "60"): 2,
    ("EXPPAT_2", "90"): 2,
    ("87273-9", "43"): 2,
    ("68599-0", "11"): 2,
    ("83901-9", "10"): 1,
    ("ATTEST-RESID", "52"): 1,
}
_MARKS = {
    frozenset({Visibility.NORMAL}): 90,
    frozenset({Visibility.NORMAL, Visibility.HIDDEN_FROM_PROFESSIONALS}): 4,
    frozenset({Visibility.NORMAL, Visibility.HIDDEN_FROM_PATIENT}): 2,
    frozenset({Visibility.RESTRICTED}): 2,
    frozenset({Visibility.NORMAL, Visibility.HIDDEN_FROM_REPRESENTATIVES}): 2,
}
_AUTHORS = {
    "system#1510000029": 50,
    f"professional#{scenes.OTHER}": 37,
    f"professional#{scenes.ME}": 10,
    f"patient#{scenes.HOLDER}": 3,
}
_STATUSES = {DocumentStatus.CURRENT: 92, DocumentStatus.SUPERSEDED: 8}


def mix(size: int) -> list[Document]:
    """The same documents each time."""
    chance = Random(size)  # noqa: S311 - a mix, no secret

    def one(shares: dict[Any, int]) -> Any:
        return chance.choices(list(shares), list(shares.values()))[0]

    made = []
    for number in range(size):
        kind, group = one(_TYPES)
        made.append(
            scenes.document(
                id=f"{scenes.RECORD_ID}.{number:026}",
                type_code=kind,
                class_code=group,
                visibility=one(_MARKS),
                author=one(_AUTHORS),
                status=one(_STATUSES),
            )
        )
    return made


class Raw:
    """What cedarpy is given for a question on documents, ready before the clock starts."""

    def __init__(self, question: Question, documents: list[Document]) -> None:
        self.policies = PolicySet.from_str(policies_text())
        self.schema = Schema.from_str(schema_text())
        matrix, parameters, me = load_matrix(), load_parameters(), key_of(question.actor)
        self.actor = facts.principal(question.actor)
        contexts = {
            opened: facts.context(question, parameters, matrix=opened) for opened in (False, True)
        }
        self.entities, self.requests = [], []
        for document in documents:
            opened = facts.opened(question.actor, document.type_code, document.class_code, matrix)
            seen = facts.signature(document, me, opened=opened)
            entity = facts.lying(document.id, seen, me)
            self.entities.append(entity)
            self.requests.append(
                facts.request(self.actor, Action.READ_DOCUMENT, entity, contexts[opened])
            )

    def each(self) -> list[bool]:
        return [
            is_authorized(request, self.policies, [self.actor, entity], self.schema).allowed
            for request, entity in zip(self.requests, self.entities, strict=True)
        ]

    def batch(self) -> list[bool]:
        entities = [self.actor, *self.entities]
        found = is_authorized_batch(self.requests, self.policies, entities, self.schema)
        return [one.allowed for one in found]


def _ms(run: Callable[[], object], times: int = 1) -> float:
    """Of the processor, so that what else the machine does counts for nothing."""
    start = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - start) * 1000 / times


def _turns(runs: Sequence[Callable[[], object]], turns: int, times: int) -> list[list[float]]:
    """The milliseconds of each run, turn by turn."""
    found: list[list[float]] = [[] for _ in runs]
    gc.collect()
    gc.disable()
    try:
        for _ in range(turns):
            for run, times_of in zip(runs, found, strict=True):
                times_of.append(_ms(run, times))
    finally:
        gc.enable()
    return found


def _ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(one, other, strict=True))


def measure(turns: int = 200) -> list[dict[str, Any]]:
    """One row for one decision of somebody new each time, one of somebody known, one for each
    size of list; medians of milliseconds and ratios."""
    decisions = CedarDecisions()
    question = scenes.asks(scenes.professional(), Action.READ_DOCUMENT, scenes.authorised)
    rows = []
    for size in (1, *SIZES):
        documents = mix(size)
        raw = Raw(question, documents)
        answers = decisions.visible(question, documents)
        if not [answer.allowed for answer in answers] == raw.each() == raw.batch():
            raise RuntimeError("what is compared does not answer the same")
        if size > 1:
            ours = partial(decisions.visible, question, documents)
            times = _turns((ours, raw.each, raw.batch), max(9, turns // size), 1)
            rows.append(_row(f"list of {size:,}", *times))
            continue
        known = replace(question, document=documents[0])
        strangers = cycle(
            [
                replace(known, actor=replace(scenes.professional(), id=f"8{number:011}"))
                for number in range(STRANGERS)
            ]
        )
        for name, ours in (
            ("one, somebody new", lambda new=strangers: decisions.decide(next(new))),
            ("one, the same again", partial(decisions.decide, known)),
        ):
            rows.append(_row(name, *_turns((ours, raw.each, raw.batch), turns, 10)))
    return rows


def _row(decision: str, ours: list[float], each: list[float], batch: list[float]) -> dict[str, Any]:
    return {
        "decision": decision,
        "ours_ms": round(statistics.median(ours), 3),
        "raw_each_ms": round(statistics.median(each), 3),
        "raw_batch_ms": round(statistics.median(batch), 3),
        "times_raw": round(_ratio(ours, each), 3),
        "faster_than_each": round(_ratio(each, ours), 1),
        "faster_than_batch": round(_ratio(batch, ours), 1),
    }


def judged(rows: Sequence[dict[str, Any]], reads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per aim: what was measured, and whether that is it."""
    longest = rows[-1]
    measured = (
        max(row["times_raw"] for row in rows if row["decision"].startswith("one")),
        longest["faster_than_each"],
        longest["ours_ms"],
        max(row["added_by_consent"] for row in reads),
    )
    return [
        {
            "aim": f"{aim.what} {'at least' if aim.least else 'at most'} {aim.figure}",
            "measured": value,
            "met": value >= aim.figure if aim.least else value <= aim.figure,
        }
        for aim, value in zip(AIMS, measured, strict=True)
    ]
