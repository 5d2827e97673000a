"""Metrics that a function writes into its log are counted, and the alarms on them judged.

In AWS a log line in the embedded metric format is a metric. MiniStack keeps the line and counts
nothing. Here each line of an invocation that is such an object is recorded, once for each of its
sets of dimensions, and the alarms on that metric are looked at. A line that is none is a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.local.patches import expect

_MARK = '"_aws"'


@dataclass(frozen=True, slots=True)
class Datum:
    """One value of one metric under one set of dimensions."""

    namespace: str
    name: str
    value: float
    unit: str
    dimensions: dict[str, str]


def apply() -> None:
    from ministack.services import cloudwatch, lambda_svc  # noqa: PLC0415 - reads its settings

    emit = expect.function(
        lambda_svc,
        "_emit_lambda_logs",
        *("func", "request_id", "log_text", "error", "duration_ms", "log_source"),
    )
    record = expect.function(
        cloudwatch, "record_metric", "namespace", "metric_name", "value", "unit", "dimensions"
    )
    judge = expect.function(cloudwatch, "_evaluate_alarm", "alarm")
    alarms = cloudwatch._alarms  # noqa: SLF001

    def emit_and_count(func: Any, request_id: Any, log_text: str, *rest: Any, **more: Any) -> None:
        emit(func, request_id, log_text, *rest, **more)
        told = list(data_of(log_text or ""))
        for one in told:
            record(one.namespace, one.name, one.value, one.unit, one.dimensions)
        metrics = {(one.namespace, one.name) for one in told}
        for alarm in list(alarms.values()) if metrics else ():
            if (alarm.get("Namespace"), alarm.get("MetricName")) in metrics:
                judge(alarm)

    lambda_svc._emit_lambda_logs = emit_and_count  # noqa: SLF001


def data_of(log: str) -> Iterator[Datum]:
    """The metrics in the lines of a log [CloudWatch, embedded metric format specification]."""
    for line in log.splitlines():
        if _MARK not in line:
            continue
        try:
            told = json.loads(line)
            found = list(_data_in(told))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # AWS leaves such a line a line, too
        yield from found


def _data_in(told: dict[str, Any]) -> Iterator[Datum]:
    for directive in told["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"] or [[]]:
            dimensions = {name: str(told[name]) for name in names}
            for metric in directive["Metrics"]:
                values = told[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    yield Datum(
                        directive["Namespace"],
                        metric["Name"],
                        float(value),
                        metric.get("Unit", "None"),
                        dimensions,
                    )
