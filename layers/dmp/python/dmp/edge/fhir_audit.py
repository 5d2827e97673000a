"""AuditEvent (FHIR R4), in the style of IHE BALP (Basic Audit Log Patterns).

A successful act over FHIR claims its BALP profile; refusals and failures claim none, since BALP
describes successes. What BALP wants and the journal does not hold (the caller's software, its
network address, the text of a search) is there with the reason why it is absent. The act's own
code is of `urn:dmp:act`, beside the interaction.

Outcomes follow the definitions of R4: 0 done, 4 refused (the counterpart of an HTTP 4xx), 8 allowed
but not done. 12 (the system is gone) cannot be written by a system that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from dmp.domain.identity import PS_OID, STRUCTURE_OID
from dmp.domain.notifications import paris_time
from dmp.domain.traces import Act, Mode, Outcome, Trace
from dmp.edge.catalogue import messages
from dmp.edge.claims import PROFESSIONS
from dmp.usecases.read_traces import Entry

ACT = "urn:dmp:act"
MODE = "urn:dmp:mode"
RULE = "urn:dmp:rule"
MATRIX = "urn:dmp:matrix-version"
COUNT = "urn:dmp:count"
CHANGE = "urn:dmp:change"
BROKEN_MARK = "urn:dmp:broken-mark"
PS_SYSTEM = f"urn:oid:{PS_OID}"
STRUCTURE_SYSTEM = f"urn:oid:{STRUCTURE_OID}"

INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
EVENT_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_ENTITY_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ENTITY_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
_REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_PARTICIPATIONS = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ROLE_CLASSES = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
_SOURCE_TYPES = "http://terminology.hl7.org/CodeSystem/security-source-type"
_BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

Json = dict[str, Any]
Coded = tuple[str, str, str]
"""System, code, display."""

_REST: Coded = (EVENT_TYPES, "rest", "RESTful Operation")
_EXPORT: Coded = (DICOM, "110106", "Export")
_IMPORT: Coded = (DICOM, "110107", "Import")
_LINK: Coded = (LIFECYCLE, "link", "Link Record Lifecycle Event")
_TRANSMIT: Coded = (LIFECYCLE, "transmit", "Transmit Record Lifecycle Event")
_SENDER: Coded = (DICOM, "110153", "Source Role ID")
_RECEIVER: Coded = (DICOM, "110152", "Destination Role ID")

OUTCOMES = {Outcome.DONE: "0", Outcome.REFUSED: "4", Outcome.FAILED: "8"}
_PROFILES = {
    "create": "Create",
    "read": "Read",
    "update": "Update",
    "patch": "Update",
    "search-type": "Query",
}
_ACTIONS = {
    "create": "C",
    "read": "R",
    "update": "U",
    "patch": "U",
    "search-type": "E",
    "operation": "E",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What an act is in FHIR: its interaction (None for what no request asks for), the type of
    resource that its target names, its family and action."""

    interaction: str | None
    target: str | None = None
    type: Coded = _REST
    action: str = "E"


def _rest(interaction: str, target: str | None = None) -> Kind:
    return Kind(interaction, target, action=_ACTIONS[interaction])


_DOCUMENT = "DocumentReference"
KINDS: Mapping[Act, Kind] = {
    Act.OPEN_RECORD: _rest("create", "Patient"),
    Act.READ_RECORD: _rest("read", "Patient"),
    Act.BIND_HOLDER: Kind(None, type=_LINK, action="U"),
    Act.PUBLISH_DOCUMENT: _rest("create", _DOCUMENT),
    Act.ANNOUNCE_DOCUMENT: _rest("create", _DOCUMENT),
    Act.REJECT_DOCUMENT: Kind(None, _DOCUMENT, action="U"),
    Act.REPLACE_DOCUMENT: _rest("update", _DOCUMENT),
    Act.SEARCH_DOCUMENTS: _rest("search-type"),
    Act.READ_DOCUMENT: _rest("read", _DOCUMENT),
    Act.READ_CONTENT: _rest("read", _DOCUMENT),
    Act.READ_HISTORY: _rest("search-type"),
    Act.IMPORT_HISTORY: Kind(None, _DOCUMENT, _IMPORT, "C"),
    Act.CHANGE_DOCUMENT: _rest("patch", _DOCUMENT),
    Act.CHANGE_CONSENT: _rest("update", "Consent"),
    Act.READ_CONSENTS: _rest("search-type", "Consent"),
    Act.LIST_PATIENTS: _rest("search-type"),
    Act.CHANGE_REPRESENTATIVES: _rest("update", "Patient"),
    Act.READ_TRACES: _rest("search-type"),
    Act.EXPORT_TRACES: Kind("operation", type=_EXPORT, action="R"),
    Act.READ_PREFERENCES: _rest("read", "Patient"),
    Act.CHANGE_PREFERENCES: _rest("update", "Patient"),
    Act.READ_EMERGENCIES: _rest("search-type"),
    Act.FOLLOW_EMERGENCY: _rest("update"),
    Act.NOTIFY: Kind(None, type=_TRANSMIT),
    Act.NOTIFY_PROFESSIONAL: Kind(None, type=_TRANSMIT),
    Act.REMIND_MAJORITY: Kind(None, type=_TRANSMIT),
}


def kind_of(trace: Trace) -> Kind:
    """The kind of one entry: a search that names what it was about was a read."""
    kind = KINDS[trace.act]
    if kind.interaction == "search-type" and kind.target and trace.target:
        return _rest("read", kind.target)
    return kind


def type_codes(trace: Trace) -> list[tuple[str, str]]:
    """System and code of `type`."""
    return [kind_of(trace).type[:2]]


def subtype_codes(trace: Trace) -> list[tuple[str, str]]:
    """System and code of each `subtype`: the interaction and the act."""
    interaction = kind_of(trace).interaction
    return [*([(INTERACTIONS, interaction)] if interaction else []), (ACT, trace.act.value)]


def references(trace: Trace) -> list[str]:
    """What the entities are about: `Patient/…`, `DocumentReference/…`, `Consent/…`."""
    data = _data(trace, kind_of(trace))
    return [*([f"Patient/{trace.record_id}"] if trace.record_id else []), *([data] if data else [])]


def resource(entry: Entry, base: str, language: str) -> Json:
    """An entry as an AuditEvent; `base` is the FHIR address of this service."""
    trace, kind, texts = entry.trace, kind_of(entry.trace), messages("traces", language)
    done = trace.outcome is Outcome.DONE
    told: Json = {"resourceType": "AuditEvent", "id": entry.id, "language": language}
    if done and (profile := _profile(trace, kind)):
        told["meta"] = {"profile": [profile]}
    told["text"] = _narrative(entry, texts)
    if extensions := list(_extensions(entry)):
        told["extension"] = extensions
    told |= {
        "type": _coding(*kind.type),
        "subtype": [
            *([_coding(INTERACTIONS, kind.interaction)] if kind.interaction else []),
            _coding(ACT, trace.act.value, texts[f"act.{trace.act.value}"]),
        ],
        "action": kind.action,
        "recorded": trace.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": OUTCOMES[trace.outcome],
    }
    if not done:
        why = texts.get(f"reason.{trace.reason}") if trace.mode is Mode.NORMAL else None
        told["outcomeDesc"] = why or texts[f"outcome.{trace.outcome.value}"]
    if trace.mode is not Mode.NORMAL:
        told["purposeOfEvent"] = [_purpose(trace, texts)]
    told["agent"] = list(_agents(entry, kind, base, texts))
    told["source"] = {
        "observer": service(base, texts["service"]),
        "type": [_coding(_SOURCE_TYPES, "4", "Application Server")],
    }
    if entities := list(_entities(trace, kind)):
        told["entity"] = entities
    return told


def service(base: str, display: str) -> Json:
    """How the service names itself: by the address at which it speaks FHIR."""
    return {
        "type": "Device",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": base},
        "display": display,
    }


def _profile(trace: Trace, kind: Kind) -> str | None:
    """The BALP profile that a success of this kind follows."""
    pattern = _PROFILES.get(kind.interaction or "")
    if pattern is None or kind.type != _REST:
        return None
    if pattern != "Query" and _data(trace, kind) is None:
        return None
    return f"{_BALP}.{'Patient' if trace.record_id else ''}{pattern}"


def _extensions(entry: Entry) -> Iterator[Json]:
    """What has no element of its own. The rules are told of what was done alone: of a refusal
    they could say what somebody may not know."""
    trace = entry.trace
    if trace.outcome is Outcome.DONE:
        yield from ({"url": RULE, "valueCode": rule} for rule in trace.rules)
        if trace.matrix:
            yield {"url": MATRIX, "valueString": trace.matrix}
    yield from ({"url": CHANGE, "valueCode": change} for change in trace.changes)
    if trace.count is not None and entry.own:
        # What others found would tell how many there are that one does not see.
        yield {"url": COUNT, "valueUnsignedInt": trace.count}
    if not entry.genuine:
        yield {"url": BROKEN_MARK, "valueBoolean": True}


def _purpose(trace: Trace, texts: Mapping[str, str]) -> Json:
    general = {
        Mode.BREAK_GLASS: ("BTG", "break the glass"),
        Mode.CENTRE_15: ("ETREAT", "Emergency Treatment"),
    }[trace.mode]
    mode = trace.mode.value
    return {"coding": [_coding(_REASONS, *general), _coding(MODE, mode, texts[f"mode.{mode}"])]}


def _agents(entry: Entry, kind: Kind, base: str, texts: Mapping[str, str]) -> Iterator[Json]:
    """Who acted, in which structure, by which software (not kept), towards which service."""
    trace = entry.trace
    reads = kind.interaction in {"read", "search-type", "operation"}
    taking = kind.interaction == "read"  # the server is the source of what is read, and only then
    who: Json = {
        "type": _concept(
            _PARTICIPATIONS,
            *(("IRCP", "information recipient") if reads else ("AUT", "author (originator)")),
        ),
        "who": _who(entry, texts),
        "requestor": True,
    }
    if trace.profession:
        label = texts.get(f"profession.{trace.profession}")
        who["role"] = [_concept(f"urn:oid:{PROFESSIONS}", trace.profession, label)]
    if trace.mode is not Mode.NORMAL:
        purpose = _purpose(trace, texts)
        who["purposeOfUse"] = [{**purpose, "text": trace.reason} if trace.reason else purpose]
    yield who
    if trace.structure and not trace.actor.startswith("system#"):
        yield {
            "type": _concept(_ROLE_CLASSES, "PROV", "healthcare provider"),
            "who": _organisation(f"1{trace.structure}", texts["actor.structure"]),
            "requestor": False,
        }
    if kind.interaction is None:
        return
    yield {
        "type": _concept(*(_RECEIVER if taking else _SENDER)),
        "who": _absent("unknown"),
        "requestor": False,
        "network": _absent("unknown"),
    }
    yield {
        "type": _concept(*(_SENDER if taking else _RECEIVER)),
        "who": service(base, texts["service"]),
        "requestor": False,
        "network": {"address": base, "type": "5"},
    }


def _who(entry: Entry, texts: Mapping[str, str]) -> Json:
    trace = entry.trace
    kind, _, name = trace.actor.partition("#")
    if entry.bearing is not None:
        told: Json = {"display": texts[f"person.{entry.bearing.value}"]}
        if entry.bearing.value == "holder":
            return {"reference": f"Patient/{trace.record_id}", "type": "Patient", **told}
        return told
    match kind:
        case "professional":
            identifier = {"system": PS_SYSTEM, "value": name}
            label = texts.get(f"profession.{trace.profession}", texts["actor.professional"])
            return {"type": "Practitioner", "identifier": identifier, "display": label}
        case "system":
            return _organisation(name, texts["actor.system"])
        case _:
            identifier = {"system": f"urn:dmp:{kind}", "value": name}
            label = texts.get(f"actor.{kind}", texts["actor.service"])
            return {"identifier": identifier, "display": label}


def _organisation(number: str, display: str) -> Json:
    return {
        "type": "Organization",
        "identifier": {"system": STRUCTURE_SYSTEM, "value": number},
        "display": display,
    }


def _entities(trace: Trace, kind: Kind) -> Iterator[Json]:
    """The record, then what was asked of it; of a search nothing but that it was one."""
    if trace.record_id:
        yield {
            "what": {"reference": f"Patient/{trace.record_id}", "type": "Patient"},
            "type": _coding(_ENTITY_TYPES, "1", "Person"),
            "role": _coding(_ENTITY_ROLES, "1", "Patient"),
        }
    data = _data(trace, kind)
    if data is not None:
        yield {
            "what": {"reference": data, "type": data.partition("/")[0]},
            "type": _coding(_ENTITY_TYPES, "2", "System Object"),
            "role": _coding(_ENTITY_ROLES, "4", "Domain Resource"),
        }
    if kind.interaction == "search-type":
        yield {
            "type": _coding(_ENTITY_TYPES, "2", "System Object"),
            "role": _coding(_ENTITY_ROLES, "24", "Query"),
            "_query": _absent("masked"),
        }


def _data(trace: Trace, kind: Kind) -> str | None:
    """The resource that an act was about."""
    if kind.interaction == "search-type" or kind.target is None:
        return None
    if kind.target == "Patient":
        return f"Patient/{trace.record_id}" if trace.record_id else None
    return f"{kind.target}/{trace.target}" if trace.target else None


def _narrative(entry: Entry, texts: Mapping[str, str]) -> Json:
    """One line for people: when, what, who, how it ended."""
    trace = entry.trace
    date, time = paris_time(trace.at)
    who = _who(entry, texts)
    parts = [
        texts["when"].format(date=date, time=time),
        texts[f"act.{trace.act.value}"],
        " ".join(filter(None, (who.get("display"), who.get("identifier", {}).get("value")))),
        *([texts[f"mode.{trace.mode.value}"]] if trace.mode is not Mode.NORMAL else []),
        texts[f"outcome.{trace.outcome.value}"],
    ]
    line = escape(" · ".join(parts))
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{line}</p></div>',
    }


def _absent(reason: str) -> Json:
    return {"extension": [{"url": _ABSENT, "valueCode": reason}]}


def _coding(system: str, code: str, display: str | None = None) -> Json:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def _concept(system: str, code: str, display: str | None = None) -> Json:
    return {"coding": [_coding(system, code, display)]}
