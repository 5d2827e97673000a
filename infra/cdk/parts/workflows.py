"""State machines from their definitions, with a role that can do what the definition says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import aws_events, aws_events_targets, aws_logs, aws_scheduler, aws_stepfunctions
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.cdk import catalogue
from infra.cdk.naming import physical
from infra.cdk.parts.functions import retention
from infra.cdk.parts.grants import tracing
from infra.cdk.parts.nag import acknowledge
from infra.cdk.parts.queues import created
from infra.cdk.parts.storage import removal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_sqs

    from infra.cdk.definitions import Definition
    from infra.cdk.parts.estate import Estate, House

_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)


class Workflow(Construct):
    """One state machine; errors are logged, never the data that passes through it."""

    def __init__(
        self, scope: Construct, estate: Estate, definition: Definition, values: Mapping[str, str]
    ) -> None:
        super().__init__(scope, definition.name)
        stage = estate.stage
        logs = aws_logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/vendedlogs/states/{physical(stage.name, definition.name)}",
            retention=retention(stage.log_days),
            removal_policy=removal(stage),
        )
        granted = [
            statement
            for subject, actions in definition.rights
            for statement in _statements(estate, values, subject, actions)
        ]
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            inline_policies={
                "running": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(actions=list(_DELIVERY), resources=["*"]),
                        iam.PolicyStatement(
                            actions=["xray:GetSamplingRules", "xray:GetSamplingTargets"],
                            resources=["*"],
                        ),
                        tracing(),
                        *(self._itself(estate, definition)),
                    ]
                ),
                **({"rights": iam.PolicyDocument(statements=granted)} if granted else {}),
            },
        )
        self.machine = aws_stepfunctions.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=physical(stage.name, definition.name),
            role_arn=role.role_arn,
            definition_string=definition.text,
            definition_substitutions={name: values[name] for name in sorted(definition.used)},
            tracing_configuration=aws_stepfunctions.CfnStateMachine.TracingConfigurationProperty(
                enabled=True
            ),
            logging_configuration=aws_stepfunctions.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    aws_stepfunctions.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=aws_stepfunctions.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=logs.log_group_arn
                        )
                    )
                ],
            ),
        )
        self.machine.node.add_dependency(role)
        acknowledge(
            role, estate.wildcards(_buckets(definition), estate.children_arn(definition.name))
        )

    @staticmethod
    def _itself(estate: Estate, definition: Definition) -> list[iam.PolicyStatement]:
        """A Distributed Map starts child executions of its own state machine."""
        if not definition.distributed:
            return []
        return [
            iam.PolicyStatement(
                actions=["states:StartExecution"], resources=[estate.workflow_arn(definition.name)]
            ),
            iam.PolicyStatement(
                actions=[
                    "states:DescribeExecution",
                    "states:StopExecution",
                    "states:RedriveExecution",
                ],
                resources=[estate.children_arn(definition.name)],
            ),
        ]


def values(estate: Estate, house: House) -> dict[str, str]:
    """Substitution -> value, for every name that `infra.cdk.definitions` knows."""
    named = catalogue.pascal
    return {
        **{
            name: estate.function_arn(function.name)
            for function in house.functions
            for name in function.substitutions
        },
        **{
            f"Workflow{named(each.name)}Arn": estate.workflow_arn(each.name)
            for each in house.definitions
        },
        **{f"Table{named(name)}": table.table_name for name, table in estate.tables.items()},
        **{f"Bucket{named(name)}": bucket.bucket_name for name, bucket in estate.buckets.items()},
        **{f"Queue{named(name)}": queue.queue_url for name, queue in estate.queues.items()},
        **{f"EventBus{named(name)}": bus.event_bus_name for name, bus in estate.buses.items()},
        "Stage": estate.stage.name,
        "HistoryShards": str(estate.stage.history_shards),
        "JoinShards": str(estate.stage.join_shards),
    }


def starts(scope: Construct, estate: Estate, workflow: Workflow, aside: aws_sqs.Queue) -> None:
    """The object whose arrival starts the workflow, when `catalogue.WORKFLOW_STARTS` names one.

    The input is `{"bucket", "key", "version", "event"}`: the object, its version (absent when the
    bucket has none) and the id of the event that announced it.
    """
    name = workflow.node.id
    if name not in catalogue.WORKFLOW_STARTS:
        return
    bucket, suffix = catalogue.WORKFLOW_STARTS[name]
    arn = estate.workflow_arn(name)
    role = iam.Role(
        scope,
        f"{name}-starter",
        assumed_by=iam.ServicePrincipal("events.amazonaws.com"),
        inline_policies={
            "start": iam.PolicyDocument(
                statements=[iam.PolicyStatement(actions=["states:StartExecution"], resources=[arn])]
            )
        },
    )
    machine = aws_stepfunctions.StateMachine.from_state_machine_arn(scope, f"{name}-machine", arn)
    rule = aws_events.Rule(
        scope,
        f"{name}-{bucket}",
        rule_name=physical(estate.stage.name, f"{name}-{bucket}"),
        event_pattern=created(estate, bucket, {"suffix": suffix}),
        targets=[
            aws_events_targets.SfnStateMachine(
                machine,
                role=role.without_policy_updates(),
                dead_letter_queue=aside,
                input=aws_events.RuleTargetInput.from_object(
                    {
                        "bucket": aws_events.EventField.from_path("$.detail.bucket.name"),
                        "key": aws_events.EventField.from_path("$.detail.object.key"),
                        "event": aws_events.EventField.event_id,
                    }
                ),
            )
        ],
    )
    rule.node.add_dependency(workflow.machine)


def recurs(scope: Construct, estate: Estate, workflow: Workflow, aside: aws_sqs.Queue) -> None:
    """The schedule of the workflow, when `catalogue.WORKFLOW_SCHEDULES` has one."""
    name = workflow.node.id
    if name not in catalogue.WORKFLOW_SCHEDULES:
        return
    arn = estate.workflow_arn(name)
    role = iam.Role(
        scope,
        f"{name}-scheduler",
        assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
        inline_policies={
            "start": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(actions=["states:StartExecution"], resources=[arn]),
                    iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[aside.queue_arn]),
                ]
            )
        },
    )
    made = aws_scheduler.CfnSchedule(
        scope,
        f"{name}-schedule",
        name=physical(estate.stage.name, name),
        schedule_expression=catalogue.WORKFLOW_SCHEDULES[name],
        schedule_expression_timezone="Europe/Paris",
        flexible_time_window=aws_scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=aws_scheduler.CfnSchedule.TargetProperty(
            arn=arn,
            role_arn=role.role_arn,
            input="{}",
            dead_letter_config=aws_scheduler.CfnSchedule.DeadLetterConfigProperty(
                arn=aside.queue_arn
            ),
            retry_policy=aws_scheduler.CfnSchedule.RetryPolicyProperty(
                maximum_retry_attempts=5, maximum_event_age_in_seconds=3600
            ),
        ),
    )
    made.node.add_dependency(workflow.machine)


def _statements(
    estate: Estate, values: Mapping[str, str], subject: str, actions: tuple[str, ...]
) -> list[iam.PolicyStatement]:
    def allow(*arns: str, only: tuple[str, ...] = actions) -> iam.PolicyStatement:
        return iam.PolicyStatement(actions=list(only), resources=list(arns))

    for name, table in estate.tables.items():
        if subject == f"Table{catalogue.pascal(name)}":
            return [allow(table.table_arn), _keyed(estate, catalogue.TABLES[name].key)]
    for name, bucket in estate.buckets.items():
        if subject == f"Bucket{catalogue.pascal(name)}":
            listing = tuple(each for each in actions if each == "s3:ListBucket")
            objects = tuple(each for each in actions if each != "s3:ListBucket")
            return [
                *([allow(bucket.bucket_arn, only=listing)] if listing else []),
                *([allow(f"{bucket.bucket_arn}/*", only=objects)] if objects else []),
                _keyed(estate, catalogue.BUCKETS[name].key),
            ]
    for name, queue in estate.queues.items():
        if subject == f"Queue{catalogue.pascal(name)}":
            return [allow(queue.queue_arn)]
    for name, bus in estate.buses.items():
        if subject == f"EventBus{catalogue.pascal(name)}":
            return [allow(bus.event_bus_arn)]
    return [allow(values[subject])]  # a function or a workflow: its value is its ARN


def _keyed(estate: Estate, key: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[estate.keys[key].key_arn]
    )


def _buckets(definition: Definition) -> list[str]:
    """The buckets that a workflow reads or writes by itself."""
    return [
        name
        for name in catalogue.BUCKETS
        if f"Bucket{catalogue.pascal(name)}" in dict(definition.rights)
    ]
