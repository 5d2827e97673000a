"""ExplanationOfBenefit (FHIR R4): the search's parameters in, one resource per netted line out.

Search: `patient` (required), `service-date` (days on which care began; the name that other payers
use), `created` (day on which the history was brought), `code` (`code`, `system|code`, several by
commas; the nature of service under `urn:dmp:nature`), `_count`, and the cursor of a `next` link.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from dmp.domain.errors import Fault
from dmp.domain.history import HistoryLine, Section
from dmp.domain.identity import PS_OID, STRUCTURE_OID, is_finess, is_rpps
from dmp.domain.ids import is_record_id
from dmp.domain.nomenclatures import NATURE
from dmp.domain.records import Record
from dmp.edge.fhir_bundles import searchset
from dmp.edge.fhir_search import COUNT, CURSOR, Dated, Query, Reading, Token, cursor_of, used
from dmp.usecases.read_history import (
    Code,
    Days,
    HistoryPage,
    HistoryQuestion,
    Place,
)

SECTION = "urn:dmp:history-section"
_KNOWN = ("patient", "service-date", "created", "code", "_sort", COUNT, CURSOR)
_ORDER = "-service-date"
_ONE_DAY = timedelta(days=1)
_NEVER = Days(others=True)

_CLAIM_TYPES = {
    Section.MEDICINES: "pharmacy",
    Section.VACCINATIONS: "pharmacy",
    Section.STAYS: "institutional",
}
_SECTIONS = {
    Section.MEDICINES: "Médicaments",
    Section.VACCINATIONS: "Vaccinations",
    Section.DEVICES: "Dispositifs médicaux",
    Section.STAYS: "Hospitalisations",
    Section.CARE: "Soins médicaux et dentaires",
    Section.RADIOLOGY: "Radiologie",
    Section.BIOLOGY: "Biologie",
}
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


def question_of(query: Query, *, strict: bool = False) -> HistoryQuestion:
    """The search that a query string asks for; Malformed names every wrong parameter."""
    reading = Reading(query, _KNOWN, strict=strict)
    question = HistoryQuestion(
        reading.record(),
        _days(reading, "service-date"),
        _days(reading, "created"),
        tuple(frozenset(map(_code, tokens)) for tokens in reading.tokens("code")),
        reading.count(),
        reading.place(_place),
    )
    if any(order != _ORDER for order in reading.values("_sort")):
        reading.faults.append(Fault("_sort", "unsupported", "newest first, and nothing else"))
    reading.done()
    return question


def bundle(page: HistoryPage, base: str, query: Query) -> dict[str, Any]:
    """The searchset of one page. `base` is the FHIR base address."""
    following = None
    if page.next is not None:
        following = cursor_of(page.next.on.isoformat(), page.next.id)
    resources = []
    if page.record is not None and page.imported_at is not None:
        created = page.imported_at.isoformat(timespec="seconds")
        resources = [explanation(line, page.record, created) for line in page.lines]
    return searchset(
        base,
        "ExplanationOfBenefit",
        used(query, _KNOWN),
        resources,
        total=page.total,
        next_cursor=following,
    )


def explanation(line: HistoryLine, record: Record, created: str) -> dict[str, Any]:
    """One line as an ExplanationOfBenefit; amounts when the line has them."""
    period = {"start": line.on.isoformat(), "end": (line.until or line.on).isoformat()}
    team = _team(line)
    item: dict[str, Any] = {
        "sequence": 1,
        "category": _section(line.section),
        "productOrService": _product(line),
        "servicedDate": line.on.isoformat(),
        "quantity": {"value": _json_number(line.quantity)},
    }
    if team:
        item["careTeamSequence"] = [member["sequence"] for member in team]
    amounts = _amounts(line)
    if amounts:
        item["adjudication"] = amounts
    resource: dict[str, Any] = {
        "resourceType": "ExplanationOfBenefit",
        "id": f"{record.id}.{line.id}",
        "status": "active",
        "type": _standard("claim-type", _CLAIM_TYPES.get(line.section, "professional")),
        "subType": _section(line.section),
        "use": "claim",
        "patient": {"reference": f"Patient/{record.id}"},
        "billablePeriod": period,
        "created": created,
        "insurer": {
            "identifier": {"system": f"urn:oid:{STRUCTURE_OID}", "value": "318003502400041"},
            "display": "Assurance Maladie",
        },
        "provider": _provider(line),
        "outcome": "complete",
        "careTeam": team,
        "insurance": [
            {"focal": True, "coverage": {"display": "Assurance maladie obligatoire"}},
        ],
        "item": [item],
        "total": amounts,
    }
    return {name: value for name, value in resource.items() if value != []}


def _product(line: HistoryLine) -> dict[str, Any]:
    """The line's own code first, then its nature of service."""
    nature = {"system": NATURE, "code": str(line.nature)}
    if line.system == NATURE:
        return {"coding": [{**nature, "display": line.label}], "text": line.label}
    own = {"system": f"urn:oid:{line.system}", "code": line.code, "display": line.label}
    return {"coding": [own, nature], "text": line.label}


def _provider(line: HistoryLine) -> dict[str, Any]:
    """The structure of a stay, else who gave the care; a reference without identifier when the
    extract does not say."""
    if line.structure and is_finess(line.structure):
        named = {"system": f"urn:oid:{STRUCTURE_OID}", "value": f"1{line.structure}"}
        return {"type": "Organization", "identifier": named}
    return _professional(line.performer)


def _professional(number: str | None) -> dict[str, Any]:
    if number is None:
        return {"display": "Non communiqué"}
    if is_rpps(number):
        return {"identifier": {"system": f"urn:oid:{PS_OID}", "value": f"8{number}"}}
    return {"identifier": {"system": "urn:dmp:insurer-number", "value": number}}


def _team(line: HistoryLine) -> list[dict[str, Any]]:
    told = [
        ("primary", "Exécutant", line.performer, line.performer_speciality),
        ("other", "Prescripteur", line.prescriber, line.prescriber_speciality),
    ]
    named = [one for one in told if one[2] is not None]
    return [
        {
            "sequence": rank,
            "provider": _professional(number),
            "role": {**_standard("claimcareteamrole", role), "text": text},
            **({"qualification": {"text": speciality}} if speciality else {}),
        }
        for rank, (role, text, number, speciality) in enumerate(named, 1)
    ]


def _amounts(line: HistoryLine) -> list[dict[str, Any]]:
    """What was paid, what of it counts, what was given back: euros."""
    told = [("submitted", line.paid), ("eligible", line.base), ("benefit", line.reimbursed)]
    return [
        {
            "category": _standard("adjudication", category),
            "amount": {"value": _json_number(amount), "currency": "EUR"},
        }
        for category, amount in told
        if amount is not None
    ]


def _section(section: Section) -> dict[str, Any]:
    return {
        "coding": [{"system": SECTION, "code": section.value, "display": _SECTIONS[section]}],
    }


def _standard(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{_TERMINOLOGY}/{system}", "code": code}]}


def _json_number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _days(reading: Reading, name: str) -> tuple[Days, ...]:
    """The days that the dates of a parameter mean, by their precision."""
    dates = reading.dates(name)
    if not all(dated.to_the_day for dated in dates):
        reading.faults.append(Fault(name, "date", "to the day at most"))
    return tuple(_relative(dated) for dated in dates if dated.to_the_day)


def _relative(dated: Dated) -> Days:
    first, end = dated.first.date(), dated.end.date() if dated.end else None
    last = end - _ONE_DAY if end else None
    match dated.prefix:
        case "ge":
            return Days(first, None)
        case "le":
            return Days(None, last)
        case "gt" | "sa":
            return Days(end, None) if end else _NEVER
        case "lt" | "eb":
            return Days(None, first - _ONE_DAY) if first > date.min else _NEVER
        case prefix:
            return Days(first, last, others=prefix == "ne")


def _code(token: Token) -> Code:
    system = token.system
    return Code(token.code, None if system is None else system.removeprefix("urn:oid:"))


def _place(parts: Sequence[str]) -> Place:
    """The place of a cursor's parts; ValueError for what is none."""
    on, line = parts
    if not is_record_id(line):
        raise ValueError("no place in a history")
    return Place(date.fromisoformat(on), line)
