"""Facts from the queue `notifications`, each told to whoever it concerns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from dmp.domain.errors import DmpError
from dmp.edge.observability import logger
from functions.notifications.messages import fact_of
from functions.notifications.wiring_queue import attempts, tell

journal = logger("notifications")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def tell_one(record: SQSRecord) -> None:
    """One fact. What fails here comes back to the queue, alone, and at last to its dead letters;
    on the last attempt the trace says that somebody was not told."""
    try:
        fact = fact_of(record.body)
        if fact is not None:
            tell()(fact, datetime.now(UTC), last=_handed_out(record) >= attempts())
    except Exception as error:
        # Of our own errors the sentence too: it holds no identity, and names the provider's code.
        why = str(error) if isinstance(error, DmpError) else None
        kind = type(error).__name__
        journal.error("not told", error=kind, why=why, queued=record.message_id)
        raise


def _handed_out(record: SQSRecord) -> int:
    """How often the queue handed this message out, this time included."""
    return int(record.raw_event.get("attributes", {}).get("ApproximateReceiveCount", 1))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda handler: the ids of the messages to try again."""
    answer = process_partial_response(event, tell_one, processor, context)
    return dict(answer)
