"""What operations ask and are answered, and the facts of the queue `emergencies`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

from dmp.domain.emergencies import EMERGENCIES, Access, Episode, FollowUp, State, day_of
from dmp.domain.errors import Fault
from dmp.domain.paris import PARIS
from dmp.domain.traces import Mode
from dmp.edge.fhir_search import COUNT, CURSOR, Query, Reading, cursor_of
from dmp.usecases.oversee_emergencies import LONGEST, USUAL, EmergencyQuestion, Overview

LINES = 1000
"""How many lines a sheet has at most, and unless asked: people open it, they do not page it."""

_KNOWN = ("from", "to", "state", "mode", COUNT, CURSOR)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PROFESSIONAL = "professional#"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_moment, return_type=str)]
EmergencyMode = Literal[Mode.BREAK_GLASS, Mode.CENTRE_15]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Code = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,14}$")]


class Message(BaseModel):
    """camelCase outside; unknown fields are faults."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", populate_by_name=True)


class FollowUpMessage(Message):
    """`POST /operations/emergencies/{id}/follow-up`."""

    state: State


class Row(Message):
    """One professional in one record on one day of Paris in one mode."""

    id: str
    day: date
    mode: EmergencyMode
    professional: Annotated[str, Field(description="PS_IdNat")]
    profession: Annotated[str | None, Field(description="Code of table G15")]
    structure: Annotated[str | None, Field(description="FINESS")]
    accesses: Annotated[int, Field(description="Readings: searches, documents, contents, history")]
    first: Moment
    last: Moment
    state: State
    updated_at: Moment
    version: int


class Step(Message):
    """One step of a follow-up; `by` is the agent's id."""

    at: Moment
    by: str
    before: Annotated[State, Field(alias="from")]
    after: Annotated[State, Field(alias="to")]


class EpisodeAnswer(Row):
    """A line with its follow-up, first things first."""

    follow_ups: list[Step] | None = None


class Counts(Message):
    """Of the whole period, whatever states and modes were asked for."""

    by_state: dict[State, int]
    by_mode: dict[EmergencyMode, int]


class EmergencyList(Message):
    """`GET /operations/emergencies`. `next` is the cursor of the page that follows."""

    first: Annotated[date, Field(alias="from")]
    last: Annotated[date, Field(alias="to")]
    counts: Counts
    rows: list[Row]
    next: str | None


class Detail(BaseModel):
    """What is read of the fact; the rest of it is not."""

    event_id: _Id = Field(alias="eventId")
    record_id: _Id = Field(alias="recordId")
    occurred_at: AwareDatetime = Field(alias="occurredAt")
    actor: Annotated[str, StringConstraints(pattern=r"^professional#[0-9A-Za-z]{1,32}$")]
    mode: EmergencyMode
    profession: _Code | None = None
    structure: _Code | None = None


class Envelope(BaseModel):
    """The event, as EventBridge puts it in an SQS message."""

    detail_type: Literal["emergency.accessed.v1"] = Field(alias="detail-type")
    detail: Detail


def access_of(body: str) -> Access:
    """The access in a message; pydantic's ValidationError for a body that is no such fact."""
    told = Envelope.model_validate_json(body).detail
    return Access(
        id=told.event_id,
        record_id=told.record_id,
        at=told.occurred_at.astimezone(UTC),
        mode=told.mode,
        professional=told.actor.removeprefix(_PROFESSIONAL),
        profession=told.profession,
        structure=told.structure,
    )


def question_of(query: Query, now: datetime, *, csv: bool = False) -> EmergencyQuestion:
    """The question in a query; Malformed with every fault.

    Days are those of Paris; without `to` until today, without `from` the last thirty days.
    """
    reading = Reading(query, _KNOWN, strict=True)
    last = _day(reading, "to", now.astimezone(PARIS).date())
    first = _day(reading, "from", last - min(USUAL - timedelta(days=1), last - date.min))
    if first > last:
        reading.faults.append(Fault("from", "after-to", "the period would end before it begins"))
    elif last - first >= LONGEST:
        reading.faults.append(Fault("from", "too-long", f"{LONGEST.days} days at most"))
    states = reading.codes("state", {state.value: state for state in State})
    modes = reading.codes("mode", {mode.value: mode for mode in EMERGENCIES})
    question = EmergencyQuestion(
        first=first,
        last=last,
        modes=frozenset(EMERGENCIES) if modes is None else modes,
        states=frozenset(State) if states is None else states,
        count=reading.count(LINES, LINES) if csv else reading.count(),
        after=reading.place(_place),
    )
    reading.done()
    return question


def list_answer(question: EmergencyQuestion, found: Overview) -> dict[str, Any]:
    """The list as JSON."""
    told = EmergencyList(
        first=question.first,
        last=question.last,
        counts=Counts(by_state=dict(found.by_state), by_mode=dict(found.by_mode)),
        rows=[row_of(episode) for episode in found.episodes],
        next=cursor_of(found.next) if found.next else None,
    )
    return told.model_dump(mode="json", by_alias=True)


def next_link(question: EmergencyQuestion, found: Overview) -> str | None:
    """The address of the page that follows, relative to the one asked."""
    if found.next is None:
        return None
    asked = {
        "from": question.first.isoformat(),
        "to": question.last.isoformat(),
        "state": ",".join(sorted(question.states)),
        "mode": ",".join(sorted(question.modes)),
        COUNT: str(question.count),
        CURSOR: cursor_of(found.next),
    }
    return f"?{urlencode(asked)}"


def episode_answer(episode: Episode, steps: Sequence[FollowUp] | None = None) -> dict[str, Any]:
    """An episode as JSON, with its follow-up where that was asked for."""
    told = EpisodeAnswer(
        **row_of(episode).model_dump(),
        follow_ups=None
        if steps is None
        else [Step(at=one.at, by=one.by, before=one.before, after=one.after) for one in steps],
    ).model_dump(mode="json", by_alias=True)
    if steps is None:
        del told["followUps"]
    return told


def row_of(episode: Episode) -> Row:
    return Row(
        id=episode.id,
        day=episode.day,
        mode=episode.mode,  # type: ignore[arg-type]
        professional=episode.professional,
        profession=episode.profession,
        structure=episode.structure,
        accesses=episode.accesses,
        first=episode.first,
        last=episode.last,
        state=episode.state,
        updated_at=episode.updated_at,
        version=episode.version,
    )


def wants_csv(accept: str | None) -> bool:
    """Whether a sheet is preferred to JSON."""
    media = [one.partition(";")[0].strip().lower() for one in (accept or "").split(",")]
    return "text/csv" in media and "application/json" not in media[: media.index("text/csv")]


def _day(reading: Reading, name: str, usual: date) -> date:
    told = reading.values(name)
    if not told:
        return usual
    try:
        if len(told) == 1 and _DAY.fullmatch(told[0]):
            return date.fromisoformat(told[0])
    except ValueError:
        pass
    reading.faults.append(Fault(name, "date", "a day as YYYY-MM-DD, once"))
    return usual


def _place(parts: Sequence[str]) -> str:
    (episode_id,) = parts
    if day_of(episode_id) is None:
        raise ValueError("no place among emergencies")
    return episode_id
