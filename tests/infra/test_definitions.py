"""A workflow's role is read from its definition, and a definition that cannot be read is refused."""

from __future__ import annotations

import json

import pytest

from infra.cdk import definitions, rights


@pytest.fixture
def workflow(house):
    def write(*states, root=house):
        folder = root / "functions/sample"
        folder.mkdir()
        (folder / "tasks.py").write_text("def gather(e, c): ...\n")
        (folder / "rights.json").write_text(
            json.dumps({"tasks": {"kind": "task", "handlers": ["gather"]}})
        )
        body = {
            "StartAt": "S0",
            "States": {f"S{number}": each for number, each in enumerate(states)},
        }
        (root / "infra/workflows/sample.asl.json").write_text(json.dumps(body))
        return lambda: definitions.read(root, rights.read(root))

    return write


def test_the_role_can_do_what_the_states_say(workflow):
    read = workflow(
        {"Type": "Task", "Resource": "${SampleTasksGatherArn}"},
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "${SampleTasksGatherArn}"},
        },
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:updateItem",
            "Parameters": {"TableName": "${TableHistory}"},
        },
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::events:putEvents",
            "Parameters": {"Entries": [{"EventBusName": "${EventBusFacts}"}]},
        },
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sfn:startExecution",
            "Arguments": {"StateMachineArn": "${WorkflowSampleArn}"},
        },
        {
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "Parameters": {"Bucket": "${BucketLanding}"},
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED"},
                "States": {"One": {"Type": "Task", "Resource": "${SampleTasksGatherArn}"}},
            },
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "Parameters": {"Bucket": "${BucketHistory}"},
            },
        },
    )
    (found,) = read()
    assert dict(found.rights) == {
        "SampleTasksGatherArn": ("lambda:InvokeFunction",),
        "TableHistory": ("dynamodb:UpdateItem",),
        "EventBusFacts": ("events:PutEvents",),
        "WorkflowSampleArn": ("states:StartExecution",),
        "BucketLanding": ("s3:GetObject",),
        "BucketHistory": (
            "s3:AbortMultipartUpload",
            "s3:GetObject",
            "s3:ListMultipartUploadParts",
            "s3:PutObject",
        ),
    }
    assert found.distributed
    assert found.used == {subject for subject, _ in found.rights}


def test_a_workflow_without_a_distributed_map_starts_nothing_of_itself(workflow):
    (found,) = workflow({"Type": "Task", "Resource": "${SampleTasksGatherArn}"})()
    assert not found.distributed


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"Type": "Task", "Resource": "${SampleTasksArn}"}, "unknown substitution SampleTasksArn"),
        ({"Type": "Task", "Resource": "arn:aws:states:::sns:publish"}, "sns is not called"),
        (
            {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-3:1:function:x"},
            "no service integration",
        ),
        (
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::s3:getObject",
                "Parameters": {"Bucket.$": "$.bucket"},
            },
            "Bucket must be a substitution",
        ),
    ],
)
def test_a_definition_that_would_need_a_wider_role_is_refused(workflow, state, reason):
    with pytest.raises(
        definitions.DefinitionError, match=r"infra/workflows/sample\.asl\.json"
    ) as refused:
        workflow(state)()
    assert reason in str(refused.value)


def test_a_definition_that_is_no_json_is_refused(workflow, house):
    read = workflow()
    (house / "infra/workflows/sample.asl.json").write_text("{")
    with pytest.raises(definitions.DefinitionError):
        read()
