"""The steps of `partition-extract`, one function each; the workflow passes them their `run`.

Logs hold counts and names of files, never a value from a row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dmp.domain.extracts import Part
from dmp.edge.observability import logger
from dmp.usecases.partition_extract import Run
from functions.reimbursements import wiring_extract as wiring

journal = logger("reimbursements")
Event = dict[str, Any]


def _run(event: Event) -> Run:
    return Run(**event["run"])


def _part(told: dict[str, Any]) -> Part:
    return Part(**{**told, "header": tuple(told["header"])})


def admit(event: Event, context: Any) -> Event:
    admission = wiring.admit()(_run(event))
    journal.info("admit", verdict=admission["verdict"])
    return admission


def check(event: Event, context: Any) -> Event:
    wiring.check()(_run(event), event["file"])
    return {}


def plan(event: Event, context: Any) -> Event:
    planned = wiring.plan()(_run(event))
    journal.info("plan", verdict=planned["verdict"])
    return planned


def clean(event: Event, context: Any) -> Event:
    part, people = _part(event["item"]["part"]), event["item"]["people"]
    tally = wiring.clean()(_run(event), part, _part(people) if people else None)
    journal.info("clean", part=part.number, read=tally.read, kept=tally.kept)
    return {}


def join(event: Event, context: Any) -> Event:
    tally = wiring.join()(_run(event), event["shard"])
    journal.info("join", shard=event["shard"], services=tally.services)
    return {}


def sort(event: Event, context: Any) -> Event:
    rows = wiring.sort()(_run(event), event["shard"])
    journal.info("sort", shard=event["shard"], services=rows)
    return {}


def finish(event: Event, context: Any) -> Event:
    done = wiring.finish()(_run(event), datetime.now(UTC))
    journal.info("finish", **done)
    return done


def tidy(event: Event, context: Any) -> Event:
    return {"dropped": wiring.work().drop(_run(event))}


def abandon(event: Event, context: Any) -> Event:
    journal.error("abandoned", error=event["error"])
    wiring.abandon()(_run(event), event["error"])
    return {}
