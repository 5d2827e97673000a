"""Records opened, from the queue `history-requests`: one execution of `initial-history` each.

The execution is named by the record, so a fact that comes twice starts nothing twice.
"""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from dmp.edge.observability import logger
from functions.reimbursements import wiring_facts as wiring
from functions.reimbursements.messages import OpenedEvent

journal = logger("reimbursements")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def start(record: SQSRecord) -> None:
    """One fact. What fails comes back to the queue, alone, and at last to its dead letters."""
    try:
        opened = OpenedEvent.model_validate_json(record.body)
        wiring.executions().start(opened.detail.record_id)
    except Exception as error:
        journal.error("not started", error=type(error).__name__, queued=record.message_id)
        raise


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda handler: the ids of the messages to try again."""
    return dict(process_partial_response(event, start, processor, context))
