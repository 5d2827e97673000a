"""Scenarios by number: each seed is one question, so that thousands cost little to draw.

Who asks, in which profession, speciality, sector and structure; of a record open or closed, with or
without holder, of a minor or not, with representatives; what was consented, past, present and to
come; what the team holds; which document, by whom, hidden from whom, how far checked; in which
mode; what for; about whom. Likely things are drawn more often than rare ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random

from dmp.access.matrix import load_matrix
from dmp.domain.access import DOCUMENT_ACTIONS, Action, Question, Situation
from dmp.domain.actors import Actor, AgentRole, Structure, key_of
from dmp.domain.consents import ActorConsents, CareTeam, Decision, Kind, Member, Settings
from dmp.domain.documents import Document, DocumentStatus, Stage, Visibility
from dmp.domain.identity import Traits
from dmp.domain.records import Basis, Record, RecordStatus, Representative
from dmp.usecases.gate import mode_of
from tests.access import scenes

DAY = timedelta(days=1)
PROFESSIONS = [*load_matrix().professions, "99"]
STRUCTURES = [
    None,
    scenes.HERE,
    scenes.HERE,
    scenes.HERE,
    scenes.THERE,
    Structure("510000029", "SA24"),
    Structure("750000018", "SA07"),
    Structure("750000018", "SA07"),
    Structure("750000018", "SA01"),
]
REASONS = [
    *[None] * 14,
    *[scenes.REASON] * 4,
    "urgence",
    "aaaaaaaaaaaaaaa",
    "ÉéèÊê àâÀÂà çÇ",
]
BIRTHS = [
    date(1979, 3, 28),
    date(2015, 1, 1),
    date(2015, 1, 1),
    scenes.MINOR,
    scenes.OF_AGE,
    date(2008, 2, 29),
]
OTHERS = Traits("PAT-QUATRE", ("CAMILLE", "ANNE"), date(1950, 2, 3), "female", "51215")
PEOPLE = [
    scenes.parent(),
    scenes.parent(),
    scenes.parent(names=("Camille-Anné",)),
    scenes.parent(names=("CAMILLE",)),
    scenes.parent(sex="male"),
    scenes.parent(reference=scenes.HOLDER),
]
KINDS = [
    ("11488-4", "10"),
    ("11502-2", "10"),
    ("68599-0", "11"),
    ("83901-9", "10"),
    ("99999-9", "10"),
    ("ATTEST-RESID", "52"),
    ("89601-9", "52"),
    ("REMB", "60"),
    ("EXPPAT_2", "90"),
    ("unknown", None),
    ("unknown", "95"),
]
GRADES = [Visibility.NORMAL, Visibility.RESTRICTED, Visibility.VERY_RESTRICTED]
NEVER = {Action.LIFT_BLOCK, Action.NAME_DELEGATE, Action.CHANGE_SETTINGS, Action.FIND_RECORD}
MOMENTS = [-400 * DAY, -90 * DAY, -90 * DAY + timedelta(seconds=1), -30 * DAY, -DAY, timedelta(0)]
AHEAD = [timedelta(seconds=1), DAY]


def scenarios(seed: int, times: int) -> Iterator[Question]:
    """The questions of one seed."""
    chance = Random(seed)  # noqa: S311 - scenarios, not secrets
    for _ in range(times):
        yield scenario(chance)


def scenario(chance: Random) -> Question:
    now = scenes.NOW + chance.choice([timedelta(0), timedelta(0), DAY, -DAY, timedelta(hours=12)])
    actor = _actor(chance)
    action = _action(chance, actor)
    keys = [
        key_of(actor),
        key_of(actor),
        f"professional#{scenes.OTHER}",
        f"patient#{scenes.HOLDER}",
        "feeder#ALIM_AM",
    ]
    document = None
    if action in DOCUMENT_ACTIONS or (action is Action.PUBLISH_DOCUMENT and chance.random() < 0.8):
        document = a_document(chance, keys)
    professional = actor.kind == "professional"
    situation = Situation(
        _record(chance, keys),
        consents(chance, now) if professional else ActorConsents(),
        Settings(*(chance.random() < one for one in (0.2, 0.2, 0.4))),
        document if chance.random() < 0.5 else None,
        _team(chance, now) if professional else CareTeam(),
    )
    about = chance.choice([None, scenes.ME, scenes.ME, scenes.OTHER])
    return Question(actor, action, situation, now, mode_of(actor), document, about)


def a_document(chance: Random, keys: list[str]) -> Document:
    code, group = chance.choice(KINDS)
    return scenes.document(
        type_code=code,
        class_code=group,
        author=chance.choice(keys),
        visibility=frozenset(
            {
                chance.choice(GRADES),
                *(one for one in Visibility if one not in GRADES and chance.random() < 0.25),
            }
        ),
        stage=chance.choice([Stage.FINAL] * 5 + [Stage.PRELIMINARY, Stage.REJECTED]),
        status=chance.choice([DocumentStatus.CURRENT] * 4 + list(DocumentStatus)),
        archived=chance.random() < 0.2,
    )


def consents(chance: Random, now: datetime) -> ActorConsents:
    """What the holder decided about the professional who asks; at most one of each kind."""
    likely = {
        Kind.AUTHORISATION: 0.6,
        Kind.MEDECIN_TRAITANT: 0.3,
        Kind.DELEGATE: 0.2,
        Kind.BLOCK: 0.15,
    }
    return ActorConsents(
        tuple(
            decision(chance, kind, now) for kind, odds in likely.items() if chance.random() < odds
        ),
        version=1,
    )


def decision(chance: Random, kind: Kind, now: datetime) -> Decision:
    since, until = _period(chance, now)
    return Decision(
        kind,
        since,
        f"patient#{scenes.HOLDER}",
        until,
        active=chance.random() < 0.8,
    )


def _period(chance: Random, now: datetime) -> tuple[datetime, datetime | None]:
    since = now + chance.choice([*MOMENTS, -30 * DAY, -30 * DAY, *AHEAD])
    end = chance.choice([None, None, None, timedelta(0), -timedelta(seconds=1), *AHEAD])
    return since, None if end is None else now + end


def _actor(chance: Random) -> Actor:
    kind = chance.random()
    if kind < 0.58:
        return scenes.professional(
            chance.choice([*["10"] * 24, *["60"] * 4, *PROFESSIONS]),
            id=chance.choice([scenes.ME, scenes.ME, scenes.OTHER]),
            structure=chance.choice(STRUCTURES),
            specialty=chance.choice([*[None] * 4, *["SM54"] * 4, "SM25"]),
            emergency_reason=chance.choice(REASONS),
            regulation=chance.random() < 0.1,
        )
    if kind < 0.88:
        known = [scenes.person(), scenes.person(), scenes.person(scenes.STRANGER)]
        return chance.choice([*known, *PEOPLE])
    if kind < 0.92:
        return scenes.agent(chance.choice(list(AgentRole)), chance.choice(["751", "131"]))
    if kind < 0.97:
        return scenes.system(chance.choice([scenes.HERE, scenes.THERE]))
    return scenes.feeder


def _action(chance: Random, actor: Actor) -> Action:
    """Any, but what somebody may do more often than what they never may."""
    mostly = {
        "feeder": [Action.PUBLISH_DOCUMENT],
        "agent": [Action.SEE_RECORD],
        "system": [Action.PUBLISH_DOCUMENT, Action.SEE_RECORD, *sorted(DOCUMENT_ACTIONS)],
        "professional": [one for one in Action if one not in NEVER],
    }.get(actor.kind)
    if mostly and chance.random() < 0.6:
        return chance.choice(mostly)
    return chance.choice(list(Action))


def _record(chance: Random, keys: list[str]) -> Record:
    caisse = chance.choice([None, None, "751", "131"])
    return scenes.born(
        chance.choice(BIRTHS),
        status=chance.choice([RecordStatus.OPEN] * 11 + [RecordStatus.CLOSED]),
        holder=chance.choice([scenes.HOLDER, scenes.HOLDER, scenes.HOLDER, None]),
        opened_by=chance.choice(keys),
        structure=None if caisse else chance.choice([None, "510000029", "750000018"]),
        caisse=caisse,
        representatives=tuple(_representative(chance) for _ in range(chance.choice([0, 1, 1, 2]))),
    )


def _representative(chance: Random) -> Representative:
    since, until = _period(chance, scenes.NOW)
    return Representative(
        chance.choice([scenes.THEIRS, scenes.THEIRS, scenes.THEIRS, OTHERS]),
        chance.choice(list(Basis)),
        since,
        until=until,
    )


def _team(chance: Random, now: datetime) -> CareTeam:
    members = (
        Member(chance.choice([scenes.ME, scenes.OTHER, scenes.OTHER]), *_period(chance, now))
        for _ in range(chance.choice([0, 0, 1, 1, 2]))
    )
    return CareTeam(tuple(members))
