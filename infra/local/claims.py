"""What the identity providers say about people, in the words of the real ones.

Pro Santé Connect for professionals, FranceConnect+ for patients; agents and systems have no public
provider, their claims are this service's own. Which claims are read: `docs/http.md`, "Tokens".
"""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Claims = dict[str, Any]

_FEDERATION = uuid.uuid5(uuid.NAMESPACE_DNS, "psc.local")
_PHARMACIST = "21"
_FRANCE = "99100"
# A person's traits in the API's words, and the claims that tell them.
_TRAITS = {
    "birthFamilyName": "family_name",
    "birthGivenNames": "given_name",
    "birthDate": "birthdate",
    "birthPlace": "birthplace",
    "sex": "gender",
}


def professional(
    rpps: str,
    profession: str,
    *,
    specialty: str | None = None,
    structure: str | None = None,
    reason: str | None = None,
    regulation: bool = False,
) -> Claims:
    """A professional as Pro Santé Connect tells them.

    ``rpps``: 11 digits; ``profession``: a code of table G15; ``specialty``: of R01 (SM54);
    ``structure``: FINESS of the site; ``reason``: why this is an emergency; ``regulation``:
    regulating doctor of a centre 15.
    """
    number = f"8{rpps}"
    sector = "SA33" if profession == _PHARMACIST else "SA07"
    name = f"Structure {structure}" if structure else None
    activities = []
    if structure:
        activities = [
            {
                "codeModeExercice": "L",
                "codeSecteurDactivite": sector,
                "numeroFinessSite": structure,
                "raisonSocialeSite": name,
            }
        ]
    claims: Claims = {
        "sub": f"f:{_FEDERATION}:{number}",
        "SubjectNameID": number,
        "preferred_username": number,
        "SubjectRole": [f"{profession}^1.2.250.1.213.1.1.5.5"],
        "Secteur_Activite": f"{sector}^1.2.250.1.71.4.2.4",
        "Mode_Acces_Raison": reason or "",
        "Acces_Regulation_Medicale": "VRAI" if regulation else "FAUX",
        "SubjectRefPro": {
            "exercices": [
                {
                    "codeProfession": profession,
                    "codeCategorieProfessionnelle": "C",
                    "codeSavoirFaire": specialty or "",
                    "activities": activities,
                }
            ]
        },
        "acr": "eidas3",
    }
    if structure:
        claims |= {"SubjectOrganization": name, "SubjectOrganizationID": f"1{structure}"}
    return claims


def patient(matricule: str, birth_rank: int, traits: Mapping[str, Any]) -> Claims:
    """A person as FranceConnect+ tells them: the same subject whenever they are asked about.

    ``traits``: in the API's words (``birthFamilyName``…) or as claims (``family_name``…).
    """
    person = f"{matricule}|{birth_rank}"
    told = {_TRAITS.get(name, name): value for name, value in traits.items()}
    if isinstance(told.get("given_name"), list):
        told["given_name"] = " ".join(told["given_name"])
    return {
        "birthcountry": _FRANCE,
        **told,
        "sub": f"{hashlib.sha256(person.encode()).hexdigest()}v1",
        "acr": "eidas2",
    }


def agent(role: str, caisse: str) -> Claims:
    """An agent of an insurance fund; ``role`` is ``enrolment`` or ``operations``."""
    return {
        "sub": str(uuid.uuid5(_FEDERATION, f"agent {role} {caisse}")),
        "role": role,
        "caisse": caisse,
        "acr": "eidas2",
    }


def system(structure: str) -> Claims:
    """A health structure's software, by the structure's FINESS number."""
    return {
        "sub": f"1{structure}",
        "structure": structure,
        "SubjectOrganizationID": f"1{structure}",
        "acr": "eidas3",
    }
