"""Emergency accesses from the queue `emergencies`, each counted once into its day's episode."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from dmp.edge.observability import count, logger
from functions.operations.messages import access_of
from functions.operations.wiring_collect import count_emergency

journal = logger("operations")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def collect(record: SQSRecord) -> None:
    """One fact. What fails comes back to the queue, alone, and at last to its dead letters."""
    try:
        if count_emergency()(access_of(record.body), datetime.now(UTC)):
            count("Emergencies")
    except Exception as error:
        journal.error("not counted", error=type(error).__name__, queued=record.message_id)
        raise


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda handler: the ids of the messages to try again."""
    return dict(process_partial_response(event, collect, processor, context))
