"""Accesses from the queue `care-teams`: they tell where an authorised professional acts."""

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
from functions.consents.messages import seen_of
from functions.consents.wiring_teams import join_care_team

journal = logger("consents")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def learn(record: SQSRecord) -> None:
    """One access. What fails comes back to the queue, alone, and at last to its dead letters."""
    try:
        seen = seen_of(record.body)
        if seen is not None:
            join_care_team()(seen, datetime.now(UTC))
    except Exception as error:
        journal.error("not learnt", error=type(error).__name__, queued=record.message_id)
        raise


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The Lambda handler: the ids of the messages to try again."""
    return dict(process_partial_response(event, learn, processor, context))
