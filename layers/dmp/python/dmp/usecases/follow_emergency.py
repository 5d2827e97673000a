"""Follow an emergency access up: what operations found out about it, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dmp.domain.actors import Actor
from dmp.domain.emergencies import Episode, FollowUp, State
from dmp.domain.errors import Conflict, NotFound, StaleVersion
from dmp.domain.traces import Act, Outcome, Trace, trace_of
from dmp.usecases.oversee_emergencies import admit, named
from dmp.usecases.ports import Traces

_ATTEMPTS = 4


class Episodes(Protocol):
    def of(self, episode_id: str) -> Episode | None: ...

    def follow(self, stood: Episode, episode: Episode, step: FollowUp, trace: Trace) -> bool:
        """The episode, the step and the trace: all or none; False when the episode is no longer
        as it stood."""


@dataclass(frozen=True, slots=True)
class FollowEmergency:
    episodes: Episodes
    traces: Traces

    def __call__(
        self, actor: Actor, episode_id: str, state: State, version: int | None, now: datetime
    ) -> Episode:
        """The episode as it stands then. A state that stands already is left as it is, so that a
        step told twice is one step, under whatever version [RFC 9110, 13.1.1].

        Forbidden for anybody but operations, NotFound, StaleVersion when `version` is no longer
        the current one, Conflict for a state that does not follow.
        """
        act, target = Act.FOLLOW_EMERGENCY, named(episode_id)
        agent = admit(actor, act, self.traces, now, target)
        for _ in range(_ATTEMPTS):
            stood = self.episodes.of(target) if target else None
            if stood is None:
                self.traces.write(trace_of(agent, act, Outcome.REFUSED, now, target=target))
                raise NotFound
            done = trace_of(agent, act, Outcome.DONE, now, target=target)
            if stood.state is state:
                self.traces.write(done)
                return stood
            try:
                followed = stood.followed(state, now, version)
            except (StaleVersion, Conflict):
                self.traces.write(trace_of(agent, act, Outcome.FAILED, now, target=target))
                raise
            step = FollowUp(now, agent.id, stood.state, state)
            if self.episodes.follow(stood, followed, step, done):
                return followed
        self.traces.write(trace_of(agent, act, Outcome.FAILED, now, target=target))
        raise Conflict
