"""One REST API whose resources are exactly the routes of the Chalice areas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_cdk import Duration, aws_apigateway, aws_logs
from constructs import Construct

from infra.cdk.naming import physical
from infra.cdk.parts import answers
from infra.cdk.parts.functions import retention
from infra.cdk.parts.nag import acknowledge
from infra.cdk.parts.storage import removal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.cdk.parts.functions import ServiceFunction
    from infra.cdk.routes import Route
    from infra.cdk.stages import Stage

STAGE_NAME = "v1"
LOGGED = {
    "time": "$context.requestTime",
    "requestId": "$context.requestId",
    "extendedRequestId": "$context.extendedRequestId",
    "trace": "$context.xrayTraceId",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "integrationMilliseconds": "$context.integrationLatency",
    "integrationStatus": "$context.integration.status",
    "authorizerStatus": "$context.authorizer.status",
    "waf": "$context.wafResponseCode",
    "refusal": "$context.error.responseType",
}
"""The access log: the route with its {variables}, never the path, the query, the address or who."""

_AWS_ONLY = {
    "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
    "AmazonAPIGatewayPushToCloudWatchLogs]": "The role of API Gateway's account-wide logging; AWS "
    "prescribes this policy for it."
}
_LOCAL_ONLY = {
    "AwsSolutions-APIG3": "The local cloud has no WAF; the local front stands in for its rules."
}


class Gateway(Construct):
    """The API, its authorizer, its methods and what it answers by itself."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        routes: Sequence[Route],
        functions: Mapping[tuple[str, str], ServiceFunction],
        authorizer: ServiceFunction | None,
    ) -> None:
        super().__init__(scope, "gateway")
        logs = aws_logs.LogGroup(
            self,
            "AccessLogs",
            log_group_name=f"/aws/apigateway/{physical(stage.name, 'access')}",
            retention=retention(stage.log_days),
            removal_policy=removal(stage),
        )
        self.api = aws_apigateway.RestApi(
            self,
            "Api",
            rest_api_name=physical(stage.name, "api"),
            description="Dossier médical partagé",
            binary_media_types=["*/*"],
            min_compression_size=None,
            endpoint_types=[aws_apigateway.EndpointType.REGIONAL],
            cloud_watch_role=stage.aws,
            fail_on_warnings=True,
            deploy_options=aws_apigateway.StageOptions(
                stage_name=STAGE_NAME,
                tracing_enabled=True,
                metrics_enabled=True,
                logging_level=aws_apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,
                throttling_rate_limit=stage.requests_per_second,
                throttling_burst_limit=stage.burst,
                access_log_destination=aws_apigateway.LogGroupLogDestination(logs),
                access_log_format=aws_apigateway.AccessLogFormat.custom(json.dumps(LOGGED)),
            ),
        )
        self._token = (
            None
            if authorizer is None
            else aws_apigateway.TokenAuthorizer(
                self,
                "Bearer",
                handler=authorizer.function,
                authorizer_name="bearer",
                results_cache_ttl=Duration.seconds(stage.authorizer_cache_seconds),
            )
        )
        self._integrations = {
            key: aws_apigateway.LambdaIntegration(
                each.function, allow_test_invoke=False, scope_permission_to_method=False
            )
            for key, each in functions.items()
        }
        self._methods(routes)
        self._answers()
        self._acknowledge(stage)

    def _methods(self, routes: Sequence[Route]) -> None:
        by_path: dict[str, list[Route]] = {}
        for route in routes:
            by_path.setdefault(route.path, []).append(route)
        for path, found in by_path.items():
            resource = self.api.root.resource_for_path(path)
            for route in found:
                self._method(resource, route.method, route, public=route.public)
            # Any other method reaches the area too, which answers 405 and what it allows.
            self._method(resource, "ANY", found[0], public=False)
            resource.add_cors_preflight(
                allow_origins=["*"],  # a bearer token is no cookie: it is sent on purpose
                allow_methods=sorted({route.method for route in found}),
                allow_headers=[
                    "Authorization",
                    "Content-Type",
                    "Idempotency-Key",
                    "If-Match",
                    "Accept-Language",
                ],
                expose_headers=["ETag", "Location"],
                max_age=Duration.hours(1),
            )

    def _method(
        self, resource: aws_apigateway.IResource, method: str, route: Route, *, public: bool
    ) -> None:
        secured = (
            {}
            if public
            else {
                "authorizer": self._token,
                "authorization_type": aws_apigateway.AuthorizationType.CUSTOM,
            }
        )
        resource.add_method(method, self._integrations[route.area, route.module], **secured)  # type: ignore[arg-type]

    def _answers(self) -> None:
        for kind, answer in answers.GATEWAY.items():
            # Defaults keep the status that the gateway chose.
            default = kind.startswith("DEFAULT_")
            self.api.add_gateway_response(
                f"Answer{kind}",
                type=aws_apigateway.ResponseType.of(kind),
                status_code=None if default else str(answer.status),
                response_headers={
                    "Content-Type": "'application/json'",
                    "Cache-Control": "'no-store'",
                    "Access-Control-Allow-Origin": "'*'",
                    **(
                        {"WWW-Authenticate": "'Bearer realm=\"dmp\"'"}
                        if answer is answers.UNAUTHORISED
                        else {}
                    ),
                },
                templates={"application/json": answer.both},
            )

    def _acknowledge(self, stage: Stage) -> None:
        acknowledge(
            self,
            {
                "AwsSolutions-APIG2": "Pydantic models in the functions check bodies and name "
                "every wrong field (422); the gateway's validator would answer one sentence (400).",
                "AwsSolutions-APIG4": "Methods without an authorizer are the public routes and "
                "CORS preflights; tests/infra compares them with the route table.",
                "AwsSolutions-COG4": "Tokens are verified by the house's own authorizer against "
                "the identity providers of the health sector, not by Cognito.",
                **(_AWS_ONLY if stage.aws else _LOCAL_ONLY),
            },
        )
