"""Composition root of the sealing: the locked bucket, and the key that signs."""

from __future__ import annotations

from functools import cache

from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.seals import Archive
from dmp.store.signing import SigningKey
from dmp.usecases.seal_traces import SealTraces

ready("s3", "kms")


@cache
def seal_traces() -> SealTraces:
    told = settings()
    return SealTraces(
        Archive(client("s3"), told.bucket("audit"), told.key("audit")),
        SigningKey(client("kms"), told.key("signing")),
    )
