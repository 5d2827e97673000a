"""One botocore client per service and process, with the house's patience."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# A caller waits behind API Gateway for at most 29 s: fail early, retry thrice, keep connections.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=25,
    tcp_keepalive=True,
    s3={"addressing_style": "path"},
    signature_version="s3v4",
)


@cache
def client(service: str) -> Any:
    """The client of a service: `client("dynamodb")`."""
    config = _CONFIG if service == "s3" else _CONFIG.merge(Config(signature_version=None))
    return boto3.client(service, config=config)


def ready(*services: str) -> None:
    """Make clients while Lambda initialises, where it gives a whole processor; nowhere else, so
    that an import needs neither region nor credentials."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        for service in services:
            client(service)
