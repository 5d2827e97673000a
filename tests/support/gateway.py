"""Requests to an area in process, as API Gateway hands them on."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dmp.domain.actors import Actor
from dmp.edge.actors import to_context
from dmp.edge.http import HttpArea


def ask(
    area: HttpArea,
    method: str,
    url: str,
    actor: Actor | None = None,
    body: dict[str, Any] | bytes | None = None,
    **headers: str,
) -> tuple[int, Any, dict[str, str]]:
    """Status, body (JSON decoded where it is JSON) and headers of one request."""
    place = urlsplit(url)
    resource, given = _resource(area, place.path)
    sent = json.dumps(body).encode() if isinstance(body, dict) else body
    query = parse_qs(place.query, keep_blank_values=True)
    if isinstance(body, dict) and "Content-Type" not in headers:
        headers["Content-Type"] = (
            "application/fhir+json" if place.path.startswith("/fhir") else "application/json"
        )
    answer = area(
        {
            "resource": resource,
            "path": place.path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": given or None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": resource,
                "httpMethod": method,
                "path": place.path,
                "requestId": "test",
                "identity": {"sourceIp": "127.0.0.1"},
                "authorizer": {"actor": to_context(actor)} if actor else {"refusal": "missing"},
            },
            "body": base64.b64encode(sent).decode() if sent is not None else None,
            "isBase64Encoded": sent is not None,
        },
        None,
    )
    told = answer["body"]
    if answer.get("isBase64Encoded"):
        told = base64.b64decode(told)
    elif "json" in answer["headers"].get("Content-Type", ""):
        told = json.loads(told)
    return answer["statusCode"], told, answer["headers"]


def _resource(area: HttpArea, path: str) -> tuple[str, dict[str, str]]:
    """The route of a path: a literal one before one with a variable."""
    for route in sorted(area.routes, key=lambda one: one.count("{")):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(route))
        if found := re.fullmatch(pattern, path):
            return route, found.groupdict()
    raise LookupError(f"no route for {path}")
