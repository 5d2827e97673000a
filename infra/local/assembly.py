"""A cloud assembly (cdk.out): its stacks in the order of their dependencies, with their assets.

Schema: aws-cdk's cloud-assembly-schema. Only what a deployment without the CDK's own command
needs is read: stacks, templates, file assets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.place import ACCOUNT, REGION


class AssemblyError(Exception):
    """The folder is no cloud assembly that can be deployed; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, or a folder to zip, and where it goes in S3."""

    source: Path
    zipped: bool
    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class StackTemplate:
    """One stack: its name, its template, its assets (the template's own among them)."""

    name: str
    body: str
    template: dict[str, Any]
    assets: tuple[Asset, ...]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.template.get("Resources") or {}
        return found

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.template.get("Parameters") or {}
        return found


def _placed(name: str, account: str, region: str) -> str:
    for pseudo, value in (("AccountId", account), ("Region", region), ("Partition", "aws")):
        name = name.replace(f"${{AWS::{pseudo}}}", value)
    return name


def _assets(folder: Path, file: Path, account: str, region: str) -> tuple[Asset, ...]:
    content = json.loads(file.read_text(encoding="utf-8"))
    found = []
    for one in (content.get("files") or {}).values():
        source = one["source"]
        found += [
            Asset(
                source=folder / source["path"],
                zipped=source.get("packaging") == "zip",
                bucket=_placed(target["bucketName"], account, region),
                key=_placed(target["objectKey"], account, region),
            )
            for target in one["destinations"].values()
        ]
    return tuple(found)


def read(folder: Path, account: str = ACCOUNT, region: str = REGION) -> list[StackTemplate]:
    """The stacks of the assembly, each after those that it depends on.

    ``account`` and ``region``: where the assets go, by default the local cloud's own.

    Raises AssemblyError when the folder holds no manifest or its dependencies go in a circle.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        msg = f"{folder} holds no manifest.json: it is not a cloud assembly"
        raise AssemblyError(msg)
    artifacts: dict[str, dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))[
        "artifacts"
    ]
    stacks: list[StackTemplate] = []
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            msg = f"the stacks of {folder} depend on each other in a circle: {name}"
            raise AssemblyError(msg)
        if name in done or name not in artifacts:
            return
        artifact = artifacts[name]
        dependencies = artifact.get("dependencies") or []
        for dependency in dependencies:
            visit(dependency, (*above, name))
        done.add(name)
        if artifact.get("type") != "aws:cloudformation:stack":
            return
        properties = artifact["properties"]
        body = (folder / properties["templateFile"]).read_text(encoding="utf-8")
        assets: tuple[Asset, ...] = ()
        for dependency in dependencies:
            other = artifacts.get(dependency, {})
            if other.get("type") == "cdk:asset-manifest":
                assets += _assets(folder, folder / other["properties"]["file"], account, region)
        stacks.append(
            StackTemplate(properties.get("stackName") or name, body, json.loads(body), assets)
        )

    for name in artifacts:
        visit(name, ())
    return stacks
