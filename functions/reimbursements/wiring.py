"""Composition root of the history over HTTP: the only place that picks its adapters."""

from __future__ import annotations

from functools import cache

from dmp.access.decide import CedarDecisions
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.histories import Histories
from dmp.store.pseudonyms import Pseudonyms, secret_key
from dmp.store.records import Holders
from dmp.store.situations import Situations
from dmp.store.traces import Traces
from dmp.usecases.gate import Gate
from dmp.usecases.read_history import ReadHistory
from dmp.usecases.recognise_holder import RecogniseHolder

ready("dynamodb")


@cache
def read_history() -> ReadHistory:
    told = settings()
    dynamodb = client("dynamodb")
    accounts, traces = told.table("accounts"), told.table("traces")
    pseudonyms = Pseudonyms(secret_key(client("secretsmanager"), told.pseudonyms_secret))
    gate = Gate(
        situations=Situations(dynamodb, accounts, told.table("consents")),
        decisions=CedarDecisions(),
        traces=Traces(dynamodb, traces),
        holders=RecogniseHolder(Holders(dynamodb, accounts, traces, pseudonyms)),
    )
    return ReadHistory(gate, Histories(dynamodb, told.table("history")))


def base() -> str:
    """The FHIR base address."""
    return f"{settings().api_url}/fhir"
