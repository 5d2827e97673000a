"""The alarms of the house as data: metric, threshold and what a person should know.

The CDK makes the alarms from this list, `infra/cdk/runbooks.py` drafts their pages from it, and
`tests/infra` checks that each alarm has its page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from infra.cdk import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from infra.cdk.rights import Function

SHARED_DEAD_LETTERS = ("streams-dead-letters", "rules-dead-letters", "schedules-dead-letters")
"""Queues that keep what a stream, an EventBridge rule or a schedule could not hand over."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One CloudWatch alarm on one metric. Missing data is no breach, but for an alarm on what does
    not happen (`too_few`)."""

    name: str
    """Without the stage; the name of its page."""
    family: Literal[
        "errors",
        "throttles",
        "slow",
        "lag",
        "waiting",
        "dead-letters",
        "workflow",
        "api",
        "house",
    ]
    subject: str
    """Function, queue, workflow or area that it watches, without the stage."""
    namespace: str
    metric: str
    dimension: str
    """Name of the dimension whose value is the subject's physical name, or `stage` for a metric
    of the house, whose value is the stage's."""
    threshold: float
    statistic: str = "Sum"
    period_seconds: int = 300
    periods: int = 1
    unit: str = "events"
    too_few: bool = False
    """It is below the threshold that is wrong."""


def of_function(function: Function) -> tuple[Alarm, ...]:
    """Errors, throttles and duration of one function; lag too when it follows a stream."""
    name = function.name
    milliseconds = function.timeout_seconds * 1000

    def on(family: str, metric: str, threshold: float, **more: object) -> Alarm:
        return Alarm(
            f"{name}-{family}",
            family,
            name,
            "AWS/Lambda",
            metric,
            "FunctionName",
            threshold,
            **more,  # type: ignore[arg-type]
        )

    alarms = [
        on("errors", "Errors", 1),
        on("throttles", "Throttles", 1),
        on("slow", "Duration", milliseconds * 0.8, statistic="Maximum", periods=2, unit="ms"),
    ]
    if function.kind == "stream":
        alarms.append(
            on("lag", "IteratorAge", 300_000, statistic="Maximum", periods=2, unit="ms behind")
        )
    return tuple(alarms)


def of_queues() -> tuple[Alarm, ...]:
    """Anything in a dead-letter queue, and messages that wait too long in a queue."""
    dead = [*(f"{name}-dead-letters" for name in catalogue.QUEUES), *SHARED_DEAD_LETTERS]
    return (
        *(
            Alarm(
                name,
                "dead-letters",
                name,
                "AWS/SQS",
                "ApproximateNumberOfMessagesVisible",
                "QueueName",
                1,
                statistic="Maximum",
                unit="messages",
            )
            for name in dead
        ),
        *(
            Alarm(
                f"{name}-waiting",
                "waiting",
                name,
                "AWS/SQS",
                "ApproximateAgeOfOldestMessage",
                "QueueName",
                900,
                statistic="Maximum",
                periods=2,
                unit="seconds",
            )
            for name in catalogue.QUEUES
        ),
    )


def of_workflows(names: Iterable[str]) -> tuple[Alarm, ...]:
    """Executions that failed, and executions that ran out of time."""
    return tuple(
        Alarm(
            f"{name}-{suffix}",
            "workflow",
            name,
            "AWS/States",
            metric,
            "StateMachineArn",
            1,
            unit="executions",
        )
        for name in names
        for suffix, metric in (("failed", "ExecutionsFailed"), ("timed-out", "ExecutionsTimedOut"))
    )


def of_api() -> tuple[Alarm, ...]:
    """Answers that are our fault, and slowness that callers feel."""
    return (
        Alarm(
            "api-server-errors",
            "api",
            "api",
            "AWS/ApiGateway",
            "5XXError",
            "ApiName",
            5,
            unit="answers",
        ),
        Alarm(
            "api-slow",
            "api",
            "api",
            "AWS/ApiGateway",
            "Latency",
            "ApiName",
            3_000,
            statistic="p95",
            periods=3,
            unit="ms",
        ),
    )


def of_house() -> tuple[Alarm, ...]:
    """What the functions count themselves (`dmp.edge.observability.count`): accesses that could
    not be decided, entries of the journal that somebody changed, and a seal that is late."""

    def on(name: str, subject: str, metric: str, **more: object) -> Alarm:
        return Alarm(name, "house", subject, "dmp", metric, "stage", 1, **more)  # type: ignore[arg-type]

    return (
        on("evaluation-errors", "access", "EvaluationErrors", unit="decisions"),
        on("journal-tampered", "traces", "JournalTampered", unit="changes"),
        on(
            "sealing-late",
            "traces",
            "SegmentsSealed",
            period_seconds=3600,
            periods=3,
            unit="segments",
            too_few=True,
        ),
    )


def every(functions: Iterable[Function], workflows: Sequence[str]) -> tuple[Alarm, ...]:
    """All alarms of a stage."""
    return (
        *(alarm for function in functions for alarm in of_function(function)),
        *of_queues(),
        *of_workflows(workflows),
        *of_api(),
        *of_house(),
    )
