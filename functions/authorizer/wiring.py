"""Composition root of the authorizer: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.edge.keyring import KeyRing
from dmp.edge.settings import settings
from dmp.edge.tokens import Verifier
from dmp.store.aws import client, ready
from dmp.store.pseudonyms import Pseudonyms, secret_key

ready("secretsmanager")


@cache
def verifier() -> Verifier:
    return Verifier(settings().issuers, KeyRing(), _pseudonyms().subject)


def _pseudonyms() -> Pseudonyms:
    return Pseudonyms(secret_key(client("secretsmanager"), settings().secret("pseudonyms")))
