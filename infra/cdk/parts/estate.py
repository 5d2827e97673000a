"""What the stacks hand to one another, and the ARNs, variables and encryption keys of it all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_cdk import Aws, Stack

from infra.cdk import catalogue
from infra.cdk.naming import physical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aws_cdk import aws_dynamodb, aws_events, aws_kms, aws_s3, aws_secretsmanager, aws_sqs

    from infra.cdk.definitions import Definition
    from infra.cdk.packaging import Build
    from infra.cdk.rights import Function
    from infra.cdk.routes import Route
    from infra.cdk.stages import Stage


@dataclass(frozen=True, slots=True)
class House:
    """What is read from the repository before anything is built."""

    stage: Stage
    functions: tuple[Function, ...]
    routes: tuple[Route, ...]
    definitions: tuple[Definition, ...]
    build: Build


@dataclass(slots=True)
class Estate:
    """The resources, filled stack after stack in the order data, imports, api."""

    stage: Stage
    keys: dict[str, aws_kms.Key] = field(default_factory=dict)
    tables: dict[str, aws_dynamodb.Table] = field(default_factory=dict)
    buckets: dict[str, aws_s3.Bucket] = field(default_factory=dict)
    secrets: dict[str, aws_secretsmanager.Secret] = field(default_factory=dict)
    buses: dict[str, aws_events.EventBus] = field(default_factory=dict)
    queues: dict[str, aws_sqs.Queue] = field(default_factory=dict)

    def named_arn(self, service: str, resource: str) -> str:
        """ARN of something whose name we chose, in this account and region."""
        return f"arn:{Aws.PARTITION}:{service}:{Aws.REGION}:{Aws.ACCOUNT_ID}:{resource}"

    def function_arn(self, name: str) -> str:
        return self.named_arn("lambda", f"function:{physical(self.stage.name, name)}")

    def workflow_arn(self, name: str) -> str:
        return self.named_arn("states", f"stateMachine:{physical(self.stage.name, name)}")

    def execution_arn(self, name: str) -> str:
        """ARN of any execution of a workflow."""
        return self.named_arn("states", f"execution:{physical(self.stage.name, name)}:*")

    def children_arn(self, name: str) -> str:
        """ARN of the executions that a workflow's Distributed Map starts."""
        return self.named_arn("states", f"execution:{physical(self.stage.name, name)}/*")

    def wildcards(self, buckets: Iterable[str], *arns: str) -> Mapping[str, str]:
        """The acknowledgements of a role that reaches the objects of buckets and executions of
        workflows: cdk-nag finding -> why the end of the ARN has to be open."""
        made = {
            "AwsSolutions-IAM5[Resource::*]": "X-Ray, log delivery and ListStreams "
            "take no resource, an SMS has no ARN: see ANY_RESOURCE in infra/cdk/parts/grants.py."
        }
        for name in buckets:
            data = Stack.of(self.buckets[name])
            exported = data.resolve(data.export_value(self.buckets[name].bucket_arn))
            made[f"AwsSolutions-IAM5[Resource::{exported['Fn::ImportValue']}/*]"] = (
                f"The objects of the bucket {name}: their names are random, the actions are exact."
            )
        for arn in arns:
            shown = re.sub(r"\$\{Token\[AWS\.(\w+)\.\d+\]\}", r"<AWS::\1>", arn)
            made[f"AwsSolutions-IAM5[Resource::{shown}]"] = (
                "Executions of one workflow: Step Functions makes their names."
            )
        return made

    def topic_arn(self, name: str) -> str:
        return self.named_arn("sns", physical(self.stage.name, name))

    def queue_arn(self, name: str) -> str:
        return self.named_arn("sqs", physical(self.stage.name, name))

    def identity_arn(self) -> str:
        """ARN of the SES identity that we send from."""
        return self.named_arn("ses", f"identity/{self.stage.domain}")

    def arn(self, kind: str, name: str) -> str:
        """ARN of what `<kind>:<name>` means in rights.json."""
        arns: dict[str, Callable[[], str]] = {
            "table": lambda: self.tables[name].table_arn,
            "bucket": lambda: self.buckets[name].bucket_arn,
            "queue": lambda: self.queues[name].queue_arn,
            "key": lambda: self.keys[name].key_arn,
            "secret": lambda: self.secrets[name].secret_arn,
            "bus": lambda: self.buses[name].event_bus_arn,
            "workflow": lambda: self.workflow_arn(name),
            "topic": lambda: self.topic_arn(name),
            "ses": self.identity_arn,
        }
        return arns[kind]()

    def variables(self, resource: str) -> Mapping[str, str]:
        """The environment variable that a right on `resource` yields."""
        kind, _, name = resource.partition(":")
        values: dict[str, Callable[[], str]] = {
            "table": lambda: self.tables[name].table_name,
            "bucket": lambda: self.buckets[name].bucket_name,
            "queue": lambda: self.queues[name].queue_url,
            "bus": lambda: self.buses[name].event_bus_name,
        }
        if resource in catalogue.SENDERS:
            return {}
        value = values[kind]() if kind in values else self.arn(kind, name)
        return {catalogue.variable(kind, name): value}
