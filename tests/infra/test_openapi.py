"""The OpenAPI document: valid, complete, and the same as what the routes do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from aws_lambda_powertools.event_handler.openapi.models import OpenAPI
from jsonschema import Draft202012Validator

from dmp.edge.answers import _FORMS
from functions.documents.capabilities import statement
from infra.cdk import openapi, rights, routes
from tests.support.people import opening, somebody

ROOT = Path(__file__).resolve().parents[2]
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def table():
    return routes.read(ROOT, rights.read(ROOT))


@pytest.fixture(scope="module")
def document(table):
    return json.loads(openapi.document(ROOT, rights.read(ROOT), table))


@pytest.fixture(scope="module")
def operations(document):
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def schemas_in(value):
    """Every schema that the document uses, wherever it stands."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "schema":
                yield inner
            yield from schemas_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from schemas_in(inner)


def references_in(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references_in(inner)


# -- valid


def test_it_has_the_form_of_openapi_3_1(document):
    assert document["openapi"] == "3.1.0"
    OpenAPI.model_validate(document)


def test_every_schema_is_one(document):
    found = [*schemas_in(document["paths"]), *document["components"]["schemas"].values()]
    assert len(found) > 50
    for schema in found:
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document):
    for reference in references_in(document):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_every_operation_has_a_name_of_its_own(operations):
    names = [each["operationId"] for each in operations.values()]
    assert len(set(names)) == len(names)


def test_a_parameter_is_named_once_and_those_of_the_path_are_in_it(operations):
    for (_, path), operation in operations.items():
        told = [(each["in"], each["name"]) for each in operation["parameters"]]
        assert len(set(told)) == len(told), path
        assert {name for where, name in told if where == "path"} == set(
            re.findall(r"\{(\w+)\}", path)
        )
        assert all(each.get("required") for each in operation["parameters"] if each["in"] == "path")


def test_every_answer_says_what_it_means(operations):
    for name, operation in operations.items():
        assert operation["summary"], name
        for status, answer in operation["responses"].items():
            assert answer.get("description") or status == "default", (name, status)


# -- the same as the routes


def test_it_describes_every_route_and_no_other(operations, table):
    assert set(operations) == {(each.method, each.path) for each in table}


def test_public_routes_ask_for_no_token_and_all_others_do(operations, table):
    for route in table:
        operation = operations[route.method, route.path]
        assert (operation.get("security") == []) is route.public
        assert ("401" in operation["responses"]) is not route.public


def test_refusals_have_the_form_of_their_path(operations):
    for (_, path), operation in operations.items():
        form = "OperationOutcome" if path.startswith("/fhir/") else "Problem"
        for status, answer in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                assert answer["$ref"] == f"#/components/responses/{form}", (path, status)


def test_every_status_that_is_refused_with_is_one_of_the_table(operations):
    known = {str(form.status) for form in _FORMS.values()}
    for name, operation in operations.items():
        told = {status for status in operation["responses"] if status.isdecimal()}
        assert {status for status in told if int(status) >= 400} <= known, name


def test_a_body_is_described_in_every_type_that_its_route_takes(operations):
    taken = {
        name: set(each["requestBody"]["content"])
        for name, each in operations.items()
        if "requestBody" in each
    }
    fhir = {"application/fhir+json", "application/json"}
    assert taken == {
        ("POST", "/enrolment/records"): {"application/json"},
        ("POST", "/enrolment/records/{record_id}/representatives"): {"application/json"},
        ("POST", "/fhir/Consent"): fhir,
        ("PATCH", "/fhir/Consent/{consent_id}"): {"application/json-patch+json"},
        ("POST", "/fhir/DocumentReference"): fhir,
        ("POST", "/fhir/DocumentReference/$upload"): fhir,
        ("PATCH", "/fhir/DocumentReference"): {"application/json-patch+json"},
        ("PATCH", "/fhir/DocumentReference/{id}"): {"application/json-patch+json"},
        ("POST", "/operations/emergencies/{episode_id}/follow-up"): {"application/json"},
        ("PUT", "/notifications/me"): {"application/json"},
        ("PUT", "/notifications/{record_id}/preferences"): {"application/json"},
        ("POST", "/fhir/DocumentReference/_search"): {"application/x-www-form-urlencoded"},
        ("POST", "/fhir/AuditEvent/_search"): {"application/x-www-form-urlencoded"},
    }


def test_the_searches_of_the_capability_statement_are_described(operations):
    for resource in statement("http://127.0.0.1/fhir")["rest"][0]["resource"]:
        asked = {each["name"] for each in resource.get("searchParam", ())}
        if asked:
            operation = operations["GET", f"/fhir/{resource['type']}"]
            told = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
            assert asked <= told, resource["type"]


def test_a_sample_request_and_a_sample_answer_fit(document):
    schemas = document["components"]["schemas"]

    def fits(name, value):
        schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
        return Draft202012Validator(schema).is_valid(value)

    sent = opening(somebody())
    assert fits("OpeningMessage", sent)
    assert not fits("OpeningMessage", {**sent, "more": 1})
    assert fits("Problem", {"type": "urn:dmp:problem/not-found", "title": "…", "status": 404})
    assert not fits("OperationOutcome", {"resourceType": "OperationOutcome", "issue": []})


# -- how it is made

APP = """
from dmp.edge.http import HttpArea
app = HttpArea("one")

@app.route("/things/{id}", methods=["POST"], authorizer=app.bearer)
def thing(id):
    '''Paint a thing.'''

@app.route("/fhir/metadata", methods=["GET"])
def opened(): ...
"""
OPERATIONS = """
from pydantic import BaseModel

class Colour(BaseModel):
    name: str

class Paint(BaseModel):
    colours: list[Colour]

class Painted(BaseModel):
    id: str

OPERATIONS = {
    "POST /things/{id}": {
        "query": {"coats": "How many. Required."},
        "request": Paint,
        "answers": {201: (Painted, "Painted.", "Location")},
        "refusals": {409: "Wet."},
    },
    "GET /fhir/metadata": {"answers": {200: ("CapabilityStatement", "All of it.")}},
}
"""


@pytest.fixture
def made(house):
    def make(operations=OPERATIONS):
        folder = house / "functions/one"
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "app.py").write_text(APP)
        (folder / "rights.json").write_text(json.dumps({"app": {"kind": "http"}}))
        (folder / "operations.py").write_text(operations)
        functions = rights.read(house)
        found = routes.read(house, functions)
        text = openapi.document(house, functions, found)
        assert text == openapi.document(house, functions, found)
        return json.loads(text)

    return make


def test_the_document_holds_the_routes_and_the_models(made):
    document = made()
    posted = document["paths"]["/things/{id}"]["post"]
    assert posted["summary"] == "Paint a thing."
    body = posted["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Paint"}
    items = document["components"]["schemas"]["Paint"]["properties"]["colours"]["items"]
    assert items == {"$ref": "#/components/schemas/Colour"}
    assert set(posted["responses"]) == {
        *("201", "400", "401", "404", "409", "413", "415", "422"),
        "default",
    }
    assert list(posted["responses"]["201"]["headers"]) == ["Location"]
    assert [(each["name"], each["in"], each.get("required")) for each in posted["parameters"]] == [
        ("id", "path", True),
        ("coats", "query", True),
        ("Accept-Language", "header", None),
    ]
    assert "security" not in posted
    public = document["paths"]["/fhir/metadata"]["get"]
    assert public["security"] == []
    assert public["responses"]["default"] == {"$ref": "#/components/responses/OperationOutcome"}


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        ('OPERATIONS = {"GET /gone": {"answers": {}}}', "describes what no route .*GET /gone"),
        ("OPERATIONS = {}", "says nothing of GET /fhir/metadata, POST /things"),
        (OPERATIONS.replace('"refusals"', '"errors"'), "POST /things/{id}: no such key: errors"),
    ],
)
def test_what_does_not_agree_with_the_routes_is_refused(made, operations, reason):
    with pytest.raises(routes.RoutesError, match=reason):
        made(operations)
