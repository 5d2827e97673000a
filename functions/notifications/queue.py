"""Facts from the queue `notifications`, each told to the holder it concerns."""

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
from functions.notifications.wiring import notify_holder

journal = logger("notifications")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def tell(record: SQSRecord) -> None:
    """One fact. What fails here comes back to the queue, alone, and at last to its dead letters."""
    try:
        fact = fact_of(record.body)
        if fact is not None:
            notify_holder()(fact, datetime.now(UTC))
    except Exception as error:
        # Of our own errors the sentence too: it holds no identity, and names the provider's code.
        why = str(error) if isinstance(error, DmpError) else None
        kind = type(error).__name__
        journal.error("not told", error=kind, why=why, queued=record.message_id)
        raise


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda handler: the ids of the messages to try again."""
    answer = process_partial_response(event, tell, processor, context)
    return dict(answer)
