"""Deploys a cloud assembly, to the local cloud or to AWS, without the CDK's command.

The same templates and assets go to both: assets by their content hash to S3, stacks by
CloudFormation in the order of their dependencies. An AWS account must be bootstrapped for the
CDK; the local cloud is on the way.
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
_LONGEST = 3600  # seconds
_NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")


class DeployError(Exception):
    """A stack could not be deployed; the message names the resources and their reasons."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to deploy: clients by service, the address of an object for CloudFormation to read,
    seconds between two looks, and whether it is the local cloud (which may be made to fit)."""

    client: Callable[[str], Any]
    object_url: Callable[[str, str], str]
    pause: float
    local: bool


def local_target(endpoint: str) -> Target:
    return Target(
        client=lambda service: place.client(service, endpoint),
        object_url=lambda bucket, key: f"{endpoint}/{bucket}/{key}",
        pause=0.15,
        local=True,
    )


def aws_target(session: Any) -> Target:
    """The account and the region of a boto3 session."""
    region = session.region_name
    return Target(
        client=session.client,
        object_url=lambda bucket, key: f"https://{bucket}.s3.{region}.amazonaws.com/{key}",
        pause=3.0,
        local=False,
    )


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
    """Deploys to a target; ``progress`` gets one line per step."""

    def __init__(self, target: Target, progress: Progress) -> None:
        self._target = target
        self._progress = progress
        self._s3 = target.client("s3")
        self._cloudformation = target.client("cloudformation")

    def run(self, stacks: Iterable[StackTemplate], parameters: Mapping[str, str]) -> list[Deployed]:
        """Deploy each stack in turn; a parameter goes to the templates that declare it.

        Raises DeployError at the first stack that fails.
        """
        self._bootstrap()
        return [self._stack(stack, parameters) for stack in stacks]

    def _bootstrap(self) -> None:
        ssm = self._target.client("ssm")
        if self._target.local:
            ssm.put_parameter(Name=_BOOTSTRAP, Value="30", Type="String", Overwrite=True)
            return
        try:
            ssm.get_parameter(Name=_BOOTSTRAP)
        except ssm.exceptions.ParameterNotFound:
            msg = "this account and region are not bootstrapped for the CDK (cdk bootstrap)"
            raise DeployError(msg) from None

    def _upload(self, assets: Iterable[Asset]) -> None:
        buckets: set[str] = set()
        for asset in assets:
            if self._target.local and asset.bucket not in buckets:
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
        if status in _NEVER_MADE:
            if not self._target.local:
                msg = f"{stack.name} is {status}: its creation failed; delete it, then deploy again"
                raise DeployError(msg)
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
                return {"TemplateURL": self._target.object_url(asset.bucket, asset.key)}
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
            time.sleep(self._target.pause)

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
            outputs={one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])},
            physical={
                one["LogicalResourceId"]: one["PhysicalResourceId"]
                for one in self._resources(stack.name)
                if one.get("PhysicalResourceId")
            },
            changed=changed,
        )
