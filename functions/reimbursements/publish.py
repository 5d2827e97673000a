"""The step of `initial-history` that publishes the document of the stored history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from functions.reimbursements import wiring_publish as wiring
from functions.reimbursements.messages import Task


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """`documentId` of the document, published now or before."""
    task = Task.model_validate(event)
    return {"documentId": wiring.document()(task.record_id, datetime.now(UTC))}
