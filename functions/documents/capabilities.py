"""The CapabilityStatement: exactly what this build does, for all areas under `/fhir`.

`tests/unit/test_documents_capabilities.py` compares it with the routes of every area.
"""

from __future__ import annotations

from typing import Any

_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
_BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit"
_FORMATS = ["application/fhir+json", "json"]
_WRITTEN = "2026-11-22"


def _param(name: str, kind: str, text: str = "") -> dict[str, str]:
    return {"name": name, "type": kind} | ({"documentation": text} if text else {})


_PATIENT = _param("patient", "reference", "Required, or patient.identifier.")
_RESOURCES: list[dict[str, Any]] = [
    {
        "type": "DocumentReference",
        "supportedProfile": [
            f"{_PDSM}/pdsm-simplified-publish",
            f"{_PDSM}/pdsm-comprehensive-document-reference",
        ],
        "documentation": (
            "ITI-105 with the bytes inline (3 MiB decoded at most), ITI-67. `status` is required of"
            " a search. Pages by the opaque `_cursor` of the next link, newest first. Replacement"
            " by `relatesTo` (replaces) of a current document of the same author or structure."
            " PATCH changes status, securityLabel and the isArchived extension, by id or by"
            " `identifier` (with `patient` or `patient.identifier`, or without)."
        ),
        "interaction": [
            {"code": "create"},
            {"code": "read"},
            {"code": "patch"},
            {"code": "search-type"},
        ],
        "versioning": "versioned-update",
        "readHistory": False,
        "updateCreate": False,
        "searchParam": [
            _PATIENT,
            _param("patient.identifier", "token", "urn:oid:<register of the INS>|<matricule>"),
            _param("status", "token", "Required."),
            _param("type", "token"),
            _param("category", "token"),
            _param("date", "date", "Prefixes eq ne gt lt ge le sa eb."),
        ],
        "operation": [
            {
                "name": "upload",
                "definition": "urn:dmp:operation:upload",
                "documentation": (
                    "A document whose bytes (100 MB at most) follow by a form. The attachment has"
                    " size and hash and no data; Parameters answer the resource (docStatus"
                    " preliminary), the form's url and its fields, or the resource alone (docStatus"
                    " final) once the same bytes came."
                ),
            }
        ],
    },
    {
        "type": "Binary",
        "documentation": (
            "ITI-68: the bytes as deposited, in their declared type; beyond 4 MiB a redirection"
            " (307) to an address of five minutes."
        ),
        "interaction": [{"code": "read"}],
    },
    {
        "type": "Patient",
        "documentation": (
            "TD0.2: whether the person of an exact INS has a record, and its state. Without"
            " `identifier`: the records open to the caller, by `_sort` -last-authorisation or"
            " -last-document; _lastUpdated bounds the date of that order. No total."
        ),
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [
            _param("identifier", "token", "urn:oid:<register of the INS>|<matricule>"),
            _param("_lastUpdated", "date", "Prefixes eq ne gt lt ge le sa eb."),
        ],
    },
    {
        "type": "Consent",
        "documentation": (
            "The holder's decisions, coded urn:dmp:consent. A JSON Patch changes `status` (active"
            " to inactive) and `provision.period`. The history is that of one decision, paged."
        ),
        "interaction": [
            {"code": "create"},
            {"code": "read"},
            {"code": "patch"},
            {"code": "history-instance"},
            {"code": "search-type"},
        ],
        "versioning": "versioned",
        "readHistory": False,
        "updateCreate": False,
        "searchParam": [
            _param("patient", "reference", "Required."),
            _param("category", "token"),
            _param("status", "token"),
        ],
    },
    {
        "type": "AuditEvent",
        "supportedProfile": [
            f"{_BALP}.{name}"
            for name in ("PatientRead", "PatientQuery", "PatientCreate", "PatientUpdate", "Query")
        ],
        "documentation": (
            "Who did what. With `patient`: every entry, to the holder, who represents them, the"
            " médecin traitant and delegates; to others their own acts. Without: one's own acts"
            " everywhere. Newest first, without a total."
        ),
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [
            _param("patient", "reference", "The id of the record; without it, one's own acts."),
            _param("date", "date", "Prefixes eq ne gt lt ge le sa eb."),
            _param("agent.identifier", "token", "PS_IdNat, or the number of a structure."),
            _param("type", "token"),
            _param("subtype", "token", "Kinds of acts of urn:dmp:act, or interactions."),
            _param("action", "token"),
            _param("outcome", "token"),
            _param("entity", "reference"),
        ],
        "operation": [
            {
                "name": "access-report",
                "definition": "urn:dmp:operation:access-report",
                "documentation": (
                    "GET with `patient` and `date` as in the search: a Bundle of type collection"
                    " with its signature (JWS, ES256), checked by the keys of"
                    " /.well-known/jwks.json."
                ),
            }
        ],
    },
    {
        "type": "ExplanationOfBenefit",
        "documentation": "The reimbursement history, one resource per netted service line.",
        "interaction": [{"code": "search-type"}],
        "searchParam": [
            _param("patient", "reference", "Required: the id of the record."),
            _param("service-date", "date", "Day on which the care began."),
            _param("created", "date", "Day on which the history was brought."),
            _param("code", "token", "Code of the service, or its nature under urn:dmp:nature."),
        ],
    },
]


def statement(fhir_url: str) -> dict[str, Any]:
    """The statement of an instance at `fhir_url`."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _WRITTEN,
        "kind": "instance",
        "software": {"name": "DMP", "version": "0.1.0"},
        "implementation": {"description": "Dossier médical partagé", "url": fhir_url},
        "fhirVersion": "4.0.1",
        "format": _FORMATS,
        "patchFormat": ["application/json-patch+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": (
                    "Whoever has no right to know of a record sees the same as for one that does"
                    " not exist: reads 404, searches an empty 200."
                ),
                "security": {
                    "service": [
                        {
                            "coding": [
                                {
                                    "system": (
                                        "http://terminology.hl7.org/CodeSystem/"
                                        "restful-security-service"
                                    ),
                                    "code": "OAuth",
                                }
                            ]
                        }
                    ],
                    "description": (
                        "Bearer tokens of Pro Santé Connect, FranceConnect+, the insurance funds"
                        " and health structures."
                    ),
                },
                "resource": _RESOURCES,
            }
        ],
    }
