"""The three stages, synthesised once per session (and once per content, by the cache)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from infra.cdk.stages import NAMES
from infra.cdk.synth import synth_each

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("data", "imports", "api", "operations")


@dataclass
class Assembly:
    """The templates of one stage."""

    stage: str
    folder: Path

    @cached_property
    def templates(self) -> dict[str, dict]:
        return {
            part: json.loads((self.folder / f"dmp-{self.stage}-{part}.template.json").read_text())
            for part in PARTS
        }

    def of(self, kind: str, part: str | None = None) -> dict[str, dict]:
        """`<part>/<logical id>` -> resource, of one CloudFormation type."""
        return {
            f"{name}/{logical}": resource
            for name, template in self.templates.items()
            if part in (None, name)
            for logical, resource in template["Resources"].items()
            if resource["Type"] == kind
        }

    def properties(self, kind: str, part: str | None = None) -> dict[str, dict]:
        return {name: each.get("Properties", {}) for name, each in self.of(kind, part).items()}

    @cached_property
    def statements(self) -> list[tuple[str, dict]]:
        """(role, statement) of everything that an identity is allowed or denied."""
        found = []
        for role, properties in self.properties("AWS::IAM::Role").items():
            for policy in properties.get("Policies", []):
                found += [(role, each) for each in policy["PolicyDocument"]["Statement"]]
        for name, properties in self.properties("AWS::IAM::Policy").items():
            found += [(name, each) for each in properties["PolicyDocument"]["Statement"]]
        return found


@pytest.fixture(scope="session")
def assemblies() -> dict[str, Assembly]:
    folders = synth_each(NAMES, progress=lambda _: None)
    return {name: Assembly(name, folder) for name, folder in folders.items()}


@pytest.fixture(params=NAMES)
def assembly(request: pytest.FixtureRequest, assemblies: dict[str, Assembly]) -> Assembly:
    return assemblies[request.param]


@pytest.fixture
def prod(assemblies: dict[str, Assembly]) -> Assembly:
    return assemblies["prod"]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A repository with the real layers and no areas yet."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/__init__.py").touch()
    (tmp_path / "infra/workflows").mkdir(parents=True)
    (tmp_path / "layers").symlink_to(ROOT / "layers")
    return tmp_path
