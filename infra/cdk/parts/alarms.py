"""CloudWatch alarms from `infra.cdk.alarming`; each tells the topic `alarms`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_cloudwatch as cloudwatch

from infra.cdk.naming import page, physical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from constructs import Construct

    from infra.cdk.alarming import Alarm
    from infra.cdk.parts.estate import Estate


def alarms(scope: Construct, estate: Estate, specs: Iterable[Alarm]) -> None:
    """One alarm per spec, in the alarm state from the first period that breaches."""
    stage = estate.stage.name
    for spec in specs:
        name = physical(stage, spec.name)
        percentile = spec.statistic.startswith("p")
        cloudwatch.CfnAlarm(
            scope,
            f"Alarm-{spec.name}",
            alarm_name=name,
            alarm_description=f"infra/runbooks/{page(stage, name)}",
            namespace=spec.namespace,
            metric_name=spec.metric,
            dimensions=[
                cloudwatch.CfnAlarm.DimensionProperty(
                    name=spec.dimension, value=_value(estate, spec)
                )
            ],
            statistic=None if percentile else spec.statistic,
            extended_statistic=spec.statistic if percentile else None,
            period=spec.period_seconds,
            evaluation_periods=spec.periods,
            threshold=spec.threshold,
            comparison_operator="LessThanThreshold"
            if spec.too_few
            else "GreaterThanOrEqualToThreshold",
            treat_missing_data="breaching" if spec.too_few else "notBreaching",
            alarm_actions=[estate.topic_arn("alarms")],
            ok_actions=[estate.topic_arn("alarms")],
        )


def _value(estate: Estate, spec: Alarm) -> str:
    if spec.dimension == "StateMachineArn":
        return estate.workflow_arn(spec.subject)
    if spec.dimension == "stage":
        return estate.stage.name
    return physical(estate.stage.name, spec.subject)
