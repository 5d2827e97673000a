"""What bytes turn out to be, once somebody has looked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from dmp.domain.errors import Fault
from dmp.domain.identity import LENIENT_OIDS, OIDS
from dmp.domain.records import Record


class Form(StrEnum):
    """The forms of document that a record takes."""

    PDF = "PDF"
    JPEG = "JPEG"
    PNG = "PNG"
    TEXT = "text"
    CDA = "CDA"
    FHIR = "FHIR"


FORMS_OF = {
    "application/pdf": Form.PDF,
    "image/jpeg": Form.JPEG,
    "image/png": Form.PNG,
    "text/plain": Form.TEXT,
    "text/xml": Form.CDA,
    "application/xml": Form.CDA,
    "application/fhir+json": Form.FHIR,
}
"""What each declared media type promises (parameters such as a charset left out)."""


def form_of(media_type: str) -> Form | None:
    """The form that a media type promises; None for one that a record does not take."""
    return FORMS_OF.get(media_type.partition(";")[0].strip().lower())


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a CDA says it is about: one `recordTarget`.

    `matricules` are the ids under the registers of the INS, `sex` is `female`, `male` or None,
    `born` the digits of the birth time (`19790328`, or less when less is known).
    """

    matricules: frozenset[str]
    sex: str | None
    born: str | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found: `size` in bytes, `sha1` in base64 (as FHIR has it), `sha256` in hexadecimal,
    the form that was promised and kept, and the persons a CDA is about."""

    size: int
    sha1: str
    sha256: str
    form: Form | None
    faults: tuple[Fault, ...] = ()
    bearers: tuple[Bearer, ...] = ()


_SEX = {"M": "male", "F": "female"}


def sex_of(code: str | None) -> str | None:
    """HL7 AdministrativeGender as `male` or `female`; None for what says neither."""
    return _SEX.get(code or "")


def identity_faults(
    inspection: Inspection, record: Record, *, lenient: bool, at: str
) -> tuple[list[Fault], list[Fault]]:
    """Where a CDA is about somebody else than the record: (faults, warnings).

    Compared on matricule, sex and birth date, together, once all three are said: one fault for
    whichever differs, so that nobody who may only feed a record learns its traits one by one.
    What a CDA does not say is a fault too; lenient mode makes a warning of it for records under
    the test and demonstration OIDs. The faults never say what the record holds.
    """
    if inspection.form is not Form.CDA:
        return [], []
    forgiving = lenient and record.ins.oid in LENIENT_OIDS
    faults: list[Fault] = []
    if len(inspection.bearers) > 1:
        faults.append(Fault(at, "cda-identity", "the CDA has more than one recordTarget"))
    bearer = inspection.bearers[0] if inspection.bearers else Bearer(frozenset(), None, None)
    missing = _missing(bearer, at)
    if missing and not forgiving:
        return faults + missing, []
    if not _is_about(bearer, record):
        told = "the recordTarget is somebody else: INS, sex or birth date"
        faults.append(Fault(at, "cda-identity", told))
    return faults, missing


def _missing(bearer: Bearer, at: str) -> list[Fault]:
    told = (
        (bearer.matricules, "no INS in recordTarget/patientRole/id"),
        (bearer.sex, "no sex in patient/administrativeGenderCode"),
        (bearer.born, "no birth date in patient/birthTime"),
    )
    return [Fault(at, "cda-identity-missing", detail) for said, detail in told if not said]


def _is_about(bearer: Bearer, record: Record) -> bool:
    """Whether nothing that is said of a bearer contradicts the record."""
    return (
        (not bearer.matricules or record.ins.matricule in bearer.matricules)
        and bearer.sex in (None, record.traits.sex)
        and (not bearer.born or _same_day(bearer.born, record.traits.birth_date))
    )


def _same_day(born: str, birth_date: date) -> bool:
    """A birth time says the day, or the month or year alone when the day is not known."""
    said = born[:8]
    known = f"{birth_date:%Y%m%d}"
    return len(said) in {4, 6, 8} and known.startswith(said)


def is_ins_root(oid: str | None) -> bool:
    """Whether an HL7 II root is one of the registers of the INS."""
    return oid in OIDS
