"""Consent (FHIR R4): what is asked in, a resource or a search set out.

One code of system `urn:dmp:consent` in `category` and again in `provision.code`; `provision.type`
deny for a block or an opposition, permit otherwise; the professional as the one
`provision.actor`, by PS_IdNat; the structure where they act as `organization`. Its proof is a
`verification` (verified with the patient) or a `sourceReference` (a document of the record).

A patch changes `status` and `provision.period`. Search: `patient` (required), `category`, `status`,
`_count` and the cursor of a `next` link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from dmp.domain.actors import Actor, Professional
from dmp.domain.consents import (
    ABOUT_A_PROFESSIONAL,
    DENIALS,
    OPENING_KINDS,
    Change,
    Consent,
    Decision,
    Kind,
    ProofKind,
    split_consent_id,
)
from dmp.domain.errors import Fault, Invalid
from dmp.domain.identity import PS_OID, STRUCTURE_OID, is_finess, is_ps_id
from dmp.domain.ids import split_document_id
from dmp.domain.paris import PARIS
from dmp.edge.fhir_bundles import history_bundle, searchset
from dmp.edge.fhir_search import COUNT, CURSOR, Query, Reading, Token, common, cursor_of, used
from dmp.edge.http import etag, parsed
from dmp.edge.json_patch import Patch
from dmp.usecases.change_consent import Amend, Asked
from dmp.usecases.grant_access import TAKEN, Wish
from dmp.usecases.ports import DEFAULT_COUNT
from dmp.usecases.read_consents import ConsentPage, ConsentQuestion, HistoryPage, Place

SYSTEM = "urn:dmp:consent"
RECORDED_BY = "urn:dmp:recorded-by"
PROOF = "urn:dmp:proof"
CHANGE = "urn:dmp:change"
_PS_SYSTEM = f"urn:oid:{PS_OID}"
_STRUCTURE_SYSTEM = f"urn:oid:{STRUCTURE_OID}"
_FINESS_PREFIX = "1"
_SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
_SCOPE = "patient-privacy"
_ACT_CODES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_PARTICIPATIONS = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PATIENT = re.compile(r"(?:.*/)?Patient/([A-Za-z0-9\-.]{1,64})")
_DOCUMENT = re.compile(r"(?:.*/)?DocumentReference/([A-Za-z0-9\-.]{1,64})")
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))?", re.ASCII
)
_KNOWN = ("patient", "category", "status", COUNT, CURSOR)
_KNOWN_OF_HISTORY = (COUNT, CURSOR)
_CHANGEABLE = ("/status", "/provision/period")
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


class Organization(BaseModel):
    identifier: Identifier | None = None


class Verification(BaseModel):
    verified: Any = None
    verificationDate: Moment = None  # noqa: N815 - FHIR's name


class ConsentBody(BaseModel):
    """The members that are read; what else FHIR allows is neither read nor kept."""

    resourceType: str | None = None  # noqa: N815 - FHIR's name
    status: str | None = None
    scope: Concept | None = None
    category: list[Concept] = []
    patient: Reference | None = None
    organization: list[Organization] = []
    sourceAttachment: Any = None  # noqa: N815 - FHIR's name
    sourceReference: Reference | None = None  # noqa: N815 - FHIR's name
    verification: list[Verification] = []
    provision: Provision | None = None


class AmendedProvision(BaseModel):
    period: Period | None = None


class Amended(BaseModel):
    """The members that a patch may change, after it."""

    status: Any = None
    provision: AmendedProvision


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
    structure = _organization(body.organization, kind, faults)
    verified_at = _verification(body.verification, faults)
    document = _source(body, record_id, faults)
    period = provision.period or Period()
    if faults or kind is None:
        raise Invalid(*faults)
    return Wish(
        record_id=record_id,
        kind=kind,
        professional=professional,
        since=_start(period.start),
        until=_end(period.end),
        structure=structure,
        verified=bool(body.verification),
        verified_at=verified_at,
        document=document,
    )


def amendment(patch: Patch, reader: Actor | None = None) -> Amend:
    """What a patch by `reader` asks of the decision that stands: NotAllowed for a patch of anything
    but the status and the period, Invalid for what it makes of them."""

    def amend(consent: Consent) -> Asked:
        before = resource(consent, reader)
        told = parsed(Amended, patch.on(before, allowed=_CHANGEABLE), "Consent")
        if told.status not in _STATUSES:
            raise Invalid(Fault("Consent.status", "unknown-code", ", ".join(_STATUSES)))
        period, shown = told.provision.period or Period(), Period(**before["provision"]["period"])
        decision, moved = consent.decision, period.start != shown.start
        return Asked(
            active=_STATUSES[told.status],
            # To the millisecond in the resource: what was not touched stays as it is kept.
            since=(_start(period.start) if moved else None) or decision.since,
            until=decision.until if period.end == shown.end else _end(period.end),
        )

    return amend


def page_of_history(query: Query, *, strict: bool = False) -> tuple[int, int | None]:
    """How many changes are asked for, and after which version; Malformed with every fault."""
    reading = Reading(query, _KNOWN_OF_HISTORY, strict=strict)
    count, after = reading.count(DEFAULT_COUNT), reading.place(_version)
    reading.done()
    return count, after


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


def resource(consent: Consent, reader: Actor | None = None) -> dict[str, Any]:
    """A decision as a Consent. The document that proves it is named to professionals alone: it may
    be one that is hidden from the holder, or a minor's secret, when it is recorded or later."""
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
    told: dict[str, Any] = {
        "resourceType": "Consent",
        "id": consent.id,
        "meta": _meta(decision),
        "extension": _extensions(decision),
        "status": "active" if decision.active else "inactive",
        "scope": {"coding": [{"system": _SCOPES, "code": _SCOPE}]},
        "category": [code],
        "patient": {"reference": f"Patient/{consent.record_id}"},
        "dateTime": _told(decision.at),
        **_performer(consent),
    }
    if decision.structure is not None:
        value = f"{_FINESS_PREFIX}{decision.structure}"
        told["organization"] = [{"identifier": {"system": _STRUCTURE_SYSTEM, "value": value}}]
    return told | {
        **_proof(decision, named=isinstance(reader, Professional)),
        "policyRule": {"coding": [{"system": _ACT_CODES, "code": "OPTOUT" if denied else "OPTIN"}]},
        "provision": provision,
    }


def history(
    page: HistoryPage, name: str, base: str, query: Query, reader: Actor | None = None
) -> dict[str, Any]:
    """What one decision became, newest first: a history bundle whose entries say by whom (`urn:dmp:
    recorded-by`), when (`meta.lastUpdated`) and how (`urn:dmp:change`)."""
    entries = []
    for change in page.changes:
        told = _version_of(change, reader)
        first = change.consent.decision.version == 1
        entries.append(
            {
                "fullUrl": f"{base}/Consent/{name}",
                "resource": told,
                "request": {
                    "method": "POST" if first else "PATCH",
                    "url": "Consent" if first else f"Consent/{name}",
                },
                "response": {
                    "status": "201" if first else "200",
                    "etag": etag(change.consent.decision.version),
                    "lastModified": told["meta"]["lastUpdated"],
                },
            }
        )
    return history_bundle(
        f"{base}/Consent/{name}/_history",
        used(query, _KNOWN_OF_HISTORY),
        entries,
        total=page.total,
        next_cursor=cursor_of(str(page.next)) if page.next is not None else None,
    )


def bundle(
    page: ConsentPage, base: str, query: Query, reader: Actor | None = None
) -> dict[str, Any]:
    """The search set of one page; `base` is the FHIR address."""
    following = None
    if page.next is not None:
        since, last = page.next
        following = cursor_of(since.isoformat(), last)
    return searchset(
        base,
        "Consent",
        used(query, _KNOWN),
        [resource(consent, reader) for consent in page.consents],
        total=page.total,
        next_cursor=following,
    )


def headers(consent: Consent, base: str) -> dict[str, str]:
    """Where a decision is read again, and its version."""
    return {
        "Location": f"{base}/Consent/{consent.id}",
        "ETag": etag(consent.decision.version),
    }


def _version_of(change: Change, reader: Actor | None) -> dict[str, Any]:
    told = resource(change.consent, reader)
    told["meta"]["lastUpdated"] = _told(change.at)
    told["extension"].append({"url": CHANGE, "valueCode": change.turn.value})
    return told


def _meta(decision: Decision) -> dict[str, str]:
    told = {"versionId": str(decision.version)}
    if decision.recorded_at is not None:
        told["lastUpdated"] = _told(decision.recorded_at)
    return told


def _extensions(decision: Decision) -> list[dict[str, str]]:
    told = [{"url": RECORDED_BY, "valueString": decision.recorded_by}]
    if decision.proof is not None:
        told.append({"url": PROOF, "valueCode": decision.proof.kind.value})
    return told


def _performer(consent: Consent) -> dict[str, Any]:
    """Who agreed, as far as it is a person of care: an agent or a software at the opening of the
    record is named by the extension alone. A representative is not named by their identity."""
    kind, _, number = consent.decision.recorded_by.partition("#")
    if kind == "professional":
        who = {"type": "Practitioner", "identifier": {"system": _PS_SYSTEM, "value": number}}
        return {"performer": [who]}
    if kind != "patient":
        return {}
    if consent.decision.represented:
        return {"performer": [{"type": "RelatedPerson", "display": "Représentant légal"}]}
    return {"performer": [{"reference": f"Patient/{consent.record_id}"}]}


def _proof(decision: Decision, *, named: bool) -> dict[str, Any]:
    proof = decision.proof
    if proof is None:
        return {}
    told: dict[str, Any] = {}
    if named and proof.document is not None:
        told["sourceReference"] = {"reference": f"DocumentReference/{proof.document}"}
    if proof.kind is ProofKind.VERIFIED or proof.at is not None:
        date = {"verificationDate": _told(proof.at)} if proof.at else {}
        told["verification"] = [{"verified": True, **date}]
    return told


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


def _organization(
    told: Sequence[Organization], kind: Kind | None, faults: list[Fault]
) -> str | None:
    """The FINESS number of the structure where the professional acts; of the kinds that open no
    record it is not read."""
    if kind not in OPENING_KINDS or not told:
        return None
    if len(told) > 1:
        faults.append(Fault("Consent.organization", "too-many", "one structure"))
        return None
    identifier, at = told[0].identifier, "Consent.organization[0].identifier"
    if identifier is None or identifier.value is None:
        faults.append(Fault(at, "required", f"the structure's number of {_STRUCTURE_SYSTEM}"))
        return None
    if identifier.system != _STRUCTURE_SYSTEM:
        faults.append(Fault(f"{at}.system", "unknown-oid", f"{_STRUCTURE_SYSTEM} is expected"))
    finess = identifier.value.removeprefix(_FINESS_PREFIX)
    if not identifier.value.startswith(_FINESS_PREFIX) or not is_finess(finess):
        faults.append(Fault(f"{at}.value", "finess", "1 and a FINESS number"))
    return finess


def _verification(told: Sequence[Verification], faults: list[Fault]) -> datetime | None:
    """When the patient's consent was verified with them, as far as it is said."""
    if len(told) > 1:
        faults.append(Fault("Consent.verification", "too-many", "one verification"))
    for index, one in enumerate(told):
        if one.verified is not True:
            at = f"Consent.verification[{index}].verified"
            faults.append(Fault(at, "not-verified", "consent that was not verified is no proof"))
    return _start(told[0].verificationDate) if told else None


def _source(body: ConsentBody, record_id: str, faults: list[Fault]) -> str | None:
    """The document that holds the consent; of this record, or it is no proof."""
    if body.sourceAttachment is not None:
        faults.append(
            Fault("Consent.sourceAttachment", "not-supported", "a document of the record instead")
        )
    if body.sourceReference is None:
        return None
    found = _DOCUMENT.fullmatch(body.sourceReference.reference or "")
    place = split_document_id(found[1]) if found else None
    if found is None or place is None or place[0] != record_id:
        faults.append(
            Fault("Consent.sourceReference", "unknown-document", "no document of this record")
        )
        return None
    return found[1]


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


def _version(parts: Sequence[str]) -> int:
    """The version of a cursor's parts; ValueError for what is none."""
    (version,) = parts
    if not version.isdecimal() or not version.isascii():
        raise ValueError("no version")
    return int(version)


def _start(value: date | datetime | None) -> datetime | None:
    """A day begins at midnight in Paris; the first day that there is, not before it in UTC."""
    if value is None or isinstance(value, datetime):
        return value
    if value == date.min:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.combine(value, time(), PARIS).astimezone(UTC)


def _end(value: date | datetime | None) -> datetime | None:
    """A day counts whole [FHIR Period]: it ends where the next begins; the last day that
    there is has no end."""
    if value is None or isinstance(value, datetime):
        return value
    if value == date.max:
        return None
    return _start(value + timedelta(days=1))


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
