"""Deploys a cloud assembly to the local cloud, without the CDK's bootstrap or its command.

The same templates and assets that AWS gets: assets by their content hash to S3, stacks by
CloudFormation in the order of their dependencies.
"""

from __future__ import annotations

import io
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local import place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from infra.local.assembly import Asset, StackTemplate

    Progress = Callable[[str], None]

_INLINE_LIMIT = 51_200  # bytes; CloudFormation's limit for TemplateBody
_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
_POLL = 0.15  # seconds
_LONGEST = 600  # seconds


class DeployError(Exception):
    """A stack could not be deployed; the message names the resources and their reasons."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployed stack: its outputs by key, the physical id of each logical id."""

    template: StackTemplate
    outputs: Mapping[str, str]
    physical: Mapping[str, str]
    changed: bool


def _zip(folder: Path) -> bytes:
    """The folder as an archive that is the same for the same content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(str(path.relative_to(folder)), (1980, 1, 1, 0, 0, 0))
                entry.external_attr = (path.stat().st_mode & 0xFFFF) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


class Deployment:
    """Deploys to the AWS endpoint of a local cloud; ``progress`` gets one line per step."""

    def __init__(self, endpoint: str, progress: Progress) -> None:
        self._endpoint = endpoint
        self._progress = progress
        self._s3 = place.client("s3", endpoint)
        self._cloudformation = place.client("cloudformation", endpoint)

    def run(
        self, stacks: Iterable[StackTemplate], parameters: Mapping[str, str]
    ) -> list[Deployed]:
        """Deploy each stack in turn; a parameter goes to the templates that declare it.

        Raises DeployError at the first stack that fails.
        """
        place.client("ssm", self._endpoint).put_parameter(
            Name=_BOOTSTRAP, Value="30", Type="String", Overwrite=True
        )
        return [self._stack(stack, parameters) for stack in stacks]

    def _upload(self, assets: Iterable[Asset]) -> None:
        buckets: set[str] = set()
        for asset in assets:
            if asset.bucket not in buckets:
                buckets.add(asset.bucket)
                self._make_bucket(asset.bucket)
            if self._exists(asset):
                continue
            body = _zip(asset.source) if asset.zipped else asset.source.read_bytes()
            self._s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=body)

    def _make_bucket(self, name: str) -> None:
        known = {one["Name"] for one in self._s3.list_buckets()["Buckets"]}
        if name not in known:
            self._s3.create_bucket(
                Bucket=name, CreateBucketConfiguration={"LocationConstraint": place.REGION}
            )

    def _exists(self, asset: Asset) -> bool:
        try:
            self._s3.head_object(Bucket=asset.bucket, Key=asset.key)
        except self._s3.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:  # noqa: PLR2004
                raise
            return False
        return True

    def _status(self, name: str) -> str | None:
        try:
            stacks = self._cloudformation.describe_stacks(StackName=name)["Stacks"]
        except self._cloudformation.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return str(stacks[0]["StackStatus"])

    def _stack(self, stack: StackTemplate, parameters: Mapping[str, str]) -> Deployed:
        self._progress(f"{stack.name}: assets")
        self._upload(stack.assets)
        call: dict[str, Any] = {
            "StackName": stack.name,
            "Capabilities": ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value}
                for key, value in parameters.items()
                if key in stack.parameters
            ],
            **self._source(stack),
        }
        status = self._status(stack.name)
        if status is not None and status.startswith(("ROLLBACK_", "CREATE_FAILED", "DELETE_")):
            self._cloudformation.delete_stack(StackName=stack.name)
            self._settled(stack, None)
            status = None
        changed = self._start(call, update=status is not None)
        if changed:
            final = self._settled(stack, len(stack.resources))
            if final not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
                raise DeployError(self._failure(stack.name, final))
        return self._result(stack, changed=changed)

    def _source(self, stack: StackTemplate) -> dict[str, str]:
        if len(stack.body.encode()) < _INLINE_LIMIT:
            return {"TemplateBody": stack.body}
        for asset in stack.assets:
            if asset.source.name == f"{stack.name}.template.json" or (
                asset.source.suffix == ".json" and asset.source.read_text("utf-8") == stack.body
            ):
                return {"TemplateURL": f"{self._endpoint}/{asset.bucket}/{asset.key}"}
        msg = f"the template of {stack.name} is too large to send and is not among its assets"
        raise DeployError(msg)

    def _start(self, call: dict[str, Any], *, update: bool) -> bool:
        """Create or update; False when there is nothing to update."""
        if not update:
            self._cloudformation.create_stack(**call)
            return True
        try:
            self._cloudformation.update_stack(**call)
        except self._cloudformation.exceptions.ClientError as error:
            if "No updates are to be performed" in str(error):
                return False
            raise
        return True

    def _settled(self, stack: StackTemplate, total: int | None) -> str:
        deadline = time.monotonic() + _LONGEST
        while True:
            status = self._status(stack.name)
            if status is None or not status.endswith("_IN_PROGRESS"):
                return status or "DELETE_COMPLETE"
            if time.monotonic() > deadline:
                msg = f"{stack.name} is still {status} after {_LONGEST} s"
                raise DeployError(msg)
            if total:
                done = sum(1 for _ in self._resources(stack.name))
                self._progress(f"{stack.name}: {done}/{total} resources")
            time.sleep(_POLL)

    def _resources(self, name: str) -> Iterable[dict[str, Any]]:
        pages = self._cloudformation.get_paginator("list_stack_resources")
        for page in pages.paginate(StackName=name):
            yield from page["StackResourceSummaries"]

    def _failure(self, name: str, status: str) -> str:
        events = self._cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [
            f"  {one['LogicalResourceId']} ({one['ResourceType']}): "
            f"{one.get('ResourceStatusReason', 'no reason given')}"
            for one in reversed(events)
            if one["ResourceStatus"].endswith("FAILED")
        ]
        return "\n".join([f"stack {name} ended as {status}", *reasons])

    def _result(self, stack: StackTemplate, *, changed: bool) -> Deployed:
        described = self._cloudformation.describe_stacks(StackName=stack.name)["Stacks"][0]
        return Deployed(
            template=stack,
            outputs={
                one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])
            },
            physical={
                one["LogicalResourceId"]: one["PhysicalResourceId"]
                for one in self._resources(stack.name)
                if one.get("PhysicalResourceId")
            },
            changed=changed,
        )
