"""What a queue put aside goes back once the cause is gone, as the runbooks say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.client import Dmp
from tests.e2e.inside import Inside
from tests.support.people import somebody

FUNCTION, QUEUE = "dmp-local-notifications-queue", "notifications"


@pytest.fixture
def inside(dmp: Dmp, eventually) -> Inside:
    """With an idle queue: what an earlier test killed is held until it is handed out again."""
    inside = Inside(dmp.stack)
    assert eventually(lambda: not inside.waiting(QUEUE), within=200), inside.waiting()
    return inside


@contextmanager
def without_the_right(dmp: Dmp, function: str, action: str) -> Iterator[None]:
    """A function whose role may not do something, as after a faulty deployment."""
    iam, told = dmp.stack.client("iam"), dmp.stack.client("lambda")
    role = told.get_function_configuration(FunctionName=function)["Role"].rpartition("/")[2]
    denial = {"Effect": "Deny", "Action": action, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    iam.put_role_policy(RoleName=role, PolicyName="fault", PolicyDocument=policy)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="fault")


def test_what_could_not_be_told_is_told_once_after_a_redrive(dmp: Dmp, inside: Inside, eventually):
    address = "redrive@example.test"
    dead_letters = f"{QUEUE}-dead-letters"
    with (
        inside.shown_again_soon(QUEUE, seconds=1),
        without_the_right(dmp, FUNCTION, "dynamodb:BatchGetItem"),
    ):
        record = dmp.open(somebody(), contact={"email": address})
        # Not that of the document: the holder is told of the history that it is.
        assert eventually(lambda: inside.waiting(QUEUE) == {dead_letters: 1}), inside.waiting()
    assert dmp.mail(address) == []

    redrive(dmp, dead_letters)

    assert eventually(lambda: dmp.mail(address))
    assert eventually(lambda: not inside.waiting(QUEUE)), inside.waiting()
    assert len(dmp.mail(address)) == 1
    assert inside.acts(record)["holder.notify"] == 1


def test_when_the_provider_would_not_the_trace_says_so_once_and_a_redrive_tells_after_all(
    dmp: Dmp, inside: Inside, eventually
):
    address = "provider@example.test"
    dead_letters = f"{QUEUE}-dead-letters"
    with (
        inside.shown_again_soon(QUEUE, seconds=1),
        without_the_right(dmp, FUNCTION, "ses:SendEmail"),
    ):
        record = dmp.open(somebody(), contact={"email": address})
        assert eventually(lambda: inside.waiting(QUEUE) == {dead_letters: 1}), inside.waiting()
    assert notices(inside, record) == [("failed", "provider-unavailable")]
    redrive(dmp, dead_letters)
    assert eventually(lambda: len(notices(inside, record)) == 2)
    assert notices(inside, record)[1] == ("done", None)
    assert len(dmp.mail(address)) == 1


def redrive(dmp: Dmp, dead_letters: str) -> None:
    """As infra/runbooks/notifications-dead-letters.md says."""
    sqs = dmp.stack.client("sqs")
    queue = sqs.get_queue_url(QueueName=f"dmp-local-{dead_letters}")["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sqs.start_message_move_task(SourceArn=told["QueueArn"])


def notices(inside: Inside, record: str) -> list[tuple[str, str | None]]:
    """How each notice of a record ended, and why, in order."""
    return [
        (one["outcome"]["S"], one["reason"]["S"] if "reason" in one else None)
        for _, one in sorted(inside.items("traces", record).items())
        if one["act"]["S"] == "holder.notify"
    ]


def test_a_message_that_nobody_can_read_is_put_aside_and_delays_no_other(
    dmp: Dmp, inside: Inside, eventually
):
    address, dead_letters = "after-the-poison@example.test", f"{QUEUE}-dead-letters"
    sqs, urls = dmp.stack.client("sqs"), dmp.stack.content["queues"]
    with inside.shown_again_soon(QUEUE, seconds=1):
        sqs.send_message(QueueUrl=urls[QUEUE], MessageBody='{"detail-type": "poison"')
        dmp.open(somebody(), contact={"email": address})
        assert eventually(lambda: dmp.mail(address))
        assert eventually(lambda: inside.waiting(QUEUE) == {dead_letters: 1}), inside.waiting()
    (poison,) = sqs.receive_message(QueueUrl=urls[dead_letters])["Messages"]
    assert poison["Body"] == '{"detail-type": "poison"'
    sqs.delete_message(QueueUrl=urls[dead_letters], ReceiptHandle=poison["ReceiptHandle"])
