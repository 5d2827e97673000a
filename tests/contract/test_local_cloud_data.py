"""Tables and buckets have what the template asks for; uploads, streams and queues deliver."""

import base64
import hashlib
import json
import time

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.support.local_stack import probe_cloud  # noqa: F401


def _eventually(read, wanted, seconds=15):
    """What ``read`` gives once ``wanted`` holds for it."""
    end = time.monotonic() + seconds
    while not wanted(found := read()):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


@pytest.fixture
def received(probe_cloud):  # noqa: F811
    """Waits for a message on a queue whose body holds a text, and takes it."""
    sqs = probe_cloud.client("sqs")
    seen = []

    def receive(queue, text, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            messages = sqs.receive_message(
                QueueUrl=probe_cloud.content["queues"][queue],
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
            ).get("Messages", [])
            for message in messages:
                seen.append(message["Body"])
                sqs.delete_message(
                    QueueUrl=probe_cloud.content["queues"][queue],
                    ReceiptHandle=message["ReceiptHandle"],
                )
            for body in seen:
                if text in body:
                    return json.loads(body) if body.startswith("{") else body
        pytest.fail(f"nothing with {text} on {queue}")

    return receive


def test_a_table_has_its_time_to_live_its_recovery_and_its_key(probe_cloud):  # noqa: F811
    client, name = probe_cloud.client("dynamodb"), probe_cloud.content["tables"]["things"]
    ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    encryption = client.describe_table(TableName=name)["Table"]["SSEDescription"]
    assert (encryption["Status"], encryption["SSEType"]) == ("ENABLED", "KMS")
    assert encryption["KMSMasterKeyArn"].startswith("arn:aws:kms:eu-west-3:000000000000:key/")


def test_a_bucket_has_what_its_template_says(probe_cloud):  # noqa: F811
    client, bucket = probe_cloud.client("s3"), {"Bucket": probe_cloud.content["buckets"]["vault"]}
    rules = client.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["BucketKeyEnabled"] is True
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert client.get_bucket_versioning(**bucket)["Status"] == "Enabled"
    block = client.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    (rule,) = client.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert rule["Expiration"] == {"Days": 7}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    controls = client.get_bucket_ownership_controls(**bucket)["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_nobody_removes_what_is_under_object_lock(probe_cloud):  # noqa: F811
    client, bucket = probe_cloud.client("s3"), probe_cloud.content["buckets"]["audit"]
    lock = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 1}
    version = client.put_object(Bucket=bucket, Key="sealed", Body=b"1")["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket=bucket, Key="sealed", VersionId=version)


def test_an_object_is_encrypted_with_the_key_of_its_bucket(probe_cloud):  # noqa: F811
    client, bucket = probe_cloud.client("s3"), probe_cloud.content["buckets"]["vault"]
    client.put_object(Bucket=bucket, Key="plain", Body=b"1")
    head = client.head_object(Bucket=bucket, Key="plain")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["SSEKMSKeyId"].startswith("arn:aws:kms:eu-west-3:")


@pytest.fixture
def upload(probe_cloud):  # noqa: F811
    """Posts a form with conditions on type, size and checksum, as a browser does."""
    client, bucket = probe_cloud.client("s3"), probe_cloud.content["buckets"]["vault"]

    def post(body, *, declared=b"%PDF-1.4 text", media="application/pdf", key="in/1"):
        digest = base64.b64encode(hashlib.sha256(declared).digest()).decode()
        fields = {
            "Content-Type": "application/pdf",
            "x-amz-checksum-algorithm": "SHA256",
            "x-amz-checksum-sha256": digest,
            "x-amz-meta-document": "d1",
        }
        conditions = [
            *({name: value} for name, value in fields.items()),
            ["content-length-range", len(declared), len(declared)],
        ]
        form = client.generate_presigned_post(
            bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=300
        )
        return httpx.post(
            form["url"],
            data={**form["fields"], "Content-Type": media},
            files={"file": ("any", body, media)},
        )

    return post


def test_an_upload_by_form_within_its_conditions_is_kept(upload, probe_cloud, received):  # noqa: F811
    answer = upload(b"%PDF-1.4 text", key="in/kept")
    assert answer.status_code == 204, answer.text
    head = probe_cloud.client("s3").head_object(
        Bucket=probe_cloud.content["buckets"]["vault"], Key="in/kept", ChecksumMode="ENABLED"
    )
    assert head["ContentType"] == "application/pdf"
    assert head["Metadata"] == {"document": "d1"}
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["ChecksumSHA256"]
    event = received("facts", "in/kept")
    assert event["detail-type"] == "Object Created"
    assert event["detail"]["object"]["size"] == 13


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (b"%PDF-1.4 other", {}),
        (b"%PDF-1.4 tex", {}),
        (b"%PDF-1.4 text", {"media": "text/html"}),
        (b"%PDF-1.4 tEXt", {}),
    ],
    ids=["too long", "too short", "another type", "another checksum"],
)
def test_an_upload_by_form_outside_its_conditions_is_refused(upload, body, change):
    assert upload(body, **change).status_code in {400, 403}


def test_an_object_outside_the_prefix_announces_nothing(probe_cloud, received):  # noqa: F811
    client, bucket = probe_cloud.client("s3"), probe_cloud.content["buckets"]["vault"]
    client.put_object(Bucket=bucket, Key="elsewhere/1", Body=b"1")
    client.put_object(Bucket=bucket, Key="in/marker", Body=b"1")
    received("facts", "in/marker")
    sqs = probe_cloud.client("sqs")
    left = sqs.receive_message(
        QueueUrl=probe_cloud.content["queues"]["facts"], MaxNumberOfMessages=10
    )
    assert "elsewhere/1" not in str(left)


def test_a_presigned_address_reads_an_object_until_it_expires(probe_cloud):  # noqa: F811
    client, bucket = (
        probe_cloud.client("s3", signature_version="s3v4"),
        probe_cloud.content["buckets"]["vault"],
    )
    client.put_object(Bucket=bucket, Key="read/1", Body=b"bytes", ContentType="text/plain")
    address = client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "read/1"}, ExpiresIn=60
    )
    answer = httpx.get(address)
    assert (answer.content, answer.headers["content-type"]) == (b"bytes", "text/plain")
    expired = client.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "read/1"}, ExpiresIn=1
    )
    time.sleep(2.1)
    assert httpx.get(expired).status_code == 403
    assert httpx.get(address.replace("read/1", "read/2")).status_code == 403


def test_an_insertion_leaves_by_the_stream_and_the_bus(probe_cloud, received):  # noqa: F811
    probe_cloud.client("dynamodb").put_item(
        TableName=probe_cloud.content["tables"]["things"],
        Item={"pk": {"S": "thing"}, "sk": {"S": "made-1"}},
    )
    event = received("facts", "made-1")
    assert (event["source"], event["detail-type"]) == ("dmp.probe", "thing.made.v1")


def test_a_change_that_the_filter_leaves_out_does_not_leave(probe_cloud, received):  # noqa: F811
    client, table = probe_cloud.client("dynamodb"), probe_cloud.content["tables"]["things"]
    item = {"pk": {"S": "thing"}, "sk": {"S": "made-2"}}
    client.put_item(TableName=table, Item={"pk": {"S": "other"}, "sk": {"S": "unseen"}})
    client.put_item(TableName=table, Item=item)
    client.put_item(TableName=table, Item={**item, "changed": {"BOOL": True}})
    client.put_item(TableName=table, Item={"pk": {"S": "thing"}, "sk": {"S": "made-3"}})
    assert received("facts", "made-2")
    assert received("facts", "made-3")  # had the change left, it would have come before


def _things(table, *, bad):
    """A transaction of three insertions, the middle one bad: they come as one batch."""
    return [
        {
            "Put": {
                "TableName": table,
                "Item": {
                    "pk": {"S": "thing"},
                    "sk": {"S": name},
                    **({bad: {"BOOL": True}} if name.endswith("-2") else {}),
                },
            }
        }
        for name in (f"{bad}-1", f"{bad}-2", f"{bad}-3")
    ]


def test_changes_reported_as_failed_are_retried_then_set_aside_and_the_stream_goes_on(
    probe_cloud,  # noqa: F811
    received,
):
    client, table = probe_cloud.client("dynamodb"), probe_cloud.content["tables"]["things"]
    client.transact_write_items(TransactItems=_things(table, bad="poison"))
    assert received("facts", "poison-1")
    letter = received("stream-dead-letters", "DDBStreamBatchInfo", seconds=30)
    assert letter["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert letter["DDBStreamBatchInfo"]["batchSize"] == 2  # from the poisoned one on
    client.put_item(TableName=table, Item={"pk": {"S": "thing"}, "sk": {"S": "after-poison"}})
    assert received("facts", "after-poison")


def test_a_change_that_breaks_the_function_is_found_by_halving_and_set_aside(
    probe_cloud,  # noqa: F811
    received,
):
    client, table = probe_cloud.client("dynamodb"), probe_cloud.content["tables"]["things"]
    client.transact_write_items(TransactItems=_things(table, bad="explosion"))
    assert received("facts", "explosion-1")
    assert received("facts", "explosion-3", seconds=30)
    letter = received("stream-dead-letters", "DDBStreamBatchInfo", seconds=30)
    assert letter["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_batch_with_a_bad_message_keeps_the_good_ones_and_sets_the_bad_one_aside(
    probe_cloud,  # noqa: F811
    received,
):
    sqs, queue = probe_cloud.client("sqs"), probe_cloud.content["queues"]["history-requests"]
    for body in ("good-1", "fail-1", "good-2"):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    table = probe_cloud.client("dynamodb")

    def consumed():
        found = table.query(
            TableName=probe_cloud.content["tables"]["things"],
            KeyConditionExpression="pk = :p",
            ExpressionAttributeValues={":p": {"S": "consumed"}},
        )
        return sorted(one["body"]["S"] for one in found["Items"])

    assert _eventually(consumed, lambda found: len(found) >= 2) == ["good-1", "good-2"]
    assert received("dead-letters", "fail-1", seconds=30)


def test_dead_letters_go_back_as_new_messages_by_the_command_of_the_runbooks(
    probe_cloud,  # noqa: F811
    received,
):
    sqs, urls = probe_cloud.client("sqs"), probe_cloud.content["queues"]
    arns = {
        name: sqs.get_queue_attributes(QueueUrl=urls[name], AttributeNames=["QueueArn"])[
            "Attributes"
        ]["QueueArn"]
        for name in ("dead-letters", "stream-dead-letters")
    }
    sqs.send_message(QueueUrl=urls["history-requests"], MessageBody="fail-again-1")

    def waiting():
        told = sqs.get_queue_attributes(
            QueueUrl=urls["dead-letters"], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(told["Attributes"]["ApproximateNumberOfMessages"])

    assert _eventually(waiting, lambda count: count == 1, seconds=30)
    assert sqs.start_message_move_task(SourceArn=arns["dead-letters"])["TaskHandle"]
    assert waiting() == 0
    (task,) = sqs.list_message_move_tasks(SourceArn=arns["dead-letters"])["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    # Its cause is still there: it is tried as often as at first, and set aside again.
    assert _eventually(waiting, lambda count: count == 1, seconds=30)
    sqs.start_message_move_task(
        SourceArn=arns["dead-letters"], DestinationArn=arns["stream-dead-letters"]
    )
    assert received("stream-dead-letters", "fail-again-1")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        sqs.start_message_move_task(SourceArn=arns["dead-letters"] + "-none")


def test_a_transaction_is_all_or_nothing_and_says_which_condition_failed(probe_cloud):  # noqa: F811
    client, table = probe_cloud.client("dynamodb"), probe_cloud.content["tables"]["things"]
    put = lambda sk: {  # noqa: E731
        "Put": {
            "TableName": table,
            "Item": {"pk": {"S": "tx"}, "sk": {"S": sk}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
    }
    client.transact_write_items(TransactItems=[put("1")])
    with pytest.raises(ClientError) as raised:
        client.transact_write_items(TransactItems=[put("2"), put("1")])
    reasons = raised.value.response["CancellationReasons"]
    assert [one["Code"] for one in reasons] == ["None", "ConditionalCheckFailed"]
    key = {"pk": {"S": "tx"}, "sk": {"S": "2"}}
    assert "Item" not in client.get_item(TableName=table, Key=key)
