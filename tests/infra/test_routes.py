"""The route table comes from the Chalice apps themselves, read without AWS."""

from __future__ import annotations

import json

import pytest

from infra.cdk import openapi, rights, routes

APP = """
import os
from dmp.edge.http import HttpArea, json_answer
assert not any(name.startswith("AWS_PROFILE") for name in os.environ)
app = HttpArea("{area}")
"""


@pytest.fixture
def area(house):
    def write(name, body, messages=None):
        folder = house / "functions" / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "app.py").write_text(APP.format(area=name) + body)
        (folder / "rights.json").write_text(json.dumps({"app": {"kind": "http"}}))
        if messages:
            (folder / "messages.py").write_text(messages)
        return house

    return write


def read(root):
    return routes.read(root, rights.read(root))


def test_a_route_without_an_authorizer_is_public(area, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    root = area(
        "one",
        """
@app.route("/things/{id}", methods=["GET", "PATCH"], authorizer=app.bearer)
def thing(id): ...

@app.route("/open", methods=["GET"])
def opened(): ...
""",
    )
    assert [(each.method, each.path, each.public) for each in read(root)] == [
        ("GET", "/open", True),
        ("GET", "/things/{id}", False),
        ("PATCH", "/things/{id}", False),
    ]


def test_a_route_of_two_areas_is_refused(area):
    area("one", '\n@app.route("/same", methods=["GET"])\ndef same(): ...\n')
    root = area("two", '\n@app.route("/same", methods=["GET"])\ndef same(): ...\n')
    with pytest.raises(routes.RoutesError, match="GET /same is in both one and two"):
        read(root)


def test_one_place_of_a_path_has_one_name(area):
    area("one", '\n@app.route("/things/{id}", methods=["GET"])\ndef one(id): ...\n')
    root = area(
        "two", '\n@app.route("/things/{thing}/parts", methods=["GET"])\ndef two(thing): ...\n'
    )
    with pytest.raises(routes.RoutesError, match=r"\{id\} and \{thing\}"):
        read(root)


def test_an_area_that_cannot_be_imported_says_why(area):
    root = area("one", "\nraise RuntimeError('no such thing')\n")
    with pytest.raises(routes.RoutesError, match="no such thing"):
        read(root)


def test_the_openapi_document_holds_the_routes_and_the_messages(area):
    root = area(
        "one",
        """
@app.route("/things/{id}", methods=["POST"], authorizer=app.bearer)
def thing(id): ...

@app.route("/fhir/metadata", methods=["GET"])
def opened(): ...
""",
        """
from pydantic import BaseModel

class Colour(BaseModel):
    name: str

class Paint(BaseModel):
    colours: list[Colour]

class Painted(BaseModel):
    id: str

OPERATIONS = {"POST /things/{id}": (Paint, Painted, 201)}
""",
    )
    functions = rights.read(root)
    table = routes.read(root, functions)
    text = openapi.document(root, functions, table)
    assert text == openapi.document(root, functions, table)
    document = json.loads(text)
    assert document["openapi"] == "3.1.0"
    posted = document["paths"]["/things/{id}"]["post"]
    body = posted["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/Paint"}
    items = document["components"]["schemas"]["Paint"]["properties"]["colours"]["items"]
    assert items == {"$ref": "#/components/schemas/Colour"}
    assert list(posted["responses"]) == ["201", "default"]
    assert posted["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    assert "security" not in posted
    public = document["paths"]["/fhir/metadata"]["get"]
    assert public["security"] == []
    assert public["responses"]["default"] == {"$ref": "#/components/responses/OperationOutcome"}


def test_messages_about_a_route_that_is_not_there_are_refused(area):
    root = area(
        "one",
        '\n@app.route("/here", methods=["GET"])\ndef here(): ...\n',
        'OPERATIONS = {"GET /gone": (None, None, 200)}\n',
    )
    functions = rights.read(root)
    with pytest.raises(routes.RoutesError, match="GET /gone"):
        openapi.document(root, functions, routes.read(root, functions))
