"""Count an emergency access into its episode: once, however often and in any order it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from dmp.domain.emergencies import Access, Episode, episode_of
from dmp.domain.errors import Busy

_ATTEMPTS = 5


class Counting(Enum):
    DONE = auto()
    TOLD_BEFORE = auto()
    CHANGED = auto()
    """Somebody else changed the episode in between."""


class Episodes(Protocol):
    def of(self, episode_id: str) -> Episode | None: ...

    def count(
        self, access: Access, stood: Episode | None, episode: Episode, now: datetime
    ) -> Counting:
        """The access is remembered and the episode written, both or neither, unless the access
        was counted before or the episode is no longer as it stood."""


@dataclass(frozen=True, slots=True)
class CountEmergency:
    episodes: Episodes

    def __call__(self, access: Access, now: datetime) -> bool:
        """Whether an episode began with it; Busy when others kept changing the same one."""
        for _ in range(_ATTEMPTS):
            stood = self.episodes.of(access.episode_id)
            episode = stood.with_access(access) if stood else episode_of(access, now)
            counted = self.episodes.count(access, stood, episode, now)
            if counted is not Counting.CHANGED:
                return stood is None and counted is Counting.DONE
        raise Busy
