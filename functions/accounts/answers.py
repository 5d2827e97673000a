"""How a record is told: JSON at the counter, a FHIR Patient elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from dmp.domain.access import Situation
from dmp.domain.actors import Actor, Person, Professional
from dmp.domain.identity import Ins, Traits
from dmp.domain.records import Record, RecordStatus, Representative
from dmp.edge.warnings import warnings
from dmp.usecases.open_record import Opening
from dmp.usecases.read_representatives import Shown

AUTHORISATION_STATE = "urn:dmp:authorisation-state"


def record(told: Record) -> dict[str, Any]:
    """`messages.RecordAnswer`."""
    return {
        "recordId": told.id,
        "status": told.status.value,
        "channel": told.channel.value,
        "openedAt": instant(told.opened_at),
        "history": {"status": told.history.value},
    }


def opening(done: Opening, language: str) -> dict[str, Any]:
    """`messages.OpeningAnswer`: the same for the same request, however often it comes."""
    told = record(done.record)
    if done.warnings:
        told["warnings"] = warnings(done.warnings, language)
    return told


def representatives(shown: Iterable[Shown]) -> dict[str, Any]:
    """`messages.RepresentativesAnswer`."""
    return {"representatives": [_representative(one) for one in shown]}


def representative(one: Representative) -> dict[str, Any]:
    """`messages.RepresentativeAnswer`, to who just named them."""
    return _representative(Shown(one, acting=True, named=True))


def patient(
    found: Situation, actor: Actor, now: datetime, sent: Ins | None = None
) -> dict[str, Any]:
    """A FHIR R4 Patient: to a professional, that the record exists, whether it is open and what
    was decided about them; to the holder, their own traits. It carries the number that was `sent`,
    and none when none was: who knows a record by its id is not told whose matricule it is."""
    told = found.record
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": told.id,
        "active": told.status is RecordStatus.OPEN,
    }
    if sent is not None:
        resource["identifier"] = [{"system": f"urn:oid:{sent.oid}", "value": sent.matricule}]
    if isinstance(actor, Professional):
        state = found.consents.authorisation(now)
        resource["extension"] = [{"url": AUTHORISATION_STATE, "valueCode": state.value}]
    if isinstance(actor, Person) and actor.reference == told.holder:
        resource |= _traits(told.traits)
    return resource


def instant(moment: datetime) -> str:
    """`2026-03-14T09:26:53.589Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _representative(shown: Shown) -> dict[str, Any]:
    one = shown.representative
    told: dict[str, Any] = {
        "id": one.id,
        "basis": one.basis.value,
        "since": instant(one.since),
        "acting": shown.acting,
    }
    if one.until is not None:
        told["until"] = instant(one.until)
    if shown.named:
        told["traits"] = {
            "birthFamilyName": one.traits.family_name,
            "birthGivenNames": list(one.traits.given_names),
            "birthDate": one.traits.birth_date.isoformat(),
            "sex": one.traits.sex,
            "birthPlace": one.traits.birth_place,
        }
    return told


def _traits(traits: Traits) -> dict[str, Any]:
    return {
        "name": [
            {
                "use": "official",
                "family": traits.family_name,
                "given": list(traits.given_names),
            }
        ],
        "gender": traits.sex,
        "birthDate": traits.birth_date.isoformat(),
    }
