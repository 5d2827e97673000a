"""Composition root of the accounts: the only place that picks adapters."""

from __future__ import annotations

from functools import cache

from dmp.access.parameters import load_parameters
from dmp.composition import gate, journal, pseudonyms, register, situations, traces
from dmp.domain.parameters import Parameters
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.consents import Authorisations
from dmp.store.directory import Directory
from dmp.store.patients import Shelf, Ways
from dmp.store.representatives import Representatives
from dmp.usecases.change_representatives import EndRepresentation, NameRepresentative
from dmp.usecases.find_record import FindRecord
from dmp.usecases.list_patients import ListPatients
from dmp.usecases.open_record import OpenRecord
from dmp.usecases.read_record import ReadRecord
from dmp.usecases.read_representatives import ReadRepresentatives

ready("dynamodb", "secretsmanager")


@cache
def open_record() -> OpenRecord:
    told = settings()
    directory = Directory(client("dynamodb"), told.table("directory"), pseudonyms())
    return OpenRecord(register(), directory, traces(), told.lenient_identity, _majority())


@cache
def read_record() -> ReadRecord:
    return ReadRecord(gate())


@cache
def find_record() -> FindRecord:
    return FindRecord(register(), gate(), settings().lenient_identity)


@cache
def read_representatives() -> ReadRepresentatives:
    return ReadRepresentatives(gate(), _majority())


@cache
def name_representative() -> NameRepresentative:
    return NameRepresentative(gate(), _representatives(), _majority())


@cache
def end_representation() -> EndRepresentation:
    return EndRepresentation(gate(), _representatives(), _majority())


@cache
def _representatives() -> Representatives:
    accounts = settings().table("accounts")
    return Representatives(client("dynamodb"), accounts, journal(), pseudonyms())


@cache
def list_patients() -> ListPatients:
    told, dynamodb = settings(), client("dynamodb")
    ways = Ways(dynamodb, told.table("accounts"), pseudonyms(), _representatives())
    return ListPatients(
        gate(),
        Authorisations(dynamodb, told.table("consents")),
        situations(),
        ways,
        Shelf(dynamodb, told.table("documents")),
    )


@cache
def parameters() -> Parameters:
    return load_parameters()


def _majority() -> int:
    return parameters().majority


def fhir_base() -> str:
    return f"{settings().api_url}/fhir"
