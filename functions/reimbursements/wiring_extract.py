"""Composition root of the extract's steps: the only place that picks their adapters."""

from __future__ import annotations

from functools import cache

from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.landing import LandingBucket
from dmp.store.partitions import Partitions, Work
from dmp.store.pseudonyms import Pseudonyms, secret_key
from dmp.store.shards import Shards
from dmp.usecases.partition_extract import (
    Abandon,
    Admit,
    Check,
    Clean,
    Finish,
    Join,
    Plan,
    Sort,
)
from functions.reimbursements.manifests import manifest_of

ready("s3")


@cache
def landing() -> LandingBucket:
    return LandingBucket(client("s3"))


@cache
def work() -> Work:
    return Work(client("s3"), settings().bucket("history"))


@cache
def register() -> Shards:
    return Shards(client("s3"), settings().bucket("history"))


@cache
def partitions() -> Partitions:
    told = settings()
    return Partitions(
        s3=client("s3"),
        bucket=told.bucket("history"),
        landing=landing(),
        pseudonyms=Pseudonyms(secret_key(client("secretsmanager"), told.secret("pseudonyms"))),
        join_shards=told.join_shards,
        history_shards=told.history_shards,
        lenient=told.lenient_identity,
    )


def admit() -> Admit:
    return Admit(landing(), register(), manifest_of)


def check() -> Check:
    return Check(landing(), work(), manifest_of)


def plan() -> Plan:
    told = settings()
    return Plan(landing(), work(), manifest_of, told.join_shards, told.history_shards)


def clean() -> Clean:
    return Clean(partitions(), work())


def join() -> Join:
    return Join(partitions(), work())


def sort() -> Sort:
    return Sort(landing(), partitions(), manifest_of)


def finish() -> Finish:
    return Finish(
        landing(), partitions(), work(), register(), manifest_of, settings().history_shards
    )


def abandon() -> Abandon:
    return Abandon(landing(), manifest_of)
