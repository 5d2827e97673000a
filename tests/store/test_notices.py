"""Rules of the notices' table, on moto."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sesv2.models import sesv2_backends
from moto.sns.models import sns_backends

from dmp.domain.errors import Busy
from dmp.domain.notifications import Channel, Fact, Message, Subject
from dmp.domain.traces import Act, Outcome, Trace
from dmp.store.items import ConditionFailed, decode
from dmp.store.messengers import Messengers, e164
from dmp.store.notices import LEASE, Notices
from dmp.usecases.notify_holder import Claim
from tests.support.aws import JOURNAL

NOW = datetime(2026, 7, 14, 10, 5, tzinfo=UTC)
FACT = Fact("01jd0000000000000000000000", Subject.DOCUMENT_PUBLISHED, "7h3k", NOW)
TRACE = Trace("01jd1", NOW, Act.NOTIFY, Outcome.DONE, "service#notifications", record_id="7h3k")


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    with mock_aws():
        yield


@pytest.fixture
def dynamodb(aws):
    client = boto3.client("dynamodb")
    for table in ("accounts", "traces"):
        client.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
    return client


@pytest.fixture
def notices(dynamodb):
    return Notices(dynamodb, "accounts", JOURNAL)


def items(dynamodb, table):
    return [decode(item) for item in dynamodb.scan(TableName=table)["Items"]]


def test_one_claim_wins(notices) -> None:
    assert notices.claim(FACT, "email", NOW) is Claim.OURS
    assert notices.claim(FACT, "email", NOW) is Claim.HELD


def test_a_claim_lapses_so_that_a_crash_holds_nobody_up(notices) -> None:
    notices.claim(FACT, "email", NOW)
    assert notices.claim(FACT, "email", NOW + LEASE - timedelta(seconds=1)) is Claim.HELD
    assert notices.claim(FACT, "email", NOW + LEASE) is Claim.OURS


def test_a_finished_notice_is_never_claimed_again(notices) -> None:
    notices.claim(FACT, "email", NOW)
    notices.finish(FACT, "email", TRACE, NOW)
    assert notices.claim(FACT, "email", NOW + LEASE * 100) is Claim.DONE


def test_two_channels_are_two_notices(notices) -> None:
    notices.claim(FACT, "email", NOW)
    assert notices.claim(FACT, "mobile", NOW) is Claim.OURS


def test_a_notice_and_its_trace_are_written_together(notices, dynamodb) -> None:
    notices.claim(FACT, "email", NOW)
    notices.finish(FACT, "email", TRACE, NOW)
    notices.finish(FACT, "email", TRACE, NOW)
    (notice,), (trace,) = items(dynamodb, "accounts"), items(dynamodb, "traces")
    assert (notice["pk"], notice["sk"]) == ("REC#7h3k", f"SENT#{FACT.event_id}#email")
    assert notice["sentAt"] == NOW.isoformat()
    assert (trace["pk"], trace["act"]) == ("REC#7h3k", "holder.notify")


def test_a_notice_that_nobody_claimed_cannot_be_finished(notices, dynamodb) -> None:
    with pytest.raises(ConditionFailed):
        notices.finish(FACT, "email", TRACE, NOW)
    assert items(dynamodb, "traces") == []


def test_a_notice_is_forgotten_after_any_queue_forgot_the_fact(notices, dynamodb) -> None:
    notices.claim(FACT, "email", NOW)
    (notice,) = items(dynamodb, "accounts")
    assert notice["ttl"] > (NOW + timedelta(days=28)).timestamp()


def test_a_first_access_is_never_forgotten(notices, dynamodb) -> None:
    access = Fact("01jd1", Subject.DOCUMENT_ACCESSED, "7h3k", NOW, "professional#810100997245")
    notices.claim(access, "email", NOW)
    (notice,) = items(dynamodb, "accounts")
    assert notice["sk"] == "SENT#first-access.professional.810100997245#email"
    assert "ttl" not in notice


def test_a_notice_holds_no_address_and_no_words(notices, dynamodb) -> None:
    notices.claim(FACT, "email", NOW)
    notices.finish(FACT, "email", TRACE, NOW)
    (notice,) = items(dynamodb, "accounts")
    assert notice.keys() == {"pk", "sk", "subject", "claimedUntil", "ttl", "sentAt"}


@pytest.fixture
def messengers(aws):
    ses = boto3.client("sesv2")
    ses.create_email_identity(EmailIdentity="ne-pas-repondre@dmp.example")
    return Messengers(ses, boto3.client("sns"), "ne-pas-repondre@dmp.example")


def test_an_email_leaves_from_our_address_with_its_title_and_text(messengers) -> None:
    messengers.send(Message(Channel.EMAIL, "who@example.org", "Titre é", "Texte"))
    (sent,) = sesv2_backends[DEFAULT_ACCOUNT_ID]["eu-west-3"].core_backend.sent_messages
    assert sent.source == "ne-pas-repondre@dmp.example"
    assert sent.destinations["ToAddresses"] == ["who@example.org"]
    assert (sent.subject, sent.body) == ("Titre é", "Texte")


def test_an_sms_leaves_to_the_number_in_the_network_s_form(messengers) -> None:
    messengers.send(Message(Channel.SMS, "06 12 34 56 78", "", "Texte"))
    ((number, text),) = [
        one[:2] if isinstance(one, tuple) else one
        for one in sns_backends[DEFAULT_ACCOUNT_ID]["eu-west-3"].sms_messages.values()
    ]
    assert (number, text) == ("+33612345678", "Texte")


def test_a_provider_s_refusal_is_busy_and_repeats_no_address(aws) -> None:
    unknown_sender = Messengers(boto3.client("sesv2"), boto3.client("sns"), "nobody@dmp.example")
    with pytest.raises(Busy) as refused:
        unknown_sender.send(Message(Channel.EMAIL, "who@example.org", "t", "x"))
    assert "example" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ("0612345678", "+33612345678"),
        ("+33 6 12 34 56 78", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("612345678", "+33612345678"),
        ("+32470123456", "+32470123456"),
    ],
)
def test_a_number_is_written_as_the_network_wants_it(told, number) -> None:
    assert e164(told) == number
