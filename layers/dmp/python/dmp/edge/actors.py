"""The actor's way from the authorizer to a function: JSON in the gateway's context."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from dmp.domain.actors import (
    Actor,
    Agent,
    AgentRole,
    Feeder,
    Person,
    Professional,
    Structure,
    System,
)


def to_context(actor: Actor) -> str:
    """The actor as compact JSON."""
    told: dict[str, Any] = {"kind": actor.kind}
    match actor:
        case Professional():
            told |= {
                "id": actor.id,
                "profession": actor.profession,
                "specialty": actor.specialty,
                "structure": _structure_to(actor.structure),
                "reason": actor.emergency_reason,
                "regulation": actor.regulation,
            }
        case Person():
            told |= {
                "reference": actor.reference,
                "familyName": actor.family_name,
                "names": list(actor.names),
                "birthDate": actor.birth_date.isoformat(),
                "sex": actor.sex,
                "birthPlace": actor.birth_place,
            }
        case Agent():
            told |= {"id": actor.id, "role": actor.role.value, "caisse": actor.caisse}
        case System():
            told |= {"structure": _structure_to(actor.structure)}
        case Feeder():
            raise ValueError("the insurer's feeder has no token")
    return json.dumps(told, separators=(",", ":"))


def from_context(text: str) -> Actor:
    """The actor that `to_context` wrote."""
    told = json.loads(text)
    match told["kind"]:
        case "professional":
            return Professional(
                id=told["id"],
                profession=told["profession"],
                specialty=told["specialty"],
                structure=_structure_from(told["structure"]),
                emergency_reason=told["reason"],
                regulation=told["regulation"],
            )
        case "patient":
            return Person(
                reference=told["reference"],
                family_name=told["familyName"],
                names=tuple(told["names"]),
                birth_date=date.fromisoformat(told["birthDate"]),
                sex=told["sex"],
                birth_place=told["birthPlace"],
            )
        case "agent":
            return Agent(told["id"], AgentRole(told["role"]), told["caisse"])
        case "system":
            structure = _structure_from(told["structure"])
            if structure is not None:
                return System(structure)
    raise ValueError("unknown kind of actor")


def _structure_to(structure: Structure | None) -> dict[str, str | None] | None:
    if structure is None:
        return None
    return {"finess": structure.finess, "sector": structure.sector, "name": structure.name}


def _structure_from(told: dict[str, str | None] | None) -> Structure | None:
    if told is None or told["finess"] is None:
        return None
    return Structure(told["finess"], told["sector"], told["name"])
