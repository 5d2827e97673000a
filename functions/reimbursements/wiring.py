"""Composition root of the history over HTTP: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.composition import gate
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.histories import Histories
from dmp.usecases.read_history import ReadHistory

ready("dynamodb")


@cache
def read_history() -> ReadHistory:
    return ReadHistory(gate(), Histories(client("dynamodb"), settings().table("history")))


def base() -> str:
    """The FHIR base address."""
    return f"{settings().api_url}/fhir"
