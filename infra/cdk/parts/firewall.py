"""The WAF of the AWS stages: common rules, a rate per address, and no protected path without a
token, refused in the form of the path.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from aws_cdk import aws_wafv2

from infra.cdk.naming import physical
from infra.cdk.parts import answers
from infra.cdk.parts.gateway import STAGE_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constructs import Construct

    from infra.cdk.routes import Route
    from infra.cdk.stages import Stage

_Statement = aws_wafv2.CfnWebACL.StatementProperty
_NONE = [aws_wafv2.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")]


def public_pattern(routes: Sequence[Route], method: str) -> str:
    r"""Regular expression of the public paths of a method, with or without the API's stage.

    `GET` -> `^(/v1)?/(fhir/metadata|health|openapi\.json)$`
    """
    paths = sorted(
        "/".join(
            "[^/]+" if part.startswith("{") else re.escape(part).replace(r"\$", "[$]")
            for part in route.path.strip("/").split("/")
        )
        for route in routes
        if route.public and route.method == method
    )
    return f"^(/{STAGE_NAME})?/({'|'.join(paths)})$"


def firewall(
    scope: Construct, stage: Stage, routes: Sequence[Route], api_stage_arn: str
) -> aws_wafv2.CfnWebACL:
    """The access control list, associated with the API's stage."""
    acl = aws_wafv2.CfnWebACL(
        scope,
        "Firewall",
        name=physical(stage.name, "firewall"),
        scope="REGIONAL",
        default_action=aws_wafv2.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_visible("firewall"),
        custom_response_bodies={
            "fhir": _body(answers.UNAUTHORISED.outcome),
            "problem": _body(answers.UNAUTHORISED.problem),
            "busy": _body(json.loads(answers.TOO_MANY.both)),
        },
        rules=[
            _rule(
                0,
                "rate",
                _Statement(
                    rate_based_statement=aws_wafv2.CfnWebACL.RateBasedStatementProperty(
                        aggregate_key_type="IP", limit=stage.requests_per_address
                    )
                ),
                "busy",
                answers.TOO_MANY.status,
            ),
            _managed(1, "AWSManagedRulesCommonRuleSet"),
            _managed(2, "AWSManagedRulesKnownBadInputsRuleSet"),
            _rule(3, "fhir-without-token", _tokenless(routes, fhir=True), "fhir", 401),
            _rule(4, "without-token", _tokenless(routes, fhir=False), "problem", 401),
        ],
    )
    aws_wafv2.CfnWebACLAssociation(
        scope, "FirewallOfApi", resource_arn=api_stage_arn, web_acl_arn=acl.attr_arn
    )
    return acl


def _tokenless(routes: Sequence[Route], *, fhir: bool) -> aws_wafv2.CfnWebACL.StatementProperty:
    under_fhir = _path(f"^(/{STAGE_NAME})?/fhir(/|$)")
    public = [
        _all(_method(method), _path(public_pattern(routes, method)))
        for method in sorted({route.method for route in routes if route.public})
    ]
    return _all(
        under_fhir if fhir else _not(under_fhir),
        _not(_has_token()),
        _not(_method("OPTIONS")),  # a CORS preflight carries no token
        *(_not(each) for each in public),
    )


def _has_token() -> aws_wafv2.CfnWebACL.StatementProperty:
    return _Statement(
        size_constraint_statement=aws_wafv2.CfnWebACL.SizeConstraintStatementProperty(
            comparison_operator="GT",
            size=0,
            field_to_match=aws_wafv2.CfnWebACL.FieldToMatchProperty(
                single_header={"Name": "authorization"}
            ),
            text_transformations=_NONE,
        )
    )


def _path(pattern: str) -> aws_wafv2.CfnWebACL.StatementProperty:
    return _Statement(
        regex_match_statement=aws_wafv2.CfnWebACL.RegexMatchStatementProperty(
            regex_string=pattern,
            field_to_match=aws_wafv2.CfnWebACL.FieldToMatchProperty(uri_path={}),
            text_transformations=_NONE,
        )
    )


def _method(method: str) -> aws_wafv2.CfnWebACL.StatementProperty:
    return _Statement(
        byte_match_statement=aws_wafv2.CfnWebACL.ByteMatchStatementProperty(
            search_string=method,
            positional_constraint="EXACTLY",
            field_to_match=aws_wafv2.CfnWebACL.FieldToMatchProperty(method={}),
            text_transformations=_NONE,
        )
    )


def _all(
    *statements: aws_wafv2.CfnWebACL.StatementProperty,
) -> aws_wafv2.CfnWebACL.StatementProperty:
    return _Statement(
        and_statement=aws_wafv2.CfnWebACL.AndStatementProperty(statements=list(statements))
    )


def _not(statement: aws_wafv2.CfnWebACL.StatementProperty) -> aws_wafv2.CfnWebACL.StatementProperty:
    return _Statement(not_statement=aws_wafv2.CfnWebACL.NotStatementProperty(statement=statement))


def _rule(
    priority: int,
    name: str,
    statement: aws_wafv2.CfnWebACL.StatementProperty,
    body: str,
    status: int,
) -> aws_wafv2.CfnWebACL.RuleProperty:
    return aws_wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        statement=statement,
        action=aws_wafv2.CfnWebACL.RuleActionProperty(
            block=aws_wafv2.CfnWebACL.BlockActionProperty(
                custom_response=aws_wafv2.CfnWebACL.CustomResponseProperty(
                    response_code=status, custom_response_body_key=body
                )
            )
        ),
        visibility_config=_visible(name),
    )


def _managed(priority: int, name: str) -> aws_wafv2.CfnWebACL.RuleProperty:
    """A managed group. Documents are larger than the 8 KB that its body rule lets through, and are
    checked by the functions."""
    large = (
        [
            aws_wafv2.CfnWebACL.RuleActionOverrideProperty(
                name="SizeRestrictions_BODY",
                action_to_use=aws_wafv2.CfnWebACL.RuleActionProperty(count={}),
            )
        ]
        if name == "AWSManagedRulesCommonRuleSet"
        else None
    )
    return aws_wafv2.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        statement=_Statement(
            managed_rule_group_statement=aws_wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                vendor_name="AWS", name=name, rule_action_overrides=large
            )
        ),
        override_action=aws_wafv2.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_visible(name),
    )


def _visible(name: str) -> aws_wafv2.CfnWebACL.VisibilityConfigProperty:
    """Counted, but no request is sampled: a sample would show addresses and tokens."""
    return aws_wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )


def _body(content: dict[str, object]) -> aws_wafv2.CfnWebACL.CustomResponseBodyProperty:
    return aws_wafv2.CfnWebACL.CustomResponseBodyProperty(
        content_type="APPLICATION_JSON", content=json.dumps(content, separators=(",", ":"))
    )
