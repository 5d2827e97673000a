"""Composition root of the consents: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.access.durations import load_durations
from dmp.composition import gate, journal
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.consents import Consents
from dmp.usecases.grant_access import GrantAccess
from dmp.usecases.read_consents import ReadConsents

ready("dynamodb")


@cache
def grant_access() -> GrantAccess:
    return GrantAccess(gate(), _consents(), load_durations())


@cache
def read_consents() -> ReadConsents:
    return ReadConsents(gate(), _consents())


def fhir_base() -> str:
    return f"{settings().api_url}/fhir"


@cache
def _consents() -> Consents:
    return Consents(client("dynamodb"), settings().table("consents"), journal())
