"""Scenes to decide on: somebody, doing something, in a record where something was decided."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from dmp.domain.access import Action, Question, Situation
from dmp.domain.actors import (
    Actor,
    Agent,
    AgentRole,
    Feeder,
    Person,
    Professional,
    Structure,
    System,
    key_of,
)
from dmp.domain.consents import (
    NO_TEAM,
    ActorConsents,
    CareTeam,
    Decision,
    Kind,
    Member,
    Settings,
)
from dmp.domain.documents import Content, Document, DocumentStatus, Stage, Visibility
from dmp.domain.identity import TEST, Ins, InsuredNumber, Traits
from dmp.domain.records import (
    Basis,
    Channel,
    Record,
    RecordStatus,
    Representative,
    Scheme,
)
from dmp.usecases.gate import mode_of

NOW = datetime(2026, 7, 14, 10, 5, tzinfo=UTC)
AGO = NOW - timedelta(days=30)
RECORD_ID = "7h3k0000000000000000000000"
ME, OTHER = "899700218896", "899700024450"
HERE, THERE = Structure("510000029"), Structure("750000018")
REASON = "Patient inconscient, détresse vitale"
HOLDER, STRANGER, PARENT = "a" * 64, "b" * 64, "c" * 64
THEIRS = Traits("PAT-TROIS", ("CAMILLE", "ANNE"), date(1950, 2, 3), "female", "51215")
"""The strict traits of a representative."""
MINOR, OF_AGE = date(2008, 7, 15), date(2008, 7, 14)
"""Born eighteen years before tomorrow, and before today, in Paris."""


def professional(profession: str = "10", **more: Any) -> Professional:
    return Professional(**{"id": ME, "profession": profession, "structure": HERE, **more})


def person(reference: str = HOLDER) -> Person:
    return Person(reference, "PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215")


def parent(**changes: Any) -> Person:
    """Somebody with the traits of a representative."""
    told = {
        "reference": PARENT,
        "family_name": THEIRS.family_name,
        "names": THEIRS.given_names,
        "birth_date": THEIRS.birth_date,
        "sex": THEIRS.sex,
        "birth_place": THEIRS.birth_place,
    }
    return Person(**{**told, **changes})


def agent(role: AgentRole = AgentRole.ENROLMENT, caisse: str = "751") -> Agent:
    return Agent("A1", role, caisse)


def system(structure: Structure = HERE) -> System:
    return System(structure)


feeder = Feeder()


def record(**changes: Any) -> Record:
    told = {
        "id": RECORD_ID,
        "ins": Ins("279035121518989", TEST),
        "traits": Traits("PAT-TROIS", ("DOMINIQUE",), date(1979, 3, 28), "female", "51215"),
        "insured": InsuredNumber("279035121518989"),
        "scheme": Scheme.REGIME_GENERAL,
        "status": RecordStatus.OPEN,
        "channel": Channel.PHARMACIST,
        "opened_at": AGO,
        "opened_by": f"professional#{OTHER}",
        "structure": THERE.finess,
        "holder": HOLDER,
    }
    return Record(**{**told, **changes})


def born(birth_date: date, **changes: Any) -> Record:
    """A record of somebody born on that day."""
    traits = Traits("PAT-TROIS", ("DOMINIQUE",), birth_date, "female", "51215")
    return record(traits=traits, **changes)


def represented(
    birth_date: date = MINOR,
    basis: Basis = Basis.PARENTAL_AUTHORITY,
    since: datetime = AGO,
    until: datetime | None = None,
    **changes: Any,
) -> Record:
    """A record whose holder somebody represents, or did."""
    one = Representative(THEIRS, basis, since, until=until)
    return born(birth_date, representatives=(one,), **changes)


closed = record(status=RecordStatus.CLOSED)


def decided(*kinds: Kind, since: datetime = AGO, until: datetime | None = None) -> ActorConsents:
    told = tuple(Decision(kind, since, f"patient#{HOLDER}", until) for kind in kinds)
    return ActorConsents(told, len(told))


authorised = decided(Kind.AUTHORISATION)
expired = decided(Kind.AUTHORISATION, until=NOW)
medecin_traitant = decided(Kind.MEDECIN_TRAITANT)
delegate = decided(Kind.DELEGATE)
blocked = decided(Kind.BLOCK)
nothing = ActorConsents()
withdrawn = ActorConsents(
    (Decision(Kind.AUTHORISATION, AGO, f"patient#{HOLDER}", active=False),), version=2
)
team = CareTeam((Member(OTHER, AGO),))
"""A colleague was authorised thirty days ago."""


def document(**changes: Any) -> Document:
    told = {
        "id": f"{RECORD_ID}.01jd0000000000000000000000",
        "record_id": RECORD_ID,
        "unique_id": "urn:oid:1.2.3",
        "type_code": "11488-4",
        "class_code": "10",
        "status": DocumentStatus.CURRENT,
        "stage": Stage.FINAL,
        "author": f"professional#{OTHER}",
        "visibility": frozenset({Visibility.NORMAL}),
        "title": "Compte rendu",
        "dated": AGO,
        "submitted_at": AGO,
        "content": Content("text/plain", 4, "sha1", "key"),
        "resource": "{}",
    }
    return Document(**{**told, **changes})


def by(actor: Actor, **changes: Any) -> Document:
    return document(author=key_of(actor), **changes)


def marked(*codes: Visibility, **changes: Any) -> Document:
    return document(visibility=frozenset({Visibility.NORMAL, *codes}), **changes)


def asks(
    actor: Actor,
    action: Action,
    consents: ActorConsents = nothing,
    document: Document | None = None,
    *,
    record: Record | None = None,
    settings: Settings | None = None,
    about: str | None = None,
    team: CareTeam = NO_TEAM,
) -> Question:
    """A question whose mode is the one that the actor's token asks for."""
    situation = Situation(record or default, consents, settings or Settings(), document, team)
    return Question(actor, action, situation, NOW, mode_of(actor), document, about)


default = record()
