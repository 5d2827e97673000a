"""The gateway's TOKEN authorizer: a bearer token in, an actor out.

It always lets the request through: a good token as `authorizer.actor`, any other as
`authorizer.refusal`, so that the function behind answers 401 in the form of its path. When a
provider's keys cannot be had it fails, which the gateway answers by itself and does not cache.
No token, and nothing of one, is ever logged.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from dmp.domain.actors import key_of
from dmp.domain.errors import Unauthenticated
from dmp.edge.actors import to_context
from dmp.edge.observability import logger
from functions.authorizer import wiring

journal = logger("authorizer")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The policy for one `Authorization` header."""
    try:
        actor = wiring.verifier()(event.get("authorizationToken", ""))
    except Unauthenticated as refused:
        journal.info("token refused", reason=refused.reason)
        return _allow(event["methodArn"], "refused", {"refusal": refused.reason})
    principal = sha256(key_of(actor).encode()).hexdigest()
    return _allow(event["methodArn"], principal, {"actor": to_context(actor)})


def _allow(method: str, principal: str, context: dict[str, str]) -> dict[str, Any]:
    """Allow the whole stage: the gateway may reuse the answer for another path."""
    api, stage, *_ = method.split("/")
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Resource": f"{api}/{stage}/*",
                }
            ],
        },
        "context": context,
    }
