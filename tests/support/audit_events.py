"""What an AuditEvent must be: its definition in FHIR R4 (4.0.1), and the patterns of IHE BALP."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

_PRIMITIVES = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "code": r"[^\s]+(\s[^\s]+)*",
    "uri": r"\S+",
    "string": r"[ \r\n\t\S]+",
    "instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "xhtml": r"<div xmlns=\"http://www.w3.org/1999/xhtml\">.*</div>",
    "base64Binary": r"[A-Za-z0-9+/=]+",
}
# (least, most, type); a most of None is many.
_DEFINITIONS: dict[str, dict[str, tuple[int, int | None, str]]] = {
    "AuditEvent": {
        "resourceType": (1, 1, "code"),
        "id": (0, 1, "id"),
        "meta": (0, 1, "Meta"),
        "language": (0, 1, "code"),
        "text": (0, 1, "Narrative"),
        "extension": (0, None, "Extension"),
        "type": (1, 1, "Coding"),
        "subtype": (0, None, "Coding"),
        "action": (0, 1, "code"),
        "recorded": (1, 1, "instant"),
        "outcome": (0, 1, "code"),
        "outcomeDesc": (0, 1, "string"),
        "purposeOfEvent": (0, None, "CodeableConcept"),
        "agent": (1, None, "Agent"),
        "source": (1, 1, "Source"),
        "entity": (0, None, "Entity"),
    },
    "Agent": {
        "type": (0, 1, "CodeableConcept"),
        "role": (0, None, "CodeableConcept"),
        "who": (0, 1, "Reference"),
        "altId": (0, 1, "string"),
        "name": (0, 1, "string"),
        "requestor": (1, 1, "boolean"),
        "policy": (0, None, "uri"),
        "network": (0, 1, "Network"),
        "purposeOfUse": (0, None, "CodeableConcept"),
    },
    "Network": {
        "extension": (0, None, "Extension"),
        "address": (0, 1, "string"),
        "type": (0, 1, "code"),
    },
    "Source": {
        "site": (0, 1, "string"),
        "observer": (1, 1, "Reference"),
        "type": (0, None, "Coding"),
    },
    "Entity": {
        "what": (0, 1, "Reference"),
        "type": (0, 1, "Coding"),
        "role": (0, 1, "Coding"),
        "name": (0, 1, "string"),
        "query": (0, 1, "base64Binary"),
        "_query": (0, 1, "Absent"),
    },
    "Absent": {"extension": (1, None, "Extension")},
    "Meta": {"profile": (0, None, "uri")},
    "Narrative": {"status": (1, 1, "code"), "div": (1, 1, "xhtml")},
    "Coding": {"system": (0, 1, "uri"), "code": (0, 1, "code"), "display": (0, 1, "string")},
    "CodeableConcept": {"coding": (0, None, "Coding"), "text": (0, 1, "string")},
    "Identifier": {"system": (0, 1, "uri"), "value": (0, 1, "string")},
    "Reference": {
        "extension": (0, None, "Extension"),
        "reference": (0, 1, "string"),
        "type": (0, 1, "uri"),
        "identifier": (0, 1, "Identifier"),
        "display": (0, 1, "string"),
    },
    "Extension": {
        "url": (1, 1, "uri"),
        "valueCode": (0, 1, "code"),
        "valueString": (0, 1, "string"),
        "valueBoolean": (0, 1, "boolean"),
        "valueUnsignedInt": (0, 1, "unsignedInt"),
    },
}
# Required bindings (agent and entity types are extensible).
_BINDINGS = {
    "AuditEvent.action": set("CRUDE"),
    "AuditEvent.outcome": {"0", "4", "8", "12"},
    "AuditEvent.agent.network.type": {"1", "2", "3", "4", "5"},
    "AuditEvent.text.status": {"generated", "extensions", "additional", "empty"},
}
_TARGETS = {
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Device",
    "Patient",
    "RelatedPerson",
}


def faults(event: dict[str, Any]) -> list[str]:
    """What is wrong with an AuditEvent by its definition, with the path."""
    found = list(_element(event, "AuditEvent", "AuditEvent"))
    if event.get("resourceType") != "AuditEvent":
        found.append("AuditEvent.resourceType")
    for number, entity in enumerate(event.get("entity", ())):
        if "name" in entity and "query" in entity:
            found.append(f"sev-1: entity[{number}]")
    for number, agent in enumerate(event.get("agent", ())):
        kind = agent.get("who", {}).get("type")
        if kind is not None and kind not in _TARGETS:
            found.append(f"agent[{number}].who is a {kind}")
    profiles = event.get("meta", {}).get("profile", ())
    return found or [fault for profile in profiles for fault in _balp(event, profile)]


def _element(value: Any, kind: str, path: str):
    definition = _DEFINITIONS.get(kind)
    if definition is None:
        yield from _primitive(value, kind, path)
        return
    if not isinstance(value, dict) or not value:
        yield f"{path}: no object, or an empty one"
        return
    for name in value.keys() - definition.keys():
        yield f"{path}.{name}: not in the definition"
    if kind == "Extension" and len(value) != 2:
        yield f"{path}: an extension has a url and one value"
    for name, (least, most, inner) in definition.items():
        at = f"{path}.{name}"
        if name not in value:
            if least:
                yield f"{at}: required"
            continue
        yield from _values(value[name], inner, at, many=most is None)


def _values(told: Any, kind: str, at: str, *, many: bool):
    if many and (not isinstance(told, list) or not told):
        yield f"{at}: no array, or an empty one"
        return
    for one in told if many else [told]:
        yield from _element(one, kind, at)
        if at in _BINDINGS and one not in _BINDINGS[at]:
            yield f"{at}: {one!r} is none of the codes"


def _primitive(value: Any, kind: str, path: str):
    if kind == "boolean":
        right = isinstance(value, bool)
    elif kind == "unsignedInt":
        right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    else:
        right = isinstance(value, str) and re.fullmatch(_PRIMITIVES[kind], value, re.DOTALL)
        if right and kind == "xhtml":
            HTMLParser().feed(value)
    if not right:
        yield f"{path}: {value!r} is no {kind}"


_BALP_BASE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_PATTERNS = {
    "Create": ({"create"}, "C", False),
    "Read": ({"read", "vread"}, "R", True),
    "Update": ({"update", "patch"}, "U", False),
    "Query": ({"search", "search-type", "search-system"}, "E", False),
}
_SOURCE, _DESTINATION = "110153", "110152"
_AUTHORS = {"AUT", "INF", "CST"}


def _balp(event: dict[str, Any], profile: str):
    """What the BALP profile that an event claims asks for beyond R4."""
    name = profile.removeprefix(_BALP_BASE)
    pattern = name.removeprefix("Patient")
    if profile == name or pattern not in _PATTERNS:
        yield f"no profile of BALP: {profile}"
        return
    interactions, action, reads = _PATTERNS[pattern]
    told = {
        "type is rest": event["type"]["code"] == "rest",
        "an interaction": bool({one["code"] for one in event["subtype"]} & interactions),
        "action": event["action"] == action,
        "a success": event["outcome"] == "0",
    }
    kinds = [code["code"] for agent in event["agent"] for code in agent["type"]["coding"]]
    for role in (_SOURCE, _DESTINATION):
        told[f"one agent {role}"] = kinds.count(role) == 1
    by_kind = dict(zip(kinds, event["agent"], strict=True))
    client, server = (_DESTINATION, _SOURCE) if reads else (_SOURCE, _DESTINATION)
    for role in (client, server):
        agent = by_kind.get(role, {})
        told[f"agent {role} has who and network"] = {"who", "network"} <= agent.keys()
    told["the server is the service"] = "address" in by_kind.get(server, {}).get("network", {})
    users = {"IRCP"} if pattern in {"Read", "Query"} else _AUTHORS
    requestors = [agent for agent in event["agent"] if agent["requestor"]]
    told["one requestor"] = len(requestors) == 1
    told["the user's type"] = requestors[0]["type"]["coding"][0]["code"] in users
    told["users are no devices"] = "network" not in requestors[0]
    entities = event.get("entity", [])
    patients = [one for one in entities if one["type"]["code"] == "1"]
    objects = [one for one in entities if one["type"]["code"] == "2"]
    told["a patient, or none"] = len(patients) == (1 if name.startswith("Patient") else 0)
    told["patient's role"] = all(
        one["role"]["code"] == "1" and one["what"]["reference"].startswith("Patient/")
        for one in patients
    )
    told["one object"] = len(objects) == 1
    if pattern == "Query":
        told["a query"] = all(
            one["role"]["code"] == "24" and {"query", "_query"} & one.keys() and "what" not in one
            for one in objects
        )
    else:
        told["data"] = all(
            one["role"]["code"] in {"4", "3", "20"} and "what" in one for one in objects
        )
    yield from (f"{name}: {what}" for what, holds in told.items() if not holds)
