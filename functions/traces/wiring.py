"""Composition root of the traces: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.composition import gate, journal
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.signing import SigningKey
from dmp.store.trace_pages import NamedDocuments, TracePages
from dmp.usecases.export_traces import ExportTraces
from dmp.usecases.read_traces import ReadTraces

ready("dynamodb")


@cache
def read_traces() -> ReadTraces:
    dynamodb = client("dynamodb")
    return ReadTraces(
        gate(),
        TracePages(dynamodb, journal()),
        NamedDocuments(dynamodb, settings().table("documents")),
    )


@cache
def export_traces() -> ExportTraces:
    return ExportTraces(read_traces())


@cache
def signing_key() -> SigningKey:
    return SigningKey(client("kms"), settings().key("signing"))


def fhir_base() -> str:
    return f"{settings().api_url}/fhir"
