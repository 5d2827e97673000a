"""What the composition roots of several areas build alike, once per process.

Only the roots (`functions/<area>/wiring*.py`) ask here; what one area alone needs stays with it.
"""

from __future__ import annotations

from functools import cache

from dmp.edge.observability import count, logger
from dmp.edge.settings import settings
from dmp.store.aws import client
from dmp.store.pseudonyms import Pseudonyms, secret_key
from dmp.store.records import Holders, Register
from dmp.store.situations import Situations
from dmp.store.traces import Journal, Traces
from dmp.usecases.gate import Gate
from dmp.usecases.recognise_holder import RecogniseHolder


@cache
def pseudonyms() -> Pseudonyms:
    return Pseudonyms(secret_key(client("secretsmanager"), settings().secret("pseudonyms")))


@cache
def journal() -> Journal:
    told = settings()
    return Journal(
        told.table("traces"), secret_key(client("secretsmanager"), told.secret("journal"))
    )


@cache
def traces() -> Traces:
    return Traces(client("dynamodb"), journal())


@cache
def register() -> Register:
    told = settings()
    return Register(
        client("dynamodb"),
        told.table("accounts"),
        told.table("consents"),
        journal(),
        pseudonyms(),
    )


@cache
def situations(*, documents: bool = False) -> Situations:
    """What an area decides on; with `documents`, on single documents too."""
    told = settings()
    return Situations(
        client("dynamodb"),
        told.table("accounts"),
        told.table("consents"),
        told.table("documents") if documents else None,
    )


def alarm_evaluation(action: str) -> None:
    """An access that could not be decided is refused; somebody has to know (`evaluation-errors`).

    `action` is all that is told: neither the record nor who asked.
    """
    logger("access").error("access not evaluated", action=action)
    count("EvaluationErrors")


@cache
def gate(*, documents: bool = False) -> Gate:
    """The gate of an area; with `documents`, of one that decides on single documents too."""
    from dmp.access.decide import CedarDecisions  # noqa: PLC0415 - parsed at the first access

    dynamodb, accounts = client("dynamodb"), settings().table("accounts")
    return Gate(
        situations=situations(documents=documents),
        decisions=CedarDecisions(alarm=alarm_evaluation),
        traces=traces(),
        holders=RecogniseHolder(Holders(dynamodb, accounts, journal(), pseudonyms())),
    )
