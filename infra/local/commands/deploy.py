"""``dmp deploy``: the same stacks to an AWS account."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from infra.local.product import ROOT
from infra.local.progress import shown, stderr

if TYPE_CHECKING:
    import argparse

NAME = "deploy"
HELP = "deploy a stage to the AWS account of the current credentials"
LOCAL = False


class NotDeployable(Exception):
    """Something that a deployment to AWS needs is missing; the message says what."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stage", choices=("dev", "prod"), default="dev")


def run(options: argparse.Namespace) -> int:
    from infra.cdk.synth import synth  # noqa: PLC0415 - when it is wanted
    from infra.local import assembly  # noqa: PLC0415
    from infra.local.deploy import Deployment, aws_target  # noqa: PLC0415

    session, number = account()
    os.environ.setdefault("CDK_DEFAULT_ACCOUNT", number)
    os.environ.setdefault("CDK_DEFAULT_REGION", session.region_name)
    missing = _missing(options.stage)
    if missing:
        msg = f"the stage {options.stage} needs {', '.join(missing)} in the environment"
        raise NotDeployable(msg)
    console = stderr()
    with shown(console, f"Deploying {options.stage} to {number}") as progress:
        stacks = assembly.read(
            synth(options.stage, ROOT / ".build", progress), number, session.region_name
        )
        deployed = Deployment(aws_target(session), progress).run(stacks, {})
    for stack in deployed:
        for key, value in stack.outputs.items():
            print(f"{stack.template.name}.{key} = {value}")
    return 0


def account() -> tuple[Any, str]:
    """The session of the user's own credentials and their account."""
    import boto3  # noqa: PLC0415 - when it is wanted
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        session = boto3.Session()
        if session.get_credentials() is None:
            msg = (
                "no AWS credentials: a stage in AWS needs those of its account "
                "(AWS_PROFILE or AWS_ACCESS_KEY_ID); dmp up is the local cloud"
            )
            raise NotDeployable(msg)
        if session.region_name is None:
            msg = "no AWS region: set AWS_REGION or the region of the profile"
            raise NotDeployable(msg)
        return session, str(session.client("sts").get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        msg = f"the AWS credentials do not work: {error}"
        raise NotDeployable(msg) from error


def _missing(stage: str) -> tuple[str, ...]:
    from infra.cdk.stages import stage as stage_of  # noqa: PLC0415 - when it is wanted

    return stage_of(stage).missing()
