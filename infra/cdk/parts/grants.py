"""From exact actions on named resources to IAM statements on exact ARNs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam

from infra.cdk import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.cdk.parts.estate import Estate

OF_A_BUCKET = {
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListBucketMultipartUploads",
    "s3:GetBucketLocation",
}
OF_AN_EXECUTION = {
    "states:DescribeExecution",
    "states:GetExecutionHistory",
    "states:RedriveExecution",
    "states:StopExecution",
}
ANY_RESOURCE = {
    "xray:PutTraceSegments": "X-Ray's write actions take no resource",
    "xray:PutTelemetryRecords": "X-Ray's write actions take no resource",
    "xray:GetSamplingRules": "X-Ray's sampling actions take no resource",
    "xray:GetSamplingTargets": "X-Ray's sampling actions take no resource",
    "dynamodb:ListStreams": "the one action on streams that takes no resource",
    "sns:Publish": "an SMS goes to a telephone number, which has no ARN; topics are denied",
    "logs:CreateLogDelivery": "log delivery actions take no resource",
    "logs:GetLogDelivery": "log delivery actions take no resource",
    "logs:UpdateLogDelivery": "log delivery actions take no resource",
    "logs:DeleteLogDelivery": "log delivery actions take no resource",
    "logs:ListLogDeliveries": "log delivery actions take no resource",
    "logs:PutResourcePolicy": "log delivery actions take no resource",
    "logs:DescribeResourcePolicies": "log delivery actions take no resource",
    "logs:DescribeLogGroups": "log delivery actions take no resource",
}
"""The only actions ever allowed on every resource, each with the reason."""


def statements(estate: Estate, rights: Mapping[str, Sequence[str]]) -> list[iam.PolicyStatement]:
    """`{"table:accounts": ["dynamodb:GetItem"]}` as statements, one per set of ARNs."""
    made: list[iam.PolicyStatement] = []
    for resource, actions in sorted(rights.items()):
        by_arns: dict[tuple[str, ...], list[str]] = {}
        for action in sorted(set(actions)):
            by_arns.setdefault(_arns(estate, resource, action), []).append(action)
        made.extend(_allow(names, arns) for arns, names in by_arns.items())
        if resource == "sns:sms":
            made.append(
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    actions=sorted(set(actions)),
                    resources=["arn:*:sns:*:*:*"],
                )
            )
    return made


def tracing() -> iam.PolicyStatement:
    return _allow(["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ("*",))


def decrypting(estate: Estate, key: str) -> iam.PolicyStatement:
    return _allow(["kms:Decrypt"], (estate.keys[key].key_arn,))


def _allow(actions: Sequence[str], arns: Sequence[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=list(arns))


def _arns(estate: Estate, resource: str, action: str) -> tuple[str, ...]:
    kind, _, name = resource.partition(":")
    if kind == "table" and action == "dynamodb:Query":
        table = estate.tables[name].table_arn
        indexes = catalogue.TABLES[name].indexes
        return (table, *(f"{table}/index/{index}" for index, _, _ in indexes))
    if kind == "bucket" and action not in OF_A_BUCKET:
        return (f"{estate.buckets[name].bucket_arn}/*",)
    if kind == "workflow" and action in OF_AN_EXECUTION:
        return (estate.execution_arn(name),)
    if kind == "sns":
        return ("*",)  # see ANY_RESOURCE
    return (estate.arn(kind, name),)
