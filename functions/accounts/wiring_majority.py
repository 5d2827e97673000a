"""Composition root of the reminder of majority."""

from __future__ import annotations

from functools import cache

from dmp.access.parameters import load_parameters
from dmp.composition import pseudonyms
from dmp.edge.settings import settings
from dmp.store.aws import client, ready
from dmp.store.bus import Bus
from dmp.store.representatives import Minors
from dmp.usecases.remind_majority import RemindMajority

ready("dynamodb", "events", "secretsmanager")


@cache
def remind_majority() -> RemindMajority:
    told = settings()
    return RemindMajority(
        Minors(client("dynamodb"), told.table("accounts"), pseudonyms()),
        Bus(client("events"), told.event_bus),
        load_parameters(),
    )
