"""Reimbursed services as the insurer's extracts give them, and as the record shows them."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from dmp.domain.paris import PARIS


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
    nomenclature of `code`, or `urn:dmp:nature` when only the nature of service is known, and that
    without a letter key. Amounts are euros, for the holder only, never in the document.
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


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a stored history without reading its lines.

    `fingerprint` is that of `fingerprint_of`; `document` is the id of the document made from
    this generation, as soon as it is about to be published.
    """

    record_id: str
    generation: int
    lines: int
    fingerprint: str
    imported_at: datetime
    document: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The days that a history covers, both included."""

    first: date
    last: date

    def holds(self, day: date) -> bool:
        return self.first <= day <= self.last


_YEARS = 2


def window_before(opening: date) -> Window:
    """The 24 months that end the day before the opening.

    They begin on the opening's day and month two years earlier. Opened on 29 February, where that
    day does not exist, they begin on 28 February: a period counted in months falls on the last day
    of a month that lacks the day [code de procédure civile, art. 641], and a day more is kept
    rather than lost.
    """
    year = opening.year - _YEARS
    day = min(opening.day, monthrange(year, opening.month)[1])
    return Window(date(year, opening.month, day), opening - timedelta(days=1))


def day_in_france(moment: datetime) -> date:
    """The day of a moment for people in mainland France, whose law opens the record."""
    return moment.astimezone(PARIS).date()
