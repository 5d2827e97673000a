"""Stack `imports`: whatever happens without a caller: queues, rules, workflows, streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Stack, aws_ses

from infra.cdk import catalogue
from infra.cdk.alarming import SHARED_DEAD_LETTERS
from infra.cdk.catalogue import pascal
from infra.cdk.parts import queues, workflows
from infra.cdk.parts.functions import Layers, ServiceFunction, Settings

if TYPE_CHECKING:
    from constructs import Construct

    from infra.cdk.parts.estate import Estate, House

KINDS = ("stream", "queue", "task", "schedule")


class ImportsStack(Stack):
    """Fills `estate` with queues and deploys every function that no HTTP request calls."""

    def __init__(
        self, scope: Construct, name: str, estate: Estate, house: House, **options: object
    ) -> None:
        super().__init__(scope, name, **options)  # type: ignore[arg-type]
        aside = {each: queues.dead_letters(self, estate, each) for each in SHARED_DEAD_LETTERS}
        for each, spec in catalogue.QUEUES.items():
            made = queues.queue(self, estate, each, spec, _consumer_timeout(house, each))
            queues.rules(self, estate, each, spec, aside["rules-dead-letters"])
            CfnOutput(self, f"Queue{pascal(each)}", value=made.queue_url)
            CfnOutput(
                self,
                f"Queue{pascal(each)}DeadLetters",
                value=estate.queues[f"{each}-dead-letters"].queue_url,
            )
        for each, queue in aside.items():
            CfnOutput(self, f"Queue{pascal(each)}", value=queue.queue_url)
        # The identity that e-mails are sent from; its DNS records are published by hand, once.
        aws_ses.CfnEmailIdentity(self, "Sender", email_identity=estate.stage.domain)
        settings = Settings(self, estate)
        layers = Layers(self, house.build)
        for function in house.functions:
            if function.kind in KINDS:
                deployed = ServiceFunction(self, estate, layers, settings, function)
                if function.kind == "stream":
                    deployed.node.add_dependency(aside["streams-dead-letters"])
                if function.kind == "schedule":
                    deployed.node.add_dependency(aside["schedules-dead-letters"])
        values = workflows.values(estate, house)
        for definition in house.definitions:
            workflow = workflows.Workflow(self, estate, definition, values)
            workflows.starts(self, estate, workflow, aside["rules-dead-letters"])
            workflows.recurs(self, estate, workflow, aside["schedules-dead-letters"])
            CfnOutput(
                self,
                f"Workflow{pascal(definition.name)}",
                value=estate.workflow_arn(definition.name),
            )


def _consumer_timeout(house: House, queue: str) -> int:
    """Seconds that the slowest consumer of the queue may take."""
    return max(
        (
            each.timeout_seconds
            for each in house.functions
            if each.kind == "queue" and each.entry.source == f"queue:{queue}"
        ),
        default=30,
    )
