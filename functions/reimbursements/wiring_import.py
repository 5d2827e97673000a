"""Composition root of the import's steps: the only place that picks their adapters."""

from __future__ import annotations

from functools import cache

from dmp.composition import pseudonyms, traces
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.histories import Histories
from dmp.store.nomenclatures import built_in
from dmp.store.records import Records
from dmp.store.shards import Shards
from dmp.usecases.import_history import BeginImport, CompleteImport, FailImport, GatherHistory

ready("dynamodb")


@cache
def records() -> Records:
    return Records(client("dynamodb"), settings().table("accounts"))


@cache
def histories() -> Histories:
    return Histories(client("dynamodb"), settings().table("history"))


@cache
def begin() -> BeginImport:
    return BeginImport(records())


@cache
def gather() -> GatherHistory:
    told = settings()
    return GatherHistory(
        records=records(),
        pseudonym=pseudonyms().insured,
        extracts=Shards(client("s3"), told.bucket("history")),
        histories=histories(),
        nomenclatures=built_in(),
    )


@cache
def complete() -> CompleteImport:
    return CompleteImport(records(), histories(), traces())


@cache
def fail() -> FailImport:
    return FailImport(records())
