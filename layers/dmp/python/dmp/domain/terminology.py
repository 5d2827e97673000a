"""The codes that documents carry, and the addresses under which they are written.

A code means the same under LOINC's own address, under the canonical address of the French
nomenclature server (NOS, now SMT) and under its OID. What was sent is what comes back: nothing here
rewrites a code. Sources: TRE_A03 (classes), TRE_A04 and LOINC, TRE_A05 (types), TRE_A07
(visibility; partners also write TRE_A10 NiveauConfidentialite), HL7 v3 Confidentiality. The class
of a type is *assumed* where a submission does not say it: a simplified publication has no category.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dmp.domain.documents import Visibility

LOINC = "2.16.840.1.113883.6.1"
TYPES_OF_FRANCE = "1.2.250.1.213.1.1.4.12"
CLASSES = "1.2.250.1.213.1.1.4.1"
VISIBILITIES = "1.2.250.1.213.1.1.4.13"
CONFIDENTIALITY = "2.16.840.1.113883.5.25"

PATIENT_CLASS = "90"
REIMBURSEMENT_CLASS = "60"

_NOS = "https://mos.esante.gouv.fr/NOS"
_ADDRESSES = {
    "http://loinc.org": LOINC,
    f"{_NOS}/TRE_A04-Loinc/FHIR/TRE-A04-Loinc": LOINC,
    f"{_NOS}/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire": TYPES_OF_FRANCE,
    f"{_NOS}/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument": CLASSES,
    f"{_NOS}/TRE_A07-StatusVisibiliteDocument/FHIR/TRE-A07-StatusVisibiliteDocument": VISIBILITIES,
    f"{_NOS}/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument": VISIBILITIES,
    f"{_NOS}/TRE_A10-NiveauConfidentialite/FHIR/TRE-A10-NiveauConfidentialite": VISIBILITIES,
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality": CONFIDENTIALITY,
}
_TABLES = {
    "03": CLASSES,
    "04": LOINC,
    "05": TYPES_OF_FRANCE,
    "07": VISIBILITIES,
    "10": VISIBILITIES,
}
_SMT = re.compile(
    r"https://smt\.esante\.gouv\.fr/(?:[\w-]+/)*(?:terminologie-)?tre[-_]a(?P<table>\d\d)\b[\w-]*",
    re.IGNORECASE,
)
"""The addresses of the server of terminologies (SMT), by the table's number."""


@dataclass(frozen=True, slots=True)
class DocumentType:
    """A type of document: its French label, the OID of its nomenclature, its class."""

    code: str
    system: str
    label: str
    class_code: str


def _types(system: str, *rows: tuple[str, str, str]) -> dict[str, DocumentType]:
    return {code: DocumentType(code, system, label, group) for code, label, group in rows}


TYPES = _types(
    LOINC,
    ("60591-5", "Synthèse médicale", "11"),
    ("34133-9", "Synthèse d'épisode de soins", "11"),
    ("11488-4", "Compte rendu de consultation", "10"),
    ("11490-0", "Lettre de liaison à la sortie", "10"),
    ("34112-3", "Compte rendu hospitalier", "10"),
    ("11502-2", "Compte rendu de biologie médicale", "10"),
    ("18748-4", "Compte rendu d'imagerie médicale", "10"),
    ("34874-8", "Compte rendu opératoire", "10"),
    ("15507-7", "Compte rendu de passage aux urgences", "10"),
    ("60568-3", "Compte rendu d'anatomie et de cytologie pathologiques", "10"),
    ("34794-8", "Compte rendu de réunion de concertation pluridisciplinaire", "10"),
    ("57833-6", "Prescription de produits de santé", "42"),
    ("57828-6", "Prescription, autre", "42"),
    ("57832-8", "Prescription de soins", "42"),
    ("60593-1", "Dispensation médicamenteuse", "43"),
    ("56445-0", "Bilan médicamenteux", "11"),
    ("87273-9", "Note de vaccination", "10"),
    ("11369-6", "Historique vaccinal", "11"),
    ("68599-0", "Synthèse psychiatrique", "11"),
    ("83901-9", "Bilan psychologique", "10"),
    ("68817-6", "Bilan de prévention de l'enfant", "10"),
    ("75496-0", "Demande d'acte de télémédecine", "44"),
    ("80788-3", "Projet personnalisé", "44"),
    ("83981-1", "Lettre de liaison de sortie médico-sociale", "10"),
    ("74207-2", "Document de liaison d'urgence", "11"),
    ("34842-5", "Grille d'évaluation médico-sociale", "10"),
    ("18761-7", "Note de transfert", "10"),
    ("89601-9", "Certificat médical", "52"),
    ("101881-1", "Carte d'implant", "10"),
) | _types(
    TYPES_OF_FRANCE,
    ("REMB", "Données de remboursement", REIMBURSEMENT_CLASS),
    ("SYNTH", "Volet de synthèse médicale", "11"),
    ("EXPPAT_1", "Volontés et droits du patient", PATIENT_CLASS),
    ("EXPPAT_2", "Autre document du patient", PATIENT_CLASS),
    ("EXPPAT_3", "Directives anticipées", PATIENT_CLASS),
    ("PROT_ALD", "Protocole de soins d'affection de longue durée", "44"),
    ("CERT_DECL", "Certificat, déclaration", "52"),
    ("DISP_AUT", "Dispensation, autre", "43"),
    ("PRESC-BIO", "Prescription d'examens de biologie", "42"),
    ("PRESC-KINE", "Prescription de kinésithérapie", "42"),
    ("PRESC-INF", "Prescription de soins infirmiers", "42"),
    ("ATTEST-RESID", "Attestation de résidence", "95"),
    ("IMG-KOS", "Références d'objets d'un examen d'imagerie", "31"),
)
"""Every type that a record takes, by its code; no code stands in both nomenclatures."""

CLASS_LABELS = {
    "10": "Compte rendu",
    "11": "Synthèse",
    "31": "Imagerie",
    "42": "Prescription",
    "43": "Dispensation",
    "44": "Plan ou protocole de soins",
    "45": "Traitement administré",
    "52": "Certificat ou déclaration",
    "60": "Données de remboursement",
    "90": "Documents du patient",
    "95": "Gestion",
}


def oid_of(system: str | None) -> str | None:
    """The OID behind a code system's address: LOINC's, a NOS canonical one, or `urn:oid:…`."""
    if system is None:
        return None
    address = system.partition("|")[0].rstrip("/")
    if address.startswith("urn:oid:"):
        return address.removeprefix("urn:oid:")
    if table := _SMT.fullmatch(address):
        return _TABLES.get(table["table"])
    return _ADDRESSES.get(address)


def document_type(codings: Sequence[tuple[str | None, str]]) -> DocumentType | None:
    """The first of the codings (system, code) that names a type we know."""
    for system, code in codings:
        known = TYPES.get(code)
        if known is not None and known.system == oid_of(system):
            return known
    return None


def document_class(codings: Sequence[tuple[str | None, str]]) -> str | None:
    """The first of the codings (system, code) that names a class of documents."""
    for system, code in codings:
        if oid_of(system) == CLASSES and code in CLASS_LABELS:
            return code
    return None


_CONFIDENTIAL = {
    "N": Visibility.NORMAL,
    "R": Visibility.RESTRICTED,
    "V": Visibility.VERY_RESTRICTED,
}
_MASKS = {
    each.value: each
    for each in (
        Visibility.HIDDEN_FROM_PROFESSIONALS,
        Visibility.HIDDEN_FROM_PATIENT,
        Visibility.HIDDEN_FROM_REPRESENTATIVES,
    )
}


def visibility(system: str | None, code: str) -> Visibility | None:
    """What a security label means; None for a code that we do not know."""
    match oid_of(system):
        case "2.16.840.1.113883.5.25":
            return _CONFIDENTIAL.get(code)
        case "1.2.250.1.213.1.1.4.13":
            return _MASKS.get(code)
        case _:
            return None
