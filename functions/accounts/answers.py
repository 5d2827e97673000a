"""How a record is told: JSON at the counter, a FHIR Patient elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from dmp.domain.access import Situation, authorisation_state, is_medecin_traitant
from dmp.domain.actors import Actor, Person, Professional
from dmp.domain.identity import Ins, Traits
from dmp.domain.parameters import Parameters
from dmp.domain.paris import PARIS
from dmp.domain.records import Record, RecordStatus, Representative
from dmp.edge.warnings import warnings
from dmp.usecases.list_patients import Patient
from dmp.usecases.open_record import Opening
from dmp.usecases.read_representatives import Shown

_OFFICIAL = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition"
CLOSING = f"{_OFFICIAL}/dmp-fermeture"
MEDECIN_TRAITANT = f"{_OFFICIAL}/dmp-medecin-traitant"
AUTHORISATION_STATE = "urn:dmp:authorisation-state"
LAST_AUTHORISATION = "urn:dmp:last-authorisation"
LAST_DOCUMENT = "urn:dmp:last-document"


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
    found: Situation,
    actor: Actor,
    now: datetime,
    parameters: Parameters,
    sent: Ins | None = None,
) -> dict[str, Any]:
    """A FHIR R4 Patient: to a professional, that the record exists, whether it is open and what
    was decided about them, and no identity; to the holder, and to who acts in the holder's name,
    the holder's traits. It carries the number that was `sent`, and none when none was: who knows a
    record by its id is not told whose matricule it is."""
    told = found.record
    resource: dict[str, Any] = {
        "resourceType": "Patient",
        "id": told.id,
        "active": told.status is RecordStatus.OPEN,
    }
    if sent is not None:
        resource["identifier"] = [{"system": f"urn:oid:{sent.oid}", "value": sent.matricule}]
    extensions = _closing(told)
    if isinstance(actor, Professional):
        state = authorisation_state(found, actor, now, parameters)
        treating = is_medecin_traitant(found, actor, now)
        extensions += [
            {"url": MEDECIN_TRAITANT, "valueBoolean": treating},
            {"url": AUTHORISATION_STATE, "valueCode": state.value},
        ]
    if extensions:
        resource["extension"] = extensions
    # Of persons the rules let the holder and those who act for them know, nobody else.
    if isinstance(actor, Person):
        resource |= _traits(told.traits)
    return resource


def listed(one: Patient, actor: Actor, now: datetime, parameters: Parameters) -> dict[str, Any]:
    """The same in a list, with the dates of the list's orders."""
    resource = patient(one.situation, actor, now, parameters)
    dates = ((LAST_AUTHORISATION, one.last_authorisation), (LAST_DOCUMENT, one.last_document))
    told = [{"url": url, "valueInstant": instant(at)} for url, at in dates if at is not None]
    if told:
        resource.setdefault("extension", []).extend(told)
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


def _closing(told: Record) -> list[dict[str, Any]]:
    """The official extension of a closed record, as far as its members are known."""
    if told.status is RecordStatus.OPEN or told.closed_at is None:
        return []
    day = told.closed_at.astimezone(PARIS).date().isoformat()
    return [{"url": CLOSING, "extension": [{"url": "dateFermeture", "valueDate": day}]}]


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
