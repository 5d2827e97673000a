"""The steps of `initial-history` that need little: begin, complete, fail.

Gathering and publishing have a module each (`gather`, `publish`), so that each has the rights that
it needs and no others. A step is given the record's id and gives a word back.
"""

from __future__ import annotations

from typing import Any

from dmp.edge.observability import logger
from functions.reimbursements import wiring_import as wiring
from functions.reimbursements.messages import Failure, Task

journal = logger("reimbursements")
Event = dict[str, Any]


def begin(event: Event, context: Any) -> Event:
    """`run` is False when there is nothing to do."""
    task = Task.model_validate(event)
    return {"run": wiring.begin()(task.record_id)}


def complete(event: Event, context: Any) -> Event:
    """`status` is `complete` or `empty`."""
    task = Task.model_validate(event)
    status = wiring.complete()(task.record_id)
    journal.info("history imported", record=task.record_id, status=status.value)
    return {"status": status.value}


def fail(event: Event, context: Any) -> Event:
    """Tells the record that its history could not be brought, and why by class."""
    failure = Failure.model_validate(event)
    wiring.fail()(failure.record_id, failure.error)
    journal.error("history not imported", record=failure.record_id, error=failure.error)
    return {"status": "failed"}
