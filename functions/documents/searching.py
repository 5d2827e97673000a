"""The search of documents (ITI-67): which parameters are read, and what they mean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dmp.domain.documents import Document, DocumentStatus
from dmp.domain.errors import Fault
from dmp.domain.identity import Ins, ins_faults
from dmp.domain.ids import split_document_id
from dmp.domain.terminology import CLASS_LABELS, CLASSES, TYPES, oid_of
from dmp.edge.fhir_search import COUNT, CURSOR, Query, Reading, Token, Used, common, used
from dmp.usecases.change_document import Condition
from dmp.usecases.search_documents import Criteria, Page

_NUMBER = "patient.identifier"
_IDENTIFIER = "identifier"
READ = ("patient", _NUMBER, "status", "type", "category", "date", COUNT, CURSOR)
_DIGITS = 12
_STATUSES = {status.value: status for status in DocumentStatus}


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as it was understood. `used` are the parameters that counted, in order; an unknown
    record id is one that cannot exist, so `whose` is then a string that finds nothing."""

    whose: str | Ins
    criteria: Criteria
    page: Page
    used: Used


def asked(query: Query, *, lenient: bool, strict: bool) -> Asked:
    """The search of a query; Malformed with every fault. `lenient` is the identity mode."""
    reading = Reading(query, READ, strict=strict)
    whose = _whose(reading, lenient=lenient)
    statuses = reading.codes("status", _STATUSES)
    if statuses is None:
        reading.faults.append(Fault("status", "required", ", ".join(_STATUSES)))
    criteria = Criteria(
        statuses or frozenset(),
        common([_types(tokens) for tokens in reading.tokens("type")]),
        common([_classes(tokens) for tokens in reading.tokens("category")]),
        tuple(dated.holds for dated in reading.dates("date")),
    )
    after, total = reading.place(_place) or (None, None)
    page = Page(reading.count(), after, total)
    reading.done()
    return Asked(whose, criteria, page, used(query, READ))


def condition(query: Query, *, lenient: bool) -> Condition:
    """Which document a conditional request means: `identifier`, once, with `patient` or
    `patient.identifier` or neither. Malformed for anything else, since what would be left out
    could make it mean another one."""
    reading = Reading(query, (_IDENTIFIER, "patient", _NUMBER), strict=True)
    said = reading.tokens(_IDENTIFIER)
    token = said[0][0] if len(said) == 1 and len(said[0]) == 1 else None
    if token is None or not token.code:
        told = "<system>|<masterIdentifier>, or the latter alone, once"
        reading.faults.append(Fault(_IDENTIFIER, "required", told))
    named = reading.values("patient") or reading.values(_NUMBER)
    whose = _whose(reading, lenient=lenient) if named else None
    reading.done()
    system = token.system if token else None

    def holds(document: Document) -> bool:
        identifier = json.loads(document.resource).get("masterIdentifier", {})
        return system is None or identifier.get("system", "") == system

    return Condition((token.code if token else None) or "", whose, holds)


def _whose(reading: Reading, *, lenient: bool) -> str | Ins:
    numbers = reading.values(_NUMBER)
    if not numbers:
        return reading.record()
    if len(numbers) > 1 or reading.values("patient"):
        reading.faults.append(Fault("patient", "required", f"patient or {_NUMBER}, once"))
    system, _, value = numbers[0].partition("|")
    ins = Ins(value, system.removeprefix("urn:oid:"))
    reading.faults.extend(ins_faults(ins, lenient=lenient, at=_NUMBER))
    return ins


def _types(tokens: Iterable[Token]) -> frozenset[str]:
    return frozenset(
        code
        for token in tokens
        for code, kind in TYPES.items()
        if token.code in (None, code) and _in(token, kind.system)
    )


def _classes(tokens: Iterable[Token]) -> frozenset[str]:
    return frozenset(
        code
        for token in tokens
        for code in CLASS_LABELS
        if token.code in (None, code) and _in(token, CLASSES)
    )


def _in(token: Token, system: str) -> bool:
    return token.system is None or oid_of(token.system) == system


def _place(parts: Sequence[str]) -> tuple[str, int]:
    """The last document's id and the total; ValueError for what is none."""
    last_id, total = parts
    if split_document_id(last_id) is None or not (total.isdecimal() and len(total) <= _DIGITS):
        raise ValueError("no place among documents")
    return last_id, int(total)
