"""The routes of the deployed API, read from its template: what the front may let through.

A route is a resource of the REST API with its methods; a method whose ``AuthorizationType`` is
``NONE`` is public. There is no second list anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    methods: dict[str, bool] = field(default_factory=dict)  # method -> whether it is public
    greedy: dict[str, bool] | None = None


class Routes:
    """A tree of paths: a literal segment wins over ``{name}``, which wins over ``{name+}``."""

    def __init__(self, table: Mapping[str, Mapping[str, bool]]) -> None:
        self._root = _Node()
        for path, methods in table.items():
            self._add(path, methods)

    def _add(self, path: str, methods: Mapping[str, bool]) -> None:
        node = self._root
        for segment in _segments(path):
            if segment.startswith("{") and segment.endswith("+}"):
                node.greedy = {**(node.greedy or {}), **methods}
                return
            if segment.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        node.methods.update(methods)

    def methods(self, path: str) -> Mapping[str, bool]:
        """The methods at ``path`` with whether each is public; empty when nothing is there."""
        return _found(self._root, _segments(path), 0)

    def public(self, path: str, method: str) -> bool | None:
        """Whether the method is public there; None when the path does not serve it."""
        methods = self.methods(path)
        return methods.get(method, methods.get("ANY"))


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _found(node: _Node, segments: list[str], at: int) -> Mapping[str, bool]:
    if at == len(segments):
        return node.methods
    literal = node.literals.get(segments[at])
    for child in (literal, node.parameter):
        if child is not None and (found := _found(child, segments, at + 1)):
            return found
    return node.greedy or {}


def of_template(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, bool]]:
    """``{path: {method: public}}`` of the REST API in a template's ``Resources``."""
    parts = {
        name: one["Properties"]
        for name, one in resources.items()
        if one.get("Type") == "AWS::ApiGateway::Resource"
    }

    def path(name: str) -> str:
        if name not in parts:
            return ""
        properties = parts[name]
        return f"{path(_reference(properties.get('ParentId')))}/{properties['PathPart']}"

    table: dict[str, dict[str, bool]] = {}
    for properties in _methods(resources.values()):
        where = path(_reference(properties.get("ResourceId"))) or "/"
        public = properties.get("AuthorizationType", "NONE") == "NONE"
        table.setdefault(where, {})[properties["HttpMethod"]] = public
    return table


def _methods(resources: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return [one["Properties"] for one in resources if one.get("Type") == "AWS::ApiGateway::Method"]


def _reference(value: Any) -> str:
    """The logical id behind ``Ref`` or ``Fn::GetAtt``; empty for anything else."""
    if not isinstance(value, dict):
        return ""
    if "Ref" in value:
        return str(value["Ref"])
    return str((value.get("Fn::GetAtt") or [""])[0])
