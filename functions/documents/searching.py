"""The search of documents (ITI-67): which parameters are read, and what they mean."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from dmp.domain.documents import DocumentStatus
from dmp.domain.errors import Fault, Malformed
from dmp.domain.identity import Ins, ins_faults
from dmp.domain.ids import is_record_id
from dmp.domain.notifications import PARIS
from dmp.domain.terminology import CLASSES, TYPES, oid_of
from dmp.edge.fhir_bundles import read_cursor
from dmp.usecases.search_documents import Criteria, Page, Within

DEFAULT, MOST = 20, 100

_READ = (
    "patient",
    "patient.identifier",
    "status",
    "type",
    "category",
    "date",
    "_count",
    "cursor",
)
_OF_FORM = frozenset({"_format", "_pretty"})
_DATE = re.compile(
    r"(?P<prefix>eq|ne|gt|lt|ge|le|sa|eb)?(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<time>\d\d:\d\d(:\d\d(\.\d{1,6})?)?)(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as it was understood. `used` are the parameters that counted, in order; an unknown
    record id is one that cannot exist, so `whose` is then a string that finds nothing."""

    whose: str | Ins
    criteria: Criteria
    page: Page
    used: tuple[tuple[str, str], ...]


def form_query(body: bytes) -> dict[str, list[str]]:
    """The parameters of a form-encoded `_search`."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Malformed(Fault("body", "form", "not readable as a form in UTF-8")) from None
    told: dict[str, list[str]] = {}
    for name, value in pairs:
        told.setdefault(name, []).append(value)
    return told


def asked(query: Query, *, lenient: bool, strict: bool) -> Asked:
    """The search of a query; Malformed with every fault.

    `lenient` is the identity mode; `strict` is `Prefer: handling=strict`, under which a parameter
    that is not read is a fault instead of being left out.
    """
    faults: list[Fault] = []
    whose = _whose(query, faults, lenient=lenient)
    statuses = _statuses(query, faults)
    page = _page(query, faults)
    dated = tuple(within for text in query.get("date", ()) for within in _date(text, faults))
    unknown = [name for name in query if name not in _READ and name not in _OF_FORM]
    modified = [name for name in unknown if name.partition(":")[0] in _READ]
    faults += [Fault(name, "modifier", "no modifier is read here") for name in modified]
    if strict:
        rest = [name for name in unknown if name not in modified]
        faults += [Fault(name, "unknown-parameter", "not a parameter here") for name in rest]
    if faults or whose is None:
        raise Malformed(*faults)
    criteria = Criteria(statuses, _types(query), _classes(query), dated)
    used = tuple((name, value) for name in _READ for value in query.get(name, ()))
    return Asked(whose, criteria, page, used)


def _whose(query: Query, faults: list[Fault], *, lenient: bool) -> str | Ins | None:
    patients, numbers = query.get("patient", ()), query.get("patient.identifier", ())
    if len(patients) + len(numbers) != 1:
        faults.append(Fault("patient", "required", "patient or patient.identifier, once"))
        return None
    if patients:
        found = patients[0].rpartition("Patient/")[2]
        return found if is_record_id(found) else "unknown"
    system, _, value = numbers[0].partition("|")
    ins = Ins(value, system.removeprefix("urn:oid:"))
    faults.extend(ins_faults(ins, lenient=lenient, at="patient.identifier"))
    return ins


def _statuses(query: Query, faults: list[Fault]) -> frozenset[DocumentStatus]:
    told = [code for text in query.get("status", ()) for code in text.split(",") if code]
    if not told:
        faults.append(Fault("status", "required", "current, superseded or entered-in-error"))
    known = {status.value: status for status in DocumentStatus}
    if any(code not in known for code in told):
        faults.append(Fault("status", "unknown-code", "current, superseded, entered-in-error"))
    return frozenset(known[code] for code in told if code in known)


def _codes(query: Query, name: str) -> list[tuple[str | None, str]] | None:
    """The tokens of a parameter; a value repeated narrows, values apart by commas widen. One
    parameter is enough here, so a repetition is read as a widening."""
    if name not in query:
        return None
    tokens = [token for text in query[name] for token in text.split(",") if token]
    return [
        (token.partition("|")[0] or None, token.partition("|")[2]) if "|" in token else ("*", token)
        for token in tokens
    ]


def _types(query: Query) -> frozenset[str] | None:
    told = _codes(query, "type")
    if told is None:
        return None
    return frozenset(
        code
        for system, code in told
        if code in TYPES and (system == "*" or oid_of(system) == TYPES[code].system)
    )


def _classes(query: Query) -> frozenset[str] | None:
    told = _codes(query, "category")
    if told is None:
        return None
    return frozenset(code for system, code in told if system == "*" or oid_of(system) == CLASSES)


def _page(query: Query, faults: list[Fault]) -> Page:
    size = DEFAULT
    for text in query.get("_count", ()):
        if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) == 0:
            faults.append(Fault("_count", "number", "a number from 1"))
        else:
            size = min(int(text), MOST)
    for text in query.get("cursor", ()):
        told = read_cursor(text)
        if told is None:
            faults.append(Fault("cursor", "cursor", "not a cursor of this search"))
        else:
            return Page(size, *told)
    return Page(size)


def _date(text: str, faults: list[Fault]) -> list[Within]:
    """A date with its prefix, as the condition it means on an instant. Days begin in Paris."""
    found = _DATE.fullmatch(text)
    try:
        low, high = _interval(found) if found else (None, None)
    except (ValueError, OverflowError):
        low = high = None
    if found is None or low is None or high is None:
        faults.append(Fault("date", "date", "a date or an instant, after eq ne gt lt ge le sa eb"))
        return []
    first, end = low, high
    conditions: dict[str, Within] = {
        "eq": lambda moment: first <= moment < end,
        "ne": lambda moment: not first <= moment < end,
        "gt": lambda moment: moment >= end,
        "sa": lambda moment: moment >= end,
        "ge": lambda moment: moment >= first,
        "lt": lambda moment: moment < first,
        "eb": lambda moment: moment < first,
        "le": lambda moment: moment < end,
    }
    return [conditions[found["prefix"] or "eq"]]


def _interval(found: re.Match[str]) -> tuple[datetime, datetime]:
    year, month, day = (int(found[name]) if found[name] else None for name in _PARTS)
    assert year is not None  # noqa: S101 - the pattern asks for it
    if found["time"]:
        zone = (found["zone"] or "").replace("Z", "+00:00")
        moment = datetime.fromisoformat(
            f"{found['year']}-{found['month']}-{found['day']}T{found['time']}{zone}"
        )
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=PARIS)
        step = timedelta(seconds=1) if found["time"].count(":") > 1 else timedelta(minutes=1)
        return moment, moment + step
    first = datetime(year, month or 1, day or 1, tzinfo=PARIS)
    if day:
        following = first + timedelta(days=1)
    elif month:
        following = first + timedelta(days=monthrange(year, month)[1])
    else:
        following = datetime(year + 1, 1, 1, tzinfo=PARIS)
    return first, following


_PARTS = ("year", "month", "day")
