"""Logs and metrics. A log line says what happened to which record id, never to whom."""

from __future__ import annotations

import os

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics

NAMESPACE = "dmp"


def logger(area: str) -> Logger:
    """The area's logger: JSON, INFO unless the environment says otherwise, never the event."""
    return Logger(service=area, level=os.environ.get("DMP_LOG_LEVEL", "INFO"))


def metrics(area: str) -> Metrics:
    """The area's metrics, in the embedded metric format."""
    return Metrics(namespace=NAMESPACE, service=area)
