"""Emergency accesses by day, for those who oversee them.

Keys by example (table `statistics`):

| pk                               | sk                  | what                                    |
|----------------------------------|---------------------|-----------------------------------------|
| `EMERGENCIES#2026-07`            | `2026-07-14#7h3k…`  | one episode                             |
| `EMERGENCIES`                    | `2026-07-14`        | how many of that day, by mode and state |
| `EMERGENCY#2026-07-14.7h3k…`     | `ACCESS#01jd…`      | one access that was counted             |
| `EMERGENCY#2026-07-14.7h3k…`     | `FOLLOW-UP#00002`   | one step of the follow-up, by version   |

A counted access is remembered for `KEPT` (`ttl`), longer than any queue keeps the fact. No item
holds a record's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from dmp.domain.emergencies import Access, Episode, FollowUp, State
from dmp.domain.traces import Mode, Trace
from dmp.store.items import (
    ConditionFailed,
    Item,
    decode,
    encode,
    is_conflict,
    put,
    transact,
    transact_next,
    update,
)
from dmp.store.traces import Journal
from dmp.usecases.count_emergency import Counting

KEPT = timedelta(days=30)
"""A fact may wait 4 days in the queue and 14 in its dead letters."""

_DAYS = "EMERGENCIES"
_STEP = "FOLLOW-UP#"
_LOW, _HIGH = "#", "#~"


class Emergencies:
    """The ports `Episodes` of `usecases.count_emergency`, `oversee_emergencies` and
    `follow_emergency` on DynamoDB; without a journal, for who follows nothing up."""

    def __init__(self, dynamodb: Any, table: str, journal: Journal | None = None) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._journal = journal

    def of(self, episode_id: str) -> Episode | None:
        """One episode, read consistently."""
        answer = self._dynamodb.get_item(
            TableName=self._table, Key=encode(_key(episode_id)), ConsistentRead=True
        )
        return _episode_of(decode(answer["Item"])) if "Item" in answer else None

    def count(
        self, access: Access, stood: Episode | None, episode: Episode, now: datetime
    ) -> Counting:
        """The first access of an episode counts it into its day too."""
        told = {
            "pk": _steps_pk(episode.id),
            "sk": f"ACCESS#{access.id}",
            "ttl": int((now + KEPT).timestamp()),
        }
        writes = [
            put(self._table, told, "attribute_not_exists(pk)"),
            self._put(stood, episode),
        ]
        if stood is None:
            writes.append(self._tally(episode.day, {(episode.mode, episode.state): 1}))
        try:
            transact(self._dynamodb, writes)
        except ConditionFailed as error:
            return Counting.TOLD_BEFORE if error.index == 0 else Counting.CHANGED
        except ClientError as error:
            if not is_conflict(error):
                raise
            return Counting.CHANGED
        return Counting.DONE

    def follow(self, stood: Episode, episode: Episode, step: FollowUp, trace: Trace) -> bool:
        """The episode, the day's counts, the step and the trace: all or none."""
        if self._journal is None:
            raise ValueError("nothing is followed up without a journal")
        written = {
            "pk": _steps_pk(episode.id),
            "sk": f"{_STEP}{episode.version:05}",
            "at": step.at.isoformat(),
            "by": step.by,
            "before": step.before.value,
            "after": step.after.value,
        }
        moved = {(stood.mode, stood.state): -1, (episode.mode, episode.state): 1}
        writes = [
            self._put(stood, episode),
            self._tally(episode.day, moved),
            put(self._table, written, "attribute_not_exists(pk)"),
            self._journal.put(trace),
        ]
        return transact_next(self._dynamodb, writes)

    def follow_ups(self, episode_id: str) -> list[FollowUp]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :step)",
            ExpressionAttributeValues=encode({":pk": _steps_pk(episode_id), ":step": _STEP}),
            ConsistentRead=True,
        )
        return [_step_of(decode(item)) for page in pages for item in page["Items"]]

    def tallies(self, first: date, last: date) -> dict[date, dict[tuple[Mode, State], int]]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues=encode(
                {":pk": _DAYS, ":first": first.isoformat(), ":last": last.isoformat()}
            ),
        )
        items = [decode(item) for page in pages for item in page["Items"]]
        return {date.fromisoformat(item["sk"]): _tally_of(item) for item in items}

    def page(
        self,
        days: Sequence[date],
        modes: frozenset[Mode],
        states: frozenset[State],
        count: int,
        after: str | None,
    ) -> list[Episode]:
        """The months are asked one after the other, newest first, until the page is full."""
        found: list[Episode] = []
        for episode in self._newest(sorted(days, reverse=True), modes, states, after):
            found.append(episode)
            if len(found) == count:
                break
        return found

    def _newest(
        self,
        days: Sequence[date],
        modes: frozenset[Mode],
        states: frozenset[State],
        after: str | None,
    ) -> Iterator[Episode]:
        place = _sk(after) if after else None
        for month in dict.fromkeys(_month(day) for day in days):
            asked = [day for day in days if _month(day) == month]
            high = f"{asked[0]}{_HIGH}"
            if place is not None:
                high = min(high, place)
            low = f"{asked[-1]}{_LOW}"
            if high < low:
                continue
            yield from (
                episode
                for episode in self._of_month(month, low, high, modes, states)
                if episode.id != after
            )

    def _of_month(
        self, month: str, low: str, high: str, modes: frozenset[Mode], states: frozenset[State]
    ) -> Iterator[Episode]:
        wanted = {
            **{f":m{number}": mode.value for number, mode in enumerate(sorted(modes))},
            **{f":s{number}": state.value for number, state in enumerate(sorted(states))},
        }
        some_modes = ", ".join(name for name in wanted if name.startswith(":m"))
        some_states = ", ".join(name for name in wanted if name.startswith(":s"))
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :low AND :high",
            FilterExpression=f"#mode IN ({some_modes}) AND #state IN ({some_states})",
            ExpressionAttributeNames={"#mode": "mode", "#state": "state"},
            ExpressionAttributeValues=encode(
                {":pk": f"{_DAYS}#{month}", ":low": low, ":high": high, **wanted}
            ),
            ScanIndexForward=False,
        )
        for page in pages:
            yield from (_episode_of(decode(item)) for item in page["Items"])

    def _put(self, stood: Episode | None, episode: Episode) -> dict[str, Any]:
        if stood is None:
            return put(self._table, _item(episode), "attribute_not_exists(pk)")
        return put(
            self._table,
            _item(episode),
            "accesses = :accesses AND version = :version",
            values_of={":accesses": stood.accesses, ":version": stood.version},
        )

    def _tally(self, day: date, moved: Mapping[tuple[Mode, State], int]) -> dict[str, Any]:
        places = range(len(moved))
        return update(
            self._table,
            {"pk": _DAYS, "sk": day.isoformat()},
            "ADD " + ", ".join(f"#n{place} :n{place}" for place in places),
            names={f"#n{place}": f"{m}.{s}" for place, (m, s) in enumerate(moved)},
            values_of={f":n{place}": number for place, number in enumerate(moved.values())},
        )


def _key(episode_id: str) -> dict[str, str]:
    return {"pk": f"{_DAYS}#{episode_id[:7]}", "sk": _sk(episode_id)}


def _sk(episode_id: str) -> str:
    return episode_id.replace(".", "#")


def _steps_pk(episode_id: str) -> str:
    return f"EMERGENCY#{episode_id}"


def _month(day: date) -> str:
    return day.isoformat()[:7]


def _item(episode: Episode) -> Item:
    return {
        **_key(episode.id),
        "mode": episode.mode.value,
        "professional": episode.professional,
        "profession": episode.profession,
        "structure": episode.structure,
        "first": episode.first.isoformat(),
        "last": episode.last.isoformat(),
        "accesses": episode.accesses,
        "state": episode.state.value,
        "updatedAt": episode.updated_at.isoformat(),
        "version": episode.version,
    }


def _episode_of(item: Mapping[str, Any]) -> Episode:
    return Episode(
        id=item["sk"].replace("#", "."),
        mode=Mode(item["mode"]),
        professional=item["professional"],
        first=datetime.fromisoformat(item["first"]),
        last=datetime.fromisoformat(item["last"]),
        updated_at=datetime.fromisoformat(item["updatedAt"]),
        profession=item.get("profession"),
        structure=item.get("structure"),
        accesses=int(item["accesses"]),
        state=State(item["state"]),
        version=int(item["version"]),
    )


def _step_of(item: Mapping[str, Any]) -> FollowUp:
    return FollowUp(
        datetime.fromisoformat(item["at"]), item["by"], State(item["before"]), State(item["after"])
    )


def _tally_of(item: Mapping[str, Any]) -> dict[tuple[Mode, State], int]:
    told = {}
    for name, number in item.items():
        mode, dot, state = name.partition(".")
        if dot:
            told[Mode(mode), State(state)] = int(number)
    return told
