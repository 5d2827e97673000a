"""Builders for reimbursed services: rows as extracts give them, lines as a record shows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from dmp.domain.history import Detail, History, HistoryLine, Section, ServiceRow
from dmp.domain.identity import TEST, Ins, InsuredNumber, Traits
from dmp.domain.records import Channel, Record, RecordStatus, Scheme

RECORD = "7h3kq0v9w2m4n6p8r1t5x7z0ab"
NOW = datetime(2024, 3, 15, 9, 30, tzinfo=UTC)
CONSULTATION = 1110
MEDICINE_65 = 3313
DOLIPRANE = "3400935955838"


def row(**changes) -> ServiceRow:
    """A consultation of a general practitioner on 10 January 2024, as delivered in February."""
    told = {
        "key": "1|k",
        "extract_id": "ex-2024-02",
        "month": "2024-02",
        "start": date(2024, 1, 10),
        "end": None,
        "prescribed_on": None,
        "processed_on": date(2024, 1, 20),
        "nature": CONSULTATION,
        "quantity": Decimal(1),
        "paid": Decimal("26.50"),
        "base": Decimal("26.50"),
        "reimbursed": Decimal("18.55"),
        "rate": Decimal(70),
        "performer": "10100997245",
        "performer_speciality": 1,
        "prescriber": None,
        "prescriber_speciality": None,
        "supplement": 0,
        "expense": 0,
    }
    return ServiceRow(**{**told, **changes})


def medicine(code: str = DOLIPRANE, **changes) -> ServiceRow:
    told = {
        "nature": MEDICINE_65,
        "detail": Detail.MEDICINE,
        "code": code,
        "detail_quantity": Decimal(1),
        "prescriber": "10100997245",
        "prescriber_speciality": 1,
        "performer": "330780115",
        "performer_speciality": 50,
    }
    return row(**{**told, **changes})


def negative(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else -amount


def reversal(of: ServiceRow, **changes) -> ServiceRow:
    """The same service taken back, under another key, in a later month."""
    told = {
        "key": f"{of.key}|back",
        "extract_id": "ex-2024-03",
        "month": "2024-03",
        "processed_on": date(2024, 2, 20),
        "quantity": -of.quantity,
        "detail_quantity": negative(of.detail_quantity),
        "paid": negative(of.paid),
        "base": negative(of.base),
        "reimbursed": negative(of.reimbursed),
    }
    return replace(of, **{**told, **changes})


def line(**changes) -> HistoryLine:
    told = {
        "id": "0123456789abcdefghjkmnpqrs",
        "section": Section.CARE,
        "on": date(2024, 1, 10),
        "until": None,
        "label": "Consultation de médecine générale",
        "system": "1.2.250.1.215.200.3.3",
        "code": "G",
        "nature": CONSULTATION,
        "quantity": Decimal(1),
        "prescriber": None,
        "prescriber_speciality": None,
        "performer": "10100997245",
        "performer_speciality": "Médecine générale",
        "structure": None,
        "paid": Decimal("26.50"),
        "base": Decimal("26.50"),
        "reimbursed": Decimal("18.55"),
    }
    return HistoryLine(**{**told, **changes})


def history(*lines: HistoryLine, **changes) -> History:
    told = {
        "record_id": RECORD,
        "first": date(2022, 3, 15),
        "last": date(2024, 3, 14),
        "lines": lines,
        "extracts": ("ex-2024-02",),
        "imported_at": NOW,
        "generation": 1,
    }
    return History(**{**told, **changes})


def record(**changes) -> Record:
    """The record of an official test identity."""
    told = {
        "id": RECORD,
        "ins": Ins("279035121518989", TEST),
        "traits": Traits("PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215"),
        "insured": InsuredNumber("279035121518989"),
        "scheme": Scheme.REGIME_GENERAL,
        "status": RecordStatus.OPEN,
        "channel": Channel.PHARMACIST,
        "opened_at": NOW,
        "opened_by": "professional#899700218896",
    }
    return Record(**{**told, **changes})
