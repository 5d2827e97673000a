"""Sending an e-mail is a right on the sender's identity, as in AWS; MiniStack asks for any.

A role that may send as one domain, and no other, was refused every e-mail: SES v2's ``SendEmail``
names its identity in the body, which MiniStack does not read. The identity here is the domain of
the sender's address, the only kind that the product verifies.
"""

from __future__ import annotations

import json
from email.utils import parseaddr
from typing import Any

from infra.local.patches import expect

_SEND = "/v2/email/outbound-emails"


def _sender_domain(body: bytes) -> str:
    """``ne-pas-repondre@dmp.example`` -> ``dmp.example``; empty for a body that names nobody."""
    try:
        sender = json.loads(body or b"{}").get("FromEmailAddress", "")
    except (ValueError, AttributeError):
        return ""
    return parseaddr(str(sender))[1].rpartition("@")[2].lower()


def apply() -> None:
    from ministack.core import iam_actions  # noqa: PLC0415 - reads its settings at import

    known: Any = expect.function(
        iam_actions, "_ses_v2_resource_arn", "method", "path", "body", "region", "account_id"
    )

    def resource_arn(method: str, path: str, body: bytes, region: str, account_id: str) -> str:
        domain = _sender_domain(body) if (method, path.rstrip("/")) == ("POST", _SEND) else ""
        if domain:
            return f"arn:aws:ses:{region}:{account_id}:identity/{domain}"
        return str(known(method, path, body, region, account_id))

    iam_actions._ses_v2_resource_arn = resource_arn  # noqa: SLF001
