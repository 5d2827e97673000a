"""The route table comes from the Chalice apps themselves, read without AWS."""

from __future__ import annotations

import json

import pytest

from infra.cdk import rights, routes

APP = """
import os
from dmp.edge.http import HttpArea, json_answer
assert not any(name.startswith("AWS_PROFILE") for name in os.environ)
app = HttpArea("{area}")
"""


@pytest.fixture
def area(house):
    def write(name, body):
        folder = house / "functions" / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        (folder / "app.py").write_text(APP.format(area=name) + body)
        (folder / "rights.json").write_text(json.dumps({"app": {"kind": "http"}}))
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
