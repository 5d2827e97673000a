"""The OpenAPI 3.1 document, made at build time from the route tables and the pydantic messages.

An area says in `functions/<area>/operations.py` what its routes take and give; the module is read
here and imported by no function:

    OPERATIONS = {
        "POST /enrolment/records": {
            "headers": {"Idempotency-Key": "why one would send it"},
            "request": OpeningMessage,
            "answers": {201: (OpeningAnswer, "what it means", "Location")},
            "refusals": {409: "when"},
        }
    }

| key | says |
|---|---|
| `query` | parameter -> text; one whose text ends in `Required.` is required |
| `headers` | request header -> text |
| `request` | what the body is; `form` marks a body of parameters, described like `query` |
| `answers` | status -> (what the body is, text, response headers…) |
| `refusals` | status -> text, beside those that follow from the route |

What a body is: a pydantic model, the name of a FHIR resource, `bytes`, a JSON Schema, or None.

The rest follows from the routes: the first sentence of the view's docstring is the summary, its
content types are the body's, a route with an authorizer asks for a bearer token and may answer 401,
one with a variable 404, one with a body 400, 413, 415 and 422. Refusals are OperationOutcome under
`/fhir`, problem details elsewhere.

A route without an entry is an error, and so is an entry without a route. The document carries no
addresses: clients take the server they fetched it from.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.cdk.parts import answers
from infra.cdk.routes import Route, RoutesError, child

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from infra.cdk.rights import Function

_CHILD = """
import importlib, importlib.util, inspect, json, sys
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

told, views, models = {}, {}, []

def told_of(what, mode):
    if isinstance(what, type) and issubclass(what, BaseModel):
        models.append((what, mode))
        return {"model": [f"{what.__module__}.{what.__qualname__}", mode]}
    if what is bytes:
        return {"bytes": True}
    return {"fhir": what} if isinstance(what, str) else {"schema": what} if what else None

for area, module in json.loads(sys.argv[1]):
    app = importlib.import_module(f"functions.{area}.{module}").app
    for path, methods in app.routes.items():
        for method, entry in methods.items():
            doc = inspect.getdoc(entry.view_function) or ""
            views[f"{method} {path}"] = [doc, entry.content_types]
    name = f"functions.{area}.operations"
    if importlib.util.find_spec(name) is None:
        continue
    for operation, entry in importlib.import_module(name).OPERATIONS.items():
        told[operation] = {
            **entry,
            "request": told_of(entry.get("request"), "validation"),
            "answers": {
                status: [told_of(what, "serialization"), *rest]
                for status, (what, *rest) in entry["answers"].items()
            },
        }
refs, schemas = models_json_schema(
    list(dict.fromkeys(models)), by_alias=True, ref_template="#/components/schemas/{model}"
)
print("\\n" + json.dumps({
    "views": views,
    "operations": told,
    "schemas": schemas.get("$defs", {}),
    "models": {f"{m.__module__}.{m.__qualname__} {mode}": ref for (m, mode), ref in refs.items()},
}))
"""

_KNOWN = frozenset({"query", "headers", "request", "form", "answers", "refusals"})
_REQUIRED = "Required."
_FORM = "application/x-www-form-urlencoded"
_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "description": "The language of refusals and warnings: `fr` (otherwise) or `en`.",
    "schema": {"type": "string"},
}
_GIVEN = {
    "Location": "Where it is, or is read again.",
    "ETag": 'The version of the resource: `W/"1"`.',
    "Content-Disposition": "How a browser is to show the bytes, under the name of their id.",
}
_FROM_ROUTE = {
    400: "The request cannot be read as what it claims to be.",
    401: "No token, or one that is not trusted.",
    404: "It does not exist, or the caller has no right to know that it does.",
    413: "More than one request may bring.",
    415: "Another content type than those above.",
    422: "Readable, and wrong: every wrong field is named.",
}


def document(root: Path, functions: Iterable[Function], routes: Sequence[Route]) -> bytes:
    """The document as JSON, byte for byte the same for the same sources.

    Raises RoutesError when an area cannot be imported, or when routes and entries differ.
    """
    apps = sorted({(each.area, each.module) for each in functions if each.kind == "http"})
    found: dict[str, Any] = {"views": {}, "operations": {}, "schemas": {}, "models": {}}
    if apps:
        found = json.loads(child(root, _CHILD, [json.dumps(apps)]).splitlines()[-1])
    entries = found["operations"]
    _agree(entries, routes)
    fhir: set[str] = set()
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        name = f"{route.method} {route.path}"
        made = _Operation(route, entries[name], *found["views"][name], found["models"], fhir)
        paths.setdefault(route.path, {})[route.method.lower()] = made.told()
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
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of Pro Santé Connect, FranceConnect+, an insurance "
                    "fund or a health structure, signed RS256 or ES256.",
                }
            },
            "schemas": {**found["schemas"], **{each: _resource(each) for each in fhir}, **_ERRORS},
            "responses": _RESPONSES,
        },
    }
    return (json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _agree(entries: Mapping[str, Mapping[str, Any]], routes: Sequence[Route]) -> None:
    """Every route has its entry, every entry its route, and no entry says what nobody reads."""
    known = {f"{route.method} {route.path}" for route in routes}
    if strangers := sorted(set(entries) - known):
        raise RoutesError(f"operations.py describes what no route answers: {', '.join(strangers)}")
    if silent := sorted(known - set(entries)):
        raise RoutesError(f"operations.py says nothing of {', '.join(silent)}")
    for name, entry in entries.items():
        if unread := sorted(set(entry) - _KNOWN):
            raise RoutesError(f"operations.py: {name}: no such key: {', '.join(unread)}")


@dataclass(frozen=True, slots=True)
class _Operation:
    """One operation of the document. `doc` and `types` are its view's; `models` says where each
    model's schema is; the FHIR resources that it names are added to `fhir`."""

    route: Route
    entry: Mapping[str, Any]
    doc: str
    types: Sequence[str]
    models: Mapping[str, Any]
    fhir: set[str]

    @property
    def under_fhir(self) -> bool:
        return self.route.path == "/fhir" or self.route.path.startswith("/fhir/")

    def told(self) -> dict[str, Any]:
        """The Operation Object."""
        summary, _, rest = self.doc.partition("\n\n")
        made: dict[str, Any] = {
            "tags": [self.route.area],
            "operationId": _identifier(self.route),
            "summary": " ".join(summary.split()),
            "parameters": self._parameters(),
            "responses": {**self._answers(), **self._refusals()},
        }
        if rest:
            made["description"] = rest
        body = self._body()
        if body:
            made["requestBody"] = {"required": True, "content": body}
        if self.route.public:
            made["security"] = []
        return made

    def _parameters(self) -> list[dict[str, Any]]:
        text = {"type": "string"}
        return [
            *(
                {"name": name, "in": "path", "required": True, "schema": text}
                for name in re.findall(r"\{(\w+)\}", self.route.path)
            ),
            *(
                {
                    "name": name,
                    "in": "query",
                    "description": said,
                    "required": said.endswith(_REQUIRED),
                    "schema": text,
                }
                for name, said in self.entry.get("query", {}).items()
            ),
            *(
                {"name": name, "in": "header", "description": said, "schema": text}
                for name, said in self.entry.get("headers", {}).items()
            ),
            _LANGUAGE,
        ]

    def _body(self) -> dict[str, Any]:
        form = self.entry.get("form")
        if form:
            schema = {
                "type": "object",
                "properties": {
                    name: {"type": "string", "description": said} for name, said in form.items()
                },
            }
            return {_FORM: {"schema": schema}}
        request = self.entry.get("request")
        if request is None:
            return {}
        return {media: {"schema": self._schema(request)} for media in self.types}

    def _answers(self) -> dict[str, Any]:
        media = "application/fhir+json" if self.under_fhir else "application/json"
        made = {}
        for status, (what, said, *given) in self.entry["answers"].items():
            answer: dict[str, Any] = {"description": said}
            if what is not None:
                kind = "*/*" if "bytes" in what else media
                answer["content"] = {kind: {"schema": self._schema(what)}}
            if given:
                answer["headers"] = {
                    name: {"description": _GIVEN[name], "schema": {"type": "string"}}
                    for name in given
                }
            made[status] = answer
        return made

    def _refusals(self) -> dict[str, Any]:
        form = "OperationOutcome" if self.under_fhir else "Problem"
        reference = f"#/components/responses/{form}"
        follow = {
            400: self._body() or self.entry.get("query"),
            401: not self.route.public,
            404: "{" in self.route.path,
            413: self._body(),
            415: self._body(),
            422: self._body(),
        }
        said = {str(status): _FROM_ROUTE[status] for status, holds in follow.items() if holds}
        said |= self.entry.get("refusals", {})
        said = {status: text for status, text in said.items() if text}
        return {
            **{
                status: {"$ref": reference, "description": text}
                for status, text in sorted(said.items())
            },
            "default": {"$ref": reference},
        }

    def _schema(self, what: Mapping[str, Any]) -> Any:
        if "model" in what:
            return self.models[" ".join(what["model"])]
        if "fhir" in what:
            self.fhir.add(what["fhir"])
            return {"$ref": f"#/components/schemas/{what['fhir']}"}
        # In OpenAPI 3.1, bytes of a media type that is no text have an empty schema.
        return {} if "bytes" in what else what["schema"]


def _resource(name: str) -> dict[str, Any]:
    """A FHIR resource: its own specification says the rest."""
    return {
        "type": "object",
        "title": name,
        "description": f"A FHIR R4 {name}.",
        "externalDocs": {"url": f"http://hl7.org/fhir/R4/{name.lower()}.html"},
        "required": ["resourceType"],
        "properties": {"resourceType": {"const": name}},
    }


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
            "issue": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["severity", "code"],
                    "properties": {
                        "severity": {"enum": ["fatal", "error", "warning", "information"]},
                        "code": {"type": "string"},
                        "details": {
                            "type": "object",
                            "description": "The problem's name, of system urn:dmp:problem",
                        },
                        "diagnostics": {"type": "string", "description": "<code>: <sentence>"},
                        "expression": {"type": "array", "items": {"type": "string"}},
                    },
                },
            },
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


def _identifier(route: Route) -> str:
    """`POST /enrolment/requests/{id}/code` -> `postEnrolmentRequestsIdCode`."""
    parts = re.findall(r"[A-Za-z0-9]+", route.path)
    return route.method.lower() + "".join(part[:1].upper() + part[1:] for part in parts)
