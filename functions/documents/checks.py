"""What came into the quarantine, from the queue `uploads`: each arrival looked at and settled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from dmp.edge.observability import logger
from functions.documents.arrivals import arrival_of
from functions.documents.wiring_checks import settle_upload

journal = logger("documents")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def check(record: SQSRecord) -> None:
    """One arrival. What fails here comes back to the queue, alone, and at last to its dead
    letters."""
    try:
        arrival = arrival_of(record.body)
        if arrival is None:
            journal.info("not an upload", queued=record.message_id)
            return
        stage = settle_upload()(arrival.document_id, arrival.version, datetime.now(UTC))
        journal.info("settled", document=arrival.document_id, stage=stage)
    except Exception as error:
        journal.error("not settled", error=type(error).__name__, queued=record.message_id)
        raise


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda handler: the ids of the messages to try again."""
    return dict(process_partial_response(event, check, processor, context))
