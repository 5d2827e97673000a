"""Composition root of the accounts: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.directory import Directory
from dmp.store.pseudonyms import Pseudonyms, secret_key
from dmp.store.records import Holders, Register
from dmp.store.situations import Situations
from dmp.store.traces import Traces
from dmp.usecases.find_record import FindRecord
from dmp.usecases.gate import Gate
from dmp.usecases.open_record import OpenRecord
from dmp.usecases.read_record import ReadRecord
from dmp.usecases.recognise_holder import RecogniseHolder

ready("dynamodb", "secretsmanager")


@cache
def open_record() -> OpenRecord:
    told = settings()
    directory = Directory(client("dynamodb"), told.table("directory"), _pseudonyms())
    return OpenRecord(_register(), directory, _traces(), told.lenient_identity)


@cache
def read_record() -> ReadRecord:
    return ReadRecord(_gate())


@cache
def find_record() -> FindRecord:
    return FindRecord(_register(), _gate(), settings().lenient_identity)


def fhir_base() -> str:
    return f"{settings().api_url}/fhir"


@cache
def _gate() -> Gate:
    from dmp.access.decide import CedarDecisions  # noqa: PLC0415 - opening asks no policy

    told, dynamodb = settings(), client("dynamodb")
    accounts, traces = told.table("accounts"), told.table("traces")
    return Gate(
        situations=Situations(dynamodb, accounts, told.table("consents")),
        decisions=CedarDecisions(),
        traces=_traces(),
        holders=RecogniseHolder(Holders(dynamodb, accounts, traces, _pseudonyms())),
    )


@cache
def _register() -> Register:
    told = settings()
    return Register(
        client("dynamodb"),
        told.table("accounts"),
        told.table("consents"),
        told.table("traces"),
        _pseudonyms(),
    )


@cache
def _traces() -> Traces:
    return Traces(client("dynamodb"), settings().table("traces"))


@cache
def _pseudonyms() -> Pseudonyms:
    return Pseudonyms(secret_key(client("secretsmanager"), settings().pseudonyms_secret))
