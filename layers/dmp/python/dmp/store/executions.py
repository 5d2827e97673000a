"""Executions of a workflow that runs once for each record."""

from __future__ import annotations

import json
from typing import Any


class Executions:
    """`client("stepfunctions")` and the state machine's ARN.

    The execution's name is `open-<recordId>`: Step Functions keeps names for 90 days, and takes
    the same name with the same input as the same request.
    """

    def __init__(self, stepfunctions: Any, workflow: str) -> None:
        self._stepfunctions = stepfunctions
        self._workflow = workflow

    def start(self, record_id: str) -> None:
        """Start the record's execution; one that was started before, running or not, is enough."""
        try:
            self._stepfunctions.start_execution(
                stateMachineArn=self._workflow,
                name=f"open-{record_id}",
                input=json.dumps({"recordId": record_id}),
            )
        except self._stepfunctions.exceptions.ExecutionAlreadyExists:
            return
