"""Rules of the notices' table, on moto."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sesv2.models import sesv2_backends
from moto.sns.models import sns_backends

from dmp.domain.errors import Busy
from dmp.domain.notifications import (
    AddressRefused,
    Channel,
    Fact,
    Message,
    Recipient,
    Role,
    Subject,
    Way,
)
from dmp.domain.traces import Act, Outcome, Trace
from dmp.store.items import ConditionFailed, decode
from dmp.store.messengers import Messengers, e164
from dmp.store.notices import LEASE, Notices
from dmp.usecases.deliver import Claim, Ending, Notice
from tests.support.aws import JOURNAL

NOW = datetime(2026, 7, 14, 10, 5, tzinfo=UTC)
FACT = Fact("01jd0000000000000000000000", Subject.DOCUMENT_PUBLISHED, "7h3k", NOW)
HOLDER = Recipient("holder", Role.HOLDER, (Way(Channel.EMAIL, "who@example.org"),))
NOTICE = Notice(FACT, HOLDER, "email")
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
    assert notices.claim(NOTICE, NOW) is Claim.OURS
    assert notices.claim(NOTICE, NOW) is Claim.HELD


def test_a_claim_lapses_so_that_a_crash_holds_nobody_up(notices) -> None:
    notices.claim(NOTICE, NOW)
    assert notices.claim(NOTICE, NOW + LEASE - timedelta(seconds=1)) is Claim.HELD
    assert notices.claim(NOTICE, NOW + LEASE) is Claim.OURS


@pytest.mark.parametrize(
    ("ending", "claim"), [(Ending.SENT, Claim.DONE), (Ending.REFUSED, Claim.REFUSED)]
)
def test_a_notice_that_is_over_is_never_claimed_again(notices, ending, claim) -> None:
    notices.claim(NOTICE, NOW)
    notices.finish(NOTICE, ending, TRACE, NOW)
    assert notices.claim(NOTICE, NOW + LEASE * 100) is claim


@pytest.mark.parametrize(
    "other",
    [
        replace(NOTICE, channel="mobile"),
        replace(NOTICE, recipient=Recipient("representative.01jd", Role.REPRESENTATIVE, ())),
        replace(NOTICE, fact=replace(FACT, event_id="01jd9")),
    ],
    ids=["another channel", "another person", "another fact"],
)
def test_what_differs_in_one_thing_is_another_notice(notices, other) -> None:
    notices.claim(NOTICE, NOW)
    assert notices.claim(other, NOW) is Claim.OURS


def test_a_notice_and_its_trace_are_written_together_and_once(notices, dynamodb) -> None:
    notices.claim(NOTICE, NOW)
    notices.finish(NOTICE, Ending.SENT, TRACE, NOW)
    notices.finish(NOTICE, Ending.REFUSED, replace(TRACE, id="01jd2"), NOW)
    (notice,), (trace,) = items(dynamodb, "accounts"), items(dynamodb, "traces")
    assert (notice["pk"], notice["sk"]) == ("REC#7h3k", f"SENT#{FACT.event_id}#holder#email")
    assert (notice["ending"], notice["endedAt"]) == ("sent", NOW.isoformat())
    assert (trace["pk"], trace["act"]) == ("REC#7h3k", "holder.notify")


def test_a_notice_that_nobody_claimed_cannot_be_finished(notices, dynamodb) -> None:
    with pytest.raises(ConditionFailed):
        notices.finish(NOTICE, Ending.SENT, TRACE, NOW)
    assert items(dynamodb, "traces") == []


FAILED = replace(TRACE, id="01jd2", outcome=Outcome.FAILED, reason="provider-unavailable")


def test_what_a_provider_did_not_take_is_given_back_at_once(notices, dynamodb) -> None:
    notices.claim(NOTICE, NOW)
    notices.give_back(NOTICE, NOW)
    assert items(dynamodb, "traces") == []
    assert notices.claim(NOTICE, NOW) is Claim.OURS


def test_given_back_for_the_last_time_it_leaves_a_trace_and_may_still_be_sent(
    notices, dynamodb
) -> None:
    notices.claim(NOTICE, NOW)
    notices.give_back(NOTICE, NOW, FAILED)
    (trace,) = items(dynamodb, "traces")
    assert (trace["outcome"], trace["reason"]) == ("failed", "provider-unavailable")
    assert notices.claim(NOTICE, NOW) is Claim.OURS


def test_a_doubt_leaves_its_trace_and_the_claim_to_whoever_holds_it(notices, dynamodb) -> None:
    notices.claim(NOTICE, NOW)
    notices.doubt(NOTICE, FAILED)
    assert [trace["outcome"] for trace in items(dynamodb, "traces")] == ["failed"]
    assert notices.claim(NOTICE, NOW) is Claim.HELD


def test_of_what_went_out_meanwhile_no_trace_says_that_it_did_not(notices, dynamodb) -> None:
    notices.claim(NOTICE, NOW)
    notices.finish(NOTICE, Ending.SENT, TRACE, NOW)
    notices.doubt(NOTICE, FAILED)
    notices.give_back(NOTICE, NOW, FAILED)
    assert [trace["outcome"] for trace in items(dynamodb, "traces")] == ["done"]
    assert notices.claim(NOTICE, NOW + LEASE) is Claim.DONE


def test_a_notice_is_forgotten_after_any_queue_forgot_the_fact(notices, dynamodb) -> None:
    notices.claim(NOTICE, NOW)
    (notice,) = items(dynamodb, "accounts")
    assert notice["ttl"] > (NOW + timedelta(days=28)).timestamp()


@pytest.mark.parametrize("subject", [Subject.DOCUMENT_ACCESSED, Subject.RECORD_ACCESSED])
def test_a_first_access_is_never_forgotten(notices, dynamodb, subject) -> None:
    access = Fact("01jd1", subject, "7h3k", NOW, "professional#810100997245")
    notices.claim(replace(NOTICE, fact=access), NOW)
    (notice,) = items(dynamodb, "accounts")
    assert notice["sk"] == "SENT#first-access.professional.810100997245#holder#email"
    assert "ttl" not in notice


def test_a_notice_holds_no_address_and_no_words(notices, dynamodb) -> None:
    notices.claim(NOTICE, NOW)
    notices.finish(NOTICE, Ending.SENT, TRACE, NOW)
    (notice,) = items(dynamodb, "accounts")
    assert notice.keys() == {"pk", "sk", "subject", "claimedUntil", "ttl", "ending", "endedAt"}


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


def test_that_our_account_may_not_send_is_no_fault_of_the_address(aws) -> None:
    unknown_sender = Messengers(boto3.client("sesv2"), boto3.client("sns"), "nobody@dmp.example")
    with pytest.raises(Busy) as refused:
        unknown_sender.send(Message(Channel.EMAIL, "who@example.org", "t", "x"))
    assert "example" not in str(refused.value)
    assert refused.value.__cause__ is None


class Provider:
    """A client that answers every message with one error, quoting the address as AWS does."""

    def __init__(self, code, sentence):
        self.error = ClientError({"Error": {"Code": code, "Message": sentence}}, "Send")

    def send_email(self, **_):
        raise self.error

    publish = send_email


@pytest.mark.parametrize(
    ("channel", "code", "sentence", "kind"),
    [
        (Channel.EMAIL, "BadRequestException", "Illegal address", AddressRefused),
        (Channel.EMAIL, "MessageRejected", "Invalid recipient who@example.org", AddressRefused),
        (Channel.EMAIL, "MessageRejected", "Email address is not verified: a@b.fr", Busy),
        (Channel.EMAIL, "TooManyRequestsException", "Maximum sending rate exceeded.", Busy),
        (Channel.EMAIL, "AccountSuspendedException", "who@example.org", Busy),
        (Channel.EMAIL, "SendingPausedException", "", Busy),
        (Channel.SMS, "InvalidParameter", "Reason: +33612345678 is not valid", AddressRefused),
        (Channel.SMS, "InvalidParameterValue", "PhoneNumber", AddressRefused),
        (Channel.SMS, "Throttling", "Rate exceeded", Busy),
        (Channel.SMS, "AuthorizationError", "+33612345678", Busy),
    ],
)
def test_an_address_that_is_wrong_is_told_from_a_provider_that_cannot_now(
    channel, code, sentence, kind
) -> None:
    provider = Provider(code, sentence)
    with pytest.raises(kind) as refused:
        Messengers(provider, provider, "us@dmp.example").send(
            Message(channel, "who@example.org", "t", "x")
        )
    assert str(refused.value) == f"{channel}: {code}"
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
