"""Consent (FHIR R4): what is asked in, a resource or a search set out.

One code of system `urn:dmp:consent` in `category` and again in `provision.code`; `provision.type`
deny for a block or an opposition, permit otherwise; the professional as the one
`provision.actor`, by PS_IdNat. Search: `patient` (required), `category`, `status`, `_count` and the
cursor of a `next` link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator

from dmp.domain.consents import ABOUT_A_PROFESSIONAL, DENIALS, Consent, Kind, split_consent_id
from dmp.domain.errors import Fault, Invalid
from dmp.domain.identity import PS_OID, is_ps_id
from dmp.edge.fhir_bundles import searchset
from dmp.edge.fhir_search import COUNT, CURSOR, Query, Reading, Token, common, cursor_of, used
from dmp.edge.http import parsed
from dmp.usecases.grant_access import TAKEN, Wish
from dmp.usecases.read_consents import ConsentPage, ConsentQuestion, Place

SYSTEM = "urn:dmp:consent"
RECORDED_BY = "urn:dmp:recorded-by"
_PS_SYSTEM = f"urn:oid:{PS_OID}"
_SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
_SCOPE = "patient-privacy"
_ACT_CODES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_PARTICIPATIONS = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PATIENT = re.compile(r"(?:.*/)?Patient/([A-Za-z0-9\-.]{1,64})")
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))?", re.ASCII
)
_PARIS = ZoneInfo("Europe/Paris")
_KNOWN = ("patient", "category", "status", COUNT, CURSOR)
_STATUSES = {"active": True, "inactive": False}
_LABELS = {
    Kind.AUTHORISATION: "Autorisation d'accès",
    Kind.BLOCK: "Blocage",
    Kind.MEDECIN_TRAITANT: "Médecin traitant",
    Kind.DELEGATE: "Délégation",
    Kind.BREAK_GLASS_OPPOSITION: "Opposition au bris de glace",
    Kind.CENTRE_15_OPPOSITION: "Opposition à l'accès du centre 15",
    Kind.MASKED_IN_EMERGENCY: "Documents masqués visibles en urgence",
    Kind.MASKED_HISTORY: "Remboursement masqué",
}


def _moment(value: object) -> object:
    """A FHIR dateTime to the day or to the second; a day stays a day."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("not a date, nor a date and time with its zone")
    try:
        if "T" not in value:
            return date.fromisoformat(value)
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("no such day or time") from None


Moment = Annotated[Any, BeforeValidator(_moment)]


class Coding(BaseModel):
    system: str | None = None
    code: str | None = None


class Concept(BaseModel):
    coding: list[Coding] = []


class Identifier(BaseModel):
    system: str | None = None
    value: str | None = None


class Reference(BaseModel):
    reference: str | None = None
    identifier: Identifier | None = None


class Period(BaseModel):
    start: Moment = None
    end: Moment = None


class ProvisionActor(BaseModel):
    reference: Reference | None = None


class Provision(BaseModel):
    type: str | None = None
    period: Period | None = None
    actor: list[ProvisionActor] = []
    code: list[Concept] = []
    provision: list[dict[str, Any]] = []


class ConsentBody(BaseModel):
    """The members that are read; what else FHIR allows is neither read nor kept."""

    resourceType: str | None = None  # noqa: N815 - FHIR's name
    status: str | None = None
    scope: Concept | None = None
    category: list[Concept] = []
    patient: Reference | None = None
    provision: Provision | None = None


def wish_of(told: Mapping[str, Any]) -> Wish:
    """What a Consent asks to record; Invalid names every wrong element by its FHIR path."""
    body = parsed(ConsentBody, dict(told), "Consent")
    faults: list[Fault] = []
    if body.resourceType != "Consent":
        faults.append(Fault("Consent.resourceType", "unknown-code", "a Consent is expected"))
    if body.status != "active":
        faults.append(Fault("Consent.status", "unknown-code", "a new consent is active"))
    if not body.scope or (_SCOPES, _SCOPE) not in _codes([body.scope]):
        faults.append(Fault("Consent.scope", "unknown-code", f"{_SCOPE} of {_SCOPES}"))
    record_id = _record(body.patient, faults)
    kind = _kind(body.category, faults)
    provision = body.provision
    if provision is None:
        faults.append(Fault("Consent.provision", "required", "what is permitted or denied"))
        raise Invalid(*faults)
    professional = _provided(provision, kind, faults)
    period = provision.period or Period()
    if faults or kind is None:
        raise Invalid(*faults)
    return Wish(
        record_id=record_id,
        kind=kind,
        professional=professional,
        since=_start(period.start),
        until=_end(period.end),
    )


def question_of(query: Query, *, strict: bool = False) -> ConsentQuestion:
    """The search that a query string asks for; Malformed names every wrong parameter."""
    reading = Reading(query, _KNOWN, strict=strict)
    question = ConsentQuestion(
        record_id=reading.record(),
        kinds=common([_kinds(tokens) for tokens in reading.tokens("category")]),
        active=reading.codes("status", _STATUSES),
        count=reading.count(),
        after=reading.place(_place),
    )
    reading.done()
    return question


def resource(consent: Consent) -> dict[str, Any]:
    """A decision as a Consent."""
    decision = consent.decision
    denied = decision.kind in DENIALS
    code = {
        "coding": [
            {"system": SYSTEM, "code": decision.kind.value, "display": _LABELS[decision.kind]}
        ]
    }
    provision: dict[str, Any] = {
        "type": "deny" if denied else "permit",
        "period": {"start": _told(decision.since)},
        "code": [code],
    }
    if decision.until is not None:
        provision["period"]["end"] = _told(decision.until)
    if consent.professional is not None:
        who = {"identifier": {"system": _PS_SYSTEM, "value": consent.professional}}
        role = {"coding": [{"system": _PARTICIPATIONS, "code": "IRCP"}]}
        provision["actor"] = [{"role": role, "reference": who}]
    return {
        "resourceType": "Consent",
        "id": consent.id,
        "meta": {"versionId": str(decision.version)},
        "extension": [{"url": RECORDED_BY, "valueString": decision.recorded_by}],
        "status": "active" if decision.active else "inactive",
        "scope": {"coding": [{"system": _SCOPES, "code": _SCOPE}]},
        "category": [code],
        "patient": {"reference": f"Patient/{consent.record_id}"},
        "dateTime": _told(decision.since),
        "policyRule": {"coding": [{"system": _ACT_CODES, "code": "OPTOUT" if denied else "OPTIN"}]},
        "provision": provision,
    }


def bundle(page: ConsentPage, base: str, query: Query) -> dict[str, Any]:
    """The search set of one page; `base` is the FHIR address."""
    following = None
    if page.next is not None:
        since, last = page.next
        following = cursor_of(since.isoformat(), last)
    return searchset(
        base,
        "Consent",
        used(query, _KNOWN),
        [resource(consent) for consent in page.consents],
        total=page.total,
        next_cursor=following,
    )


def headers(consent: Consent, base: str) -> dict[str, str]:
    """Where a decision is read again, and its version."""
    return {
        "Location": f"{base}/Consent/{consent.id}",
        "ETag": f'W/"{consent.decision.version}"',
    }


def _record(patient: Reference | None, faults: list[Fault]) -> str:
    found = _PATIENT.fullmatch((patient and patient.reference) or "")
    if found is None:
        faults.append(Fault("Consent.patient", "required", "Patient/ and the record's id"))
        return ""
    return found[1]


def _kind(category: Sequence[Concept], faults: list[Fault]) -> Kind | None:
    at = "Consent.category"
    codes = [code for system, code in _codes(category) if system == SYSTEM]
    if len(codes) != 1:
        faults.append(Fault(at, "required", f"one code of {SYSTEM}"))
        return None
    try:
        kind = Kind(codes[0] or "")
    except ValueError:
        faults.append(Fault(at, "unknown-code", f"not a code of {SYSTEM}"))
        return None
    if kind not in TAKEN:
        faults.append(Fault(at, "not-supported", f"{kind.value} cannot be recorded here yet"))
        return None
    return kind


def _provided(provision: Provision, kind: Kind | None, faults: list[Fault]) -> str | None:
    """The professional that a provision names; what contradicts the kind is a fault."""
    if provision.provision:
        faults.append(Fault("Consent.provision.provision", "not-supported", "one level only"))
    if provision.type not in {"permit", "deny"}:
        faults.append(Fault("Consent.provision.type", "required", "permit or deny"))
    elif kind is not None and provision.type != ("deny" if kind in DENIALS else "permit"):
        faults.append(
            Fault("Consent.provision.type", "contradicts-category", "not what the category says")
        )
    if kind is not None and _codes(provision.code) != [(SYSTEM, kind.value)]:
        faults.append(
            Fault("Consent.provision.code", "contradicts-category", "the code of the category")
        )
    about_somebody = kind is None or kind in ABOUT_A_PROFESSIONAL
    at = "Consent.provision.actor"
    if not about_somebody:
        if provision.actor:
            faults.append(Fault(at, "unexpected", "this decision is about nobody in particular"))
        return None
    if len(provision.actor) != 1:
        if kind is not None:
            faults.append(Fault(at, "required", "one professional"))
        return None
    return _professional(provision.actor[0], f"{at}[0].reference.identifier", faults)


def _professional(actor: ProvisionActor, at: str, faults: list[Fault]) -> str | None:
    identifier = actor.reference.identifier if actor.reference else None
    if identifier is None or identifier.value is None:
        faults.append(Fault(at, "required", f"a PS_IdNat of {_PS_SYSTEM}"))
        return None
    if identifier.system != _PS_SYSTEM:
        faults.append(Fault(f"{at}.system", "unknown-oid", f"{_PS_SYSTEM} is expected"))
    if not is_ps_id(identifier.value):
        faults.append(Fault(f"{at}.value", "ps-id", "8 and an RPPS number with a right key"))
    return identifier.value


def _codes(concepts: Iterable[Concept]) -> list[tuple[str | None, str | None]]:
    return [(coding.system, coding.code) for one in concepts for coding in one.coding]


def _kinds(tokens: Iterable[Token]) -> frozenset[Kind]:
    asked = [one.code for one in tokens if one.system in {None, SYSTEM}]
    return frozenset(kind for kind in Kind if kind.value in asked or None in asked)


def _place(parts: Sequence[str]) -> Place:
    """The place of a cursor's parts; ValueError for what is none."""
    since, last = parts
    place = datetime.fromisoformat(since), last
    if place[0].tzinfo is None or split_consent_id(last) is None:
        raise ValueError("no place among consents")
    return place


def _start(value: date | datetime | None) -> datetime | None:
    """A day begins at midnight in Paris."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime.combine(value, time(), _PARIS).astimezone(UTC)


def _end(value: date | datetime | None) -> datetime | None:
    """A day counts whole [FHIR Period]: it ends where the next begins."""
    if value is None or isinstance(value, datetime):
        return value
    return _start(value + timedelta(days=1))


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
