"""Emergency accesses as operations oversee them: who, where, when and how often, never of whom.

An episode is one professional in one record on one day of Paris in one mode, however much they
read in it. It holds neither the record nor a patient, a document or the words of the reason: that
a break-glass has a reason of substance follows from its having been let in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from dmp.domain.errors import Conflict, StaleVersion
from dmp.domain.ids import fingerprint_id
from dmp.domain.paris import PARIS
from dmp.domain.traces import Mode

EMERGENCIES = (Mode.BREAK_GLASS, Mode.CENTRE_15)

_ID = re.compile(r"(\d{4}-\d{2}-\d{2})\.[0-9a-hjkmnp-tv-z]{26}", re.ASCII)


class State(StrEnum):
    """How far the follow-up of an episode has come."""

    OPEN = "open"
    UNDER_REVIEW = "under-review"
    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"
    REFERRED = "referred"
    """Handed to who judges professionals: the fund, the order, a court."""


_CLOSED = frozenset({State.JUSTIFIED, State.UNJUSTIFIED, State.REFERRED})
_FOLLOWING: Mapping[State, frozenset[State]] = {
    State.OPEN: _CLOSED | {State.UNDER_REVIEW},
    State.UNDER_REVIEW: _CLOSED | {State.OPEN},
    **dict.fromkeys(_CLOSED, frozenset({State.UNDER_REVIEW})),
}
"""What may follow what: what is closed is reviewed again before it is closed otherwise."""


@dataclass(frozen=True, slots=True)
class Access:
    """One reading in an emergency. `id` is the fact's, the same each time that it is told;
    `professional` a PS_IdNat, `profession` a code of G15, `structure` a FINESS."""

    id: str
    record_id: str
    at: datetime
    mode: Mode
    professional: str
    profession: str | None = None
    structure: str | None = None

    @property
    def day(self) -> date:
        return self.at.astimezone(PARIS).date()

    @property
    def episode_id(self) -> str:
        """`2026-07-14.7h3k…`: the day, and what follows from record, professional and mode. The
        record's id is random, so that without it nothing leads back to the record."""
        told = "\x1f".join((self.record_id, self.professional, str(self.day), self.mode.value))
        return f"{self.day}.{fingerprint_id(told)}"


@dataclass(frozen=True, slots=True)
class Episode:
    """One line of the list. `version` counts its follow-ups, from 1; `updated_at` is when the last
    one was, or the first access was counted."""

    id: str
    mode: Mode
    professional: str
    first: datetime
    last: datetime
    updated_at: datetime
    profession: str | None = None
    structure: str | None = None
    accesses: int = 1
    state: State = State.OPEN
    version: int = 1

    @property
    def day(self) -> date:
        return date.fromisoformat(self.id[:10])

    def with_access(self, access: Access) -> Episode:
        """With one access more; they may be told in any order."""
        return replace(
            self,
            first=min(self.first, access.at),
            last=max(self.last, access.at),
            accesses=self.accesses + 1,
            profession=self.profession or access.profession,
            structure=self.structure or access.structure,
        )

    def followed(self, state: State, now: datetime, version: int | None = None) -> Episode:
        """In its next state; StaleVersion unless at this `version` (None for any), Conflict when
        the state does not follow from this one."""
        if version not in {None, self.version}:
            raise StaleVersion
        if state not in _FOLLOWING[self.state]:
            raise Conflict
        return replace(self, state=state, updated_at=now, version=self.version + 1)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """One step of a follow-up: when, by which agent, from which state to which."""

    at: datetime
    by: str
    before: State
    after: State


def episode_of(access: Access, now: datetime) -> Episode:
    """The episode that an access begins."""
    return Episode(
        id=access.episode_id,
        mode=access.mode,
        professional=access.professional,
        first=access.at,
        last=access.at,
        updated_at=now,
        profession=access.profession,
        structure=access.structure,
    )


def day_of(episode_id: str) -> date | None:
    """The day in an episode's id; None for what cannot be one."""
    found = _ID.fullmatch(episode_id)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
