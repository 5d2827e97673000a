"""``dmp deploy``: the same deployment goes to an AWS account, and says what it lacks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from infra.local import assembly
from infra.local.deploy import DeployError, Deployment, aws_target
from tests.support.local_stack import probe_cloud  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "000000000000"
BOOTSTRAPPED, BARE = "eu-west-1", "eu-west-2"


@pytest.fixture
def session(probe_cloud, monkeypatch):  # noqa: F811
    """A session of the user's own in a region of an account: here, one of the probe cloud."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", probe_cloud.aws_endpoint)
    return lambda region: boto3.Session("test", "test", region_name=region)


def _bootstrap(session):
    session.client("ssm").put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String"
    )
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{BOOTSTRAPPED}"
    session.client("s3").create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": BOOTSTRAPPED}
    )
    return bucket


@pytest.fixture
def stacks(tmp_path):
    """An assembly of two stacks, the second one naming the first by an import."""

    def write(name, template, *dependencies):
        (tmp_path / f"{name}.json").write_text(json.dumps(template))
        (tmp_path / f"{name}.txt").write_text(name)
        files = {
            "text": {
                "source": {"path": f"{name}.txt", "packaging": "file"},
                "destinations": {
                    "there": {
                        "bucketName": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}",
                        "objectKey": f"{name}.txt",
                    }
                },
            }
        }
        (tmp_path / f"{name}.assets.json").write_text(json.dumps({"files": files}))
        return {
            f"{name}.assets": {
                "type": "cdk:asset-manifest",
                "properties": {"file": f"{name}.assets.json"},
            },
            name: {
                "type": "aws:cloudformation:stack",
                "properties": {"templateFile": f"{name}.json", "stackName": name},
                "dependencies": [f"{name}.assets", *dependencies],
            },
        }

    first = {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
        "Outputs": {
            "QueueOne": {
                "Value": {"Fn::GetAtt": ["Queue", "QueueName"]},
                "Export": {"Name": "one"},
            }
        },
    }
    second = {
        "Resources": {
            "Parameter": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {
                    "Name": "/two",
                    "Type": "String",
                    "Value": {"Fn::ImportValue": "one"},
                },
            }
        }
    }
    artifacts = {**write("second", second, "first"), **write("first", first)}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return assembly.read(tmp_path, ACCOUNT, BOOTSTRAPPED)


def test_stacks_go_in_the_order_of_their_dependencies_with_their_assets(session, stacks):
    user = session(BOOTSTRAPPED)
    bucket = _bootstrap(user)
    deployed = Deployment(aws_target(user), print).run(stacks, {})
    assert [one.template.name for one in deployed] == ["first", "second"]
    value = user.client("ssm").get_parameter(Name="/two")["Parameter"]["Value"]
    assert value == deployed[0].outputs["QueueOne"]
    keys = {one["Key"] for one in user.client("s3").list_objects_v2(Bucket=bucket)["Contents"]}
    assert keys == {"first.txt", "second.txt"}


def test_an_account_that_is_not_bootstrapped_is_told_so_and_left_alone(session, stacks):
    user = session(BARE)
    before = user.client("s3").list_buckets()["Buckets"]
    with pytest.raises(DeployError, match="cdk bootstrap"):
        Deployment(aws_target(user), print).run(stacks, {})
    assert user.client("s3").list_buckets()["Buckets"] == before
    assert user.client("cloudformation").list_stacks()["StackSummaries"] == []


def test_stacks_that_depend_on_each_other_in_a_circle_are_refused(tmp_path):
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "x.json"}}
    artifacts = {"a": {**stack, "dependencies": ["b"]}, "b": {**stack, "dependencies": ["a"]}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    with pytest.raises(assembly.AssemblyError, match="circle"):
        assembly.read(tmp_path)


def test_a_folder_that_is_no_assembly_is_refused(tmp_path):
    with pytest.raises(assembly.AssemblyError, match=r"manifest\.json"):
        assembly.read(tmp_path)


def test_without_credentials_the_command_says_what_it_needs(tmp_path):
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    nothing = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    said = subprocess.run(
        [sys.executable, "-m", "infra.local", "deploy", "--stage", "dev"],
        cwd=ROOT,
        env={**environment, **nothing},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.returncode == 1
    assert "no AWS credentials" in said.stderr
    assert "Traceback" not in said.stderr
