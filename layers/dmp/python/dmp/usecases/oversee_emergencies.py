"""List the emergency accesses of a period for operations, who judge them without their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from dmp.domain.actors import Actor, Agent, AgentRole
from dmp.domain.emergencies import EMERGENCIES, Episode, FollowUp, State, day_of
from dmp.domain.errors import Forbidden, NotFound
from dmp.domain.traces import Act, Mode, Outcome, trace_of
from dmp.usecases.ports import DEFAULT_COUNT, Traces

USUAL = timedelta(days=30)
LONGEST = timedelta(days=366)

Tally = Mapping[tuple[Mode, State], int]
"""How many episodes of each mode and state."""


class Episodes(Protocol):
    def of(self, episode_id: str) -> Episode | None: ...

    def follow_ups(self, episode_id: str) -> list[FollowUp]:
        """What was followed up in an episode, first things first."""

    def tallies(self, first: date, last: date) -> Mapping[date, Tally]:
        """How many episodes each day of a period had; days without any are left out."""

    def page(
        self,
        days: Sequence[date],
        modes: frozenset[Mode],
        states: frozenset[State],
        count: int,
        after: str | None,
    ) -> list[Episode]:
        """The newest `count` episodes of these days at most, by day and id, those after a place."""


@dataclass(frozen=True, slots=True)
class EmergencyQuestion:
    """Days of Paris, both counted; a page of `count` episodes after the one of id `after`."""

    first: date
    last: date
    modes: frozenset[Mode] = frozenset(EMERGENCIES)
    states: frozenset[State] = frozenset(State)
    count: int = DEFAULT_COUNT
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The counts are those of the whole period, whatever modes and states were asked for;
    `next` is the id after which the following page begins, if there is one."""

    by_state: Mapping[State, int]
    by_mode: Mapping[Mode, int]
    episodes: tuple[Episode, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class OverseeEmergencies:
    episodes: Episodes
    traces: Traces

    def search(self, actor: Actor, question: EmergencyQuestion, now: datetime) -> Overview:
        """The newest days first. Forbidden for anybody but operations."""
        admit(actor, Act.READ_EMERGENCIES, self.traces, now)
        tallies = self.episodes.tallies(question.first, question.last)
        found = self.episodes.page(
            [day for day, tally in tallies.items() if _holds(tally, question)],
            question.modes,
            question.states,
            question.count + 1,
            question.after,
        )
        page = tuple(found[: question.count])
        self.traces.write(trace_of(actor, Act.READ_EMERGENCIES, Outcome.DONE, now, count=len(page)))
        states, modes = Counter[State](), Counter[Mode]()
        for tally in tallies.values():
            for (mode, state), number in tally.items():
                states[state] += number
                modes[mode] += number
        return Overview(
            {state: states[state] for state in State},
            {mode: modes[mode] for mode in EMERGENCIES},
            page,
            page[-1].id if len(found) > len(page) else None,
        )

    def read(
        self, actor: Actor, episode_id: str, now: datetime
    ) -> tuple[Episode, Sequence[FollowUp]]:
        """One episode and its follow-ups; NotFound when there is none."""
        target = named(episode_id)
        admit(actor, Act.READ_EMERGENCIES, self.traces, now, target)
        found = self.episodes.of(target) if target else None
        outcome = Outcome.DONE if found else Outcome.REFUSED
        if found is None or target is None:
            self.traces.write(trace_of(actor, Act.READ_EMERGENCIES, outcome, now, target=target))
            raise NotFound
        follow_ups = self.episodes.follow_ups(target)
        self.traces.write(trace_of(actor, Act.READ_EMERGENCIES, outcome, now, target=target))
        return found, follow_ups


def admit(
    actor: Actor, act: Act, traces: Traces, now: datetime, target: str | None = None
) -> Agent:
    """The agent of operations who asks; anybody else is traced, and Forbidden."""
    if isinstance(actor, Agent) and actor.role is AgentRole.OPERATIONS:
        return actor
    traces.write(trace_of(actor, act, Outcome.REFUSED, now, target=target))
    raise Forbidden


def named(episode_id: str) -> str | None:
    """An id that can be one: no trace repeats whatever else somebody wrote into an address."""
    return episode_id if day_of(episode_id) else None


def _holds(tally: Tally, question: EmergencyQuestion) -> bool:
    return any(
        number > 0 and mode in question.modes and state in question.states
        for (mode, state), number in tally.items()
    )
