"""Builders for documents: DocumentReference bodies as partners send them, and their bytes."""

from __future__ import annotations

import base64
import hashlib
import itertools
from typing import Any

from dmp.domain.actors import Person, Professional, Structure
from infra.local.demo.documents.make import DOMINIQUE, Holder, cda, embedded, pdf, structured

FINESS = "750000001"
PS = "810100997245"
OTHER_PS = "899700218896"
LOINC = "http://loinc.org"
NOS = "https://mos.esante.gouv.fr/NOS"
CLASSES = f"{NOS}/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
MASKS = "urn:oid:1.2.250.1.213.1.1.4.13"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"

DOCTOR = Professional(PS, "10", "SM54", Structure(FINESS, "SA07"))
COLLEAGUE = Professional(OTHER_PS, "10", "SM54", Structure("130000001", "SA07"))

_numbers = itertools.count(1)


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def sha1_of(data: bytes) -> str:
    return base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def reference(
    whose: str,
    data: bytes | None = None,
    media_type: str = "application/pdf",
    **changes: Any,
) -> dict[str, Any]:
    """A complete DocumentReference of a doctor; `whose` is `Patient/…` or `Patient?identifier=…`.

    `changes` replace top-level elements; None takes one away.
    """
    data = pdf("Compte rendu") if data is None else data
    told = {
        "resourceType": "DocumentReference",
        "meta": {"profile": ["https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/x"]},
        "language": "fr-FR",
        "contained": [
            {
                "resourceType": "Practitioner",
                "id": "author",
                "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": PS}],
                "name": [{"family": "PIERRE", "given": ["Médecin"]}],
            },
            {
                "resourceType": "Organization",
                "id": "custodian",
                "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": f"1{FINESS}"}],
            },
        ],
        "extension": [{"url": "urn:test:unknown", "valueString": "gardé"}],
        "masterIdentifier": {
            "system": "urn:ietf:rfc:3986",
            "value": f"urn:oid:1.2.250.1.213.1.99999.{next(_numbers)}",
        },
        "status": "current",
        "type": coded(LOINC, "11488-4"),
        "category": [coded(CLASSES, "10")],
        "subject": {"reference": whose},
        "date": "2026-03-10T10:15:00+01:00",
        "author": [{"reference": "#author"}],
        "custodian": {"reference": "#custodian"},
        "securityLabel": [coded(CONFIDENTIALITY, "N")],
        "content": [
            {
                "attachment": {
                    "contentType": media_type,
                    "language": "fr-FR",
                    "data": base64.b64encode(data).decode(),
                    "title": "Compte rendu de consultation",
                    "creation": "2026-03-10T10:15:00+01:00",
                },
                "format": {
                    "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                    "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
                },
            }
        ],
        "context": {
            "facilityType": coded("urn:oid:1.2.250.1.71.4.2.4", "SA07"),
            "practiceSetting": coded("urn:oid:1.2.250.1.213.1.1.4.9", "AMBULATOIRE"),
            "period": {"start": "2026-03-10T10:00:00+01:00"},
        },
    }
    told |= changes
    return {name: value for name, value in told.items() if value is not None}


def announced(whose: str, data: bytes, media_type: str = "application/pdf", **changes: Any):
    """The same with size and hash in the place of the bytes."""
    told = reference(whose, data, media_type, **changes)
    attachment = told["content"][0]["attachment"]
    del attachment["data"]
    attachment |= {"size": len(data), "hash": sha1_of(data)}
    return told


def by_holder(whose: str, data: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """A document that the patient deposits (class 90)."""
    return reference(
        whose,
        data,
        **{
            "contained": [{"resourceType": "Patient", "id": "me"}],
            "author": [{"reference": "#me"}],
            "custodian": None,
            "type": coded("urn:oid:1.2.250.1.213.1.1.4.12", "EXPPAT_2"),
            "category": [coded("urn:oid:1.2.250.1.213.1.1.4.1", "90")],
            **changes,
        },
    )


__all__ = ["DOMINIQUE", "Holder", "Person", "cda", "embedded", "pdf", "structured"]
