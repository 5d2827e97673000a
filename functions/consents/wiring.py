"""Composition root of the consents: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.access.durations import Durations, load_durations
from dmp.composition import gate, journal
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.consents import Consents
from dmp.usecases.change_consent import ChangeConsent
from dmp.usecases.grant_access import GrantAccess
from dmp.usecases.read_consents import ReadConsents

ready("dynamodb")


@cache
def grant_access() -> GrantAccess:
    """Its gate reads documents: one may be the proof."""
    return GrantAccess(gate(documents=True), _consents(), _durations())


@cache
def change_consent() -> ChangeConsent:
    return ChangeConsent(gate(), _consents(), _durations())


@cache
def read_consents() -> ReadConsents:
    return ReadConsents(gate(), _consents())


def fhir_base() -> str:
    return f"{settings().api_url}/fhir"


@cache
def _durations() -> Durations:
    return load_durations()


@cache
def _consents() -> Consents:
    return Consents(client("dynamodb"), settings().table("consents"), journal())
