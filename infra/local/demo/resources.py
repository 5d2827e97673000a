"""The FHIR resources that the demonstration sends: DocumentReference (PDSm) and Consent."""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.demo.people import Caller, Patient

PS = "urn:oid:1.2.250.1.71.4.2.1"
STRUCTURE = "urn:oid:1.2.250.1.71.4.2.2"
CONSENT = "urn:dmp:consent"
VISIBILITY = "urn:oid:1.2.250.1.213.1.1.4.13"
MASKED, NOT_FOR_PARENTS = "MASQUE_PS", "INVISIBLE_REPRESENTANTS_LEGAUX"
_NOS = "https://mos.esante.gouv.fr/NOS"
_CLASS = f"{_NOS}/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
_TYPE = f"{_NOS}/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"
_FACILITY = f"{_NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite"
_SETTING = f"{_NOS}/TRE_A01-CadreExercice/FHIR/TRE-A01-CadreExercice"
_LOINC = "http://loinc.org"
_NAMESPACE = uuid.UUID("6f1b2c56-0f0d-4d53-9a57-1c2b8f0d2018")


@dataclass(frozen=True, slots=True)
class Piece:
    """A document to send: its bytes and what is said of them."""

    name: str
    media_type: str
    title: str
    type_system: str
    type_code: str
    class_code: str
    format_system: str
    format_code: str
    data: bytes

    def unique_id(self, record: str) -> str:
        """The producer's identifier: the same file in the same record keeps it."""
        return f"urn:oid:2.25.{uuid.uuid5(_NAMESPACE, f'{record}/{self.name}').int}"


_ANY_FORMAT = (
    "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "urn:ihe:iti:xds:2017:mimeTypeSufficient",
)
_CDA_FORMAT = (
    "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
    "urn:ihe:iti:xds-sd:text:2008",
)


def report(name: str, data: bytes) -> Piece:
    """A consultation report in PDF."""
    return Piece(
        name, "application/pdf", "Compte rendu de consultation", _LOINC, "11488-4", "10",
        *_ANY_FORMAT, data,
    )  # fmt: skip


def letter(name: str, data: bytes) -> Piece:
    """A CDA R2 document."""
    return Piece(
        name, "text/xml", "Lettre de liaison à la sortie", _LOINC, "11490-0", "10",
        *_CDA_FORMAT, data,
    )  # fmt: skip


def picture(name: str, data: bytes) -> Piece:
    """A picture that the patient adds."""
    return Piece(
        name, "image/jpeg", "Carnet de vaccination", _TYPE, "EXPPAT_2", "90", *_ANY_FORMAT, data
    )


def note(name: str, data: bytes) -> Piece:
    """A note in plain text."""
    return Piece(
        name, "text/plain", "Synthèse médicale", _LOINC, "60591-5", "11", *_ANY_FORMAT, data
    )


GROWTH = note("croissance.txt", "Croissance régulière, vaccins à jour.\n".encode())
CONFIDED = note("confidence.txt", "Confié sans ses parents, à sa demande.\n".encode())


def by_professional(author: Caller, finess: str) -> dict[str, Any]:
    """Author and custodian, contained."""
    return {
        "contained": [
            {
                "resourceType": "Practitioner",
                "id": "author",
                "identifier": [{"system": PS, "value": f"8{author.rpps}"}],
            },
            {
                "resourceType": "Organization",
                "id": "custodian",
                "identifier": [{"system": STRUCTURE, "value": f"1{finess}"}],
            },
        ],
        "author": [{"reference": "#author"}],
        "custodian": {"reference": "#custodian"},
    }


def by_patient(patient: Patient) -> dict[str, Any]:
    """The patient as author; the record itself keeps what they add."""
    return {
        "contained": [
            {
                "resourceType": "Patient",
                "id": "author",
                "identifier": [{"system": f"urn:oid:{patient.oid}", "value": patient.matricule}],
            },
            {"resourceType": "Organization", "id": "custodian", "name": "DMP"},
        ],
        "author": [{"reference": "#author"}],
        "custodian": {"reference": "#custodian"},
    }


def inline(piece: Piece, record: str, by: dict[str, Any]) -> dict[str, Any]:
    """The body of ITI-105: the bytes in the attachment."""
    resource = _reference(piece, record, by)
    resource["content"][0]["attachment"]["data"] = base64.b64encode(piece.data).decode()
    return resource


def announced(piece: Piece, record: str, by: dict[str, Any]) -> dict[str, Any]:
    """The body of `$upload`: size and SHA-1 in the place of the bytes."""
    resource = _reference(piece, record, by)
    digest = hashlib.sha1(piece.data, usedforsecurity=False).digest()
    resource["content"][0]["attachment"] |= {
        "size": len(piece.data),
        "hash": base64.b64encode(digest).decode(),
    }
    return resource


def _reference(piece: Piece, record: str, by: dict[str, Any]) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0).isoformat()
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": piece.unique_id(record)},
        "status": "current",
        "type": {"coding": [{"system": piece.type_system, "code": piece.type_code}]},
        "category": [{"coding": [{"system": _CLASS, "code": piece.class_code}]}],
        "subject": {"reference": f"Patient/{record}"},
        "date": now,
        **by,
        "securityLabel": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
                        "code": "N",
                    }
                ]
            }
        ],
        "content": [
            {
                "attachment": {
                    "contentType": piece.media_type,
                    "language": "fr-FR",
                    "title": piece.title,
                    "creation": now,
                },
                "format": {"system": piece.format_system, "code": piece.format_code},
            }
        ],
        "context": {
            "facilityType": {"coding": [{"system": _FACILITY, "code": "SA07"}]},
            "practiceSetting": {"coding": [{"system": _SETTING, "code": "AMBULATOIRE"}]},
            "period": {"start": now},
        },
    }


def label(code: str) -> dict[str, Any]:
    """One `securityLabel`: from whom a document is hidden."""
    return _coded(VISIBILITY, code)


def labels(resource: dict[str, Any]) -> set[str]:
    """The codes of a document's labels."""
    return {c["code"] for one in resource.get("securityLabel", []) for c in one["coding"]}


def consent(record: str, kind: str, provision: str, rpps: str) -> dict[str, Any]:
    """A decision of the holder about one professional; `provision` is permit or deny."""
    code = {"coding": [{"system": CONSENT, "code": kind}]}
    role = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": _coded("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
        "category": [code],
        "patient": {"reference": f"Patient/{record}"},
        "dateTime": datetime.now(UTC).isoformat(),
        "policyRule": _coded("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN"),
        "provision": {
            "type": provision,
            "code": [code],
            "actor": [
                {
                    "role": _coded(role, "IRCP"),
                    "reference": {"identifier": {"system": PS, "value": f"8{rpps}"}},
                }
            ],
        },
    }


def _coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def entries(bundle: dict[str, Any], kind: str | None = None) -> list[dict[str, Any]]:
    """The resources of a searchset, of one type when it is named."""
    found = [entry["resource"] for entry in bundle.get("entry", [])]
    return [one for one in found if kind is None or one["resourceType"] == kind]


def is_about(decision: dict[str, Any], kind: str, rpps: str) -> bool:
    """Whether a Consent is an active decision of that kind about that professional."""
    provision = decision.get("provision", {})
    codes = {c["code"] for one in decision.get("category", []) for c in one["coding"]}
    actors = {a["reference"]["identifier"]["value"] for a in provision.get("actor", [])}
    return decision.get("status") == "active" and kind in codes and f"8{rpps}" in actors
