"""Domain objects in the words of the policies' schema (`dmp_policies/schema.cedarschema`)."""

from __future__ import annotations

from typing import Any

from dmp.access.matrix import Matrix
from dmp.domain.access import Action, Question, is_delegate, is_medecin_traitant, presumed
from dmp.domain.actors import (
    Actor,
    Agent,
    Feeder,
    Person,
    Professional,
    System,
    gives_reason,
    key_of,
)
from dmp.domain.documents import Document, DocumentStatus, Stage, Visibility
from dmp.domain.majority import represents
from dmp.domain.parameters import Parameters
from dmp.domain.records import RecordStatus

Json = dict[str, Any]
Signature = tuple[bool, frozenset[Visibility], bool, Stage, DocumentStatus]
"""What the policies see of a document that lies in the record: whether the matrix opens its type
to the actor, its visibility codes, whether the actor sent it, its stage and its status."""

REIMBURSEMENTS = ("REMB", "60")
"""Type and class under which the matrix knows the structured history."""

_ENTITIES: dict[type[Actor], str] = {
    Professional: "Professional",
    Person: "Patient",
    Agent: "Agent",
    System: "System",
    Feeder: "Feeder",
}


def principal(actor: Actor) -> Json:
    """The actor as an entity."""
    attributes: Json = {"key": key_of(actor)}
    match actor:
        case Professional():
            attributes |= {
                "profession": actor.profession,
                "specialty": actor.specialty or "",
                "sector": (actor.structure.sector if actor.structure else None) or "",
                "givesReason": gives_reason(actor),
                "workplace": _structure(actor.structure.finess if actor.structure else None) or "",
            }
        case Agent():
            attributes |= {"role": actor.role.value, "workplace": f"caisse#{actor.caisse}"}
        case System():
            attributes["workplace"] = _structure(actor.structure.finess) or ""
        case _:
            pass
    identity = actor.reference if isinstance(actor, Person) else actor.id
    return _entity(_ENTITIES[type(actor)], identity, attributes)


def signature(document: Document, me: str, *, opened: bool) -> Signature:
    """Everything that the policies see of a document, for the actor of key `me`: two documents
    of one signature have one answer."""
    return (
        opened,
        document.visibility,
        document.author == me,
        document.stage,
        document.status,
    )


def opened(actor: Actor, type_code: str, class_code: str | None, matrix: Matrix) -> bool:
    """Whether the matrix opens a type to the actor; it speaks of professionals only."""
    return isinstance(actor, Professional) and matrix.opens(actor.profession, type_code, class_code)


def lying(name: str, seen: Signature, me: str) -> Json:
    """A document of the record as an entity."""
    _, visibility, mine, stage, status = seen
    return _entity(
        "Document",
        name,
        {
            "visibility": [code.value for code in visibility],
            "author": me if mine else "",
            "stage": stage.value,
            "status": status.value,
        },
    )


def deposit(document: Document) -> Json:
    """A document about to enter the record as an entity."""
    return _entity("Deposit", document.id, {"type": document.type_code})


def record(question: Question) -> Json:
    return _entity("Record", question.situation.record.id, {})


def context(question: Question, parameters: Parameters, *, matrix: bool) -> Json:
    """What is true of this access, at this moment."""
    found, actor, now = question.situation, question.actor, question.now
    told: Json = {
        "mode": question.mode.value,
        "record": {
            "open": found.record.status is RecordStatus.OPEN,
            "represented": isinstance(actor, Person)
            and represents(actor, found.record, now, parameters.majority),
            "openedBy": found.record.opened_by,
            "opposesBreakGlass": found.settings.opposes_break_glass,
            "opposesCentre15": found.settings.opposes_centre_15,
            "showsMaskedInEmergency": found.settings.masked_in_emergency,
        },
        "consent": {
            "blocked": found.consents.blocked(now),
            "authorisation": found.consents.authorisation(now).value,
            "careTeam": presumed(found, actor, now, parameters),
            "medecinTraitant": is_medecin_traitant(found, actor, now),
            "delegate": is_delegate(found, actor, now),
        },
        "matrix": matrix,
    }
    opened_in = _structure(found.record.structure)
    if opened_in is None and found.record.caisse:
        opened_in = f"caisse#{found.record.caisse}"
    if opened_in is not None:
        told["record"]["openedIn"] = opened_in
    if found.record.holder is not None:
        told["record"]["holder"] = {"__entity": {"type": "Patient", "id": found.record.holder}}
    if question.about is not None:
        told["about"] = {"__entity": {"type": "Professional", "id": question.about}}
    return told


def request(actor: Json, action: Action, resource: Json, given: Json | str) -> Json:
    """One request to the authorizer; a context may be given as the JSON text of one."""
    return {
        "principal": actor["uid"],
        "action": {"type": "Action", "id": action.value},
        "resource": resource["uid"],
        "context": given,
    }


def _structure(finess: str | None) -> str | None:
    return f"structure#{finess}" if finess else None


def _entity(kind: str, name: str, attributes: Json) -> Json:
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": []}
