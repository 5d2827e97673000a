"""The CapabilityStatement tells what the routes of all areas do, no more and no less."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

from functions.documents.app import app
from functions.documents.capabilities import statement
from functions.documents.searching import READ
from tests.support.gateway import ask

ROOT = Path(__file__).parents[2]
INTERACTIONS = {
    ("GET", False): "search-type",
    ("POST", False): "create",
    ("GET", True): "read",
    ("PATCH", True): "patch",
    ("PATCH", False): "patch",
}


def routes() -> set[tuple[str, str]]:
    """(resource type, interaction or $operation) of every FHIR route of every HTTP area."""
    found = set()
    for path in ROOT.glob("functions/*/rights.json"):
        for module, entry in json.loads(path.read_text("utf-8")).items():
            if entry["kind"] == "http":
                app = import_module(f"functions.{path.parent.name}.{module}").app
                found |= {
                    (place, method) for place, methods in app.routes.items() for method in methods
                }
    told = set()
    for place, method in found:
        parts = place.strip("/").split("/")
        if parts[0] != "fhir" or parts[1:] == ["metadata"] or method in {"PUT", "DELETE"}:
            continue
        last = parts[-1]
        if last.startswith("$"):
            told.add((parts[1], last))
        elif last in {"_search", "_history"}:
            told.add((parts[1], "search-type" if last == "_search" else "history-instance"))
        else:
            told.add((parts[1], INTERACTIONS[method, last.startswith("{")]))
    return told


def test_the_statement_says_exactly_what_is_routed():
    (rest,) = statement("https://dmp.test/fhir")["rest"]
    said = {
        (one["type"], interaction["code"])
        for one in rest["resource"]
        for interaction in one["interaction"]
    } | {
        (one["type"], f"${operation['name']}")
        for one in rest["resource"]
        for operation in one.get("operation", ())
    }
    assert said == routes()


def test_the_search_parameters_said_are_those_that_are_read():
    (rest,) = statement("x")["rest"]
    documents = next(one for one in rest["resource"] if one["type"] == "DocumentReference")
    said = {parameter["name"] for parameter in documents["searchParam"]}
    assert said | {"_count", "_cursor"} == set(READ)


def test_anybody_may_read_the_statement(monkeypatch):
    monkeypatch.setenv("DMP_API_URL", "https://dmp.test/")
    status, told, headers = ask(app, "GET", "/fhir/metadata")
    assert (status, told["resourceType"]) == (200, "CapabilityStatement")
    assert told["implementation"]["url"] == "https://dmp.test/fhir"
    assert headers["Content-Type"] == "application/fhir+json"
    assert app.routes["/fhir/metadata"]["GET"].authorizer is None
