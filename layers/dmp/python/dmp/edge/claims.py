"""From a verified token's claims to the actor they speak for.

Professionals as Pro Santé Connect tells them, patients as FranceConnect+ does; agents and
establishments have no public provider, their claims are this service's own (`role` and `caisse`;
`SubjectOrganizationID`). A claim that is needed and missing, or wrong in form, makes the token
invalid: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from dmp.domain.actors import (
    Actor,
    Agent,
    AgentRole,
    Person,
    Professional,
    Structure,
    System,
)
from dmp.domain.errors import Unauthenticated
from dmp.domain.identity import is_finess, is_ps_id
from dmp.edge.settings import Issuer

PROFESSIONS = "1.2.250.1.213.1.1.5.5"
"""The table of `SubjectRole`: `10^1.2.250.1.213.1.1.5.5` is a doctor."""

_PROFESSION = re.compile(r"[0-9]{2}")
_SPECIALTY = re.compile(r"[A-Z]{1,4}[0-9]{1,4}")
_SECTOR = re.compile(r"SA[0-9]{2}")
_CAISSE = re.compile(r"[0-9A-Z]{3}")
_BIRTH_PLACE = re.compile(r"[0-9]{5}|2[AB][0-9]{3}")
_FINESS_PREFIX = "1"
_LONGEST_REASON = 500

Claims = Mapping[str, Any]
Subject = Callable[[str, str], str]


def actor_of(issuer: Issuer, claims: Claims, subject: Subject) -> Actor:
    """The actor of verified claims, by the kind of its issuer; Unauthenticated("invalid") when
    the claims do not make one. `subject(issuer, sub)` is the keyed reference of a patient."""
    match issuer.kind:
        case "professional":
            return _professional(claims)
        case "patient":
            return _person(claims, subject(issuer.issuer, _needed(claims, "sub")))
        case "agent":
            return _agent(claims)
        case "system":
            return _system(claims)
    raise Unauthenticated("invalid")


def _professional(claims: Claims) -> Professional:
    number = _needed(claims, "SubjectNameID")
    if not is_ps_id(number) or _needed(claims, "sub").rpartition(":")[2] != number:
        raise Unauthenticated("invalid")
    practices = _practices(claims)
    profession = _profession(claims, practices)
    mine = [one for one in practices if one.get("codeProfession") == profession]
    known = (_text(one, "codeSavoirFaire") for one in mine)
    return Professional(
        id=number,
        profession=profession,
        specialty=next((code for code in known if _SPECIALTY.fullmatch(code)), None),
        structure=_structure(claims, mine),
        emergency_reason=_text(claims, "Mode_Acces_Raison")[:_LONGEST_REASON] or None,
        regulation=_text(claims, "Acces_Regulation_Medicale") == "VRAI",
    )


def _profession(claims: Claims, practices: list[Claims]) -> str:
    """What the card says this professional acts as; one of the registered professions, and the
    only one when the card does not say."""
    told = claims.get("SubjectRole")
    roles = [told] if isinstance(told, str) else told if isinstance(told, list) else []
    parts = [str(role).partition("^") for role in roles]
    acting = {code for code, _, table in parts if table == PROFESSIONS}
    registered = {_text(one, "codeProfession") for one in practices} - {""}
    possible = acting & registered if acting and registered else acting or registered
    if len(possible) != 1:
        raise Unauthenticated("invalid")
    (profession,) = possible
    if not _PROFESSION.fullmatch(profession):
        raise Unauthenticated("invalid")
    return profession


def _practices(claims: Claims) -> list[Claims]:
    registered = claims.get("SubjectRefPro")
    found = registered.get("exercices") if isinstance(registered, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _structure(claims: Claims, practices: list[Claims]) -> Structure | None:
    """Where the professional acts: the structure of the card, or the only site registered.

    A structure that has no FINESS number (known by SIREN or SIRET) is none here.
    """
    sector = _text(claims, "Secteur_Activite").partition("^")[0]
    finess = _finess(_text(claims, "SubjectOrganizationID"))
    if finess is None:
        sites = {
            (_text(site, "numeroFinessSite"), _text(site, "codeSecteurDactivite"))
            for one in practices
            for site in _activities(one)
            if is_finess(_text(site, "numeroFinessSite"))
        }
        if len(sites) != 1:
            return None
        finess, registered = sites.pop()
        sector = sector or registered
    name = _text(claims, "SubjectOrganization") or None
    return Structure(finess, sector if _SECTOR.fullmatch(sector) else None, name)


def _activities(practice: Claims) -> list[Claims]:
    told = practice.get("activities")
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _person(claims: Claims, reference: str) -> Person:
    sex = _needed(claims, "gender")
    # Somebody born abroad has no birthplace but a country, and the INS writes that in its place.
    place = _text(claims, "birthplace") or _text(claims, "birthcountry")
    names = _needed(claims, "given_name").split()
    try:
        birth_date = date.fromisoformat(_needed(claims, "birthdate"))
    except ValueError:
        raise Unauthenticated("invalid") from None
    if sex not in {"female", "male"} or not _BIRTH_PLACE.fullmatch(place) or not names:
        raise Unauthenticated("invalid")
    return Person(reference, _needed(claims, "family_name"), tuple(names), birth_date, sex, place)


def _agent(claims: Claims) -> Agent:
    role, caisse = _needed(claims, "role"), _needed(claims, "caisse")
    if role not in {known.value for known in AgentRole} or not _CAISSE.fullmatch(caisse):
        raise Unauthenticated("invalid")
    return Agent(_needed(claims, "sub"), AgentRole(role), caisse)


def _system(claims: Claims) -> System:
    finess = _finess(_needed(claims, "SubjectOrganizationID"))
    if finess is None:
        raise Unauthenticated("invalid")
    sector = _text(claims, "Secteur_Activite").partition("^")[0]
    name = _text(claims, "SubjectOrganization") or None
    return System(Structure(finess, sector if _SECTOR.fullmatch(sector) else None, name))


def _finess(number: str) -> str | None:
    """The FINESS number in a national structure number ("1" and the FINESS)."""
    finess = number[1:]
    return finess if number[:1] == _FINESS_PREFIX and is_finess(finess) else None


def _text(claims: Claims, name: str) -> str:
    """A claim's text without blanks around it; empty when it is absent or no text."""
    told = claims.get(name)
    return told.strip() if isinstance(told, str) else ""


def _needed(claims: Claims, name: str) -> str:
    told = _text(claims, name)
    if not told:
        raise Unauthenticated("invalid")
    return told
