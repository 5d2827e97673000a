"""Composition root of the accounts: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.composition import gate, pseudonyms, register, traces
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.directory import Directory
from dmp.usecases.find_record import FindRecord
from dmp.usecases.open_record import OpenRecord
from dmp.usecases.read_record import ReadRecord

ready("dynamodb", "secretsmanager")


@cache
def open_record() -> OpenRecord:
    told = settings()
    directory = Directory(client("dynamodb"), told.table("directory"), pseudonyms())
    return OpenRecord(register(), directory, traces(), told.lenient_identity)


@cache
def read_record() -> ReadRecord:
    return ReadRecord(gate())


@cache
def find_record() -> FindRecord:
    return FindRecord(register(), gate(), settings().lenient_identity)


def fhir_base() -> str:
    return f"{settings().api_url}/fhir"
