"""Reads the Chalice route tables: path -> method -> area, module, public or not.

Areas are imported in a child process without credentials and without a network to AWS, so that
neither this process nor the deployment depends on what an import does. A route without an
authorizer is public; the gateway, the WAF and the local front all take the list from here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.cdk import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from infra.cdk.rights import Function

_CHILD = """
import importlib, json, sys
table = []
for area, module in json.loads(sys.argv[1]):
    app = importlib.import_module(f"functions.{area}.{module}").app
    for path, methods in app.routes.items():
        for method, entry in methods.items():
            table.append([path, method, area, module, entry.authorizer is None])
print("\\n" + json.dumps(table))
"""


class RoutesError(Exception):
    """A route table that cannot be read or deployed."""


@dataclass(frozen=True, slots=True, order=True)
class Route:
    path: str
    """`/fhir/DocumentReference/{id}`"""
    method: str
    area: str
    module: str
    public: bool


def environment(root: Path) -> dict[str, str]:
    """Environment in which a function's module can be imported: every setting named, none real."""
    settings = {
        catalogue.variable(kind, name): f"{kind}-{name}"
        for kind, names in (
            ("table", catalogue.TABLES),
            ("bucket", catalogue.BUCKETS),
            ("queue", (*catalogue.QUEUES, *(f"{each}-dead-letters" for each in catalogue.QUEUES))),
            ("key", catalogue.KEYS),
            ("secret", catalogue.SECRETS),
            ("bus", catalogue.BUSES),
        )
        for name in names
    }
    layers = [root / "layers/dmp/python", root / "layers/policies/python"]
    return {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "DMP_"))
        },
        **settings,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DMP_STAGE": "build",
        "DMP_API_URL": "http://127.0.0.1",
        "DMP_SENDER": "build@dmp.example",
        "DMP_LENIENT_IDENTITY": "false",
        "DMP_ISSUERS": "{}",
        "DMP_HISTORY_SHARDS": "1",
        "DMP_JOIN_SHARDS": "1",
        "DMP_ATTEMPTS": "5",
        "POWERTOOLS_SERVICE_NAME": "build",
        "POWERTOOLS_METRICS_NAMESPACE": "DMP",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(str(path) for path in (root, *layers)),
    }


def read(root: Path, functions: Iterable[Function]) -> tuple[Route, ...]:
    """The routes of all HTTP functions, sorted by path then method.

    Raises RoutesError when a module cannot be imported, or when two areas claim one route.
    """
    apps = sorted({(each.area, each.module) for each in functions if each.kind == "http"})
    if not apps:
        return ()
    output = child(root, _CHILD, [json.dumps(apps)])
    routes = sorted(Route(*each) for each in json.loads(output.splitlines()[-1]))
    claimed: dict[tuple[str, str], Route] = {}
    for route in routes:
        other = claimed.setdefault((route.path, route.method), route)
        if other != route:
            raise RoutesError(
                f"{route.method} {route.path} is in both {other.area} and {route.area}"
            )
    _one_name_per_place(routes)
    return tuple(routes)


def _one_name_per_place(routes: Iterable[Route]) -> None:
    """API Gateway knows one variable per place: `/x/{id}` and `/x/{other}/y` exclude each other."""
    names: dict[str, str] = {}
    for route in routes:
        parent = ""
        for part in route.path.split("/")[1:]:
            if part.startswith("{") and names.setdefault(parent, part) != part:
                raise RoutesError(f"{route.path}: {names[parent]} and {part} both follow {parent}/")
            parent += f"/{part}"


def child(root: Path, code: str, arguments: Sequence[str]) -> str:
    """Standard output of `code` run in a clean child with the areas importable."""
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=root,
        env=environment(root),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if result.returncode:
        raise RoutesError(f"the HTTP areas cannot be imported:\n{result.stderr.strip()}")
    return result.stdout


def public(routes: Iterable[Route]) -> tuple[Route, ...]:
    return tuple(route for route in routes if route.public)
