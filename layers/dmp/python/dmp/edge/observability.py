"""Logs and metrics. A log line says what happened to which record id, never to whom."""

from __future__ import annotations

import os

from aws_lambda_powertools.logging import Logger

NAMESPACE = "dmp"
STAGE = "stage"
"""The one dimension of every metric of the house: alarms name metric and stage, nothing else."""


def logger(area: str) -> Logger:
    """The area's logger: JSON, INFO unless the environment says otherwise, never the event."""
    return Logger(service=area, level=os.environ.get("DMP_LOG_LEVEL", "INFO"))


def count(metric: str, number: int = 1) -> None:
    """Count something that people watch, in the embedded metric format: one line of the log.

    `infra/cdk/alarming.py` has the metrics that alarms stand on. Nothing of an identity fits in.
    """
    from aws_lambda_powertools.metrics import MetricUnit, single_metric  # noqa: PLC0415 - rarely

    with single_metric(metric, MetricUnit.Count, number, namespace=NAMESPACE) as counted:
        counted.add_dimension(STAGE, os.environ.get("DMP_STAGE", "none"))
