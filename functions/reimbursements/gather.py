"""The step of `initial-history` that brings a person's rows and stores the structured history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from functions.reimbursements import wiring_import as wiring
from functions.reimbursements.messages import Task


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`generation` and `lines` of what is stored."""
    task = Task.model_validate(event)
    head = wiring.gather()(task.record_id, datetime.now(UTC))
    return {"generation": head.generation, "lines": head.lines}
