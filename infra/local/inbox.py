"""The e-mails and SMS that a local stack sent, which MiniStack keeps instead of delivering."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from infra.local.place import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping


def messages(stack: Mapping[str, Any], to: str | None = None) -> list[dict[str, Any]]:
    """``{"channel": "email"|"sms", "to": [...], "from", "subject", "text", "at"}``, oldest first.

    ``at`` is an instant (ISO 8601, UTC); the cloud keeps none for an SMS, so those come last.
    ``stack`` is the content of stack.json; ``to`` keeps what was sent to one address or number.
    """
    endpoint = stack["aws_endpoint"]
    mails = _read(f"{endpoint}/_ministack/ses/messages")["messages"].get(ACCOUNT, [])
    texts = _read(f"{endpoint}/_ministack/sns/sms-messages")["sms_messages"]
    found = [
        {
            "channel": "email",
            "to": [*one["To"], *one["CC"], *one["BCC"]],
            "from": one["Source"],
            "subject": one["Subject"],
            "text": one["BodyText"],
            "at": datetime.fromtimestamp(one["Timestamp"], UTC).isoformat(timespec="seconds"),
        }
        for one in sorted(mails, key=itemgetter("Timestamp"))
    ]
    found += [
        {
            "channel": "sms",
            "to": [number],
            "from": None,
            "subject": None,
            "text": one["Message"],
            "at": None,
        }
        for number, sent in texts.items()
        for one in sent
    ]
    wanted = to.casefold() if to else None
    return [one for one in found if wanted is None or wanted in map(str.casefold, one["to"])]


def _read(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - the loopback
        return json.loads(answer.read())
