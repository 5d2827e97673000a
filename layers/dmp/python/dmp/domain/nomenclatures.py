"""What codes mean: natures of service, medicines, acts, analyses, devices, stays, specialities.

A port, and a table in memory that fulfils it. Where the tables come from is for the store: a small
built-in set today, the official files later. An unknown code has no concept and is shown as it is.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dmp.domain.history import Detail, Section

NGAP = "1.2.250.1.215.200.3.3"
CIP13 = "1.2.250.1.215.200.1.1.1"
ATC_GROUP = "1.2.250.1.215.200.1.2.1"
ATC_VALENCE = "1.2.250.1.215.200.1.2.2"
LPP = "1.2.250.1.215.200.2.1"
GHS = "1.2.250.1.215.200.3.1"
CCAM = "1.2.250.1.215.200.3.4"
NABM = "1.2.250.1.215.200.4.1"
NATURE = "urn:dmp:nature"

SYSTEMS = {
    Detail.MEDICINE: CIP13,
    Detail.ACT: CCAM,
    Detail.BIOLOGY: NABM,
    Detail.DEVICE: LPP,
    Detail.STAY: GHS,
}
"""The nomenclature of a detail's code, by OID."""

_NUMBERS = frozenset({Detail.BIOLOGY, Detail.STAY})
"""Codes that are numbers: some extracts write 0552, others 552; the document says 552."""

_VACCINES = "J07"
# CCAM codes say topography (2 letters), action, way or technique, and a number. Action Q is
# "examine"; its techniques H to N are X-rays with (H) and without (K) contrast, magnetic resonance
# with (J) and without (N), radionuclides (L), ultrasound (M). Source: the CCAM's coding guide.
_IMAGING = re.compile(r"[A-Z]{2}Q[HJKLMN][0-9]{3}")


class Kind(StrEnum):
    """The nomenclatures that can be loaded."""

    NATURES = "natures"
    MEDICINES = "cip13"
    ACTS = "ccam"
    ANALYSES = "nabm"
    DEVICES = "lpp"
    STAYS = "ghs"
    SPECIALITIES = "specialities"
    GROUPS = "atc"


KINDS = {
    Detail.MEDICINE: Kind.MEDICINES,
    Detail.ACT: Kind.ACTS,
    Detail.BIOLOGY: Kind.ANALYSES,
    Detail.DEVICE: Kind.DEVICES,
    Detail.STAY: Kind.STAYS,
}


@dataclass(frozen=True, slots=True)
class Concept:
    """One code and its meaning.

    `letter` is the key letter of a nature (C, AMK, B); `section` where a nature without detail
    stands; `atc` the class of a medicine and `substance` its active substances.
    """

    code: str
    label: str
    letter: str | None = None
    section: Section | None = None
    atc: str | None = None
    substance: str | None = None


class Nomenclatures(Protocol):
    """Where meanings are asked."""

    def concept(self, kind: Kind, code: str) -> Concept | None:
        """None for a code that this version does not know."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Nomenclatures in memory."""

    tables: Mapping[Kind, Mapping[str, Concept]]

    def concept(self, kind: Kind, code: str) -> Concept | None:
        return self.tables.get(kind, {}).get(code)


def read_table(lines: Iterable[str]) -> dict[str, Concept]:
    """A nomenclature in CSV (`;`, header): `code` and `label`, and where they mean something
    `letter`, `section`, `atc`, `substance`. KeyError or ValueError for another form."""
    concepts = {}
    for row in csv.DictReader(lines, delimiter=";", strict=True):
        section = row.get("section")
        concepts[row["code"]] = Concept(
            code=row["code"],
            label=row["label"],
            letter=row.get("letter") or None,
            section=Section(section) if section else None,
            atc=row.get("atc") or None,
            substance=row.get("substance") or None,
        )
    return concepts


@dataclass(frozen=True, slots=True)
class Meaning:
    """How a service is coded, named and placed."""

    section: Section
    system: str
    code: str
    label: str


def meaning_of(
    nature: int, detail: Detail | None, code: str | None, nomenclatures: Nomenclatures
) -> Meaning:
    """The detail's code where there is one, else the nature's key letter, else its number."""
    known = nomenclatures.concept(Kind.NATURES, str(nature))
    if detail is not None and code:
        if detail in _NUMBERS:
            code = code.lstrip("0") or code
        concept = nomenclatures.concept(KINDS[detail], code)
        label = concept.label if concept else code
        return Meaning(_section(known, detail, code, concept), SYSTEMS[detail], code, label)
    section = _section(known, detail, None, None)
    if known is None:
        return Meaning(section, NATURE, str(nature), str(nature))
    if known.letter is None:
        return Meaning(section, NATURE, str(nature), known.label)
    return Meaning(section, NGAP, known.letter, known.label)


def speciality(code: int | None, nomenclatures: Nomenclatures) -> str | None:
    """The name of a speciality, its number when unknown; None for 0 and 99, "not given"."""
    if code in (None, 0, 99):
        return None
    concept = nomenclatures.concept(Kind.SPECIALITIES, str(code))
    return concept.label if concept else str(code)


def is_imaging(ccam: str) -> bool:
    """Whether a CCAM code is an examination by image."""
    return _IMAGING.fullmatch(ccam) is not None


def _section(
    nature: Concept | None, detail: Detail | None, code: str | None, concept: Concept | None
) -> Section:
    """Where a doctor looks for it. The nature says vaccine or imaging, whatever the detail; then
    the detail's own table decides, and the nature alone where there is none."""
    told = nature.section if nature else None
    match detail:
        case Detail.MEDICINE:
            vaccine = told is Section.VACCINATIONS or _is_vaccine(concept)
            return Section.VACCINATIONS if vaccine else Section.MEDICINES
        case Detail.ACT:
            imaging = told is Section.RADIOLOGY or (code is not None and is_imaging(code))
            return Section.RADIOLOGY if imaging else Section.CARE
        case Detail.BIOLOGY:
            return Section.BIOLOGY
        case Detail.DEVICE:
            return Section.DEVICES
        case Detail.STAY:
            return Section.STAYS
        case None:
            return told or Section.CARE


def _is_vaccine(concept: Concept | None) -> bool:
    return concept is not None and (concept.atc or "").startswith(_VACCINES)
