"""The steps of `partition-extract`: one function, which the workflow tells what to do.

The event is `{"step", "run": {"bucket", "key", "name"}}` and what the step works on. Logs hold
counts, never a value from a row.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dmp.domain.extracts import Part
from dmp.edge.observability import logger
from dmp.usecases.partition_extract import Run
from functions.reimbursements import wiring_extract as wiring

journal = logger("reimbursements")
Event = dict[str, Any]


def _part(told: Event) -> Part:
    return Part(**{**told, "header": tuple(told["header"])})


def admit(run: Run, event: Event) -> Event:
    return wiring.admit()(run)


def check(run: Run, event: Event) -> Event:
    wiring.check()(run, event["files"])
    return {"files": len(event["files"])}


def plan(run: Run, event: Event) -> Event:
    return wiring.plan()(run)


def clean(run: Run, event: Event) -> Event:
    people = event["item"]["people"]
    parts = [_part(told) for told in event["item"]["parts"]]
    return {"kept": wiring.clean()(run, parts, _part(people) if people else None)}


def join(run: Run, event: Event) -> Event:
    return {"services": wiring.join()(run, event["shards"])}


def sort(run: Run, event: Event) -> Event:
    return {"services": wiring.sort()(run, event["shards"])}


def finish(run: Run, event: Event) -> Event:
    return wiring.finish()(run, datetime.now(UTC))


def tidy(run: Run, event: Event) -> Event:
    return {"dropped": wiring.work().drop(run)}


def abandon(run: Run, event: Event) -> Event:
    wiring.abandon()(run, event["error"])
    return {"abandoned": event["error"]}


STEPS: dict[str, Callable[[Run, Event], Event]] = {
    step.__name__: step for step in (admit, check, plan, clean, join, sort, finish, tidy, abandon)
}


def handler(event: Event, context: Any) -> Event:
    """The Lambda handler."""
    done = STEPS[event["step"]](Run(**event["run"]), event)
    told = {name: value for name, value in done.items() if isinstance(value, (int, str))}
    journal.info(event["step"], execution=event["run"]["name"], **told)
    return done
