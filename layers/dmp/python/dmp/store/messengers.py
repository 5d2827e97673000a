"""E-mail by SES and SMS by SNS. No address ever reaches a log or an exception."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from dmp.domain.errors import Busy
from dmp.domain.notifications import AddressRefused, Channel, Message

_SENDER_NAME = "DMP"

_REFUSALS = frozenset(
    {
        "BadRequestException",  # SES v2: "Illegal address", "Missing final '@domain'"
        "MessageRejected",
        "InvalidParameter",  # SNS: "PhoneNumber Reason: … is not valid to publish to"
        "InvalidParameterValue",
        "OptedOut",
    }
)
"""What a provider answers to this message, whenever it is sent."""

_OURS = "not verified"
"""SES rejects in these words when our own account may not send: no fault of the address."""


class Messengers:
    """`usecases.deliver.Messengers`: one provider for each channel."""

    def __init__(self, ses: Any, sns: Any, sender: str) -> None:
        """`ses` is a client of SES v2; `sender` the e-mail address that the messages come from."""
        self._ses = ses
        self._sns = sns
        self._sender = sender

    def send(self, message: Message) -> None:
        """Both errors name the provider's code alone: its sentence may quote the address."""
        send = {Channel.EMAIL: self._email, Channel.SMS: self._sms}[message.channel]
        try:
            send(message)
        except ClientError as error:
            told = error.response["Error"]
            why = f"{message.channel}: {told['Code']}"
            if told["Code"] in _REFUSALS and _OURS not in told.get("Message", ""):
                raise AddressRefused(why) from None
            raise Busy(why) from None
        except BotoCoreError as error:
            raise Busy(f"{message.channel}: {type(error).__name__}") from None

    def _email(self, message: Message) -> None:
        self._ses.send_email(
            FromEmailAddress=self._sender,
            Destination={"ToAddresses": [message.address]},
            Content={
                "Simple": {
                    "Subject": {"Data": message.title, "Charset": "UTF-8"},
                    "Body": {"Text": {"Data": message.text, "Charset": "UTF-8"}},
                }
            },
        )

    def _sms(self, message: Message) -> None:
        self._sns.publish(
            PhoneNumber=e164(message.address),
            Message=message.text,
            MessageAttributes={
                "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
                "AWS.SNS.SMS.SenderID": {"DataType": "String", "StringValue": _SENDER_NAME},
            },
        )


def e164(number: str) -> str:
    """A French number as the network wants it: `06 12 34 56 78` is `+33612345678`."""
    digits = "".join(character for character in number if character.isdigit())
    if number.strip().startswith("+"):
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    return f"+33{digits.removeprefix('0')}"
