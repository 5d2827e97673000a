"""Stack `operations`: what people watch. The alarms' topic, the alarms of queues, workflows and the
API, and one dashboard. The alarms of a function live beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws, Duration, Stack, aws_cloudwatch, aws_kms, aws_sns
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.cdk import alarming, catalogue
from infra.cdk.naming import physical
from infra.cdk.parts.alarms import alarms
from infra.cdk.parts.storage import removal

if TYPE_CHECKING:
    from infra.cdk.parts.estate import Estate, House


class OperationsStack(Stack):
    """Refers to everything by name, so it holds no other stack back."""

    def __init__(
        self, scope: Construct, name: str, estate: Estate, house: House, **options: object
    ) -> None:
        super().__init__(scope, name, **options)  # type: ignore[arg-type]
        self._topic(estate)
        alarms(
            Construct(self, "alarms"),
            estate,
            (
                *alarming.of_queues(),
                *alarming.of_workflows(each.name for each in house.definitions),
                *alarming.of_api(),
                *alarming.of_house(),
            ),
        )
        self._dashboard(estate, house)

    def _topic(self, estate: Estate) -> None:
        """CloudWatch can only publish under a key whose policy names it, so this topic has its own;
        what it carries is names of alarms."""
        key = aws_kms.Key(
            self,
            "alarms-key",
            alias=f"alias/dmp-{estate.stage.name}-alarms",
            description=f"DMP {estate.stage.name}: alarms on their way to people",
            enable_key_rotation=True,
            removal_policy=removal(estate.stage),
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],  # in a key policy: this key
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        topic = aws_sns.Topic(
            self,
            "alarms-topic",
            topic_name=physical(estate.stage.name, "alarms"),
            master_key=key,
            enforce_ssl=True,
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )

    def _dashboard(self, estate: Estate, house: House) -> None:
        stage = estate.stage.name
        minutes = Duration.minutes(5)

        def metric(
            namespace: str,
            name: str,
            on: tuple[str, str],
            label: str,
            statistic: str = "Sum",
            *,
            period: Duration = minutes,
        ) -> aws_cloudwatch.Metric:
            return aws_cloudwatch.Metric(
                namespace=namespace,
                metric_name=name,
                dimensions_map=dict([on]),
                statistic=statistic,
                period=period,
                label=label,
            )

        def graph(title: str, *metrics: aws_cloudwatch.Metric) -> aws_cloudwatch.GraphWidget:
            return aws_cloudwatch.GraphWidget(title=title, left=list(metrics), width=12)

        def api(name: str, label: str, statistic: str = "Sum") -> aws_cloudwatch.Metric:
            return metric(
                "AWS/ApiGateway", name, ("ApiName", physical(stage, "api")), label, statistic
            )

        def of_functions(name: str, statistic: str = "Sum") -> list[aws_cloudwatch.Metric]:
            return [
                metric(
                    "AWS/Lambda",
                    name,
                    ("FunctionName", physical(stage, each.name)),
                    each.name,
                    statistic,
                )
                for each in house.functions
            ]

        def of_queues(name: str, queues: list[str]) -> list[aws_cloudwatch.Metric]:
            return [
                metric("AWS/SQS", name, ("QueueName", physical(stage, each)), each, "Maximum")
                for each in queues
            ]

        def of_workflows(name: str) -> list[aws_cloudwatch.Metric]:
            return [
                metric(
                    "AWS/States",
                    name,
                    ("StateMachineArn", estate.workflow_arn(each.name)),
                    each.name,
                )
                for each in house.definitions
            ]

        def of_house(name: str, label: str, period: Duration = minutes) -> aws_cloudwatch.Metric:
            return metric("dmp", name, ("stage", stage), label, period=period)

        rows = [
            (
                graph(
                    "API: answers",
                    api("Count", "all"),
                    api("4XXError", "4xx"),
                    api("5XXError", "5xx"),
                ),
                graph(
                    "API: latency (ms)", api("Latency", "p50", "p50"), api("Latency", "p95", "p95")
                ),
            ),
            (
                graph("Functions: errors", *of_functions("Errors")),
                graph("Functions: duration p95 (ms)", *of_functions("Duration", "p95")),
            ),
            (
                graph(
                    "Queues: oldest message (s)",
                    *of_queues("ApproximateAgeOfOldestMessage", list(catalogue.QUEUES)),
                ),
                graph(
                    "Dead letters",
                    *of_queues(
                        "ApproximateNumberOfMessagesVisible",
                        [
                            *(f"{each}-dead-letters" for each in catalogue.QUEUES),
                            *alarming.SHARED_DEAD_LETTERS,
                        ],
                    ),
                ),
            ),
            (
                graph("Workflows: succeeded", *of_workflows("ExecutionsSucceeded")),
                graph("Workflows: failed", *of_workflows("ExecutionsFailed")),
            ),
            (
                graph(
                    "Emergencies: professional, record and mode, each day",
                    of_house("Emergencies", "begun", Duration.days(1)),
                ),
                graph(
                    "What must not happen",
                    *(
                        of_house(each.metric, each.name)
                        for each in alarming.of_house()
                        if not each.too_few
                    ),
                ),
            ),
        ]
        board = aws_cloudwatch.Dashboard(
            self, "dashboard", dashboard_name=physical(stage, "overview")
        )
        for row in rows:
            board.add_widgets(*row)
