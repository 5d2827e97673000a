"""Workflows run as in AWS: Retry and Catch by class, batches and written results of a map."""

import json
import time

import pytest

from tests.support.local_stack import probe_cloud  # noqa: F401


@pytest.fixture
def run(probe_cloud):  # noqa: F811
    states = probe_cloud.client("stepfunctions")

    def execute(workflow, **given):
        arn = states.start_execution(
            stateMachineArn=probe_cloud.content["state_machines"][workflow], input=json.dumps(given)
        )["executionArn"]
        end = time.monotonic() + 30
        while (found := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            assert time.monotonic() < end
            time.sleep(0.05)
        return found

    return execute


def test_a_retry_and_a_catch_match_the_class_of_the_exception(run):
    found = run("retrying", **{"raise": "busy"})
    assert found["status"] == "SUCCEEDED"
    caught = json.loads(found["output"])["caught"]
    assert caught["Error"] == "WorkerBusyError"
    assert json.loads(caught["Cause"])["errorMessage"] == "try again"
    assert (found["stopDate"] - found["startDate"]).total_seconds() >= 1  # one retry, 1 s later


def test_an_error_that_no_catch_names_fails_the_execution(run):
    found = run("retrying", **{"raise": "exit"})
    assert (found["status"], found["error"]) == ("FAILED", "Runtime.ExitError")


@pytest.fixture
def mapped(probe_cloud, run):  # noqa: F811
    s3, bucket = probe_cloud.client("s3"), probe_cloud.content["buckets"]["vault"]

    def execute(*names):
        rows = "\n".join(["name;rank".replace(";", ","), *(f"{name},1" for name in names)])
        s3.put_object(Bucket=bucket, Key="rows.csv", Body=rows.encode())
        found = run("mapping", key="rows.csv", run="r1")
        if found["status"] != "SUCCEEDED":
            return found, None, {}
        details = json.loads(found["output"])["map"]["ResultWriterDetails"]
        read = lambda key: json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())  # noqa: E731
        manifest = read(details["Key"])
        results = {
            status: [one for file in files for one in read(file["Key"])]
            for status, files in manifest["ResultFiles"].items()
        }
        return found, manifest, results

    return execute


def test_a_map_hands_its_items_over_in_batches_with_what_they_share(mapped):
    _found, _manifest, results = mapped("a", "b", "c", "d", "e", "f", "g")
    outputs = [json.loads(one["Output"]) for one in results["SUCCEEDED"]]
    assert sorted(one["count"] for one in outputs) == [1, 3, 3]
    assert {one["run"] for one in outputs} == {"r1"}
    first = json.loads(results["SUCCEEDED"][0]["Input"])
    assert set(first) == {"Items", "BatchInput"}


def test_a_map_writes_its_results_and_gives_their_address(mapped, probe_cloud):  # noqa: F811
    found, manifest, results = mapped("a", "b")
    output = json.loads(found["output"])
    assert output["run"] == "r1"  # ResultPath keeps the input
    assert output["map"]["MapRunArn"] == manifest["MapRunArn"]
    details = output["map"]["ResultWriterDetails"]
    run_id = manifest["MapRunArn"].rsplit(":", 1)[1]
    assert details == {
        "Bucket": probe_cloud.content["buckets"]["vault"],
        "Key": f"results/{run_id}/manifest.json",
    }
    assert manifest["DestinationBucket"] == probe_cloud.content["buckets"]["vault"]
    assert len(results["SUCCEEDED"]) == 1


def test_a_failed_batch_within_the_tolerance_is_written_among_the_failed(mapped):
    _found, _manifest, results = mapped("a", "b", "c", "bad")
    assert len(results["SUCCEEDED"]) == 1
    (failed,) = results["FAILED"]
    assert (failed["Status"], failed["Error"]) == ("FAILED", "ValueError")
    assert json.loads(failed["Input"])["Items"] == [{"name": "bad", "rank": "1"}]


def test_failures_above_the_tolerance_fail_the_map(mapped):
    found, _manifest, _results = mapped("bad")
    assert found["status"] == "FAILED"
    assert found["error"] == "States.ExceedToleratedFailureThreshold"


def test_an_event_starts_a_workflow(probe_cloud):  # noqa: F811
    states = probe_cloud.client("stepfunctions")
    arn = probe_cloud.content["state_machines"]["retrying"]
    probe_cloud.client("events").put_events(
        Entries=[
            {
                "EventBusName": probe_cloud.content["event_bus"],
                "Source": "dmp.start",
                "DetailType": "go",
                "Detail": json.dumps({"by": "event"}),
            }
        ]
    )
    end = time.monotonic() + 10
    while True:
        inputs = [
            states.describe_execution(executionArn=one["executionArn"])["input"]
            for one in states.list_executions(stateMachineArn=arn)["executions"]
        ]
        if any(json.loads(one) == {"by": "event"} for one in inputs):
            return
        assert time.monotonic() < end, inputs
        time.sleep(0.1)
