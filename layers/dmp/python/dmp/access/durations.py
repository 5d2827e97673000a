"""How long an authorisation lasts that a professional records: data of the policies layer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Durations:
    """`usecases.grant_access.Durations`: days by profession, with a default; assumed figures."""

    default: int
    professions: dict[str, int]

    def of(self, profession: str) -> timedelta:
        return timedelta(days=self.professions.get(profession, self.default))


def load_durations() -> Durations:
    """The durations in force."""
    told = json.loads(files("dmp_policies").joinpath("durations.json").read_text("utf-8"))
    return Durations(told["default"], told["professions"])
