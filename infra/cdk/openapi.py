"""The OpenAPI 3.1 document, made at build time from the route tables and the pydantic messages.

An area says what goes in and out in its `messages.py`:

    OPERATIONS = {"POST /enrolment/records": (OpenRecord, Record, 201)}

Each entry is (request model or None, response model or None, status). Routes without an entry
are in the document with their path variables and the answers that every route has; an entry
without a route is an error.

The document carries no addresses: clients take the server they fetched it from.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from infra.cdk.parts import answers
from infra.cdk.routes import Route, RoutesError, child

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from infra.cdk.rights import Function

_CHILD = """
import importlib, importlib.util, json, sys
from pydantic.json_schema import models_json_schema
operations, models = {}, []
for area in json.loads(sys.argv[1]):
    name = f"functions.{area}.messages"
    if importlib.util.find_spec(name) is None:
        continue
    for operation, (request, response, status) in getattr(
        importlib.import_module(name), "OPERATIONS", {}
    ).items():
        models += [(request, "validation")] * (request is not None)
        models += [(response, "serialization")] * (response is not None)
        operations[operation] = [area, request, response, status]
refs, schemas = models_json_schema(
    list(dict.fromkeys(models)), by_alias=True, ref_template="#/components/schemas/{model}"
)
print("\\n" + json.dumps({
    "schemas": schemas.get("$defs", {}),
    "operations": {
        operation: [
            area,
            request and refs[request, "validation"],
            response and refs[response, "serialization"],
            status,
        ]
        for operation, (area, request, response, status) in operations.items()
    },
}))
"""


def document(root: Path, functions: Iterable[Function], routes: Sequence[Route]) -> bytes:
    """The document as JSON, byte for byte the same for the same sources.

    Raises RoutesError when `messages.py` cannot be imported or describes a route that is not there.
    """
    areas = sorted({each.area for each in functions if each.kind == "http"})
    described: dict[str, Any] = {"schemas": {}, "operations": {}}
    if areas:
        output = child(root, _CHILD, [json.dumps(areas)])
        described = json.loads(output.splitlines()[-1])
    known = {f"{route.method} {route.path}" for route in routes}
    strangers = sorted(set(described["operations"]) - known)
    if strangers:
        raise RoutesError(f"messages.py describes what no route answers: {', '.join(strangers)}")
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        told = described["operations"].get(
            f"{route.method} {route.path}", [route.area, None, None, 200]
        )
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, *told[1:])
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "Dossier médical partagé",
            "version": "1",
            "description": "France's shared medical record. FHIR R4 under /fhir; elsewhere JSON, "
            "and problems as RFC 9457.",
            "license": {"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
            "schemas": {**described["schemas"], **_ERRORS},
            "responses": _RESPONSES,
        },
    }
    return (json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


_ERRORS: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457 problem details",
        "required": ["type", "title", "status"],
        "properties": {
            "type": {
                "type": "string",
                "format": "uri",
                "examples": [f"{answers.PROBLEM}not-found"],
            },
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["field", "code", "detail"],
                    "properties": {
                        "field": {"type": "string"},
                        "code": {"type": "string"},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    },
    "OperationOutcome": {
        "type": "object",
        "description": "FHIR R4 OperationOutcome",
        "required": ["resourceType", "issue"],
        "properties": {
            "resourceType": {"const": "OperationOutcome"},
            "issue": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        },
    },
}

_RESPONSES: dict[str, Any] = {
    "Problem": {
        "description": "Refused",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    },
    "OperationOutcome": {
        "description": "Refused",
        "content": {
            "application/fhir+json": {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}
        },
    },
}


def _operation(
    route: Route, request: dict[str, Any] | None, response: dict[str, Any] | None, status: int
) -> dict[str, Any]:
    fhir = route.path == "/fhir" or route.path.startswith("/fhir/")
    media = "application/fhir+json" if fhir else "application/json"
    answered: dict[str, Any] = {"description": "Done"}
    if response is not None:
        answered["content"] = {media: {"schema": response}}
    made: dict[str, Any] = {
        "tags": [route.area],
        "operationId": _identifier(route),
        "responses": {
            str(status): answered,
            "default": {
                "$ref": f"#/components/responses/{'OperationOutcome' if fhir else 'Problem'}"
            },
        },
    }
    variables = re.findall(r"\{(\w+)\}", route.path)
    if variables:
        made["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in variables
        ]
    if request is not None:
        made["requestBody"] = {"required": True, "content": {media: {"schema": request}}}
    if route.public:
        made["security"] = []
    return made


def _identifier(route: Route) -> str:
    """`POST /enrolment/requests/{id}/code` -> `postEnrolmentRequestsIdCode`."""
    parts = re.findall(r"[A-Za-z0-9]+", route.path)
    return route.method.lower() + "".join(part[:1].upper() + part[1:] for part in parts)
