"""`ServiceFunction`: one Lambda function with its own role, logs, tracing, alarms and settings."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from aws_cdk import CfnParameter, Duration, Size, Stack, aws_lambda, aws_logs, aws_scheduler
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.cdk import catalogue
from infra.cdk.alarming import of_function
from infra.cdk.naming import physical
from infra.cdk.parts.alarms import alarms
from infra.cdk.parts.grants import decrypting, statements, tracing
from infra.cdk.parts.nag import acknowledge
from infra.cdk.parts.storage import removal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.cdk.packaging import Build
    from infra.cdk.parts.estate import Estate
    from infra.cdk.rights import Function

RUNTIME = "python3.13"
_READS_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
_READS_QUEUE = (
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
)


def retention(days: int) -> aws_logs.RetentionDays:
    """The retention that CloudWatch Logs offers under that number of days."""
    return {
        7: aws_logs.RetentionDays.ONE_WEEK,
        30: aws_logs.RetentionDays.ONE_MONTH,
        365: aws_logs.RetentionDays.ONE_YEAR,
    }[days]


class Settings:
    """What a deployment may change without a new build, as parameters of one stack; a parameter is
    declared when a function first asks for it."""

    def __init__(self, stack: Stack, estate: Estate) -> None:
        self._stack = stack
        self._stage = estate.stage

    @cached_property
    def issuers(self) -> str:
        return self._parameter(
            "Issuers",
            self._stage.issuers,
            "JSON: kind of actor -> issuer, jwks (address) and audience",
        )

    @cached_property
    def public_url(self) -> str:
        return self._parameter(
            "PublicUrl",
            self._stage.public_url,
            "Address under which callers reach the API, without a final slash",
        )

    def _parameter(self, name: str, default: str, description: str) -> str:
        return CfnParameter(
            self._stack, name, type="String", default=default, description=description
        ).value_as_string


class Layers:
    """The layers of one stack. Each stack publishes its own: a layer version is never shared across
    stacks, because an export in use could not change."""

    def __init__(self, scope: Construct, build: Build) -> None:
        self._scope = scope
        self._build = build
        self._made: dict[str, aws_lambda.LayerVersion] = {}
        self._code: dict[str, aws_lambda.Code] = {}

    def layer(self, name: str) -> aws_lambda.LayerVersion:
        if name not in self._made:
            asset = self._build.layers[name]
            self._made[name] = aws_lambda.LayerVersion(
                self._scope,
                f"Layer-{name}",
                code=aws_lambda.Code.from_asset(str(asset.archive), asset_hash=asset.digest),
                compatible_architectures=[aws_lambda.Architecture.ARM_64],
                description=f"dmp: {name}",
            )
        return self._made[name]

    def code(self, area: str) -> aws_lambda.Code:
        if area not in self._code:
            asset = self._build.areas[area]
            self._code[area] = aws_lambda.Code.from_asset(
                str(asset.archive), asset_hash=asset.digest
            )
        return self._code[area]


class ServiceFunction(Construct):
    """Everything that belongs to one function; `.function` is the Lambda function itself."""

    def __init__(
        self, scope: Construct, estate: Estate, layers: Layers, settings: Settings, spec: Function
    ) -> None:
        super().__init__(scope, spec.name)
        self.spec = spec
        stage = estate.stage
        name = physical(stage.name, spec.name)
        logs = aws_logs.LogGroup(
            self,
            "Logs",
            log_group_name=f"/aws/lambda/{name}",
            retention=retention(stage.log_days),
            removal_policy=removal(stage),
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={
                "function": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                            resources=[logs.log_group_arn],
                        ),
                        tracing(),
                    ]
                ),
                **self._granted(estate),
            },
        )
        acknowledge(self.role, _wildcards(estate, spec))
        entry = spec.entry
        self.function = aws_lambda.Function(
            self,
            "Function",
            function_name=name,
            runtime=aws_lambda.Runtime(RUNTIME, aws_lambda.RuntimeFamily.PYTHON),
            architecture=aws_lambda.Architecture.ARM_64,
            handler=spec.lambda_handler,
            code=layers.code(spec.area),
            layers=[layers.layer(each) for each in spec.layers],
            memory_size=stage.memory_mb.get(f"{spec.area}/{spec.module}", entry.memory),
            ephemeral_storage_size=Size.mebibytes(entry.storage) if entry.storage > 512 else None,  # noqa: PLR2004 - Lambda's default
            timeout=Duration.seconds(spec.timeout_seconds),
            environment=_environment(estate, settings, spec),
            log_group=logs,
            role=self.role.without_policy_updates(),
            tracing=aws_lambda.Tracing.ACTIVE,
            description=f"functions/{spec.area}/{spec.module}.py",
        )
        acknowledge(
            self.function,
            {
                "AwsSolutions-L1": "python3.13 is the runtime that the locks, wheels and tests "
                "are for; it moves with them, not with the release calendar of Lambda."
            },
        )
        alarms(self, estate, of_function(spec))
        match spec.kind:
            case "stream":
                self._follows(estate)
            case "queue":
                self._consumes(estate)
            case "schedule":
                self._recurs(estate)
            case _:
                pass

    def _granted(self, estate: Estate) -> dict[str, iam.PolicyDocument]:
        """The rights of rights.json, and what the function's source asks for."""
        spec = self.spec
        made = statements(estate, spec.rights)
        kind, _, source = (spec.entry.source or "").partition(":")
        if kind == "table":
            stream = estate.tables[source].table_stream_arn
            assert stream is not None, source  # noqa: S101 - rights.py checked it
            made += [
                iam.PolicyStatement(actions=list(_READS_STREAM), resources=[stream]),
                iam.PolicyStatement(actions=["dynamodb:ListStreams"], resources=["*"]),
                iam.PolicyStatement(
                    actions=["sqs:SendMessage"],
                    resources=[estate.queue_arn("streams-dead-letters")],
                ),
                decrypting(estate, catalogue.TABLES[source].key),
            ]
        if kind == "queue":
            made.append(
                iam.PolicyStatement(
                    actions=list(_READS_QUEUE), resources=[estate.queues[source].queue_arn]
                )
            )
        return {"rights": iam.PolicyDocument(statements=made)} if made else {}

    def _follows(self, estate: Estate) -> None:
        """Reads a table's stream; what fails five times is put aside and the stream goes on."""
        table = estate.tables[(self.spec.entry.source or "").partition(":")[2]]
        aws_lambda.CfnEventSourceMapping(
            self,
            "Source",
            function_name=self.function.function_name,
            event_source_arn=table.table_stream_arn,
            starting_position="TRIM_HORIZON",
            batch_size=self.spec.entry.batch or 25,
            maximum_batching_window_in_seconds=self.spec.entry.window,
            bisect_batch_on_function_error=True,
            maximum_retry_attempts=5,
            function_response_types=["ReportBatchItemFailures"],
            destination_config=aws_lambda.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=aws_lambda.CfnEventSourceMapping.OnFailureProperty(
                    destination=estate.queue_arn("streams-dead-letters")
                )
            ),
        )

    def _consumes(self, estate: Estate) -> None:
        queue = estate.queues[(self.spec.entry.source or "").partition(":")[2]]
        aws_lambda.CfnEventSourceMapping(
            self,
            "Source",
            function_name=self.function.function_name,
            event_source_arn=queue.queue_arn,
            batch_size=self.spec.entry.batch or 5,
            function_response_types=["ReportBatchItemFailures"],
        )

    def _recurs(self, estate: Estate) -> None:
        """Invoked by EventBridge Scheduler, asynchronously: the one kind whose failures go to a
        dead-letter queue, since nobody waits for its answer."""
        aside = estate.queue_arn("schedules-dead-letters")
        role = iam.Role(
            self,
            "ScheduleRole",
            assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
            inline_policies={
                "schedule": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            actions=["lambda:InvokeFunction"],
                            resources=[self.function.function_arn],
                        ),
                        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[aside]),
                    ]
                )
            },
        )
        aws_lambda.CfnEventInvokeConfig(
            self,
            "Invocation",
            function_name=self.function.function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=2,
            destination_config=aws_lambda.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=aws_lambda.CfnEventInvokeConfig.OnFailureProperty(destination=aside)
            ),
        )
        iam.Policy(
            self,
            "Aside",
            roles=[self.role],
            statements=[iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[aside])],
        )
        aws_scheduler.CfnSchedule(
            self,
            "Schedule",
            name=physical(estate.stage.name, self.spec.name),
            schedule_expression=self.spec.entry.every or "",
            schedule_expression_timezone="Europe/Paris",
            flexible_time_window=aws_scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=aws_scheduler.CfnSchedule.TargetProperty(
                arn=self.function.function_arn,
                role_arn=role.role_arn,
                dead_letter_config=aws_scheduler.CfnSchedule.DeadLetterConfigProperty(arn=aside),
                retry_policy=aws_scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=3, maximum_event_age_in_seconds=3600
                ),
            ),
        )


def _environment(estate: Estate, settings: Settings, spec: Function) -> dict[str, str]:
    stage = estate.stage
    resources = [*spec.rights, *([spec.entry.source] if spec.entry.source else [])]
    made = {
        "DMP_STAGE": stage.name,
        "DMP_API_URL": settings.public_url,
        "DMP_SENDER": stage.sender,
        "DMP_LENIENT_IDENTITY": "true" if stage.lenient_identity else "false",
        "DMP_HISTORY_SHARDS": str(stage.history_shards),
        "DMP_JOIN_SHARDS": str(stage.join_shards),
        "POWERTOOLS_SERVICE_NAME": spec.area,
        "POWERTOOLS_METRICS_NAMESPACE": "dmp",
    }
    if spec.kind == "authorizer" or "DMP_ISSUERS" in spec.entry.env:
        made["DMP_ISSUERS"] = settings.issuers
    if spec.kind == "queue":
        source = (spec.entry.source or "").partition(":")[2]
        made["DMP_ATTEMPTS"] = str(catalogue.QUEUES[source].attempts)
    for resource in resources:
        made.update(estate.variables(resource))
    return dict(sorted(made.items()))


def _wildcards(estate: Estate, spec: Function) -> Mapping[str, str]:
    named = [resource.partition(":") for resource in spec.rights]
    return estate.wildcards(
        [name for kind, _, name in named if kind == "bucket"],
        *(estate.execution_arn(name) for kind, _, name in named if kind == "workflow"),
    )
