"""ExplanationOfBenefit (FHIR R4): the search's parameters in, one resource per netted line out.

Search: `patient` (required), `service-date` (days on which care began; the name that other payers
use), `created` (day on which the history was brought), `code` (`code`, `system|code`, several by
commas; the nature of service under `urn:dmp:nature`), `_count`, and the cursor of a `next` link.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from dmp.domain.errors import Fault, Malformed
from dmp.domain.history import HistoryLine, Section
from dmp.domain.identity import PS_OID, STRUCTURE_OID, is_finess, is_rpps
from dmp.domain.ids import is_record_id
from dmp.domain.nomenclatures import NATURE
from dmp.domain.records import Record
from dmp.usecases.read_history import (
    DEFAULT_COUNT,
    MOST,
    Code,
    Days,
    HistoryPage,
    HistoryQuestion,
    Place,
)

CURSOR = "_cursor"
SECTION = "urn:dmp:history-section"
_KNOWN = frozenset(
    {"patient", "service-date", "created", "code", "_count", CURSOR, "_format", "_pretty", "_sort"}
)
_DATE = re.compile(
    r"(?P<prefix>eq|ge|gt|le|lt|sa|eb)?(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
)
_ONE_DAY = timedelta(days=1)

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


def question_of(query: Mapping[str, Sequence[str]]) -> HistoryQuestion:
    """The search that a query string asks for; Malformed names every wrong parameter."""
    faults: list[Fault] = [
        Fault(name, "unknown-parameter", "not a search parameter here")
        for name in sorted(set(query) - _KNOWN)
    ]
    patients = [value.removeprefix("Patient/") for value in query.get("patient", ())]
    if len(patients) != 1 or not patients[0]:
        faults.append(Fault("patient", "required", "one record, by its id"))
    care = tuple(_days(value, "service-date", faults) for value in query.get("service-date", ()))
    made = tuple(_days(value, "created", faults) for value in query.get("created", ()))
    codes = tuple(
        _code(token) for value in query.get("code", ()) for token in value.split(",") if token
    )
    count = _count(query.get("_count", ()), faults)
    after = _place(query.get(CURSOR, ()), faults)
    if query.get("_sort", ["-service-date"]) != ["-service-date"]:
        faults.append(Fault("_sort", "unsupported", "newest first, and nothing else"))
    if faults:
        raise Malformed(*faults)
    return HistoryQuestion(patients[0], care, made, codes, count, after)


def bundle(page: HistoryPage, base: str, query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The searchset of one page. `base` is the FHIR base address."""
    here = f"{base}/ExplanationOfBenefit"
    links = [{"relation": "self", "url": f"{here}?{_asked(query)}"}]
    if page.next is not None:
        cursor = urlsafe_b64encode(f"{page.next.on.isoformat()}.{page.next.id}".encode())
        following = {**query, CURSOR: [cursor.decode("ascii").rstrip("=")]}
        links.append({"relation": "next", "url": f"{here}?{_asked(following)}"})
    entries = []
    if page.record is not None and page.imported_at is not None:
        created = page.imported_at.isoformat(timespec="seconds")
        for line in page.lines:
            resource = explanation(line, page.record, created)
            entries.append(
                {
                    "fullUrl": f"{here}/{resource['id']}",
                    "resource": resource,
                    "search": {"mode": "match"},
                }
            )
    told: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": page.total,
        "link": links,
    }
    if entries:
        told["entry"] = entries
    return told


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


def _asked(query: Mapping[str, Sequence[str]]) -> str:
    return urlencode([(name, value) for name, values in query.items() for value in values])


def _days(value: str, name: str, faults: list[Fault]) -> Days:
    """`ge2024-03`, `2024-03-15`, `lt2025`: the days that a FHIR date means, by its precision."""
    found = _DATE.fullmatch(value)
    try:
        if found is not None:
            year, month, day = (int(found[part] or 0) for part in ("year", "month", "day"))
            final = month or 12
            first = date(year, month or 1, day or 1)
            last = date(year, final, day or monthrange(year, final)[1])
            return _relative(found["prefix"], first, last)
    except (ValueError, OverflowError):
        pass
    faults.append(Fault(name, "date", "a date of FHIR, with or without a prefix"))
    return Days()


def _relative(prefix: str | None, first: date, last: date) -> Days:
    match prefix:
        case "ge":
            return Days(first, None)
        case "le":
            return Days(None, last)
        case "gt" | "sa":
            return Days(last + _ONE_DAY, None)
        case "lt" | "eb":
            return Days(None, first - _ONE_DAY)
        case _:
            return Days(first, last)


def _code(token: str) -> Code:
    system, bar, code = token.rpartition("|")
    if not bar:
        return Code(code)
    return Code(code, system.removeprefix("urn:oid:") or None)


def _count(values: Sequence[str], faults: list[Fault]) -> int:
    if not values:
        return DEFAULT_COUNT
    if len(values) > 1 or not re.fullmatch(r"[0-9]{1,6}", values[0]) or int(values[0]) == 0:
        faults.append(Fault("_count", "number", "a number of 1 or more"))
        return DEFAULT_COUNT
    return min(int(values[0]), MOST)


def _place(values: Sequence[str], faults: list[Fault]) -> Place | None:
    if not values:
        return None
    try:
        text = urlsafe_b64decode(values[0] + "=" * (-len(values[0]) % 4)).decode("ascii")
        on, _, line = text.partition(".")
        place = Place(date.fromisoformat(on), line)
    except ValueError:
        place = None
    if place is None or not is_record_id(place.id):
        faults.append(Fault(CURSOR, "cursor", "not a cursor that a next link gave"))
        return None
    return place
