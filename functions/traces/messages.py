"""The search of AuditEvent: which parameters are read, and what they mean.

`agent.identifier` is the chain that FHIR has for it, `agent:identifier` its shorter form in R4.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from dmp.domain.actors import Actor, key_of
from dmp.domain.errors import Fault
from dmp.domain.ids import fingerprint_id, is_record_id
from dmp.domain.traces import Outcome, Trace
from dmp.edge.fhir_audit import (
    OUTCOMES,
    PS_SYSTEM,
    STRUCTURE_SYSTEM,
    kind_of,
    references,
    subtype_codes,
    type_codes,
)
from dmp.edge.fhir_search import COUNT, CURSOR, Dated, Query, Reading, Token, cursor_of
from dmp.usecases.read_traces import Condition, Entry, Span, TracePage, TraceQuestion

_AGENTS = ("agent.identifier", "agent:identifier")
SORT = "-date"
READ = (
    "patient",
    "date",
    *_AGENTS,
    "type",
    "subtype",
    "action",
    "outcome",
    "entity",
    "_sort",
    COUNT,
    CURSOR,
)
REPORT = ("patient", "date", CURSOR)
"""The parameters of the access report."""

_ACTIONS = {code: code for code in "CRUDE"}
_OUTCOMES: dict[str, Outcome | None] = {
    **{code: outcome for outcome, code in OUTCOMES.items()},
    "12": None,
}
_REPORT_COUNT = 1000


def question_of(query: Query, actor: Actor, *, strict: bool) -> TraceQuestion:
    """The search that a query asks for; Malformed names every wrong parameter."""
    reading = Reading(query, READ, strict=strict)
    record_id, dates = _record(reading), reading.dates("date")
    conditions = [
        *_dated(dates),
        *(_by(tokens) for name in _AGENTS for tokens in reading.tokens(name)),
        *(_coded(tokens, type_codes) for tokens in reading.tokens("type")),
        *(_coded(tokens, subtype_codes) for tokens in reading.tokens("subtype")),
        *_about(reading.values("entity")),
    ]
    actions = reading.codes("action", _ACTIONS)
    if actions is not None:
        conditions.append(lambda entry: kind_of(entry.trace).action in actions)
    outcomes = reading.codes("outcome", _OUTCOMES)
    if outcomes is not None:
        conditions.append(lambda entry: entry.trace.outcome in outcomes)
    if any(order != SORT for order in reading.values("_sort")):
        reading.faults.append(Fault("_sort", "unsupported", f"{SORT}, which is the order anyway"))
    before = reading.place(lambda parts: _place(parts, actor, record_id))
    count = reading.count()
    reading.done()
    return TraceQuestion(record_id, _span(dates, before), tuple(conditions), count)


def report_of(query: Query, actor: Actor, *, strict: bool) -> TraceQuestion:
    """What an access report is asked for; Malformed names every wrong parameter."""
    reading = Reading(query, REPORT, strict=strict)
    record_id, dates = _record(reading), reading.dates("date")
    before = reading.place(lambda parts: _place(parts, actor, record_id))
    reading.done()
    return TraceQuestion(record_id, _span(dates, before), _dated(dates), _REPORT_COUNT)


def cursor(page: TracePage, question: TraceQuestion, actor: Actor) -> str | None:
    """Where the page after this one begins: for this caller and this record alone."""
    return cursor_of(_scope(actor, question.record_id), page.next) if page.next else None


def _record(reading: Reading) -> str | None:
    """The record asked about, or None for one's own acts everywhere."""
    return reading.record() if reading.values("patient") else None


def _dated(dates: Sequence[Dated]) -> tuple[Condition, ...]:
    return tuple(_at(dated) for dated in dates)


def _at(dated: Dated) -> Condition:
    return lambda entry: dated.holds(entry.trace.at)


def _span(dates: Sequence[Dated], before: str | None) -> Span:
    """The moments between which every date asked for can hold; the conditions then decide."""
    since: list[datetime] = []
    until: list[datetime] = []
    for dated in dates:
        match dated.prefix:
            case "ge":
                since.append(dated.first)
            case "gt" | "sa":
                # Nothing comes after the end of time: the condition says so.
                since.append(dated.end or dated.first)
            case "lt" | "eb":
                until.append(dated.first)
            case "le":
                until += [dated.end] if dated.end else []
            case "eq":
                since.append(dated.first)
                until += [dated.end] if dated.end else []
            case _:
                pass
    return Span(max(since, default=None), min(until, default=None), before)


def _by(tokens: Collection[Token]) -> Condition:
    """By whom: a professional by PS_IdNat, a structure by its number, whether its software acted
    or somebody within it."""

    def holds(entry: Entry) -> bool:
        kind, _, name = entry.trace.actor.partition("#")
        found = {(PS_SYSTEM, name)} if kind == "professional" else set[tuple[str, str]]()
        if kind == "system":
            found.add((STRUCTURE_SYSTEM, name))
        elif kind not in {"professional", "patient"}:
            found.add((f"urn:dmp:{kind}", name))
        if entry.trace.structure:
            found.add((STRUCTURE_SYSTEM, f"1{entry.trace.structure}"))
        return _any(tokens, found)

    return holds


def _coded(
    tokens: Collection[Token], codes: Callable[[Trace], Collection[tuple[str, str]]]
) -> Condition:
    return lambda entry: _any(tokens, codes(entry.trace))


def _any(tokens: Collection[Token], found: Collection[tuple[str, str]]) -> bool:
    return any(
        token.system in (None, system) and token.code in (None, code)
        for token in tokens
        for system, code in found
    )


def _about(values: Sequence[str]) -> list[Condition]:
    """What an entry is about: `Patient/<id>`, `DocumentReference/<id>`, or the id alone."""
    return [_names(frozenset(one for one in text.split(",") if one)) for text in values]


def _names(asked: Collection[str]) -> Condition:
    def holds(entry: Entry) -> bool:
        return any(
            one == reference or one.endswith(f"/{reference}") or one == reference.partition("/")[2]
            for reference in references(entry.trace)
            for one in asked
        )

    return holds


def _place(parts: Sequence[str], actor: Actor, record_id: str | None) -> str:
    """The entry where the page before ended; ValueError for a cursor of another search."""
    scope, last = parts
    if scope != _scope(actor, record_id) or not is_record_id(last):
        raise ValueError("no place among these entries")
    return last


def _scope(actor: Actor, record_id: str | None) -> str:
    return fingerprint_id(f"{key_of(actor)} {record_id or ''}")
