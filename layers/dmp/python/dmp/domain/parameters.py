"""What the rules leave to be set: figures and choices that no public source settles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Parameters:
    """`layers/policies`, `parameters.json`: data, so that a change needs no release of the rules.

    `majority` in years; `majority_reminder` how long before it representatives are reminded;
    `care_team` how long a colleague's authorisation presumes that of the team;
    `masked_and_invisible` whether one document may be hidden from professionals and patient both.
    """

    majority: int
    majority_reminder: timedelta
    care_team: timedelta
    masked_and_invisible: bool
