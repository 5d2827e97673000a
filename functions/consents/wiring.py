"""Composition root of the consents: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.access.decide import CedarDecisions
from dmp.access.durations import load_durations
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.consents import Consents
from dmp.store.pseudonyms import Pseudonyms, secret_key
from dmp.store.records import Holders
from dmp.store.situations import Situations
from dmp.store.traces import Traces
from dmp.usecases.gate import Gate
from dmp.usecases.grant_access import GrantAccess
from dmp.usecases.read_consents import ReadConsents
from dmp.usecases.recognise_holder import RecogniseHolder

ready("dynamodb")


@cache
def grant_access() -> GrantAccess:
    return GrantAccess(_gate(), _consents(), load_durations())


@cache
def read_consents() -> ReadConsents:
    return ReadConsents(_gate(), _consents())


def fhir_base() -> str:
    return f"{settings().api_url}/fhir"


@cache
def _gate() -> Gate:
    told, dynamodb = settings(), client("dynamodb")
    accounts, traces = told.table("accounts"), told.table("traces")
    pseudonyms = Pseudonyms(secret_key(client("secretsmanager"), told.pseudonyms_secret))
    return Gate(
        situations=Situations(dynamodb, accounts, told.table("consents")),
        decisions=CedarDecisions(),
        traces=Traces(dynamodb, traces),
        holders=RecogniseHolder(Holders(dynamodb, accounts, traces, pseudonyms)),
    )


@cache
def _consents() -> Consents:
    told = settings()
    return Consents(client("dynamodb"), told.table("consents"), told.table("traces"))
