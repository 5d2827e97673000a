"""Records for tests: of the official test identity, opened by a pharmacist."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dmp.domain.identity import Ins, InsuredNumber, Traits
from dmp.domain.ids import new_record_id
from dmp.domain.records import Channel, Contact, Record, RecordStatus, Scheme, Source
from tests.support.people import DOMINIQUE, Someone

NOW = datetime(2026, 3, 14, 9, 26, 53, 589793, UTC)


def traits_of(someone: Someone) -> Traits:
    return Traits(
        someone.family_name,
        someone.given_names,
        someone.birth_date,
        someone.sex,
        someone.birth_place,
    )


TRAITS = traits_of(DOMINIQUE)


def record(matricule: str = DOMINIQUE.matricule, **changes: Any) -> Record:
    """An open record without a holder, under another number or with other attributes."""
    whole = Record(
        id=new_record_id(),
        ins=Ins(matricule, DOMINIQUE.oid),
        traits=TRAITS,
        insured=InsuredNumber(matricule),
        scheme=Scheme.REGIME_GENERAL,
        status=RecordStatus.OPEN,
        channel=Channel.PHARMACIST,
        opened_at=NOW,
        opened_by="professional#810100997245",
        contact=Contact("patient@example.test"),
        source=Source.CARTE_VITALE,
        structure="750000018",
    )
    return replace(whole, **changes)
