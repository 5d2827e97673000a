"""Functions run as in AWS: errors by class, warm environments, layers, nothing of the machine."""

import ast
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from infra.local.patches.workers import MOST
from tests.support.local_stack import probe_cloud  # noqa: F401


@pytest.fixture
def functions(probe_cloud):  # noqa: F811
    stacks = probe_cloud.client("cloudformation").describe_stacks(StackName="dmp-probe")["Stacks"]
    return {
        one["OutputKey"].removeprefix("Function"): one["OutputValue"]
        for one in stacks[0]["Outputs"]
        if one["OutputKey"].startswith("Function")
    }


@pytest.fixture
def call(probe_cloud, functions):  # noqa: F811
    client = probe_cloud.client("lambda")

    def invoke(name, **event):
        answer = client.invoke(FunctionName=functions[name], Payload=json.dumps(event))
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    return invoke


def test_an_error_carries_the_class_of_the_exception(call):
    error, payload = call("Task", **{"raise": "busy"})
    assert error == "Unhandled"
    assert payload["errorType"] == "WorkerBusyError"
    assert payload["errorMessage"] == "try again"
    assert payload["requestId"]
    assert any("raise WorkerBusyError" in line for line in payload["stackTrace"])


def test_a_handler_that_raised_serves_the_next_call_in_the_same_environment(call):
    _, before = call("Task")
    call("Task", **{"raise": "busy"})
    _, after = call("Task")
    assert after["pid"] == before["pid"]
    assert after["calls"] == before["calls"] + 2


def test_a_function_that_exits_is_an_exit_error_and_starts_anew(call):
    _, before = call("Task")
    error, payload = call("Task", **{"raise": "exit"})
    assert error == "Unhandled"
    assert payload["errorType"] == "Runtime.ExitError"
    _, after = call("Task")
    assert after["calls"] == 1
    assert after["pid"] != before["pid"]


def test_a_function_that_is_killed_is_an_exit_error_and_the_other_calls_go_on(call):
    with ThreadPoolExecutor(2) as pool:
        _, before = call("Task")
        other = pool.submit(call, "Task", seconds=1.5)
        time.sleep(0.3)
        _, second = call("Task")  # in another environment: the first is taken
        os.kill(second["pid"], signal.SIGKILL)
        _, after = call("Task")
        error, answered = other.result()
    assert error is None
    assert answered["pid"] == before["pid"]
    assert after.get("errorType") == "Runtime.ExitError" or after["pid"] != second["pid"]
    assert call("Task")[0] is None


def test_callers_wait_for_a_free_environment_and_are_served_in_their_order(call):
    answered = []

    def one(rank):
        time.sleep(rank / 20)
        _, payload = call("Task", seconds=0.3)
        answered.append(rank)
        return payload["pid"]

    with ThreadPoolExecutor(8) as pool:
        environments = set(pool.map(one, range(8)))
    assert len(environments) <= MOST
    # Those who are served side by side may come back in either order.
    assert all(abs(place - rank) < MOST for place, rank in enumerate(answered)), answered


def test_a_function_that_calls_itself_does_not_wait_for_itself(call, functions):
    event = {}
    for _ in range(MOST + 2):
        arguments = {"FunctionName": functions["Reach"], "Payload": json.dumps(event)}
        event = {"service": "lambda", "call": "invoke", "arguments": arguments}
    error, payload = call("Reach", **event)
    assert error is None, payload
    assert payload["ok"]["StatusCode"] == 200
    assert "FunctionError" not in payload["ok"]


def test_a_warm_call_that_logs_nothing_does_not_wait_for_logs(call):
    call("Task")
    took = []
    for _ in range(20):
        started = time.perf_counter()
        call("Task")
        took.append(time.perf_counter() - started)
    assert min(took) < 0.045  # seconds; MiniStack alone waits 50 ms for log lines


def test_what_a_failing_function_logged_is_in_its_log(probe_cloud, call):  # noqa: F811
    call("Task", **{"raise": "busy"})
    logs = probe_cloud.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/dmp-probe-Task")
    events = logs.filter_log_events(logGroupName=groups["logGroups"][0]["logGroupName"])["events"]
    text = "\n".join(one["message"] for one in events)
    assert "I am busy" in text
    assert "WorkerBusyError" in text
    assert "end-of-invocation" not in text


def test_a_metric_in_the_log_is_counted_and_raises_its_alarm(probe_cloud, call):  # noqa: F811
    cloudwatch = probe_cloud.client("cloudwatch")
    metric = {
        "Namespace": "probe",
        "MetricName": "Strange",
        "Dimensions": [{"Name": "stage", "Value": "local"}],
    }
    for name, threshold in (("few", 3), ("many", 4)):
        cloudwatch.put_metric_alarm(
            AlarmName=f"probe-{name}",
            **metric,
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=threshold,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            TreatMissingData="notBreaching",
        )
    told = {
        "_aws": {
            "Timestamp": int(time.time() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": "probe",
                    "Dimensions": [["stage"]],
                    "Metrics": [{"Name": "Strange", "Unit": "Count"}],
                }
            ],
        },
        "stage": "local",
        "Strange": [1.0, 2.0],
    }
    call("Task", print=[json.dumps(told), '{"_aws": "none"}', "a line"])
    now = datetime.now(UTC)
    found = cloudwatch.get_metric_statistics(
        **metric,
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )
    assert [point["Sum"] for point in found["Datapoints"]] == [3.0]
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix="probe-")["MetricAlarms"]
    states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
    assert states["probe-few"] == "ALARM"
    assert states["probe-many"] != "ALARM"


def test_a_function_sees_its_layers_and_the_runtime_but_not_this_machine(call):
    _, payload = call("Outside")
    assert payload["importable"] == ["boto3", "layered"]
    assert payload["timezone"] == "UTC"
    assert not {"PYTHONPATH", "AWS_PROFILE", "VIRTUAL_ENV"} & set(payload["environment"])


def test_functions_share_one_unpacked_layer(call):
    places = {call(name, where=True)[1]["layer"] for name in ("Outside", "Elsewhere")}
    assert len(places) == 1


def test_a_function_has_its_own_rights_and_no_others(probe_cloud, call):  # noqa: F811
    item = {"pk": {"S": "reach"}, "sk": {"S": "1"}}
    table = probe_cloud.content["tables"]["things"]
    put = {"service": "dynamodb", "call": "put_item"}
    get = {"service": "dynamodb", "call": "get_item"}
    assert "ok" in call("Reach", **put, arguments={"TableName": table, "Item": item})[1]
    _, refused = call("Reach", **get, arguments={"TableName": table, "Key": item})
    assert refused == {"error": "AccessDeniedException"}


def test_a_function_writes_to_an_encrypted_bucket_with_its_rights(probe_cloud, call):  # noqa: F811
    arguments = {
        "Bucket": probe_cloud.content["buckets"]["vault"],
        "Key": "reach/1",
        "Body": "text",
    }
    _, written = call("Reach", service="s3", call="put_object", arguments=arguments)
    assert written["ok"]["ServerSideEncryption"] == "aws:kms"
    _, refused = call(
        "Reach",
        service="s3",
        call="delete_object",
        arguments={"Bucket": probe_cloud.content["buckets"]["vault"], "Key": "reach/1"},
    )
    assert refused == {"error": "AccessDenied"}


def test_a_function_signs_digests_with_the_key_that_it_may_sign_with(probe_cloud, call):  # noqa: F811
    stack = probe_cloud.client("cloudformation").describe_stacks(StackName="dmp-probe")["Stacks"][0]
    arns = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    sign = {"Message": "d" * 32, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
    _, signed = call(
        "Reach", service="kms", call="sign", arguments={"KeyId": arns["SigningKeyArn"], **sign}
    )
    _, published = call(
        "Reach", service="kms", call="get_public_key", arguments={"KeyId": arns["SigningKeyArn"]}
    )
    key = load_der_public_key(ast.literal_eval(published["ok"]["PublicKey"]))
    signature = ast.literal_eval(signed["ok"]["Signature"])
    key.verify(signature, b"d" * 32, ec.ECDSA(Prehashed(SHA256())))
    with pytest.raises(InvalidSignature):
        key.verify(signature, sha256(b"d" * 32).digest(), ec.ECDSA(Prehashed(SHA256())))
    for other in ({"KeyId": arns["KeyArn"], **sign}, {"KeyId": arns["KeyArn"]}):
        verb = "sign" if "Message" in other else "get_public_key"
        _, refused = call("Reach", service="kms", call=verb, arguments=other)
        assert refused == {"error": "AccessDeniedException"}


def test_a_reference_to_a_secret_is_its_arn(probe_cloud, call):  # noqa: F811
    outputs = probe_cloud.client("cloudformation").describe_stacks(StackName="dmp-probe")
    reference = next(
        one["OutputValue"]
        for one in outputs["Stacks"][0]["Outputs"]
        if one["OutputKey"] == "SecretRef"
    )
    assert reference.startswith("arn:aws:secretsmanager:eu-west-3:000000000000:secret:")
    _, read = call(
        "Reach",
        service="secretsmanager",
        call="get_secret_value",
        arguments={"SecretId": reference},
    )
    assert len(read["ok"]["SecretString"]) == 44
