"""Stack `api`: the HTTP areas behind one REST API, its authorizer and, in AWS, its WAF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Stack

from infra.cdk.parts.firewall import firewall
from infra.cdk.parts.functions import Layers, ServiceFunction, Settings
from infra.cdk.parts.gateway import STAGE_NAME, Gateway

if TYPE_CHECKING:
    from constructs import Construct

    from infra.cdk.parts.estate import Estate, House


class ApiStack(Stack):
    """Deploys every function that an HTTP request calls."""

    def __init__(
        self, scope: Construct, name: str, estate: Estate, house: House, **options: object
    ) -> None:
        super().__init__(scope, name, **options)  # type: ignore[arg-type]
        settings = Settings(self, estate)
        layers = Layers(self, house.build)
        functions = {
            (each.area, each.module): ServiceFunction(self, estate, layers, settings, each)
            for each in house.functions
            if each.kind in ("http", "authorizer")
        }
        authorizer = next(
            (each for each in functions.values() if each.spec.kind == "authorizer"), None
        )
        gateway = Gateway(
            self,
            estate.stage,
            house.routes,
            {key: each for key, each in functions.items() if each.spec.kind == "http"},
            authorizer,
        )
        if estate.stage.waf:
            firewall(self, estate.stage, house.routes, gateway.api.deployment_stage.stage_arn)
        CfnOutput(self, "ApiId", value=gateway.api.rest_api_id)
        CfnOutput(self, "ApiStage", value=STAGE_NAME)
        CfnOutput(self, "ApiUrl", value=gateway.api.url)
