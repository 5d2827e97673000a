"""Composition root of the collecting: parts in the locked bucket."""

from __future__ import annotations

from functools import cache

from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.seals import Archive, digest
from dmp.usecases.collect_traces import CollectTraces

ready("s3")

__all__ = ["collect_traces", "digest"]


@cache
def collect_traces() -> CollectTraces:
    told = settings()
    return CollectTraces(Archive(client("s3"), told.bucket("audit"), told.key("audit")))
