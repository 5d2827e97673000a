"""Reimbursed services as the insurer's extracts give them, and as the record shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum


class Detail(StrEnum):
    """The child table that details a service, and so the nomenclature of its code."""

    MEDICINE = "PHA"  # ER_PHA_F.PHA_PRS_C13, CIP13
    ACT = "CAM"  # ER_CAM_F.CAM_PRS_IDE, CCAM
    BIOLOGY = "BIO"  # ER_BIO_F.BIO_PRS_IDE, NABM
    DEVICE = "TIP"  # ER_TIP_F.TIP_PRS_IDE, LPP
    STAY = "ETE"  # ER_ETE_F.ETE_GHS_NUM, GHS


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One row of ER_PRS_F joined with one row of a child table (or none), as extracted.

    `key` is the nine joining columns, in the order of the alphabet, joined by `|`; `line` tells
    apart the children of one service. Amounts are euros. `processed_on` is FLX_TRT_DTD: the later
    one corrects the earlier. Source: schemas of ER_PRS_F, ER_PHA_F, ER_CAM_F, ER_BIO_F, ER_TIP_F,
    ER_ETE_F.
    """

    key: str
    extract_id: str
    month: str
    start: date
    end: date | None
    prescribed_on: date | None
    processed_on: date
    nature: int
    quantity: Decimal
    paid: Decimal | None
    base: Decimal | None
    reimbursed: Decimal | None
    rate: Decimal | None
    performer: str | None
    performer_speciality: int | None
    prescriber: str | None
    prescriber_speciality: int | None
    supplement: int  # CPL_MAJ_TOP: 2 and more is a supplement, no service of its own
    expense: int  # DPN_QLF: 71 is no service of its own
    detail: Detail | None = None
    code: str | None = None
    detail_quantity: Decimal | None = None
    structure: str | None = None  # ETB_EXE_FIN of a stay, FINESS
    line: int = 0


class Section(StrEnum):
    """The sections of the reimbursement document, in its order after the notice."""

    MEDICINES = "medicines"
    VACCINATIONS = "vaccinations"
    DEVICES = "devices"
    STAYS = "stays"
    CARE = "care"
    RADIOLOGY = "radiology"
    BIOLOGY = "biology"


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One netted service, as a doctor reads it.

    `id` is stable: the same service has the same id in every import. `system` is the OID of the
    nomenclature of `code`. Amounts are for the holder only, never in the document.
    """

    id: str
    section: Section
    on: date
    until: date | None
    label: str
    system: str
    code: str
    nature: int
    quantity: Decimal
    prescriber: str | None
    prescriber_speciality: str | None
    performer: str | None
    performer_speciality: str | None
    structure: str | None
    paid: Decimal | None
    base: Decimal | None
    reimbursed: Decimal | None


@dataclass(frozen=True, slots=True)
class History:
    """The structured history of one record: `lines` newest first, for the days `first` to `last`
    (both included). `extracts` are the ids of the extracts it was made from."""

    record_id: str
    first: date
    last: date
    lines: tuple[HistoryLine, ...]
    extracts: tuple[str, ...]
    imported_at: datetime
    generation: int
