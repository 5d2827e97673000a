"""Who may touch the journal and its seal: those who must, and nobody more."""

from __future__ import annotations

from infra.cdk import rights
from tests.infra.conftest import ROOT

FUNCTIONS = {each.name: each for each in rights.read(ROOT)}
READS = {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"}


def holders(resource: str) -> dict[str, set[str]]:
    """Function -> what it may do with a resource."""
    return {
        name: set(each.rights[resource])
        for name, each in FUNCTIONS.items()
        if resource in each.rights
    }


def test_no_function_changes_or_removes_an_entry_of_the_journal():
    granted = holders("table:traces")
    assert granted
    for name, actions in granted.items():
        assert actions <= {*READS, "dynamodb:PutItem"}, name


def test_the_locked_bucket_is_written_by_who_collects_and_who_seals_alone():
    assert holders("bucket:audit") == {
        "traces-collect": {"s3:PutObject"},
        "traces-seal": {"s3:GetObject", "s3:ListBucket", "s3:PutObject"},
    }


def test_who_collects_can_neither_sign_nor_read_what_it_wrote():
    assert set(FUNCTIONS["traces-collect"].rights) == {"bucket:audit", "key:audit"}
    assert FUNCTIONS["traces-collect"].rights["key:audit"] == ["kms:GenerateDataKey"]


def test_only_the_sealer_and_the_signed_report_sign():
    signing = {"kms:GetPublicKey", "kms:Sign"}
    assert holders("key:signing") == {"traces-seal": signing, "traces-app": signing}


def test_who_seals_knows_neither_the_key_of_the_marks_nor_the_table():
    assert "secret:journal" not in FUNCTIONS["traces-seal"].rights
    assert "table:traces" not in FUNCTIONS["traces-seal"].rights


def test_a_stream_waits_for_its_batch_as_long_as_its_rights_say(assembly):
    mappings = assembly.properties("AWS::Lambda::EventSourceMapping")
    by_function = {name: each for name, each in mappings.items() if "tracescollect" in name}
    (collecting,) = by_function.values()
    assert collecting["MaximumBatchingWindowInSeconds"] == 10
    assert collecting["BatchSize"] == 1000
    for name, each in mappings.items():
        if name not in by_function:
            assert "MaximumBatchingWindowInSeconds" not in each, name


def test_the_journal_is_sealed_each_hour(assembly):
    schedules = assembly.properties("AWS::Scheduler::Schedule").values()
    (sealing,) = [each for each in schedules if each["Name"] == f"dmp-{assembly.stage}-traces-seal"]
    assert sealing["ScheduleExpression"] == "rate(1 hour)"
    assert "DeadLetterConfig" in sealing["Target"]


def test_a_seal_that_does_not_come_is_an_alarm(assembly):
    alarms = {
        each["AlarmName"].removeprefix(f"dmp-{assembly.stage}-"): each
        for each in assembly.properties("AWS::CloudWatch::Alarm").values()
    }
    late, tampered = alarms["sealing-late"], alarms["journal-tampered"]
    assert late["TreatMissingData"] == "breaching"
    assert late["ComparisonOperator"] == "LessThanThreshold"
    assert (late["Period"] * late["EvaluationPeriods"], late["Threshold"]) == (3 * 3600, 1)
    assert tampered["TreatMissingData"] == "notBreaching"
    assert (tampered["ComparisonOperator"], tampered["Threshold"]) == (
        "GreaterThanOrEqualToThreshold",
        1,
    )
    for each in (late, tampered):
        assert each["Dimensions"] == [{"Name": "stage", "Value": assembly.stage}]


def test_a_signing_key_outlives_a_protected_stack(assembly):
    (name,) = [
        name
        for name, each in assembly.properties("AWS::KMS::Key", "data").items()
        if each.get("KeyUsage") == "SIGN_VERIFY"
    ]
    policy = "Retain" if assembly.stage == "prod" else "Delete"
    assert assembly.of("AWS::KMS::Key")[name]["DeletionPolicy"] == policy
