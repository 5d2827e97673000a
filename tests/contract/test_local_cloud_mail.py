"""Who may send as one domain sends as that one, and as no other."""

import contextlib
import json

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local import inbox
from tests.support.local_stack import probe_cloud  # noqa: F401 - a fixture

DOMAIN, OTHER = "sender.example", "other.example"


@pytest.fixture
def sender(probe_cloud):  # noqa: F811 - the fixture
    """SES v2 with the key of somebody whose only right is to send as `DOMAIN`."""
    root, iam = probe_cloud.client("sesv2"), probe_cloud.client("iam")
    for domain in (DOMAIN, OTHER):
        with contextlib.suppress(root.exceptions.AlreadyExistsException):
            root.create_email_identity(EmailIdentity=domain)
    name = f"sender-{len(iam.list_users()['Users'])}"
    iam.create_user(UserName=name)
    statement = {
        "Effect": "Allow",
        "Action": "ses:SendEmail",
        "Resource": f"arn:aws:ses:eu-west-3:000000000000:identity/{DOMAIN}",
    }
    iam.put_user_policy(
        UserName=name,
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.client(
        "sesv2",
        endpoint_url=probe_cloud.aws_endpoint,
        region_name="eu-west-3",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def send(ses, address, to):
    ses.send_email(
        FromEmailAddress=address,
        Destination={"ToAddresses": [to]},
        Content={"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}}},
    )


def test_the_own_domain_s_mail_goes_out(sender, probe_cloud):  # noqa: F811
    send(sender, f"Somebody <no-reply@{DOMAIN}>", "one@example.test")
    assert len(inbox.messages(probe_cloud.content, "one@example.test")) == 1


def test_another_domain_s_mail_is_refused(sender, probe_cloud):  # noqa: F811
    with pytest.raises(ClientError, match="AccessDenied"):
        send(sender, f"no-reply@{OTHER}", "two@example.test")
    assert inbox.messages(probe_cloud.content, "two@example.test") == []
