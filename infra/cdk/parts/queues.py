"""Queues with their dead letters, and the rules that fill them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration, aws_events, aws_events_targets, aws_sqs

from infra.cdk.naming import physical
from infra.cdk.parts.nag import acknowledge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs import Construct

    from infra.cdk import catalogue
    from infra.cdk.parts.estate import Estate


def dead_letters(
    scope: Construct, estate: Estate, name: str, sources: Sequence[str] = ()
) -> aws_sqs.Queue:
    """Keeps for 14 days what could not be handled; only `sources` may put messages aside in it."""
    made = aws_sqs.Queue(
        scope,
        name,
        queue_name=physical(estate.stage.name, name),
        encryption=aws_sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    allowed = (
        {
            "redrivePermission": "byQueue",
            "sourceQueueArns": [estate.queue_arn(each) for each in sources],
        }
        if sources
        else {"redrivePermission": "denyAll"}
    )
    made.node.default_child.add_property_override("RedriveAllowPolicy", allowed)  # type: ignore[union-attr]
    acknowledge(
        made,
        {"AwsSolutions-SQS3": "It is a dead-letter queue; an alarm watches for its first message."},
    )
    return made


def queue(
    scope: Construct,
    estate: Estate,
    name: str,
    spec: catalogue.Queue,
    consumer_timeout_seconds: int,
) -> aws_sqs.Queue:
    """The queue and its `<name>-dead-letters`. Invisible for six times what its consumer may take,
    as AWS asks, so that a slow batch is not handed out twice."""
    aside = dead_letters(scope, estate, f"{name}-dead-letters", (name,))
    made = aws_sqs.Queue(
        scope,
        name,
        queue_name=physical(estate.stage.name, name),
        encryption=aws_sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        visibility_timeout=Duration.seconds(6 * consumer_timeout_seconds),
        retention_period=Duration.days(4),
        dead_letter_queue=aws_sqs.DeadLetterQueue(max_receive_count=spec.attempts, queue=aside),
    )
    estate.queues[name] = made
    estate.queues[f"{name}-dead-letters"] = aside
    return made


def rules(
    scope: Construct, estate: Estate, name: str, spec: catalogue.Queue, aside: aws_sqs.Queue
) -> None:
    """Facts of the bus and objects of buckets that are put on the queue."""
    target = aws_events_targets.SqsQueue(estate.queues[name], dead_letter_queue=aside)
    if spec.facts:
        aws_events.Rule(
            scope,
            f"{name}-facts",
            rule_name=physical(estate.stage.name, f"{name}-facts"),
            event_bus=estate.buses["facts"],
            event_pattern=aws_events.EventPattern(
                source=aws_events.Match.prefix("dmp."), detail_type=list(spec.facts)
            ),
            targets=[target],
        )
    for bucket, prefix in spec.objects:
        aws_events.Rule(
            scope,
            f"{name}-{bucket}",
            rule_name=physical(estate.stage.name, f"{name}-{bucket}"),
            event_pattern=created(estate, bucket, {"prefix": prefix}),
            targets=[target],
        )


def created(estate: Estate, bucket: str, key: dict[str, str]) -> aws_events.EventPattern:
    """Objects created in a bucket, by a match on their key."""
    return aws_events.EventPattern(
        source=["aws.s3"],
        detail_type=["Object Created"],
        detail={
            "bucket": {"name": [estate.buckets[bucket].bucket_name]},
            "object": {"key": [key]},
        },
    )
