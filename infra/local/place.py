"""Where the local cloud pretends to be: one account, one region, one root key.

The account and the region are those of every ARN that the local cloud makes. The root key is
known to everybody on purpose: the local cloud listens on the loopback only and holds test data.
"""

from __future__ import annotations

from typing import Any

ACCOUNT = "000000000000"
REGION = "eu-west-3"
ROOT_KEY = "test"
ROOT_SECRET = "test"  # noqa: S105 - MiniStack's documented root key, not a secret
LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8080
DEFAULT_AWS_PORT = 4566
ISSUER_KINDS = ("patient", "professional", "agent", "system")


def client(service: str, endpoint: str, **config: Any) -> Any:
    """A boto3 client of the local cloud with root rights.

    ``endpoint`` is ``stack.json``'s ``aws_endpoint``; ``config`` goes to ``botocore.Config``.
    """
    import boto3  # noqa: PLC0415 - 300 ms that `dmp status` and `dmp down` need not pay
    from botocore.config import Config  # noqa: PLC0415

    settings = {"retries": {"max_attempts": 2}, "connect_timeout": 5, "read_timeout": 120}
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ROOT_KEY,
        aws_secret_access_key=ROOT_SECRET,
        config=Config(**{**settings, **config}),
    )
