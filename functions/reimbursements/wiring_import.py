"""Composition root of the import's steps: the only place that picks their adapters."""

from __future__ import annotations

from dmp.edge.settings import settings
from dmp.store.aws import client
from dmp.store.histories import Histories
from dmp.store.nomenclatures import built_in
from dmp.store.pseudonyms import Pseudonyms, secret_key
from dmp.store.records import Records
from dmp.store.shards import Shards
from dmp.store.traces import Traces
from dmp.usecases.import_history import BeginImport, CompleteImport, FailImport, GatherHistory


def records() -> Records:
    return Records(client("dynamodb"), settings().table("accounts"))


def histories() -> Histories:
    return Histories(client("dynamodb"), settings().table("history"))


def begin() -> BeginImport:
    return BeginImport(records())


def gather() -> GatherHistory:
    told = settings()
    pseudonyms = Pseudonyms(secret_key(client("secretsmanager"), told.pseudonyms_secret))
    return GatherHistory(
        records=records(),
        pseudonym=pseudonyms.insured,
        extracts=Shards(client("s3"), told.bucket("history")),
        histories=histories(),
        nomenclatures=built_in(),
    )


def complete() -> CompleteImport:
    traces = Traces(client("dynamodb"), settings().table("traces"))
    return CompleteImport(records(), histories(), traces)


def fail() -> FailImport:
    return FailImport(records())
